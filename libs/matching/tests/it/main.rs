//! What the crate promises, from outside. One binary.

mod csv_sides;
mod keyed_faults;
mod keyed_limits;
mod passes_rules;
mod passes_steps;
mod passes_truth;
mod planted;
