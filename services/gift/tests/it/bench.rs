//! A gift service in a runtime of its own, so that it can be killed between any two awaits; the database, the
//! wallet and the rooms outlive it.

use crate::fake_cashier::FakeCashier;
use crate::fake_wallet::FakeWallet;
use crate::store::Rooms;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::{Router, body};
use bus::Bus;
use cache::{Cache, CacheSettings};
use contracts::catalogue::{Room, RoomState};
use contracts::digest::{Fact, Pair, body_hash, facts_of_entry, facts_of_order};
use contracts::entry::{Entry, Outcome};
use contracts::lane::Lane;
use contracts::log::AccountingZone;
use contracts::order::{Order, OrderKind};
use contracts::owner::ReturnsRecharges;
use contracts::wallet::{Act, Command, RefundAmount, Wallet};
use edge::{Edge, Role, TokenKeys};
use gift::{Config, Deps, KeeperStatus, OrdersTable, Running, StartError};
use hotkey::HotTable;
use ids::{OrderId, Partition, RequestId, RoomId, SendKey, StreamerId, Uuid, ViewerId};
use money::Coins;
use pg::{Db, PoolSettings};
use seqlog::{LogSource, LogTable};
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tower::ServiceExt;

const SECRET: &[u8; 32] = b"a secret of thirty-two bytes ...";

/// Gifts of the test catalogue.
pub const ROSE: u32 = 1;
pub const CLAP: u32 = 2;
pub const BOX: u32 = 3;
pub const GONE: u32 = 4;

pub const CATALOGUE: &str = r#"{"version": 1, "source": "made for tests", "gifts": [
    {"gift_id": 1, "name": "Rose", "glyph": "🌹", "list_price_coins": 12, "price_coins": 10, "kind": "paid"},
    {"gift_id": 2, "name": "Clap", "glyph": "👏", "list_price_coins": 0, "price_coins": 0, "kind": "free"},
    {"gift_id": 3, "name": "Box", "glyph": "🎁", "list_price_coins": 50, "price_coins": 50, "kind": "blind_box",
     "outcomes": [{"gift_id": 1, "value_coins": 12, "odds_ppm": 900000},
                  {"gift_id": 4, "value_coins": 400, "odds_ppm": 100000}]},
    {"gift_id": 4, "name": "Castle", "glyph": "🏰", "list_price_coins": 400, "price_coins": 400, "kind": "paid",
     "shelf": "off"}]}"#;

/// What outlives a node.
pub struct Bench {
    pub db: Db,
    pub bus: Bus,
    pub wallet: Arc<FakeWallet>,
    pub rooms: Arc<Rooms>,
    pub cashier: Arc<FakeCashier>,
    pub config: Config,
    pub room: RoomId,
    /// The name of the next node.
    pub node: String,
    keys: TokenKeys,
    database: testkit::TestDatabase,
}

/// One running node.
pub struct Node {
    runtime: Option<Runtime>,
    router: Router,
    running: Option<Running>,
    pub status: watch::Receiver<KeeperStatus>,
}

impl Bench {
    /// An empty database, and settings that make waiting short.
    pub async fn open() -> Bench {
        let database = testkit::postgres().await.fresh_database().await;
        let db = database.db("gift", &Lane::Live, &[&seqlog::MIGRATOR, &gift::MIGRATOR]).await;
        let bus = Bus::in_process(&Lane::Live);
        let mut config = Config::defaults().expect("the shipped defaults are readable");
        config.node_lease_ms = 400;
        config.report_resend_ms = 50;
        config.look_every_ms = 50;
        config.gather_ms = 5;
        config.refund_retry_ms = 50;
        config.keeper_lease_ms = 900;
        Bench {
            db,
            wallet: Arc::new(FakeWallet::new(bus.clone())),
            bus,
            rooms: Arc::default(),
            cashier: Arc::default(),
            config,
            room: RoomId::now(),
            node: "node-1".to_owned(),
            keys: TokenKeys::from_secret(SECRET).expect("long enough"),
            database,
        }
    }

    /// A node with the room open.
    pub async fn start(&self) -> Node {
        let store: Arc<dyn cache::Store> = self.rooms.clone();
        let cache = Cache::new(store, &Lane::Live, CacheSettings::default());
        self.start_with(cache).await
    }

    pub async fn start_with(&self, cache: Cache) -> Node {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let started = runtime.spawn(self.starting(cache));
        let running = started.await.expect("the start does not panic").expect("gift starts");
        let router = Edge::new(self.keys.clone()).finish(running.router());
        let status = running.status();
        let node = Node { runtime: Some(runtime), router, running: Some(running), status };
        self.save_room(&node, RoomState::Live).await;
        node
    }

    /// What a start that fails says, causes and all.
    pub async fn refused_start(&self) -> String {
        let refused = self.starting(Cache::in_process(&Lane::Live)).await.err().expect("it does not start");
        let first: &dyn std::error::Error = &refused;
        let causes = std::iter::successors(Some(first), |error| error.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }

    fn starting(&self, cache: Cache) -> impl Future<Output = Result<Running, StartError>> + Send + 'static {
        let (url, bus, config) = (self.database.url().to_owned(), self.bus.clone(), self.config.clone());
        let (node, quotas) = (self.node.clone(), Arc::new(guard::Quotas::new(1_024)));
        let entries: Arc<dyn LogSource<Entry>> = self.wallet.clone();
        let wallet: Arc<dyn Wallet> = self.wallet.clone();
        let recharges: Arc<dyn ReturnsRecharges> = self.cashier.clone();
        async move {
            let pool = pg::connect(&url, PoolSettings::default()).await.expect("the test database");
            let deps = Deps {
                db: Db::new(pool, gift::SERVICE, &Lane::Live),
                bus,
                cache,
                wallet,
                recharges: Some(recharges),
                shares: None,
                entries,
                reports_elsewhere: None,
                draw_secret: b"seed".to_vec(),
                catalogue: CATALOGUE.to_owned(),
                quotas,
                config,
                zone: AccountingZone::default(),
                node,
            };
            gift::start(deps).await
        }
    }

    pub async fn save_room(&self, node: &Node, state: RoomState) {
        let room = Room { room_id: self.room, streamer_id: StreamerId::now(), title: "A room".into(), state };
        let body = serde_json::to_value(room).expect("a plain value");
        let call = Call::post("/v1/rooms").token(&self.token(Role::Sre, Uuid::now_v7())).json(&body);
        let (status, answer) = node.call(call).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }

    pub fn token(&self, role: Role, sub: Uuid) -> String {
        self.keys.mint(role, sub, Duration::from_secs(600)).expect("a token is signed")
    }

    /// A token of a tenant's viewer.
    pub fn token_of(&self, tenant: Uuid, viewer: ViewerId) -> String {
        let ttl = Duration::from_secs(600);
        self.keys.mint_of(tenant, Role::Viewer, viewer.uuid(), ttl).expect("a token is signed")
    }

    pub fn body(&self, gift_id: u32, quantity: u32) -> Value {
        json!({"room_id": self.room, "gift_id": gift_id, "quantity": quantity})
    }

    /// Sends a gift; returns the answer.
    pub async fn send(
        &self,
        node: &Node,
        viewer: ViewerId,
        key: SendKey,
        body: Value,
    ) -> (StatusCode, Value) {
        node.call(self.sending(viewer, key, &body)).await
    }

    pub fn sending(&self, viewer: ViewerId, key: SendKey, body: &Value) -> Call {
        Call::post("/v1/gift-orders").token(&self.token(Role::Viewer, viewer.uuid())).key(key).json(body)
    }

    /// What a viewer is told of an order.
    pub async fn state_of(&self, node: &Node, viewer: ViewerId, order_id: OrderId) -> Value {
        let token = self.token(Role::Viewer, viewer.uuid());
        node.call(Call::get(format!("/v1/gift-orders/{order_id}")).token(&token)).await.1
    }

    /// Waits until an order stands so.
    pub async fn wait_for_state(
        &self,
        node: &Node,
        viewer: ViewerId,
        order_id: OrderId,
        state: &str,
    ) -> Value {
        let mut seen = Value::Null;
        for _ in 0..400 {
            seen = self.state_of(node, viewer, order_id).await;
            if seen["state"] == state {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("order {order_id} is not {state} but {seen}");
    }

    pub async fn finance_refund(&self, node: &Node, order_id: OrderId) -> (StatusCode, Value) {
        let token = self.token(Role::Finance, Uuid::now_v7());
        let call = Call::post(format!("/v1/gift-orders/{order_id}/refunds"));
        node.call(call.token(&token).key(SendKey::now())).await
    }

    /// Some coins of an order come back under a request id of their own.
    pub async fn refund_some(&self, viewer: ViewerId, order_id: OrderId, coins: i64) -> Outcome {
        let amount = RefundAmount::Coins(Coins::try_new(coins).expect("amounts of tests fit"));
        let act = Act::Refund { order_id, amount };
        let command =
            Command { request_id: RequestId::now(), account_id: viewer, body_hash: body_hash(&act), act };
        self.wallet.submit(command).await.expect("the wallet decides").outcome()
    }

    /// Every order row, by partition and seq.
    pub async fn orders(&self) -> Vec<Order> {
        let mut orders = Vec::new();
        for partition in Partition::all() {
            orders.extend(
                OrdersTable.read_after(&self.db, partition, 0, 100_000).await.expect("orders are readable"),
            );
        }
        orders
    }

    pub async fn kinds_of(&self, order_id: OrderId) -> Vec<OrderKind> {
        self.orders().await.into_iter().filter(|row| row.order_id == order_id).map(|row| row.kind).collect()
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(self.db.sql(sql)).fetch_one(self.db.pool()).await.expect("a count")
    }

    pub async fn execute(&self, sql: &'static str) -> Result<u64, sqlx::Error> {
        Ok(sqlx::query(self.db.sql(sql)).execute(self.db.pool()).await?.rows_affected())
    }

    /// Waits until nothing waits: every accepted debit has ended and every refund owed has come back.
    pub async fn settle(&self) {
        let began = Instant::now();
        loop {
            self.wallet.publish_marks().await;
            tokio::time::sleep(Duration::from_millis(25)).await;
            // Facts first: a row that makes them equal comes with the refund that it makes due, or after it.
            let (entries, orders) = (facts(self.entry_facts()), facts(self.order_facts().await));
            let pending = self.count("SELECT count(*) FROM {s}.pending_orders").await;
            let due = self.count("SELECT count(*) FROM {s}.refunds_due").await;
            if pending == 0 && due == 0 && entries == orders {
                return;
            }
            let left =
                format!("{pending} pending, {due} due, {} facts, {} told", entries.len(), orders.len());
            assert!(began.elapsed() < Duration::from_secs(20), "never settled: {left}");
        }
    }

    fn entry_facts(&self) -> Vec<Fact> {
        self.wallet.entries().iter().filter_map(facts_of_entry).collect()
    }

    async fn order_facts(&self) -> Vec<Fact> {
        self.orders().await.iter().flat_map(facts_of_order).collect()
    }

    /// Invariants: both logs state the same facts; every order ends once; what was never shown is refunded,
    /// once; no seq is missing; a room saw every delivered order.
    pub async fn assert_books_balance(&self) {
        assert_eq!(facts(self.entry_facts()), facts(self.order_facts().await), "entries and orders disagree");
        let orders = self.orders().await;
        for partition in Partition::all() {
            let seqs: Vec<i64> = orders
                .iter()
                .filter(|row| row.stamp.partition == partition)
                .map(|row| row.stamp.seq)
                .collect();
            let whole: Vec<i64> = (1..).take(seqs.len()).collect();
            assert_eq!(seqs, whole, "partition {partition} has gaps");
        }
        for order in &orders {
            let kinds: Vec<OrderKind> =
                orders.iter().filter(|row| row.order_id == order.order_id).map(|row| row.kind).collect();
            let legal = match kinds.as_slice() {
                [OrderKind::Delivered, back @ ..] => {
                    back.iter().all(|kind| *kind == OrderKind::RefundedDelivered)
                }
                [OrderKind::Refunding, back @ ..] => {
                    !back.is_empty() && back.iter().all(|kind| *kind == OrderKind::ReturnedUndelivered)
                }
                _ => false,
            };
            assert!(legal, "{:?} went {kinds:?}", order.order_id);
        }
    }
}

fn facts(all: Vec<Fact>) -> Vec<Fact> {
    let mut facts: Vec<Fact> = all.into_iter().filter(|fact| fact.pair == Pair::EntriesOrders).collect();
    facts.sort_unstable();
    facts
}

impl Node {
    /// The partitions whose orders this node decides.
    pub fn kept(&self) -> Vec<Partition> {
        let held = self.running.as_ref().map(Running::held).unwrap_or_default();
        held.into_iter().map(|(partition, _)| partition).collect()
    }

    /// What an operator sees of hot keys.
    pub fn hot_tables(&self) -> Vec<HotTable> {
        self.running.as_ref().map(|running| running.hot_keys().tables()).unwrap_or_default()
    }

    /// Reports not acknowledged yet.
    pub fn unacknowledged(&self) -> usize {
        self.running.as_ref().map_or(0, Running::unacknowledged_len)
    }

    /// One request, answered in the node's own runtime.
    pub async fn call(&self, call: Call) -> (StatusCode, Value) {
        let response = self.spawn(call.request()).await.expect("handlers do not panic");
        let status = response.status();
        let bytes = body::to_bytes(response.into_body(), 1 << 20).await.expect("a short body");
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// A request in flight; aborting it is a client that goes away.
    pub fn spawn(&self, request: Request<Body>) -> tokio::task::JoinHandle<axum::response::Response> {
        let router = self.router.clone();
        let runtime = self.runtime.as_ref().expect("a running node");
        runtime.spawn(async move { router.oneshot(request).await.unwrap_or_else(|never| match never {}) })
    }

    /// Kills the node between two awaits: nothing is finished, no lease is ended.
    pub fn kill(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Stops the node as an operator would.
    pub async fn stop(mut self) {
        let (runtime, running) = (self.runtime.take(), self.running.take());
        let (Some(runtime), Some(running)) = (runtime, running) else { return };
        runtime.spawn(running.shutdown()).await.expect("shutdown does not panic");
        runtime.shutdown_background();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One request in the making.
#[derive(Clone, Debug, Default)]
pub struct Call {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
}

impl Call {
    pub fn get(path: impl Into<String>) -> Call {
        Call { method: "GET", path: path.into(), ..Call::default() }
    }

    pub fn post(path: impl Into<String>) -> Call {
        Call { method: "POST", path: path.into(), ..Call::default() }
    }

    pub fn delete(path: impl Into<String>) -> Call {
        Call { method: "DELETE", path: path.into(), ..Call::default() }
    }

    pub fn put(path: impl Into<String>) -> Call {
        Call { method: "PUT", path: path.into(), ..Call::default() }
    }

    pub fn token(self, token: &str) -> Call {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub fn key(self, key: SendKey) -> Call {
        self.header("idempotency-key", key.to_string())
    }

    pub fn header(mut self, name: &'static str, value: String) -> Call {
        self.headers.push((name, value));
        self
    }

    pub fn json(self, body: &Value) -> Call {
        self.text(body.to_string())
    }

    pub fn text(mut self, body: String) -> Call {
        self.body = Some(body);
        self.header("content-type", "application/json".to_owned())
    }

    pub fn request(self) -> Request<Body> {
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.body(self.body.map_or_else(Body::empty, Body::from)).expect("a well-formed request")
    }
}

/// Waits until a condition holds; fails after ten seconds.
pub async fn wait_until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..400 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("never: {what}");
}
