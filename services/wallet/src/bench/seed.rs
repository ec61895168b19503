//! A log that is long already, made in bulk: what the wallet costs when its tables are full.
//!
//! Every account has a recharge and some gifts, one a day; chains, balances, heads and snapshots are as the wallet
//! itself would have left them, so that the books can be proven.

use crate::store::Days;
use chrono::{Days as DayCount, NaiveDate, Utc};
use contracts::log::LogName;
use ids::{Partition, PartitionGroup, Uuid, ViewerId, partition_of};
use pg::Db;
use sqlx::{AssertSqlSafe, PgConnection};
use std::fmt::Write;

/// Coins of each account's recharge.
const RECHARGE_COINS: i64 = 1_000_000_000;
/// Bytes of one piece of a copy.
const PIECE_LEN: usize = 1 << 20;

/// How long the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    pub accounts: usize,
    /// The recharge, and a gift a day after it.
    pub entries_per_account: usize,
}

impl Past {
    /// The id of one of its accounts, the same every time.
    pub fn account(self, index: usize) -> ViewerId {
        ViewerId::from_uuid(ids::named_id("bench-account", &index.to_string()))
    }

    /// So many of its accounts, from all over the table.
    pub fn some_accounts(self, count: usize) -> Vec<ViewerId> {
        let step = (self.accounts / count.max(1)).max(1);
        (0..count.min(self.accounts)).map(|index| self.account(index * step)).collect()
    }
}

/// Fills a migrated, empty schema. `db`'s connections must allow statements of many minutes.
///
/// # Errors
/// Whatever the database says.
pub async fn seed(db: &Db, past: Past) -> Result<(), sqlx::Error> {
    let mut by_partition: Vec<Vec<Uuid>> = vec![Vec::new(); Partition::all().count()];
    for index in 0..past.accounts {
        let account_id = past.account(index).uuid();
        by_partition[partition_of(account_id).index()].push(account_id);
    }
    let mut connection = db.pool().acquire().await?;
    copy_accounts(&mut connection, &by_partition).await?;
    let mut days = Days::default();
    for nth in 1..=past.entries_per_account {
        let back = past.entries_per_account - nth + 1;
        let day = Utc::now().date_naive() - DayCount::new(u64::try_from(back).unwrap_or(0));
        days.ensure(db, day).await?;
        for (partition, accounts) in Partition::all().zip(&by_partition) {
            insert_nth(&mut connection, db, (partition, accounts.len()), (nth, day)).await?;
        }
    }
    finish(&mut connection, db, past, &by_partition).await
}

/// Who has which rank in which partition.
async fn copy_accounts(connection: &mut PgConnection, by_partition: &[Vec<Uuid>]) -> Result<(), sqlx::Error> {
    let make = "CREATE TEMP TABLE seeded (account_id uuid, partition smallint, rank bigint)";
    sqlx::raw_sql(make).execute(&mut *connection).await?;
    let mut sink = connection.copy_in_raw("COPY seeded FROM STDIN").await?;
    let mut piece = String::with_capacity(PIECE_LEN + 128);
    for (partition, accounts) in Partition::all().zip(by_partition) {
        for (rank, account_id) in accounts.iter().enumerate() {
            // Writing into a String cannot fail.
            let _ = writeln!(piece, "{account_id}\t{partition}\t{rank}");
            if piece.len() >= PIECE_LEN {
                sink.send(piece.as_bytes()).await?;
                piece.clear();
            }
        }
    }
    sink.send(piece.as_bytes()).await?;
    sink.finish().await?;
    let index = "CREATE INDEX ON seeded (partition, rank); ANALYZE seeded";
    sqlx::raw_sql(index).execute(connection).await.map(drop)
}

/// Every account's nth entry of one partition: ranks are seqs, so chains need no sorting.
async fn insert_nth(
    connection: &mut PgConnection,
    db: &Db,
    (partition, accounts): (Partition, usize),
    (nth, day): (usize, NaiveDate),
) -> Result<(), sqlx::Error> {
    let day_ms = day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis();
    let (is_first, before) = (nth == 1, (nth - 1) * accounts);
    let (kind, delta) = if is_first { (1, RECHARGE_COINS) } else { (4, -1) };
    let after = RECHARGE_COINS - i64::try_from(nth - 1).unwrap_or(0);
    let previous = if is_first { "0".to_owned() } else { format!("rank + 1 + {}", before - accounts) };
    let send = if is_first { "NULL" } else { SEND };
    // The id's time goes through the day with the rank; its rest is drawn from the account.
    let request = format!(
        "(lpad(to_hex({day_ms} + rank * 86000000 / {}), 12, '0') || '7'
          || overlay(md5(account_id::text || {nth}) placing '8' from 4 for 1))",
        accounts.max(1)
    );
    let insert = format!(
        "INSERT INTO {}.entries (partition, seq, epoch, decided_at, day, request_id, account_id, previous_seq, kind,
             outcome, paid_delta_coins, promo_delta_coins, paid_after_coins, promo_after_coins, send, body_hash)
         SELECT partition, rank + 1 + {before}, 1, '{day}'::date + interval '1 ms' * (rank * 86000000 / {}), '{day}',
             substr({request}, 1, 32)::uuid, account_id, {previous}, {kind}, 0, {delta}, 0, {after}, 0, {send}, 1
         FROM seeded WHERE partition = {partition} ORDER BY rank",
        db.schema(),
        accounts.max(1),
    );
    sqlx::raw_sql(AssertSqlSafe(insert)).execute(connection).await.map(drop)
}

/// A gift as a debit carries it.
const SEND: &str = r#"'{"room_id":"01900000-0000-7000-8000-00000000bbbb","streamer_id":"01900000-0000-7000-8000-00000000cccc","gift_id":1,"quantity":1,"unit_price_coins":1,"catalogue_version":1,"node":"bench/1"}'"#;

/// Snapshots, heads, and what the server needs to plan well.
async fn finish(
    connection: &mut PgConnection,
    db: &Db,
    past: Past,
    by_partition: &[Vec<Uuid>],
) -> Result<(), sqlx::Error> {
    let schema = db.schema();
    let last = past.entries_per_account.saturating_sub(1);
    let balance = RECHARGE_COINS - i64::try_from(last).unwrap_or(0);
    let lens: Vec<String> = by_partition.iter().map(|accounts| accounts.len().to_string()).collect();
    let lens = format!("('{{{}}}'::bigint[])", lens.join(","));
    let snapshots = format!(
        "INSERT INTO {schema}.accounts (account_id, partition, paid_coins, promo_coins, held_paid_coins,
             held_promo_coins, holds, frozen, spent_coins, as_of_seq)
         SELECT account_id, partition, {balance}, 0, 0, 0, '[]', false, 0,
             rank + 1 + {last} * {lens}[partition + 1] FROM seeded;
         INSERT INTO {schema}.snapshot_heads (partition, as_of_seq)
         SELECT p, {} * {lens}[p + 1] FROM generate_series(0, 63) p",
        past.entries_per_account
    );
    sqlx::raw_sql(AssertSqlSafe(snapshots)).execute(&mut *connection).await?;
    for group in PartitionGroup::all() {
        let seqs: Vec<String> = group
            .partitions()
            .map(|partition| (by_partition[partition.index()].len() * past.entries_per_account).to_string())
            .collect();
        let seqs = format!("'{{{}}}'::bigint[]", seqs.join(","));
        let head = format!(
            "INSERT INTO {schema}.log_head_groups (log, part_group, epochs, owners, closed_until, relayed_seqs,
                 last_seqs, last_decided_at)
             VALUES ('{}', {group}, array_fill(1::bigint, '{{8}}'), array_fill('seed'::text, '{{8}}'),
                 array_fill(now() - interval '1 day', '{{8}}'), {seqs}, {seqs}, now() - interval '1 day')",
            LogName::Entries
        );
        sqlx::raw_sql(AssertSqlSafe(head)).execute(&mut *connection).await?;
    }
    sqlx::raw_sql("DROP TABLE seeded").execute(&mut *connection).await?;
    for table in ["entries", "accounts"] {
        sqlx::raw_sql(AssertSqlSafe(format!("VACUUM (FREEZE, ANALYZE) {schema}.{table}")))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
