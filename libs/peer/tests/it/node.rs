//! A wallet node that decides commands in memory, shared by all nodes of a test, and misbehaves when told to.

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use contracts::entry::{Entry, EntryKind, Funds, FundsDelta, Outcome};
use contracts::log::{AccountingZone, Epoch, Held, Stamp};
use contracts::wallet::{Answer, Answers, Command, Commands, Replay, WalletError};
use edge::{Edge, Internal, TokenKeys};
use guard::CUT_LEVEL_HEADER;
use ids::{Partition, RequestId, partition_of};
use peer::{Calls, Config, OwnerMap, PeerUrl, RemoteWallet};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

pub const SECRET: &[u8] = b"a secret that every process of the test shares";

/// What a node does with commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Decides, and never answers.
    Mute,
    /// Says that none of its shards are its own.
    Moved,
    /// Decides nothing and answers nothing.
    Stuck,
    /// Refuses everybody, and says so.
    Shedding,
}

/// What the wallet's tables would hold.
#[derive(Default)]
pub struct Tables {
    pub decided: Mutex<HashMap<RequestId, Entry>>,
    /// Commands of each request, in their order of arrival.
    pub requests: Mutex<Vec<usize>>,
}

#[derive(Clone)]
struct Shared {
    tables: Arc<Tables>,
    mood: Arc<Mutex<Mood>>,
    held: Arc<Mutex<Vec<(Partition, Epoch)>>>,
    asked: Arc<AtomicUsize>,
}

/// One node, in a runtime of its own. Dropping it closes its listener and every connection.
pub struct Node {
    pub address: SocketAddr,
    shared: Shared,
    runtime: Option<Runtime>,
}

impl Node {
    pub async fn start(tables: &Arc<Tables>, epoch: Epoch) -> Node {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listening = runtime.spawn(edge::listen(([127, 0, 0, 1], 0).into()));
        let listener = listening.await.expect("no panic").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let held = Partition::all().map(|partition| (partition, epoch)).collect();
        let shared = Shared {
            tables: Arc::clone(tables),
            mood: Arc::new(Mutex::new(Mood::Well)),
            held: Arc::new(Mutex::new(if epoch == 0 { Vec::new() } else { held })),
            asked: Arc::default(),
        };
        let router = Router::new()
            .route("/internal/wallet/shards", get(shards))
            .route("/internal/wallet/commands", post(commands))
            .layer(DefaultBodyLimit::max(16 << 20))
            .with_state(shared.clone());
        let router = Edge::new(keys()).finish(router);
        runtime.spawn(async move {
            let never = std::future::pending();
            edge::serve(listener, router, never, Duration::ZERO).await.expect("it serves");
        });
        Node { address, shared, runtime: Some(runtime) }
    }

    pub fn url(&self) -> PeerUrl {
        PeerUrl::try_from(format!("http://{}", self.address)).expect("an address")
    }

    pub fn set_mood(&self, mood: Mood) {
        *self.shared.mood.lock().expect("no panic") = mood;
    }

    /// How often it was asked what it holds.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// Lets go of every partition.
    pub fn let_go(&self) {
        self.shared.held.lock().expect("no panic").clear();
    }

    /// Claims every partition under this epoch.
    pub fn claim(&self, epoch: Epoch) {
        *self.shared.held.lock().expect("no panic") =
            Partition::all().map(|partition| (partition, epoch)).collect();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub fn keys() -> TokenKeys {
    TokenKeys::from_secret(SECRET).expect("long enough")
}

/// The shipped settings, with short waits.
pub fn config() -> Config {
    use figment::providers::{Format, Toml};
    let mut config: Config =
        figment::Figment::from(Toml::string(peer::DEFAULTS)).extract().expect("the shipped defaults");
    config.request_timeout_ms = 300;
    config.retry_max_ms = 2_000;
    config.map_poll_ms = 100;
    config
}

/// A wallet over these nodes, once the map knows an owner for every shard.
pub async fn wallet_over(nodes: &[PeerUrl], config: &Config) -> (RemoteWallet, OwnerMap) {
    wallet_through(&Calls::new(keys(), config), nodes, config).await
}

/// The same, by these calls.
pub async fn wallet_through(calls: &Calls, nodes: &[PeerUrl], config: &Config) -> (RemoteWallet, OwnerMap) {
    let map = OwnerMap::start(calls.clone(), nodes.to_vec(), RemoteWallet::SHARDS_PATH, config.map_poll());
    let wallet = RemoteWallet::start(calls, map.clone(), config).expect("few nodes");
    for _ in 0..200 {
        if map.status().without_owner == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (wallet, map)
}

async fn shards(_peer: Internal, State(shared): State<Shared>) -> Response {
    shared.asked.fetch_add(1, Ordering::SeqCst);
    let held = shared.held.lock().expect("no panic").clone();
    let cut = (*shared.mood.lock().expect("no panic") == Mood::Shedding).then_some([(CUT_LEVEL_HEADER, "0")]);
    (cut, Json(Held { held })).into_response()
}

async fn commands(_peer: Internal, State(shared): State<Shared>, Json(body): Json<Commands>) -> Response {
    let mood = *shared.mood.lock().expect("no panic");
    if mood == Mood::Stuck {
        std::future::pending::<()>().await;
    }
    shared.tables.requests.lock().expect("no panic").push(body.commands.len());
    if mood == Mood::Shedding {
        return (StatusCode::SERVICE_UNAVAILABLE, [(CUT_LEVEL_HEADER, "0")]).into_response();
    }
    let answers = body.commands.into_iter().map(|command| match mood {
        Mood::Moved => Err(WalletError::ShardMoved),
        Mood::Well | Mood::Mute | Mood::Stuck | Mood::Shedding => Ok(decide(&shared.tables, command)),
    });
    let answers = answers.collect();
    if mood == Mood::Mute {
        std::future::pending::<()>().await;
    }
    Json(Answers { answers }).into_response()
}

fn decide(tables: &Tables, command: Command) -> Answer {
    let mut decided = tables.decided.lock().expect("no panic");
    let replay = if decided.contains_key(&command.request_id) { Replay::Replayed } else { Replay::First };
    let entry = decided.entry(command.request_id).or_insert_with(|| entry_of(&command));
    Answer { entry: entry.clone(), replay }
}

fn entry_of(command: &Command) -> Entry {
    let partition = partition_of(command.account_id.uuid());
    Entry {
        stamp: Stamp::original(partition, DateTime::<Utc>::UNIX_EPOCH, AccountingZone::default()),
        request_id: command.request_id,
        account_id: command.account_id,
        body_hash: command.body_hash,
        kind: EntryKind::Freeze,
        outcome: Outcome::Accepted,
        available: FundsDelta::default(),
        held: FundsDelta::default(),
        after: Funds::default(),
        held_after: Funds::default(),
        origin_id: None,
        expires_at_ms: None,
        shortfall_coins: money::Coins::ZERO,
        send: None,
        previous_seq: 0,
    }
}
