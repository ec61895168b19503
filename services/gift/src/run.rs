//! Starting and stopping: who is built from whom, and in which order they end.

use crate::app::ask_refund_case::RefundDesk;
use crate::app::limits::Limits;
use crate::app::published::{Place, PublishError};
use crate::app::ranks::{Ranks, RanksSettings};
use crate::app::send_gift::Sender;
use crate::app::shelf::{CatalogueFile, Shelf, ShelfError};
use crate::app::show::{self, ShowParts, ShowQueue};
use crate::app::stage::Stage;
use crate::app::switches::{Configured, Switches};
use crate::app::tell_refund_case::UNEXPLAINED;
use crate::config::Config;
use crate::domain::blind_box::DrawSeed;
use crate::domain::combo::Combos;
use crate::http::{self, State};
use crate::jobs::keep_orders::{KeepOrders, KeeperStatus};
use crate::jobs::lease::{self, Identity};
use crate::jobs::orphans::AdoptOrphans;
use crate::jobs::{refund_cases, refunds, share_quotas, teller};
use crate::readers::desk::{DESK_LEN_MAX, ReportDesk};
use crate::readers::on_entries::{Keeper, KeeperParts, KeeperSettings};
use crate::readers::routed_reports::RoutedReports;
use crate::store::orders::OrdersTable;
use axum::Router;
use bus::Bus;
use cache::Cache;
use contracts::catalogue::{Gift, Room};
use contracts::entry::Entry;
use contracts::log::{AccountingZone, Epoch, LogName};
use contracts::order::Order;
use contracts::owner::{ReturnsRecharges, TellsShares};
use contracts::show::ShowReports;
use contracts::wallet::Wallet;
use guard::Quotas;
use hotkey::HotTable;
use ids::{GroupSet, Partition};
use pg::Db;
use seqlog::{
    Appender, AppenderSettings, Holdings, LogSource, Membership, NodeSettings, Ownership, Relaying,
    TableSource,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

/// Batches of committed rows waiting to be told before they are dropped.
const TOLD_LEN_MAX: usize = 1_024;

/// How often a node looks whether ranks are still counted where it adds to them.
const RANKS_LOOK_EVERY: Duration = Duration::from_secs(2);

/// What gift is built from.
pub struct Deps {
    /// The schema [`crate::SERVICE`], migrated.
    pub db: Db,
    pub bus: Bus,
    pub cache: Cache,
    pub wallet: Arc<dyn Wallet>,
    /// Who sends the money of a minor's gifts back; `None` where this process reaches no cashier.
    pub recharges: Option<Arc<dyn ReturnsRecharges>>,
    /// Who knows what orders earned whom; `None` where this process reaches no settlement.
    pub shares: Option<Arc<dyn TellsShares>>,
    /// Where show reports go whose partition this process does not keep; `None` where there is one gift node.
    pub reports_elsewhere: Option<Arc<dyn ShowReports>>,
    /// `wallet.entries`, for pulls.
    pub entries: Arc<dyn LogSource<Entry>>,
    /// The secret of blind boxes; any length, kept for the life of the data.
    pub draw_secret: Vec<u8>,
    /// The catalogue an empty database begins with; [`crate::DEFAULT_CATALOGUE`] ships with the product.
    pub catalogue: String,
    /// What viewers may send and rooms receive on this node, where nobody has set it by hand.
    pub quotas: Arc<Quotas>,
    pub config: Config,
    pub zone: AccountingZone,
    /// The node's name: unique among live nodes, the same after a restart.
    pub node: String,
}

/// Why gift did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the catalogue file cannot be read")]
    Catalogue(#[from] serde_json::Error),
    #[error("the catalogue cannot be used")]
    Shelf(#[from] ShelfError),
    #[error("the switches or the limits cannot be used")]
    Switches(#[from] PublishError),
    #[error(transparent)]
    Node(#[from] seqlog::JoinError),
    #[error("hot ranks and counters cannot be kept")]
    Hot(#[from] hotkey::HotError),
    #[error("gift's tables cannot be read")]
    Db(#[from] sqlx::Error),
}

/// A running service.
pub struct Running {
    router: Router,
    state: Arc<State>,
    limits: Arc<Limits>,
    orders: TableSource<OrdersTable>,
    membership: Membership,
    status: watch::Receiver<KeeperStatus>,
    show: ShowQueue,
    /// Ends requests' streams and the jobs; the lease ends only after what was accepted has been shown.
    stop: watch::Sender<bool>,
    stop_keeper: watch::Sender<bool>,
    stop_lease: watch::Sender<bool>,
    jobs: Vec<JoinHandle<()>>,
    keeper: JoinHandle<()>,
    teller: JoinHandle<()>,
    lease: JoinHandle<()>,
}

/// What is opened before any task runs.
struct Opened {
    shelf: Arc<Shelf>,
    switches: Arc<Switches>,
    limits: Arc<Limits>,
    identity: Arc<Identity>,
    stage: Arc<Stage>,
    ranks: Arc<Ranks>,
    desk: Arc<ReportDesk>,
    node_lease: Duration,
}

async fn open(deps: &Deps) -> Result<Opened, StartError> {
    let config = &deps.config;
    let seed: Vec<Gift> = serde_json::from_str::<CatalogueFile>(&deps.catalogue)?.gifts;
    let place = Place {
        db: deps.db.clone(),
        cache: deps.cache.clone(),
        node: &deps.node,
        look_every: Duration::from_millis(config.shelf_poll_ms.max(10)),
    };
    let shelf = Arc::new(Shelf::begin(&place, &seed).await?);
    let configured =
        Configured { blind_boxes: config.blind_boxes, room_subscribers_max: config.room_subscribers_max };
    let switches = Arc::new(Switches::begin(&place, configured).await?);
    let limits = Arc::new(Limits::begin(&place, Arc::clone(&deps.quotas)).await?);
    let node_lease = Duration::from_millis(config.node_lease_ms.max(100));
    let identity = Arc::new(Identity::begin(&deps.db, &deps.node, node_lease).await?);
    let stage = Arc::new(Stage::new(deps.cache.clone(), config.subscribers_max));
    let ranking =
        RanksSettings { len_max: config.ranks_len_max, hot: config.hot(), counters: config.counters() };
    let ranks = Arc::new(Ranks::start(deps.cache.clone(), deps.zone, ranking)?);
    ranks.keep(&deps.db).await?;
    let desk = Arc::new(ReportDesk::new(deps.db.clone(), DESK_LEN_MAX));
    Ok(Opened { shelf, switches, limits, identity, stage, ranks, desk, node_lease })
}

/// Starts every part of gift. Returns when it may take requests.
///
/// # Errors
/// [`StartError`]; nothing keeps running then.
pub async fn start(deps: Deps) -> Result<Running, StartError> {
    let config = deps.config.clone();
    let Opened { shelf, switches, limits, identity, stage, ranks, desk, node_lease } = open(&deps).await?;
    let (stop, stopped) = watch::channel(false);
    let (stop_keeper, keeper_stopped) = watch::channel(false);
    let (stop_lease, lease_stopped) = watch::channel(false);
    let routed = routed_reports(&deps, &desk);
    let show_parts = ShowParts {
        stage: Arc::clone(&stage),
        identity: Arc::clone(&identity),
        desk: Arc::clone(&desk),
        reports: routed.clone(),
        resend_after: Duration::from_millis(config.report_resend_ms.max(10)),
    };
    let (show, mut jobs) = show::start(show_parts, stopped.clone());
    jobs.extend(keep_up(&ranks, &limits, &deps, &stopped));
    let (told, telling) = mpsc::channel(TOLD_LEN_MAX);
    let (status_in, status) = watch::channel(KeeperStatus::default());
    let keeping = keep_orders(&deps, Arc::clone(&desk), status_in);
    let kept = Arc::clone(&desk);
    let membership = join_nodes(&deps).await?;
    let reader = keeping.begin(keeper(&deps, desk, show.clone(), told, membership.ownership())).await?;
    let keeper = tokio::spawn(keeping.run(reader, keeper_stopped));
    let lease = tokio::spawn(lease::run(Arc::clone(&identity), deps.db.clone(), node_lease, lease_stopped));
    let refunds_due = Arc::new(Notify::new());
    let told = (Arc::clone(&stage), Arc::clone(&ranks));
    let teller = tokio::spawn(teller::run(telling, told, Arc::clone(&refunds_due), deps.db.clone()));
    let desk = refund_desk(&deps);
    jobs.extend(begin_refunds(&deps, &desk, refunds_due, &stopped));
    let adopting = adopt_orphans(&deps, &identity, &show);
    let orphans = Arc::clone(&adopting.orphans);
    jobs.push(tokio::spawn(adopting.run(stopped.clone())));
    let sender = Sender {
        shelf: Arc::clone(&shelf),
        switches: Arc::clone(&switches),
        wallet: Arc::clone(&deps.wallet),
        combos: begin_combos(&config, &mut jobs, stopped.clone()),
        identity,
        show: show.clone(),
        stage: Arc::clone(&stage),
        orphans,
        reports: routed,
        quotas: Arc::clone(&deps.quotas),
        seed: DrawSeed::new(&deps.draw_secret),
        key_age: config.key_age(),
        id_version: deps.db.lane().id_version(),
    };
    let orders = TableSource::new(deps.db.clone(), OrdersTable);
    let Deps { db, wallet, .. } = deps;
    let (heartbeat, shutdown) = (config.heartbeat(), stopped);
    let state = State { db, wallet, shelf, switches, sender, stage, ranks, heartbeat, shutdown };
    let state = Arc::new(state);
    let internal = http::internal::router(kept, membership.ownership().holdings().clone());
    Ok(Running {
        router: router_of(&state, Arc::clone(&limits), desk).merge(internal),
        state,
        limits,
        orders,
        membership,
        status,
        show,
        stop,
        stop_keeper,
        stop_lease,
        jobs,
        keeper,
        teller,
        lease,
    })
}

fn refund_desk(deps: &Deps) -> RefundDesk {
    RefundDesk {
        db: deps.db.clone(),
        wallet: Arc::clone(&deps.wallet),
        recharges: deps.recharges.clone(),
        shares: deps.shares.clone(),
    }
}

/// What gift itself owes, and what people have approved.
fn begin_refunds(
    deps: &Deps,
    desk: &RefundDesk,
    due: Arc<Notify>,
    stopped: &watch::Receiver<bool>,
) -> [JoinHandle<()>; 2] {
    let (db, wallet, every) = (deps.db.clone(), Arc::clone(&deps.wallet), deps.config.refund_retry());
    let owed = refunds::run(db, wallet, due, every, stopped.clone());
    [tokio::spawn(owed), tokio::spawn(refund_cases::run(desk.clone(), every, stopped.clone()))]
}

fn router_of(state: &Arc<State>, limits: Arc<Limits>, desk: RefundDesk) -> Router {
    let router = http::router(Arc::clone(state)).merge(http::quotas::router(limits));
    let served = trail::Served { db: desk.db.clone(), name: "refunds", unexplained: UNEXPLAINED };
    router.merge(trail::routes(served)).merge(http::refund_cases::router(desk))
}

/// Sweeps the combos that it makes.
fn begin_combos(
    config: &Config,
    jobs: &mut Vec<JoinHandle<()>>,
    stopped: watch::Receiver<bool>,
) -> Arc<Combos> {
    let combos = Arc::new(Combos::new(i64::from(config.combo_gap_ms), config.combo_sessions_max));
    jobs.push(tokio::spawn(sweep_combos(Arc::clone(&combos), config.combo_gap_ms, stopped)));
    combos
}

fn routed_reports(deps: &Deps, desk: &Arc<ReportDesk>) -> Arc<RoutedReports> {
    let patience = Duration::from_millis(deps.config.report_reach_max_ms);
    Arc::new(RoutedReports::new(Arc::clone(desk), deps.reports_elsewhere.clone(), patience))
}

async fn join_nodes(deps: &Deps) -> Result<Membership, seqlog::JoinError> {
    let lease = Duration::from_millis(deps.config.keeper_lease_ms.max(100));
    let settings = NodeSettings::even(&deps.node, lease);
    Membership::join(deps.db.clone(), LogName::Orders.as_str(), settings).await
}

fn adopt_orphans(deps: &Deps, identity: &Arc<Identity>, show: &ShowQueue) -> AdoptOrphans {
    AdoptOrphans {
        db: deps.db.clone(),
        wallet: Arc::clone(&deps.wallet),
        orphans: Arc::default(),
        identity: Arc::clone(identity),
        show: show.clone(),
        age_max: Duration::from_secs(deps.config.delivery_deadline_s),
    }
}

fn keeper(
    deps: &Deps,
    desk: Arc<ReportDesk>,
    show: ShowQueue,
    told: mpsc::Sender<Vec<Order>>,
    ownership: Ownership,
) -> Keeper {
    let config = &deps.config;
    let settings = AppenderSettings { ownership, relaying: Relaying::On };
    Keeper::new(KeeperParts {
        db: deps.db.clone(),
        appender: Appender::new(deps.db.clone(), OrdersTable, deps.bus.clone(), settings),
        desk,
        show,
        told,
        settings: KeeperSettings {
            delivery_deadline: Duration::from_secs(config.delivery_deadline_s),
            report_grace: Duration::from_secs(config.report_grace_s),
            look_every: Duration::from_millis(config.look_every_ms.max(10)),
        },
    })
}

fn keep_orders(deps: &Deps, desk: Arc<ReportDesk>, status: watch::Sender<KeeperStatus>) -> KeepOrders {
    KeepOrders {
        db: deps.db.clone(),
        bus: deps.bus.clone(),
        entries: Arc::clone(&deps.entries),
        reader: deps.config.reader(),
        report_wait: Duration::from_millis(deps.config.report_wait_ms),
        status,
        desk,
    }
}

async fn sweep_combos(combos: Arc<Combos>, gap_ms: u32, mut shutdown: watch::Receiver<bool>) {
    let every = Duration::from_millis(u64::from(gap_ms).max(1_000));
    while !*shutdown.borrow() {
        tokio::select! {
            _ = shutdown.changed() => return,
            () = tokio::time::sleep(every) => combos.sweep(chrono::Utc::now().timestamp_millis()),
        }
    }
}

/// Ranks are counted where they were lost, and limits followed where they change.
fn keep_up(
    ranks: &Arc<Ranks>,
    limits: &Arc<Limits>,
    deps: &Deps,
    stopped: &watch::Receiver<bool>,
) -> [JoinHandle<()>; 3] {
    let ranks = keep_ranks(Arc::clone(ranks), deps.db.clone(), stopped.clone());
    let sharing = (Arc::clone(&deps.quotas), deps.cache.clone(), deps.config.quota_share());
    let quotas = share_quotas::run(sharing, stopped.clone());
    [tokio::spawn(ranks), tokio::spawn(Arc::clone(limits).follow(stopped.clone())), tokio::spawn(quotas)]
}

async fn keep_ranks(ranks: Arc<Ranks>, db: Db, mut shutdown: watch::Receiver<bool>) {
    while !*shutdown.borrow() {
        tokio::select! {
            _ = shutdown.changed() => return,
            () = tokio::time::sleep(RANKS_LOOK_EVERY) => {}
        }
        if let Err(error) = ranks.keep(&db).await {
            tracing::warn!(%error, "ranks could not be counted again yet");
        }
    }
}

/// Hot keys of gift as operators see them: rankings, and counts of gifts.
#[derive(Clone)]
pub struct HotKeys(Arc<Ranks>);

impl HotKeys {
    /// One table for each shelf of the cache that gift reads hot keys of.
    pub fn tables(&self) -> Vec<HotTable> {
        self.0.hot_tables()
    }
}

/// The shelf as pages read it.
#[derive(Clone)]
pub struct ShelfReading(Arc<Shelf>);

impl ShelfReading {
    /// Every room, live or closed.
    pub fn rooms(&self) -> Vec<Room> {
        self.0.view().value.rooms.iter().map(|(_, room)| Room::clone(room)).collect()
    }

    /// Every gift, also those off the shelf.
    pub fn gifts(&self) -> Vec<Gift> {
        self.0.view().value.gifts.iter().map(|(_, gift)| Gift::clone(gift)).collect()
    }
}

impl Running {
    /// Every route of gift, for the edge to finish.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Rooms and gifts as of the latest snapshot, from memory.
    pub fn shelf(&self) -> ShelfReading {
        ShelfReading(Arc::clone(&self.state.shelf))
    }

    /// What is read most here, and what is served from memory.
    pub fn hot_keys(&self) -> HotKeys {
        HotKeys(Arc::clone(&self.state.ranks))
    }

    /// The sets that gift publishes, by hand.
    pub fn controls(&self) -> Vec<refresh::Control> {
        vec![self.state.shelf.control(), self.state.switches.control(), self.limits.control()]
    }

    /// `gift.orders`, for pulls.
    pub fn orders(&self) -> TableSource<OrdersTable> {
        self.orders.clone()
    }

    /// The partitions whose orders this node's keeper decides now, each with its epoch: where their show reports go.
    pub fn held(&self) -> Vec<(Partition, Epoch)> {
        self.membership.ownership().holdings().list()
    }

    /// The same, with every change as it happens.
    pub fn holdings(&self) -> Holdings {
        self.membership.ownership().holdings().clone()
    }

    /// How far the orders keeper is.
    pub fn status(&self) -> watch::Receiver<KeeperStatus> {
        self.status.clone()
    }

    /// Reports the orders keeper has not acknowledged yet.
    pub fn unacknowledged_len(&self) -> usize {
        self.show.unacknowledged_len()
    }

    /// Hands the orders' partitions to other live nodes, if there are any; goes on with what nobody takes.
    pub async fn drain(&self, limit: Duration) -> GroupSet {
        self.membership.drain(limit).await
    }

    /// Stops: what was accepted is shown, the keeper finishes its turn, then leases end. Call it after the
    /// last request has been answered.
    pub async fn shutdown(self) {
        let Running { stop, stop_keeper, stop_lease, jobs, keeper, teller, lease, membership, state, .. } =
            self;
        // `send_replace` also works when nobody listens any more.
        stop.send_replace(true);
        for job in jobs {
            ended("a job", job).await;
        }
        stop_keeper.send_replace(true);
        ended("the orders keeper", keeper).await;
        membership.leave().await;
        ended("the teller", teller).await;
        state.ranks.drain().await;
        stop_lease.send_replace(true);
        ended("the lease", lease).await;
    }
}

async fn ended(what: &'static str, task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(what, %error, "a task of gift ended badly");
    }
}
