//! The journal: vouchers by the day whose books they stand in, page by page, and the snapshot that an export is of.

use crate::store::vouchers::voucher_of_row;
use chrono::{DateTime, NaiveDate, Utc};
use contracts::log::Seq;
use contracts::voucher::Voucher;
use ids::{PARTITION_COUNT, Partition};
use pg::{Db, ReadDb};
use sqlx::PgConnection;

/// A place in the journal: everything after it is the next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    pub posted_day: NaiveDate,
    /// Below zero: before the first.
    pub partition: i16,
    pub seq: Seq,
}

impl After {
    /// Before every voucher of a day.
    pub const fn day(posted_day: NaiveDate) -> After {
        After { posted_day, partition: -1, seq: 0 }
    }
}

const LIST: &str = "
SELECT v.* FROM {s}.vouchers v
WHERE v.posted_day BETWEEN $1 AND $2 AND (v.posted_day, v.partition, v.seq) > ($3, $4, $5)
ORDER BY v.posted_day, v.partition, v.seq LIMIT $6";

// Sums say on which days, in which groups and by which rules the account moved at all: one day's group after another
// until the page is full, and of a group only those rules' vouchers. So neither an account of every voucher nor one of
// hardly any makes it read them all.
const LIST_OF_ACCOUNT: &str = "
SELECT v.* FROM (
    SELECT d.posted_day, d.part_group FROM {s}.account_days d
    WHERE d.account = $7 AND d.posted_day BETWEEN $1 AND $2 AND d.posted_day >= $3
    ORDER BY d.posted_day, d.part_group
) d, LATERAL (
    SELECT v.* FROM {s}.rule_days r, LATERAL (
        SELECT v.* FROM {s}.vouchers v
        WHERE v.posted_day = d.posted_day AND v.rule = r.rule
          AND v.partition BETWEEN d.part_group * 8 AND d.part_group * 8 + 7
          AND v.accounts @> ARRAY[$7::text]
          AND (v.posted_day, v.partition, v.seq) > ($3, $4, $5)
        ORDER BY v.partition, v.seq LIMIT $6
    ) v
    WHERE r.posted_day = d.posted_day AND r.account = $7 AND r.part_group = d.part_group
    ORDER BY v.partition, v.seq LIMIT $6
) v
ORDER BY d.posted_day, v.partition, v.seq LIMIT $6";

/// Vouchers of some days after a place, in the journal's order; of one account where one is named.
///
/// # Errors
/// Whatever the database says.
pub async fn list(
    db: &ReadDb,
    (from, to): (NaiveDate, NaiveDate),
    after: After,
    account: Option<&str>,
    limit: i64,
) -> Result<Vec<Voucher>, sqlx::Error> {
    let listed = if account.is_some() { LIST_OF_ACCOUNT } else { LIST };
    let query = sqlx::query(db.sql(listed))
        .bind(from)
        .bind(to)
        .bind(after.posted_day)
        .bind(after.partition)
        .bind(after.seq)
        .bind(limit);
    let query = match account {
        Some(account) => query.bind(account),
        None => query,
    };
    // Planned for these days each time: a plan for any days expects few vouchers of them, and sorts them all.
    let query = query.persistent(false);
    db.fetch_all(query).await?.iter().map(voucher_of_row).collect()
}

const FIND: &str = "SELECT * FROM {s}.vouchers WHERE partition = $1 AND seq = $2";

/// One voucher.
///
/// # Errors
/// Whatever the database says.
pub async fn find(db: &ReadDb, partition: Partition, seq: Seq) -> Result<Option<Voucher>, sqlx::Error> {
    let query = sqlx::query(db.sql(FIND)).bind(partition.number()).bind(seq);
    db.fetch_optional(query).await?.as_ref().map(voucher_of_row).transpose()
}

const POSTED_UNTIL: &str = "
SELECT partition, closed_until FROM {s}.log_heads WHERE log = 'clearing.vouchers' ORDER BY partition";

/// Up to when each partition's vouchers are whole, as their writers last said.
///
/// # Errors
/// Whatever the database says.
pub async fn list_posted_until(db: &Db) -> Result<Vec<(i16, DateTime<Utc>)>, sqlx::Error> {
    sqlx::query_as(db.sql(POSTED_UNTIL)).fetch_all(db.pool()).await
}

/// What the journal of some days was at one instant: how far each partition had come, and what the accounts moved.
/// Vouchers never change, so their rows can be read later, page by page, without a long transaction.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// The last seq of each partition, by its number.
    pub last_seqs: Vec<i64>,
    /// Account, debit and credit of everything before the days.
    pub before: Vec<(String, i64, i64)>,
    /// Day, account, debit and credit, in the order of days.
    pub moved: Vec<(NaiveDate, String, i64, i64)>,
    /// The chart: code, name and side.
    pub accounts: Vec<(String, String, i16)>,
    /// Days that are closed.
    pub closed: Vec<NaiveDate>,
}

const SNAPSHOT: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";

const LAST_SEQS: &str = "SELECT partition, last_seq FROM {s}.log_heads WHERE log = 'clearing.vouchers'";

const BEFORE: &str = "
SELECT account, sum(debit_micro)::bigint, sum(credit_micro)::bigint FROM {s}.account_days
WHERE posted_day < $1 GROUP BY account ORDER BY account";

const MOVED: &str = "
SELECT posted_day, account, sum(debit_micro)::bigint, sum(credit_micro)::bigint FROM {s}.account_days
WHERE posted_day BETWEEN $1 AND $2 GROUP BY posted_day, account ORDER BY posted_day, account";

const ACCOUNTS: &str = "
SELECT code, name, side FROM {s}.accounts
WHERE version = (SELECT max(version) FROM {s}.policies) ORDER BY code";

const CLOSED: &str = "
SELECT day FROM {s}.periods WHERE day BETWEEN $1 AND $2 AND state = 3 ORDER BY day";

/// Takes the snapshot: one short transaction, whoever may be posting.
///
/// # Errors
/// Whatever the database says.
pub async fn pin(db: &Db, (from, to): (NaiveDate, NaiveDate)) -> Result<Pinned, sqlx::Error> {
    let mut tx = db.begin().await?;
    let pinned = pin_in_tx(&mut tx, db, (from, to)).await;
    let _ = tx.rollback().await; // Nothing was written.
    pinned
}

async fn pin_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (from, to): (NaiveDate, NaiveDate),
) -> Result<Pinned, sqlx::Error> {
    sqlx::query(SNAPSHOT).execute(&mut *tx).await?;
    let mut last_seqs = vec![0_i64; usize::from(PARTITION_COUNT)];
    let heads: Vec<(i16, i64)> = sqlx::query_as(db.sql(LAST_SEQS)).fetch_all(&mut *tx).await?;
    for (partition, seq) in heads {
        if let Some(last) = usize::try_from(partition).ok().and_then(|at| last_seqs.get_mut(at)) {
            *last = seq;
        }
    }
    let before = sqlx::query_as(db.sql(BEFORE)).bind(from).fetch_all(&mut *tx).await?;
    let moved = sqlx::query_as(db.sql(MOVED)).bind(from).bind(to).fetch_all(&mut *tx).await?;
    let accounts = sqlx::query_as(db.sql(ACCOUNTS)).fetch_all(&mut *tx).await?;
    let closed = sqlx::query_scalar(db.sql(CLOSED)).bind(from).bind(to).fetch_all(tx).await?;
    Ok(Pinned { last_seqs, before, moved, accounts, closed })
}

const PAGE: &str = "
SELECT v.* FROM {s}.vouchers v
WHERE v.posted_day BETWEEN $1 AND $2 AND (v.posted_day, v.partition, v.seq) > ($3, $4, $5)
  AND v.seq <= ($6::bigint[])[v.partition + 1]
ORDER BY v.posted_day, v.partition, v.seq LIMIT $7";

/// One page of a pinned journal.
///
/// # Errors
/// Whatever the database says.
pub async fn page(
    db: &Db,
    (from, to): (NaiveDate, NaiveDate),
    after: After,
    pinned: &Pinned,
    limit: i64,
) -> Result<Vec<Voucher>, sqlx::Error> {
    let rows = sqlx::query(db.sql(PAGE))
        .bind(from)
        .bind(to)
        .bind(after.posted_day)
        .bind(after.partition)
        .bind(after.seq)
        .bind(&pinned.last_seqs)
        .bind(limit)
        .fetch_all(db.pool())
        .await?;
    rows.iter().map(voucher_of_row).collect()
}
