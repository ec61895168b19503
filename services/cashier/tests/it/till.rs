//! A cashier with a database of its own, and a payment channel that signs what it says.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use bus::Bus;
use cashier::{ChannelSecret, Config, Deps, Running, SANDBOX, SIGNATURE_HEADER, Secrets, TIMESTAMP_HEADER};
use chrono::Utc;
use contracts::lane::Lane;
use contracts::log::AccountingZone;
use contracts::payment::Payment;
use edge::{Edge, KeyAge, Role, TokenKeys};
use ids::{Partition, SendKey, Uuid, ViewerId};
use pg::Db;
use seqlog::LogSource;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use testkit::TestDatabase;
use tower::ServiceExt;

pub const SECRET: &[u8] = b"the secret of the sandbox in tests";

/// An answer: status and body.
#[derive(Debug, Clone)]
pub struct Told {
    pub status: StatusCode,
    pub body: Value,
}

impl Told {
    /// The slug of a problem.
    pub fn slug(&self) -> &str {
        self.body["type"].as_str().and_then(|kind| kind.strip_prefix("/problems/")).unwrap_or("none")
    }

    pub fn outcome(&self) -> (&str, &str) {
        (self.body["outcome"].as_str().unwrap_or("none"), self.body["replay"].as_str().unwrap_or("none"))
    }
}

pub struct Till {
    _database: TestDatabase, // Dropped with the till, and the database with it.
    pub db: Db,
    pub running: Option<Running>,
    pub router: Router,
    keys: TokenKeys,
    config: Config,
}

impl Till {
    pub async fn open() -> Till {
        Till::open_with(Config::try_default().expect("the defaults are whole")).await
    }

    pub async fn open_with(config: Config) -> Till {
        let database = testkit::postgres().await.fresh_database().await;
        let db = database.db("cashier", &Lane::Live, &[&seqlog::MIGRATOR, &cashier::MIGRATOR]).await;
        let keys = TokenKeys::from_secret(&[7; 32]).expect("long enough");
        let mut till = Till { _database: database, db, running: None, router: Router::new(), keys, config };
        till.start("a").await;
        till
    }

    /// Starts (again) as a node.
    pub async fn start(&mut self, node: &str) {
        let secret = ChannelSecret::try_new(SECRET).expect("long enough");
        let deps = Deps {
            db: self.db.clone(),
            bus: Bus::in_process(&Lane::Live),
            config: self.config.clone(),
            secrets: Secrets { channels: BTreeMap::from([(SANDBOX.to_owned(), secret)]) },
            zone: AccountingZone::default(),
            key_age: KeyAge::default(),
            node: node.to_owned(),
        };
        let running = cashier::start(deps).await.expect("it starts");
        self.router = Edge::new(self.keys.clone()).finish(running.router());
        self.running = Some(running);
    }

    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown().await;
        }
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, String)], body: Vec<u8>) -> Told {
        let mut request =
            Request::builder().method(method).uri(path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Body::from(body)).expect("a good request");
        Till::post(self.router.clone(), request).await
    }

    pub async fn as_viewer(
        &self,
        viewer: ViewerId,
        (method, path): (Method, &str),
        key: SendKey,
        body: Value,
    ) -> Told {
        let token = self.keys.mint(Role::Viewer, viewer.uuid(), Duration::from_secs(60)).expect("signed");
        let headers = [("authorization", format!("Bearer {token}")), ("idempotency-key", key.to_string())];
        self.send(method, path, &headers, body.to_string().into_bytes()).await
    }

    /// The sandbox's bill as somebody in a role asks for it: status and bytes.
    pub async fn bill(&self, role: Role, asked: &Value) -> (StatusCode, Vec<u8>) {
        let token = self.keys.mint(role, ids::Uuid::now_v7(), Duration::from_secs(60)).expect("signed");
        let request = Request::builder().method(Method::POST).uri("/v1/sandbox/bills");
        let request = request.header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {token}"));
        let request = request.body(Body::from(asked.to_string())).expect("a good request");
        let response = self.router.clone().oneshot(request).await.expect("a router answers");
        let status = response.status();
        (status, to_bytes(response.into_body(), 1 << 20).await.expect("a short body").to_vec())
    }

    pub async fn ask(&self, viewer: ViewerId, key: SendKey, amount_minor: i64) -> Told {
        let body = json!({ "amount_minor": amount_minor, "channel": "sandbox" });
        self.as_viewer(viewer, (Method::POST, "/v1/recharges"), key, body).await
    }

    /// A new viewer's recharge of an amount; its id.
    pub async fn recharge(&self, viewer: ViewerId, amount_minor: i64) -> String {
        let told = self.ask(viewer, SendKey::now(), amount_minor).await;
        assert_eq!(told.status, StatusCode::CREATED, "{told:?}");
        told.body["recharge_id"].as_str().expect("an id").to_owned()
    }

    pub async fn state_of(&self, viewer: ViewerId, recharge_id: &str) -> String {
        let path = format!("/v1/recharges/{recharge_id}");
        let told = self.as_viewer(viewer, (Method::GET, &path), SendKey::now(), Value::Null).await;
        told.body["state"].as_str().unwrap_or("none").to_owned()
    }

    /// A callback signed now.
    pub async fn callback(&self, body: &Value) -> Told {
        self.callback_signed(body, Utc::now().timestamp(), SECRET).await
    }

    pub async fn callback_signed(&self, body: &Value, second: i64, secret: &[u8]) -> Told {
        Till::post(self.router.clone(), signed(body, second, secret)).await
    }

    /// A callback signed now, to be sent later.
    pub fn signed(&self, body: &Value) -> Request<Body> {
        signed(body, Utc::now().timestamp(), SECRET)
    }

    pub async fn post(router: Router, request: Request<Body>) -> Told {
        let response = router.oneshot(request).await.expect("a router answers");
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1 << 20).await.expect("a short body");
        Told { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    /// Every payment of the log, partition by partition; proves that no partition has a gap.
    pub async fn payments(&self) -> Vec<Payment> {
        let source = seqlog::TableSource::new(self.db.clone(), cashier::PaymentsTable);
        let mut all = Vec::new();
        for partition in Partition::all() {
            let page = source.read_after(partition, 0, 2_000).await.expect("the table can be read");
            for (at, payment) in page.rows.iter().enumerate() {
                assert_eq!(payment.stamp.seq, i64::try_from(at).expect("small") + 1, "a gap in {partition}");
            }
            assert!(page.head.last_seq >= i64::try_from(page.rows.len()).expect("small"));
            all.extend(page.rows);
        }
        all
    }

    /// What viewers owe, as an auditor sees it.
    pub async fn receivables(&self) -> Value {
        let token = self.keys.mint(Role::Auditor, Uuid::now_v7(), Duration::from_secs(60)).expect("signed");
        let headers = [("authorization", format!("Bearer {token}"))];
        self.send(Method::GET, "/v1/finance/receivables", &headers, Vec::new()).await.body["receivables"]
            .clone()
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(self.db.sql(sql)).fetch_one(self.db.pool()).await.expect("a count")
    }

    /// Coins due: credited less taken back.
    pub async fn coins_due(&self) -> i64 {
        let sign = |payment: &Payment| match payment.kind {
            contracts::payment::PaymentKind::Recharge => 1,
            contracts::payment::PaymentKind::ChannelRefund => -1,
        };
        self.payments().await.iter().map(|payment| sign(payment) * payment.paid_coins.get()).sum()
    }
}

fn signed(body: &Value, second: i64, secret: &[u8]) -> Request<Body> {
    let bytes = body.to_string().into_bytes();
    let timestamp = second.to_string();
    let signature = ChannelSecret::try_new(secret).expect("long enough").sign(&timestamp, &bytes);
    Request::builder()
        .method(Method::POST)
        .uri("/v1/channels/sandbox/callbacks")
        .header(TIMESTAMP_HEADER, timestamp)
        .header(SIGNATURE_HEADER, signature)
        .body(Body::from(bytes))
        .expect("a good request")
}

pub fn says(kind: &str, channel_payment_id: &str, recharge_id: &str, amount_minor: i64) -> Value {
    json!({
        "channel_payment_id": channel_payment_id, "kind": kind, "recharge_id": recharge_id,
        "amount_minor": amount_minor, "currency": "CNY", "paid_at": "2026-03-01T12:00:00Z",
    })
}

pub fn refund(id: &str, of: &str, recharge_id: &str, amount_minor: i64) -> Value {
    let mut body = says("payment_refunded", id, recharge_id, amount_minor);
    body["refund_of"] = of.into();
    body
}

pub fn chargeback(id: &str, of: &str, recharge_id: &str, amount_minor: i64) -> Value {
    let mut body = says("payment_charged_back", id, recharge_id, amount_minor);
    body["refund_of"] = of.into();
    body
}
