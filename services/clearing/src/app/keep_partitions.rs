//! Keeps partitions: takes free ones over, saves marks, and runs the three readers over what is held.
//!
//! When partitions are gained, the readers are stopped between two turns and started again over all of them.

use super::post_vouchers::{SharedWriter, Terminology, Writer};
use crate::readers::on_source::OnSource;
use crate::store::vouchers::VouchersTable;
use bus::Bus;
use contracts::entry::Entry;
use contracts::item::Item;
use contracts::payment::Payment;
use ids::Partition;
use pg::Db;
use seqlog::{Appender, Handler, LogSource, Reader, ReaderSettings, ReaderStatus, TableSource, TakeOver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often marks are saved.
const MARKS_EVERY: Duration = Duration::from_secs(1);

/// Where the rows come from.
#[derive(Clone)]
pub struct Sources {
    pub payments: Arc<dyn LogSource<Payment>>,
    pub entries: Arc<dyn LogSource<Entry>>,
    pub items: Arc<dyn LogSource<Item>>,
}

/// What keeping needs.
pub struct Keeping {
    pub db: Db,
    pub bus: Bus,
    pub sources: Sources,
    pub settings: ReaderSettings,
    pub lease: Duration,
    pub terminology: Arc<Terminology>,
}

/// What one reader tells about itself, by its name.
type Named = (&'static str, watch::Receiver<ReaderStatus>);

/// Lag and stops of the readers that run now, by name.
#[derive(Clone, Default)]
pub struct Statuses(Arc<Mutex<Vec<Named>>>);

impl Statuses {
    /// As of the readers' last turns.
    pub fn now(&self) -> Vec<(&'static str, ReaderStatus)> {
        let statuses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        statuses.iter().map(|(name, status)| (*name, status.borrow().clone())).collect()
    }

    fn replace(&self, with: Vec<Named>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = with;
    }
}

/// The writer of this process, holding nothing yet, and its log as a source.
pub fn writer_of(db: &Db, appender: Appender<VouchersTable>) -> (SharedWriter, TableSource<VouchersTable>) {
    let source = appender.source();
    (Arc::new(tokio::sync::Mutex::new(Writer::new(db.clone(), appender))), source)
}

/// Runs until `shutdown` turns true; then finishes the turns in progress and ends the leases.
pub async fn keep_partitions(
    keeping: Keeping,
    writer: SharedWriter,
    statuses: Statuses,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut readers: Option<Readers> = None;
    let mut ticks = tokio::time::interval(MARKS_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut next_take_over = tokio::time::Instant::now();
    while !*shutdown.borrow() {
        tokio::select! {
            biased;
            _ = shutdown.changed() => break,
            _ = ticks.tick() => {}
        }
        if next_take_over <= tokio::time::Instant::now() {
            next_take_over = tokio::time::Instant::now() + keeping.lease / 2;
            if take_over_free(&writer).await > 0 {
                if let Some(running) = readers.take() {
                    running.stop().await;
                }
                readers = start_readers(&keeping, &writer, &statuses).await;
            }
        }
        // Readers that could not start leave partitions held and unread: try again.
        if readers.is_none() && writer.lock().await.appender.partitions().next().is_some() {
            readers = start_readers(&keeping, &writer, &statuses).await;
        }
        if let Err(error) = writer.lock().await.appender.save_marks().await {
            tracing::warn!(%error, "marks were not saved; tried again in a second");
        }
    }
    if let Some(running) = readers {
        running.stop().await;
    }
    if let Err(error) = writer.lock().await.appender.release().await {
        tracing::warn!(%error, "leases were not released; they run out by themselves");
    }
}

/// Takes over what nobody holds; returns how many partitions were gained.
async fn take_over_free(writer: &SharedWriter) -> usize {
    let mut gained = 0;
    for partition in Partition::all() {
        let mut writer = writer.lock().await;
        if writer.appender.head(partition).is_some() {
            continue;
        }
        match writer.appender.take_over(partition).await {
            Ok(TakeOver::Taken(_)) => gained += 1,
            Ok(TakeOver::Leased | TakeOver::Deposed) => {}
            Err(error) => {
                tracing::warn!(%error, %partition, "a partition could not be taken over; tried again");
                return gained;
            }
        }
    }
    gained
}

struct Readers {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Readers {
    async fn stop(self) {
        let _ = self.stop.send(true); // No receiver: every reader has ended already.
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a reader ended badly");
            }
        }
    }
}

async fn start_readers(keeping: &Keeping, writer: &SharedWriter, statuses: &Statuses) -> Option<Readers> {
    let partitions: Vec<Partition> = writer.lock().await.appender.partitions().collect();
    let (stop, _) = watch::channel(false);
    let mut readers = Readers { stop, tasks: Vec::new() };
    let mut running = Vec::new();
    let sources = keeping.sources.clone();
    let started = async {
        start_one(keeping, writer, sources.payments, &partitions, (&mut readers, &mut running)).await?;
        start_one(keeping, writer, sources.entries, &partitions, (&mut readers, &mut running)).await?;
        start_one(keeping, writer, sources.items, &partitions, (&mut readers, &mut running)).await
    };
    match started.await {
        Ok(()) => {
            statuses.replace(running);
            Some(readers)
        }
        Err(error) => {
            tracing::warn!(%error, "the readers could not start; tried again");
            readers.stop().await;
            None
        }
    }
}

type Started<'a> = (&'a mut Readers, &'a mut Vec<Named>);

async fn start_one<R: crate::domain::movement::Accountable>(
    keeping: &Keeping,
    writer: &SharedWriter,
    source: Arc<dyn LogSource<R>>,
    partitions: &[Partition],
    (readers, running): Started<'_>,
) -> Result<(), sqlx::Error> {
    let handler = OnSource::<R>::new(Arc::clone(writer), Arc::clone(&keeping.terminology));
    let name = handler.name();
    let partitions = partitions.iter().copied();
    let reader = Reader::try_new(keeping.db.clone(), source, handler, keeping.settings, partitions).await?;
    running.push((name, reader.status()));
    let (bus, stop) = (keeping.bus.clone(), readers.stop.subscribe());
    readers.tasks.push(tokio::spawn(async move {
        reader.run(bus, stop).await;
    }));
    Ok(())
}
