//! Invariant under test: what two people give back goes all its way, from the gift to the payment channel, whatever is
//! killed in between, and the books prove it.

use crate::place::{Place, free_address, text, wait_until_ready};
use chaos::{Ended, Victim};
use chrono::Utc;
use ids::{OrderId, SendKey, Uuid, ViewerId, named_id};
use reqwest::Client;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(90);
/// A cheap gift of the default catalogue.
const CHEAP: u32 = 1101;

/// One process with everything, over a database that outlives it.
pub struct House {
    place: Place,
    address: SocketAddr,
    pub database: testkit::TestDatabase,
    process: Option<Victim>,
    client: Client,
    /// What its process finds in its environment.
    env: &'static [(&'static str, &'static str)],
}

impl House {
    async fn start() -> House {
        House::start_with(&[]).await
    }

    pub async fn start_with(env: &'static [(&'static str, &'static str)]) -> House {
        let database = testkit::postgres().await.fresh_database().await;
        let (place, address) = (Place::new(), free_address());
        let mut house = House { place, address, database, process: None, client: Client::new(), env };
        house.up().await;
        house
    }

    async fn up(&mut self) {
        let (folder, listen) = (self.place.data_dir(), self.address.to_string());
        let words =
            ["up", "--data-dir", text(&folder), "--listen", &listen, "--database", self.database.url()];
        let own = [("LARGESSE_DATABASE__CONNECTIONS_MAX", "8"), ("LARGESSE_RECON__OPEN_AFTER_S", "1")];
        self.process = Some(self.place.start(&words, &[&own[..], self.env].concat()));
        wait_until_ready(self.address).await;
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn kill(&mut self) {
        let process = self.process.take().expect("it runs");
        assert!(process.kill_after(Duration::ZERO).await.expect("killed"), "it had ended by itself");
    }

    async fn run(&self, words: &[&str]) -> Ended {
        let (folder, url) = (self.place.data_dir(), format!("http://{}", self.address));
        self.place.run(&[words, &["--url", &url, "--data-dir", text(&folder)]].concat(), &[]).await
    }

    pub async fn json(&self, words: &[&str]) -> Value {
        let ended = self.run(&[words, &["--json"]].concat()).await;
        assert!(ended.status.success(), "{words:?}: {}", ended.stderr);
        serde_json::from_str(&ended.stdout).expect("JSON")
    }

    pub async fn until(&self, words: &[&str], what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let seen = self.json(words).await;
            if holds(&seen) {
                return seen;
            }
            assert!(began.elapsed() < PATIENCE, "never {what}: {seen:#}");
        }
    }

    pub async fn token(&self, viewer: &str) -> String {
        let folder = self.place.data_dir();
        let words = ["token", "--role", "viewer", "--sub", viewer, "--data-dir", text(&folder)];
        self.place.run(&words, &[]).await.stdout.trim().to_owned()
    }

    async fn post(&self, token: &str, path: &str, (key, body): (SendKey, Value)) -> Value {
        let request = self.client.post(format!("http://{}{path}", self.address)).bearer_auth(token);
        let request = request.header("Idempotency-Key", key.to_string()).json(&body);
        let answer = request.send().await.expect("an answer");
        let (status, body) = (answer.status(), answer.json::<Value>().await.unwrap_or_default());
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    pub async fn get(&self, token: &str, path: &str) -> Value {
        let request = self.client.get(format!("http://{}{path}", self.address)).bearer_auth(token);
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    pub async fn get_until(
        &self,
        token: &str,
        path: &str,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let began = Instant::now();
        loop {
            let seen = self.get(token, path).await;
            if holds(&seen) {
                return seen;
            }
            assert!(began.elapsed() < PATIENCE, "never {what}: {seen:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A viewer pays; the recharge's id.
    pub async fn recharge(&self, token: &str, fen: i64) -> String {
        let ask = json!({ "amount_minor": fen, "channel": "sandbox" });
        let recharge = self.post(token, "/v1/recharges", (SendKey::now(), ask)).await;
        let before = self.get(token, "/v1/wallet").await["available"]["paid_coins"].as_i64().unwrap_or(0);
        self.post(
            token,
            "/v1/sandbox/payments",
            (SendKey::now(), json!({ "recharge_id": recharge["recharge_id"] })),
        )
        .await;
        let paid = |wallet: &Value| wallet["available"]["paid_coins"].as_i64() > Some(before);
        self.get_until(token, "/v1/wallet", "the coins come", paid).await;
        recharge["recharge_id"].as_str().expect("an id").to_owned()
    }

    /// A viewer sends gifts, each delivered; their orders.
    pub async fn gifts(&self, viewer: &str, token: &str, count: usize) -> Vec<OrderId> {
        let mut orders = Vec::new();
        for _ in 0..count {
            let key = SendKey::now();
            let gift = json!({ "room_id": named_id("room", "aria"), "gift_id": CHEAP, "quantity": 1 });
            self.post(token, "/v1/gift-orders", (key, gift)).await;
            orders.push(OrderId::of(ViewerId::from_uuid(named_id("viewer", viewer)), key));
        }
        for order in &orders {
            let path = format!("/v1/gift-orders/{order}");
            self.get_until(token, &path, "delivered", |order| order["state"] == "delivered").await;
        }
        orders
    }

    /// Proves the books as soon as everything is read; answers the figure of each line.
    pub async fn check(&self) -> Value {
        self.place.closed_books(self.database.url()).await
    }

    /// The proof as it stands, whether or not it holds.
    pub async fn report(&self) -> Value {
        let ended = self.place.run(&["check", "--database", self.database.url(), "--json"], &[]).await;
        serde_json::from_str(&ended.stdout).expect("JSON")
    }
}

fn figure<'a>(report: &'a Value, line: &str) -> &'a str {
    let lines = report["invariants"].as_array().expect("a list");
    let found =
        lines.iter().find(|it| it["name"] == line).unwrap_or_else(|| panic!("{line} was not checked"));
    found["figure"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_minors_gifts_and_their_money_go_back_although_the_process_is_killed() {
    let mut house = House::start().await;
    let ann = house.token("ann").await;
    let recharge = house.recharge(&ann, 600).await;
    let from = Utc::now().to_rfc3339();
    let orders = house.gifts("ann", &ann, 5).await;
    let to = Utc::now().to_rfc3339();
    let spent =
        6_000 - house.get(&ann, "/v1/wallet").await["available"]["paid_coins"].as_i64().expect("coins");
    let minor =
        ["refund", "minor", "--viewer", "ann", "--from", &from, "--to", &to, "--reason", "a guardian wrote"];
    let case = house.json(&[&minor[..], &["--sub", "mia"]].concat()).await;
    assert_eq!((&case["line_count"], &case["state"]), (&json!(5), &json!("waiting")), "{case}");
    let id = case["case_id"].as_str().expect("an id").to_owned();
    let shares = |case: &Value| case["shares"][0]["gift_count"] == 5;
    let shown = house.until(&["refund", "show", &id], "with shares", shares).await;
    assert!(shown["shares"][0]["streamer_micro"].as_i64() > Some(0), "{shown:#}");
    let own = house.run(&["refund", "approve", &id, "--sub", "mia"]).await;
    assert!(!own.status.success() && own.stderr.contains("[maker-is-checker]"), "{}", own.stderr);
    house.json(&["refund", "approve", &id, "--sub", "ced"]).await;
    house.kill().await;
    house.up().await;
    let done = house.until(&["refund", "show", &id], "done", |case| case["state"] == "done").await;
    assert_eq!((&done["done_count"], &done["failed_count"]), (&json!(5), &json!(0)));
    let back = done["refunded_paid_coins"].as_i64().expect("coins");
    assert!(back <= spent, "promotional coins stay what they are");
    assert_eq!(done["money"]["refunds"][0]["state"], "done", "{done:#}");
    let returned = back - done["money"]["left_coins"].as_i64().expect("coins");
    let taken = move |wallet: &Value| wallet["available"]["paid_coins"] == json!(6_000 - returned);
    house.get_until(&ann, "/v1/wallet", "the coins are taken back", taken).await;
    let state = house.get(&ann, &format!("/v1/recharges/{recharge}")).await["state"].clone();
    assert!(state == "partly_refunded" || state == "refunded", "{state}");
    let ranks = format!("/v1/rooms/{}/ranks", named_id("room", "aria"));
    house.get_until(&ann, &ranks, "the ranks fall", |ranks| ranks["ranks"] == json!([])).await;
    for order in orders {
        assert_eq!(house.get(&ann, &format!("/v1/gift-orders/{order}")).await["state"], "refunded");
    }
    let reversed = |case: &Value| {
        let share = &case["shares"][0];
        share["streamer_reversed_micro"].as_i64() == share["streamer_micro"].as_i64().map(|micro| -micro)
    };
    house.until(&["refund", "show", &id], "the shares are taken back", reversed).await;
    let table = house.run(&["refund", "list", "--kind", "minor", "--state", "done"]).await.stdout;
    assert!(table.contains(&id) && table.contains("a guardian wrote"), "{table}");
    house.check().await;
}

#[tokio::test]
async fn a_chargeback_of_spent_coins_is_owed_by_the_viewer_and_stands_in_the_books() {
    let house = House::start().await;
    let bob = house.token("bob").await;
    let recharge = house.recharge(&bob, 100).await;
    house.gifts("bob", &bob, 3).await;
    let left = house.get(&bob, "/v1/wallet").await["available"]["paid_coins"].as_i64().expect("coins");
    assert!(left < 1_000);
    let chargeback = json!({ "recharge_id": recharge, "chargeback": true });
    let told = house.post(&bob, "/v1/sandbox/payments", (SendKey::now(), chargeback)).await;
    assert_eq!(told["outcome"], "taken_back");
    let owed = 1_000 - left;
    let is_owed = move |list: &Value| list["receivables"][0]["shortfall_coins"] == json!(owed);
    let list = house.until(&["refund", "receivables"], "owed", is_owed).await;
    assert_eq!(list["receivables"][0]["viewer_id"], json!(named_id("viewer", "bob")));
    let report = house.check().await;
    let booked = figure(&report, "receivable-from-viewers-equals-1221");
    assert_eq!(booked, format!("account 1221 -{0}, sub-ledger -{0}", owed * 100_000));
    assert_eq!(
        figure(&report, "receivables-of-viewers-agree"),
        format!("{owed} coins owed, 0 withdrawals not heard of yet")
    );

    // The channel loses the dispute after all: the debt leaves the books, and bob has the coins back that were taken.
    house.json(&["recon", "run", "--day", &today()]).await;
    let owes = |list: &Value| list["breaks"][0]["state"] == "open";
    let found = house.until(&["break", "list", "--kind", "viewer_owes"], "told", owes).await;
    let found = found["breaks"][0]["break_id"].as_str().expect("an id").to_owned();
    let detail = close(&house, &found, &["--action", "settle-receivable", "--end", "dispute-won"]).await;
    let proof = &detail["proposals"][0]["effect"]["proof"];
    assert_eq!(
        (&proof["voucher"]["log"], &proof["entry"]["log"]),
        (&json!("clearing.vouchers"), &json!("wallet.entries"))
    );
    let back = |wallet: &Value| wallet["available"]["paid_coins"] == json!(left);
    house.get_until(&bob, "/v1/wallet", "the coins come back", back).await;
    let report = house.check().await;
    let booked = figure(&report, "receivable-from-viewers-equals-1221");
    assert_eq!(booked, format!("account 1221 0, sub-ledger -{0}, adjusted by {0}", owed * 100_000));
    let trails = house.run(&["audit", "verify"]).await;
    assert!(trails.status.success(), "{}", trails.stdout);
}

/// The accounting day of now, in the zone of the defaults.
fn today() -> String {
    contracts::log::AccountingZone::default().day_of(Utc::now()).to_string()
}

/// A break as recon would have found it, on its way.
async fn plant(house: &House, kind: &str, (order, evidence): (OrderId, Value)) -> String {
    let break_id = named_id("break", kind);
    let plant = "INSERT INTO recon.breaks (break_id, fact_key, kind, logs, partition, minute, order_id, coins, evidence,
        state, due_at) VALUES ($1, $2, $2, 'orders_items', $3, 29000000, $4, 70, $5, 2, now())";
    let plant = sqlx::query(plant).bind(break_id).bind(kind).bind(order.partition().number());
    let plant = plant.bind(order.uuid()).bind(evidence);
    plant.execute(&house.database.pool().await).await.expect("plants");
    break_id.to_string()
}

pub async fn close(house: &House, found: &str, action: &[&str]) -> Value {
    house.json(&["break", "assign", found, "--to", "mia", "--sub", "mia"]).await;
    let propose = [&["break", "propose", found, "--sub", "mia", "--reason", "we looked"], action].concat();
    let proposed = house.json(&propose).await;
    let digest = proposed["digest"].as_str().expect("a digest").to_owned();
    house.json(&["break", "approve", found, "--digest", &digest, "--sub", "ced"]).await;
    let closed = |detail: &Value| detail["break"]["state"] == "closed";
    house.until(&["break", "show", found], "closed", closed).await
}

#[tokio::test]
async fn two_people_close_breaks_by_settling_anew_and_by_an_adjusting_voucher() {
    let house = House::start().await;
    let eve = house.token("eve").await;
    house.recharge(&eve, 100).await;
    let order = house.gifts("eve", &eve, 1).await[0];
    house.check().await;
    let seq: i64 = sqlx::query_scalar("SELECT seq FROM gift.orders WHERE order_id = $1")
        .bind(order.uuid())
        .fetch_one(&house.database.pool().await)
        .await
        .expect("reads");
    let item = plant(&house, "missing_item", (order, json!({ "before": { "seq": seq } }))).await;
    let detail = close(&house, &item, &["--action", "resettle"]).await;
    let proof = &detail["proposals"][0]["effect"]["proof"];
    assert_eq!((&proof["log"], &proof["order_id"]), (&json!("settlement.items"), &json!(order)));
    let items: i64 = sqlx::query_scalar("SELECT count(*) FROM settlement.items")
        .fetch_one(&house.database.pool().await)
        .await
        .expect("reads");
    assert_eq!(items, 1, "what is settled is not settled twice");

    let other = OrderId::of(ViewerId::from_uuid(Uuid::now_v7()), SendKey::now());
    let found = plant(&house, "extra_item", (other, json!({}))).await;
    let lines = ["--action", "adjust-voucher", "--line", "6601:7000000:0", "--line", "2205.02:0:7000000"];
    let detail = close(&house, &found, &lines).await;
    let proof = &detail["proposals"][0]["effect"]["proof"];
    assert_eq!(proof["log"], "clearing.vouchers", "{detail:#}");
    let people: (Uuid, Uuid, String) = sqlx::query_as(
        "SELECT maker_id, checker_id, reason FROM clearing.adjustments WHERE voucher_seq = $1",
    )
    .bind(proof["seq"].as_i64())
    .fetch_one(&house.database.pool().await)
    .await
    .expect("reads");
    let named = |name: &str| named_id("finance", name);
    assert_eq!(people, (named("mia"), named("ced"), "we looked".to_owned()));
    let report = house.check().await;
    let control = figure(&report, "promo-coins-in-wallets-equal-2205-02");
    assert!(control.ends_with("adjusted by 7000000"), "{control}");
}

#[tokio::test]
async fn money_that_two_people_write_off_leaves_the_books_by_a_voucher_that_is_its_evidence() {
    let house = House::start().await;
    let eve = house.token("eve").await;
    house.recharge(&eve, 100).await;
    let other = OrderId::of(ViewerId::from_uuid(Uuid::now_v7()), SendKey::now());
    let evidence = json!({ "amount_minor": 7, "currency": "CNY" });
    let found = plant(&house, "short_money", (other, evidence)).await;
    let detail = close(&house, &found, &["--action", "write-off", "--coins", "70"]).await;
    assert_eq!(detail["break"]["closed_why"], "written_off");
    let proof = &detail["proposals"][0]["effect"]["proof"];
    assert_eq!(proof["log"], "clearing.vouchers", "{detail:#}");
    type Row = (String, Vec<String>, Vec<i64>, Vec<i64>);
    let vouchers: Vec<Row> = sqlx::query_as(
        "SELECT v.rule, v.accounts, v.debits, v.credits FROM clearing.vouchers v
         JOIN clearing.adjustments a ON a.partition = v.partition AND a.voucher_seq = v.seq WHERE a.request_id = $1",
    )
    .bind(proof["request_id"].as_str().and_then(|id| Uuid::try_parse(id).ok()))
    .fetch_all(&house.database.pool().await)
    .await
    .expect("reads");
    let accounts = vec!["6711".to_owned(), "1122".to_owned()];
    let posted = ("clearing.adjust".to_owned(), accounts, vec![7_000_000, 0], vec![0, 7_000_000]);
    assert_eq!(vouchers, [posted], "once");
    let report = house.check().await;
    let control = figure(&report, "payments-of-channels-equal-1122");
    assert!(control.ends_with("adjusted by 7000000"), "{control}");
}
