//! One file per act: comparing minutes and vouchers, working on breaks, bringing about what was decided, healing,
//! verifying the trail, reading breaks and lag; importing bills, running days, posting what channels have paid, changing
//! matching rules, explaining.

pub mod act_on_break;
pub mod change_rules;
pub mod closed_days;
pub mod commands;
pub mod compare_day;
pub mod compare_fees;
pub mod compare_minutes;
pub mod compare_vouchers;
pub mod daily_error;
pub mod day_breaks;
pub mod day_rows;
pub mod desk_error;
pub mod explain;
pub mod find_agreement;
pub mod fitting_actions;
pub mod heal_breaks;
pub mod import_bill;
pub mod match_bills;
pub mod order_rows;
pub mod read_break;
pub mod read_lag;
pub mod read_runs;
pub mod run_day;
pub mod run_desk;
pub mod run_effects;
pub mod seen;
pub mod settle_channels;
pub mod settle_receivable;
pub mod sources;
