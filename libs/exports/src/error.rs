//! Why a file could not be written. Whatever is refused names the place, so that finance can mend the row.

use chrono::NaiveDate;

/// Why an export ended without a whole file. What was written until then must be thrown away.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("the file could not be written")]
    Io(#[from] std::io::Error),
    #[error("the CSV could not be written")]
    Csv(#[from] csv::Error),
    #[error("the XLSX could not be packed")]
    Zip(#[from] zip::result::ZipError),
    #[error("the Parquet file could not be written")]
    Parquet(#[from] parquet::errors::ParquetError),
    #[error("a table needs 1 to {max} columns with names of their own, not {columns}")]
    BadColumns { columns: usize, max: usize },
    #[error("row {row} has {found} cells where the table has {wanted} columns")]
    RowLength { row: u64, wanted: usize, found: usize },
    #[error("row {row}: the column {column} takes no such cell")]
    CellKind { row: u64, column: String },
    #[error("row {row}: the text in {column} is longer than {max} characters")]
    TextTooLong { row: u64, column: String, max: usize },
    #[error(
        "row {row}: the link in {column} is not a plain http or https address of at most {max} characters"
    )]
    BadLink { row: u64, column: String, max: usize },
    #[error("{place}: an amount or a sum is larger than {max} units")]
    AmountTooLarge { place: String, max: i128 },
    #[error("{place}: {scale} decimal places are more than {max}")]
    ScaleTooLarge { place: String, scale: u8, max: u8 },
    #[error("the sheet name {name:?} is empty, longer than {max} characters, taken, or has one of []:*?/\\'")]
    BadSheetName { name: String, max: usize },
    #[error("the workbook would need more than {max} sheets")]
    TooManySheets { max: usize },
    #[error("the table before this was not finished")]
    TableNotFinished,
    #[error(
        "the commodity {0:?} is not 2 to 12 of A-Z and 0-9 that begin with a letter, is there twice, or has too many places"
    )]
    BadCommodity(String),
    #[error("the commodity {0} is not one of this file's")]
    UnknownCommodity(String),
    #[error("the account {0:?} is not in the chart of this file")]
    UnknownAccount(String),
    #[error("the account {0:?} is in the chart twice, or its code is empty or too long")]
    BadAccount(String),
    #[error("the chart has {accounts} accounts, more than {max}")]
    TooManyAccounts { accounts: usize, max: usize },
    #[error("the entry id {0:?} is not 1 to 64 of 0-9 A-Z a-z . _ : -")]
    BadEntryId(String),
    #[error("the entry {id} does not sum to zero in {commodity}")]
    NotBalanced { id: String, commodity: String },
    #[error("the entry {id} of {day} is outside of the file's days, or stands behind a later day")]
    DayOutOfOrder { id: String, day: NaiveDate },
    #[error("{account} holds {entries} {commodity} by its entries and {stated} by the trial balance")]
    BalanceDiffers { account: String, commodity: String, entries: String, stated: String },
    #[error("{payee} on {day}: carry in and net are not what is payable and carried out")]
    CarryLost { payee: String, day: NaiveDate },
    #[error("the day {0} is the last that dates can say")]
    NoNextDay(NaiveDate),
    #[error("{field}: {found} characters where {max} are the most")]
    FieldTooLong { field: &'static str, found: usize, max: usize },
    #[error("{field}: empty, or {character:?} has no place in it")]
    FieldCharacter { field: &'static str, character: char },
    #[error("{field}: {found:?} is not one")]
    BadField { field: &'static str, found: String },
    #[error("the payment {0} is not above zero")]
    PaymentNotPositive(String),
    #[error("a payment file takes 1 to {max} payments, not {payments}")]
    PaymentCount { payments: u64, max: u64 },
    #[error(
        "{stated_count} payments of {stated_minor} minor units were stated, {found_count} of {found_minor} came"
    )]
    TotalsDiffer { stated_count: u64, stated_minor: i64, found_count: u64, found_minor: i64 },
}
