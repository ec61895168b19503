//! Files that leave the house, in the formats that finance uses. Owns how they are written; must not know where
//! rows come from: no network, no database, no clock, no floating point.
#![doc = include_str!("../README.md")]

mod amount;
mod books;
mod csv_table;
mod error;
mod ledger_name;
mod listing;
mod pain001;
mod parquet_table;
mod payout;
mod plain_text;
mod statement;
mod table;
mod written;
mod xlsx;

pub use amount::{SCALE_MAX, UNITS_MAX, decimal_text};
pub use books::{Account, Balance, Commodity, Entry, Growth, Posting};
pub use csv_table::CsvTable;
pub use error::ExportError;
pub use ledger_name::{Root, ledger_name};
pub use listing::{JournalListing, Moved, TrialBalanceListing, TrialLine};
pub use pain001::{Booking, Charset, PainVersion, PaymentFile, PaymentOrder};
pub use parquet_table::{ParquetTable, ROW_GROUP_BYTES_MAX, ROW_GROUP_ROWS_MAX};
pub use payout::{
    AccountNumber, Bank, PAYMENTS_PER_FILE_MAX, Party, Payment, PaymentTotals, payment_columns, push_payment,
};
pub use plain_text::{ACCOUNTS_MAX, Dialect, JournalWriter, Period};
pub use statement::{
    Earned, Payee, StatementLine, earned_columns, push_earned, push_statement_line, statement_columns,
};
pub use table::{COLUMNS_MAX, Cell, Column, Kind, TEXT_CHARS_MAX, TableWriter};
pub use written::{About, Written};
pub use xlsx::{SHEET_ROWS_MAX, SHEETS_MAX, Workbook, XlsxTable};
