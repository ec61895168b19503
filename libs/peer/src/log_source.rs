//! Rows of another service's log, pulled from whichever of its nodes answers.

use crate::calls::{Call, Calls, Optional};
use crate::config::PeerUrl;
use crate::declared::LOG_ROWS;
use contracts::log::{LogRow, Page, Seq};
use guard::deps::DeclareError;
use ids::Partition;
use seqlog::{LogSource, PullError};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A log behind `GET /internal/logs/{log}/{partition}`.
pub struct HttpLogSource<R> {
    nodes: Vec<Optional>,
    /// The node that answered last for each partition: the next question goes there first. Partitions of one log may
    /// lie in several databases, and each node answers for its own.
    good: Vec<AtomicUsize>,
    _rows: PhantomData<fn() -> R>,
}

impl<R: LogRow> HttpLogSource<R> {
    /// # Errors
    /// [`DeclareError`]: more nodes than a registry takes.
    pub fn try_new(calls: &Calls, urls: &[PeerUrl]) -> Result<HttpLogSource<R>, DeclareError> {
        Ok(HttpLogSource {
            nodes: urls.iter().map(|url| calls.optional(&LOG_ROWS, url)).collect::<Result<_, _>>()?,
            good: Partition::all().map(|_| AtomicUsize::new(0)).collect(),
            _rows: PhantomData,
        })
    }

    async fn ask(&self, node: &Optional, path: &str) -> Result<Page<R>, String> {
        let url = &node.url;
        let reply = node.send(Call::get(path)).await.map_err(|error| error.to_string())?;
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
        for step in 0..self.nodes.len() {
            let index = (first + step) % self.nodes.len();
            match self.ask(&self.nodes[index], &path).await {
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
