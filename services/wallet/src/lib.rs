//! The only place where coins move.
//!
//! What the wallet promises:
//! - Every command is decided once per request id, for ever; refusals of the viewer are pinned like
//!   acceptances. An answer leaves after its entry is durable, never before.
//! - No balance is ever negative. A writer that was deposed can write nothing, and says so.
//! - Balances are what the log's entries made them: memory and snapshots are only faster ways to know.
//!
//! Must not know what a gift costs, what a coin is worth, or whether a room saw anything.

mod app;
pub mod bench;
pub mod config;
pub mod domain;
mod handle;
pub mod http;
mod readers;
mod store;

pub use app::{MoveError, MoveStep, Moved, OldDay, RetireError, list_old_days, move_group, retire_day};
pub use config::{Config, ConfigError, Home};
use handle::lane_of;
pub use handle::{Pending, WalletHandle};
pub use store::{DayPart, EntriesTable};

use app::Lane;
use bus::Bus;
use chrono::{DateTime, SubsecRound, Utc};
use contracts::entry::Entry;
use contracts::log::{AccountingZone, LogName};
use contracts::payment::Payment;
use ids::{GroupSet, Partition};
use pg::Db;
use seqlog::{
    Appender, AppenderSettings, LogSource, Membership, NodeSettings, Ownership, ReaderStatus, Relaying,
    TableSource,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// The commented defaults, as shipped.
pub const DEFAULTS: &str = include_str!("../wallet.default.toml");

/// The OpenAPI document of the public routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    <http::public::PublicApi as utoipa::OpenApi>::openapi()
}

/// The public routes over a wallet that may be in other processes.
pub fn public_router(wallet: Arc<dyn contracts::wallet::Wallet>) -> axum::Router {
    http::public::router(wallet)
}

/// The wallet's migrations; run after seqlog's.
pub static MIGRATOR: std::sync::LazyLock<pg::Migrator> = std::sync::LazyLock::new(|| {
    pg::migrator(&[
        (101, "init", include_str!("../../../migrations/wallet/0101_init.sql")),
        (102, "changes", include_str!("../../../migrations/wallet/0102_changes.sql")),
    ])
});

/// What time it is. A test's clock may stand still; partitions' time never runs back whatever it says.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The clock of the machine.
pub fn system_clock() -> Clock {
    Arc::new(Utc::now)
}

/// What the wallet is composed of.
pub struct Deps {
    /// The migrated schema `wallet` of one lane.
    pub db: Db,
    pub bus: Bus,
    /// `cashier.payments`; `None` where no cashier runs (benches, tests of other services).
    pub payments: Option<Arc<dyn LogSource<Payment>>>,
    pub config: Config,
    pub zone: AccountingZone,
    /// This node's name: unique among live nodes, the same after a restart.
    pub node: String,
    pub clock: Clock,
}

/// Why the wallet did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the wallet's settings cannot work")]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Node(#[from] seqlog::JoinError),
    #[error("the wallet's tables could not be opened")]
    Db(#[from] sqlx::Error),
}

/// A wallet at work.
pub struct Running {
    handle: WalletHandle,
    source: Arc<TableSource<EntriesTable>>,
    membership: Membership,
    lanes: Vec<JoinHandle<()>>,
    reader: Option<JoinHandle<()>>,
    reader_status: watch::Receiver<ReaderStatus>,
    shutdown: watch::Sender<bool>,
    reader_shutdown: watch::Sender<bool>,
}

/// Starts the lanes and the reader of payments. Partitions that another node leases are taken over later.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub async fn start(mut deps: Deps) -> Result<Running, StartError> {
    deps.config.check()?;
    // The tables keep microseconds: an answer must show the entry as every later reading will.
    let clock = deps.clock;
    deps.clock = Arc::new(move || clock().trunc_subsecs(6));
    let (shutdown, lanes_stop) = watch::channel(false);
    let (reader_shutdown, reader_stop) = watch::channel(false);
    if deps.config.home == Home::Moved {
        seqlog::stand_by(&deps.db, LogName::Entries).await?;
    }
    let lease = Duration::from_millis(deps.config.lease_ms);
    let settings = NodeSettings::even(&deps.node, lease);
    let membership = Membership::join(deps.db.clone(), LogName::Entries.as_str(), settings).await?;
    let ownership = membership.ownership();
    let mut opened = Vec::new();
    for index in 0..deps.config.lane_count {
        opened.push(open_lane(&deps, index, ownership.clone()).await?);
    }
    let mut queues = Vec::new();
    let mut lanes = Vec::new();
    for lane in opened {
        let (queue, works) = mpsc::channel(deps.config.queue_len_max);
        queues.push(queue);
        lanes.push(tokio::spawn(lane.run(works, lanes_stop.clone())));
    }
    let handle = WalletHandle::new(queues, deps.db.clone(), ownership.holdings().clone());
    let (status, reader_status) = watch::channel(ReaderStatus::default());
    let reader = match deps.payments {
        None => None,
        Some(source) => {
            let reader =
                readers::PaymentsReader::try_new(deps.db.clone(), deps.bus, source, handle.clone(), status)
                    .await?;
            Some(tokio::spawn(reader.run(reader_stop)))
        }
    };
    let source = Arc::new(TableSource::new(deps.db, EntriesTable));
    Ok(Running { handle, source, membership, lanes, reader, reader_status, shutdown, reader_shutdown })
}

async fn open_lane(deps: &Deps, index: usize, ownership: Ownership) -> Result<Lane, sqlx::Error> {
    let settings = AppenderSettings {
        ownership,
        relaying: if deps.config.relay { Relaying::On } else { Relaying::Off },
    };
    let appender = Appender::new(deps.db.clone(), EntriesTable, deps.bus.clone(), settings);
    let lane_settings = deps.config.lane_settings(deps.zone, deps.db.lane());
    let wanted =
        Partition::all().filter(|partition| lane_of(*partition, deps.config.lane_count) == index).collect();
    let mut lane = Lane::new(deps.db.clone(), appender, lane_settings, Arc::clone(&deps.clock), wanted);
    lane.open_all().await?;
    Ok(lane)
}

impl Running {
    pub fn handle(&self) -> WalletHandle {
        self.handle.clone()
    }

    /// `wallet.entries` for readers' pulls.
    pub fn log_source(&self) -> Arc<dyn LogSource<Entry>> {
        let source: Arc<TableSource<EntriesTable>> = Arc::clone(&self.source);
        source
    }

    /// Routes for viewers and finance, over the shards of this node.
    pub fn public_router(&self) -> axum::Router {
        http::public::router(Arc::new(self.handle.clone()))
    }

    /// Internal routes for other processes.
    pub fn router(&self) -> axum::Router {
        http::router(self.handle.clone())
    }

    /// Lag and stopped partitions of the reader of `cashier.payments`.
    pub fn reader_status(&self) -> BTreeMap<LogName, ReaderStatus> {
        BTreeMap::from([(LogName::Payments, self.reader_status.borrow().clone())])
    }

    /// Hands the partitions to other live nodes, if there are any; goes on with what nobody takes.
    pub async fn drain(&self, limit: Duration) -> GroupSet {
        self.membership.drain(limit).await
    }

    /// Stops cleanly: the reader first, then the lanes decide what is queued, write snapshots and end leases.
    pub async fn shutdown(self) {
        let _ = self.reader_shutdown.send(true); // Without a receiver there is nothing to stop.
        if let Some(reader) = self.reader {
            let _ = reader.await; // A reader that panicked has said so in the log.
        }
        let _ = self.shutdown.send(true);
        for lane in self.lanes {
            let _ = lane.await;
        }
        self.membership.leave().await;
    }

    /// Stops as a crash would: nothing is drained, written or released. For tests of takeovers.
    pub fn abort(self) {
        if let Some(reader) = self.reader {
            reader.abort();
        }
        for lane in self.lanes {
            lane.abort();
        }
    }
}
