//! A load over HTTP: one request at a time on each connection, as fast as answers come or at a given rate.

use super::figure::Sample;
use crate::failure::Failure;
use hdrhistogram::Histogram;
use ids::{RoomId, SendKey};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Connections of both sides of a figure: as many as the wallet's own row has in flight.
pub const CONNECTIONS: u16 = 256;

/// How long a load goes on before it counts: opening all connections at once is no part of what is compared, and in three
/// seconds it would be the slowest hundredth.
const WARM_UP: Duration = Duration::from_millis(500);

/// What a viewer sends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Send {
    pub room_id: RoomId,
    pub gift_id: u32,
    pub quantity: u32,
}

/// Whom the load speaks to, as whom, and about which rooms.
#[derive(Clone)]
pub struct Target {
    pub url: Arc<str>,
    /// `Authorization` of each viewer; they take turns.
    pub viewers: Arc<[HeaderValue]>,
    /// The rooms take turns, too.
    pub rooms: Arc<[RoomId]>,
    pub gift_id: u32,
}

/// How fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The next request when the last is answered.
    Closed,
    /// So many a second in all; latency counts from the moment a request was due.
    PerSecond(u64),
}

/// What the server did not take.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("a request failed")]
    Request(#[from] reqwest::Error),
    #[error("a request was answered {status}: {body}")]
    Refused { status: u16, body: String },
}

/// Loads, and measures for so long once it is warm.
///
/// # Errors
/// [`Failure::Bench`] at the first request that is not taken.
pub async fn run(target: &Target, pace: Pace, seconds: u64) -> Result<Sample, Failure> {
    run_counting(target, pace, seconds).await.map(|(sample, _)| sample)
}

/// The same; with how many requests were taken in all.
///
/// # Errors
/// [`Failure::Bench`] at the first request that is not taken.
pub async fn run_counting(target: &Target, pace: Pace, seconds: u64) -> Result<(Sample, u64), Failure> {
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(usize::from(CONNECTIONS))
        .build()
        .map_err(|error| Failure::Bench(Box::new(error)))?;
    let began = Instant::now();
    let until = began + WARM_UP + Duration::from_secs(seconds);
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|worker| {
            let due = Due { began, until, pace, worker };
            tokio::spawn(one(client.clone(), target.clone(), due))
        })
        .collect();
    let (mut all, mut sent) = (histogram(), 0);
    for task in tasks {
        let one = task.await.map_err(|error| Failure::Bench(Box::new(error)))?;
        let (one, sent_by_one) = one.map_err(|error| Failure::Bench(Box::new(error)))?;
        let _ = all.add(one); // The bounds are the same.
        sent += sent_by_one;
    }
    let elapsed = began.elapsed().saturating_sub(WARM_UP);
    let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX).max(1);
    let sample = Sample {
        per_second: all.len().saturating_mul(1_000_000) / elapsed_us,
        p50_us: all.value_at_quantile(0.50),
        p99_us: all.value_at_quantile(0.99),
    };
    Ok((sample, sent))
}

/// When one connection's requests are due.
#[derive(Clone, Copy, Debug)]
struct Due {
    began: Instant,
    until: Instant,
    pace: Pace,
    worker: u16,
}

impl Due {
    /// Waits for the moment of a connection's n-th request; `None` when the load is over.
    async fn wait(&self, nth: u32) -> Option<Instant> {
        let due = match self.pace {
            Pace::Closed => Instant::now(),
            Pace::PerSecond(rate) => {
                let place = u64::from(nth) * u64::from(CONNECTIONS) + u64::from(self.worker);
                self.began + Duration::from_micros(place.saturating_mul(1_000_000) / rate.max(1))
            }
        };
        if due >= self.until {
            return None;
        }
        tokio::time::sleep_until(due).await;
        Some(due)
    }
}

/// The latencies of one connection once it is warm, and how many requests were taken in all.
async fn one(client: reqwest::Client, target: Target, due: Due) -> Result<(Histogram<u64>, u64), LoadError> {
    let warm_at = due.began + WARM_UP;
    let mut latency = histogram();
    let mut turn = usize::from(due.worker);
    let (mut nth, mut sent) = (0, 0);
    while let Some(due) = due.wait(nth).await {
        nth += 1;
        turn += usize::from(CONNECTIONS);
        let room_id = target.rooms[turn % target.rooms.len()];
        let answer = client
            .post(&*target.url)
            .header(AUTHORIZATION, &target.viewers[turn % target.viewers.len()])
            .header(edge::IDEMPOTENCY_KEY_HEADER, SendKey::now().to_string())
            .json(&Send { room_id, gift_id: target.gift_id, quantity: 1 })
            .send()
            .await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        if !status.is_success() {
            let body = String::from_utf8_lossy(&body).into_owned();
            return Err(LoadError::Refused { status: status.as_u16(), body });
        }
        sent += 1;
        if due >= warm_at {
            latency.saturating_record(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
    }
    Ok((latency, sent))
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds that the library takes")
}
