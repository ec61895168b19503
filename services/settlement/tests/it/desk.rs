//! A settlement with a database of its own, fed by orders in memory.

use crate::orders::Orders;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use books::BooksDb;
use bus::Bus;
use cache::Cache;
use chrono::{DateTime, NaiveDate, Utc};
use contracts::item::Item;
use contracts::lane::Lane;
use contracts::log::AccountingZone;
use contracts::order::Order;
use edge::{Edge, Role, TokenKeys};
use ids::{Partition, Uuid};
use pg::Db;
use seqlog::{LogSource, TableSource, read_offsets};
use serde_json::Value;
use settlement::{Config, Deps, ItemsTable, READER, Running};
use sqlx::Row;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use testkit::TestDatabase;
use tower::ServiceExt;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Told {
    pub status: StatusCode,
    pub body: Value,
}

impl Told {
    pub fn slug(&self) -> &str {
        self.body["type"].as_str().and_then(|kind| kind.strip_prefix("/problems/")).unwrap_or("none")
    }
}

pub struct Desk {
    _database: TestDatabase, // Dropped with the desk, and the database with it.
    pub db: Db,
    pub orders: Arc<Orders>,
    pub bus: Bus,
    pub cache: Cache,
    pub config: Config,
    pub running: Option<Running>,
    keys: TokenKeys,
}

pub fn quick_config() -> Config {
    let mut config = Config::try_default().expect("the defaults are whole");
    config.gather_ms = 2;
    config.pull_after_ms = 5;
    config.lease_ms = 900;
    config.finalise_every_s = 1;
    config.statements_per_batch = 3;
    config.payouts.log_every_ms = 20;
    config.payouts.releases_per_batch = 3;
    config.payouts.minimum_minor = 1;
    config
}

impl Desk {
    pub async fn open() -> Desk {
        Desk::open_with(quick_config()).await
    }

    pub async fn open_with(config: Config) -> Desk {
        Desk::open_over(config, Cache::in_process(&Lane::Live)).await
    }

    /// With a node that runs, and a cache of somebody's.
    pub async fn open_over(config: Config, cache: Cache) -> Desk {
        let mut desk = Desk::open_idle(config, cache).await;
        desk.running = Some(desk.start("a", desk.bus.clone()).await);
        desk
    }

    /// Without a node.
    pub async fn open_idle(config: Config, cache: Cache) -> Desk {
        let database = testkit::postgres().await.fresh_database().await;
        let db = database.db("settlement", &Lane::Live, &[&seqlog::MIGRATOR, &settlement::MIGRATOR]).await;
        Desk {
            _database: database,
            db,
            orders: Arc::default(),
            bus: Bus::in_process(&Lane::Live),
            cache,
            config,
            running: None,
            keys: TokenKeys::from_secret(&[7; 32]).expect("long enough"),
        }
    }

    /// Starts a node on the same database.
    pub async fn start(&self, node: &str, bus: Bus) -> Running {
        let orders: Arc<dyn LogSource<Order>> = self.orders.clone();
        let deps = Deps {
            db: self.db.clone(),
            bus,
            cache: self.cache.clone(),
            orders,
            config: self.config.clone(),
            zone: AccountingZone::default(),
            node: node.to_owned(),
        };
        settlement::start(deps).await.expect("it starts")
    }

    /// Ends every node's lease. One with a lease of an hour looks after it every ten minutes: as good as asleep.
    pub async fn fall_asleep(&self) {
        let end = self.db.sql("UPDATE {s}.log_nodes SET leased_until = now() - interval '1 s'");
        sqlx::query(end).execute(self.db.pool()).await.expect("the leases end");
    }

    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown().await;
        }
    }

    /// Publishes marks until every order is read, and closed up to an instant.
    pub async fn settle_all(&self, closed_until: DateTime<Utc>) {
        self.settle_all_on(&self.bus, closed_until).await;
    }

    pub async fn settle_all_on(&self, bus: &Bus, closed_until: DateTime<Utc>) {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            self.orders.publish_marks(bus, closed_until).await;
            let offsets =
                read_offsets(&self.db, READER, contracts::log::LogName::Orders).await.expect("offsets");
            let read = |partition| offsets.get(&partition).map_or(0, |(_, seq)| *seq);
            if Partition::all().all(|partition| read(partition) == self.orders.last_seq(partition)) {
                return;
            }
            assert!(tokio::time::Instant::now() < until, "orders were not read in time");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Every item; proves that no partition has a gap and that every row follows its order.
    pub async fn items(&self) -> Vec<Item> {
        let source = TableSource::new(self.db.clone(), ItemsTable);
        let mut all: Vec<Item> = Vec::new();
        for partition in Partition::all() {
            let page = source.read_after(partition, 0, 2_000).await.expect("the table can be read");
            for (at, item) in page.rows.iter().enumerate() {
                assert_eq!(item.stamp.seq, i64::try_from(at).expect("small") + 1, "a gap in {partition}");
            }
            all.extend(page.rows);
        }
        all
    }

    /// Net earnings by payee kind, payee and day.
    pub async fn earnings(&self) -> BTreeMap<(i16, Uuid, NaiveDate), i64> {
        let rows = sqlx::query(self.db.sql(
            "SELECT payee_kind, payee_id, day, sum(share_micro + clawback_micro)::bigint AS net
             FROM {s}.earnings GROUP BY payee_kind, payee_id, day",
        ))
        .fetch_all(self.db.pool())
        .await
        .expect("earnings");
        rows.iter().map(|row| ((row.get(0), row.get(1), row.get(2)), row.get(3))).collect()
    }

    pub async fn as_role(&self, role: Role, method: Method, path: &str, body: &Value) -> Told {
        let body = body.to_string();
        let (status, text) = self.ask((role, Uuid::now_v7()), method, path, ("application/json", body)).await;
        Told { status, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    /// Somebody of finance posts JSON.
    pub async fn post(&self, who: Uuid, path: &str, body: &Value) -> Told {
        let body = ("application/json", body.to_string());
        let (status, text) = self.ask((Role::Finance, who), Method::POST, path, body).await;
        Told { status, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    /// Somebody of finance posts a file.
    pub async fn post_csv(&self, who: Uuid, path: &str, file: &str) -> Told {
        let body = ("text/csv", file.to_owned());
        let (status, text) = self.ask((Role::Finance, who), Method::POST, path, body).await;
        Told { status, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    /// Finance reads JSON.
    pub async fn get(&self, path: &str) -> Value {
        self.as_role(Role::Finance, Method::GET, path, &Value::Null).await.body
    }

    /// Finance reads a file.
    pub async fn get_text(&self, path: &str) -> (StatusCode, String) {
        self.ask((Role::Finance, Uuid::now_v7()), Method::GET, path, ("text/csv", String::new())).await
    }

    async fn ask(
        &self,
        (role, who): (Role, Uuid),
        method: Method,
        path: &str,
        sent: (&str, String),
    ) -> (StatusCode, String) {
        let (status, bytes) = self.ask_bytes((role, who), method, path, sent).await;
        (status, String::from_utf8(bytes).expect("text"))
    }

    /// A file, whatever its format.
    pub async fn get_bytes(&self, path: &str) -> (StatusCode, Vec<u8>) {
        let who = (Role::Finance, Uuid::now_v7());
        self.ask_bytes(who, Method::GET, path, ("text/csv", String::new())).await
    }

    async fn ask_bytes(
        &self,
        (role, who): (Role, Uuid),
        method: Method,
        path: &str,
        (content_type, body): (&str, String),
    ) -> (StatusCode, Vec<u8>) {
        let router: Router = match &self.running {
            Some(running) => Edge::new(self.keys.clone()).finish(running.router()),
            None => panic!("settlement does not run"),
        };
        let token = self.keys.mint(role, who, Duration::from_secs(60)).expect("signed");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type)
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body))
            .expect("a good request");
        let response = router.oneshot(request).await.expect("a router answers");
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1 << 22).await.expect("a short body");
        (status, bytes.to_vec())
    }

    /// Waits until a day's statement of a payee is final, closing the log up to an instant again and again.
    pub async fn finalise(&self, payee: Uuid, day: NaiveDate, closed_until: DateTime<Utc>) -> Value {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            self.orders.publish_marks(&self.bus, closed_until).await;
            let statement = self.statement(payee, day).await;
            if statement["status"] == "final" {
                return statement;
            }
            assert!(tokio::time::Instant::now() < until, "{day} was not finalised in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until every move of payees' money is in its log, and proves the books from the tables.
    pub async fn prove(&self) {
        let until = tokio::time::Instant::now() + PATIENCE;
        let source = BooksDb::new(sqlx::PgPool::clone(&self.db.pool()), &Lane::Live);
        loop {
            let report = books::check(&source).await.expect("the books can be read");
            let failed: Vec<_> = report.invariants.iter().filter(|line| !line.passed).collect();
            if failed.is_empty() {
                assert!(report.invariants.iter().any(|line| line.name == "payees-are-their-moves"));
                return;
            }
            // A hold may end at any moment, and its move is due until the log has it. Nothing else may ever be wrong.
            let is_behind = failed.iter().all(|line| line.name == "readers-caught-up");
            assert!(is_behind && tokio::time::Instant::now() < until, "{failed:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn statement(&self, payee: Uuid, day: NaiveDate) -> Value {
        let path = format!("/v1/statements/{payee}/{day}");
        self.as_role(Role::Finance, Method::GET, &path, &Value::Null).await.body
    }
}
