//! The yardstick of the wallet's figures: the gift transaction most systems have, on the same database.
//!
//! Debit with a balance check, the order, the streamer's row, two entries and an outbox row, in one transaction
//! per gift, with prepared statements. Never used by the product.

use super::figure::Sample;
use hdrhistogram::Histogram;
use sqlx::{Executor, PgPool};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

const TABLES: &str = "
DROP SCHEMA IF EXISTS naive CASCADE; CREATE SCHEMA naive;
CREATE TABLE naive.accounts (account_id bigint PRIMARY KEY, coins bigint NOT NULL CHECK (coins >= 0));
CREATE TABLE naive.streamers (streamer_id bigint PRIMARY KEY, coins bigint NOT NULL);
CREATE TABLE naive.orders (order_id uuid PRIMARY KEY, account_id bigint, streamer_id bigint, coins bigint);
CREATE TABLE naive.entries (entry_id uuid PRIMARY KEY, owner_id bigint, coins bigint);
CREATE TABLE naive.outbox (outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id uuid);";

/// How big the world of a measurement is, and how skewed.
#[derive(Clone, Copy, Debug)]
pub struct World {
    pub accounts: u32,
    pub streamers: u32,
    /// Of a hundred gifts, how many go to one streamer.
    pub hot_percent: u32,
}

impl World {
    /// The same world as the wallet's load.
    pub fn load(self, in_flight: usize, seconds: u64) -> wallet::bench::Load {
        let size = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        wallet::bench::Load {
            in_flight,
            accounts: wallet::bench::Accounts::New(size(self.accounts)),
            streamers: size(self.streamers),
            hot_percent: size(self.hot_percent),
            seconds,
        }
    }

    fn streamer(self, turn: i64) -> i64 {
        let is_hot = turn.wrapping_mul(37).rem_euclid(100) < i64::from(self.hot_percent);
        if is_hot { 0 } else { turn.rem_euclid(i64::from(self.streamers)) }
    }
}

/// Gifts per second with `in_flight` of them at a time, for `seconds`.
///
/// # Errors
/// Whatever the database says.
pub async fn run(pool: &PgPool, world: World, in_flight: usize, seconds: u64) -> Result<Sample, sqlx::Error> {
    prepare(pool, world).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let tasks: Vec<_> =
        (0..in_flight).map(|task| tokio::spawn(one(pool.clone(), world, task, Arc::clone(&stop)))).collect();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    stop.store(true, Ordering::Relaxed);
    let mut all = histogram();
    for task in tasks {
        let one = task.await.map_err(|_| sqlx::Error::WorkerCrashed)??;
        let _ = all.add(one); // The bounds are the same.
    }
    let elapsed_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
    pool.execute("DROP SCHEMA naive CASCADE").await?;
    Ok(Sample {
        per_second: all.len().saturating_mul(1_000_000) / elapsed_us,
        p50_us: all.value_at_quantile(0.50),
        p99_us: all.value_at_quantile(0.99),
    })
}

async fn prepare(pool: &PgPool, world: World) -> Result<(), sqlx::Error> {
    pool.execute(sqlx::raw_sql(TABLES)).await?;
    for fill in [
        "INSERT INTO naive.accounts SELECT n, 1000000000 FROM generate_series(0, $1 - 1) n",
        "INSERT INTO naive.streamers SELECT n, 0 FROM generate_series(0, $1 - 1) n",
    ] {
        let count = if fill.contains("accounts") { world.accounts } else { world.streamers };
        sqlx::query(fill).bind(i64::from(count)).execute(pool).await?;
    }
    Ok(())
}

async fn one(
    pool: PgPool,
    world: World,
    task: usize,
    stop: Arc<AtomicBool>,
) -> Result<Histogram<u64>, sqlx::Error> {
    let mut latency = histogram();
    let mut turn = i64::try_from(task).unwrap_or_default().wrapping_mul(7_919);
    while !stop.load(Ordering::Relaxed) {
        turn = turn.wrapping_add(104_729);
        let began = Instant::now();
        gift(&pool, turn.rem_euclid(i64::from(world.accounts)), world.streamer(turn)).await?;
        latency.saturating_record(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(latency)
}

async fn gift(pool: &PgPool, account: i64, streamer: i64) -> Result<(), sqlx::Error> {
    let order = Uuid::now_v7();
    let mut tx = pool.begin().await?;
    sqlx::query("UPDATE naive.accounts SET coins = coins - $2 WHERE account_id = $1 AND coins >= $2")
        .bind(account)
        .bind(10_i64)
        .execute(&mut *tx)
        .await?;
    sqlx::query("INSERT INTO naive.orders VALUES ($1, $2, $3, $4)")
        .bind(order)
        .bind(account)
        .bind(streamer)
        .bind(10_i64)
        .execute(&mut *tx)
        .await?;
    sqlx::query("UPDATE naive.streamers SET coins = coins + $2 WHERE streamer_id = $1")
        .bind(streamer)
        .bind(10_i64)
        .execute(&mut *tx)
        .await?;
    sqlx::query("INSERT INTO naive.entries VALUES ($1, $2, $4), ($3, $5, $6)")
        .bind(Uuid::now_v7())
        .bind(account)
        .bind(Uuid::now_v7())
        .bind(-10_i64)
        .bind(streamer)
        .bind(10_i64)
        .execute(&mut *tx)
        .await?;
    sqlx::query("INSERT INTO naive.outbox (order_id) VALUES ($1)").bind(order).execute(&mut *tx).await?;
    tx.commit().await
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds that the library takes")
}
