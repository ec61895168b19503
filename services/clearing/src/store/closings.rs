//! What a day holds when it is closed: its accounts' sums and balances, and a print of every voucher.
//!
//! All of it is made by the database from its own rows, in the transaction that closes the day, whose row is held.

use chrono::NaiveDate;
use contracts::owner::{CHANGED_DAYS_MAX, ClosedDay};
use ids::PeriodRequestId;
use pg::{Db, ReadDb};
use sqlx::{PgConnection, Row};
use std::time::Duration;

const SUMS_DIFFER: &str = "
SELECT coalesce(p.account, d.account) AS account
FROM (SELECT l.account, v.partition / 8 AS part_group, sum(l.debit) AS debit, sum(l.credit) AS credit
      FROM {s}.vouchers v, LATERAL unnest(v.accounts, v.debits, v.credits) AS l (account, debit, credit)
      WHERE v.posted_day = $1 GROUP BY l.account, v.partition / 8) p
FULL JOIN (SELECT * FROM {s}.account_days WHERE posted_day = $1) d
    ON d.account = p.account AND d.part_group = p.part_group
WHERE p.debit IS DISTINCT FROM d.debit_micro::numeric OR p.credit IS DISTINCT FROM d.credit_micro::numeric
ORDER BY 1 LIMIT 1";

/// An account whose sum of the day is not its vouchers', if there is one.
///
/// # Errors
/// Whatever the database says.
pub async fn find_wrong_sum_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    day: NaiveDate,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(db.sql(SUMS_DIFFER)).bind(day).fetch_optional(tx).await
}

const CLOSING: &str = "
INSERT INTO {s}.day_closings (day, version, sealed_version, request_id, voucher_count, digest)
SELECT $1, n.version, n.version, $2, p.vouchers, p.digest
FROM (SELECT coalesce(max(version), 0) + 1 AS version FROM {s}.day_closings WHERE day = $1) n,
     (SELECT count(*) AS vouchers, coalesce(sum({s}.voucher_print(v)::numeric), 0) AS digest
      FROM {s}.vouchers v WHERE v.posted_day = $1) p
RETURNING version, voucher_count, digest::text";

const ASSERTIONS: &str = "
INSERT INTO {s}.balance_assertions (day, version, account, debit_micro, credit_micro, balance_micro, voucher_count,
    digest)
SELECT $1, $2, h.account, coalesce(m.debit, 0), coalesce(m.credit, 0), h.balance, coalesce(m.vouchers, 0),
    coalesce(m.digest, 0)
FROM (SELECT account, sum(debit_micro::numeric - credit_micro) AS balance FROM {s}.account_days
      WHERE posted_day <= $1 GROUP BY account) h
LEFT JOIN (
    SELECT account, sum(debit) AS debit, sum(credit) AS credit, count(*) AS vouchers, sum(print) AS digest
    FROM (SELECT l.account, v.print, sum(l.debit) AS debit, sum(l.credit) AS credit
          FROM (SELECT partition, seq, accounts, debits, credits, {s}.voucher_print(v)::numeric AS print
                FROM {s}.vouchers v WHERE v.posted_day = $1) v,
               LATERAL unnest(v.accounts, v.debits, v.credits) AS l (account, debit, credit)
          GROUP BY v.partition, v.seq, v.print, l.account) one
    GROUP BY account) m USING (account)";

const SEALS: &str = "
INSERT INTO {s}.voucher_seals (day, version, partition, block, seqs, prints)
SELECT $1, $2, partition, block, array_agg(seq ORDER BY seq), array_agg(print ORDER BY seq)
FROM (SELECT v.partition, v.seq, {s}.voucher_print(v) AS print,
             (row_number() OVER (PARTITION BY v.partition ORDER BY v.seq) - 1) / 1000 AS block
      FROM {s}.vouchers v WHERE v.posted_day = $1) s
GROUP BY partition, block";

/// What a day was sealed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub version: i32,
    pub voucher_count: i64,
    /// The sum of all vouchers' prints, in decimal digits.
    pub digest: String,
}

/// Writes down what a day holds.
///
/// # Errors
/// Whatever the database says.
pub async fn seal_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    day: NaiveDate,
    request_id: PeriodRequestId,
) -> Result<Sealed, sqlx::Error> {
    let closing = sqlx::query_as(db.sql(CLOSING)).bind(day).bind(request_id.uuid());
    let (version, voucher_count, digest) = closing.fetch_one(&mut *tx).await?;
    sqlx::query(db.sql(ASSERTIONS)).bind(day).bind(version).execute(&mut *tx).await?;
    sqlx::query(db.sql(SEALS)).bind(day).bind(version).execute(tx).await?;
    Ok(Sealed { version, voucher_count, digest })
}

const LOOK: &str = "
WITH closed AS (
    SELECT DISTINCT ON (c.day) c.day, c.version, c.voucher_count, c.digest
    FROM {s}.day_closings c JOIN {s}.periods p ON p.day = c.day
    WHERE p.state = 3 AND c.day < $1 ORDER BY c.day DESC, c.version DESC LIMIT $2
), found AS (
    SELECT v.posted_day AS day, count(*) AS vouchers, sum({s}.voucher_print(v)::numeric) AS digest
    FROM {s}.vouchers v WHERE v.posted_day IN (SELECT day FROM closed) GROUP BY v.posted_day
)
SELECT c.day, NOT (
    (coalesce(f.vouchers, 0), coalesce(f.digest, 0)) IS DISTINCT FROM (c.voucher_count, c.digest)
    OR EXISTS (
        SELECT FROM (SELECT account, sum(debit_micro::numeric - credit_micro) AS balance FROM {s}.account_days
                     WHERE posted_day <= c.day GROUP BY account) h
        FULL JOIN (SELECT account, balance_micro FROM {s}.balance_assertions
                   WHERE day = c.day AND version = c.version) a USING (account)
        WHERE coalesce(h.balance, 0) <> coalesce(a.balance_micro, 0))) AS is_as_closed
FROM closed c LEFT JOIN found f ON f.day = c.day ORDER BY c.day";

/// Whether each of the newest `limit` closed days before a day still holds what it was closed with, the oldest first.
/// Nothing is locked: no voucher of a closed day may change.
///
/// # Errors
/// Whatever the database says.
pub async fn look_at_closed(
    db: &Db,
    before: NaiveDate,
    (limit, statement_max): (i64, Duration),
) -> Result<Vec<ClosedDay>, sqlx::Error> {
    let mut tx = db.begin().await?;
    bound_in_tx(&mut tx, statement_max).await?;
    let found: Vec<(NaiveDate, bool)> =
        sqlx::query_as(db.sql(LOOK)).bind(before).bind(limit).fetch_all(&mut *tx).await?;
    tx.rollback().await?; // Nothing was written.
    Ok(found.into_iter().map(|(day, is_as_closed)| ClosedDay { day, is_as_closed }).collect())
}

// Accounts' sums run along the days once, and stand still at the end of each closed one.
const CHANGED_BALANCES: &str = "
WITH closed AS (
    SELECT DISTINCT ON (c.day) c.day, c.version FROM {s}.day_closings c JOIN {s}.periods p ON p.day = c.day
    WHERE p.state = 3 AND c.day < $1 ORDER BY c.day, c.version DESC
), moved AS (
    SELECT account, posted_day AS day, sum(debit_micro::numeric - credit_micro) AS moved
    FROM {s}.account_days WHERE posted_day < $1 GROUP BY account, posted_day
), asserted AS (
    SELECT a.account, a.day, a.balance_micro FROM {s}.balance_assertions a JOIN closed USING (day, version)
), ends AS (
    SELECT account, day FROM (SELECT account FROM moved UNION SELECT account FROM asserted) known CROSS JOIN closed
), held AS (
    SELECT account, day, is_end, sum(moved) OVER (PARTITION BY account ORDER BY day, is_end) AS balance
    FROM (SELECT account, day, false AS is_end, moved FROM moved
          UNION ALL SELECT account, day, true, 0 FROM ends) steps
)
SELECT DISTINCT h.day FROM held h LEFT JOIN asserted a USING (account, day)
WHERE h.is_end AND h.balance <> coalesce(a.balance_micro, 0) ORDER BY h.day LIMIT $2";

/// Closed days before a day at whose end an account holds another balance than it was closed with, the oldest first, at
/// most [`CHANGED_DAYS_MAX`]. Nothing is locked.
///
/// # Errors
/// Whatever the database says.
pub async fn list_changed_balances(
    db: &Db,
    before: NaiveDate,
    statement_max: Duration,
) -> Result<Vec<NaiveDate>, sqlx::Error> {
    let mut tx = db.begin().await?;
    bound_in_tx(&mut tx, statement_max).await?;
    let changed = sqlx::query_scalar(db.sql(CHANGED_BALANCES)).bind(before);
    let changed = changed.bind(i64::from(CHANGED_DAYS_MAX)).fetch_all(&mut *tx).await?;
    tx.rollback().await?; // Nothing was written.
    Ok(changed)
}

async fn bound_in_tx(tx: &mut PgConnection, statement_max: Duration) -> Result<(), sqlx::Error> {
    let limit_ms = statement_max.as_millis().to_string();
    sqlx::query("SELECT set_config('statement_timeout', $1, true)").bind(limit_ms).execute(tx).await.map(drop)
}

const LATER: &str = "
SELECT p.day FROM {s}.periods p
WHERE p.day > $1 AND p.state = 3 AND EXISTS (SELECT FROM {s}.day_closings c WHERE c.day = p.day) ORDER BY p.day";

const RESTATE: &str = "
INSERT INTO {s}.day_closings (day, version, sealed_version, request_id, voucher_count, digest)
SELECT day, version + 1, sealed_version, $2, voucher_count, digest FROM {s}.day_closings
WHERE day = $1 ORDER BY version DESC LIMIT 1 RETURNING version";

// What moved on the later day stays as it was sealed; only what it held at its end moves with the earlier day.
const RESTATE_ASSERTIONS: &str = "
INSERT INTO {s}.balance_assertions (day, version, account, debit_micro, credit_micro, balance_micro, voucher_count,
    digest)
SELECT $1, $2, account, coalesce(a.debit_micro, 0), coalesce(a.credit_micro, 0),
    coalesce(a.balance_micro, 0) + coalesce(n.balance_micro, 0) - coalesce(o.balance_micro, 0),
    coalesce(a.voucher_count, 0), coalesce(a.digest, 0)
FROM (SELECT * FROM {s}.balance_assertions WHERE day = $1 AND version = $2 - 1) a
FULL JOIN (SELECT * FROM {s}.balance_assertions WHERE day = $3 AND version = $4) n USING (account)
LEFT JOIN (SELECT * FROM {s}.balance_assertions WHERE day = $3 AND version = $4 - 1) o USING (account)";

/// Carries what changed between two closings of a day into the balances of the closed days after it. Returns how many
/// days that were.
///
/// # Errors
/// Whatever the database says.
pub async fn restate_later_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (day, version): (NaiveDate, i32),
    request_id: PeriodRequestId,
) -> Result<usize, sqlx::Error> {
    let later: Vec<NaiveDate> = sqlx::query_scalar(db.sql(LATER)).bind(day).fetch_all(&mut *tx).await?;
    for later_day in &later {
        let restate = sqlx::query_scalar(db.sql(RESTATE)).bind(later_day).bind(request_id.uuid());
        let restated: i32 = restate.fetch_one(&mut *tx).await?;
        sqlx::query(db.sql(RESTATE_ASSERTIONS))
            .bind(later_day)
            .bind(restated)
            .bind(day)
            .bind(version)
            .execute(&mut *tx)
            .await?;
    }
    Ok(later.len())
}

/// One account of a closed day: account, debit, credit, balance, vouchers, digest. Sums as text: they are wider than any
/// integer column.
pub type AssertionRow = (String, String, String, String, i64, String);

const LIST: &str = "
SELECT account, debit_micro::text, credit_micro::text, balance_micro::text, voucher_count, digest::text
FROM {s}.balance_assertions
WHERE day = $1 AND version = (SELECT max(version) FROM {s}.day_closings WHERE day = $1) ORDER BY account";

/// What each account moved and held by the latest closing of a day; nothing where there is none.
///
/// # Errors
/// Whatever the database says.
pub async fn list_assertions(db: &ReadDb, day: NaiveDate) -> Result<Vec<AssertionRow>, sqlx::Error> {
    db.fetch_all_as(sqlx::query(db.sql(LIST)).bind(day)).await
}

const NOT_CLOSED: &str = "
SELECT count(*) AS open_days FROM generate_series($1::date, $2::date, interval '1 day') AS d (day)
WHERE NOT EXISTS (
    SELECT FROM {s}.periods p JOIN {s}.day_closings c ON c.day = p.day WHERE p.day = d.day::date AND p.state = 3)
OR EXISTS (
    SELECT FROM {s}.vouchers v JOIN {s}.periods p ON p.day = v.posted_day
    WHERE v.day = d.day::date AND v.posted_day <> v.day AND p.state <> 3)";

/// Days of a range that are not closed, or of which something late stands in a day that is not.
///
/// # Errors
/// Whatever the database says.
pub async fn count_not_closed(db: &Db, (first, last): (NaiveDate, NaiveDate)) -> Result<i64, sqlx::Error> {
    let row = sqlx::query(db.sql(NOT_CLOSED)).bind(first).bind(last).fetch_one(db.pool()).await?;
    row.try_get("open_days")
}
