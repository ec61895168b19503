//! Runs the orders keeper: takes partitions over, feeds it messages, and lets go at shutdown.
//!
//! Messages wait `report_wait` before they are read, so that the report of most orders is there first and
//! few need a row of their own while they wait.

use crate::readers::desk::ReportDesk;
use crate::readers::on_entries::{Keeper, READER_NAME};
use bus::{Bus, Message, Subscription};
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
    pub reader: ReaderSettings,
    pub report_wait: Duration,
    pub status: watch::Sender<KeeperStatus>,
    /// Told which partitions are kept here.
    pub desk: Arc<ReportDesk>,
}

impl KeepOrders {
    /// Takes this node's share over, so that a service that has started is a service that keeps its orders.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn begin(&self, mut keeper: Keeper) -> Result<Reader<Keeper>, sqlx::Error> {
        keeper.follow().await?;
        let held: Vec<Partition> = keeper.held().collect();
        self.desk.set_kept(held.iter().copied());
        Reader::try_new(self.db.clone(), Arc::clone(&self.entries), keeper, self.reader, held).await
    }

    /// Runs until `shutdown` turns true; a turn in progress is finished first.
    pub async fn run(self, reader: Reader<Keeper>, mut shutdown: watch::Receiver<bool>) {
        let mut reader = reader;
        let mut queue = self.bus.subscribe(LogName::Entries.as_str(), READER_NAME);
        let mut held: VecDeque<(Instant, Message)> = VecDeque::new();
        let mut turns = tokio::time::interval(self.reader.gather);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*shutdown.borrow() {
            tokio::select! {
                biased;
                _ = shutdown.changed() => break,
                _ = turns.tick() => {}
            }
            queue.follow(reader.groups());
            receive(&mut queue, &mut held);
            let is_due = |(since, _): &mut (Instant, Message)| since.elapsed() >= self.report_wait;
            while let Some((_, message)) = match held.len() > HELD_MESSAGES_MAX {
                true => held.pop_front(),
                false => held.pop_front_if(is_due),
            } {
                let payload = message.payload().clone();
                if let Some(reason) = reader.receive(message) {
                    queue.refuse(payload, reason);
                }
            }
            reader.probe_if_silent().await;
            if let Err(error) = reader.turn().await {
                tracing::warn!(reader = READER_NAME, %error, "a turn failed and will be repeated");
                tokio::time::sleep(self.reader.pull_after).await;
            }
            self.report(&reader);
        }
        let keeper = self.keeper_of(reader).await;
        if let Err(error) = keeper.release().await {
            tracing::warn!(%error, "the last marks were not saved");
        }
    }

    /// A reader told to stop gives its handler back.
    async fn keeper_of(&self, reader: Reader<Keeper>) -> Keeper {
        let (_stopped, stop) = watch::channel(true);
        reader.run(self.bus.clone(), stop).await
    }

    fn report(&self, reader: &Reader<Keeper>) {
        self.desk.set_kept(reader.handler().held());
        let status = KeeperStatus {
            reader: reader.status().borrow().clone(),
            pending_len: reader.handler().pending_len(),
            partitions_len: reader.handler().held().count(),
        };
        self.status.send_if_modified(|known| {
            let changed = *known != status;
            *known = status;
            changed
        });
    }
}

fn receive(queue: &mut Subscription, held: &mut VecDeque<(Instant, Message)>) {
    let now = Instant::now();
    while let Some(message) = queue.try_recv() {
        held.push_back((now, message));
    }
}
