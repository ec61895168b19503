//! Timers and long-running tasks.

pub mod keep_orders;
pub mod lease;
pub mod orphans;
pub mod refund_cases;
pub mod refunds;
pub mod share_quotas;
pub mod teller;
