//! Invariant under test: two people close a break from the command line, and the coins they agreed on arrive once.

use crate::place::{Place, free_address, text, wait_until_ready};
use chaos::{Ended, Victim};
use ids::{OrderId, Uuid, named_id};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// One process with everything, over a database that a test may write to.
struct Desk {
    place: Place,
    address: SocketAddr,
    database: testkit::TestDatabase,
    _process: Victim,
}

impl Desk {
    async fn start() -> Desk {
        let place = Place::new();
        let database = testkit::postgres().await.fresh_database().await;
        let (address, folder) = (free_address(), place.data_dir());
        let listen = address.to_string();
        let words = ["up", "--data-dir", text(&folder), "--listen", &listen, "--database", database.url()];
        let env = [("LARGESSE_DATABASE__CONNECTIONS_MAX", "8")];
        let process = place.start(&words, &env);
        wait_until_ready(address).await;
        Desk { place, address, database, _process: process }
    }

    async fn run(&self, words: &[&str]) -> Ended {
        let (folder, url) = (self.place.data_dir(), format!("http://{}", self.address));
        self.place.run(&[words, &["--url", &url, "--data-dir", text(&folder)]].concat(), &[]).await
    }

    async fn json(&self, words: &[&str]) -> Value {
        let ended = self.run(&[words, &["--json"]].concat()).await;
        assert!(ended.status.success(), "{words:?}: {}", ended.stderr);
        serde_json::from_str(&ended.stdout).expect("JSON")
    }

    /// A break as recon would have found it, about an order that nobody knows.
    async fn plant(&self) -> String {
        let break_id = named_id("break", "planted");
        let plant = "INSERT INTO recon.breaks (break_id, fact_key, kind, logs, partition, minute, order_id, coins, evidence,
            state, due_at) VALUES ($1, 'planted', 'missing_order', 'entries_orders', 1, 29000000, $2, 70, '{}', 2, now())";
        let pool = self.database.pool().await;
        let plant = sqlx::query(plant).bind(break_id).bind(OrderId::now().uuid());
        plant.execute(&pool).await.expect("plants");
        break_id.to_string()
    }

    async fn promo_coins(&self, viewer: &str) -> Value {
        let folder = self.place.data_dir();
        let words = ["token", "--role", "viewer", "--sub", viewer, "--data-dir", text(&folder)];
        let token = self.place.run(&words, &[]).await.stdout;
        let asked = reqwest::Client::new().get(format!("http://{}/v1/wallet", self.address));
        let wallet: Value =
            asked.bearer_auth(token.trim()).send().await.expect("answers").json().await.expect("JSON");
        wallet["available"]["promo_coins"].clone()
    }
}

#[tokio::test]
async fn two_people_close_a_break_from_the_command_line_and_the_coins_arrive_once() {
    let desk = Desk::start().await;
    let found = desk.plant().await;
    let table = desk.run(&["break", "list", "--state", "open"]).await;
    assert!(table.stdout.contains(&found) && table.stdout.contains("missing_order"), "{}", table.stdout);
    desk.json(&["break", "assign", &found, "--to", "mia", "--sub", "mia"]).await;
    desk.json(&["break", "comment", &found, "--text", "Ann wrote to us.", "--sub", "mia"]).await;
    let grant = ["--action", "grant-coins", "--viewer", "ann", "--promo-coins", "70", "--reason", "lost"];
    let proposed = desk.json(&[&["break", "propose", &found, "--sub", "mia"], &grant[..]].concat()).await;
    let digest = proposed["digest"].as_str().expect("a digest").to_owned();
    let approve = ["break", "approve", &found, "--digest", &digest, "--sub"];
    let own = desk.run(&[&approve[..], &["mia"]].concat()).await;
    assert!(!own.status.success() && own.stderr.contains("[maker-is-checker]"), "{}", own.stderr);
    let approved = desk.run(&[&approve[..], &["ced"]].concat()).await;
    assert!(approved.status.success(), "{}", approved.stderr);

    let began = Instant::now();
    let detail = loop {
        let detail = desk.json(&["break", "show", &found]).await;
        if detail["break"]["state"] == "closed" {
            break detail;
        }
        assert!(began.elapsed() < PATIENCE, "never closed: {detail:#}");
    };
    assert_eq!(desk.promo_coins("ann").await, 70);
    let proof = &detail["proposals"][0]["effect"]["proof"];
    assert_eq!(proof["account_id"], Value::from(named_id("viewer", "ann").to_string()));
    let shown = desk.run(&["break", "show", &found]).await.stdout;
    for said in ["Ann wrote to us.", "because lost", &digest, "approved", "posted", "closed"] {
        assert!(shown.contains(said), "{said:?} is not in {shown}");
    }
    let reopened = desk.json(&["break", "reopen", &found, "--reason", "again", "--sub", "ced"]).await;
    assert_eq!(reopened["break"]["reopens_id"], Value::from(found));
}

#[tokio::test]
async fn the_trail_is_verified_from_the_command_line_and_a_changed_row_is_named() {
    let desk = Desk::start().await;
    let whole = desk.run(&["audit", "verify"]).await;
    assert!(whole.status.success() && whole.stdout.contains("The trail is whole"), "{}", whole.stdout);
    let found = desk.plant().await;
    for text in ["one", "two", "three"] {
        desk.json(&["break", "comment", &found, "--text", text, "--sub", "mia"]).await;
    }
    let asked = desk.run(&["audit", "verify", "--json"]).await;
    let asked: Value = serde_json::from_str(&asked.stdout).expect("JSON");
    let trails = asked["trails"].as_array().expect("a list");
    let names: Vec<&str> = trails.iter().filter_map(|of| of["trail"].as_str()).collect();
    assert_eq!(names, ["breaks", "refunds", "periods", "payouts"]);
    let of_breaks = &trails[0];
    assert_eq!(of_breaks["fault"], Value::Null, "{asked}");
    assert_eq!(of_breaks["unexplained"], serde_json::json!([found]), "it was put in past recon");
    let anchor = format!("breaks={}", of_breaks["head"].as_str().expect("an end"));
    let tables = ["audit", "verify", "--database", desk.database.url(), "--anchor", &anchor];
    let seq: i64 = sqlx::query_scalar("SELECT seq FROM recon.audit_trail WHERE body ->> 'text' = 'two'")
        .fetch_one(&desk.database.pool().await)
        .await
        .expect("reads");
    let mut tx = desk.database.pool().await.begin().await.expect("begins");
    sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tx).await.expect("sets");
    let rewrite = "UPDATE recon.audit_trail SET body = '{\"text\": \"too\"}' WHERE seq = $1";
    sqlx::query(rewrite).bind(seq).execute(&mut *tx).await.expect("rewrites");
    tx.commit().await.expect("commits");
    let broken = desk.place.run(&tables, &[]).await;
    assert!(!broken.status.success(), "{}", broken.stdout);
    let said = format!("The trail is NOT whole: row {seq} says something else");
    assert!(broken.stdout.contains(&said), "{}", broken.stdout);
    let json = desk.run(&["audit", "verify", "--json"]).await;
    assert!(!json.status.success() && json.stdout.contains("\"rewritten_body\""), "{}", json.stdout);
    let reader = desk.run(&["break", "comment", &found, "--text", "", "--sub", "mia"]).await;
    assert!(reader.stderr.contains("[text-out-of-range]"), "{}", reader.stderr);
    assert_eq!(Uuid::try_parse(&found).map(|id| id.get_version_num()), Ok(7));
}
