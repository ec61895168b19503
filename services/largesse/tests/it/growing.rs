//! Invariant under test: a fleet grows and shrinks without restarts. A process that sends gifts finds wallet nodes that its
//! configuration does not name, also while Redis is away, and forgets those that are gone.

use crate::place::{COMMAND_LIMIT, Place, free_address, text, wait_until_ready};
use chaos::{Ended, Victim};
use ids::{SendKey, named_id};
use serde_json::{Value, json};
use sqlx::PgPool;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use testkit::{Fsync, Kind, Server};

const PATIENCE: Duration = Duration::from_secs(90);

/// What all processes sign tokens with.
const KEY: (&str, &str) = ("LARGESSE_SECRET_TOKEN_KEY", "a key that every process of this test shares");

/// How soon a killed process is off the list.
const EXPIRE_MS: &str = "3000";

struct Growing {
    place: Place,
    database: testkit::TestDatabase,
    pool: PgPool,
    redis: Server,
}

impl Growing {
    async fn open() -> Growing {
        let redis = tokio::task::spawn_blocking(|| Server::start(Kind::Redis, Fsync::Off)).await;
        let redis = redis.expect("no panic").expect("a private Redis");
        let database = testkit::postgres().await.fresh_database().await;
        let pool = database.pool().await;
        let place = Place::new();
        let migrated = place.run(&["migrate", "--database", database.url()], &[]).await;
        assert!(migrated.status.success(), "{}", migrated.stderr);
        Growing { place, database, pool, redis }
    }

    async fn start(&self, node: &str, services: &[&str], more: &[(&str, &str)]) -> (Victim, SocketAddr) {
        let (address, folder) = (free_address(), self.place.file(node));
        let listen = address.to_string();
        let place = ["--data-dir", text(&folder), "--database", self.database.url(), "--listen", &listen];
        let words = [&["serve"], services, &place].concat();
        let env = [
            KEY,
            ("LARGESSE_NODE", node),
            ("LARGESSE_DATABASE__CONNECTIONS_MAX", "8"),
            ("LARGESSE_ROUTES__RENEW_MS", "500"),
            ("LARGESSE_ROUTES__EXPIRE_MS", EXPIRE_MS),
        ];
        let process = self.place.start(&words, &[&env[..], more].concat());
        wait_until_ready(address).await;
        (process, address)
    }

    /// A process that no configuration names; it needs no Redis.
    async fn wallet(&self, node: &str) -> (Victim, SocketAddr) {
        self.start(node, &["cashier", "wallet"], &[]).await
    }

    /// Waits until a node writes so many partitions of the wallet's log.
    async fn until_owned(&self, node: &str, count: i64) {
        let sql = "SELECT count(*) FROM wallet.log_heads WHERE owner = $1 AND log = 'wallet.entries'";
        let began = Instant::now();
        loop {
            let owned: i64 = sqlx::query_scalar(sql).bind(node).fetch_one(&self.pool).await.expect("a count");
            if owned == count {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{node} writes {owned} partitions, not {count}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn listed(&self) -> Vec<String> {
        let sql = "SELECT node FROM routes.nodes WHERE service = 'wallet' ORDER BY node";
        sqlx::query_scalar(sql).fetch_all(&self.pool).await.expect("the list")
    }

    async fn until_listed(&self, wanted: &[&str]) {
        let began = Instant::now();
        loop {
            let found = self.listed().await;
            if found == wanted {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{found:?} are listed, not {wanted:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn token(&self) -> String {
        let folder = self.place.file("outside");
        let words = ["token", "--role", "viewer", "--sub", "ann", "--data-dir", text(&folder)];
        self.place.run(&words, &[KEY]).await.stdout.trim().to_owned()
    }

    async fn ask(&self, words: &[&str]) -> Ended {
        let folder = self.place.file("outside");
        self.place.run(&[words, &["--data-dir", text(&folder)]].concat(), &[KEY]).await
    }
}

/// Pays for coins, at a process with a cashier.
async fn recharge(base: SocketAddr, token: &str) {
    let client = reqwest::Client::new();
    let asked = client
        .post(format!("http://{base}/v1/recharges"))
        .bearer_auth(token)
        .header("Idempotency-Key", SendKey::now().to_string())
        .json(&json!({"channel": "sandbox", "amount_minor": 100_000}));
    let asked: Value = asked.send().await.expect("an answer").json().await.expect("JSON");
    let pay = json!({"recharge_id": asked["recharge_id"]});
    let pay = client.post(format!("http://{base}/v1/sandbox/payments")).bearer_auth(token).json(&pay);
    let paid = pay.send().await.expect("an answer");
    assert!(paid.status().is_success(), "{}", paid.text().await.unwrap_or_default());
}

/// Sends one gift, until it is taken: the coins may be on their way, and a node may just have died.
async fn give(base: SocketAddr, token: &str, when: &str) {
    let (client, began) = (reqwest::Client::new(), Instant::now());
    loop {
        let sent = client
            .post(format!("http://{base}/v1/gift-orders"))
            .bearer_auth(token)
            .header("Idempotency-Key", SendKey::now().to_string())
            .json(&json!({"room_id": named_id("room", "aria"), "gift_id": 1101, "quantity": 1}));
        let sent = sent.send().await.expect("an answer").text().await.expect("text");
        let said: Value = serde_json::from_str(&sent).unwrap_or_default();
        if said["outcome"] == "accepted" {
            println!("{when}, a gift was taken after {:?}", began.elapsed());
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{when}, no gift is taken: {sent}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn kill(process: Victim) {
    assert!(process.kill_after(Duration::ZERO).await.expect("killed"), "it had ended by itself");
}

#[tokio::test]
async fn gifts_go_on_through_wallet_nodes_that_no_configuration_names() {
    let growing = Growing::open().await;
    let (first, first_at) = growing.wallet("wallet-1").await;
    let peers = format!("[\"http://{first_at}\"]");
    let redis = growing.redis.url().to_owned();
    let env = [("LARGESSE_PEERS__WALLET", peers.as_str()), ("LARGESSE_REDIS__URL", redis.as_str())];
    let (_gift, gift_at) = growing.start("gift-1", &["gift"], &env).await;
    let token = growing.token().await;
    recharge(first_at, &token).await;
    give(gift_at, &token, "with the configured node alone").await;

    let (second, second_at) = growing.wallet("wallet-2").await;
    growing.until_owned("wallet-2", 32).await;
    give(gift_at, &token, "with a node that no configuration names").await;
    kill(first).await;
    growing.until_owned("wallet-2", 64).await;
    give(gift_at, &token, "with the configured node killed").await;
    growing.until_listed(&["wallet-2"]).await;
    let url = format!("http://{gift_at}");
    let sets = growing.ask(&["refresh", "roster", "--set", "routes", "--url", &url]).await;
    assert!(sets.stdout.contains("runs what it should"), "{}{}", sets.stdout, sets.stderr);
    let doctor = growing.place.run(&["doctor", "--database", growing.database.url()], &[]).await;
    let line = format!("wallet-2 at http://{second_at}");
    assert!(doctor.stdout.contains(&line), "{}{}", doctor.stdout, doctor.stderr);

    growing.redis.crash().expect("Redis is killed");
    let (third, _) = growing.wallet("wallet-3").await;
    growing.until_owned("wallet-3", 32).await;
    kill(second).await;
    growing.until_owned("wallet-3", 64).await;
    give(gift_at, &token, "with Redis away and a third node alone").await;
    growing.until_listed(&["wallet-3"]).await;

    // Who is told to stop takes itself off the list.
    let told = std::process::Command::new("kill").args(["-TERM", &third.id().to_string()]).status();
    assert!(told.expect("kill runs").success());
    let ended = third.finish(COMMAND_LIMIT).await.expect("it ends");
    assert!(ended.status.success(), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(growing.listed().await, Vec::<String>::new(), "it left without a word: {}", ended.stdout);
}
