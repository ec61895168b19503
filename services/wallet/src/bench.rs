//! Load on the wallet in process: debits in a closed loop, so many in flight. Durable figures come from a real
//! PostgreSQL only.

mod seed;

pub use seed::{Past, seed};

use crate::store::Days;
use crate::{Config, Deps, EntriesTable, StartError, WalletHandle, start, system_clock};
use bus::Bus;
use chrono::Utc;
use contracts::entry::{Entry, EntryKind, Funds, FundsDelta, GiftSend, Outcome};
use contracts::log::{AccountingZone, Seq, Stamp};
use contracts::wallet::{Act, Command, Verdict, Wallet, WalletError};
use hdrhistogram::Histogram;
use ids::{Partition, RequestId, RoomId, StreamerId, ViewerId, derive_id, partition_of};
use money::Coins;
use pg::Db;
use seqlog::LogTable;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shared by the tasks of one load.
type Latency = Arc<Mutex<Histogram<u64>>>;
const HISTOGRAMS: usize = 8;

/// What a load measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    pub debits: u64,
    pub per_second: u64,
    pub p50: Duration,
    pub p99: Duration,
}

/// What to load with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub in_flight: usize,
    pub accounts: Accounts,
    pub streamers: usize,
    /// Of a hundred gifts, how many go to the first streamer; the others are spread.
    pub hot_percent: usize,
    pub seconds: u64,
}

/// Whose debits they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accounts {
    /// So many that nobody has seen before.
    New(usize),
    /// So many of those that were seeded.
    Seeded(Past, usize),
}

impl Accounts {
    fn list(self) -> Vec<ViewerId> {
        match self {
            Accounts::New(count) => (0..count.max(1)).map(|_| ViewerId::now()).collect(),
            Accounts::Seeded(past, count) => past.some_accounts(count.max(1)),
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("the wallet did not start")]
    Start(#[from] StartError),
    #[error("the wallet failed under load")]
    Wallet(#[from] WalletError),
    #[error("a debit was refused: {0:?}")]
    Refused(Outcome),
    #[error("a task of the load ended early")]
    Task(#[from] tokio::task::JoinError),
}

/// Debits with given settings.
///
/// # Errors
/// [`BenchError`].
pub async fn run(db: Db, config: Config, load: Load) -> Result<Report, BenchError> {
    let bus = Bus::in_process(db.lane());
    let running = start(Deps {
        db,
        bus,
        payments: None,
        config,
        zone: AccountingZone::default(),
        node: "bench".to_owned(),
        clock: system_clock(),
    })
    .await?;
    let measured = measure(&running.handle(), load).await;
    running.shutdown().await;
    measured
}

async fn measure(wallet: &WalletHandle, load: Load) -> Result<Report, BenchError> {
    let accounts: Arc<[ViewerId]> = load.accounts.list().into();
    let streamers: Arc<[(RoomId, StreamerId)]> =
        (0..load.streamers.max(1)).map(|_| (RoomId::now(), StreamerId::now())).collect();
    for accounts in accounts.chunks(512) {
        for answer in wallet.submit_all(accounts.iter().copied().map(recharge).collect()).await {
            accepted(answer?.outcome())?;
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    // A histogram each would not fit the processor's cache, and the load would measure itself.
    let latencies: Vec<Latency> = (0..HISTOGRAMS).map(|_| Latency::new(Mutex::new(histogram()))).collect();
    let began = Instant::now();
    let tasks: Vec<_> = (0..load.in_flight.max(1))
        .map(|task| {
            let stop = (Arc::clone(&stop), Arc::clone(&latencies[task % HISTOGRAMS]));
            let wallet = wallet.clone();
            tokio::spawn(one_in_flight(
                wallet,
                Arc::clone(&accounts),
                Arc::clone(&streamers),
                (task, load),
                stop,
            ))
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(load.seconds)).await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await??;
    }
    let elapsed_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
    let mut all = histogram();
    for latency in &latencies {
        // All have the same bounds, so adding cannot fail.
        let _ = all.add(&*latency.lock().unwrap_or_else(PoisonError::into_inner));
    }
    Ok(Report {
        debits: all.len(),
        per_second: all.len().saturating_mul(1_000_000) / elapsed_us,
        p50: Duration::from_micros(all.value_at_quantile(0.50)),
        p99: Duration::from_micros(all.value_at_quantile(0.99)),
    })
}

async fn one_in_flight(
    wallet: WalletHandle,
    accounts: Arc<[ViewerId]>,
    streamers: Arc<[(RoomId, StreamerId)]>,
    (task, load): (usize, Load),
    (stop, latency): (Arc<AtomicBool>, Latency),
) -> Result<(), BenchError> {
    let mut turn = task;
    while !stop.load(Ordering::Relaxed) {
        let account_id = accounts[turn % accounts.len()];
        let (room_id, streamer_id) = streamers[target(turn, load)];
        turn = turn.wrapping_add(load.in_flight.max(1));
        let began = Instant::now();
        let answer = wallet.submit(debit(account_id, room_id, streamer_id)).await?;
        accepted(answer.outcome())?;
        let elapsed_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        latency.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(elapsed_us);
    }
    Ok(())
}

/// Which streamer a turn's gift goes to.
fn target(turn: usize, load: Load) -> usize {
    // A multiplier without common factors spreads the hot share evenly over the turns of every task.
    let draw = turn.wrapping_mul(37) % 100;
    if draw < load.hot_percent { 0 } else { turn % load.streamers.max(1) }
}

fn histogram() -> Histogram<u64> {
    // One microsecond to one minute in three digits: bounds that the library takes.
    Histogram::new_with_bounds(1, 60_000_000, 3)
        .unwrap_or_else(|_| Histogram::new(3).expect("three digits are allowed"))
}

/// Makes the partitions of today and the days around it, as a starting wallet does: bare rows need a place.
///
/// # Errors
/// Whatever the database says.
pub async fn open_days(db: &Db) -> Result<(), sqlx::Error> {
    Days::default().ensure_around(db, Utc::now().date_naive()).await
}

/// The database's own ceiling for these rows: bulk inserts of `rows_per_batch`, a transaction each, on so many
/// connections, without any wallet. Returns rows per second. The rows stay; the database is thrown away after.
///
/// # Errors
/// Whatever the database says.
pub async fn ceiling(
    db: Db,
    connections: usize,
    rows_per_batch: usize,
    seconds: u64,
) -> Result<u64, sqlx::Error> {
    open_days(&db).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let lanes: Vec<_> = (0..connections.max(1)).map(|lane| BareRows::new(lane, connections)).collect();
    let began = Instant::now();
    let insert = |bare| tokio::spawn(insert_until(db.clone(), bare, rows_per_batch, Arc::clone(&stop)));
    let tasks: Vec<_> = lanes.into_iter().map(insert).collect();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    stop.store(true, Ordering::Relaxed);
    let mut rows = 0_u64;
    for task in tasks {
        rows += task.await.map_err(|_| sqlx::Error::WorkerCrashed)??;
    }
    let elapsed_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
    Ok(rows.saturating_mul(1_000_000) / elapsed_us)
}

async fn insert_until(
    db: Db,
    mut bare: BareRows,
    rows_per_batch: usize,
    stop: Arc<AtomicBool>,
) -> Result<u64, sqlx::Error> {
    let mut rows = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let batch = bare.next(rows_per_batch);
        EntriesTable.insert(&db, &batch)?.execute(db.pool()).await?;
        rows += u64::try_from(batch.len()).unwrap_or(0);
    }
    Ok(rows)
}

/// Rows as debits become them, decided by nobody: for what a database takes at best. They are of the partitions of
/// one of so many lanes, each statement's in their order, as a lane of the wallet writes them.
#[derive(Debug)]
pub struct BareRows {
    /// Accounts of the lane's partitions, in no order.
    accounts: Vec<ViewerId>,
    turn: usize,
    seqs: BTreeMap<Partition, Seq>,
    room_id: RoomId,
    streamer_id: StreamerId,
}

/// Accounts of a lane whose rows are bare: many more than a statement has rows.
const BARE_ACCOUNTS: usize = 10_000;

impl BareRows {
    /// Rows of one lane.
    pub fn new(lane: usize, lanes: usize) -> BareRows {
        let is_of_lane = |id: &ViewerId| {
            let group = partition_of(id.uuid()).group().number();
            usize::try_from(group).is_ok_and(|group| group % lanes.max(1) == lane % lanes.max(1))
        };
        let accounts = std::iter::repeat_with(ViewerId::now).filter(is_of_lane).take(BARE_ACCOUNTS).collect();
        BareRows {
            accounts,
            turn: 0,
            seqs: BTreeMap::new(),
            room_id: RoomId::now(),
            streamer_id: StreamerId::now(),
        }
    }

    /// The next rows, partition by partition.
    pub fn next(&mut self, count: usize) -> Vec<Entry> {
        let (now, zone) = (Utc::now(), AccountingZone::default());
        let row = |_| {
            let account_id = self.accounts[self.turn % self.accounts.len()];
            self.turn = self.turn.wrapping_add(1);
            let partition = partition_of(account_id.uuid());
            let seq = self.seqs.entry(partition).or_insert(0);
            *seq += 1;
            let stamp = Stamp { seq: *seq, ..Stamp::original(partition, now, zone) };
            row_of(&debit(account_id, self.room_id, self.streamer_id), stamp)
        };
        let mut rows: Vec<Entry> = (0..count).map(row).collect();
        rows.sort_by_key(|row| row.stamp.partition);
        rows
    }
}

/// The row a debit becomes.
fn row_of(command: &Command, stamp: Stamp) -> Entry {
    let Act::Debit { send, .. } = &command.act else { unreachable!("made by `debit`") };
    Entry {
        previous_seq: stamp.seq - 1,
        stamp,
        request_id: command.request_id,
        account_id: command.account_id,
        kind: EntryKind::Debit,
        outcome: Outcome::Accepted,
        available: FundsDelta { paid_coins: -1, promo_coins: 0 },
        held: FundsDelta::default(),
        after: Funds::default(),
        held_after: Funds::default(),
        shortfall_coins: Coins::ZERO,
        origin_id: None,
        expires_at_ms: None,
        send: Some(Arc::clone(send)),
        body_hash: command.body_hash,
    }
}

fn accepted(outcome: Outcome) -> Result<(), BenchError> {
    if outcome == Outcome::Accepted { Ok(()) } else { Err(BenchError::Refused(outcome)) }
}

fn request(account_id: ViewerId) -> RequestId {
    let key = RequestId::now().uuid();
    RequestId::from_uuid(derive_id(key, "bench", &[key.as_bytes()], partition_of(account_id.uuid())))
}

fn recharge(account_id: ViewerId) -> Command {
    let paid_coins = Coins::try_new(1_000_000_000).unwrap_or_default();
    let act = Act::Recharge { paid_coins, promo_coins: Coins::ZERO };
    Command { request_id: request(account_id), account_id, body_hash: 0, act }
}

fn debit(account_id: ViewerId, room_id: RoomId, streamer_id: StreamerId) -> Command {
    let send = GiftSend {
        room_id,
        streamer_id,
        gift_id: 1,
        quantity: 1,
        unit_price_coins: Coins::try_new(1).unwrap_or_default(),
        catalogue_version: 1,
        combo: None,
        reveals: Vec::new(),
        node: "bench/1".to_owned(),
    };
    let charge_coins = Coins::try_new(1).unwrap_or_default();
    let act = Act::Debit { charge_coins, send: Arc::new(send), verdict: Verdict::Allow };
    Command { request_id: request(account_id), account_id, body_hash: 1, act }
}
