//! Lanes that insert entries and do nothing else: whoever waits for one goes in as one statement, as in the wallet. What
//! they make is the ceiling of everything that must be durable before its answer.

use super::figure::Sample;
use crate::failure::Failure;
use contracts::entry::Entry;
use contracts::lane::Lane;
use hdrhistogram::Histogram;
use pg::Db;
use seqlog::LogTable as _;
use sqlx::PgPool;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use wallet::bench::BareRows;

/// Rows of one statement at most.
pub const ROWS_MAX: usize = 500;
/// Calls that wait for a lane at most: more than any load has in flight.
const WAITING_MAX: usize = 16_384;

type Waiting = oneshot::Sender<()>;

/// What calls share: the lanes, and whose turn it is.
pub struct Lanes {
    lanes: Vec<mpsc::Sender<Waiting>>,
    turn: AtomicUsize,
}

impl Lanes {
    /// So many lanes on migrated tables, a connection each; their entries go on to `behind`, if anywhere.
    pub fn start(pool: &PgPool, count: usize, behind: Option<&mpsc::Sender<Vec<Entry>>>) -> Lanes {
        let lane = |nth| {
            let (lane, waiting) = mpsc::channel(WAITING_MAX);
            let db = Db::new(pool.clone(), "wallet", &Lane::Live);
            let rows = BareRows::new(nth, count);
            let behind = behind.cloned();
            tokio::spawn(async move {
                if let Err(error) = write_entries(db, rows, waiting, behind).await {
                    tracing::error!(%error, "a lane has ended, and whoever waits for it is told");
                }
            });
            lane
        };
        Lanes { lanes: (0..count.max(1)).map(lane).collect(), turn: AtomicUsize::new(0) }
    }

    /// Waits until a row of the caller's is durable; `false` where the database took none.
    pub async fn insert(&self) -> bool {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
        let (durable, waiting) = oneshot::channel();
        self.lanes[turn].send(durable).await.is_ok() && waiting.await.is_ok()
    }
}

async fn write_entries(
    db: Db,
    mut rows: BareRows,
    mut queue: mpsc::Receiver<Waiting>,
    behind: Option<mpsc::Sender<Vec<Entry>>>,
) -> Result<(), sqlx::Error> {
    let mut waiting = Vec::with_capacity(ROWS_MAX);
    while queue.recv_many(&mut waiting, ROWS_MAX).await > 0 {
        let entries = rows.next(waiting.len());
        wallet::EntriesTable.insert(&db, &entries)?.execute(db.pool()).await?;
        for durable in waiting.drain(..) {
            let _ = durable.send(()); // Who has gone needs no answer.
        }
        if let Some(behind) = &behind
            && behind.send(entries).await.is_err()
        {
            break;
        }
    }
    Ok(())
}

/// What so many calls in flight get of the lanes, each waiting for a row of its own and for nothing else.
///
/// # Errors
/// [`Failure::Bench`] where the database took a row not.
pub async fn calls(
    pool: &PgPool,
    lane_count: usize,
    (in_flight, seconds): (usize, u64),
) -> Result<Sample, Failure> {
    let lanes = Arc::new(Lanes::start(pool, lane_count, None));
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    let one = |_| {
        let lanes = Arc::clone(&lanes);
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let began = Instant::now();
                if began >= until {
                    return Some(latencies);
                }
                if !lanes.insert().await {
                    return None;
                }
                latencies.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
            }
        })
    };
    let tasks: Vec<_> = (0..in_flight.max(1)).map(one).collect();
    let mut all: Histogram<u64> = Histogram::new(3).map_err(|error| Failure::Bench(Box::new(error)))?;
    for task in tasks {
        let latencies = task.await.map_err(|error| Failure::Bench(Box::new(error)))?;
        let latencies = latencies.ok_or_else(|| Failure::Bench("a bare row was not inserted".into()))?;
        latencies.into_iter().for_each(|us| all.saturating_record(us));
    }
    let elapsed_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
    let quantile = |of| Duration::from_micros(all.value_at_quantile(of));
    Ok(Sample::new(all.len().saturating_mul(1_000_000) / elapsed_us, quantile(0.50), quantile(0.99)))
}
