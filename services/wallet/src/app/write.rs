//! The one transaction of a batch, and what follows from each way it can end.

use super::batch::{Batch, Decision, SliceError, SliceWork, Stepped};
use super::batch::{Job, Reply, recovering};
use super::lane::Lane;
use crate::store::{self, SeqKey};
use contracts::entry::Entry;
use contracts::log::LogName;
use contracts::wallet::{Answer, Replay, WalletError};
use ids::{Partition, id_time};
use seqlog::{AppendError, OffsetMove, move_offsets_in_tx};
use std::collections::BTreeSet;

/// The reader whose offsets move with slices.
pub(crate) const PAYMENTS_READER: &str = "wallet";

/// How a transaction ended.
enum Written {
    Committed,
    /// These partitions are someone else's now. Nothing happened.
    Deposed(Vec<Partition>),
    /// Another instance of the reader moved the offset. Nothing happened.
    OffsetMoved,
    /// A row can never be stored. Nothing happened.
    Refused(sqlx::Error),
    /// Nothing happened; trying again may help.
    Failed(sqlx::Error),
    /// The COMMIT's outcome is unknown.
    Unknown(sqlx::Error),
}

impl Written {
    fn of(appended: Result<(), AppendError>) -> Written {
        match appended {
            Ok(()) => Written::Committed,
            Err(AppendError::Deposed(lost)) => Written::Deposed(lost),
            Err(AppendError::Db(error)) if pg::is_constraint(&error) => Written::Refused(error),
            Err(AppendError::Db(error)) => Written::Failed(error),
        }
    }
}

impl Lane {
    /// Decides and commits one batch of jobs; every job is answered when this returns.
    pub(super) async fn run_batch(&mut self, jobs: Vec<Job>) {
        let mut batch = Batch { jobs, ..Batch::default() };
        let mut open = self.prepare(&mut batch).await;
        // The appender numbers partition by partition; in that order no entry has to move.
        open.sort_by_key(|index| batch.jobs[*index].partition);
        let mut sets = if open.is_empty() { Vec::new() } else { vec![open] };
        let mut retried = false;
        while let Some(set) = sets.pop() {
            let set = if retried { self.replay_decided(&mut batch, set).await } else { set };
            retried = true;
            let stepped = self.step_jobs(&mut batch, &set);
            if stepped.entries.is_empty() {
                self.memory.accounts.undo_batch();
                continue;
            }
            let partitions = partitions_of(&stepped.entries);
            let (written, stepped) = self.write(stepped, &[]).await;
            match written {
                Written::Committed => self.settle(&mut batch, stepped),
                Written::Deposed(lost) => {
                    self.memory.accounts.undo_batch();
                    self.let_go(&lost);
                    sets.push(self.without(&mut batch, set, &lost));
                }
                Written::Refused(error) => {
                    self.memory.accounts.undo_batch();
                    self.halve(&mut batch, &mut sets, set, &error);
                }
                Written::Failed(error) => {
                    self.memory.accounts.undo_batch();
                    tracing::warn!(%error, "a batch was not written; nothing of it happened");
                    let unavailable =
                        WalletError::Unavailable("the database did not take the batch".to_owned());
                    batch.answer_all(&set, &unavailable);
                }
                Written::OffsetMoved => self.memory.accounts.undo_batch(), // Only slices move offsets.
                Written::Unknown(error) => {
                    batch.answer_all(&set, &WalletError::OutcomeUnknown);
                    self.recover_after(&partitions, &error).await;
                }
            }
        }
        self.memory.holds.extend(batch.holds_again);
    }

    /// Decides and commits one slice of another log's rows together with the move of its offset: all of it,
    /// or nothing.
    pub(super) async fn run_slice(&mut self, slice: SliceWork) {
        let jobs = slice.commands.into_iter().map(|command| Job::of_command(command, Reply::Slice)).collect();
        let mut batch = Batch { jobs, moves: slice.moves, ..Batch::default() };
        let open = self.prepare(&mut batch).await;
        let outcome = match batch.failed.take() {
            Some(failed) => Err(slice_error(failed)),
            None => self.commit_slice(&mut batch, &open).await,
        };
        let _ = slice.reply.send(outcome); // A reader that has gone reads its offset again.
    }

    async fn commit_slice(&mut self, batch: &mut Batch, open: &[usize]) -> Result<(), SliceError> {
        let stepped = self.step_jobs(batch, open);
        if let Some(failed) = batch.failed.take() {
            self.memory.accounts.undo_batch();
            return Err(slice_error(failed));
        }
        let partitions = partitions_of(&stepped.entries);
        let moves = std::mem::take(&mut batch.moves);
        let (written, stepped) = self.write(stepped, &moves).await;
        let failed = match written {
            Written::Committed => {
                self.settle(batch, stepped);
                return Ok(());
            }
            Written::Unknown(error) => {
                self.recover_after(&partitions, &error).await;
                return Err(SliceError::Failed(WalletError::OutcomeUnknown));
            }
            Written::Deposed(lost) => {
                self.let_go(&lost);
                SliceError::Failed(WalletError::ShardMoved)
            }
            Written::OffsetMoved => SliceError::OffsetMoved,
            Written::Refused(error) => {
                SliceError::Rejected { index: 0, error: WalletError::BadCommand(error.to_string()) }
            }
            Written::Failed(error) => SliceError::Failed(WalletError::Unavailable(error.to_string())),
        };
        self.memory.accounts.undo_batch();
        Err(failed)
    }

    /// Writes entries in one transaction. A COMMIT is never cancelled, and every other end rolls back.
    async fn write(&mut self, mut stepped: Stepped, moves: &[OffsetMove]) -> (Written, Stepped) {
        let entries = std::mem::take(&mut stepped.entries);
        metrics::histogram!("largesse_wallet_batch_rows").record(metric(entries.len()));
        for entry in &entries {
            let day = id_time(entry.request_id.uuid());
            if !self.days.covers(day)
                && let Err(error) = self.days.ensure(&self.db, day.day()).await
            {
                return (Written::Failed(error), stepped);
            }
        }
        let began = std::time::Instant::now();
        let written = match moves {
            [] => self.write_alone(entries).await,
            moves => self.write_with_offsets(entries, moves).await,
        };
        metrics::histogram!("largesse_wallet_commit_seconds").record(began.elapsed());
        if !matches!(written, Written::Committed) {
            self.appender.discard();
        }
        (written, stepped)
    }

    /// One statement is the whole transaction.
    async fn write_alone(&mut self, entries: Vec<Entry>) -> Written {
        let mut connection = match self.db.pool().acquire().await {
            Ok(connection) => connection,
            Err(error) => return Written::Failed(error),
        };
        match self.appender.append(&mut connection, entries).await {
            Err(AppendError::Db(error)) if !pg::is_certain(&error) => Written::Unknown(error),
            appended => Written::of(appended),
        }
    }

    async fn write_with_offsets(&mut self, entries: Vec<Entry>, moves: &[OffsetMove]) -> Written {
        let mut tx = match self.db.begin().await {
            Ok(tx) => tx,
            Err(error) => return Written::Failed(error),
        };
        let moved = move_offsets_in_tx(&mut tx, &self.db, PAYMENTS_READER, LogName::Payments, moves).await;
        let written = match moved {
            Err(error) => Written::Failed(error),
            Ok(lost) if !lost.is_empty() => Written::OffsetMoved,
            Ok(_) => Written::of(self.appender.append(&mut tx, entries).await),
        };
        if !matches!(written, Written::Committed) {
            let _ = tx.rollback().await; // A lost connection rolls back by itself.
            return written;
        }
        match tx.commit().await {
            Ok(()) => Written::Committed,
            Err(error) if pg::is_certain(&error) => Written::Failed(error),
            Err(error) => Written::Unknown(error),
        }
    }

    /// The batch is durable: memory follows, callers hear, rows travel.
    fn settle(&mut self, batch: &mut Batch, stepped: Stepped) {
        let Stepped { jobs: mut order, mut followers, origins, .. } = stepped;
        // The appender numbers partition by partition and keeps the order within each: so do we.
        order.sort_by_key(|index| batch.jobs[*index].partition);
        let planned = self.appender.planned();
        for (entry, index) in planned.iter().flat_map(|(_, rows)| rows).zip(order) {
            self.memory.remember(entry);
            while let Some(at) = followers.iter().position(|(leader, _)| *leader == index) {
                let (_, follower) = followers.swap_remove(at);
                batch.answer(follower, Ok(Answer { entry: entry.clone(), replay: Replay::Replayed }));
            }
            let decision: Decision = Ok(Answer { entry: entry.clone(), replay: Replay::First });
            batch.answer(index, decision);
        }
        if !origins.is_empty() {
            batch.origins = origins;
        }
        self.appender.committed();
        self.forget_oldest();
    }

    fn forget_oldest(&mut self) {
        let keys_max = self.settings.keys_max / self.wanted.len().max(1);
        for shard in self.memory.shards.values_mut() {
            shard.keys.forget_down_to(keys_max.max(1));
        }
        self.memory.accounts.evict_down_to(self.settings.accounts_max);
    }

    /// The rest of a set without the jobs of lost partitions, which are answered.
    fn without(&mut self, batch: &mut Batch, set: Vec<usize>, lost: &[Partition]) -> Vec<usize> {
        let (moved, rest): (Vec<usize>, Vec<usize>) =
            set.into_iter().partition(|index| lost.contains(&batch.jobs[*index].partition));
        batch.answer_all(&moved, &WalletError::ShardMoved);
        rest
    }

    /// A row was refused: find it by halving, so that it spoils no other.
    fn halve(&mut self, batch: &mut Batch, sets: &mut Vec<Vec<usize>>, set: Vec<usize>, error: &sqlx::Error) {
        let open: Vec<usize> = set.into_iter().filter(|index| batch.jobs[*index].is_open()).collect();
        if let [only] = open.as_slice() {
            tracing::error!(%error, "the database refused an entry");
            let refused = WalletError::BadCommand(format!("the entry was refused: {error}"));
            batch.answer(*only, Err(refused));
            return;
        }
        let (first, second) = open.split_at(open.len() / 2);
        sets.push(second.to_vec());
        sets.push(first.to_vec());
    }

    /// In a retry, a repeat's leader may have been committed in the half before: answer from its entry.
    async fn replay_decided(&mut self, batch: &mut Batch, set: Vec<usize>) -> Vec<usize> {
        let mut decided: Vec<(usize, SeqKey)> = Vec::new();
        for index in set.iter().copied().filter(|index| batch.jobs[*index].is_open()) {
            let job = &batch.jobs[index];
            let known = job.request_id().and_then(|id| self.memory.shards.get(&job.partition)?.keys.find(id));
            decided.extend(known.map(|known| (index, (job.partition, known.seq))));
        }
        if !decided.is_empty() {
            self.answer_replays(batch, &decided).await;
        }
        set.into_iter().filter(|index| batch.jobs[*index].is_open()).collect()
    }

    pub(super) async fn answer_replays(&mut self, batch: &mut Batch, replays: &[(usize, SeqKey)]) {
        let keys: Vec<SeqKey> = replays.iter().map(|(_, key)| *key).collect();
        match store::list_by_seq(&self.db, &keys).await {
            Ok(stored) => {
                for (index, key) in replays {
                    match stored.get(key) {
                        Some(entry) => self.replay(batch, *index, entry.clone()),
                        None => batch.answer(*index, Err(recovering())),
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "stored answers could not be read");
                let indices: Vec<usize> = replays.iter().map(|(index, _)| *index).collect();
                let unavailable = WalletError::Unavailable("the database could not be read".to_owned());
                batch.answer_all(&indices, &unavailable);
            }
        }
    }
}

fn slice_error((index, error): (usize, WalletError)) -> SliceError {
    match error {
        WalletError::BadCommand(_) | WalletError::RequestReused => SliceError::Rejected { index, error },
        WalletError::OutcomeUnknown
        | WalletError::ShardMoved
        | WalletError::Overloaded
        | WalletError::Unavailable(_) => SliceError::Failed(error),
    }
}

fn partitions_of(entries: &[Entry]) -> Vec<Partition> {
    let partitions: BTreeSet<Partition> = entries.iter().map(|entry| entry.stamp.partition).collect();
    partitions.into_iter().collect()
}

/// A length as metrics take it.
pub(super) fn metric(len: usize) -> f64 {
    f64::from(u32::try_from(len).unwrap_or(u32::MAX))
}
