//! Snapshots of accounts: committed state, never newer than the log. An older snapshot never replaces a newer.

use super::row;
use crate::domain::{Account, DaySpend, Hold};
use contracts::entry::Funds;
use contracts::log::{Epoch, LogName, Seq};
use contracts::wallet::AccountState;
use ids::{HoldId, Partition, Uuid, ViewerId};
use money::Coins;
use pg::Db;
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use std::collections::HashMap;

/// One hold in the column `holds`.
pub(super) type StoredHold = (HoldId, Coins, Coins, i64);

/// One account to be written.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotRow {
    pub account_id: ViewerId,
    pub partition: Partition,
    pub epoch: Epoch,
    pub account: Account,
    /// Whether it has a row to be updated.
    pub saved: bool,
}

const LOAD: &str = "
SELECT account_id, paid_coins, promo_coins, held_paid_coins, held_promo_coins, holds, frozen, spend_day,
    spent_coins, as_of_seq
FROM {s}.accounts WHERE account_id = ANY($1)";

/// The snapshots of some accounts; one never written is absent.
pub(crate) async fn load_accounts(
    db: &Db,
    account_ids: &[ViewerId],
) -> Result<HashMap<ViewerId, Account>, sqlx::Error> {
    if account_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(db.sql(LOAD))
        .bind(account_ids.iter().map(|id| id.uuid()).collect::<Vec<_>>())
        .fetch_all(db.pool())
        .await?;
    rows.iter().map(account).collect()
}

fn account(row: &PgRow) -> Result<(ViewerId, Account), sqlx::Error> {
    let account_id = ViewerId::from_uuid(row.try_get("account_id")?);
    let Json(holds): Json<Vec<StoredHold>> = row.try_get("holds")?;
    let frozen: bool = row.try_get("frozen")?;
    let account = Account {
        available: Funds {
            paid_coins: row::coins(row, "paid_coins")?,
            promo_coins: row::coins(row, "promo_coins")?,
        },
        held: Funds {
            paid_coins: row::coins(row, "held_paid_coins")?,
            promo_coins: row::coins(row, "held_promo_coins")?,
        },
        holds: holds.into_iter().map(hold).collect(),
        state: if frozen { AccountState::Frozen } else { AccountState::Open },
        spend: DaySpend { day: row.try_get("spend_day")?, coins: row.try_get("spent_coins")? },
        as_of_seq: row.try_get("as_of_seq")?,
    };
    Ok((account_id, account))
}

pub(super) fn stored_holds(account: &Account) -> Vec<StoredHold> {
    let of = |(id, hold): (&HoldId, &Hold)| {
        (*id, hold.funds.paid_coins, hold.funds.promo_coins, hold.expires_at_ms)
    };
    account.holds.iter().map(of).collect()
}

pub(super) fn hold((hold_id, paid_coins, promo_coins, expires_at_ms): StoredHold) -> (HoldId, Hold) {
    (hold_id, Hold { funds: Funds { paid_coins, promo_coins }, expires_at_ms })
}

const LIST_HOLDS: &str = "
SELECT account_id, holds FROM {s}.accounts WHERE partition = ANY($1) AND holds <> '[]'::jsonb";

/// Every hold of some partitions' snapshots: (expiry, account, hold).
pub(crate) async fn list_holds(
    db: &Db,
    partitions: &[Partition],
) -> Result<Vec<(i64, ViewerId, HoldId)>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST_HOLDS))
        .bind(partitions.iter().map(|partition| partition.number()).collect::<Vec<_>>())
        .fetch_all(db.pool())
        .await?;
    let mut found = Vec::new();
    for row in &rows {
        let account_id = ViewerId::from_uuid(row.try_get("account_id")?);
        let Json(holds): Json<Vec<StoredHold>> = row.try_get("holds")?;
        found.extend(
            holds.into_iter().map(|(hold_id, _, _, expires_at_ms)| (expires_at_ms, account_id, hold_id)),
        );
    }
    Ok(found)
}

// Fenced twice: by the epoch, and by never going back. What a deposed writer saved was committed, so true.
const INSERT: &str = "
INSERT INTO {s}.accounts AS a (account_id, partition, paid_coins, promo_coins, held_paid_coins,
    held_promo_coins, holds, frozen, spend_day, spent_coins, as_of_seq)
SELECT n.account_id, n.partition, n.paid_coins, n.promo_coins, n.held_paid_coins, n.held_promo_coins,
    n.holds, n.frozen, n.spend_day, n.spent_coins, n.as_of_seq
FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::jsonb[], $9::boolean[], $10::date[], $11::bigint[], $12::bigint[])
    AS n (account_id, partition, epoch, paid_coins, promo_coins, held_paid_coins, held_promo_coins, holds,
        frozen, spend_day, spent_coins, as_of_seq)
JOIN {s}.log_heads h ON h.log = $13 AND h.partition = n.partition AND h.epoch = n.epoch
ON CONFLICT (account_id) DO UPDATE SET
    paid_coins = excluded.paid_coins, promo_coins = excluded.promo_coins,
    held_paid_coins = excluded.held_paid_coins, held_promo_coins = excluded.held_promo_coins,
    holds = excluded.holds, frozen = excluded.frozen, spend_day = excluded.spend_day,
    spent_coins = excluded.spent_coins, as_of_seq = excluded.as_of_seq
WHERE a.as_of_seq < excluded.as_of_seq";

// Half the work of a conflict for a row that is known to be there.
const UPDATE: &str = "
UPDATE {s}.accounts a SET
    paid_coins = n.paid_coins, promo_coins = n.promo_coins, held_paid_coins = n.held_paid_coins,
    held_promo_coins = n.held_promo_coins, holds = n.holds, frozen = n.frozen, spend_day = n.spend_day,
    spent_coins = n.spent_coins, as_of_seq = n.as_of_seq
FROM (SELECT unnest($1::uuid[]) AS account_id, unnest($2::smallint[]) AS partition, unnest($3::bigint[]) AS epoch,
        unnest($4::bigint[]) AS paid_coins, unnest($5::bigint[]) AS promo_coins,
        unnest($6::bigint[]) AS held_paid_coins, unnest($7::bigint[]) AS held_promo_coins,
        unnest($8::jsonb[]) AS holds, unnest($9::boolean[]) AS frozen, unnest($10::date[]) AS spend_day,
        unnest($11::bigint[]) AS spent_coins, unnest($12::bigint[]) AS as_of_seq) n
JOIN {s}.log_heads h ON h.log = $13 AND h.partition = n.partition AND h.epoch = n.epoch
WHERE a.account_id = n.account_id AND a.as_of_seq < n.as_of_seq";

/// Writes some accounts of which all or none were saved before: one statement, a transaction of its own.
pub(crate) async fn write_accounts(db: &Db, rows: &[SnapshotRow]) -> Result<(), sqlx::Error> {
    if rows.iter().all(|row| row.saved) && write_by(db, UPDATE, rows).await? == rows.len() {
        return Ok(());
    }
    // New ones; or one of them is another writer's by now, or was saved newer, or is not there after all.
    write_by(db, INSERT, rows).await?;
    Ok(())
}

/// Returns how many were written.
async fn write_by(db: &Db, statement: &'static str, rows: &[SnapshotRow]) -> Result<usize, sqlx::Error> {
    let column = |of: fn(&SnapshotRow) -> i64| rows.iter().map(of).collect::<Vec<i64>>();
    let holds = |row: &SnapshotRow| Json(stored_holds(&row.account));
    let written = sqlx::query(db.sql(statement))
        .bind(rows.iter().map(|row| row.account_id.uuid()).collect::<Vec<Uuid>>())
        .bind(rows.iter().map(|row| row.partition.number()).collect::<Vec<_>>())
        .bind(column(|row| row.epoch))
        .bind(column(|row| row.account.available.paid_coins.get()))
        .bind(column(|row| row.account.available.promo_coins.get()))
        .bind(column(|row| row.account.held.paid_coins.get()))
        .bind(column(|row| row.account.held.promo_coins.get()))
        .bind(rows.iter().map(holds).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.account.state == AccountState::Frozen).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.account.spend.day).collect::<Vec<_>>())
        .bind(column(|row| row.account.spend.coins))
        .bind(column(|row| row.account.as_of_seq))
        .bind(LogName::Entries.as_str())
        .execute(db.pool())
        .await?;
    Ok(usize::try_from(written.rows_affected()).unwrap_or(usize::MAX))
}

const WRITE_HEADS: &str = "
WITH written AS (INSERT INTO {s}.snapshot_heads AS s (partition, as_of_seq)
SELECT n.partition, n.as_of_seq FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS n (partition, epoch, as_of_seq)
JOIN {s}.log_heads h ON h.log = $4 AND h.partition = n.partition AND h.epoch = n.epoch
ORDER BY n.partition
ON CONFLICT (partition) DO UPDATE SET as_of_seq = greatest(s.as_of_seq, excluded.as_of_seq)
RETURNING s.partition, s.as_of_seq)
DELETE FROM {s}.account_changes c USING written w WHERE c.partition = w.partition AND c.as_of_seq <= w.as_of_seq";

/// Says that every account's row is as of these seqs or newer, after all of them are written; forgets the changes up
/// to there.
pub(crate) async fn write_snapshot_heads(
    db: &Db,
    heads: &[(Partition, Epoch, Seq)],
) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(WRITE_HEADS))
        .bind(heads.iter().map(|(partition, _, _)| partition.number()).collect::<Vec<_>>())
        .bind(heads.iter().map(|(_, epoch, _)| *epoch).collect::<Vec<_>>())
        .bind(heads.iter().map(|(_, _, seq)| *seq).collect::<Vec<_>>())
        .bind(LogName::Entries.as_str())
        .execute(db.pool())
        .await?;
    Ok(())
}

const HEADS: &str = "SELECT partition, as_of_seq FROM {s}.snapshot_heads WHERE partition = ANY($1)";

/// Up to where snapshots cover some partitions; one never covered is absent.
pub(crate) async fn snapshot_heads(
    db: &Db,
    partitions: &[Partition],
) -> Result<HashMap<Partition, Seq>, sqlx::Error> {
    let rows = sqlx::query(db.sql(HEADS))
        .bind(partitions.iter().map(|partition| partition.number()).collect::<Vec<_>>())
        .fetch_all(db.pool())
        .await?;
    rows.iter().map(|row| Ok((row::partition(row)?, row.try_get("as_of_seq")?))).collect()
}
