//! Entries found by request id, by seq, by account and by what they refer to. One statement per batch each.

use super::row;
use crate::domain::Origin;
use contracts::entry::{Entry, EntryKind};
use contracts::log::Seq;
use foldhash::{HashMap, HashMapExt as _};
use ids::{Partition, RequestId, Uuid, ViewerId, id_time, lowest_id};
use pg::Db;
use sqlx::{AssertSqlSafe, Row};

const DAY_MS: i64 = 86_400_000;

/// Where the entry of a request would be.
pub(crate) type RequestKey = (Partition, RequestId);
/// Where a committed entry is.
pub(crate) type SeqKey = (Partition, Seq);

/// The entries of the requests that were decided, of those asked for.
pub(crate) async fn find_requests(db: &Db, keys: &[RequestKey]) -> Result<Vec<Entry>, sqlx::Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    // Joined row by row: each probe's id falls into one day table.
    let text = format!(
        "SELECT {} FROM unnest($1::smallint[], $2::uuid[]) AS k (of_partition, of_request) \
         JOIN {}.entries e ON e.partition = k.of_partition AND e.request_id = k.of_request",
        row::COLUMNS,
        db.schema(),
    );
    let rows = sqlx::query(AssertSqlSafe(text))
        .bind(keys.iter().map(|(partition, _)| partition.number()).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, id)| id.uuid()).collect::<Vec<_>>())
        .fetch_all(db.pool())
        .await?;
    rows.iter().map(row::entry).collect()
}

/// Committed entries by their seq.
pub(crate) async fn list_by_seq(db: &Db, keys: &[SeqKey]) -> Result<HashMap<SeqKey, Entry>, sqlx::Error> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let text = format!(
        "SELECT {} FROM unnest($1::smallint[], $2::bigint[]) AS k (of_partition, of_seq) \
         JOIN {}.entries e ON e.partition = k.of_partition AND e.seq = k.of_seq",
        row::COLUMNS,
        db.schema(),
    );
    let rows = sqlx::query(AssertSqlSafe(text))
        .bind(keys.iter().map(|(partition, _)| partition.number()).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, seq)| *seq).collect::<Vec<_>>())
        .fetch_all(db.pool())
        .await?;
    rows.iter()
        .map(|row| row::entry(row).map(|entry| ((entry.stamp.partition, entry.stamp.seq), entry)))
        .collect()
}

const CHAIN: &str = "
WITH RECURSIVE chain AS (
    SELECT e.*, 1 AS link FROM {s}.entries e WHERE e.partition = $1 AND e.seq = $2 AND e.account_id = $3
    UNION ALL
    SELECT e.*, c.link + 1 FROM chain c JOIN {s}.entries e ON e.partition = $1 AND e.seq = c.previous_seq
    WHERE c.link < $4
)
SELECT * FROM chain ORDER BY seq DESC";

/// An account's entries, newest first, from `newest_seq` down its chain, at most `limit`.
pub(crate) async fn list_account_entries(
    db: &Db,
    (partition, account_id): (Partition, ViewerId),
    newest_seq: Seq,
    limit: u16,
) -> Result<Vec<Entry>, sqlx::Error> {
    let rows = sqlx::query(db.sql(CHAIN))
        .bind(partition.number())
        .bind(newest_seq)
        .bind(account_id.uuid())
        .bind(i32::from(limit))
        .fetch_all(db.pool())
        .await?;
    rows.iter().map(row::entry).collect()
}

/// The seq of the account's entry before this one; `None` where there is no such entry of this account.
pub(crate) async fn find_previous(
    db: &Db,
    (partition, account_id): (Partition, ViewerId),
    seq: Seq,
) -> Result<Option<Seq>, sqlx::Error> {
    let text = "SELECT previous_seq FROM {s}.entries WHERE partition = $1 AND seq = $2 AND account_id = $3";
    sqlx::query_scalar(db.sql(text))
        .bind(partition.number())
        .bind(seq)
        .bind(account_id.uuid())
        .fetch_optional(db.pool())
        .await
}

/// A partition's entries past `after`, in order, without what was sent: what a takeover replays.
pub(crate) async fn read_tail(
    db: &Db,
    partition: Partition,
    after: Seq,
    limit: i64,
) -> Result<Vec<Entry>, sqlx::Error> {
    let text = format!(
        "SELECT {} FROM {}.entries e WHERE e.partition = $1 AND e.seq > $2 ORDER BY e.seq LIMIT $3",
        row::COLUMNS_OF_TAIL,
        db.schema(),
    );
    let rows = sqlx::query(AssertSqlSafe(text))
        .bind(partition.number())
        .bind(after)
        .bind(limit)
        .fetch_all(db.pool())
        .await?;
    rows.iter().map(row::entry).collect()
}

/// A decided request, as the lane remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KnownRequest {
    pub request_id: RequestId,
    pub body_hash: i64,
    pub seq: Seq,
}

const KNOWN_SINCE: &str = "
SELECT request_id, body_hash, seq FROM {s}.entries
WHERE partition = $1 AND request_id >= $2
ORDER BY request_id DESC LIMIT $3";

/// Decided requests whose ids are not older than `since_ms`, newest first, at most `limit`.
pub(crate) async fn list_known_since(
    db: &Db,
    partition: Partition,
    since_ms: i64,
    limit: i64,
) -> Result<Vec<KnownRequest>, sqlx::Error> {
    let rows = sqlx::query(db.sql(KNOWN_SINCE))
        .bind(partition.number())
        .bind(lowest_id(since_ms))
        .bind(limit)
        .fetch_all(db.pool())
        .await?;
    rows.iter()
        .map(|row| {
            Ok(KnownRequest {
                request_id: RequestId::from_uuid(row.try_get("request_id")?),
                body_hash: row.try_get("body_hash")?,
                seq: row.try_get("seq")?,
            })
        })
        .collect()
}

const RETURNED: &str = "
SELECT origin_id, kind, sum(abs(paid_delta_coins) + shortfall_coins)::bigint AS paid_coins,
    sum(abs(promo_delta_coins))::bigint AS promo_coins
FROM {s}.entries
WHERE origin_id = ANY($1) AND kind IN (9, 10) AND outcome = 0 AND request_id >= $2
GROUP BY origin_id, kind";

/// What commands refer to: the accepted entry of each request asked for, with what has gone back of it.
/// `reference` is the id by which refunds and withdrawals name it.
pub(crate) async fn load_origins(
    db: &Db,
    wanted: &[(RequestKey, Uuid)],
) -> Result<HashMap<RequestId, Origin>, sqlx::Error> {
    let keys: Vec<RequestKey> = wanted.iter().map(|(key, _)| *key).collect();
    let entries = find_requests(db, &keys).await?;
    let mut origins: HashMap<RequestId, Origin> =
        entries.iter().filter_map(|entry| Some((entry.request_id, Origin::of(entry)?))).collect();
    if origins.is_empty() {
        return Ok(origins);
    }
    let requests: HashMap<Uuid, RequestId> =
        wanted.iter().map(|((_, id), reference)| (*reference, *id)).collect();
    let rows = sqlx::query(db.sql(RETURNED))
        .bind(requests.keys().copied().collect::<Vec<_>>())
        .bind(returned_from(wanted))
        .fetch_all(db.pool())
        .await?;
    for row in &rows {
        let origin_id: Uuid = row.try_get("origin_id")?;
        let kind = row::known("kind", EntryKind::of_code(row.try_get("kind")?))?;
        let Some(origin) = requests.get(&origin_id).and_then(|id| origins.get_mut(id)) else { continue };
        if origin.is_returned_by(kind) {
            origin.returned.paid_coins = row::coins(row, "paid_coins")?;
            origin.returned.promo_coins = row::coins(row, "promo_coins")?;
        }
    }
    Ok(origins)
}

/// No refund has an id older than the day before its order; a withdrawal may be of any day.
fn returned_from(wanted: &[(RequestKey, Uuid)]) -> Uuid {
    let earliest = |((_, request_id), reference): &(RequestKey, Uuid)| {
        // An order's debit has the order's own id; a recharge's request id is derived from the payment's.
        if request_id.uuid() == *reference { id_time(*reference).unix_ms - DAY_MS } else { 0 }
    };
    lowest_id(wanted.iter().map(earliest).min().unwrap_or(0))
}
