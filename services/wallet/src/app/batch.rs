//! One batch: which commands are known, what must be loaded, and what each one decides.

use super::keys::Known;
use super::lane::Lane;
use crate::domain::{self, Origin, StepContext};
use crate::store::{self, RequestKey, SeqKey};
use contracts::entry::{Entry, EntryKind};
use contracts::log::Stamp;
use contracts::wallet::{Act, Answer, Command, Replay, WalletError};
use foldhash::HashMap;
use ids::{HoldId, PARTITION_COUNT, Partition, RequestId, Uuid, ViewerId, partition_of};
use seqlog::OffsetMove;
use std::collections::HashSet;
use tokio::sync::oneshot;

pub(crate) type Decision = Result<Answer, WalletError>;

/// Who waits for a decision.
#[derive(Debug)]
pub(crate) enum Reply {
    Caller(oneshot::Sender<Decision>),
    /// A slice of another log: all or nothing.
    Slice,
    /// The timer: a hold that ends at this Unix millisecond.
    Timer(i64),
    Answered,
}

/// Commands that come from another log's rows, with the move of the read offset that commits with them.
#[derive(Debug)]
pub(crate) struct SliceWork {
    pub commands: Vec<Command>,
    pub moves: Vec<OffsetMove>,
    pub reply: oneshot::Sender<Result<(), SliceError>>,
}

/// Why a slice was not applied. Nothing of it happened, except after `OutcomeUnknown`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SliceError {
    #[error("command {index} was refused: {error}")]
    Rejected { index: usize, error: WalletError },
    #[error("another reader has moved the offset")]
    OffsetMoved,
    #[error("the slice was not applied: {0}")]
    Failed(WalletError),
}

#[derive(Debug)]
pub(super) enum Task {
    Command(Command),
    ExpireHold { account_id: ViewerId, hold_id: HoldId },
}

/// One thing to decide.
#[derive(Debug)]
pub(super) struct Job {
    pub partition: Partition,
    pub task: Task,
    pub reply: Reply,
}

impl Job {
    pub fn of_command(command: Command, reply: Reply) -> Job {
        Job { partition: partition_of(command.account_id.uuid()), task: Task::Command(command), reply }
    }

    pub fn of_hold(expires_at_ms: i64, account_id: ViewerId, hold_id: HoldId) -> Job {
        let partition = partition_of(account_id.uuid());
        Job { partition, task: Task::ExpireHold { account_id, hold_id }, reply: Reply::Timer(expires_at_ms) }
    }

    pub fn is_open(&self) -> bool {
        !matches!(self.reply, Reply::Answered)
    }

    /// The caller's request id; the timer has none.
    pub fn request_id(&self) -> Option<RequestId> {
        match &self.task {
            Task::Command(command) => Some(command.request_id),
            Task::ExpireHold { .. } => None,
        }
    }

    fn account_id(&self) -> ViewerId {
        match &self.task {
            Task::Command(command) => command.account_id,
            Task::ExpireHold { account_id, .. } => *account_id,
        }
    }
}

/// The jobs of one turn of a lane.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub jobs: Vec<Job>,
    /// Offsets that move in the batch's transaction.
    pub moves: Vec<OffsetMove>,
    /// The first job of a slice that failed.
    pub failed: Option<(usize, WalletError)>,
    /// What commands refer to, as committed; a refused or unknown request is absent.
    pub origins: HashMap<RequestId, Origin>,
    /// Holds whose expiry did not happen.
    pub holds_again: Vec<(i64, ViewerId, HoldId)>,
    pub wanted: HashSet<RequestId>,
}

/// What a step over some jobs decided.
#[derive(Debug, Default)]
pub(super) struct Stepped {
    pub entries: Vec<Entry>,
    /// The job of each entry.
    pub jobs: Vec<usize>,
    /// (leader, follower): the follower repeats the leader's request in the same batch.
    pub followers: Vec<(usize, usize)>,
    /// The first job of each request.
    leaders: HashMap<RequestId, usize>,
    /// Origins as they are once the entries are committed; empty when no command refers to anything.
    pub origins: HashMap<RequestId, Origin>,
}

impl Batch {
    /// Answers one job, once.
    pub fn answer(&mut self, index: usize, decision: Decision) {
        let job = &mut self.jobs[index];
        match std::mem::replace(&mut job.reply, Reply::Answered) {
            Reply::Caller(caller) => {
                let _ = caller.send(decision); // A caller that has gone asks again with the same id.
            }
            Reply::Slice => {
                if let Err(error) = decision {
                    self.failed.get_or_insert((index, error));
                }
            }
            Reply::Timer(expires_at_ms) => {
                if let (Err(error), Task::ExpireHold { account_id, hold_id }) = (decision, &job.task) {
                    tracing::warn!(%error, %hold_id, "a hold did not expire yet; the next tick tries again");
                    self.holds_again.push((expires_at_ms, *account_id, *hold_id));
                }
            }
            Reply::Answered => {}
        }
    }

    pub fn answer_all(&mut self, indices: &[usize], error: &WalletError) {
        for index in indices {
            self.answer(*index, Err(error.clone()));
        }
    }
}

impl Lane {
    /// Answers what is known already, and loads what the rest needs. Returns the jobs to decide.
    pub(super) async fn prepare(&mut self, batch: &mut Batch) -> Vec<usize> {
        let needs = self.find_needs(batch);
        if let Err(error) = self.load(batch, needs).await {
            tracing::warn!(%error, "a batch could not be prepared");
            let unavailable = WalletError::Unavailable("the database could not be read".to_owned());
            for index in 0..batch.jobs.len() {
                batch.answer(index, Err(unavailable.clone()));
            }
        }
        (0..batch.jobs.len()).filter(|index| batch.jobs[*index].is_open()).collect()
    }

    fn find_needs(&mut self, batch: &mut Batch) -> Needs {
        let mut needs = Needs::default();
        for index in 0..batch.jobs.len() {
            let job = &batch.jobs[index];
            let refused = match self.memory.shards.get(&job.partition) {
                None => Some(WalletError::ShardMoved),
                Some(shard) if !shard.is_ready() => Some(recovering()),
                Some(shard) => match &job.task {
                    Task::ExpireHold { .. } => None,
                    Task::Command(command) => match shard.keys.find(command.request_id) {
                        Some(known) => needs.replay(index, job.partition, command, known),
                        None => {
                            needs.first_time(index, job.partition, command, &shard.keys);
                            None
                        }
                    },
                },
            };
            if let Some(error) = refused {
                batch.answer(index, Err(error));
            } else if needs.replays.last().is_none_or(|(replay, _)| *replay != index) {
                let account_id = job.account_id();
                if !self.memory.accounts.contains(account_id) {
                    needs.cold.push(account_id);
                }
            }
        }
        needs
    }

    async fn load(&mut self, batch: &mut Batch, needs: Needs) -> Result<(), sqlx::Error> {
        let db = self.db.clone();
        if !needs.old.is_empty() {
            let keys: Vec<RequestKey> = needs.old.iter().map(|(_, key)| *key).collect();
            let found = store::find_requests(&db, &keys).await?;
            let found: HashMap<RequestId, Entry> = found.into_iter().map(|e| (e.request_id, e)).collect();
            for (index, (_, request_id)) in &needs.old {
                if let Some(entry) = found.get(request_id) {
                    self.replay(batch, *index, entry.clone());
                }
            }
        }
        if !needs.replays.is_empty() {
            self.answer_replays(batch, &needs.replays).await;
        }
        if !needs.cold.is_empty() {
            let mut loaded = store::load_accounts(&db, &needs.cold).await?;
            for account_id in needs.cold {
                let snapshot = loaded.remove(&account_id);
                if !self.memory.accounts.contains(account_id) {
                    self.memory.accounts.insert(account_id, snapshot);
                }
            }
        }
        if !needs.origins.is_empty() {
            batch.origins = store::load_origins(&db, &needs.origins).await?;
            batch.wanted = needs.origins.iter().map(|((_, request_id), _)| *request_id).collect();
        }
        Ok(())
    }

    /// Answers with a stored entry, unless the body is another one.
    pub(super) fn replay(&mut self, batch: &mut Batch, index: usize, entry: Entry) {
        let decision = match &batch.jobs[index].task {
            Task::Command(command) if !repeats(command, &entry) => Err(WalletError::RequestReused),
            _ => Ok(Answer { entry, replay: Replay::Replayed }),
        };
        batch.answer(index, decision);
    }

    /// Decides jobs in their order, changing the accounts in memory as if committed. What has no entry
    /// (a wrong command, a reused id) is answered here.
    pub(super) fn step_jobs(&mut self, batch: &mut Batch, indices: &[usize]) -> Stepped {
        self.memory.accounts.begin_batch();
        let clock = (self.clock)();
        let mut stamps: Vec<Option<Stamp>> = vec![None; usize::from(PARTITION_COUNT)];
        let mut stepped = Stepped { origins: batch.origins.clone(), ..Stepped::default() };
        stepped.leaders.reserve(indices.len());
        stepped.entries.reserve(indices.len());
        stepped.jobs.reserve(indices.len());
        for index in indices.iter().copied() {
            let partition = batch.jobs[index].partition;
            let stamp = &mut stamps[partition.index()];
            if stamp.is_none() {
                *stamp = self.stamp(partition, clock);
            }
            match self.step_job(batch, &mut stepped, index, stamp.as_ref()) {
                Ok(Some(entry)) => {
                    if let Some(stamp) = stamp {
                        stamp.seq += 1;
                    }
                    stepped.entries.push(entry);
                    stepped.jobs.push(index);
                }
                Ok(None) => {}
                Err(error) => batch.answer(index, Err(error)),
            }
        }
        stepped
    }

    /// The stamp of the partition's next entry. Its seq is the one the appender will give: both count in the
    /// order of the batch, and the account's next entry names it.
    fn stamp(&self, partition: Partition, clock: chrono::DateTime<chrono::Utc>) -> Option<Stamp> {
        if !self.memory.shards.get(&partition)?.is_ready() {
            return None;
        }
        let head = self.appender.head(partition)?;
        let stamp = Stamp::original(partition, head.now(clock), self.settings.zone);
        Some(Stamp { seq: head.last_seq + 1, ..stamp })
    }

    fn step_job(
        &mut self,
        batch: &Batch,
        stepped: &mut Stepped,
        index: usize,
        stamp: Option<&Stamp>,
    ) -> Result<Option<Entry>, WalletError> {
        let job = &batch.jobs[index];
        let stamp = stamp.ok_or_else(recovering)?;
        let account = self.memory.accounts.change(job.account_id()).ok_or_else(recovering)?;
        let mut context = StepContext { stamp, rules: &self.settings.rules, origin: None };
        let entry = match &job.task {
            Task::ExpireHold { account_id, hold_id } => {
                let Some(entry) = domain::expire_hold(account, &context, *account_id, *hold_id) else {
                    return Ok(None); // Captured or released in time.
                };
                entry
            }
            Task::Command(command) => {
                let leader = *stepped.leaders.entry(command.request_id).or_insert(index);
                if leader != index {
                    return follow(batch, stepped, (leader, index), command);
                }
                if !batch.wanted.is_empty() {
                    context.origin = domain::origin_request(command).and_then(|id| stepped.origins.get(&id));
                }
                let decided = domain::step(account, &context, command);
                if decided.is_err() {
                    stepped.leaders.remove(&command.request_id);
                }
                decided?
            }
        };
        if let Err(error) = domain::apply(account, &entry) {
            tracing::error!(%error, "a decided entry does not follow from the account's state");
            return Err(WalletError::Unavailable("the wallet contradicts itself".to_owned()));
        }
        if !batch.wanted.is_empty() {
            count_origin(batch, stepped, index, &entry);
        }
        Ok(Some(entry))
    }
}

/// Keeps the origins of the batch's own commands: an order placed and refunded in one batch.
fn count_origin(batch: &Batch, stepped: &mut Stepped, index: usize, entry: &Entry) {
    if batch.wanted.contains(&entry.request_id)
        && let Some(origin) = Origin::of(entry)
    {
        stepped.origins.insert(entry.request_id, origin);
    }
    let is_return = matches!(entry.kind, EntryKind::Refund | EntryKind::Withdraw) && entry.is_accepted();
    if let Task::Command(command) = &batch.jobs[index].task
        && is_return
        && let Some(origin) = domain::origin_request(command).and_then(|id| stepped.origins.get_mut(&id))
        && let Err(error) = origin.count(entry)
    {
        tracing::error!(%error, "more was returned than any balance can hold");
    }
}

/// A repeat within the batch waits for its leader.
fn follow(
    batch: &Batch,
    stepped: &mut Stepped,
    (leader, index): (usize, usize),
    command: &Command,
) -> Result<Option<Entry>, WalletError> {
    match &batch.jobs[leader].task {
        Task::Command(first)
            if first.body_hash == command.body_hash && first.account_id == command.account_id =>
        {
            stepped.followers.push((leader, index));
            Ok(None)
        }
        _ => Err(WalletError::RequestReused),
    }
}

/// Whether a command is the one that made the entry.
fn repeats(command: &Command, entry: &Entry) -> bool {
    command.body_hash == entry.body_hash && command.account_id == entry.account_id
}

pub(super) fn recovering() -> WalletError {
    WalletError::Unavailable("the account's shard is being reloaded".to_owned())
}

/// What a batch needs from the tables before it can be decided.
#[derive(Debug, Default)]
struct Needs {
    /// Ids older than memory reaches.
    old: Vec<(usize, RequestKey)>,
    /// Known ids, and where their entries are.
    replays: Vec<(usize, SeqKey)>,
    cold: Vec<ViewerId>,
    origins: Vec<(RequestKey, Uuid)>,
}

impl Needs {
    fn replay(
        &mut self,
        index: usize,
        partition: Partition,
        command: &Command,
        known: Known,
    ) -> Option<WalletError> {
        if known.body_hash != command.body_hash {
            return Some(WalletError::RequestReused);
        }
        self.replays.push((index, (partition, known.seq)));
        None
    }

    fn first_time(
        &mut self,
        index: usize,
        partition: Partition,
        command: &Command,
        keys: &super::keys::Keys,
    ) {
        if keys.may_be_stored(command.request_id) {
            self.old.push((index, (partition, command.request_id)));
        }
        if let Some(origin) = domain::origin_request(command) {
            self.origins.push(((partition, origin), reference(command, origin)));
        }
    }
}

/// The id by which refunds and withdrawals name what they refer to.
fn reference(command: &Command, origin: RequestId) -> Uuid {
    match &command.act {
        Act::Withdraw { payment_id, .. } => payment_id.uuid(),
        _ => origin.uuid(),
    }
}
