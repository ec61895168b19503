//! Puts services together: one pool, one bus, one cache, one listener, in the order their logs flow.

use crate::cli::ServiceName;
use crate::config::{Config, LogFormat, Profile};
use crate::deps::Dependencies;
use crate::directory::Directory;
use crate::drain::drain;
use crate::failure::Failure;
use crate::fleet::{Fleet, FleetPlace};
use crate::health::{NoneFree, watch_database, watch_weak};
use crate::parts::{Common, Running, key_age, start_services};
use crate::peers::Peers;
use crate::secrets::Secrets;
use crate::servers::{open_bus, open_cache, open_database};
use crate::waiting::Waiting;
use axum::Router;
use clap::ValueEnum;
use contracts::lane::Lane;
use edge::{Edge, ReadyFlag, TokenKeys};
use pg::{Db, Embedded, Migrator};
use sqlx::PgPool;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long open connections may take to end at a shutdown.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Every schema with its migrations: the services', in the order their logs flow, and that of processes' addresses.
pub fn migrators() -> impl Iterator<Item = (&'static str, Vec<&'static Migrator>)> {
    let services: [(_, &'static Migrator); 6] = [
        ("cashier", &cashier::MIGRATOR),
        ("wallet", &wallet::MIGRATOR),
        ("gift", &gift::MIGRATOR),
        ("settlement", &settlement::MIGRATOR),
        ("clearing", &clearing::MIGRATOR),
        ("recon", &recon::MIGRATOR),
    ];
    let services = services.into_iter().map(|(service, own)| (service, vec![&*seqlog::MIGRATOR, own]));
    services.chain([(routes::SCHEMA, vec![&*routes::MIGRATOR])])
}

/// Brings every schema of a lane up to date; returns their names.
///
/// # Errors
/// [`Failure::Database`] naming the schema.
pub async fn migrate_all(pool: &PgPool, lane: &Lane) -> Result<Vec<String>, Failure> {
    let mut done = Vec::new();
    for (schema, migrators) in migrators() {
        let db = Db::new(pool.clone(), schema, lane);
        pg::migrate(&db, &migrators).await?;
        done.push(db.schema().to_owned());
    }
    Ok(done)
}

/// Whether every schema of a lane is as new as this program needs.
async fn check_schemas(pool: &PgPool, lane: &Lane) -> Result<(), pg::PgError> {
    for (schema, migrators) in migrators() {
        pg::check_migrated(&Db::new(pool.clone(), schema, lane), &migrators).await?;
    }
    Ok(())
}

/// What one process runs.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    pub services: &'a [ServiceName],
    pub schemas: Schemas,
}

/// Who brings the schemas up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schemas {
    /// This process, at its start: where it is the only one.
    Migrated,
    /// `largesse migrate`; a process among others waits for it. The embedded database has nobody else.
    Awaited,
}

impl Plan<'_> {
    /// Everything in one process.
    pub fn whole() -> Plan<'static> {
        Plan { services: ServiceName::value_variants(), schemas: Schemas::Migrated }
    }
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
        trace_sample_ppm: config.telemetry.trace_sample_ppm,
        instance: config.node.clone(),
        ..telemetry::Settings::default()
    };
    telemetry::init(settings).map_err(|error| Failure::Config(error.to_string()))
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
    peers: Peers,
    fleet: Fleet,
    waiting: Waiting,
    drain_notice: Duration,
}

impl Stack {
    /// Waits for storage and schemas, goes on without a broker or cache that is away, starts the services of `plan`, and
    /// listens. Serves when this returns; [`Stack::open`] says so at `/readyz`.
    ///
    /// # Errors
    /// [`Failure`] naming what did not start; what had started is stopped with the process.
    pub async fn start(
        config: &Config,
        plan: &Plan<'_>,
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
        let waiting = Waiting::new(Duration::from_secs(config.start.wait_max_s));
        let tokens = secrets.token_keys()?;
        // Before the database: what can be refused without it is.
        let dependencies = Dependencies::declare()?;
        let mut peers = Peers::start(&config.peers, plan.services, &tokens, dependencies.registry())?;
        let place = FleetPlace::of(config, secrets, address)?;
        let bus = open_bus(config, &lane).await?.watched_by(Arc::new(dependencies.broker.clone()));
        let cache = open_cache(config, &lane).await?.behind(dependencies.redis.clone());
        let (pool, reads, embedded) = open_database(config, plan.services, directory, &waiting).await?;
        ready_schemas(&pool, (plan.schemas, embedded.is_some()), &waiting).await?;
        let mut fleet = Fleet::default();
        if plan.schemas == Schemas::Awaited && embedded.is_none() {
            let servers = (&pool, &dependencies.database, &cache);
            fleet = Fleet::join(place, servers, (directory, peers.take_live()), &waiting).await?;
        }
        let common = Common {
            config: &tuned(config, embedded.is_some()),
            secrets,
            pool: pool.clone(),
            reads,
            database: Arc::new(dependencies.database.clone()),
            bus,
            cache,
            lane,
            peers: &peers,
            sets: fleet.controls(),
        };
        let (running, router) = start_services(&common, plan.services, &tokens).await?;
        let none_free = if embedded.is_some() { NoneFree::Stuck } else { NoneFree::Busy };
        let (answers, failed) = watch_database(pool.clone(), none_free, dependencies.database.clone());
        let edge = edge_of(config, &tokens, metrics);
        edge.readiness.check("database", move || {
            if *answers.borrow() { Ok(()) } else { Err("the database does not answer".to_owned()) }
        });
        peers.report(&edge.readiness);
        watch_weak(common.bus.clone(), common.cache.clone(), &dependencies, &edge.readiness);
        dependencies.report(&edge.readiness);
        let opened = edge.readiness.flag("start");
        let router = edge.finish(router.merge(dependencies.routes()));
        let (stop, server) = serve(listener, router);
        fleet.list_self(plan.services);
        Ok(Stack {
            address,
            pool,
            embedded,
            running,
            stop,
            server,
            failed,
            tokens,
            opened,
            peers,
            fleet,
            waiting,
            drain_notice: Duration::from_millis(config.http.drain_notice_ms),
        })
    }

    /// Waits for the processes that this one cannot do without.
    ///
    /// # Errors
    /// [`Failure::Waited`].
    pub async fn wait_for_peers(&self) -> Result<(), Failure> {
        self.peers.wait(&self.waiting).await
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

    /// What runs in this process.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Stops: first nobody is sent here any more, then partitions are handed over, then what is under way is
    /// answered, then the services end in the order the logs flow, so that each reader still sees what came before it.
    pub async fn shutdown(self) {
        self.opened.clear();
        tokio::time::sleep(self.drain_notice).await;
        drain(&self.running, DRAIN_MAX).await;
        self.fleet.leave().await; // Only now: until then others may have to find here what was not handed over.
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

/// Answers requests until told to stop.
fn serve(listener: TcpListener, router: Router) -> (watch::Sender<bool>, JoinHandle<()>) {
    let (stop, mut stopped) = watch::channel(false);
    let server = tokio::spawn(async move {
        let until = async move {
            let _ = stopped.wait_for(|stop| *stop).await; // A stack that is gone has stopped.
        };
        if let Err(error) = edge::serve(listener, router, until, DRAIN_MAX).await {
            tracing::error!(%error, "the listener failed");
        }
    });
    (stop, server)
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

/// Brings the schemas up to date, or waits until somebody has.
async fn ready_schemas(
    pool: &PgPool,
    (schemas, is_embedded): (Schemas, bool),
    waiting: &Waiting,
) -> Result<(), Failure> {
    let lane = Lane::Live;
    if schemas == Schemas::Migrated || is_embedded {
        return migrate_all(pool, &lane).await.map(drop);
    }
    let check = async || check_schemas(pool, &lane).await.map_err(Into::into);
    waiting.until("the schemas", "run `largesse migrate`", check).await
}

fn edge_of(config: &Config, tokens: &TokenKeys, metrics: &telemetry::Metrics) -> Edge {
    let metrics = metrics.clone();
    Edge {
        admission: Edge::admission_up_to(config.http.in_flight_max),
        key_age: key_age(config),
        render_metrics: Arc::new(move || metrics.render()),
        openapi: Some(openapi()),
        ..Edge::new(tokens.clone())
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
