//! The other processes this one speaks to, as its services see them: a wallet, show reports, logs, a front door.

use crate::cli::ServiceName;
use crate::failure::Failure;
use crate::waiting::Waiting;
use axum::Router;
use contracts::log::LogRow;
use contracts::show::ShowReports;
use contracts::wallet::Wallet;
use edge::{Readiness, TokenKeys};
use guard::deps::{DeclareError, Registry};
use peer::{
    Calls, Forward, HttpLogSource, LiveNodes, Nodes, OwnerMap, RemoteOwner, RemoteReports, RemoteWallet,
};
use seqlog::LogSource;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Paths of public routes by the service that answers them, for processes with pages.
const PATHS: [(ServiceName, &[&str]); 4] = [
    (
        ServiceName::Cashier,
        &[
            "/v1/recharges",
            "/v1/recharges/{recharge_id}",
            "/v1/channels/{channel}/callbacks",
            "/v1/sandbox/payments",
            "/v1/sandbox/bills",
            "/v1/finance/receivables",
        ],
    ),
    (
        ServiceName::Settlement,
        &[
            "/v1/contracts",
            "/v1/statements/{payee_id}/{day}",
            "/v1/finance/contracts.csv",
            "/v1/finance/contract-imports",
            "/v1/finance/contract-imports/{import_id}/{decision}",
            "/v1/finance/statements",
            "/v1/finance/statements.csv",
            "/v1/finance/statements.xlsx",
            "/v1/finance/statement-lines.csv",
            "/v1/finance/statements/{payee_id}/{day}/{part}",
            "/v1/finance/payees/{payee_id}",
            "/v1/finance/audit/payouts",
            "/v1/finance/audit/payouts/verification",
            "/v1/finance/payee-accounts",
            "/v1/finance/payee-accounts/{account_id}/approve",
            "/v1/finance/payout-requests",
            "/v1/finance/payout-requests/{request_id}/cancel",
            "/v1/finance/payout-batches",
            "/v1/finance/payout-batches/{batch_id}",
            "/v1/finance/payout-batches/{batch_id}/{part}",
        ],
    ),
    (
        ServiceName::Clearing,
        &[
            "/v1/trial-balance",
            "/v1/finance/periods",
            "/v1/finance/audit/periods",
            "/v1/finance/audit/periods/verification",
            "/v1/finance/periods/{period}/{part}",
            "/v1/finance/journal",
            "/v1/finance/journal/{voucher_id}",
            "/v1/finance/roll-forward",
            "/v1/finance/exports/{book}",
        ],
    ),
    (
        ServiceName::Recon,
        &[
            "/v1/breaks",
            "/v1/recon/lag",
            "/v1/finance/break-ages",
            "/v1/finance/breaks",
            "/v1/finance/breaks/{break_id}",
            "/v1/finance/breaks/{break_id}/assignments",
            "/v1/finance/breaks/{break_id}/comments",
            "/v1/finance/breaks/{break_id}/proposals",
            "/v1/finance/breaks/{break_id}/approvals",
            "/v1/finance/breaks/{break_id}/rejections",
            "/v1/finance/breaks/{break_id}/reopenings",
            "/v1/finance/audit/breaks",
            "/v1/finance/audit/breaks/verification",
            "/v1/finance/bills",
            "/v1/finance/bills/verify",
            "/v1/finance/bills/{bill_id}",
            "/v1/finance/bill-profiles",
            "/v1/finance/recon-runs",
            "/v1/finance/recon-runs/{run_id}",
            "/v1/finance/recon-runs/{run_id}/report",
            "/v1/finance/recon-runs/{a}/diff/{b}",
            "/v1/finance/explanations/{id}",
            "/v1/finance/today",
            "/v1/finance/proposals",
            "/v1/finance/matching-rules",
            "/v1/finance/matching-rules/{version}/{act}",
        ],
    ),
];

/// What is known of the other processes.
pub struct Peers {
    calls: Calls,
    /// The nodes of each service that is configured to be elsewhere; of no other.
    nodes: BTreeMap<&'static str, Nodes>,
    /// Where it is said which nodes live.
    live: Vec<(String, LiveNodes)>,
    wallet: Option<Arc<RemoteWallet>>,
    /// The shard map, where nothing works without the wallet: beside gift.
    needed: Option<OwnerMap>,
    reports: Option<Arc<RemoteReports>>,
}

impl Peers {
    /// Begins to ask who holds what, where `services` of this process need it.
    ///
    /// # Errors
    /// [`Failure::Config`], naming the setting.
    pub fn start(
        config: &peer::Config,
        services: &[ServiceName],
        tokens: &TokenKeys,
        registry: &Registry,
    ) -> Result<Peers, Failure> {
        config.check().map_err(|error| Failure::Config(error.to_string()))?;
        let calls = Calls::declared_in(registry, tokens.clone(), config);
        let every = config.map_poll();
        let wants = |name| services.contains(&name);
        let (mut nodes, mut live) = (BTreeMap::new(), Vec::new());
        for (service, urls) in config.services().into_iter().filter(|(_, urls)| !urls.is_empty()) {
            let (alive, known) = Nodes::open(urls);
            nodes.insert(service, known);
            live.push((service.to_owned(), alive));
        }
        let (wallets, gifts) = (nodes.get("wallet").cloned(), nodes.get("gift").cloned());
        let mut peers =
            Peers { calls: calls.clone(), nodes, live, wallet: None, needed: None, reports: None };
        let commands_wallet = [ServiceName::Gift, ServiceName::Wallet, ServiceName::Recon];
        if let Some(nodes) = wallets.filter(|_| commands_wallet.into_iter().any(wants)) {
            let map = OwnerMap::start(calls.clone(), nodes, RemoteWallet::SHARDS_PATH, every);
            peers.wallet =
                Some(Arc::new(RemoteWallet::start(&calls, map.clone(), config).map_err(too_many)?));
            peers.needed = wants(ServiceName::Gift).then_some(map);
        }
        if let Some(nodes) = gifts.filter(|_| wants(ServiceName::Gift)) {
            let map = OwnerMap::start(calls.clone(), nodes, RemoteReports::KEPT_PATH, every);
            peers.reports = Some(Arc::new(RemoteReports::try_new(&calls, map).map_err(too_many)?));
        }
        Ok(peers)
    }

    /// Where it is said which nodes live, by service: of those that are configured to be elsewhere. Once.
    pub fn take_live(&mut self) -> Vec<(String, LiveNodes)> {
        std::mem::take(&mut self.live)
    }

    /// The nodes of a service that is configured to be elsewhere.
    pub fn nodes(&self, service: &str) -> Option<Nodes> {
        self.nodes.get(service).cloned()
    }

    /// The wallet in other processes.
    pub fn wallet(&self) -> Option<Arc<dyn Wallet>> {
        self.wallet.clone().map(|wallet| -> Arc<dyn Wallet> { wallet })
    }

    /// The keepers of orders in other processes.
    pub fn reports(&self) -> Option<Arc<dyn ShowReports>> {
        self.reports.clone().map(|reports| -> Arc<dyn ShowReports> { reports })
    }

    /// A service that owns something, in other processes; `None` where none are named.
    ///
    /// # Errors
    /// [`Failure::Config`]: too many are.
    pub fn owner(&self, service: &str) -> Result<Option<Arc<RemoteOwner>>, Failure> {
        let Some(nodes) = self.nodes(service) else { return Ok(None) };
        Ok(Some(Arc::new(RemoteOwner::try_new(&self.calls, nodes).map_err(too_many)?)))
    }

    /// A log of a service in other processes; `None` where none are named.
    ///
    /// # Errors
    /// [`Failure::Config`]: too many are.
    pub fn source<R: LogRow>(&self, service: &str) -> Result<Option<Arc<dyn LogSource<R>>>, Failure> {
        let Some(nodes) = self.nodes(service) else { return Ok(None) };
        Ok(Some(Arc::new(HttpLogSource::<R>::try_new(&self.calls, nodes).map_err(too_many)?)))
    }

    /// Routes that pass on what a process with pages does not serve itself.
    ///
    /// # Errors
    /// [`Failure::Config`]: more nodes are named than a process knows.
    pub fn front_door(&self, services: &[ServiceName]) -> Result<Router, Failure> {
        let forwards = PATHS.into_iter().filter(|(service, _)| !services.contains(service));
        let forwards = forwards
            .filter_map(|(service, paths)| Some(Forward { paths, nodes: self.nodes(name_of(service))? }));
        peer::forward_routes(&self.calls, forwards.collect()).map_err(too_many)
    }

    /// Waits until every shard of the wallet has an owner that answers.
    ///
    /// # Errors
    /// [`Failure::Waited`].
    pub async fn wait(&self, waiting: &Waiting) -> Result<(), Failure> {
        let Some(map) = &self.needed else { return Ok(()) };
        let is_whole = async || {
            let status = map.status();
            if status.without_owner == 0 {
                return Ok(());
            }
            let silent = status.silent.join("; ");
            Err(format!("{} of 64 shards have no owner; {silent}", status.without_owner).into())
        };
        let change = "start the wallet's nodes, or correct peers.wallet";
        waiting.until("the wallet", change, is_whole).await
    }

    /// The wallet is strong: without any of it there are no gifts. A part of it that is just being taken over is
    /// only reported, because gifts of the other shards go on, and its own wait.
    pub fn report(&self, readiness: &Readiness) {
        let Some(map) = &self.needed else { return };
        let (strong, weak) = (map.clone(), map.clone());
        readiness.check("wallet", move || match strong.status().without_owner {
            64 => Err("no shard has an owner that answers".to_owned()),
            _ => Ok(()),
        });
        readiness.weak("wallet shards", move || match weak.status().without_owner {
            0 => Ok(()),
            missing => Err(format!("{missing} of 64 shards have no owner that answers")),
        });
    }
}

/// What a service is called where processes speak of each other.
pub fn name_of(service: ServiceName) -> &'static str {
    match service {
        ServiceName::Cashier => "cashier",
        ServiceName::Wallet => "wallet",
        ServiceName::Gift => "gift",
        ServiceName::Settlement => "settlement",
        ServiceName::Clearing => "clearing",
        ServiceName::Recon => "recon",
        ServiceName::Console => "console",
    }
}

fn too_many(error: DeclareError) -> Failure {
    Failure::Config(format!("peers: {error}"))
}
