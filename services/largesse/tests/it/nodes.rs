//! Invariant under test: real processes over one database share the partitions of every log; whichever is told to
//! stop, is stopped in its tracks or is killed, the others write on within seconds, and the books agree.

use crate::place::{COMMAND_LIMIT, Place, free_address, text, wait_until_ready};
use chaos::Victim;
use sqlx::PgPool;
use std::time::{Duration, Instant};

const LOGS: [(&str, &str); 5] = [
    ("cashier.payments", "SELECT count(*) FROM cashier.log_heads WHERE owner = $1 AND log = $2"),
    ("wallet.entries", "SELECT count(*) FROM wallet.log_heads WHERE owner = $1 AND log = $2"),
    ("settlement.items", "SELECT count(*) FROM settlement.log_heads WHERE owner = $1 AND log = $2"),
    ("settlement.payouts", "SELECT count(*) FROM settlement.log_heads WHERE owner = $1 AND log = $2"),
    ("clearing.vouchers", "SELECT count(*) FROM clearing.log_heads WHERE owner = $1 AND log = $2"),
];

/// Processes over one database and one broker.
struct Cluster {
    place: Place,
    database: testkit::TestDatabase,
    pool: PgPool,
    amqp: String,
}

impl Cluster {
    async fn open() -> Cluster {
        let database = testkit::postgres().await.fresh_database().await;
        let pool = database.pool().await;
        let place = Place::new();
        let migrated = place.run(&["migrate", "--database", database.url()], &[]).await;
        assert!(migrated.status.success(), "{}", migrated.stderr);
        Cluster { place, database, pool, amqp: testkit::amqp_url().await }
    }

    fn spawn(&self, node: &str, folder: &str, listen: &str) -> Victim {
        let data_dir = self.place.file(folder);
        let words = [
            "serve",
            "cashier",
            "wallet",
            "settlement",
            "clearing",
            "recon",
            "--data-dir",
            text(&data_dir),
            "--database",
            self.database.url(),
            "--amqp",
            &self.amqp,
            "--listen",
            listen,
        ];
        self.place.start(&words, &[("LARGESSE_NODE", node), ("LARGESSE_DATABASE__CONNECTIONS_MAX", "8")])
    }

    async fn start(&self, node: &str) -> Victim {
        let address = free_address();
        let victim = self.spawn(node, node, &address.to_string());
        wait_until_ready(address).await;
        victim
    }

    /// Waits until a node writes so many partitions of every log. Says how long that took.
    async fn until_owned(&self, node: &str, count: i64) -> Duration {
        let began = Instant::now();
        for (log, sql) in LOGS {
            loop {
                let owned: i64 = sqlx::query_scalar(sql)
                    .bind(node)
                    .bind(log)
                    .fetch_one(&self.pool)
                    .await
                    .expect("a count");
                if owned == count {
                    break;
                }
                let waited = began.elapsed();
                assert!(
                    waited < Duration::from_secs(30),
                    "{node} writes {owned} partitions of {log}, not {count}"
                );
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        began.elapsed()
    }
}

/// Sends a signal to a process of this test, by its id.
fn signal(name: &str, victim: &Victim) {
    let sent = std::process::Command::new("kill").args([name, &victim.id().to_string()]).status();
    assert!(sent.expect("kill runs").success(), "{name} was not sent");
}

#[tokio::test]
async fn a_process_told_to_stop_stopped_in_its_tracks_or_killed_is_replaced() {
    let cluster = Cluster::open().await;
    let first = cluster.start("n1").await;
    cluster.until_owned("n1", 64).await;
    let second = cluster.start("n2").await;
    cluster.until_owned("n2", 32).await;

    signal("-TERM", &first);
    let drained = cluster.until_owned("n2", 64).await;
    println!("SIGTERM: everything is handed over after {drained:?}");
    assert!(drained < Duration::from_secs(5));
    let ended = first.finish(COMMAND_LIMIT).await.expect("it ends");
    assert!(ended.status.success(), "{}{}", ended.stdout, ended.stderr);

    let first = cluster.start("n1").await;
    cluster.until_owned("n1", 32).await;
    signal("-STOP", &first);
    let replaced = cluster.until_owned("n2", 64).await;
    println!("SIGSTOP: everything is taken over after {replaced:?}");
    signal("-CONT", &first);
    cluster.until_owned("n1", 32).await;

    signal("-KILL", &first);
    let replaced = cluster.until_owned("n2", 64).await;
    println!("SIGKILL: everything is taken over after {replaced:?}");
    assert!(replaced < Duration::from_secs(5), "{replaced:?}");
    let ended = first.finish(COMMAND_LIMIT).await.expect("it ends");
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("writes there no more"), "it did not say that it was deposed: {said}");

    let began = Instant::now();
    let again = cluster.start("n1").await;
    println!("the killed node is back under its name after {:?}", began.elapsed());
    cluster.until_owned("n1", 32).await;
    for victim in [again, second] {
        signal("-TERM", &victim);
        let ended = victim.finish(COMMAND_LIMIT).await.expect("it ends");
        assert!(ended.status.success(), "{}{}", ended.stdout, ended.stderr);
    }
}

#[tokio::test]
async fn two_processes_of_one_name_are_refused_in_one_line_that_says_what_to_change() {
    let cluster = Cluster::open().await;
    let first = cluster.start("n1").await;
    let began = Instant::now();
    let twin = cluster.spawn("n1", "twin", "127.0.0.1:0").finish(COMMAND_LIMIT).await.expect("it ends");
    println!("refused after {:?}", began.elapsed());
    assert!(!twin.status.success());
    let last = twin.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("as node \"n1\" now") && last.contains("another name"), "{}", twin.stderr);
    cluster.until_owned("n1", 64).await;
    assert!(first.kill_after(Duration::ZERO).await.expect("killed"), "the first had ended by itself");
}
