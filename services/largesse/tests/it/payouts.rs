//! Invariant under test: what settlement says of payees' money is what clearing books, account by account, from the
//! gift to the bank and back.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use books::{BooksDb, catch_up_gaps};
use bus::Bus;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contracts::lane::Lane;
use contracts::log::{AccountingZone, LogName, Stamp};
use contracts::order::{Order, OrderKind};
use edge::{Edge, Role, TokenKeys};
use ids::{OrderId, Partition, RoomId, SendKey, StreamerId, Uuid, ViewerId};
use money::Coins;
use pg::Db;
use seqlog::{Appender, AppenderSettings, LogTable, Membership, NodeSettings, Relaying, TableSource};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use testkit::TestDatabase;
use tower::ServiceExt;

/// How long anything may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Settlement and clearing at work on one database. The logs before them are in another, so that the proof is of
/// these two alone.
struct House {
    _databases: [TestDatabase; 2],
    db: Db,
    orders: Appender<gift::OrdersTable>,
    orders_db: Db,
    /// Entries that orders were derived from so far.
    entries: i64,
    _gift: Membership,
    settlement: settlement::Running,
    clearing: clearing::Running,
    keys: TokenKeys,
}

fn noon(day: i64) -> DateTime<Utc> {
    let first = NaiveDate::from_ymd_opt(2026, 1, 1).and_then(|day| day.and_hms_opt(4, 0, 0)).expect("a time");
    first.and_utc() + TimeDelta::days(day - 1)
}

fn day_of(day: i64) -> NaiveDate {
    AccountingZone::default().day_of(noon(day))
}

fn source<T: LogTable>(db: &Db, table: T) -> Arc<TableSource<T>> {
    Arc::new(TableSource::new(db.clone(), table))
}

impl House {
    async fn open() -> House {
        let databases = [
            testkit::postgres().await.fresh_database().await,
            testkit::postgres().await.fresh_database().await,
        ];
        let [here, before] = &databases;
        let db = here.db("settlement", &Lane::Live, &[&seqlog::MIGRATOR, &settlement::MIGRATOR]).await;
        let books_db = here.db("clearing", &Lane::Live, &[&seqlog::MIGRATOR, &clearing::MIGRATOR]).await;
        let cashier = before.db("cashier", &Lane::Live, &[&seqlog::MIGRATOR, &cashier::MIGRATOR]).await;
        let wallet = before.db("wallet", &Lane::Live, &[&seqlog::MIGRATOR, &wallet::MIGRATOR]).await;
        let orders_db = before.db("gift", &Lane::Live, &[&seqlog::MIGRATOR, &gift::MIGRATOR]).await;
        let bus = Bus::in_process(&Lane::Live);
        let node = NodeSettings::even("a", Duration::from_secs(30));
        let gift = Membership::join(orders_db.clone(), LogName::Orders.as_str(), node).await.expect("joins");
        let writing = AppenderSettings { ownership: gift.ownership(), relaying: Relaying::On };
        let mut orders = Appender::new(orders_db.clone(), gift::OrdersTable, bus.clone(), writing);
        orders.follow().await.expect("takes over");
        let mut config = settlement::Config::try_default().expect("whole");
        config.finalise_every_s = 1;
        config.payouts.minimum_minor = 1;
        config.payouts.log_every_ms = 20;
        let settlement = settlement::start(settlement::Deps {
            db: db.clone(),
            bus: bus.clone(),
            cache: cache::Cache::in_process(&Lane::Live),
            orders: source(&orders_db, gift::OrdersTable),
            config,
            zone: AccountingZone::default(),
            node: "a".to_owned(),
        });
        let settlement = settlement.await.expect("settlement starts");
        let clearing = clearing::start(clearing::Deps {
            db: books_db,
            bus,
            sources: clearing::Sources {
                payments: source(&cashier, cashier::PaymentsTable),
                entries: source(&wallet, wallet::EntriesTable),
                items: source(&db, settlement::ItemsTable),
                payouts: source(&db, settlement::PayoutsTable),
            },
            config: clearing::Config::try_default().expect("valid"),
            node: "a".to_owned(),
        });
        let clearing = clearing.await.expect("clearing starts");
        let keys = TokenKeys::from_secret(&[7; 32]).expect("long enough");
        House {
            _databases: databases,
            db,
            orders,
            orders_db,
            entries: 0,
            _gift: gift,
            settlement,
            clearing,
            keys,
        }
    }

    async fn append(&mut self, mut order: Order) {
        self.entries += 1;
        order.stamp.origin_seq = self.entries;
        let mut tx = self.orders_db.begin().await.expect("begins");
        self.orders.append(&mut tx, vec![order]).await.expect("appends");
        tx.commit().await.expect("commits");
        self.orders.committed();
    }

    /// Closes the log of orders after a day, until the day's statement of a streamer is final.
    async fn finish(&mut self, streamer: StreamerId, day: i64) {
        let until = tokio::time::Instant::now() + PATIENCE;
        let path = format!("/v1/statements/{streamer}/{}", day_of(day));
        while self.ask(Method::GET, &path, &Value::Null).await["status"] != "final" {
            assert!(tokio::time::Instant::now() < until, "day {day} was not finalised");
            for partition in Partition::all() {
                self.orders.close(partition, noon(day + 1));
            }
            self.orders.save_marks().await.expect("marks");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let router: Router = Edge::new(self.keys.clone()).finish(self.settlement.router());
        let token = self.keys.mint(Role::Finance, Uuid::now_v7(), Duration::from_secs(60)).expect("signed");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body.to_string()))
            .expect("a good request");
        let response = router.oneshot(request).await.expect("a router answers");
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1 << 20).await.expect("a short body");
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        assert!(status.is_success() || status == StatusCode::NOT_FOUND, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        self.ask(Method::POST, path, body).await
    }

    async fn until(&self, streamer: StreamerId, field: &str, minor: i64) {
        let until = tokio::time::Instant::now() + PATIENCE;
        let path = format!("/v1/finance/payees/{streamer}");
        while self.ask(Method::GET, &path, &Value::Null).await[field] != minor {
            assert!(tokio::time::Instant::now() < until, "{field} was never {minor}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until clearing has read all of it, proves the books, and tells accounts in minor units, debit less credit.
    async fn prove(&self) -> Vec<(String, i64)> {
        let source = BooksDb::new(sqlx::PgPool::clone(&self.db.pool()), &Lane::Live);
        let until = tokio::time::Instant::now() + PATIENCE;
        let report = loop {
            let report = books::check(&source).await.expect("the books can be read");
            let failed: Vec<_> = report.invariants.iter().filter(|line| !line.passed).collect();
            if failed.is_empty() {
                break report;
            }
            // What clearing has not read yet is missing in its accounts, too.
            let gaps = catch_up_gaps(&source).await.expect("reads");
            let is_behind = gaps.iter().any(|gap| gap.lag_rows > 0)
                || failed.iter().any(|line| line.name == "readers-caught-up");
            assert!(is_behind && tokio::time::Instant::now() < until, "{failed:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        for line in [
            "pending-of-streamers-equals-2241-01",
            "payouts-in-flight-equal-1012",
            "tax-withheld-equals-2221-12",
        ] {
            assert!(
                report.invariants.iter().any(|invariant| invariant.name == line),
                "{line} was not checked"
            );
        }
        let balance = self.clearing.trial_balance(None).await.expect("reads");
        let paid = ["1002.01", "1012", "1221.01", "2221.12", "2241.01", "2241.03"];
        let accounts =
            balance.accounts.into_iter().filter(|account| paid.contains(&account.account.as_str()));
        let net = accounts.map(|a| (a.account, (a.debit_micro.get() - a.credit_micro.get()) / 1_000_000));
        net.filter(|(_, minor)| *minor != 0).collect()
    }
}

fn order(streamer: StreamerId, coins: i64, day: i64) -> Order {
    let viewer = ViewerId::now();
    let order_id = OrderId::of(viewer, SendKey::now());
    Order {
        stamp: Stamp::original(order_id.partition(), noon(day), AccountingZone::default()),
        order_id,
        kind: OrderKind::Delivered,
        viewer_id: viewer,
        room_id: RoomId::now(),
        streamer_id: streamer,
        gift_id: 1,
        quantity: 1,
        paid_coins: Coins::try_new(coins).expect("in range"),
        promo_coins: Coins::ZERO,
    }
}

fn told(accounts: &[(&str, i64)]) -> Vec<(String, i64)> {
    accounts.iter().map(|(account, minor)| ((*account).to_owned(), *minor)).collect()
}

#[tokio::test]
async fn what_settlement_says_of_payees_money_is_what_clearing_books() {
    let mut house = House::open().await;
    let streamer = StreamerId::now();
    let gift = order(streamer, 20_000_000, 1); // CNY 20,000, half of it the streamer's.
    house.append(gift.clone()).await;
    house.finish(streamer, 1).await;
    house.until(streamer, "available_minor", 1_000_000).await;
    assert_eq!(house.prove().await, told(&[("2241.03", -1_000_000)]));

    let account = Uuid::now_v7();
    let given = json!({ "account_id": account, "payee_id": streamer, "holder": "Ann", "account_no": "1", "bank_code": "X" });
    house.post("/v1/finance/payee-accounts", &given).await;
    house.post(&format!("/v1/finance/payee-accounts/{account}/approve"), &Value::Null).await;
    let pay = async |house: &House, outcome: &str| {
        let ask = json!({ "request_id": Uuid::now_v7(), "payee_id": streamer });
        house.post("/v1/finance/payout-requests", &ask).await;
        let batch = format!("/v1/finance/payout-batches/{}", {
            let id = Uuid::now_v7();
            house.post("/v1/finance/payout-batches", &json!({ "batch_id": id })).await;
            id
        });
        house.post(&format!("{batch}/approve"), &Value::Null).await;
        let file = house.post(&format!("{batch}/submit"), &Value::Null).await;
        let at_bank = house.prove().await;
        let line = file["lines"][0]["line_id"].clone();
        let word = json!({ "lines": [{ "line_id": line, "outcome": outcome, "reason": "closed" }] });
        house.post(&format!("{batch}/confirmations"), &word).await;
        (at_bank, house.prove().await)
    };
    let in_flight = told(&[("1012", -991_000), ("2221.12", -9_000)]);
    let (at_bank, sent_back) = pay(&house, "rejected").await;
    assert_eq!((at_bank, sent_back), (in_flight.clone(), told(&[("2241.03", -1_000_000)])));
    let (at_bank, paid) = pay(&house, "paid").await;
    assert_eq!((at_bank, paid), (in_flight, told(&[("1002.01", -991_000), ("2221.12", -9_000)])));

    // A tenth of the gift is refunded after it was paid out.
    let stamp = Stamp::original(gift.stamp.partition, noon(2), AccountingZone::default());
    let coins = Coins::try_new(2_000_000).expect("in range");
    house.append(Order { stamp, kind: OrderKind::RefundedDelivered, paid_coins: coins, ..gift }).await;
    house.finish(streamer, 2).await;
    house.until(streamer, "receivable_minor", 100_000).await;
    let owed = told(&[("1002.01", -991_000), ("1221.01", 100_000), ("2221.12", -9_000)]);
    assert_eq!(house.prove().await, owed);
    let House { settlement, clearing, .. } = house;
    settlement.shutdown().await;
    clearing.shutdown().await;
}
