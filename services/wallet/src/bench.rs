//! Load on the wallet in process: debits in a closed loop, so many in flight. Durable figures come from a real
//! PostgreSQL only.

use crate::{Config, Deps, StartError, WalletHandle, start, system_clock};
use bus::Bus;
use contracts::entry::{GiftSend, Outcome};
use contracts::log::AccountingZone;
use contracts::wallet::{Act, Command, Verdict, Wallet, WalletError};
use hdrhistogram::Histogram;
use ids::{RequestId, RoomId, StreamerId, ViewerId, derive_id, partition_of};
use money::Coins;
use pg::Db;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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
    pub accounts: usize,
    pub streamers: usize,
    pub seconds: u64,
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

/// Debits with the default settings. `db` is migrated; what is in it stays.
///
/// # Errors
/// [`BenchError`]: no debit may fail, or the figure would mean nothing.
pub async fn run(
    db: Db,
    in_flight: usize,
    accounts: usize,
    streamers: usize,
    seconds: u64,
) -> Result<Report, BenchError> {
    let config = Config::defaults().map_err(StartError::from)?;
    run_with(db, config, Load { in_flight, accounts, streamers, seconds }).await
}

/// Debits with given settings.
///
/// # Errors
/// [`BenchError`].
pub async fn run_with(db: Db, config: Config, load: Load) -> Result<Report, BenchError> {
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
    let accounts: Arc<[ViewerId]> = (0..load.accounts.max(1)).map(|_| ViewerId::now()).collect();
    let streamers: Arc<[(RoomId, StreamerId)]> =
        (0..load.streamers.max(1)).map(|_| (RoomId::now(), StreamerId::now())).collect();
    for accounts in accounts.chunks(512) {
        for answer in wallet.submit_all(accounts.iter().copied().map(recharge).collect()).await {
            accepted(answer?.outcome())?;
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let tasks: Vec<_> = (0..load.in_flight.max(1))
        .map(|task| {
            let (wallet, stop) = (wallet.clone(), Arc::clone(&stop));
            tokio::spawn(one_in_flight(
                wallet,
                Arc::clone(&accounts),
                Arc::clone(&streamers),
                (task, load.in_flight),
                stop,
            ))
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(load.seconds)).await;
    stop.store(true, Ordering::Relaxed);
    let mut all = histogram();
    for task in tasks {
        let one = task.await??;
        // Both have the same bounds, so adding cannot fail.
        let _ = all.add(one);
    }
    let elapsed_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
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
    (task, stride): (usize, usize),
    stop: Arc<AtomicBool>,
) -> Result<Histogram<u64>, BenchError> {
    let mut latency = histogram();
    let mut turn = task;
    while !stop.load(Ordering::Relaxed) {
        let account_id = accounts[turn % accounts.len()];
        let (room_id, streamer_id) = streamers[turn % streamers.len()];
        turn = turn.wrapping_add(stride.max(1));
        let began = Instant::now();
        let answer = wallet.submit(debit(account_id, room_id, streamer_id)).await?;
        accepted(answer.outcome())?;
        latency.saturating_record(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(latency)
}

fn histogram() -> Histogram<u64> {
    // One microsecond to one minute in three digits: bounds that the library takes.
    Histogram::new_with_bounds(1, 60_000_000, 3)
        .unwrap_or_else(|_| Histogram::new(3).expect("three digits are allowed"))
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
    let act = Act::Debit { charge_coins, send, verdict: Verdict::Allow };
    Command { request_id: request(account_id), account_id, body_hash: 1, act }
}
