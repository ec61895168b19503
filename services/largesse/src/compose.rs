//! Puts services together: one pool, one bus, one cache, one listener, in the order their logs flow.

use crate::cli::ServiceName;
use crate::config::{Config, LogFormat, Profile};
use crate::directory::Directory;
use crate::failure::Failure;
use crate::logs::{self, Logs};
use crate::secrets::Secrets;
use bus::Bus;
use cache::Cache;
use contracts::lane::Lane;
use contracts::log::LogName;
use edge::{Edge, KeyAge, ReadyFlag, TokenKeys};
use pg::{Db, Embedded, Migrator, PoolSettings};
use seqlog::{LogSource, ReaderStatus, TableSource};
use sqlx::PgPool;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long open connections may take to end at a shutdown.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// How often the database is asked whether it is still there.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Failures in a row after which the process gives up.
const WATCH_FAILURES_MAX: u32 = 10;

/// Every service's schema, in the order their logs flow.
fn schemas() -> [(&'static str, &'static Migrator); 6] {
    [
        ("cashier", &cashier::MIGRATOR),
        ("wallet", &wallet::MIGRATOR),
        ("gift", &gift::MIGRATOR),
        ("settlement", &settlement::MIGRATOR),
        ("clearing", &clearing::MIGRATOR),
        ("recon", &recon::MIGRATOR),
    ]
}

/// Brings every schema of a lane up to date; returns their names.
///
/// # Errors
/// [`Failure::Database`] naming the schema.
pub async fn migrate_all(pool: &PgPool, lane: &Lane) -> Result<Vec<String>, Failure> {
    let mut done = Vec::new();
    for (service, migrator) in schemas() {
        let db = Db::new(pool.clone(), service, lane);
        pg::migrate(&db, &[&seqlog::MIGRATOR, migrator]).await?;
        done.push(db.schema().to_owned());
    }
    Ok(done)
}

/// Starts what is logged, measured and traced.
///
/// # Errors
/// [`Failure::Config`] where the filter or the endpoint is wrong.
pub fn telemetry_of(config: &Config) -> Result<telemetry::Guard, Failure> {
    let settings = telemetry::Settings {
        log_filter: config.telemetry.log.clone(),
        log_format: match config.telemetry.format {
            LogFormat::Text => telemetry::LogFormat::Plain,
            LogFormat::Json => telemetry::LogFormat::Json,
        },
        otlp_endpoint: Some(config.telemetry.otlp_endpoint.clone()).filter(|url| !url.is_empty()),
        ..telemetry::Settings::default()
    };
    telemetry::init(settings).map_err(|error| Failure::Config(error.to_string()))
}

/// What every service of a process shares.
struct Common<'a> {
    config: &'a Config,
    secrets: &'a Secrets,
    pool: PgPool,
    bus: Bus,
    cache: Cache,
    lane: Lane,
}

impl Common<'_> {
    fn db(&self, service: &str) -> Db {
        Db::new(self.pool.clone(), service, &self.lane)
    }

    fn source<T: seqlog::LogTable>(&self, service: &str, table: T) -> Arc<dyn LogSource<T::Row>> {
        Arc::new(TableSource::new(self.db(service), table))
    }
}

/// The services of one process, at work.
pub struct Stack {
    address: SocketAddr,
    pool: PgPool,
    embedded: Option<Embedded>,
    running: Running,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    failed: watch::Receiver<Option<String>>,
    tokens: TokenKeys,
    opened: ReadyFlag,
}

#[derive(Default)]
struct Running {
    cashier: Option<cashier::Running>,
    wallet: Option<wallet::Running>,
    gift: Option<gift::Running>,
    settlement: Option<settlement::Running>,
    clearing: Option<clearing::Running>,
    recon: Option<recon::Running>,
}

fn start_failed<E: std::error::Error + Send + Sync + 'static>(
    service: &'static str,
) -> impl Fn(E) -> Failure {
    move |error| Failure::Start { service, source: Box::new(error) }
}

impl Stack {
    /// Opens storage, migrates it, starts `services`, and listens. Serves when this returns; [`Stack::open`] says
    /// so at `/readyz`.
    ///
    /// # Errors
    /// [`Failure`] naming what did not start; what had started is stopped with the process.
    pub async fn start(
        config: &Config,
        services: &[ServiceName],
        directory: &Directory,
        secrets: &Secrets,
        metrics: &telemetry::Metrics,
    ) -> Result<Stack, Failure> {
        // First, because it is what most often is not free, and nothing needs undoing yet.
        let listener = edge::listen(config.http.listen)
            .await
            .map_err(|error| Failure::Listen { source: error.into() })?;
        let address = listener.local_addr().map_err(|source| Failure::Listen { source: Box::new(source) })?;
        let lane = Lane::Live;
        let (pool, embedded) = open_database(config, directory).await?;
        migrate_all(&pool, &lane).await?;
        let common = Common {
            config: &tuned(config, embedded.is_some()),
            secrets,
            pool: pool.clone(),
            bus: open_bus(config, &lane).await?,
            cache: open_cache(config, &lane).await?,
            lane,
        };
        let tokens = secrets.token_keys()?;
        let (running, router) = start_services(&common, services, &tokens).await?;
        let (answers, failed) = watch_database(pool.clone());
        let edge = edge_of(config, &tokens, metrics);
        edge.readiness.check("database", move || {
            if *answers.borrow() { Ok(()) } else { Err("the database does not answer".to_owned()) }
        });
        let opened = edge.readiness.flag("start");
        let router = edge.finish(router);
        let (stop, mut stopped) = watch::channel(false);
        let server = tokio::spawn(async move {
            let until = async move {
                let _ = stopped.wait_for(|stop| *stop).await; // A stack that is gone has stopped.
            };
            if let Err(error) = edge::serve(listener, router, until, DRAIN_MAX).await {
                tracing::error!(%error, "the listener failed");
            }
        });
        Ok(Stack { address, pool, embedded, running, stop, server, failed, tokens, opened })
    }

    /// Says at `/readyz` that traffic may come.
    pub fn open(&self) {
        self.opened.set();
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The rooms there are, if gift runs here.
    pub fn rooms(&self) -> Vec<contracts::catalogue::Room> {
        self.running.gift.as_ref().map(|gift| gift.shelf().rooms()).unwrap_or_default()
    }

    pub fn tokens(&self) -> &TokenKeys {
        &self.tokens
    }

    /// Resolves when the database is gone for good, with the reason.
    pub async fn failed(&self) -> String {
        let mut failed = self.failed.clone();
        match failed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Stops in the order the logs flow, so that each reader still sees what came before it.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the server ended badly");
        }
        let running = self.running;
        if let Some(cashier) = running.cashier {
            cashier.shutdown().await;
        }
        if let Some(wallet) = running.wallet {
            wallet.shutdown().await;
        }
        if let Some(gift) = running.gift {
            gift.shutdown().await;
        }
        if let Some(settlement) = running.settlement {
            settlement.shutdown().await;
        }
        if let Some(clearing) = running.clearing {
            clearing.shutdown().await;
        }
        if let Some(recon) = running.recon {
            recon.shutdown().await;
        }
        match self.embedded {
            Some(embedded) => embedded.close().await,
            None => self.pool.close().await,
        }
    }
}

/// Settings that follow from the database: the embedded one has a single connection.
fn tuned(config: &Config, is_embedded: bool) -> Config {
    let mut config = config.clone();
    if is_embedded {
        config.wallet.lane_count = 1;
    }
    config.cashier.profile = match config.profile {
        Profile::Development => cashier::Profile::Development,
        Profile::Production => cashier::Profile::Production,
    };
    config
}

async fn open_database(
    config: &Config,
    directory: &Directory,
) -> Result<(PgPool, Option<Embedded>), Failure> {
    if config.database.url.is_empty() {
        let embedded = Embedded::open(&directory.database()).await?;
        return Ok((embedded.pool(), Some(embedded)));
    }
    let settings =
        PoolSettings { connections_max: config.database.connections_max, ..PoolSettings::default() };
    Ok((pg::connect(&config.database.url, settings).await?, None))
}

async fn open_bus(config: &Config, lane: &Lane) -> Result<Bus, Failure> {
    if config.amqp.url.is_empty() {
        return Ok(Bus::in_process(lane));
    }
    Bus::connect(&config.amqp.url, lane, 1).await.map_err(start_failed("the bus"))
}

async fn open_cache(config: &Config, lane: &Lane) -> Result<Cache, Failure> {
    if config.redis.url.is_empty() {
        return Ok(Cache::in_process(lane));
    }
    Cache::connect(&config.redis.url, lane).await.map_err(start_failed("the cache"))
}

fn edge_of(config: &Config, tokens: &TokenKeys, metrics: &telemetry::Metrics) -> Edge {
    let metrics = metrics.clone();
    Edge {
        admission: Arc::new(guard::FixedLimit::new(config.http.in_flight_max)),
        key_age: key_age(config),
        render_metrics: Arc::new(move || metrics.render()),
        openapi: Some(openapi()),
        ..Edge::new(tokens.clone())
    }
}

fn key_age(config: &Config) -> KeyAge {
    KeyAge {
        key_age_max: Duration::from_secs(config.gift.key_age_max_s),
        key_future_max: Duration::from_secs(config.gift.key_future_max_s),
    }
}

/// The document of the whole public API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = gift::openapi();
    for part in
        [wallet::openapi(), cashier::openapi(), settlement::openapi(), clearing::openapi(), recon::openapi()]
    {
        document.merge(part);
    }
    document.info.title = "Largesse".to_owned();
    document
}

/// Starts services in the order their logs flow; each finds the logs before it in their tables.
async fn start_services(
    common: &Common<'_>,
    services: &[ServiceName],
    tokens: &TokenKeys,
) -> Result<(Running, axum::Router), Failure> {
    let mut running = Running::default();
    let mut router = logs::router(Logs {
        payments: common.source("cashier", cashier::PaymentsTable),
        entries: common.source("wallet", wallet::EntriesTable),
        orders: common.source("gift", gift::OrdersTable),
        items: common.source("settlement", settlement::ItemsTable),
        vouchers: common.source("clearing", clearing::VouchersTable),
    });
    let wants = |name| services.contains(&name);
    if wants(ServiceName::Cashier) {
        let cashier = start_cashier(common).await?;
        router = router.merge(cashier.router());
        running.cashier = Some(cashier);
    }
    if wants(ServiceName::Wallet) {
        let wallet = start_wallet(common).await?;
        router = router.merge(wallet.public_router());
        running.wallet = Some(wallet);
    }
    if wants(ServiceName::Gift) {
        let wallet = running.wallet.as_ref().ok_or(Failure::NeedsWallet)?;
        let gift = start_gift(common, wallet).await?;
        router = router.merge(gift.router());
        if wants(ServiceName::Console) {
            router = router.merge(pages(common, &gift, tokens));
        }
        running.gift = Some(gift);
    }
    if wants(ServiceName::Settlement) {
        let settlement = start_settlement(common).await?;
        router = router.merge(settlement.router());
        running.settlement = Some(settlement);
    }
    if wants(ServiceName::Clearing) {
        let clearing = start_clearing(common).await?;
        router = router.merge(clearing.router());
        running.clearing = Some(clearing);
    }
    if wants(ServiceName::Recon) {
        let recon = start_recon(common).await?;
        router = router.merge(recon.router());
        running.recon = Some(recon);
    }
    Ok((running, router))
}

async fn start_cashier(common: &Common<'_>) -> Result<cashier::Running, Failure> {
    let key = cashier::ChannelSecret::try_new(common.secrets.sandbox_key.as_bytes());
    let channels = key.map(|key| BTreeMap::from([(cashier::SANDBOX.to_owned(), key)]));
    let deps = cashier::Deps {
        db: common.db("cashier"),
        bus: common.bus.clone(),
        config: common.config.cashier.clone(),
        secrets: cashier::Secrets { channels: channels.unwrap_or_default() },
        zone: common.config.accounting_zone_minutes,
        key_age: key_age(common.config),
        node: common.config.node.clone(),
    };
    cashier::start(deps).await.map_err(start_failed("cashier"))
}

async fn start_wallet(common: &Common<'_>) -> Result<wallet::Running, Failure> {
    let deps = wallet::Deps {
        db: common.db("wallet"),
        bus: common.bus.clone(),
        payments: Some(common.source("cashier", cashier::PaymentsTable)),
        config: common.config.wallet.clone(),
        zone: common.config.accounting_zone_minutes,
        node: common.config.node.clone(),
        clock: wallet::system_clock(),
    };
    wallet::start(deps).await.map_err(start_failed("wallet"))
}

async fn start_gift(common: &Common<'_>, wallet: &wallet::Running) -> Result<gift::Running, Failure> {
    let deps = gift::Deps {
        db: common.db("gift"),
        bus: common.bus.clone(),
        cache: common.cache.clone(),
        wallet: Arc::new(wallet.handle()),
        entries: common.source("wallet", wallet::EntriesTable),
        draw_secret: common.secrets.blind_box_seed.clone().into_bytes(),
        catalogue: gift::DEFAULT_CATALOGUE.to_owned(),
        config: common.config.gift.clone(),
        zone: common.config.accounting_zone_minutes,
        node: common.config.node.clone(),
    };
    gift::start(deps).await.map_err(start_failed("gift"))
}

async fn start_settlement(common: &Common<'_>) -> Result<settlement::Running, Failure> {
    let deps = settlement::Deps {
        db: common.db("settlement"),
        bus: common.bus.clone(),
        orders: common.source("gift", gift::OrdersTable),
        config: common.config.settlement.clone(),
        zone: common.config.accounting_zone_minutes,
        node: common.config.node.clone(),
    };
    settlement::start(deps).await.map_err(start_failed("settlement"))
}

async fn start_clearing(common: &Common<'_>) -> Result<clearing::Running, Failure> {
    let sources = clearing::Sources {
        payments: common.source("cashier", cashier::PaymentsTable),
        entries: common.source("wallet", wallet::EntriesTable),
        items: common.source("settlement", settlement::ItemsTable),
    };
    let deps = clearing::Deps {
        db: common.db("clearing"),
        bus: common.bus.clone(),
        sources,
        config: common.config.clearing.clone(),
        node: common.config.node.clone(),
    };
    clearing::start(deps).await.map_err(start_failed("clearing"))
}

async fn start_recon(common: &Common<'_>) -> Result<recon::Running, Failure> {
    let sources = recon::Sources {
        entries: common.source("wallet", wallet::EntriesTable),
        orders: common.source("gift", gift::OrdersTable),
        items: common.source("settlement", settlement::ItemsTable),
        vouchers: common.source("clearing", clearing::VouchersTable),
    };
    let deps = recon::Deps {
        db: common.db("recon"),
        bus: common.bus.clone(),
        sources,
        config: common.config.recon.clone(),
    };
    recon::start(deps).await.map_err(start_failed("recon"))
}

/// The pages over gift's snapshot.
struct Shelf(gift::ShelfReading);

impl console::RoomDirectory for Shelf {
    fn rooms(&self) -> Vec<contracts::catalogue::Room> {
        self.0.rooms()
    }

    fn gifts(&self) -> Vec<contracts::catalogue::Gift> {
        self.0.gifts()
    }
}

fn pages(common: &Common<'_>, gift: &gift::Running, tokens: &TokenKeys) -> axum::Router {
    console::router(console::Deps {
        directory: Arc::new(Shelf(gift.shelf())),
        keys: tokens.clone(),
        profile: match common.config.profile {
            Profile::Development => console::Profile::Development,
            Profile::Production => console::Profile::Production,
        },
        zone: common.config.accounting_zone_minutes,
    })
}

/// Asks the database once a second whether it is there: whether it answered last time, and, after some failures
/// in a row, the reason why it is gone for good.
fn watch_database(pool: PgPool) -> (watch::Receiver<bool>, watch::Receiver<Option<String>>) {
    let (failed, watching) = watch::channel(None);
    let (answering, answers) = watch::channel(true);
    tokio::spawn(async move {
        let mut failures = 0;
        while failures < WATCH_FAILURES_MAX {
            tokio::time::sleep(WATCH_EVERY).await;
            match sqlx::query("SELECT 1").execute(&pool).await {
                Ok(_) => failures = 0,
                Err(sqlx::Error::PoolClosed) => return,
                Err(sqlx::Error::PoolTimedOut) => {} // Busy is not gone.
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, failures, "the database does not answer");
                    if failures == WATCH_FAILURES_MAX {
                        failed.send_replace(Some(error.to_string()));
                    }
                }
            }
            answering.send_replace(failures == 0);
        }
    });
    (answers, watching)
}

impl Stack {
    /// Readers of this process that lag or have stopped, by name: rows behind, and stopped partitions.
    pub fn readers(&self) -> Vec<(&'static str, ReaderStatus)> {
        let mut readers = Vec::new();
        if let Some(wallet) = &self.running.wallet {
            let statuses = wallet.reader_status();
            readers.extend(statuses.into_iter().map(|(log, status): (LogName, _)| (log.as_str(), status)));
        }
        if let Some(gift) = &self.running.gift {
            readers.push(("gift.orders", gift.status().borrow().reader.clone()));
        }
        if let Some(settlement) = &self.running.settlement {
            readers.push(("settlement.items", settlement.status()));
        }
        if let Some(clearing) = &self.running.clearing {
            readers.extend(clearing.status());
        }
        if let Some(recon) = &self.running.recon {
            readers.extend(recon.status());
        }
        readers
    }
}

/// How often the catching up is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

impl Stack {
    /// Waits until every reader has applied what the logs hold, and every accepted gift is decided.
    ///
    /// # Errors
    /// [`Failure::NotCaughtUp`], with who lags or has stopped.
    pub async fn catch_up(&self, limit: Duration) -> Result<(), Failure> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let behind = self.behind().await?;
            if behind.is_empty() {
                return Ok(());
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(Failure::NotCaughtUp { seconds: limit.as_secs(), behind: behind.join(", ") });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Who is behind, in words; from the tables, because a reader does not know what it has not heard of.
    async fn behind(&self) -> Result<Vec<String>, Failure> {
        let books = books::BooksDb::new(self.pool.clone(), &Lane::Live);
        let gaps = books::catch_up_gaps(&books)
            .await
            .map_err(|error| Failure::Start { service: "check", source: Box::new(error) })?;
        let mut behind: Vec<String> = gaps
            .iter()
            .filter(|gap| gap.lag_rows > 0)
            .map(|gap| format!("{} is {} rows behind {}", gap.reader, gap.lag_rows, gap.log))
            .collect();
        for (reader, status) in self.readers() {
            for (partition, reason) in status.stopped {
                behind.push(format!("{reader} stopped in partition {partition}: {reason}"));
            }
        }
        Ok(behind)
    }

    /// Rows not yet applied by the slowest reader, as a figure for the progress bar: how long ago it was level.
    pub fn lag_source(&self) -> loadtest::progress::LagSource {
        let statuses = self.reader_lags();
        let level_at = std::sync::Mutex::new(std::time::Instant::now());
        Arc::new(move || {
            let mut level_at = level_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if statuses() == 0 {
                *level_at = std::time::Instant::now();
            }
            Some(level_at.elapsed())
        })
    }

    fn reader_lags(&self) -> impl Fn() -> i64 + Send + Sync + 'static {
        let gift = self.running.gift.as_ref().map(gift::Running::status);
        move || gift.as_ref().map_or(0, |status| status.borrow().reader.lag_rows)
    }
}
