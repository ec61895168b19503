//! The log `clearing.vouchers`: bulk insert, and reading in order.

use contracts::log::{LogName, Seq, Stamp};
use contracts::voucher::{Posting, Voucher};
use ids::Partition;
use money::Micros;
use pg::Db;
use seqlog::{Insert, LogTable};
use sqlx::Row;
use sqlx::postgres::PgRow;

/// The table `vouchers`.
#[derive(Clone, Copy, Debug)]
pub struct VouchersTable;

// Postings differ in number from row to row, which `unnest` cannot carry, so each row's three arrays travel as
// array literals. Account codes hold nothing that needs quoting (`Account::has_plain_code`).
const INSERT: &str = "
INSERT INTO {s}.vouchers (partition, seq, epoch, decided_at, minute, day, origin_seq, rule, source, from_seq,
    to_seq, posted_day, row_count, coins, accounts, debits, credits)
SELECT v.partition, v.seq, v.epoch, v.decided_at, v.minute, v.day, v.origin_seq, v.rule, v.source, v.from_seq,
    v.to_seq, v.posted_day, v.row_count, v.coins, v.accounts::text[], v.debits::bigint[], v.credits::bigint[]
FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::integer[], $6::date[],
    $7::bigint[], $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::date[], $13::bigint[],
    $14::bigint[], $15::text[], $16::text[], $17::text[])
    AS v (partition, seq, epoch, decided_at, minute, day, origin_seq, rule, source, from_seq, to_seq,
          posted_day, row_count, coins, accounts, debits, credits)";

const READ_AFTER: &str = "
SELECT partition, seq, epoch, decided_at, minute, day, origin_seq, rule, source, from_seq, to_seq, posted_day,
    row_count, coins, accounts, debits, credits
FROM {s}.vouchers WHERE partition = $1 AND seq > $2 ORDER BY seq LIMIT $3";

fn literal<T: std::fmt::Display>(values: impl Iterator<Item = T>) -> String {
    let values: Vec<String> = values.map(|value| value.to_string()).collect();
    format!("{{{}}}", values.join(","))
}

impl LogTable for VouchersTable {
    type Row = Voucher;

    fn insert(&self, db: &Db, rows: &[Voucher]) -> Result<Insert, sqlx::Error> {
        let longs = |of: fn(&Voucher) -> i64| rows.iter().map(of).collect::<Vec<_>>();
        let amounts = |of: fn(&Posting) -> i64| {
            rows.iter().map(|row| literal(row.postings.iter().map(of))).collect::<Vec<_>>()
        };
        let accounts = rows.iter().map(|row| literal(row.postings.iter().map(|line| &line.account)));
        let query = sqlx::query(db.sql(INSERT))
            .bind(rows.iter().map(|row| row.stamp.partition.number()).collect::<Vec<_>>())
            .bind(longs(|row| row.stamp.seq))
            .bind(longs(|row| row.stamp.epoch))
            .bind(rows.iter().map(|row| row.stamp.decided_at).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.stamp.minute).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.stamp.day).collect::<Vec<_>>())
            .bind(longs(|row| row.stamp.origin_seq))
            .bind(rows.iter().map(|row| row.rule.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.source.as_str()).collect::<Vec<_>>())
            .bind(longs(|row| row.from_seq))
            .bind(longs(|row| row.to_seq))
            .bind(rows.iter().map(|row| row.posted_day).collect::<Vec<_>>())
            .bind(longs(|row| row.row_count))
            .bind(longs(|row| row.coins))
            .bind(accounts.collect::<Vec<_>>())
            .bind(amounts(|line| line.debit.get()))
            .bind(amounts(|line| line.credit.get()));
        Ok(query)
    }

    async fn read_after(
        &self,
        db: &Db,
        partition: Partition,
        after: Seq,
        limit: i64,
    ) -> Result<Vec<Voucher>, sqlx::Error> {
        let rows = sqlx::query(db.sql(READ_AFTER))
            .bind(partition.number())
            .bind(after)
            .bind(limit)
            .fetch_all(db.pool())
            .await?;
        rows.iter().map(voucher_of_row).collect()
    }
}

/// The postings of a row that keeps them as arrays.
pub(super) fn postings_of_row(row: &PgRow) -> Result<Vec<Posting>, sqlx::Error> {
    let accounts: Vec<String> = row.try_get("accounts")?;
    let debits: Vec<i64> = row.try_get("debits")?;
    let credits: Vec<i64> = row.try_get("credits")?;
    let sides = debits.into_iter().zip(credits);
    let posting = |(account, (debit, credit))| Posting {
        account,
        debit: Micros::new(debit),
        credit: Micros::new(credit),
    };
    Ok(accounts.into_iter().zip(sides).map(posting).collect())
}

pub(super) fn voucher_of_row(row: &PgRow) -> Result<Voucher, sqlx::Error> {
    let partition = Partition::try_from(row.try_get::<i16, _>("partition")?).map_err(decode)?;
    let source: LogName = row.try_get::<String, _>("source")?.parse().map_err(decode)?;
    Ok(Voucher {
        stamp: Stamp {
            partition,
            seq: row.try_get("seq")?,
            epoch: row.try_get("epoch")?,
            decided_at: row.try_get("decided_at")?,
            minute: row.try_get("minute")?,
            day: row.try_get("day")?,
            origin_seq: row.try_get("origin_seq")?,
        },
        rule: row.try_get("rule")?,
        source,
        from_seq: row.try_get("from_seq")?,
        to_seq: row.try_get("to_seq")?,
        posted_day: row.try_get("posted_day")?,
        row_count: row.try_get("row_count")?,
        coins: row.try_get("coins")?,
        postings: postings_of_row(row)?,
    })
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}
