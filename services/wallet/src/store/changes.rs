//! What happened to accounts since their snapshots were written: many accounts a row.

use super::accounts::{SnapshotRow, StoredHold, hold, stored_holds};
use super::row::known;
use crate::domain::{Account, DaySpend};
use chrono::NaiveDate;
use contracts::entry::Funds;
use contracts::log::{Epoch, LogName, Seq};
use contracts::wallet::AccountState;
use ids::{Partition, Uuid, ViewerId};
use money::Coins;
use pg::Db;
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use std::collections::HashMap;

/// Accounts of one partition: every one with an entry above `from_seq` and up to `as_of_seq`, as it stood after that.
#[derive(Debug)]
pub(crate) struct Changes {
    pub from_seq: Seq,
    pub as_of_seq: Seq,
    pub accounts: Vec<(ViewerId, Account)>,
}

// What a deposed writer kept was committed, so it is true; the epoch only saves its work.
const INSERT: &str = "
INSERT INTO {s}.account_changes (partition, from_seq, as_of_seq, account_ids, paid_coins, promo_coins,
    held_paid_coins, held_promo_coins, frozen, spend_days, spent_coins, as_of_seqs, holds)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13
FROM {s}.log_heads h WHERE h.log = $14 AND h.partition = $1 AND h.epoch = $15
ON CONFLICT (partition, as_of_seq) DO NOTHING";

/// Keeps what happened to some accounts of one partition, from one seq to another; a transaction of its own.
pub(crate) async fn write_changes(
    db: &Db,
    (partition, epoch): (Partition, Epoch),
    (from_seq, as_of_seq): (Seq, Seq),
    rows: &[SnapshotRow],
) -> Result<(), sqlx::Error> {
    let coins = |of: fn(&SnapshotRow) -> Coins| rows.iter().map(|row| of(row).get()).collect::<Vec<i64>>();
    let holds: HashMap<Uuid, Vec<StoredHold>> = rows
        .iter()
        .filter(|row| !row.account.holds.is_empty())
        .map(|row| (row.account_id.uuid(), stored_holds(&row.account)))
        .collect();
    sqlx::query(db.sql(INSERT))
        .bind(partition.number())
        .bind(from_seq)
        .bind(as_of_seq)
        .bind(rows.iter().map(|row| row.account_id.uuid()).collect::<Vec<Uuid>>())
        .bind(coins(|row| row.account.available.paid_coins))
        .bind(coins(|row| row.account.available.promo_coins))
        .bind(coins(|row| row.account.held.paid_coins))
        .bind(coins(|row| row.account.held.promo_coins))
        .bind(rows.iter().map(|row| row.account.state == AccountState::Frozen).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.account.spend.day).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.account.spend.coins).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.account.as_of_seq).collect::<Vec<_>>())
        .bind(Json(holds))
        .bind(LogName::Entries.as_str())
        .bind(epoch)
        .execute(db.pool())
        .await?;
    Ok(())
}

const LIST: &str = "
SELECT from_seq, as_of_seq, account_ids, paid_coins, promo_coins, held_paid_coins, held_promo_coins, frozen,
    spend_days, spent_coins, as_of_seqs, holds
FROM {s}.account_changes WHERE partition = $1 AND as_of_seq > $2 ORDER BY as_of_seq";

/// What happened to a partition's accounts past `after`, in order.
pub(crate) async fn list_changes(
    db: &Db,
    partition: Partition,
    after: Seq,
) -> Result<Vec<Changes>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST)).bind(partition.number()).bind(after).fetch_all(db.pool()).await?;
    rows.iter().map(changes).collect()
}

fn changes(row: &PgRow) -> Result<Changes, sqlx::Error> {
    let column = |name: &'static str| row.try_get::<Vec<i64>, _>(name).map(Vec::into_iter);
    let (mut paid, mut promo) = (column("paid_coins")?, column("promo_coins")?);
    let (mut held_paid, mut held_promo) = (column("held_paid_coins")?, column("held_promo_coins")?);
    let (mut spent, mut seqs) = (column("spent_coins")?, column("as_of_seqs")?);
    let mut frozen = row.try_get::<Vec<bool>, _>("frozen")?.into_iter();
    let mut days = row.try_get::<Vec<Option<NaiveDate>>, _>("spend_days")?.into_iter();
    let Json(mut holds): Json<HashMap<Uuid, Vec<StoredHold>>> = row.try_get("holds")?;
    let coins = |name: &'static str, value: Option<i64>| {
        known(name, value.and_then(|value| Coins::try_new(value).ok()))
    };
    let mut account = |account_id: Uuid| {
        let is_frozen = known("frozen", frozen.next())?;
        let account = Account {
            available: Funds {
                paid_coins: coins("paid_coins", paid.next())?,
                promo_coins: coins("promo_coins", promo.next())?,
            },
            held: Funds {
                paid_coins: coins("held_paid_coins", held_paid.next())?,
                promo_coins: coins("held_promo_coins", held_promo.next())?,
            },
            holds: holds.remove(&account_id).unwrap_or_default().into_iter().map(hold).collect(),
            state: if is_frozen { AccountState::Frozen } else { AccountState::Open },
            spend: DaySpend {
                day: known("spend_days", days.next())?,
                coins: known("spent_coins", spent.next())?,
            },
            as_of_seq: known("as_of_seqs", seqs.next())?,
        };
        Ok((ViewerId::from_uuid(account_id), account))
    };
    let account_ids: Vec<Uuid> = row.try_get("account_ids")?;
    Ok(Changes {
        from_seq: row.try_get("from_seq")?,
        as_of_seq: row.try_get("as_of_seq")?,
        accounts: account_ids.into_iter().map(&mut account).collect::<Result<_, sqlx::Error>>()?,
    })
}
