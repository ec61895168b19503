//! Invariants under test: a process begins without the servers that gifts can do without, waits for those it needs, and is
//! told in one line what to change where waiting cannot help, whichever service it is.

use crate::place::{Place, free_address, text, wait_until_ready};
use crate::traces::send_one;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use testkit::{Fsync, Kind, Server};

const SERVICES: [&str; 6] = ["cashier", "wallet", "gift", "settlement", "clearing", "recon"];

/// How long a process that cannot start may take to say so, on a busy machine.
const ANSWERED_WITHIN: Duration = Duration::from_secs(45);

/// How long a server that is back may stay unnoticed.
const NOTICED_WITHIN: Duration = Duration::from_secs(60);

async fn private(kind: Kind) -> Server {
    let started = tokio::task::spawn_blocking(move || Server::start(kind, Fsync::Off)).await;
    started.expect("no panic").expect("a private server")
}

async fn start_again(mut server: Server) -> Server {
    let started = tokio::task::spawn_blocking(move || {
        server.start_again().expect("it starts again");
        server
    });
    started.await.expect("no panic")
}

async fn migrated(place: &Place, url: &str) {
    let migrated = place.run(&["migrate", "--database", url], &[]).await;
    assert!(migrated.status.success(), "{}", migrated.stderr);
}

/// What a ready process says is away.
async fn weakened(address: SocketAddr) -> Vec<String> {
    let answer = reqwest::get(format!("http://{address}/readyz")).await.expect("an answer");
    let said: Value = answer.json().await.expect("JSON");
    assert_eq!(said["ready"], true, "{said}");
    let names = said["weakened"].as_array().cloned().unwrap_or_default();
    names.iter().filter_map(|one| one["name"].as_str().map(str::to_owned)).collect()
}

async fn until_weakened(address: SocketAddr, wanted: &[&str]) {
    let began = Instant::now();
    loop {
        let now = weakened(address).await;
        if wanted.iter().all(|name| now.iter().any(|one| one == name))
            && (!wanted.is_empty() || now.is_empty())
        {
            return;
        }
        assert!(began.elapsed() < NOTICED_WITHIN, "{now:?} are away, not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_starts_while_the_broker_and_the_cache_are_away_serves_gifts_and_finds_them_later() {
    let (place, address) = (Place::new(), free_address());
    let database = testkit::postgres().await.fresh_database().await;
    migrated(&place, database.url()).await;
    let (redis, rabbitmq) = tokio::join!(private(Kind::Redis), private(Kind::RabbitMq));
    redis.crash().expect("it ends");
    rabbitmq.crash().expect("it ends");
    let (data_dir, listen) = (place.data_dir(), address.to_string());
    let at = ["--data-dir", text(&data_dir), "--database", database.url(), "--listen", &listen];
    let servers = ["--redis", redis.url(), "--amqp", rabbitmq.url()];
    let words = [&["serve", "console"][..], &SERVICES, &at, &servers].concat();
    let began = Instant::now();
    let process = place.start(&words, &[]);
    wait_until_ready(address).await;
    println!("ready without the broker and the cache after {:?}", began.elapsed());
    send_one(&place, &format!("http://{address}"), &[]).await;
    until_weakened(address, &["broker", "cache"]).await;
    let began = Instant::now();
    let (_redis, _rabbitmq) = tokio::join!(start_again(redis), start_again(rabbitmq));
    until_weakened(address, &[]).await;
    println!("both are there and found after {:?}", began.elapsed());
    send_one(&place, &format!("http://{address}"), &[]).await;
    place.closed_books(database.url()).await;
    assert!(process.kill_after(Duration::ZERO).await.expect("killed"), "it had ended by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_and_one_of_reads_that_start_late_are_waited_for_and_named() {
    let place = Place::new();
    let shared = testkit::postgres().await.fresh_database().await;
    migrated(&place, shared.url()).await;
    let own = private(Kind::Postgres).await;
    migrated(&place, own.url()).await;
    own.crash().expect("it ends");
    let url = own.url().to_owned();
    let (mut waiting, mut addresses) = (Vec::new(), Vec::new());
    for (name, database, env) in [
        ("primary", url.as_str(), vec![]),
        ("reads", shared.url(), vec![("LARGESSE_DATABASE__READ_URL", url.as_str())]),
    ] {
        let (folder, address) = (place.file(name), free_address());
        let listen = address.to_string();
        let at = ["--data-dir", text(&folder), "--database", database, "--listen", &listen];
        let words = [&["serve", "wallet"][..], &at].concat();
        let impatient = [&env[..], &[("LARGESSE_START__WAIT_MAX_S", "1")]].concat();
        let gave_up = place.run(&words, &impatient).await;
        let last = gave_up.stderr.lines().last().unwrap_or_default();
        let setting = if name == "primary" { "correct database.url" } else { "correct database.read_url" };
        assert!(last.contains("gave up waiting") && last.contains(setting), "{}", gave_up.stderr);
        waiting.push(place.start(&words, &env));
        addresses.push(address);
    }
    let _own = start_again(own).await;
    for address in addresses {
        wait_until_ready(address).await;
    }
    for process in waiting {
        assert!(process.kill_after(Duration::ZERO).await.expect("killed"), "it had ended by itself");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_services_configuration_is_one_line_that_says_what_to_change() {
    let place = Place::new();
    let (database, old) =
        (testkit::postgres().await.fresh_database().await, testkit::postgres().await.fresh_database().await);
    migrated(&place, database.url()).await;
    let (head, tail) = database.url().rsplit_once('@').expect("a user");
    let (head, _) = head.rsplit_once(':').expect("a password");
    let wrong_password = format!("{head}:wrong@{tail}");
    let amqp = testkit::amqp_url().await.replace("guest:guest", "guest:wrong");
    let redis = testkit::redis_url().await.replace("redis://", "redis://ann:wrong@");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").to_string();
    let of_service = async |service: &str| {
        let data_dir = place.file(service);
        for (setting, value, wait, expected) in [
            ("LARGESSE_DATABASE__URL", "mysql://app@db/none", "60", "database.url"),
            ("LARGESSE_DATABASE__URL", wrong_password.as_str(), "60", "correct database.url"),
            ("LARGESSE_DATABASE__URL", old.url(), "0", "run `largesse migrate`"),
            ("LARGESSE_DATABASE__READ_URL", "mysql://app@db/none", "60", "database.read_url"),
            ("LARGESSE_DATABASE__READ_URL", wrong_password.as_str(), "60", "correct database.read_url"),
            ("LARGESSE_AMQP__URL", "http://127.0.0.1", "60", "correct amqp.url"),
            ("LARGESSE_AMQP__URL", amqp.as_str(), "60", "correct amqp.url"),
            ("LARGESSE_REDIS__URL", "http://127.0.0.1", "60", "correct redis.url"),
            ("LARGESSE_REDIS__URL", redis.as_str(), "60", "correct redis.url"),
            ("LARGESSE_HTTP__LISTEN", port.as_str(), "60", port.as_str()),
        ] {
            let words = ["serve", service, "--data-dir", text(&data_dir)];
            let mut env = vec![
                ("LARGESSE_DATABASE__URL", database.url()),
                ("LARGESSE_HTTP__LISTEN", "127.0.0.1:0"),
                ("LARGESSE_PEERS__WALLET", "[\"http://127.0.0.1:1\"]"),
                ("LARGESSE_START__WAIT_MAX_S", wait),
            ];
            env.retain(|(name, _)| *name != setting);
            env.push((setting, value));
            let refused = place
                .start(&words, &env)
                .finish(ANSWERED_WITHIN)
                .await
                .unwrap_or_else(|error| panic!("{service}, {setting}={value}: {error}"));
            assert!(!refused.status.success(), "{service}, {setting}={value}");
            let said: Vec<&str> =
                refused.stderr.lines().filter(|line| line.starts_with("largesse: ")).collect();
            assert_eq!(said.len(), 1, "{service}, {setting}={value}: {}", refused.stderr);
            assert!(said[0].contains(expected), "{service}, {setting}={value}: {}", refused.stderr);
            assert!(!refused.stderr.contains(":wrong"), "a password shows: {}", refused.stderr);
        }
    };
    futures::future::join_all(SERVICES.map(of_service)).await;
}
