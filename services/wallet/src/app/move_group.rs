//! A group of partitions moves from one of the wallet's databases to another while it is written.
//!
//! Most of it is copied while its owner goes on deciding. Then the owner lets go, as it would for another node; the
//! group is shut in the old database; what was decided since is copied; the new database opens it, and a node there
//! takes it over by epoch. Debits of the group wait for the last three steps and for that takeover, and no others.
//! Every step can be repeated: a move that was cut off goes on where it was, and until the new database has opened the
//! group it can be taken back. What was copied stays in the old database too, as the past of a log never changes.

use crate::store::{self, Days};
use contracts::log::{LogName, Seq};
use ids::{Partition, PartitionGroup};
use pg::Db;
use seqlog::GroupHead;
use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use std::time::{Duration, Instant};

const LOG: LogName = LogName::Entries;

/// Entries one transaction copies.
const CHUNK_ROWS_MAX: Seq = 50_000;
/// With so few left to copy the group is shut: less than a second's work.
const TAIL_ROWS_MAX: Seq = 10_000;
/// Rounds of copying what was decided during the last one. A group that writes faster than it can be copied is shut
/// all the same.
const ROUNDS_MAX: usize = 20;
/// How long the owner may take to let go by itself.
const LET_GO_MAX: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Why a group did not move. It is written where it was, unless the step before said that it was shut: then the same
/// move goes on from there, and the move back opens it again.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    #[error("a database failed")]
    Db(#[from] sqlx::Error),
    #[error("both are {0}: name two databases")]
    SamePlace(String),
    #[error("another move is under way at {0}; wait for it")]
    Busy(String),
    #[error("group {group} does not lie at {place}: it was moved to {moved_to}")]
    Elsewhere { group: PartitionGroup, place: String, moved_to: String },
    #[error(
        "{place} writes group {group} too: set wallet.home = \"moved\" for its nodes before their first start"
    )]
    BothWrite { group: PartitionGroup, place: String },
    #[error("entries {after} to {upto} of partition {partition} differ after they were copied")]
    Differs { partition: Partition, after: Seq, upto: Seq },
    #[error("the entries of {place} cannot be copied: it was written after the group had left")]
    Forked { place: String },
}

/// How far a move is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveStep {
    /// Copied while the group is written; so many entries were left when the round began.
    Copying {
        round: usize,
        left: Seq,
    },
    Accounts(u64),
    /// The owner is asked to let go.
    Leaving,
    /// Nobody writes the group from here on.
    Shut {
        left: Seq,
    },
    Opened,
    /// The group is written where it was: an unfinished move was taken back.
    TakenBack,
}

/// What a move did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    pub entries: Seq,
    pub accounts: u64,
    /// From when nobody held the group until it could be taken over.
    pub shut_for: Duration,
}

/// Moves `group` from one database to another, both migrated; `to` stands by for groups it does not have.
///
/// # Errors
/// [`MoveError`].
pub async fn move_group(
    from: &Db,
    to: &Db,
    group: PartitionGroup,
    tell: &(dyn Fn(MoveStep) + Sync),
) -> Result<Moved, MoveError> {
    let places = (pg::place_of(&from.pool()), pg::place_of(&to.pool()));
    if places.0 == places.1 {
        return Err(MoveError::SamePlace(places.0));
    }
    let locks = [lock(from, &places.0).await?, lock(to, &places.1).await?];
    let moving = Moving { from, to, places, group, tell };
    let moved = moving.run().await;
    for mut lock in locks {
        // A connection that cannot say so is closed, which ends its locks.
        if sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut *lock).await.is_err() {
            lock.close_on_drop();
        }
    }
    moved
}

/// Holds off other moves for as long as the connection lives.
async fn lock(db: &Db, place: &str) -> Result<PoolConnection<Postgres>, MoveError> {
    let mut connection = db.pool().acquire().await?;
    let ours: bool = sqlx::query_scalar(db.sql("SELECT pg_try_advisory_lock(hashtext('{s}.moves'))"))
        .fetch_one(&mut *connection)
        .await?;
    if ours { Ok(connection) } else { Err(MoveError::Busy(place.to_owned())) }
}

struct Moving<'a> {
    from: &'a Db,
    to: &'a Db,
    places: (String, String),
    group: PartitionGroup,
    tell: &'a (dyn Fn(MoveStep) + Sync),
}

impl Moving<'_> {
    async fn run(&self) -> Result<Moved, MoveError> {
        seqlog::stand_by(self.to, LOG).await?;
        let (from, to) = (self.head(self.from).await?, self.head(self.to).await?);
        if to.moved_to.is_none() {
            return Err(match from.moved_to {
                Some(moved_to) => self.elsewhere(moved_to),
                None => MoveError::BothWrite { group: self.group, place: self.places.1.clone() },
            });
        }
        match &from.moved_to {
            None => {}
            Some(place) if *place == self.places.1 => {} // A move that was cut off.
            Some(place) => {
                // A move the other way that was cut off before anything was opened.
                if to.moved_to.as_ref() == Some(&self.places.0) && to.covers(&from) {
                    return self.take_back().await;
                }
                return Err(self.elsewhere(place.clone()));
            }
        }
        if !from.covers(&to) {
            return Err(MoveError::Forked { place: self.places.1.clone() });
        }
        self.carry().await
    }

    async fn carry(&self) -> Result<Moved, MoveError> {
        let mut entries = self.copy_while_written().await?;
        let mut accounts = 0;
        for partition in self.group.partitions() {
            accounts += store::copy_accounts(self.from, self.to, partition).await?;
        }
        (self.tell)(MoveStep::Accounts(accounts));
        entries += self.copy_round(1).await?;
        (self.tell)(MoveStep::Leaving);
        seqlog::begin_leaving(self.from, LOG, self.group, &self.places.1).await?;
        self.wait_until_let_go().await?;
        let shut = Instant::now();
        let elsewhere = || self.elsewhere("nowhere".to_owned());
        let head = seqlog::fence_out(self.from, LOG, self.group).await?.ok_or_else(elsewhere)?;
        (self.tell)(MoveStep::Shut { left: self.left(&head).await? });
        entries += self.copy_all(&head).await?;
        let mut tx = self.to.begin().await?;
        let arrived = seqlog::arrive_in_tx(&mut tx, self.to, self.from, (LOG, self.group), &head).await?;
        if !arrived {
            tx.rollback().await?;
            return Err(MoveError::BothWrite { group: self.group, place: self.places.1.clone() });
        }
        tx.commit().await?;
        (self.tell)(MoveStep::Opened);
        Ok(Moved { entries, accounts, shut_for: shut.elapsed() })
    }

    async fn take_back(&self) -> Result<Moved, MoveError> {
        seqlog::stay(self.to, LOG, self.group).await?;
        (self.tell)(MoveStep::TakenBack);
        Ok(Moved { entries: 0, accounts: 0, shut_for: Duration::ZERO })
    }

    /// A group that nobody has written yet has a head as empty as one that stands by.
    async fn head(&self, db: &Db) -> Result<GroupHead, MoveError> {
        Ok(seqlog::find_group_head(db, LOG, self.group).await?.unwrap_or_else(GroupHead::unwritten))
    }

    fn elsewhere(&self, moved_to: String) -> MoveError {
        MoveError::Elsewhere { group: self.group, place: self.places.0.clone(), moved_to }
    }

    async fn wait_until_let_go(&self) -> Result<(), MoveError> {
        let until = Instant::now() + LET_GO_MAX;
        while Instant::now() < until && seqlog::is_claimed(self.from, LOG, self.group).await? {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn copy_while_written(&self) -> Result<Seq, MoveError> {
        let mut copied = 0;
        for round in 1..=ROUNDS_MAX {
            let left = self.left(&self.head(self.from).await?).await?;
            if left <= TAIL_ROWS_MAX {
                break;
            }
            copied += self.copy_round(round).await?;
        }
        Ok(copied)
    }

    /// Copies what there is now.
    async fn copy_round(&self, round: usize) -> Result<Seq, MoveError> {
        let head = self.head(self.from).await?;
        (self.tell)(MoveStep::Copying { round, left: self.left(&head).await? });
        self.copy_all(&head).await
    }

    async fn copy_all(&self, head: &GroupHead) -> Result<Seq, MoveError> {
        let mut days = Days::default();
        for day in store::list_days(self.from).await? {
            days.ensure(self.to, day).await?;
        }
        let mut copied = 0;
        for (partition, last_seq) in self.group.partitions().zip(&head.last_seqs) {
            copied += self.copy_upto(partition, *last_seq).await?;
        }
        Ok(copied)
    }

    /// Entries of `head` that are not copied yet.
    async fn left(&self, head: &GroupHead) -> Result<Seq, MoveError> {
        let mut left = 0;
        for (partition, last_seq) in self.group.partitions().zip(&head.last_seqs) {
            left += last_seq - store::find_last_seq(self.to, partition).await?;
        }
        Ok(left)
    }

    async fn copy_upto(&self, partition: Partition, last_seq: Seq) -> Result<Seq, MoveError> {
        let first = store::find_last_seq(self.to, partition).await?;
        let mut after = first;
        while after < last_seq {
            let upto = last_seq.min(after + CHUNK_ROWS_MAX);
            if !store::copy_entries(self.from, self.to, partition, (after, upto)).await? {
                return Err(MoveError::Differs { partition, after, upto });
            }
            after = upto;
        }
        Ok(after - first)
    }
}
