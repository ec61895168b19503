//! What gift decides, without waiting, clocks or storage.

pub mod allowance;
pub mod blind_box;
pub mod check;
pub mod combo;
pub mod ending;
pub mod refund_case;
pub mod refund_file;
pub mod switch;
