//! Who holds which partition, by the nodes' own word: each node is asked now and then, and at once when a caller
//! finds that the map was wrong. Where two nodes claim one partition the higher epoch is right.
//!
//! Whom to ask may change ([`Nodes`]); what is asked, and who is believed, does not. A node that is listed no more is
//! asked as long as it answers that it holds something: a list says where nodes are, and takes nothing from an owner.

use crate::calls::{Call, CallError, Calls};
use crate::config::PeerUrl;
use crate::nodes::{NodeList, Nodes};
use contracts::log::{Epoch, Held};
use ids::{PARTITION_COUNT, Partition};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The shortest time between two questions to one node, however often callers are wrong.
const ASK_GAP_MIN: Duration = Duration::from_millis(20);
/// How often it is said that nodes do not answer, after the first time.
const SAY_EVERY: u32 = 20;

/// The owner of each partition, as far as known.
type Owners = [Option<(Epoch, PeerUrl)>; 64];

/// The map of one service. Clones share it; its questions end with the last clone.
#[derive(Clone)]
pub struct OwnerMap(Arc<Inner>);

struct Inner {
    asked: watch::Receiver<NodeList>,
    shared: Arc<Shared>,
    _asking: JoinSet<()>,
}

struct Shared {
    owners: watch::Sender<Owners>,
    nodes: Mutex<Vec<Node>>,
    wrong: watch::Sender<u64>,
}

/// What a node last said, or why it did not.
#[derive(Clone)]
struct Node {
    url: PeerUrl,
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
    /// Begins to ask `nodes` at `path` what they hold. Needs a runtime.
    pub fn start(
        calls: Calls,
        nodes: impl Into<Nodes>,
        path: &'static str,
        poll_every: Duration,
    ) -> OwnerMap {
        let listed = nodes.into().changes();
        let shared = Arc::new(Shared {
            owners: watch::channel([const { None }; 64]).0,
            nodes: Mutex::default(),
            wrong: watch::channel(0).0,
        });
        let first = Arc::clone(&listed.borrow());
        let (asked_in, asked) = watch::channel(Arc::clone(&first));
        let asker = Asker { calls, path, poll_every, shared: Arc::clone(&shared), listed };
        let mut asking = Asking { asker, running: HashSet::new(), askers: JoinSet::new(), asked: asked_in };
        asking.ask_all(&first);
        let mut tasks = JoinSet::new();
        tasks.spawn(asking.run());
        OwnerMap(Arc::new(Inner { asked, shared, _asking: tasks }))
    }

    /// The nodes that are asked, with every change from now on.
    pub(crate) fn asked(&self) -> watch::Receiver<NodeList> {
        self.0.asked.clone()
    }

    /// Where the nodes are that are asked now.
    pub fn urls(&self) -> NodeList {
        Arc::clone(&self.0.asked.borrow())
    }

    /// Who holds a partition.
    pub(crate) fn owner(&self, partition: Partition) -> Option<PeerUrl> {
        self.0.shared.owners.borrow()[partition.index()].as_ref().map(|(_, node)| node.clone())
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

/// Keeps a task asking each node.
struct Asking {
    asker: Asker,
    running: HashSet<PeerUrl>,
    askers: JoinSet<PeerUrl>,
    asked: watch::Sender<NodeList>,
}

impl Asking {
    async fn run(mut self) {
        loop {
            tokio::select! {
                changed = self.asker.listed.changed() => if changed.is_err() {
                    break; // The list cannot change any more.
                },
                Some(ended) = self.askers.join_next() => if let Ok(url) = ended {
                    self.running.remove(&url);
                },
            }
            let listed = Arc::clone(&self.asker.listed.borrow_and_update());
            self.ask_all(&listed);
        }
        while self.askers.join_next().await.is_some() {}
    }

    /// Begins to ask what is listed and not asked yet, and says who is asked now: those who left last.
    fn ask_all(&mut self, listed: &NodeList) {
        for url in listed.iter().filter(|url| self.running.insert(PeerUrl::clone(url))) {
            self.asker.shared.meet(url);
            self.askers.spawn(self.asker.clone().run(url.clone()));
        }
        let mut asked: Vec<PeerUrl> = listed.to_vec();
        asked.extend(self.running.iter().filter(|url| !listed.contains(url)).cloned());
        self.asked.send_if_modified(|known| {
            let changed = **known != *asked;
            *known = asked.into();
            changed
        });
    }
}

#[derive(Clone)]
struct Asker {
    calls: Calls,
    path: &'static str,
    poll_every: Duration,
    shared: Arc<Shared>,
    listed: watch::Receiver<NodeList>,
}

impl Asker {
    /// Asks one node for as long as it is listed, or holds something. Gives the node back.
    async fn run(self, url: PeerUrl) -> PeerUrl {
        let mut wrong = self.shared.wrong.subscribe();
        let mut failures: u32 = 0;
        loop {
            let holds = match self.ask(&url).await {
                Ok(held) => {
                    failures = 0;
                    let holds = !held.is_empty();
                    self.shared.heard(&url, Some(held), None);
                    holds
                }
                Err(error) => {
                    if failures.is_multiple_of(SAY_EVERY) {
                        tracing::warn!(%error, path = self.path, "a node does not say what it holds");
                    }
                    failures = failures.saturating_add(1);
                    // Who refuses connections holds nothing any more; who is only slow may still hold it.
                    let gone = matches!(error, CallError::NotSent { .. }).then(Vec::new);
                    self.shared.heard(&url, gone, Some(error.to_string()));
                    false
                }
            };
            if !holds && !self.listed.borrow().contains(&url) {
                tracing::info!(%url, path = self.path, "a node has left and is asked no more");
                self.shared.forget(&url);
                return url;
            }
            tokio::time::sleep(ASK_GAP_MIN).await;
            let _ = tokio::time::timeout(self.poll_every, wrong.changed()).await;
        }
    }

    async fn ask(&self, url: &PeerUrl) -> Result<Vec<(Partition, Epoch)>, CallError> {
        let reply = self.calls.send(url, Call::get(self.path)).await?;
        let odd = |reason: String| CallError::NoAnswer { place: url.to_string(), reason };
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
    /// Knows a node from now on.
    fn meet(&self, url: &PeerUrl) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.push(Node { url: url.clone(), held: Vec::new(), silent: None });
    }

    /// Knows a node no more, nor what it held.
    fn forget(&self, url: &PeerUrl) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.retain(|node| node.url != *url);
        self.work_out(&nodes);
    }

    /// Takes what a node said (nothing new where it did not speak) and works the map out again.
    fn heard(&self, url: &PeerUrl, held: Option<Vec<(Partition, Epoch)>>, silent: Option<String>) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(node) = nodes.iter_mut().find(|node| node.url == *url) else { return };
        node.silent = silent;
        let Some(held) = held else { return };
        if node.held != held {
            node.held = held;
            self.work_out(&nodes);
        }
    }

    fn work_out(&self, nodes: &[Node]) {
        let mut owners: Owners = [const { None }; 64];
        debug_assert_eq!(owners.len(), usize::from(PARTITION_COUNT));
        for node in nodes {
            for (partition, epoch) in &node.held {
                let owner = &mut owners[partition.index()];
                if owner.as_ref().is_none_or(|(known, _)| known <= epoch) {
                    *owner = Some((*epoch, node.url.clone()));
                }
            }
        }
        self.owners.send_if_modified(|known| {
            let changed = *known != owners;
            *known = owners;
            changed
        });
    }
}
