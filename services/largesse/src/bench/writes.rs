//! What a gift costs the database: rows written per table, and bytes of its write-ahead log.

use crate::failure::Failure;
use serde::Serialize;
use sqlx::PgPool;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a server's backends may keep their counts to themselves while they are idle (PostgreSQL 15: 10 s).
const COUNTS_SHOW_AFTER: Duration = Duration::from_secs(11);

/// Rows inserted or updated so far; day tables count as their parent.
const ROWS: &str = "SELECT schemaname || '.' || regexp_replace(relname, '_y[0-9]{8}$', '') AS name,
        sum(n_tup_ins + n_tup_upd)::bigint
    FROM pg_stat_user_tables GROUP BY name";

const WAL: &str = "SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint";

/// The server's counters at one moment.
pub struct Counters {
    wal_bytes: i64,
    rows: BTreeMap<String, i64>,
}

/// What one gift cost, from the answer to the last voucher.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct WriteCost {
    /// Rows of every table for a thousand gifts.
    pub rows_per_1000_gifts: u64,
    pub wal_bytes_per_gift: u64,
    pub gifts: u64,
    /// The same by table; the wallet's entries are all that an answer waits for.
    pub by_table: BTreeMap<String, u64>,
}

impl Counters {
    /// Reads the counters when every backend has told its own.
    ///
    /// # Errors
    /// [`Failure::Bench`].
    pub async fn read(pool: &PgPool) -> Result<Counters, Failure> {
        tokio::time::sleep(COUNTS_SHOW_AFTER).await;
        let failed = |error: sqlx::Error| Failure::Bench(Box::new(error));
        let wal_bytes = sqlx::query_scalar(WAL).fetch_one(pool).await.map_err(failed)?;
        let rows: Vec<(String, i64)> = sqlx::query_as(ROWS).fetch_all(pool).await.map_err(failed)?;
        Ok(Counters { wal_bytes, rows: rows.into_iter().collect() })
    }

    /// What so many gifts cost since `before`.
    pub fn since(&self, before: &Counters, gifts: u64) -> WriteCost {
        let per_1000 = |rows: i64| u64::try_from(rows).unwrap_or(0).saturating_mul(1_000) / gifts.max(1);
        let written = |name: &String, now: i64| now - before.rows.get(name).copied().unwrap_or(0);
        let by_table: BTreeMap<String, u64> = self
            .rows
            .iter()
            .map(|(name, now)| (name.clone(), per_1000(written(name, *now))))
            .filter(|(_, rows)| *rows > 0)
            .collect();
        let all = self.rows.iter().map(|(name, now)| written(name, *now)).sum();
        let wal = u64::try_from(self.wal_bytes - before.wal_bytes).unwrap_or(0);
        WriteCost {
            rows_per_1000_gifts: per_1000(all),
            wal_bytes_per_gift: wal / gifts.max(1),
            gifts,
            by_table,
        }
    }
}

/// Prints the cost and its parts, the largest first.
pub fn print_cost(cost: &WriteCost) {
    let thousandths = |rows: u64| format!("{}.{:03}", rows / 1_000, rows % 1_000);
    println!(
        "\none of {} gifts: {} rows written (target: at most 6) and {} bytes of WAL, from the answer to the voucher",
        cost.gifts,
        thousandths(cost.rows_per_1000_gifts),
        cost.wal_bytes_per_gift
    );
    let mut tables: Vec<_> = cost.by_table.iter().collect();
    tables.sort_unstable_by_key(|(_, rows)| std::cmp::Reverse(**rows));
    for (name, rows) in tables {
        println!("  {name:<32} {:>8}", thousandths(*rows));
    }
}
