//! An entry as its columns hold it.

use contracts::entry::{Entry, EntryKind, Funds, FundsDelta, GiftSend, Outcome};
use contracts::log::Stamp;
use ids::{Partition, RequestId, Uuid, ViewerId};
use money::Coins;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{Error, Row};

/// Every column of an entry but `request_day`, which its id gives.
pub(super) const COLUMNS: &str = "partition, seq, epoch, decided_at, minute, day, origin_seq, request_id, \
account_id, kind, outcome, paid_delta_coins, promo_delta_coins, held_paid_delta_coins, \
held_promo_delta_coins, paid_after_coins, promo_after_coins, held_paid_after_coins, \
held_promo_after_coins, shortfall_coins, origin_id, expires_at_ms, send, body_hash";

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

pub(super) fn entry(row: &PgRow) -> Result<Entry, Error> {
    let send: Option<Json<GiftSend>> = row.try_get("send")?;
    Ok(Entry {
        stamp: Stamp {
            partition: partition(row)?,
            seq: row.try_get("seq")?,
            epoch: row.try_get("epoch")?,
            decided_at: row.try_get("decided_at")?,
            minute: row.try_get("minute")?,
            day: row.try_get("day")?,
            origin_seq: row.try_get("origin_seq")?,
        },
        request_id: RequestId::from_uuid(row.try_get("request_id")?),
        account_id: ViewerId::from_uuid(row.try_get("account_id")?),
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
        send: send.map(|Json(send)| send),
        body_hash: row.try_get("body_hash")?,
    })
}
