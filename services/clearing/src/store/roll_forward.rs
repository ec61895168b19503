//! What accounts held before some days, and what each rule moved on them.

use chrono::NaiveDate;
use pg::ReadDb;

const OPENING: &str = "
SELECT account, sum(credit_micro)::bigint - sum(debit_micro)::bigint FROM {s}.account_days
WHERE account = ANY ($1) AND posted_day < $2 GROUP BY account";

/// What each account held on its credit side before a day.
///
/// # Errors
/// Whatever the database says.
pub async fn list_openings(
    db: &ReadDb,
    accounts: &[String],
    first: NaiveDate,
) -> Result<Vec<(String, i64)>, sqlx::Error> {
    db.fetch_all_as(sqlx::query(db.sql(OPENING)).bind(accounts).bind(first)).await
}

const MOVED: &str = "
SELECT posted_day, account, rule, sum(credit_micro)::bigint - sum(debit_micro)::bigint FROM {s}.rule_days
WHERE posted_day BETWEEN $1 AND $2 AND account = ANY ($3) GROUP BY posted_day, account, rule";

/// What each rule moved of each account on each day, on its credit side: by sums that the table of vouchers keeps itself.
///
/// # Errors
/// Whatever the database says.
pub async fn list_moved(
    db: &ReadDb,
    accounts: &[String],
    (from, to): (NaiveDate, NaiveDate),
) -> Result<Vec<(NaiveDate, String, String, i64)>, sqlx::Error> {
    db.fetch_all_as(sqlx::query(db.sql(MOVED)).bind(from).bind(to).bind(accounts)).await
}

const DAY_SUMS: &str = "
SELECT posted_day, account, sum(credit_micro)::bigint - sum(debit_micro)::bigint FROM {s}.account_days
WHERE account = ANY ($1) AND posted_day BETWEEN $2 AND $3 GROUP BY posted_day, account";

/// What each account moved on each day by the trial balance, on its credit side.
///
/// # Errors
/// Whatever the database says.
pub async fn list_day_sums(
    db: &ReadDb,
    accounts: &[String],
    (from, to): (NaiveDate, NaiveDate),
) -> Result<Vec<(NaiveDate, String, i64)>, sqlx::Error> {
    db.fetch_all_as(sqlx::query(db.sql(DAY_SUMS)).bind(accounts).bind(from).bind(to)).await
}
