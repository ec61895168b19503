//! Keeps partitions: holds what this node is to hold, saves marks, and runs the readers over what is held.

use super::post_vouchers::{SharedWriter, Terminology};
use crate::domain::movement::Accountable;
use crate::readers::on_source::OnSource;
use bus::Bus;
use contracts::entry::Entry;
use contracts::item::Item;
use contracts::payment::Payment;
use contracts::payout::Payout;
use pg::Db;
use seqlog::{Handler, LogSource, Ownership, Reader, ReaderSettings, ReaderStatus};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// How often it is looked whether adjusting vouchers are to be posted.
const ADJUST_EVERY: Duration = Duration::from_millis(250);

/// How often marks are saved.
const MARKS_EVERY: Duration = Duration::from_secs(1);

/// Where the rows come from.
#[derive(Clone)]
pub struct Sources {
    pub payments: Arc<dyn LogSource<Payment>>,
    pub entries: Arc<dyn LogSource<Entry>>,
    pub items: Arc<dyn LogSource<Item>>,
    pub payouts: Arc<dyn LogSource<Payout>>,
}

/// What the readers need.
pub struct Reading {
    pub db: Db,
    pub bus: Bus,
    pub settings: ReaderSettings,
    pub terminology: Arc<Terminology>,
    pub writer: SharedWriter,
    pub ownership: Ownership,
    pub shutdown: watch::Receiver<bool>,
}

/// A reader at work, and what it tells about itself.
pub struct Started {
    pub name: &'static str,
    pub status: watch::Receiver<ReaderStatus>,
    pub task: JoinHandle<()>,
}

impl Reading {
    /// Starts the readers over what is held now; they follow what is held later.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn start(&self, sources: &Sources) -> Result<[Started; 4], sqlx::Error> {
        let payments = self.start_one(Arc::clone(&sources.payments)).await?;
        let entries = self.start_one(Arc::clone(&sources.entries)).await?;
        let items = self.start_one(Arc::clone(&sources.items)).await?;
        Ok([payments, entries, items, self.start_one(Arc::clone(&sources.payouts)).await?])
    }

    async fn start_one<R: Accountable>(&self, source: Arc<dyn LogSource<R>>) -> Result<Started, sqlx::Error> {
        let terminology = Arc::clone(&self.terminology);
        let handler = OnSource::<R>::new(Arc::clone(&self.writer), terminology, self.ownership.clone());
        let name = handler.name();
        let held = self.ownership.holdings().partitions();
        let reader = Reader::try_new(self.db.clone(), source, handler, self.settings, held).await?;
        let status = reader.status();
        let (bus, stop) = (self.bus.clone(), self.shutdown.clone());
        let task = tokio::spawn(async move {
            reader.run(bus, stop).await;
        });
        Ok(Started { name, status, task })
    }
}

/// Runs until `shutdown` turns true; the readers end first, and their writer lets go last.
pub async fn keep_partitions(
    writer: SharedWriter,
    readers: [JoinHandle<()>; 4],
    ownership: Ownership,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut ownership = ownership;
    let mut ticks = tokio::time::interval(MARKS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut adjusting = tokio::time::interval(ADJUST_EVERY);
    adjusting.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*shutdown.borrow() {
        tokio::select! {
            biased;
            _ = shutdown.changed() => break,
            () = ownership.changed() => {}
            _ = ticks.tick() => save_marks(&writer).await,
            _ = adjusting.tick() => {
                post_adjustments(&writer).await;
                continue;
            }
        }
        if let Err(error) = writer.lock().await.follow().await {
            tracing::warn!(%error, "partitions were not taken over or left; tried again in a second");
        }
    }
    for task in readers {
        if let Err(error) = task.await {
            tracing::error!(%error, "a reader ended badly");
        }
    }
    if let Err(error) = writer.lock().await.appender.release().await {
        tracing::warn!(%error, "the last marks were not saved");
    }
}

async fn post_adjustments(writer: &SharedWriter) {
    if let Err(error) = writer.lock().await.post_adjustments().await {
        tracing::warn!(%error, "adjusting vouchers were not posted; tried again in a moment");
    }
}

async fn save_marks(writer: &SharedWriter) {
    if let Err(error) = writer.lock().await.appender.save_marks().await {
        tracing::warn!(%error, "marks were not saved; tried again in a second");
    }
}
