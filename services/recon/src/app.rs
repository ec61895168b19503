//! One file per act: comparing minutes and vouchers, working on breaks, bringing about what was decided, healing,
//! verifying the trail, reading breaks and lag.

pub mod act_on_break;
pub mod commands;
pub mod compare_minutes;
pub mod compare_vouchers;
pub mod desk_error;
pub mod find_agreement;
pub mod heal_breaks;
pub mod order_rows;
pub mod read_break;
pub mod read_lag;
pub mod run_desk;
pub mod run_effects;
pub mod seen;
pub mod sources;
pub mod verify_trail;
