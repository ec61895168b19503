//! An entry as its columns hold it.

use chrono::{DateTime, Utc};
use contracts::entry::{Entry, EntryKind, Funds, FundsDelta, GiftSend, Outcome};
use contracts::log::{Stamp, minute_of};
use ids::{Partition, RequestId, Uuid, ViewerId};
use money::Coins;
use pg::Db;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Error, Row};
use std::sync::Arc;

/// Every column of an entry, of a table called `e`.
pub(super) const COLUMNS: &str = "e.partition, e.seq, e.epoch, e.decided_at, e.day, e.request_id, e.account_id, \
e.previous_seq, e.kind, e.outcome, e.paid_delta_coins, e.promo_delta_coins, e.held_paid_delta_coins, \
e.held_promo_delta_coins, e.paid_after_coins, e.promo_after_coins, e.held_paid_after_coins, \
e.held_promo_after_coins, e.shortfall_coins, e.origin_id, e.expires_at_ms, e.send, e.body_hash";

/// The same without what was sent: enough to follow an account.
pub(super) const COLUMNS_OF_TAIL: &str = "e.partition, e.seq, e.epoch, e.decided_at, e.day, e.request_id, \
e.account_id, e.previous_seq, e.kind, e.outcome, e.paid_delta_coins, e.promo_delta_coins, e.held_paid_delta_coins, \
e.held_promo_delta_coins, e.paid_after_coins, e.promo_after_coins, e.held_paid_after_coins, \
e.held_promo_after_coins, e.shortfall_coins, e.origin_id, e.expires_at_ms, NULL::text AS send, e.body_hash";

/// A selection of entries.
pub(super) fn select(db: &Db, rest: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("SELECT {COLUMNS} FROM {}.entries e {rest}", db.schema()))
}

/// What a stored value means, or the decode error that names its column.
pub(super) fn known<T>(column: &'static str, value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| Error::ColumnDecode {
        index: column.to_owned(),
        source: "the stored value is out of its range".into(),
    })
}

pub(super) fn coins(row: &PgRow, column: &'static str) -> Result<Coins, Error> {
    known(column, Coins::try_new(row.try_get(column)?).ok())
}

pub(super) fn partition(row: &PgRow) -> Result<Partition, Error> {
    known("partition", Partition::try_from(row.try_get::<i16, _>("partition")?).ok())
}

fn sent(text: Option<&str>) -> Result<Option<Arc<GiftSend>>, Error> {
    let undecodable =
        |error: serde_json::Error| Error::ColumnDecode { index: "send".to_owned(), source: error.into() };
    text.map(serde_json::from_str).transpose().map_err(undecodable)
}

pub(super) fn entry(row: &PgRow) -> Result<Entry, Error> {
    let decided_at: DateTime<Utc> = row.try_get("decided_at")?;
    Ok(Entry {
        stamp: Stamp {
            partition: partition(row)?,
            seq: row.try_get("seq")?,
            epoch: row.try_get("epoch")?,
            decided_at,
            minute: minute_of(decided_at),
            day: row.try_get("day")?,
            origin_seq: 0, // Entries derive from no log's row one by one.
        },
        request_id: RequestId::from_uuid(row.try_get("request_id")?),
        account_id: ViewerId::from_uuid(row.try_get("account_id")?),
        previous_seq: row.try_get("previous_seq")?,
        kind: known("kind", EntryKind::of_code(row.try_get("kind")?))?,
        outcome: known("outcome", Outcome::of_code(row.try_get("outcome")?))?,
        available: FundsDelta {
            paid_coins: row.try_get("paid_delta_coins")?,
            promo_coins: row.try_get("promo_delta_coins")?,
        },
        held: FundsDelta {
            paid_coins: row.try_get("held_paid_delta_coins")?,
            promo_coins: row.try_get("held_promo_delta_coins")?,
        },
        after: Funds {
            paid_coins: coins(row, "paid_after_coins")?,
            promo_coins: coins(row, "promo_after_coins")?,
        },
        held_after: Funds {
            paid_coins: coins(row, "held_paid_after_coins")?,
            promo_coins: coins(row, "held_promo_after_coins")?,
        },
        shortfall_coins: coins(row, "shortfall_coins")?,
        origin_id: row.try_get::<Option<Uuid>, _>("origin_id")?,
        expires_at_ms: row.try_get("expires_at_ms")?,
        send: sent(row.try_get("send")?)?,
        body_hash: row.try_get("body_hash")?,
    })
}
