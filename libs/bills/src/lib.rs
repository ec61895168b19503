//! Bills of payment channels and statements of banks, read exactly or refused by line and column.
//!
//! Owns the layouts. Must not know where files come from, who has imported them, or what they are compared to.
#![doc = include_str!("../README.md")]

mod alipay;
mod amount;
mod archive;
mod balance;
mod bill;
mod camt;
mod currency;
mod detect;
mod error;
mod fields;
mod format;
mod header;
mod intake;
mod limits;
mod lines;
mod mt940;
mod profile;
mod refuse;
mod row;
mod source;
mod stripe;
mod table;
mod time;
pub mod wechat;
mod workbook;
mod xml;

pub use bill::{Bill, Proof, Totals, Visit};
pub use currency::Currency;
pub use error::{BillError, CLIP_CHARS, Flaw, Mismatch, Place, Unit};
pub use format::Format;
pub use intake::{Expect, Intake};
pub use limits::Limits;
pub use profile::{
    AmountColumns, ColumnProfile, Columns, DateStyle, Decimals, KindWord, PROFILE_VERSION, TableEncoding,
};
pub use refuse::Refusal;
pub use row::{BillRow, RowKind, When};
pub use time::CHINA_OFFSET_S;
