//! The wallet in other processes, as a [`Wallet`].
//!
//! A command goes to the node that holds its shard. While that node is away, the same command (the same id) is
//! tried again as the map changes, within a bound: a dead node costs time and no error. An attempt whose answer was
//! lost leaves a doubt that travels with the command: what is then found decided is told as [`Replay::Doubted`],
//! and what is not found in time as `OutcomeUnknown`.

use crate::batching::{Attempt, NodeQueue};
use crate::calls::{Call, CallError, Calls, Needed, Reply};
use crate::config::Config;
use crate::declared::{WALLET, WALLET_READS};
use crate::handles::Handles;
use crate::owner_map::OwnerMap;
use contracts::entry::Entry;
use contracts::log::Seq;
use contracts::wallet::{AccountView, Answer, Command, Replay, Wallet, WalletError};
use guard::deps::DeclareError;
use ids::{Partition, RequestId, ViewerId, partition_of};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// The wait between two attempts where nothing is heard of the map: the first, and the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// The wallet behind one or more nodes.
pub struct RemoteWallet {
    map: OwnerMap,
    nodes: Handles<WalletNode>,
    retry_max: Duration,
    /// Places for commands that wait for an owner of their shard.
    waiting: Semaphore,
}

/// One node: for commands, and for questions.
struct WalletNode {
    commands: NodeQueue,
    reads: Needed,
}

/// Whether an attempt without an answer may have been decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    None,
    Some,
}

/// The patience of one command.
struct Patience<'a> {
    wallet: &'a RemoteWallet,
    partition: Partition,
    until: Instant,
    pause: Duration,
    place: Option<SemaphorePermit<'a>>,
}

impl RemoteWallet {
    /// Where the wallet's nodes say what they hold.
    pub const SHARDS_PATH: &'static str = "/internal/wallet/shards";

    /// A wallet over the nodes of `map`. Needs a runtime.
    ///
    /// # Errors
    /// [`DeclareError`]: more nodes than a registry takes.
    pub fn start(calls: &Calls, map: OwnerMap, config: &Config) -> Result<RemoteWallet, DeclareError> {
        let (calls, settings) = (calls.clone(), config.clone());
        let nodes = Handles::follow(map.asked(), move |url| {
            let commands = NodeQueue::start(&calls.needed(&WALLET, url)?, &settings);
            Ok(WalletNode { commands, reads: calls.needed(&WALLET_READS, url)? })
        })?;
        let waiting = Semaphore::new(config.waiting_len_max);
        Ok(RemoteWallet { map, nodes, retry_max: config.retry_max(), waiting })
    }

    /// The node that holds a partition.
    fn owner(&self, partition: Partition) -> Option<Arc<WalletNode>> {
        self.nodes.of(&self.map.owner(partition)?)
    }

    fn patience(&self, account_id: ViewerId) -> Patience<'_> {
        Patience {
            wallet: self,
            partition: partition_of(account_id.uuid()),
            until: Instant::now() + self.retry_max,
            pause: PAUSE_FIRST,
            place: None,
        }
    }

    /// Asks the owner of an account's shard; a question may be asked twice.
    async fn ask_owner<T: DeserializeOwned>(
        &self,
        account_id: ViewerId,
        path: &str,
    ) -> Result<T, WalletError> {
        let mut patience = self.patience(account_id);
        loop {
            let reason = match self.owner(patience.partition) {
                None => "no node holds the account's shard".to_owned(),
                Some(node) => match read(node.reads.send(Call::get(path)).await) {
                    Err(WalletError::Unavailable(reason)) => reason,
                    Err(WalletError::ShardMoved) => "the account's shard is moving".to_owned(),
                    answered => return answered,
                },
            };
            if !patience.wait().await? {
                return Err(WalletError::Unavailable(reason));
            }
        }
    }

    /// Asks any node, the owner first: what is read from the tables, all nodes of one database can read.
    async fn ask_any<T: DeserializeOwned>(&self, account_id: ViewerId, path: &str) -> Result<T, WalletError> {
        let owner = self.map.owner(partition_of(account_id.uuid()));
        let nodes = self.nodes.all();
        let (first, others): (Vec<_>, Vec<_>) =
            nodes.iter().partition(|(url, _)| Some(url) == owner.as_ref());
        let mut last = WalletError::Unavailable("no wallet node is configured".to_owned());
        for (_, node) in first.into_iter().chain(others) {
            match read(node.reads.send(Call::get(path)).await) {
                Err(
                    error @ (WalletError::Unavailable(_) | WalletError::Overloaded | WalletError::ShardMoved),
                ) => last = error,
                answered => return answered,
            }
        }
        Err(last)
    }
}

impl Patience<'_> {
    /// Waits until the map changes or a moment has passed. `false` when there is no more time.
    async fn wait(&mut self) -> Result<bool, WalletError> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        if self.place.is_none() {
            self.place = Some(self.wallet.waiting.try_acquire().map_err(|_| WalletError::Overloaded)?);
        }
        metrics::counter!("largesse_peer_retries_total").increment(1);
        let mut changes = self.wallet.map.changes();
        let known = self.wallet.map.owner(self.partition);
        self.wallet.map.was_wrong();
        let moved = async {
            while changes.changed().await.is_ok() {
                if self.wallet.map.owner(self.partition) != known {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(self.pause.min(left), moved).await; // Either way it is tried again.
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Ok(true)
    }
}

/// What a wallet's route answered.
fn read<T: DeserializeOwned>(reply: Result<Reply, CallError>) -> Result<T, WalletError> {
    let away = |reason: String| WalletError::Unavailable(reason);
    let reply = reply.map_err(|error| away(error.to_string()))?;
    if reply.status.is_success() {
        return serde_json::from_slice(&reply.body).map_err(|error| away(error.to_string()));
    }
    Err(serde_json::from_slice(&reply.body).unwrap_or_else(|_| away(crate::owner_map::said(&reply))))
}

fn told(answer: Answer, doubt: Doubt) -> Answer {
    match (answer.replay, doubt) {
        (Replay::Replayed, Doubt::Some) => Answer { replay: Replay::Doubted, ..answer },
        (Replay::First | Replay::Replayed | Replay::Doubted, Doubt::None | Doubt::Some) => answer,
    }
}

#[async_trait::async_trait]
impl Wallet for RemoteWallet {
    async fn submit(&self, command: Command) -> Result<Answer, WalletError> {
        let mut patience = self.patience(command.account_id);
        let command = Arc::new(command);
        let mut doubt = Doubt::None;
        loop {
            let attempt = match self.owner(patience.partition) {
                None => Attempt::NotSent("no node holds the account's shard".to_owned()),
                Some(node) => node.commands.decide(Arc::clone(&command)).await,
            };
            let failed = match attempt {
                Attempt::Answered(Ok(answer)) => return Ok(told(answer, doubt)),
                Attempt::Answered(Err(error)) => match error {
                    WalletError::RequestReused | WalletError::BadCommand(_) => return Err(error),
                    WalletError::OutcomeUnknown => {
                        doubt = Doubt::Some;
                        error
                    }
                    // Nothing has happened, and waiting may help; behind a doubt only a decision ends it.
                    WalletError::Overloaded if doubt == Doubt::None => return Err(error),
                    WalletError::Overloaded | WalletError::ShardMoved | WalletError::Unavailable(_) => error,
                },
                Attempt::Full if doubt == Doubt::None => return Err(WalletError::Overloaded),
                Attempt::Full => WalletError::Overloaded,
                Attempt::NotSent(reason) => WalletError::Unavailable(reason),
                Attempt::NoAnswer(reason) => {
                    doubt = Doubt::Some;
                    WalletError::Unavailable(reason)
                }
            };
            match (patience.wait().await, doubt) {
                (Ok(true), Doubt::None | Doubt::Some) => {}
                (Ok(false) | Err(_), Doubt::Some) => return Err(WalletError::OutcomeUnknown),
                (Ok(false), Doubt::None) => return Err(failed),
                (Err(error), Doubt::None) => return Err(error),
            }
        }
    }

    async fn account(&self, account_id: ViewerId) -> Result<AccountView, WalletError> {
        self.ask_owner(account_id, &format!("/internal/wallet/accounts/{account_id}")).await
    }

    async fn find_entry(
        &self,
        account_id: ViewerId,
        request_id: RequestId,
    ) -> Result<Option<Entry>, WalletError> {
        let path = format!("/internal/wallet/accounts/{account_id}/entries/{request_id}");
        self.ask_any(account_id, &path).await
    }

    async fn list_entries(
        &self,
        account_id: ViewerId,
        before_seq: Option<Seq>,
        limit: u16,
    ) -> Result<Vec<Entry>, WalletError> {
        let before = before_seq.map(|seq| format!("&before_seq={seq}")).unwrap_or_default();
        let path = format!("/internal/wallet/accounts/{account_id}/entries?limit={limit}{before}");
        self.ask_any(account_id, &path).await
    }
}
