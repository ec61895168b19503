//! What each account moved on each day: kept with the vouchers, read for the trial balance.

use chrono::NaiveDate;
use contracts::voucher::Voucher;
use pg::{Db, ReadDb};
use sqlx::PgConnection;
use std::collections::BTreeMap;

const ADD: &str = "
INSERT INTO {s}.account_days AS a (posted_day, account, part_group, debit_micro, credit_micro)
SELECT * FROM unnest($1::date[], $2::text[], $3::smallint[], $4::bigint[], $5::bigint[])
ON CONFLICT (posted_day, account, part_group) DO UPDATE SET
    debit_micro = a.debit_micro + excluded.debit_micro, credit_micro = a.credit_micro + excluded.credit_micro";

/// Adds the postings of new vouchers, in the transaction that appends them.
///
/// # Errors
/// Whatever the database says; a sum that does not fit is refused by it.
pub async fn add_in_tx(tx: &mut PgConnection, db: &Db, vouchers: &[Voucher]) -> Result<(), sqlx::Error> {
    let mut sums: BTreeMap<(NaiveDate, &str, i16), (i64, i64)> = BTreeMap::new();
    for voucher in vouchers {
        let group = voucher.stamp.partition.group().number();
        for line in &voucher.postings {
            let key = (voucher.posted_day, line.account.as_str(), group);
            let sum = sums.entry(key).or_default();
            let add = |sum: i64, more: i64| {
                sum.checked_add(more).ok_or_else(|| sqlx::Error::Encode("a day's sum does not fit".into()))
            };
            *sum = (add(sum.0, line.debit.get())?, add(sum.1, line.credit.get())?);
        }
    }
    if sums.is_empty() {
        return Ok(());
    }
    sqlx::query(db.sql(ADD))
        .bind(sums.keys().map(|key| key.0).collect::<Vec<_>>())
        .bind(sums.keys().map(|key| key.1).collect::<Vec<_>>())
        .bind(sums.keys().map(|key| key.2).collect::<Vec<_>>())
        .bind(sums.values().map(|sum| sum.0).collect::<Vec<_>>())
        .bind(sums.values().map(|sum| sum.1).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}

// Each account's sum first, then its name: joined first, every row of every day would carry it.
const TRIAL_BALANCE: &str = "
SELECT a.code, a.name, a.side, coalesce(d.debit, 0)::bigint, coalesce(d.credit, 0)::bigint
FROM {s}.accounts a LEFT JOIN (
    SELECT account, sum(debit_micro) AS debit, sum(credit_micro) AS credit FROM {s}.account_days
    WHERE $1::date IS NULL OR posted_day <= $1 GROUP BY account) d ON d.account = a.code
WHERE a.version = (SELECT max(version) FROM {s}.policies) ORDER BY a.code";

/// One account as summed: code, name, side, debit, credit.
pub type AccountSum = (String, String, i16, i64, i64);

/// Every account of the chart with what it moved up to and including `day`, or ever.
///
/// # Errors
/// Whatever the database says.
pub async fn list_sums(db: &ReadDb, day: Option<NaiveDate>) -> Result<Vec<AccountSum>, sqlx::Error> {
    db.fetch_all_as(sqlx::query(db.sql(TRIAL_BALANCE)).bind(day)).await
}

const STRANGERS: &str = "
SELECT DISTINCT account FROM {s}.account_days WHERE account <> ALL ($1) ORDER BY account LIMIT 20";

/// Accounts that have moved and are not among `codes`.
///
/// # Errors
/// Whatever the database says.
pub async fn list_outside(db: &Db, codes: &[&str]) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(db.sql(STRANGERS)).bind(codes).fetch_all(db.pool()).await
}
