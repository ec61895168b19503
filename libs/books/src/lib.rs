//! Proves the books from the tables alone.
//!
//! Reads the schemas of wallet, gift, cashier, settlement and clearing in one read-only snapshot and states one
//! line per invariant, with a figure. What holds many rows is paged by key or summed by the database, so memory
//! stays bounded. A schema that is not there is skipped and said so: one service's tests can prove their part.
//! Uses one connection, one statement at a time. Changes nothing, and believes no service's code.

mod agreement;
mod approved;
mod catch_up;
mod closings;
mod elsewhere;
mod gaps;
mod ledger;
mod orders;
mod settlements;
mod snapshot;
mod wallet;

pub use catch_up::{ReaderGap, catch_up_gaps};
pub use snapshot::BooksDb;

use serde::{Deserialize, Serialize};
use snapshot::{Schema, Snapshot};

/// Offenders an invariant names at most.
pub(crate) const OFFENDERS_MAX: i64 = 5;

/// Whether the books hold, line by line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub passed: bool,
    pub invariants: Vec<Invariant>,
    /// Schemas that are not there; invariants that need one of them were not checked.
    pub skipped: Vec<String>,
}

/// One line of the proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invariant {
    /// Stable, in kebab case.
    pub name: String,
    pub passed: bool,
    /// The figures it was judged by, for people.
    pub figure: String,
    /// The first few offenders.
    pub detail: Vec<String>,
}

impl Invariant {
    /// A line that holds where it has no offenders.
    pub(crate) fn without_offenders(name: &str, figure: String, detail: Vec<String>) -> Invariant {
        Invariant { name: name.to_owned(), passed: detail.is_empty(), figure, detail }
    }

    /// A line that holds where two sums are equal.
    pub(crate) fn of_equality(name: &str, figure: String, left: i128, right: i128) -> Invariant {
        let detail = match left.saturating_sub(right) {
            0 => Vec::new(),
            difference => vec![format!("the difference is {difference}")],
        };
        Invariant::without_offenders(name, figure, detail)
    }
}

/// Why nothing could be proved.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    #[error("the books could not be read")]
    Db(#[from] sqlx::Error),
    #[error("there are no books here: no schema of wallet, gift, cashier, settlement or clearing")]
    NoBooks,
}

/// Checks every invariant whose schemas exist.
///
/// # Errors
/// [`BooksError`]; an invariant that does not hold is no error but a line of the report.
pub async fn check(source: &BooksDb) -> Result<Report, BooksError> {
    let mut snapshot = Snapshot::open(source).await?;
    let skipped = snapshot.missing();
    if skipped.len() == Schema::ALL.len() {
        return Err(BooksError::NoBooks);
    }
    let invariants = prove(&mut snapshot).await?;
    snapshot.close().await?;
    Ok(Report { passed: invariants.iter().all(|line| line.passed), invariants, skipped })
}

/// Checks that every closed accounting day is as it was when it was closed: what a daily run asks besides its own
/// comparisons. No lines where clearing has no closings.
///
/// # Errors
/// [`BooksError`].
pub async fn check_closed_days(source: &BooksDb) -> Result<Vec<Invariant>, BooksError> {
    let mut snapshot = Snapshot::open(source).await?;
    let lines = closings::prove(&mut snapshot).await?;
    snapshot.close().await?;
    Ok(lines)
}

async fn prove(snapshot: &mut Snapshot) -> Result<Vec<Invariant>, sqlx::Error> {
    let mut lines = vec![catch_up::prove(snapshot).await?];
    lines.extend(elsewhere::prove(snapshot));
    lines.extend(gaps::prove(snapshot).await?);
    lines.extend(wallet::prove(snapshot).await?);
    lines.extend(orders::prove(snapshot).await?);
    lines.extend(agreement::prove(snapshot).await?);
    lines.extend(approved::prove(snapshot).await?);
    lines.extend(ledger::prove(snapshot).await?);
    lines.extend(settlements::prove(snapshot).await?);
    lines.extend(closings::prove(snapshot).await?);
    Ok(lines)
}
