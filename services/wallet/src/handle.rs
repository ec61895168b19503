//! The wallet as its callers see it: commands go to the lane of their partition, reads of the log to the table.

use crate::app::{SliceError, SliceWork, Work};
use crate::store;
use contracts::entry::Entry;
use contracts::log::{Epoch, LogName, Seq};
use contracts::wallet::{AccountView, Answer, Command, Wallet, WalletError};
use ids::{Partition, RequestId, ViewerId, partition_of};
use pg::Db;
use seqlog::{Holdings, OffsetMove};
use std::sync::Arc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// The most entries one list answers.
const LIST_LEN_MAX: u16 = 200;

/// The lane of a partition. A group's heads are one row, so lanes share no group; neighbours and every other group,
/// as a node may own them, are spread over lanes.
pub(crate) fn lane_of(partition: Partition, lane_count: usize) -> usize {
    let group = partition.group().index();
    (group + group / lane_count) % lane_count
}

/// A handle on the lanes of this process. Cheap to clone.
#[derive(Clone)]
pub struct WalletHandle {
    lanes: Arc<[mpsc::Sender<Work>]>,
    db: Db,
    holdings: Holdings,
}

/// A decision on its way.
pub struct Pending(oneshot::Receiver<Result<Answer, WalletError>>);

impl Pending {
    /// Waits for the decision.
    ///
    /// # Errors
    /// What the wallet says; [`WalletError::OutcomeUnknown`] when the lane ended before it answered.
    pub async fn decision(self) -> Result<Answer, WalletError> {
        self.0.await.unwrap_or(Err(WalletError::OutcomeUnknown))
    }
}

impl WalletHandle {
    pub(crate) fn new(lanes: Vec<mpsc::Sender<Work>>, db: Db, holdings: Holdings) -> WalletHandle {
        WalletHandle { lanes: lanes.into(), db, holdings }
    }

    /// The partitions this node writes now, each with its epoch: what a shard map is made of. Costs no more than a
    /// look into memory.
    pub fn held(&self) -> Vec<(Partition, Epoch)> {
        self.holdings.list()
    }

    /// The same, with every change as it happens.
    pub fn holdings(&self) -> Holdings {
        self.holdings.clone()
    }

    fn lane(&self, partition: Partition) -> &mpsc::Sender<Work> {
        &self.lanes[self.lane_index(partition)]
    }

    pub(crate) fn lane_index(&self, partition: Partition) -> usize {
        lane_of(partition, self.lanes.len())
    }

    fn send(&self, partition: Partition, work: Work) -> Result<(), WalletError> {
        self.lane(partition).try_send(work).map_err(|error| match error {
            TrySendError::Full(_) => WalletError::Overloaded,
            TrySendError::Closed(_) => WalletError::Unavailable("the wallet is shutting down".to_owned()),
        })
    }

    /// Queues a command without waiting: for callers with many at hand.
    ///
    /// # Errors
    /// [`WalletError::Overloaded`] when the lane's queue is full.
    pub fn begin(&self, command: Command) -> Result<Pending, WalletError> {
        let (caller, decision) = oneshot::channel();
        self.send(partition_of(command.account_id.uuid()), Work::Command(command, caller))?;
        Ok(Pending(decision))
    }

    /// Decides many commands; one answer each, in their order.
    pub async fn submit_all(&self, commands: Vec<Command>) -> Vec<Result<Answer, WalletError>> {
        let begun: Vec<_> = commands.into_iter().map(|command| self.begin(command)).collect();
        let mut answers = Vec::with_capacity(begun.len());
        for pending in begun {
            answers.push(match pending {
                Ok(pending) => pending.decision().await,
                Err(error) => Err(error),
            });
        }
        answers
    }

    /// Refuses a look into this database for what lies in another. What this node writes needs no question.
    async fn must_be_here(&self, partition: Partition) -> Result<(), WalletError> {
        let is_here = self.holdings.holds(partition)
            || seqlog::is_here(&self.db, LogName::Entries, partition)
                .await
                .map_err(|error| unavailable(&error))?;
        if is_here { Ok(()) } else { Err(WalletError::ShardMoved) }
    }

    /// Applies rows of another log: commands of one lane's partitions, with the move of the read offset.
    pub(crate) async fn apply_slice(
        &self,
        commands: Vec<Command>,
        moves: Vec<OffsetMove>,
    ) -> Result<(), SliceError> {
        let Some(partition) = moves.first().map(|first| first.partition) else { return Ok(()) };
        let (reply, outcome) = oneshot::channel();
        let work = Work::Slice(SliceWork { commands, moves, reply });
        if self.lane(partition).send(work).await.is_err() {
            let gone = WalletError::Unavailable("the wallet is shutting down".to_owned());
            return Err(SliceError::Failed(gone));
        }
        outcome.await.unwrap_or(Err(SliceError::Failed(WalletError::OutcomeUnknown)))
    }
}

fn unavailable(error: &sqlx::Error) -> WalletError {
    tracing::warn!(%error, "the wallet's log could not be read");
    WalletError::Unavailable("the database could not be read".to_owned())
}

#[async_trait::async_trait]
impl Wallet for WalletHandle {
    async fn submit(&self, command: Command) -> Result<Answer, WalletError> {
        self.begin(command)?.decision().await
    }

    async fn account(&self, account_id: ViewerId) -> Result<AccountView, WalletError> {
        let (caller, view) = oneshot::channel();
        self.send(partition_of(account_id.uuid()), Work::View(account_id, caller))?;
        let gone = || WalletError::Unavailable("the wallet is shutting down".to_owned());
        view.await.unwrap_or_else(|_| Err(gone()))
    }

    async fn find_entry(
        &self,
        account_id: ViewerId,
        request_id: RequestId,
    ) -> Result<Option<Entry>, WalletError> {
        let key = (partition_of(account_id.uuid()), request_id);
        self.must_be_here(key.0).await?;
        let found = store::find_requests(&self.db, &[key]).await.map_err(|error| unavailable(&error))?;
        Ok(found.into_iter().find(|entry| entry.account_id == account_id))
    }

    async fn list_entries(
        &self,
        account_id: ViewerId,
        before_seq: Option<Seq>,
        limit: u16,
    ) -> Result<Vec<Entry>, WalletError> {
        let owner = (partition_of(account_id.uuid()), account_id);
        self.must_be_here(owner.0).await?;
        let newest = match before_seq {
            None => self.account(account_id).await?.as_of_seq,
            Some(seq) => {
                let previous = store::find_previous(&self.db, owner, seq).await;
                previous.map_err(|error| unavailable(&error))?.unwrap_or(0)
            }
        };
        store::list_account_entries(&self.db, owner, newest, limit.clamp(1, LIST_LEN_MAX))
            .await
            .map_err(|error| unavailable(&error))
    }
}
