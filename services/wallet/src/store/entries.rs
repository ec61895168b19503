//! `entries` as a sequenced log: bulk insert, and reading in order.

use super::row;
use contracts::entry::Entry;
use contracts::log::Seq;
use ids::{Partition, id_time};
use pg::Db;
use seqlog::LogTable;
use sqlx::PgConnection;
use sqlx::types::Json;

/// The table `entries`.
#[derive(Clone, Copy, Debug, Default)]
pub struct EntriesTable;

// `unnest` in the select list streams; in FROM it would first store each of the 25 columns (5 µs a row
// against 2).
const INSERT: &str = "
INSERT INTO {s}.entries (
    partition, seq, epoch, decided_at, minute, day, origin_seq, request_day, request_id, account_id, kind,
    outcome, paid_delta_coins, promo_delta_coins, held_paid_delta_coins, held_promo_delta_coins,
    paid_after_coins, promo_after_coins, held_paid_after_coins, held_promo_after_coins, shortfall_coins,
    origin_id, expires_at_ms, send, body_hash)
SELECT unnest($1::smallint[]), unnest($2::bigint[]), unnest($3::bigint[]), unnest($4::timestamptz[]),
    unnest($5::integer[]), unnest($6::date[]), unnest($7::bigint[]), unnest($8::date[]),
    unnest($9::uuid[]), unnest($10::uuid[]), unnest($11::smallint[]), unnest($12::smallint[]),
    unnest($13::bigint[]), unnest($14::bigint[]), unnest($15::bigint[]), unnest($16::bigint[]),
    unnest($17::bigint[]), unnest($18::bigint[]), unnest($19::bigint[]), unnest($20::bigint[]),
    unnest($21::bigint[]), unnest($22::uuid[]), unnest($23::bigint[]), unnest($24::jsonb[]),
    unnest($25::bigint[])";

const READ_AFTER: &str = "
SELECT partition, seq, epoch, decided_at, minute, day, origin_seq, request_id, account_id, kind, outcome,
    paid_delta_coins, promo_delta_coins, held_paid_delta_coins, held_promo_delta_coins, paid_after_coins,
    promo_after_coins, held_paid_after_coins, held_promo_after_coins, shortfall_coins, origin_id,
    expires_at_ms, send, body_hash
FROM {s}.entries WHERE partition = $1 AND seq > $2 ORDER BY seq LIMIT $3";

fn column<'r, T>(rows: &'r [Entry], of: impl Fn(&'r Entry) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

impl LogTable for EntriesTable {
    type Row = Entry;

    async fn insert_in_tx(&self, tx: &mut PgConnection, db: &Db, rows: &[Entry]) -> Result<(), sqlx::Error> {
        sqlx::query(db.sql(INSERT))
            .bind(column(rows, |entry| entry.stamp.partition.number()))
            .bind(column(rows, |entry| entry.stamp.seq))
            .bind(column(rows, |entry| entry.stamp.epoch))
            .bind(column(rows, |entry| entry.stamp.decided_at))
            .bind(column(rows, |entry| entry.stamp.minute))
            .bind(column(rows, |entry| entry.stamp.day))
            .bind(column(rows, |entry| entry.stamp.origin_seq))
            .bind(column(rows, |entry| id_time(entry.request_id.uuid()).day()))
            .bind(column(rows, |entry| entry.request_id.uuid()))
            .bind(column(rows, |entry| entry.account_id.uuid()))
            .bind(column(rows, |entry| entry.kind.code()))
            .bind(column(rows, |entry| entry.outcome.code()))
            .bind(column(rows, |entry| entry.available.paid_coins))
            .bind(column(rows, |entry| entry.available.promo_coins))
            .bind(column(rows, |entry| entry.held.paid_coins))
            .bind(column(rows, |entry| entry.held.promo_coins))
            .bind(column(rows, |entry| entry.after.paid_coins.get()))
            .bind(column(rows, |entry| entry.after.promo_coins.get()))
            .bind(column(rows, |entry| entry.held_after.paid_coins.get()))
            .bind(column(rows, |entry| entry.held_after.promo_coins.get()))
            .bind(column(rows, |entry| entry.shortfall_coins.get()))
            .bind(column(rows, |entry| entry.origin_id))
            .bind(column(rows, |entry| entry.expires_at_ms))
            .bind(column(rows, |entry| entry.send.as_ref().map(Json)))
            .bind(column(rows, |entry| entry.body_hash))
            .execute(tx)
            .await?;
        Ok(())
    }

    async fn read_after(
        &self,
        db: &Db,
        partition: Partition,
        after: Seq,
        limit: i64,
    ) -> Result<Vec<Entry>, sqlx::Error> {
        let rows = sqlx::query(db.sql(READ_AFTER))
            .bind(partition.number())
            .bind(after)
            .bind(limit)
            .fetch_all(db.pool())
            .await?;
        rows.iter().map(row::entry).collect()
    }
}
