//! Alipay merchant bills: the trade bill (业务明细) and the fund bill (账务明细), GBK, with a preface and a tail
//! of lines that begin with `#`. Times are China Standard Time (UTC+8). *Layout only*: no real file was at hand.

mod detail;
mod fund;
mod summary;
mod trade;

pub(crate) use fund::read as read_fund;
pub(crate) use summary::verify as verify_summary;
pub(crate) use trade::{Sums, read as read_trade};

use crate::Currency;

/// Alipay's merchant bills are kept in yuan (their columns say 元).
pub(crate) const CURRENCY: Currency = Currency::CNY;
