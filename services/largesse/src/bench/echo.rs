//! The yardstick of the HTTP figures: a handler that parses a send and gives it back, under the same client.

use super::figure::Sample;
use crate::failure::Failure;
use axum::routing::post;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Connections of both sides.
pub const CONNECTIONS: u16 = 64;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Send {
    room_id: ids::RoomId,
    gift_id: u32,
    quantity: u32,
}

/// Echoes per second over the same connections, for `seconds`.
///
/// # Errors
/// [`Failure::Bench`].
pub async fn run(seconds: u64) -> Result<Sample, Failure> {
    let router =
        axum::Router::new().route("/echo", post(async |axum::Json(send): axum::Json<Send>| axum::Json(send)));
    let listener = edge::listen(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .map_err(|error| Failure::Listen { source: error.into() })?;
    let address = listener.local_addr().map_err(|error| Failure::Listen { source: error.into() })?;
    let (stop_server, mut stopped) = watch::channel(false);
    let until = async move {
        let _ = stopped.wait_for(|stop| *stop).await; // Gone means stopped.
    };
    let server = tokio::spawn(edge::serve(listener, router, until, Duration::from_secs(1)));
    let failed = |error: reqwest::Error| Failure::Bench(Box::new(error));
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(usize::from(CONNECTIONS))
        .build()
        .map_err(failed)?;
    let stop = Arc::new(AtomicBool::new(false));
    let url: Arc<str> = format!("http://{address}/echo").into();
    let began = Instant::now();
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|_| tokio::spawn(one(client.clone(), Arc::clone(&url), Arc::clone(&stop))))
        .collect();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    stop.store(true, Ordering::Relaxed);
    let mut all = histogram();
    for task in tasks {
        let one = task.await.map_err(|error| Failure::Bench(Box::new(error)))?.map_err(failed)?;
        let _ = all.add(one); // The bounds are the same.
    }
    let elapsed_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
    stop_server.send_replace(true);
    let _ = server.await; // It was only ever ours to ask.
    Ok(Sample {
        per_second: all.len().saturating_mul(1_000_000) / elapsed_us,
        p50_us: all.value_at_quantile(0.50),
        p99_us: all.value_at_quantile(0.99),
    })
}

async fn one(
    client: reqwest::Client,
    url: Arc<str>,
    stop: Arc<AtomicBool>,
) -> Result<Histogram<u64>, reqwest::Error> {
    let mut latency = histogram();
    let send = Send { room_id: ids::RoomId::now(), gift_id: 1, quantity: 10 };
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answer = client.post(&*url).json(&send).send().await?;
        let _: Send = answer.json().await?;
        latency.saturating_record(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(latency)
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds that the library takes")
}
