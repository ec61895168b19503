//! The binary as its users run it: real processes, the embedded database, real HTTP.

mod bad_days;
mod closing;
mod command_line;
mod crashes;
mod daily;
mod desk;
mod doctor;
mod doubling;
mod evening;
mod everything;
mod finance_desk;
mod growing;
mod money_desk;
mod nodes;
mod payouts;
mod place;
mod planning;
mod planted;
mod processes;
mod refunds;
mod shown;
mod starting;
mod steering;
mod traces;
mod unknown;
mod witness;

// The pages' own steps, taken here against the real thing.
#[path = "../../../console/tests/it/cutter.rs"]
mod cutter;
#[path = "../../../console/tests/it/steps.rs"]
mod steps;
