//! Rows of another service's log, pulled from whichever of its nodes answers.

use crate::calls::{Call, Calls, Optional};
use crate::declared::LOG_ROWS;
use crate::handles::Handles;
use crate::nodes::Nodes;
use contracts::log::{LogRow, Page, Seq};
use guard::deps::DeclareError;
use ids::Partition;
use seqlog::{LogSource, PullError};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A log behind `GET /internal/logs/{log}/{partition}`.
pub struct HttpLogSource<R> {
    nodes: Handles<Optional>,
    /// The node that answered last for each partition: the next question goes there first. Partitions of one log may
    /// lie in several databases, and each node answers for its own.
    good: Vec<AtomicUsize>,
    _rows: PhantomData<fn() -> R>,
}

impl<R: LogRow> HttpLogSource<R> {
    /// Needs a runtime where the list of nodes can change.
    ///
    /// # Errors
    /// [`DeclareError`]: more nodes than a registry takes.
    pub fn try_new(calls: &Calls, nodes: impl Into<Nodes>) -> Result<HttpLogSource<R>, DeclareError> {
        let calls = calls.clone();
        Ok(HttpLogSource {
            nodes: Handles::follow(nodes.into().changes(), move |url| calls.optional(&LOG_ROWS, url))?,
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
        let nodes = self.nodes.all();
        for step in 0..nodes.len() {
            // A list that has changed meanwhile costs at most a question more.
            let index = (first + step) % nodes.len();
            match self.ask(&nodes[index].1, &path).await {
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
