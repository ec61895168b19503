//! Rows of another service's log, pulled from whichever of its nodes answers.

use crate::calls::{Call, Calls};
use crate::config::PeerUrl;
use contracts::log::{LogRow, Page, Seq};
use ids::Partition;
use seqlog::{LogSource, PullError};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A log behind `GET /internal/logs/{log}/{partition}`.
pub struct HttpLogSource<R> {
    calls: Calls,
    urls: Vec<PeerUrl>,
    /// The node that answered last for each partition: the next question goes there first. Partitions of one log may
    /// lie in several databases, and each node answers for its own.
    good: Vec<AtomicUsize>,
    _rows: PhantomData<fn() -> R>,
}

impl<R: LogRow> HttpLogSource<R> {
    pub fn new(calls: Calls, urls: Vec<PeerUrl>) -> HttpLogSource<R> {
        HttpLogSource {
            calls,
            urls,
            good: Partition::all().map(|_| AtomicUsize::new(0)).collect(),
            _rows: PhantomData,
        }
    }

    async fn ask(&self, url: &PeerUrl, path: &str) -> Result<Page<R>, String> {
        let reply = self.calls.send(url, Call::get(path)).await.map_err(|error| error.to_string())?;
        if !reply.status.is_success() {
            return Err(format!("{url}: {}", crate::owner_map::said(&reply)));
        }
        serde_json::from_slice(&reply.body).map_err(|error| format!("{url}: {error}"))
    }
}

#[async_trait::async_trait]
impl<R: LogRow> LogSource<R> for HttpLogSource<R> {
    async fn read_after(&self, partition: Partition, after: Seq, limit: i64) -> Result<Page<R>, PullError> {
        let path = format!("/internal/logs/{}/{}?after={after}&limit={limit}", R::LOG, i64::from(partition));
        let first = self.good[partition.index()].load(Ordering::Relaxed);
        let mut reasons = Vec::new();
        for step in 0..self.urls.len() {
            let index = (first + step) % self.urls.len();
            match self.ask(&self.urls[index], &path).await {
                Ok(page) => {
                    self.good[partition.index()].store(index, Ordering::Relaxed);
                    return Ok(page);
                }
                Err(reason) => reasons.push(reason),
            }
        }
        Err(PullError { log: R::LOG, reason: reasons.join("; ") })
    }
}
