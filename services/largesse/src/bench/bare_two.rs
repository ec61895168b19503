//! The ceiling of gifts over HTTP where gift and wallet are two processes: an echo that hands requests on in batches, as
//! gift does, to a process that answers each when its entry is durable; the echo inserts the orders behind.
//!
//! The echo lives beside the load, in one process with it, so that it has a process less to switch to than gift.

use super::bare::orders_behind;
use super::children::{BareWallet, ROWS_PATH};
use super::echo::{Echo, PATH};
use super::lanes::Lanes;
use super::load::Send;
use crate::cli::BareWalletArgs;
use crate::config::Config;
use crate::failure::Failure;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use contracts::entry::Entry;
use futures::future::join_all;
use pg::PoolSettings;
use sqlx::PgPool;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc, oneshot};
use wallet::bench::BareRows;

/// Requests that wait for a line at most: more than there are connections.
const WAITING_MAX: usize = 4_096;

/// The process behind: inserts entries, and nothing else, until it is ended.
///
/// # Errors
/// [`Failure::Database`], [`Failure::Listen`].
pub async fn serve(args: &BareWalletArgs) -> Result<ExitCode, Failure> {
    let lane_count = Config::load(None)?.wallet.lane_count;
    let settings = PoolSettings { connections_max: connections(lane_count), ..PoolSettings::default() };
    let pool = pg::connect(&args.database, settings).await?;
    let lanes = Arc::new(Lanes::start(&pool, lane_count, None));
    let router = axum::Router::new()
        .route("/readyz", get(async || StatusCode::OK))
        .route(ROWS_PATH, post(insert_all))
        .with_state(lanes);
    let listener = edge::listen(args.listen).await;
    let listener = listener.map_err(|error| Failure::Listen { source: error.into() })?;
    let served = edge::serve(listener, router, std::future::pending(), std::time::Duration::ZERO).await;
    served.map(|_| ExitCode::SUCCESS).map_err(|error| Failure::Listen { source: error.into() })
}

fn connections(lane_count: usize) -> u32 {
    u32::try_from(lane_count + 1).unwrap_or(u32::MAX)
}

async fn insert_all(
    State(lanes): State<Arc<Lanes>>,
    axum::Json(sends): axum::Json<Vec<Send>>,
) -> Result<axum::Json<Vec<Send>>, StatusCode> {
    let durable = join_all(sends.iter().map(|_| lanes.insert())).await;
    if durable.into_iter().all(|durable| durable) {
        Ok(axum::Json(sends))
    } else {
        Err(StatusCode::SERVICE_UNAVAILABLE)
    }
}

type Job = (Send, oneshot::Sender<Send>);

/// Starts the echo before a process behind it.
///
/// # Errors
/// [`Failure::Listen`].
pub async fn start(pool: &PgPool, behind: &BareWallet) -> Result<Echo, Failure> {
    let settings = Config::load(None)?.peers;
    let (jobs, queue) = mpsc::channel(WAITING_MAX);
    let queue = Arc::new(Mutex::new(queue));
    let orders = orders_behind(pool);
    let client = reqwest::Client::new();
    for nth in 0..settings.requests_in_flight_max {
        let line = Line {
            url: behind.rows_url(),
            client: client.clone(),
            queue: Arc::clone(&queue),
            orders: orders.clone(),
            rows: BareRows::new(nth, settings.requests_in_flight_max),
        };
        tokio::spawn(line.run(settings.batch_len_max));
    }
    Echo::serve(axum::Router::new().route(PATH, post(send)).with_state(jobs)).await
}

async fn send(
    State(jobs): State<mpsc::Sender<Job>>,
    axum::Json(send): axum::Json<Send>,
) -> Result<axum::Json<Send>, StatusCode> {
    let (answer, answered) = oneshot::channel();
    jobs.send((send, answer)).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    answered.await.map(axum::Json).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

/// One request to the process behind at a time, with all that has gathered meanwhile.
struct Line {
    url: String,
    client: reqwest::Client,
    queue: Arc<Mutex<mpsc::Receiver<Job>>>,
    orders: mpsc::Sender<Vec<Entry>>,
    rows: BareRows,
}

impl Line {
    async fn run(mut self, batch_len_max: usize) -> Result<(), reqwest::Error> {
        let mut batch: Vec<Job> = Vec::with_capacity(batch_len_max);
        loop {
            if self.queue.lock().await.recv_many(&mut batch, batch_len_max).await == 0 {
                return Ok(());
            }
            let sends: Vec<&Send> = batch.iter().map(|(send, _)| send).collect();
            // A request that fails ends the line, and whoever waits is told.
            let answer = self.client.post(&self.url).json(&sends).send().await?.error_for_status()?;
            let sends: Vec<Send> = answer.json().await?;
            let orders = self.rows.next(sends.len());
            for ((_, answer), send) in batch.drain(..).zip(sends) {
                let _ = answer.send(send); // Who has gone needs no answer.
            }
            if self.orders.send(orders).await.is_err() {
                return Ok(());
            }
        }
    }
}
