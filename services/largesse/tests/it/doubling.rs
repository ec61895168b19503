//! A broker that delivers everything twice: whatever is sent to a log's readers is sent to them again.

use bus::Bus;
use contracts::lane::Lane;
use contracts::log::LogName;
use ids::{GroupSet, Partition};
use serde::Deserialize;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What tells where a batch of rows belongs.
#[derive(Deserialize)]
struct Addressed {
    partition: Partition,
}

#[derive(Deserialize)]
struct Batch {
    stretches: Vec<Addressed>,
}

#[derive(Deserialize)]
struct Rows {
    batch: Batch,
}

/// Goes on until it is dropped.
pub struct Doubling {
    doubled: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Doubling {
    /// Hears every log as one more reader, and sends each message again, once.
    pub async fn begin(amqp: &str) -> Doubling {
        let bus = Bus::connect(amqp, &Lane::Live, 1).await.expect("the broker answers");
        let doubled = Arc::new(AtomicU64::new(0));
        let mut tasks = Vec::new();
        for log in LogName::ALL {
            let mut heard = bus.subscribe(log.as_str(), "doubling");
            heard.follow(GroupSet::ALL);
            heard.joined().await;
            let (bus, doubled) = (bus.clone(), Arc::clone(&doubled));
            tasks.push(tokio::spawn(async move {
                let (hasher, mut known) = (RandomState::new(), HashSet::new());
                while let Some(message) = heard.recv().await {
                    let message = message.payload().clone();
                    // Our own copies come back, too. Heads travel as messages of another kind and are left alone.
                    let Ok(Rows { batch }) = serde_json::from_slice(&message) else { continue };
                    let Some(first) = batch.stretches.first() else { continue };
                    if known.insert(hasher.hash_one(&message))
                        && bus.publish(log.as_str(), first.partition.group(), message).await.is_ok()
                    {
                        doubled.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }));
        }
        Doubling { doubled, tasks }
    }

    /// Messages that were delivered twice so far.
    pub fn doubled(&self) -> u64 {
        self.doubled.load(Ordering::Relaxed)
    }
}

impl Drop for Doubling {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
