//! Who holds which partition, by the nodes' own word: each node is asked now and then, and at once when a caller
//! finds that the map was wrong. Where two nodes claim one partition the higher epoch is right.

use crate::calls::{Call, CallError, Calls};
use crate::config::PeerUrl;
use contracts::log::{Epoch, Held};
use ids::{PARTITION_COUNT, Partition};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The shortest time between two questions to one node, however often callers are wrong.
const ASK_GAP_MIN: Duration = Duration::from_millis(20);
/// How often it is said that nodes do not answer, after the first time.
const SAY_EVERY: u32 = 20;

/// The place of a node in the configured list.
pub(crate) type NodeIndex = usize;

/// The owner of each partition, as far as known.
type Owners = [Option<(Epoch, NodeIndex)>; 64];

/// The map of one service. Clones share it; its questions end with the last clone.
#[derive(Clone)]
pub struct OwnerMap(Arc<Inner>);

struct Inner {
    urls: Vec<PeerUrl>,
    shared: Arc<Shared>,
    _asking: JoinSet<()>,
}

struct Shared {
    owners: watch::Sender<Owners>,
    nodes: Mutex<Vec<Node>>,
    wrong: watch::Sender<u64>,
}

/// What a node last said, or why it did not.
#[derive(Clone, Default)]
struct Node {
    held: Vec<(Partition, Epoch)>,
    silent: Option<String>,
}

/// How whole the map is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerMapStatus {
    /// Partitions that no node claims.
    pub without_owner: usize,
    /// Nodes that did not answer the last question, and why.
    pub silent: Vec<String>,
}

impl OwnerMap {
    /// Begins to ask `urls` at `path` what they hold. Needs a runtime.
    pub fn start(calls: Calls, urls: Vec<PeerUrl>, path: &'static str, poll_every: Duration) -> OwnerMap {
        let shared = Arc::new(Shared {
            owners: watch::channel([None; 64]).0,
            nodes: Mutex::new(vec![Node::default(); urls.len()]),
            wrong: watch::channel(0).0,
        });
        let mut asking = JoinSet::new();
        for (index, url) in urls.iter().enumerate() {
            let (calls, url, shared) = (calls.clone(), url.clone(), Arc::clone(&shared));
            let asker = Asker { calls, url, path, index, poll_every, shared };
            asking.spawn(asker.run());
        }
        OwnerMap(Arc::new(Inner { urls, shared, _asking: asking }))
    }

    pub(crate) fn urls(&self) -> &[PeerUrl] {
        &self.0.urls
    }

    /// Who holds a partition.
    pub(crate) fn owner(&self, partition: Partition) -> Option<NodeIndex> {
        self.0.shared.owners.borrow()[partition.index()].map(|(_, node)| node)
    }

    /// A caller was sent to the wrong place: every node is asked again at once.
    pub(crate) fn was_wrong(&self) {
        self.0.shared.wrong.send_modify(|times| *times = times.wrapping_add(1));
    }

    /// Changes of the map from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<Owners> {
        self.0.shared.owners.subscribe()
    }

    /// How whole the map is.
    pub fn status(&self) -> OwnerMapStatus {
        let without_owner = self.0.shared.owners.borrow().iter().filter(|owner| owner.is_none()).count();
        let nodes = self.0.shared.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        OwnerMapStatus {
            without_owner,
            silent: nodes.iter().filter_map(|node| node.silent.clone()).collect(),
        }
    }
}

struct Asker {
    calls: Calls,
    url: PeerUrl,
    path: &'static str,
    index: NodeIndex,
    poll_every: Duration,
    shared: Arc<Shared>,
}

impl Asker {
    async fn run(self) {
        let mut wrong = self.shared.wrong.subscribe();
        let mut failures: u32 = 0;
        loop {
            match self.ask().await {
                Ok(held) => {
                    failures = 0;
                    self.shared.heard(self.index, Some(held), None);
                }
                Err(error) => {
                    if failures.is_multiple_of(SAY_EVERY) {
                        tracing::warn!(%error, path = self.path, "a node does not say what it holds");
                    }
                    failures = failures.saturating_add(1);
                    // Who refuses connections holds nothing any more; who is only slow may still hold it.
                    let gone = matches!(error, CallError::NotSent { .. }).then(Vec::new);
                    self.shared.heard(self.index, gone, Some(error.to_string()));
                }
            }
            tokio::time::sleep(ASK_GAP_MIN).await;
            let _ = tokio::time::timeout(self.poll_every, wrong.changed()).await;
        }
    }

    async fn ask(&self) -> Result<Vec<(Partition, Epoch)>, CallError> {
        let reply = self.calls.send(&self.url, Call::get(self.path)).await?;
        let odd = |reason: String| CallError::NoAnswer { place: self.url.to_string(), reason };
        if !reply.status.is_success() {
            return Err(odd(said(&reply)));
        }
        let held: Held = serde_json::from_slice(&reply.body).map_err(|error| odd(error.to_string()))?;
        Ok(held.held)
    }
}

/// What a refusal means for whoever runs the two processes.
pub(crate) fn said(reply: &crate::calls::Reply) -> String {
    match reply.status.as_u16() {
        401 | 403 => {
            "it refused our token: every process needs the same LARGESSE_SECRET_TOKEN_KEY".to_owned()
        }
        404 => "it does not serve this: is it a node of another service?".to_owned(),
        status => format!("it answered {status}"),
    }
}

impl Shared {
    /// Takes what a node said (nothing new where it did not speak) and works the map out again.
    fn heard(&self, index: NodeIndex, held: Option<Vec<(Partition, Epoch)>>, silent: Option<String>) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(node) = nodes.get_mut(index) else { return };
        node.silent = silent;
        let Some(held) = held else { return };
        if node.held == held {
            return;
        }
        node.held = held;
        let mut owners: Owners = [None; 64];
        debug_assert_eq!(owners.len(), usize::from(PARTITION_COUNT));
        for (index, node) in nodes.iter().enumerate() {
            for (partition, epoch) in &node.held {
                let owner = &mut owners[partition.index()];
                *owner = (*owner).max(Some((*epoch, index)));
            }
        }
        self.owners.send_if_modified(|known| {
            let changed = *known != owners;
            *known = owners;
            changed
        });
    }
}
