//! Puts settlement together and runs it.

use crate::app::Settlement;
use crate::app::make_contract::keep_default;
use crate::config::Config;
use crate::error::StartError;
use crate::http;
use crate::jobs;
use crate::readers::settle_orders::SettleOrders;
use crate::store::items::ItemsTable;
use axum::Router;
use bus::Bus;
use chrono::Utc;
use contracts::log::AccountingZone;
use contracts::order::Order;
use ids::PARTITION_COUNT;
use pg::Db;
use seqlog::{
    Appender, AppenderSettings, LogSource, Reader, ReaderSettings, ReaderStatus, Relaying, TableSource,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The wait between two tries to read where the reader stands, or to take partitions over.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// What settlement needs from outside. The schema must be migrated: [`seqlog::MIGRATOR`], [`crate::MIGRATOR`].
pub struct Deps {
    pub db: Db,
    pub bus: Bus,
    /// Where rows of `gift.orders` are pulled from.
    pub orders: Arc<dyn LogSource<Order>>,
    pub config: Config,
    pub zone: AccountingZone,
    /// The node's name: unique among live nodes, the same after a restart.
    pub node: String,
}

/// A running settlement.
pub struct Running {
    settlement: Arc<Settlement>,
    source: TableSource<ItemsTable>,
    status: SharedStatus,
    stop: watch::Sender<bool>,
    tasks: [JoinHandle<()>; 2],
}

/// The status of the reader that runs now: a new one starts when partitions are taken over later.
type SharedStatus = Arc<Mutex<watch::Receiver<ReaderStatus>>>;

/// Keeps the default contract, takes over every free partition, and starts reading.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub async fn start(deps: Deps) -> Result<Running, StartError> {
    let Deps { db, bus, orders, config, zone, node } = deps;
    if let Some(setting) = config.find_bad_setting() {
        return Err(StartError::BadSetting(setting));
    }
    config.default_contract.check()?;
    keep_default(&db, config.default_contract, &node, zone.day_of(Utc::now())).await?;
    let (stop, shutdown) = watch::channel(false);
    let (_, nothing_yet) = watch::channel(ReaderStatus::default());
    let status = Arc::new(Mutex::new(nothing_yet));
    let reading = Reading {
        db: db.clone(),
        bus,
        orders,
        settings: config.reader(),
        writing: AppenderSettings { owner: node, lease: config.lease(), relaying: Relaying::On },
        currency: config.currency.clone(),
        status: Arc::clone(&status),
        shutdown: shutdown.clone(),
    };
    let mut handler = reading.handler();
    handler.take_over_free().await?;
    let finalising =
        jobs::finalise_days(db.clone(), zone, config.finalise_every(), config.statements_per_batch, shutdown);
    let tasks = [tokio::spawn(reading.run(handler)), tokio::spawn(finalising)];
    let source = TableSource::new(db.clone(), ItemsTable);
    Ok(Running { settlement: Arc::new(Settlement { db, zone }), source, status, stop, tasks })
}

/// The reader's task.
struct Reading {
    db: Db,
    bus: Bus,
    orders: Arc<dyn LogSource<Order>>,
    settings: ReaderSettings,
    writing: AppenderSettings,
    currency: String,
    status: SharedStatus,
    shutdown: watch::Receiver<bool>,
}

impl Reading {
    /// A handler that holds nothing yet.
    fn handler(&self) -> SettleOrders {
        let appender = Appender::new(self.db.clone(), ItemsTable, self.bus.clone(), self.writing.clone());
        SettleOrders::new(self.db.clone(), appender, self.currency.clone())
    }

    /// Reads what this node holds. As long as that is not everything, it stops now and then to take over what
    /// has become free, and goes on with more.
    async fn run(self, mut handler: SettleOrders) {
        while !*self.shutdown.borrow() {
            let held = handler.partitions();
            let all = held.len() == usize::from(PARTITION_COUNT);
            if held.is_empty() {
                self.pause(RETRY_EVERY).await;
            } else {
                handler = self.read(handler, held, all).await;
            }
            if let Err(error) = handler.take_over_free().await {
                tracing::warn!(%error, "free partitions could not be taken over");
                self.pause(RETRY_EVERY).await;
            }
        }
        handler.release().await;
    }

    async fn read(&self, handler: SettleOrders, held: Vec<ids::Partition>, all: bool) -> SettleOrders {
        let orders = Arc::clone(&self.orders);
        let reader = match Reader::try_new(self.db.clone(), orders, handler, self.settings, held).await {
            Ok(reader) => reader,
            Err(error) => {
                tracing::warn!(%error, "the reader of gift.orders could not start");
                self.pause(RETRY_EVERY).await;
                return self.handler();
            }
        };
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = reader.status();
        let (stop, stopped) = watch::channel(false);
        let reading = reader.run(self.bus.clone(), stopped);
        tokio::pin!(reading);
        let mut shutdown = self.shutdown.clone();
        let regroup = async {
            if all { std::future::pending().await } else { tokio::time::sleep(self.writing.lease).await }
        };
        tokio::select! {
            handler = &mut reading => return handler,
            _ = shutdown.wait_for(|stop| *stop) => {}
            () = regroup => {}
        }
        stop.send_replace(true); // A turn in progress is finished first.
        reading.await
    }

    async fn pause(&self, time: Duration) {
        let mut shutdown = self.shutdown.clone();
        let _ = tokio::time::timeout(time, shutdown.wait_for(|stop| *stop)).await;
    }
}

impl Running {
    /// The routes, for an edge to wrap.
    pub fn router(&self) -> Router {
        http::router(Arc::clone(&self.settlement))
    }

    /// The log, for readers that pull.
    pub fn source(&self) -> TableSource<ItemsTable> {
        self.source.clone()
    }

    /// The reader's lag and stops, as of its last turn.
    pub fn status(&self) -> ReaderStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).borrow().clone()
    }

    /// Finishes the batch in progress, lets go of the partitions, and ends.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of settlement ended badly");
            }
        }
    }
}
