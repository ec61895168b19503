//! The state of the book, and the book itself.
//!
//! Writers of earnings hold `book_state` FOR SHARE to their commit; who changes contracts or seals a day updates
//! it. So a batch settles by one book, and no earning lands in a day after its sealing has committed. Which book that is
//! the row says by a digest of all contracts and face values, and not by the version alone: a number can come again
//! after a promotion, and over other contracts (ADR 14).

use crate::domain::book::{Book, FaceValue};
use crate::domain::book_digest::BookDigest;
use crate::store::contracts;
use chrono::NaiveDate;
use money::Micros;
use pg::Db;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

/// The one row of `book_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BookState {
    pub version: i64,
    pub sealed_day: NaiveDate,
    /// Which contracts and face values are in force.
    pub digest: BookDigest,
}

const SHARE: &str = "
SELECT version, sealed_day, row_count, print_high::text AS print_high, print_low::text AS print_low
FROM {s}.book_state WHERE id = 1 FOR SHARE";
const READ: &str = "
SELECT version, sealed_day, row_count, print_high::text AS print_high, print_low::text AS print_low
FROM {s}.book_state WHERE id = 1";
const CHANGE: &str = "UPDATE {s}.book_state SET version = version + 1 WHERE id = 1";
const SEAL: &str = "UPDATE {s}.book_state SET sealed_day = $1 WHERE id = 1 AND sealed_day < $1";
const FACE_VALUES: &str = "SELECT currency, valid_from, micros_per_coin FROM {s}.face_values";

/// Reads of several tables are of one moment.
const ONE_MOMENT: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";

/// Reads the state and keeps it from changing until the transaction ends.
pub(crate) async fn share_state_in_tx(tx: &mut PgConnection, db: &Db) -> Result<BookState, sqlx::Error> {
    state_of_row(&sqlx::query(db.sql(SHARE)).fetch_one(tx).await?)
}

/// Reads the state as it is now.
pub(crate) async fn read_state(db: &Db) -> Result<BookState, sqlx::Error> {
    state_of_row(&sqlx::query(db.sql(READ)).fetch_one(db.pool()).await?)
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

/// Reads the whole book, which must be the one in force.
///
/// # Errors
/// Whatever the database says, and [`sqlx::Error::Decode`] where its rows are not those that were approved.
pub(crate) async fn load_book_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    state: &BookState,
) -> Result<Book, sqlx::Error> {
    let rows = sqlx::query(db.sql(FACE_VALUES)).fetch_all(&mut *tx).await?;
    let face_value = |row: &PgRow| {
        Ok(FaceValue {
            currency: row.try_get("currency")?,
            valid_from: row.try_get("valid_from")?,
            micros_per_coin: Micros::new(row.try_get("micros_per_coin")?),
        })
    };
    let face_values = rows.iter().map(face_value).collect::<Result<Vec<_>, sqlx::Error>>()?;
    let book = Book::new(contracts::list_agreed_in_tx(tx, db).await?, face_values);
    if book.digest() == state.digest {
        return Ok(book);
    }
    let (found, kept) = (book.digest().row_count, state.digest.row_count);
    let what = format!(
        "the {found} contracts and face values are not the {kept} that were approved; a row was changed"
    );
    Err(sqlx::Error::Decode(what.into()))
}

/// Reads state and book as of one moment.
///
/// # Errors
/// As [`load_book_in_tx`].
pub(crate) async fn load_book(db: &Db) -> Result<(BookState, Book), sqlx::Error> {
    let mut tx = db.begin().await?;
    let loaded = async {
        sqlx::query(ONE_MOMENT).execute(&mut *tx).await?;
        let state = state_of_row(&sqlx::query(db.sql(READ)).fetch_one(&mut *tx).await?)?;
        let book = load_book_in_tx(&mut tx, db, &state).await?;
        Ok((state, book))
    };
    let loaded = loaded.await;
    let _ = tx.rollback().await; // It only read; a lost connection rolls back by itself.
    loaded
}

fn state_of_row(row: &PgRow) -> Result<BookState, sqlx::Error> {
    let sum = |column: &str| -> Result<i128, sqlx::Error> {
        let text: String = row.try_get(column)?;
        text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
    };
    let digest = BookDigest {
        row_count: row.try_get("row_count")?,
        print_high: sum("print_high")?,
        print_low: sum("print_low")?,
    };
    Ok(BookState { version: row.try_get("version")?, sealed_day: row.try_get("sealed_day")?, digest })
}

#[cfg(test)]
mod tests {
    //! Invariant under test: the database and this program make the same digest of the same rows.

    use super::*;
    use crate::domain::contract::{Contract, Promo, Terms};
    use ::contracts::lane::Lane;
    use ids::{AgencyId, StreamerId, Uuid};
    use money::Ppm;
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    /// A row that the table's constraints allow, of any streamer, day and share.
    fn a_contract() -> impl Strategy<Value = Contract> {
        let agency = prop::option::of((any::<u128>(), 0_u32..=300_000));
        let shares = (0_u32..=400_000, 0_u32..=200_000);
        let day = (any::<u128>(), 1_i32..=i32::MAX, -900_000_i32..900_000);
        (day, agency, shares, any::<bool>()).prop_map(|(whose, agency, (streamer, tax), shared)| {
            let (streamer_id, version, days) = whose;
            let ppm = |n| Ppm::try_new(n).expect("in range");
            let of_agency = agency.map_or(0, |(_, share)| share);
            let terms = Terms {
                agency_id: agency.map(|(id, _)| AgencyId::from_uuid(Uuid::from_u128(id))),
                streamer_ppm: ppm(streamer),
                agency_ppm: ppm(of_agency),
                platform_ppm: ppm(1_000_000 - streamer - of_agency),
                tax_ppm: ppm(tax),
                promo: if shared { Promo::Shared } else { Promo::NotShared },
            };
            let valid_from = NaiveDate::from_num_days_from_ce_opt(730_000 + days).expect("a day");
            let streamer_id = StreamerId::from_uuid(Uuid::from_u128(streamer_id));
            let (created_by, approved_by) = ("ann".to_owned(), "bob".to_owned());
            Contract { streamer_id, version, valid_from, terms, created_by, approved_by }
        })
    }

    fn digest_of(rows: &[Contract], face_values: &[FaceValue]) -> BookDigest {
        let agreed = rows.iter().map(|row| crate::domain::contract::Agreed {
            streamer_id: row.streamer_id,
            version: row.version,
            valid_from: row.valid_from,
            terms: row.terms,
        });
        Book::new(agreed, face_values.iter().cloned()).digest()
    }

    #[tokio::test]
    async fn any_rows_have_one_digest_here_and_there_as_they_come_and_when_they_were_there_before() {
        const INSERT: &str =
            "INSERT INTO {s}.face_values (currency, valid_from, micros_per_coin) VALUES ($1, $2, $3)";
        let server = testkit::postgres().await;
        let (fresh, old) = (server.fresh_database().await, server.fresh_database().await);
        let whole: &pg::Migrator = &crate::MIGRATOR;
        let before = whole.iter().filter(|file| file.version != 132).cloned().collect();
        let before = pg::Migrator::with_migrations(before);
        let db = fresh.db("settlement", &Lane::Live, &[&seqlog::MIGRATOR, whole]).await;
        let old_db = old.db("settlement", &Lane::Live, &[&seqlog::MIGRATOR, &before]).await;
        let mut face_values = vec![FaceValue {
            currency: "CNY".to_owned(),
            valid_from: NaiveDate::from_ymd_opt(2000, 1, 1).expect("a day"),
            micros_per_coin: Micros::new(100_000),
        }];
        let mut rows: Vec<Contract> = Vec::new();
        let mut any_rows = TestRunner::default();
        for micros in [1, i64::MAX] {
            let value = FaceValue {
                currency: "日元|".to_owned(),
                micros_per_coin: Micros::new(micros),
                ..face_values[0].clone()
            };
            let valid_from =
                NaiveDate::from_num_days_from_ce_opt(i32::try_from(micros % 7).expect("small") + 1)
                    .expect("a day");
            let value = FaceValue { valid_from, ..value };
            for db in [&db, &old_db] {
                let insert = sqlx::query(db.sql(INSERT)).bind(&value.currency).bind(value.valid_from);
                insert.bind(value.micros_per_coin.get()).execute(db.pool()).await.expect("stored");
            }
            face_values.push(value);
            let more =
                prop::collection::vec(a_contract(), 100).new_tree(&mut any_rows).expect("rows").current();
            for db in [&db, &old_db] {
                let mut tx = db.begin().await.expect("begun");
                contracts::insert_in_tx(&mut tx, db, &more).await.expect("stored");
                tx.commit().await.expect("committed");
            }
            rows.extend(more);
            let (state, book) = load_book(&db).await.expect("the same digest");
            assert_eq!((state.digest, book.digest()), (digest_of(&rows, &face_values), state.digest));
        }
        pg::migrate(&old_db, &[whole]).await.expect("migrated");
        let (state, _) = load_book(&old_db).await.expect("the same digest");
        assert_eq!(state.digest, digest_of(&rows, &face_values));
        assert_eq!(state.digest.row_count, 203);
    }

    #[tokio::test]
    async fn a_row_that_is_changed_or_taken_away_is_no_book() {
        let database = testkit::postgres().await.fresh_database().await;
        let db = database.db("settlement", &Lane::Live, &[&seqlog::MIGRATOR, &crate::MIGRATOR]).await;
        load_book(&db).await.expect("as it was made");
        let raise = db.sql("UPDATE {s}.face_values SET micros_per_coin = micros_per_coin + 1");
        sqlx::query(raise).execute(db.pool()).await.expect("changed");
        assert!(matches!(load_book(&db).await, Err(sqlx::Error::Decode(_))));
        sqlx::query(db.sql("DELETE FROM {s}.face_values")).execute(db.pool()).await.expect("gone");
        assert!(matches!(load_book(&db).await, Err(sqlx::Error::Decode(_))));
    }
}
