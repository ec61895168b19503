//! One file per act.

pub mod find_order;
pub(crate) mod follow_gift;
pub mod limits;
pub mod published;
pub mod ranks;
pub mod refund_order;
pub mod send_gift;
pub mod shelf;
pub mod show;
pub mod stage;
pub mod switches;
