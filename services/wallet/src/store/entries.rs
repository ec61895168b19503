//! `entries` as a sequenced log: bulk insert, and reading in order.

use super::row;
use contracts::entry::{Entry, Funds, FundsDelta};
use contracts::log::Seq;
use ids::Partition;
use pg::Db;
use seqlog::{Insert, LogTable};

/// The table `entries`.
#[derive(Clone, Copy, Debug, Default)]
pub struct EntriesTable;

/// Entries that touch no hold and refer to nothing: gifts, recharges. The columns left out have their defaults,
/// and what is not sent need not be parsed, formed and logged for every gift.
// `unnest` in the select list streams; in FROM it would first store every column (5 µs a row against 2).
const INSERT_PLAIN: &str = "
INSERT INTO {s}.entries (
    partition, seq, epoch, decided_at, day, request_id, account_id, previous_seq, kind, outcome,
    paid_delta_coins, promo_delta_coins, paid_after_coins, promo_after_coins, send, body_hash)
SELECT unnest($1::smallint[]), unnest($2::bigint[]), unnest($3::bigint[]), unnest($4::timestamptz[]),
    unnest($5::date[]), unnest($6::uuid[]), unnest($7::uuid[]), unnest($8::bigint[]), unnest($9::smallint[]),
    unnest($10::smallint[]), unnest($11::bigint[]), unnest($12::bigint[]), unnest($13::bigint[]),
    unnest($14::bigint[]), unnest($15::text[]), unnest($16::bigint[])";

const INSERT_WHOLE: &str = "
INSERT INTO {s}.entries (
    partition, seq, epoch, decided_at, day, request_id, account_id, previous_seq, kind, outcome,
    paid_delta_coins, promo_delta_coins, paid_after_coins, promo_after_coins, send, body_hash,
    held_paid_delta_coins, held_promo_delta_coins, held_paid_after_coins, held_promo_after_coins,
    shortfall_coins, origin_id, expires_at_ms)
SELECT unnest($1::smallint[]), unnest($2::bigint[]), unnest($3::bigint[]), unnest($4::timestamptz[]),
    unnest($5::date[]), unnest($6::uuid[]), unnest($7::uuid[]), unnest($8::bigint[]), unnest($9::smallint[]),
    unnest($10::smallint[]), unnest($11::bigint[]), unnest($12::bigint[]), unnest($13::bigint[]),
    unnest($14::bigint[]), unnest($15::text[]), unnest($16::bigint[]), unnest($17::bigint[]),
    unnest($18::bigint[]), unnest($19::bigint[]), unnest($20::bigint[]), unnest($21::bigint[]),
    unnest($22::uuid[]), unnest($23::bigint[])";

/// Whether an entry fits the short statement.
fn is_plain(entry: &Entry) -> bool {
    entry.held == FundsDelta::default()
        && entry.held_after == Funds::default()
        && entry.shortfall_coins.is_zero()
        && entry.origin_id.is_none()
        && entry.expires_at_ms.is_none()
}

fn sent_as_text(entry: &Entry) -> Result<Option<String>, sqlx::Error> {
    let encoded = entry.send.as_ref().map(serde_json::to_string).transpose();
    encoded.map_err(|error| sqlx::Error::Encode(error.into()))
}

fn column<'r, T>(rows: &'r [Entry], of: impl Fn(&'r Entry) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

impl LogTable for EntriesTable {
    type Row = Entry;

    fn insert(&self, db: &Db, rows: &[Entry]) -> Result<Insert, sqlx::Error> {
        let plain = rows.iter().all(is_plain);
        let sends = rows.iter().map(sent_as_text).collect::<Result<Vec<_>, _>>()?;
        let query = sqlx::query(db.sql(if plain { INSERT_PLAIN } else { INSERT_WHOLE }))
            .bind(column(rows, |entry| entry.stamp.partition.number()))
            .bind(column(rows, |entry| entry.stamp.seq))
            .bind(column(rows, |entry| entry.stamp.epoch))
            .bind(column(rows, |entry| entry.stamp.decided_at))
            .bind(column(rows, |entry| entry.stamp.day))
            .bind(column(rows, |entry| entry.request_id.uuid()))
            .bind(column(rows, |entry| entry.account_id.uuid()))
            .bind(column(rows, |entry| entry.previous_seq))
            .bind(column(rows, |entry| entry.kind.code()))
            .bind(column(rows, |entry| entry.outcome.code()))
            .bind(column(rows, |entry| entry.available.paid_coins))
            .bind(column(rows, |entry| entry.available.promo_coins))
            .bind(column(rows, |entry| entry.after.paid_coins.get()))
            .bind(column(rows, |entry| entry.after.promo_coins.get()))
            .bind(sends)
            .bind(column(rows, |entry| entry.body_hash));
        if plain {
            return Ok(query);
        }
        Ok(query
            .bind(column(rows, |entry| entry.held.paid_coins))
            .bind(column(rows, |entry| entry.held.promo_coins))
            .bind(column(rows, |entry| entry.held_after.paid_coins.get()))
            .bind(column(rows, |entry| entry.held_after.promo_coins.get()))
            .bind(column(rows, |entry| entry.shortfall_coins.get()))
            .bind(column(rows, |entry| entry.origin_id))
            .bind(column(rows, |entry| entry.expires_at_ms)))
    }

    async fn read_after(
        &self,
        db: &Db,
        partition: Partition,
        after: Seq,
        limit: i64,
    ) -> Result<Vec<Entry>, sqlx::Error> {
        let rest = "WHERE e.partition = $1 AND e.seq > $2 ORDER BY e.seq LIMIT $3";
        let rows = sqlx::query(row::select(db, rest))
            .bind(partition.number())
            .bind(after)
            .bind(limit)
            .fetch_all(db.pool())
            .await?;
        rows.iter().map(row::entry).collect()
    }
}
