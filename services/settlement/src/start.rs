//! Puts settlement together and runs it.

use crate::app::Settlement;
use crate::app::contract_set::ContractSet;
use crate::app::log_moves::MoveLogger;
use crate::app::make_contract::keep_default;
use crate::app::resettle::Owner;
use crate::config::Config;
use crate::error::StartError;
use crate::http;
use crate::jobs;
use crate::readers::settle_orders::SettleOrders;
use crate::store::items::ItemsTable;
use crate::store::payouts::PayoutsTable;
use axum::Router;
use bus::Bus;
use cache::Cache;
use chrono::Utc;
use contracts::log::{AccountingZone, LogName};
use contracts::order::Order;
use ids::GroupSet;
use pg::Db;
use seqlog::{
    Appender, AppenderSettings, Handler, LogSource, Membership, NodeSettings, Reader, ReaderStatus, Relaying,
    TableSource,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What settlement needs from outside. The schema must be migrated: [`seqlog::MIGRATOR`], [`crate::MIGRATOR`].
pub struct Deps {
    pub db: Db,
    pub bus: Bus,
    /// Through which the contracts reach every node; of the database's lane.
    pub cache: Cache,
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
    contracts: ContractSet,
    source: TableSource<ItemsTable>,
    status: watch::Receiver<ReaderStatus>,
    membership: Membership,
    /// Of the log of payouts, which has nodes of its own.
    payouts: Membership,
    stop: watch::Sender<bool>,
    tasks: [JoinHandle<()>; 3],
}

/// Keeps the default contract, joins settlement's nodes, takes its share of the partitions over, and starts reading.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub async fn start(deps: Deps) -> Result<Running, StartError> {
    let Deps { db, bus, cache, orders, config, zone, node } = deps;
    if let Some(setting) = config.find_bad_setting() {
        return Err(StartError::BadSetting(setting));
    }
    config.default_contract.check()?;
    keep_default(&db, config.default_contract, &node, zone.day_of(Utc::now())).await?;
    let membership =
        Membership::join(db.clone(), LogName::Items.as_str(), NodeSettings::even(&node, config.lease()))
            .await?;
    let settings = AppenderSettings { ownership: membership.ownership(), relaying: Relaying::On };
    let appender = Appender::new(db.clone(), ItemsTable, bus.clone(), settings);
    let contracts = ContractSet::begin(&db, &cache, &node).await?;
    let held = contracts.held();
    let mut handler = SettleOrders::new(db.clone(), appender, &config, held);
    handler.follow().await?;
    let held = handler.partitions().unwrap_or_default();
    let reader = Reader::try_new(db.clone(), Arc::clone(&orders), handler, config.reader(), held).await?;
    let status = reader.status();
    let payouts =
        Membership::join(db.clone(), LogName::Payouts.as_str(), NodeSettings::even(&node, config.lease()))
            .await?;
    let settings = AppenderSettings { ownership: payouts.ownership(), relaying: Relaying::On };
    let logger =
        MoveLogger::new(db.clone(), Appender::new(db.clone(), PayoutsTable, bus.clone(), settings), zone);
    let (stop, shutdown) = watch::channel(false);
    let finalising = jobs::finalise_days(db.clone(), zone, config.clone(), shutdown.clone());
    let logging = jobs::log_moves(logger, config.log_every(), shutdown.clone());
    let reading = async move { reader.run(bus, shutdown).await.release().await };
    let tasks = [tokio::spawn(reading), tokio::spawn(finalising), tokio::spawn(logging)];
    let source = TableSource::new(db.clone(), ItemsTable);
    let Config { currency, payouts: settings, payer, public_url, .. } = config;
    let told = contracts.control();
    let settlement =
        Settlement { db, zone, currency, payouts: settings, payer, public_url, contracts: told, orders };
    let settlement = Arc::new(settlement);
    Ok(Running { settlement, contracts, source, status, membership, payouts, stop, tasks })
}

impl Running {
    /// The routes, for an edge to wrap.
    pub fn router(&self) -> Router {
        http::router(Arc::clone(&self.settlement))
    }

    /// What other services may ask of this one.
    pub fn owner(&self) -> Owner {
        Owner(Arc::clone(&self.settlement))
    }

    /// The sets that settlement publishes, by hand.
    pub fn controls(&self) -> Vec<refresh::Control> {
        vec![self.contracts.control()]
    }

    /// The log, for readers that pull.
    pub fn source(&self) -> TableSource<ItemsTable> {
        self.source.clone()
    }

    /// The reader's lag and stops, as of its last turn.
    pub fn status(&self) -> ReaderStatus {
        self.status.borrow().clone()
    }

    /// Hands the partitions to other live nodes, if there are any; goes on with what nobody takes.
    pub async fn drain(&self, limit: Duration) -> GroupSet {
        self.payouts.drain(limit).await;
        self.membership.drain(limit).await
    }

    /// Finishes the batch in progress, lets go of the partitions, and ends.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of settlement ended badly");
            }
        }
        self.contracts.stop().await;
        self.payouts.leave().await;
        self.membership.leave().await;
    }
}
