//! The services of one process: each started with what it needs, in the order their logs flow.

use crate::cli::ServiceName;
use crate::config::{Config, Profile};
use crate::facts::AskRecon;
use crate::failure::Failure;
use crate::hotkeys;
use crate::late::{LateShares, WalletEntries};
use crate::logs::{self, Logs};
use crate::owners::OwnerCommands;
use crate::peers::Peers;
use crate::secrets::Secrets;
use crate::sets;
use bus::Bus;
use cache::Cache;
use contracts::calls::CallWatch;
use contracts::lane::Lane;
use contracts::log::LogRow;
use contracts::owner::{Adjusts, Resettles, ReturnsRecharges, TellsEntries, TellsShares};
use contracts::wallet::Wallet;
use edge::{KeyAge, TokenKeys};
use pg::Db;
use seqlog::{LogSource, LogTable, TableSource};
use sqlx::PgPool;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What every service of a process shares.
pub struct Common<'a> {
    pub config: &'a Config,
    pub secrets: &'a Secrets,
    pub pool: PgPool,
    pub reads: Option<PgPool>,
    /// Hears how calls of the database go.
    pub database: Arc<dyn CallWatch>,
    pub bus: Bus,
    pub cache: Cache,
    pub lane: Lane,
    pub peers: &'a Peers,
    /// Sets of the whole process, beside those of its services.
    pub sets: Vec<refresh::Control>,
}

impl Common<'_> {
    fn db(&self, service: &str) -> Db {
        let db = Db::new(self.pool.clone(), service, &self.lane).with_reads(self.reads.clone());
        db.watched_by(Arc::clone(&self.database))
    }

    fn table<T: LogTable>(&self, service: &str, table: T) -> Arc<dyn LogSource<T::Row>> {
        Arc::new(TableSource::new(self.db(service), table))
    }

    /// A log for a reader: pulled from the service's nodes, or from its table where none are named.
    fn source<T: LogTable>(&self, service: &str, table: T) -> Result<Arc<dyn LogSource<T::Row>>, Failure>
    where
        T::Row: LogRow,
    {
        Ok(self.peers.source(service)?.unwrap_or_else(|| self.table(service, table)))
    }
}

/// What runs in this process.
#[derive(Default)]
pub struct Running {
    pub cashier: Option<cashier::Running>,
    pub wallet: Option<wallet::Running>,
    pub gift: Option<gift::Running>,
    pub settlement: Option<settlement::Running>,
    pub clearing: Option<clearing::Running>,
    pub recon: Option<recon::Running>,
}

/// What a service said when it did not start.
pub fn start_failed<E: std::error::Error + Send + Sync + 'static>(
    service: &'static str,
) -> impl Fn(E) -> Failure {
    move |error| Failure::Start { service, source: Box::new(error) }
}

/// How old and how new a key may be.
pub fn key_age(config: &Config) -> KeyAge {
    KeyAge {
        key_age_max: Duration::from_secs(config.gift.key_age_max_s),
        key_future_max: Duration::from_secs(config.gift.key_future_max_s),
    }
}

/// Starts services in the order their logs flow; each finds the logs before it in their tables.
pub async fn start_services(
    common: &Common<'_>,
    services: &[ServiceName],
    tokens: &TokenKeys,
) -> Result<(Running, axum::Router), Failure> {
    let mut running = Running::default();
    // Served from the tables, always: who asks here must not be sent on.
    let mut router = logs::router(Logs {
        payments: common.table("cashier", cashier::PaymentsTable),
        entries: common.table("wallet", wallet::EntriesTable),
        orders: common.table("gift", gift::OrdersTable),
        items: common.table("settlement", settlement::ItemsTable),
        payouts: common.table("settlement", settlement::PayoutsTable),
        vouchers: common.table("clearing", clearing::VouchersTable),
    });
    let wants = |name| services.contains(&name);
    let shares = LateShares::default();
    if wants(ServiceName::Cashier) {
        let cashier = start_cashier(common).await?;
        router = router.merge(cashier.router());
        running.cashier = Some(cashier);
    }
    if wants(ServiceName::Wallet) {
        let wallet = start_wallet(common).await?;
        router = router.merge(wallet.router());
        running.wallet = Some(wallet);
    }
    let wallet = wallet_of(common, &running);
    if let (Some(cashier), Some(entries)) = (&running.cashier, wallet_entries(common, &running)?) {
        cashier.owner().meet_wallet(entries);
    }
    if let Some(wallet) = wallet.as_ref().filter(|_| running.wallet.is_some() || wants(ServiceName::Console))
    {
        router = router.merge(wallet::public_router(Arc::clone(wallet)));
    }
    if wants(ServiceName::Gift) {
        let wallet = wallet.clone().ok_or(Failure::NeedsWallet)?;
        let gift = start_gift(common, wallet, (&running, shares.clone())).await?;
        router = router.merge(gift.router());
        running.gift = Some(gift);
    }
    if wants(ServiceName::Settlement) {
        let settlement = start_settlement(common).await?;
        shares.meet(Arc::new(settlement.owner()));
        router = router.merge(settlement.router());
        running.settlement = Some(settlement);
    }
    if wants(ServiceName::Clearing) {
        let clearing = start_clearing(common).await?;
        router = router.merge(clearing.router());
        running.clearing = Some(clearing);
    }
    if wants(ServiceName::Recon) {
        let recon = start_recon(common, wallet, &running).await?;
        router = router.merge(recon.router());
        running.recon = Some(recon);
    }
    if let Some(clearing) = &running.clearing {
        let facts = close_facts(common, &running, tokens);
        router = router.merge(clearing.finance_router(facts, common.config.accounting_zone_minutes));
    }
    if let Some(gift) = running.gift.as_ref().filter(|_| wants(ServiceName::Console)) {
        router = router.merge(common.peers.front_door(services)?);
        let api = router.clone();
        router = router.merge(pages(common, gift, (tokens, api)));
    }
    router = router.merge(steered_sets(common, &running));
    let hot_keys = running.gift.as_ref().map(gift::Running::hot_keys);
    Ok((running, router.merge(hotkeys::routes(hot_keys))))
}

/// Routes to every set that this process has a part in; none where it has none.
fn steered_sets(common: &Common<'_>, running: &Running) -> axum::Router {
    let mut controls = running.gift.as_ref().map(gift::Running::controls).unwrap_or_default();
    controls.extend(running.settlement.as_ref().map(settlement::Running::controls).unwrap_or_default());
    controls.extend(common.sets.iter().cloned());
    if controls.is_empty() { axum::Router::new() } else { sets::router(controls) }
}

/// Whom clearing asks before it closes a period: the recon of this process, else its nodes in others.
fn close_facts(common: &Common<'_>, running: &Running, tokens: &TokenKeys) -> Arc<dyn clearing::CloseFacts> {
    match (&running.recon, common.peers.nodes("recon")) {
        (Some(recon), _) => Arc::new(AskRecon::here(recon.router(), tokens)),
        (None, Some(elsewhere)) => Arc::new(AskRecon::there(elsewhere, tokens)),
        (None, None) => Arc::new(clearing::NobodyToAsk),
    }
}

/// The wallet as gift and the public routes see it: over the shard map where `peers.wallet` names its nodes (this
/// one among them, if it is), else the one in this process.
fn wallet_of(common: &Common<'_>, running: &Running) -> Option<Arc<dyn Wallet>> {
    let here = running.wallet.as_ref().map(|wallet| -> Arc<dyn Wallet> { Arc::new(wallet.handle()) });
    common.peers.wallet().or(here)
}

/// The wallet as the cashier asks it: without it the cashier goes on.
fn wallet_entries(common: &Common<'_>, running: &Running) -> Result<Option<Arc<dyn TellsEntries>>, Failure> {
    if let Some(wallet) = &running.wallet {
        return Ok(Some(Arc::new(WalletEntries(Arc::new(wallet.handle())))));
    }
    Ok(common.peers.owner("wallet")?.map(|it| -> Arc<dyn TellsEntries> { it }))
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
        payments: Some(common.source("cashier", cashier::PaymentsTable)?),
        config: common.config.wallet.clone(),
        zone: common.config.accounting_zone_minutes,
        node: common.config.node.clone(),
        clock: wallet::system_clock(),
    };
    wallet::start(deps).await.map_err(start_failed("wallet"))
}

async fn start_gift(
    common: &Common<'_>,
    wallet: Arc<dyn Wallet>,
    (running, shares): (&Running, LateShares),
) -> Result<gift::Running, Failure> {
    let cashier = common.peers.owner("cashier")?.map(|it| -> Arc<dyn ReturnsRecharges> { it });
    let cashier_here =
        running.cashier.as_ref().map(|it| -> Arc<dyn ReturnsRecharges> { Arc::new(it.owner()) });
    let settlement = common.peers.owner("settlement")?.map(|it| -> Arc<dyn TellsShares> { it });
    let deps = gift::Deps {
        db: common.db("gift"),
        bus: common.bus.clone(),
        cache: common.cache.clone(),
        wallet,
        recharges: cashier_here.or(cashier),
        shares: Some(settlement.unwrap_or_else(|| Arc::new(shares))),
        reports_elsewhere: common.peers.reports(),
        entries: common.source("wallet", wallet::EntriesTable)?,
        draw_secret: common.secrets.blind_box_seed.clone().into_bytes(),
        catalogue: gift::DEFAULT_CATALOGUE.to_owned(),
        quotas: Arc::new(common.config.quotas.open()?),
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
        cache: common.cache.clone(),
        orders: common.source("gift", gift::OrdersTable)?,
        config: common.config.settlement.clone(),
        zone: common.config.accounting_zone_minutes,
        node: common.config.node.clone(),
    };
    settlement::start(deps).await.map_err(start_failed("settlement"))
}

async fn start_clearing(common: &Common<'_>) -> Result<clearing::Running, Failure> {
    let sources = clearing::Sources {
        payments: common.source("cashier", cashier::PaymentsTable)?,
        entries: common.source("wallet", wallet::EntriesTable)?,
        items: common.source("settlement", settlement::ItemsTable)?,
        payouts: common.source("settlement", settlement::PayoutsTable)?,
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

/// The services that own what recon has put right: in this process, or in others.
fn owner_commands(
    common: &Common<'_>,
    wallet: Option<Arc<dyn Wallet>>,
    running: &Running,
) -> Result<OwnerCommands, Failure> {
    let settlement = common.peers.owner("settlement")?.map(|it| -> Arc<dyn Resettles> { it });
    let settlement_here =
        running.settlement.as_ref().map(|it| -> Arc<dyn Resettles> { Arc::new(it.owner()) });
    let clearing = common.peers.owner("clearing")?.map(|it| -> Arc<dyn Adjusts> { it });
    let clearing_here = running.clearing.as_ref().map(|it| -> Arc<dyn Adjusts> { Arc::new(it.owner()) });
    Ok(OwnerCommands {
        wallet,
        settlement: settlement_here.or(settlement),
        clearing: clearing_here.or(clearing),
        zone: common.config.accounting_zone_minutes,
    })
}

async fn start_recon(
    common: &Common<'_>,
    wallet: Option<Arc<dyn Wallet>>,
    running: &Running,
) -> Result<recon::Running, Failure> {
    let sources = recon::Sources {
        payments: common.source("cashier", cashier::PaymentsTable)?,
        entries: common.source("wallet", wallet::EntriesTable)?,
        orders: common.source("gift", gift::OrdersTable)?,
        items: common.source("settlement", settlement::ItemsTable)?,
        payouts: common.source("settlement", settlement::PayoutsTable)?,
        vouchers: common.source("clearing", clearing::VouchersTable)?,
    };
    let deps = recon::Deps {
        db: common.db("recon"),
        bus: common.bus.clone(),
        sources,
        commands: Arc::new(owner_commands(common, wallet, running)?),
        config: common.config.recon.clone(),
        zone: common.config.accounting_zone_minutes,
        node: common.config.node.clone(),
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

/// The pages, drawn from what `api` answers.
fn pages(
    common: &Common<'_>,
    gift: &gift::Running,
    (tokens, api): (&TokenKeys, axum::Router),
) -> axum::Router {
    console::router(console::Deps {
        directory: Arc::new(Shelf(gift.shelf())),
        keys: tokens.clone(),
        profile: match common.config.profile {
            Profile::Development => console::Profile::Development,
            Profile::Production => console::Profile::Production,
        },
        zone: common.config.accounting_zone_minutes,
        api,
    })
}
