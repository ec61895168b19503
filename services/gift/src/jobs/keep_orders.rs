//! Runs the orders keeper: takes partitions over, feeds it messages, and lets go at shutdown.
//!
//! Messages wait `report_wait` before they are read, so that the report of most orders is there first and
//! few need a row of their own while they wait.

use crate::readers::desk::ReportDesk;
use crate::readers::on_entries::{Keeper, READER_NAME};
use crate::store::orders;
use bus::{Bus, Subscription};
use bytes::Bytes;
use contracts::entry::Entry;
use contracts::log::LogName;
use ids::Partition;
use pg::Db;
use seqlog::{LogSource, Reader, ReaderSettings, ReaderStatus};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

/// Messages held back before the oldest are read early.
const HELD_MESSAGES_MAX: usize = 2_048;

/// What the outside may know of the keeper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeeperStatus {
    pub reader: ReaderStatus,
    /// Accepted gifts whose order is not decided yet.
    pub pending_len: usize,
    pub partitions_len: usize,
}

/// What the task needs.
pub struct KeepOrders {
    pub db: Db,
    pub bus: Bus,
    pub entries: Arc<dyn LogSource<Entry>>,
    /// The owner's name in `log_heads`.
    pub owner: String,
    pub reader: ReaderSettings,
    pub report_wait: Duration,
    /// How often partitions that another node held are tried again.
    pub take_over_every: Duration,
    pub status: watch::Sender<KeeperStatus>,
    /// Told which partitions are kept here.
    pub desk: Arc<ReportDesk>,
}

impl KeepOrders {
    /// Takes over what is free, so that a service that has started is a service that keeps its orders.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn begin(&self, mut keeper: Keeper) -> Result<Reader<Keeper>, sqlx::Error> {
        let held: Vec<Partition> = keeper.partitions().collect();
        let free = orders::list_free(&self.db, &self.owner).await?;
        let wanted: Vec<Partition> = free.into_iter().filter(|partition| !held.contains(partition)).collect();
        keeper.take_over(&wanted).await?;
        let partitions: Vec<Partition> = keeper.partitions().collect();
        self.desk.set_kept(partitions.iter().copied());
        Reader::try_new(self.db.clone(), Arc::clone(&self.entries), keeper, self.reader, partitions).await
    }

    /// Runs until `shutdown` turns true; a turn in progress is finished first.
    pub async fn run(self, reader: Reader<Keeper>, mut shutdown: watch::Receiver<bool>) {
        let mut reader = reader;
        let mut queue = self.subscribe().await;
        let mut held: VecDeque<(Instant, Bytes)> = VecDeque::new();
        let mut turns = tokio::time::interval(self.reader.gather);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tried_at = Instant::now();
        while !*shutdown.borrow() {
            tokio::select! {
                biased;
                _ = shutdown.changed() => break,
                _ = turns.tick() => {}
            }
            match queue.as_mut() {
                Some(queue) => receive(queue, &mut held),
                None => queue = self.subscribe().await,
            }
            while let Some((_, payload)) = held.pop_front_if(|(since, _)| since.elapsed() >= self.report_wait)
            {
                reader.receive(&payload);
            }
            while held.len() > HELD_MESSAGES_MAX {
                if let Some((_, payload)) = held.pop_front() {
                    reader.receive(&payload);
                }
            }
            if let Err(error) = reader.turn().await {
                tracing::warn!(reader = READER_NAME, %error, "a turn failed and will be repeated");
                tokio::time::sleep(self.reader.pull_after).await;
            }
            self.report(&reader);
            if tried_at.elapsed() >= self.take_over_every {
                tried_at = Instant::now();
                match self.take_more(reader).await {
                    Ok((same_or_more, changed)) => {
                        reader = same_or_more;
                        if changed {
                            queue = self.subscribe().await;
                        }
                    }
                    Err(error) => {
                        tracing::error!(%error, "the orders keeper lost its place and stops; restart this node");
                        return;
                    }
                }
            }
        }
        let keeper = self.keeper_of(reader).await;
        if let Err(error) = keeper.release().await {
            tracing::warn!(%error, "leases were not ended and will run out by themselves");
        }
    }

    /// Takes over partitions whose last owner is gone. The `bool` says whether the reader is a new one.
    async fn take_more(&self, reader: Reader<Keeper>) -> Result<(Reader<Keeper>, bool), sqlx::Error> {
        let held: Vec<Partition> = reader.handler().partitions().collect();
        if held.len() == usize::from(ids::PARTITION_COUNT) {
            return Ok((reader, false));
        }
        let free = orders::list_free(&self.db, &self.owner).await;
        let Ok(free) = free else { return Ok((reader, false)) }; // Tried again at the next interval.
        if free.iter().all(|partition| held.contains(partition)) {
            return Ok((reader, false));
        }
        let keeper = self.keeper_of(reader).await;
        Ok((self.begin(keeper).await?, true))
    }

    /// A reader told to stop gives its handler back.
    async fn keeper_of(&self, reader: Reader<Keeper>) -> Keeper {
        let (_stopped, stop) = watch::channel(true);
        reader.run(self.bus.clone(), stop).await
    }

    async fn subscribe(&self) -> Option<Subscription> {
        match self.bus.subscribe(LogName::Entries.as_str(), READER_NAME).await {
            Ok(queue) => Some(queue),
            Err(error) => {
                tracing::warn!(reader = READER_NAME, %error, "no queue; reading by pulls only");
                None
            }
        }
    }

    fn report(&self, reader: &Reader<Keeper>) {
        self.desk.set_kept(reader.handler().partitions());
        let status = KeeperStatus {
            reader: reader.status().borrow().clone(),
            pending_len: reader.handler().pending_len(),
            partitions_len: reader.handler().partitions().count(),
        };
        self.status.send_if_modified(|known| {
            let changed = *known != status;
            *known = status;
            changed
        });
    }
}

fn receive(queue: &mut Subscription, held: &mut VecDeque<(Instant, Bytes)>) {
    let now = Instant::now();
    while let Some(payload) = queue.try_recv() {
        held.push_back((now, payload));
    }
}
