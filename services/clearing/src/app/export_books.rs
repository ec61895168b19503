//! Books as files: a snapshot first, then every voucher of it, page by page, into a file that is handed out whole.
//!
//! The rows come after the snapshot's transaction has ended: vouchers never change, so those up to its last seqs are
//! the ones it saw, and what is posted meanwhile is left out. A file with a mistake is never handed out, because it is
//! proven before its first byte leaves; that is why it lies on disk until then and not in memory.

use crate::app::write_book::{Pages, Scope, Sheet, Snapshot, write_book};
use crate::domain::span::SPAN_DAYS_MAX;
use crate::store::journal::{self, After};
use chrono::NaiveDate;
use contracts::class::{Classed, ErrorClass};
use contracts::voucher::Voucher;
use exports::{Account, Commodity, ExportError, Growth};
use pg::Db;
use serde::Deserialize;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use utoipa::ToSchema;

/// Vouchers of one page.
const PAGE_LEN: i64 = 1_000;
/// Pages that wait to be written.
const PAGES_AHEAD_MAX: usize = 2;
/// Exports that are made at once; more are refused and may ask again.
const EXPORTS_AT_ONCE_MAX: usize = 2;
/// How long one export may take.
const EXPORT_WITHIN: Duration = Duration::from_secs(600);

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ExportBook)]
pub enum Book {
    Journal,
    TrialBalance,
}

/// In which format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ExportFormat)]
pub enum Format {
    Csv,
    Xlsx,
    Parquet,
    Beancount,
    Hledger,
}

impl Format {
    /// The ending of a file's name.
    pub const fn ending(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Xlsx => "xlsx",
            Format::Parquet => "parquet",
            Format::Beancount => "beancount",
            Format::Hledger => "journal",
        }
    }

    /// What the file is called in a header.
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8",
            Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Format::Parquet => "application/vnd.apache.parquet",
            Format::Beancount | Format::Hledger => "text/plain; charset=utf-8",
        }
    }
}

/// A file that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub book: Book,
    pub format: Format,
    /// Of a trial balance: only what moved from this day on; everything where it is missing.
    pub from: Option<NaiveDate>,
    pub to: NaiveDate,
}

/// A whole file, at its beginning. It is gone from the disk when it is dropped.
#[derive(Debug)]
pub struct ExportFile {
    pub file: File,
    pub len: u64,
    pub name: String,
    pub format: Format,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum ExportBooksError {
    #[error("a journal needs the days from and to, in order and at most {SPAN_DAYS_MAX} of them")]
    BadDays,
    #[error("a trial balance in plain text is of everything up to a day: leave out from")]
    FromWithPlainText,
    #[error("{EXPORTS_AT_ONCE_MAX} exports are being made; ask again")]
    Busy,
    #[error("the export took too long; ask for fewer days")]
    TooSlow,
    #[error("the books cannot be written: {0}")]
    Refused(ExportError),
    #[error("the file could not be written")]
    Disk(#[source] ExportError),
    #[error("an account has a side that is not known")]
    UnknownSide,
    #[error("the writer ended badly")]
    Writer,
    #[error("the database failed")]
    Db(#[from] sqlx::Error),
}

impl From<ExportError> for ExportBooksError {
    fn from(error: ExportError) -> ExportBooksError {
        match error {
            ExportError::Io(_) => ExportBooksError::Disk(error),
            _ => ExportBooksError::Refused(error),
        }
    }
}

impl Classed for ExportBooksError {
    fn class(&self) -> ErrorClass {
        match self {
            ExportBooksError::BadDays | ExportBooksError::FromWithPlainText | ExportBooksError::TooSlow => {
                ErrorClass::Rejected
            }
            ExportBooksError::Busy | ExportBooksError::Disk(_) | ExportBooksError::Db(_) => {
                ErrorClass::Transient
            }
            // Entries that do not make their trial balance, and the like: finance must know, and somebody must look.
            ExportBooksError::Refused(_) => ErrorClass::Conflict,
            ExportBooksError::UnknownSide | ExportBooksError::Writer => ErrorClass::Bug,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            ExportBooksError::BadDays => "days-out-of-range",
            ExportBooksError::FromWithPlainText => "from-not-for-this-format",
            ExportBooksError::Busy => "exports-busy",
            ExportBooksError::TooSlow => "export-too-slow",
            ExportBooksError::Refused(_) => "books-not-exportable",
            ExportBooksError::Disk(_) => "disk-unavailable",
            ExportBooksError::UnknownSide | ExportBooksError::Writer => "export-failed",
            ExportBooksError::Db(_) => "database-unavailable",
        }
    }
}

/// Pages on their way to the writer.
type Sent = mpsc::Sender<Vec<Voucher>>;
/// The thread that writes, and what it makes.
type Writing = JoinHandle<Result<(File, u64), ExportError>>;

/// Makes files of books.
#[derive(Clone)]
pub struct Exporting {
    db: Db,
    currency: String,
    at_once: Arc<Semaphore>,
}

impl Exporting {
    pub fn new(db: Db, currency: String) -> Exporting {
        Exporting { db, currency, at_once: Arc::new(Semaphore::new(EXPORTS_AT_ONCE_MAX)) }
    }

    /// Makes one file.
    ///
    /// # Errors
    /// [`ExportBooksError`]; nothing is left on the disk then.
    pub async fn export(&self, wanted: Wanted) -> Result<ExportFile, ExportBooksError> {
        let days = days_of(&wanted)?;
        let permit = self.at_once.clone().try_acquire_owned().map_err(|_| ExportBooksError::Busy)?;
        let made = tokio::time::timeout(EXPORT_WITHIN, self.make(wanted, days)).await;
        drop(permit);
        made.map_err(|_| ExportBooksError::TooSlow)?
    }

    async fn make(
        &self,
        wanted: Wanted,
        days: (NaiveDate, NaiveDate),
    ) -> Result<ExportFile, ExportBooksError> {
        let pinned = journal::pin(&self.db, days).await?;
        let snapshot = Snapshot {
            days: (wanted.from.unwrap_or(wanted.to), wanted.to),
            scope: if wanted.from.is_some() { Scope::Days } else { Scope::Everything },
            chart: chart_of(&pinned.accounts)?,
            commodities: vec![Commodity::try_new(&self.currency, 8)?],
            before: pinned.before.clone(),
            moved: pinned.moved.clone(),
            closed: pinned.closed.clone(),
            voucher_count: pinned.last_seqs.iter().sum(),
        };
        let (pages, written) = self.start(wanted, snapshot);
        if wanted.book == Book::Journal {
            self.send_pages(days, &pinned, pages).await?;
        } else {
            drop(pages);
        }
        let (file, len) = written.await.map_err(|_| ExportBooksError::Writer)??;
        let name = file_name(&wanted);
        Ok(ExportFile { file, len, name, format: wanted.format })
    }

    /// A thread that writes what it is sent, and ends the file when nothing more comes.
    fn start(&self, wanted: Wanted, snapshot: Snapshot) -> (Sent, Writing) {
        let (sender, receiver) = mpsc::channel(PAGES_AHEAD_MAX);
        let sheet = Sheet { book: wanted.book, format: wanted.format };
        (sender, tokio::task::spawn_blocking(move || write_book(sheet, &snapshot, Pages(receiver))))
    }

    async fn send_pages(
        &self,
        days: (NaiveDate, NaiveDate),
        pinned: &journal::Pinned,
        pages: Sent,
    ) -> Result<(), ExportBooksError> {
        let mut after = After::day(days.0);
        loop {
            let page = journal::page(&self.db, days, after, pinned, PAGE_LEN).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = After {
                posted_day: last.posted_day,
                partition: last.stamp.partition.number(),
                seq: last.stamp.seq,
            };
            if pages.send(page).await.is_err() {
                return Ok(()); // The writer has stopped, and says why when it is asked for the file.
            }
        }
    }
}

fn days_of(wanted: &Wanted) -> Result<(NaiveDate, NaiveDate), ExportBooksError> {
    let is_plain_text = matches!(wanted.format, Format::Beancount | Format::Hledger);
    match (wanted.book, wanted.from) {
        (Book::Journal, Some(from)) | (Book::TrialBalance, Some(from)) => {
            if wanted.book == Book::TrialBalance && is_plain_text {
                return Err(ExportBooksError::FromWithPlainText);
            }
            let days = (wanted.to - from).num_days();
            let is_short = (0..i64::from(SPAN_DAYS_MAX)).contains(&days);
            if is_short { Ok((from, wanted.to)) } else { Err(ExportBooksError::BadDays) }
        }
        (Book::Journal, None) => Err(ExportBooksError::BadDays),
        // Everything up to the day is before the next one.
        (Book::TrialBalance, None) => {
            let next = wanted.to.succ_opt().ok_or(ExportBooksError::BadDays)?;
            Ok((next, wanted.to))
        }
    }
}

fn chart_of(accounts: &[(String, String, i16)]) -> Result<Vec<Account>, ExportBooksError> {
    let account = |(code, name, side): &(String, String, i16)| {
        let grows = match side {
            1 => Growth::Debit,
            2 => Growth::Credit,
            _ => return Err(ExportBooksError::UnknownSide),
        };
        Ok(Account { code: code.clone(), name: name.clone(), grows })
    };
    accounts.iter().map(account).collect()
}

fn file_name(wanted: &Wanted) -> String {
    let book = match wanted.book {
        Book::Journal => "journal",
        Book::TrialBalance => "trial-balance",
    };
    let from = wanted.from.map(|from| format!("{from}_")).unwrap_or_default();
    format!("{book}_{from}{}.{}", wanted.to, wanted.format.ending())
}
