//! The state of the book, and the book itself.
//!
//! Writers of earnings hold `book_state` FOR SHARE to their commit; who changes contracts or seals a day updates
//! it. So a batch settles by one version, and no earning lands in a day after its sealing has committed.
//!
//! The book is no set of `refresh`, on purpose (ADR 14). A node holds it in memory and reads it again when the version that its
//! batch shares is another one: contracts cost one read a change, and the row has to be read in any case, for the
//! sealed day and for its lock. A published snapshot could at best spare that one read, and would have to be believed
//! by its number: after a promotion that lost a change, the number can come again over other contracts, and the
//! snapshot of the lost one would still be in the cache. A pinned version would settle by contracts not in force.

use crate::domain::book::Book;
use crate::store::contracts;
use chrono::NaiveDate;
use money::Micros;
use pg::Db;
use sqlx::{PgConnection, Row};

/// The one row of `book_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BookState {
    pub version: i64,
    pub sealed_day: NaiveDate,
}

const SHARE: &str = "SELECT version, sealed_day FROM {s}.book_state WHERE id = 1 FOR SHARE";
const READ: &str = "SELECT version, sealed_day FROM {s}.book_state WHERE id = 1";
const CHANGE: &str = "UPDATE {s}.book_state SET version = version + 1 WHERE id = 1";
const SEAL: &str = "UPDATE {s}.book_state SET sealed_day = $1 WHERE id = 1 AND sealed_day < $1";
const FACE_VALUES: &str = "SELECT valid_from, micros_per_coin FROM {s}.face_values WHERE currency = $1";

/// Reads the state and keeps it from changing until the transaction ends.
pub(crate) async fn share_state_in_tx(tx: &mut PgConnection, db: &Db) -> Result<BookState, sqlx::Error> {
    let row = sqlx::query(db.sql(SHARE)).fetch_one(tx).await?;
    Ok(BookState { version: row.try_get("version")?, sealed_day: row.try_get("sealed_day")? })
}

/// Reads the state as it is now.
pub(crate) async fn read_state(db: &Db) -> Result<BookState, sqlx::Error> {
    let row = sqlx::query(db.sql(READ)).fetch_one(db.pool()).await?;
    Ok(BookState { version: row.try_get("version")?, sealed_day: row.try_get("sealed_day")? })
}

/// Says that contracts change in this transaction; waits for batches that settle by the old ones.
pub(crate) async fn begin_change_in_tx(tx: &mut PgConnection, db: &Db) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(CHANGE)).execute(tx).await?;
    Ok(())
}

/// Seals every day up to `day`: from the commit on, earnings of those days count in the next one.
pub(crate) async fn seal(db: &Db, day: NaiveDate) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(SEAL)).bind(day).execute(db.pool()).await?;
    Ok(())
}

/// Reads the whole book.
pub(crate) async fn load_book_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    version: i64,
    currency: &str,
) -> Result<Book, sqlx::Error> {
    let rows = sqlx::query(db.sql(FACE_VALUES)).bind(currency).fetch_all(&mut *tx).await?;
    let face_values = rows
        .iter()
        .map(|row| Ok((row.try_get("valid_from")?, Micros::new(row.try_get("micros_per_coin")?))))
        .collect::<Result<_, sqlx::Error>>()?;
    Ok(Book::new(version, contracts::list_all_in_tx(tx, db).await?, face_values))
}
