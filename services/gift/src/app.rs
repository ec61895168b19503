//! One file per act.

pub mod ask_refund_case;
pub mod decide_refund_case;
pub mod find_order;
pub(crate) mod follow_gift;
pub mod limits;
pub mod list_gifts_sent;
pub mod published;
pub mod ranks;
pub mod read_refund_case;
pub mod refund_case_error;
pub mod refund_order;
pub mod send_gift;
pub mod shelf;
pub mod show;
pub mod stage;
pub mod switches;
pub mod tell_refund_case;
