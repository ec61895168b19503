//! The stack as separate processes on real servers.
//!
//! Invariant under test: whatever happens to one process, no acknowledged gift is lost, none is charged twice, and
//! the books close.

use crate::place::{COMMAND_LIMIT, Place, binary, short_evening, text};
use chaos::{Cluster, ClusterSettings, STACK, Victim};
use sqlx::{Connection, PgConnection};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use testkit::Fsync;

/// How long everything may take to be ready; RabbitMQ on two busy cores needs a good part of it.
const READY_WITHIN: Duration = Duration::from_secs(180);
/// How long readers may take to catch up after the last gift.
const CLOSE_WITHIN: Duration = Duration::from_secs(90);
/// Gifts of the evening.
const GIFTS: usize = 6_000;

/// The whole stack, in a folder that the servers' own users can reach.
async fn stack() -> (tempfile::TempDir, Cluster) {
    let open = std::fs::Permissions::from_mode(0o755);
    let folder = tempfile::Builder::new().permissions(open).tempdir().expect("a folder");
    let settings = ClusterSettings {
        binary: binary().to_owned(),
        folder: folder.path().to_owned(),
        fsync: Fsync::Off,
        roles: STACK.to_vec(),
        more: String::new(),
    };
    let cluster =
        blocking(move || Cluster::start(settings)).await.unwrap_or_else(|error| panic!("{error:?}"));
    (folder, cluster)
}

async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(act).await.expect("it does not panic")
}

async fn count(connection: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(connection).await.expect("a count")
}

const DEBITS: &str = "SELECT count(*) FROM wallet.entries WHERE send IS NOT NULL AND outcome = 0";
/// A few viewers of the shipped evening recharge too little.
const POOR: &str = "SELECT count(*) FROM wallet.entries WHERE send IS NOT NULL AND outcome = 1";

/// What a replay says at its end.
struct Told {
    taken: i64,
    refused: i64,
}

impl Told {
    fn read(stdout: &str) -> Told {
        let before = |words: &str| {
            let number = stdout.split(words).next().and_then(|text| text.rsplit(' ').next());
            number.and_then(|number| number.trim().parse().ok()).unwrap_or_else(|| panic!("{stdout}"))
        };
        Told { taken: before(" gifts taken"), refused: before(" refused") }
    }
}

/// The wallet node that holds most shards.
async fn busiest_wallet(connection: &mut PgConnection) -> String {
    let sql = "SELECT owner FROM wallet.log_heads WHERE log = 'wallet.entries'
               GROUP BY owner ORDER BY count(*) DESC LIMIT 1";
    sqlx::query_scalar(sql).fetch_one(connection).await.expect("somebody holds shards")
}

async fn shards_of(connection: &mut PgConnection, node: &str) -> i64 {
    let sql = "SELECT count(*) FROM wallet.log_heads WHERE log = 'wallet.entries' AND owner = $1";
    sqlx::query_scalar(sql).bind(node).fetch_one(connection).await.expect("a count")
}

/// Proves the books from the tables, once readers have caught up.
async fn books_close(place: &Place, cluster: &Cluster) {
    let began = Instant::now();
    loop {
        let ended = place.run(&["check", "--database", cluster.database()], &[]).await;
        if ended.status.success() {
            return;
        }
        assert!(began.elapsed() < CLOSE_WITHIN, "{}\n{}", ended.stdout, ended.stderr);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// A replay through both gift nodes.
fn replay(place: &Place, cluster: &Cluster) -> Victim {
    let evening = place.file("evening.jsonl");
    short_evening(&evening, GIFTS);
    let url = |name| cluster.process(name).expect("it is in the stack").url();
    let (one, two, data_dir) = (url("gift-1"), url("gift-2"), cluster.data_dir());
    let words = ["replay", text(&evening), "--url", &one, "--url", &two, "--data-dir", text(&data_dir)];
    place.start(&[&words[..], &["--connections", "16"]].concat(), &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_node_killed_in_the_middle_of_an_evening_costs_time_and_no_gift() {
    let place = Place::new();
    let (_folder, cluster) = stack().await;
    let cluster = blocking(move || {
        cluster.wait_ready(READY_WITHIN).unwrap_or_else(|error| panic!("{error}"));
        cluster
    })
    .await;
    let mut connection = PgConnection::connect(cluster.database()).await.expect("the database");
    let replaying = replay(&place, &cluster);
    let third = i64::try_from(GIFTS / 3).expect("a small number");
    let began = Instant::now();
    while count(&mut connection, DEBITS).await < third {
        assert!(began.elapsed() < COMMAND_LIMIT, "the evening did not begin");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let victim = busiest_wallet(&mut connection).await;
    let shards = shards_of(&mut connection, &victim).await;
    cluster.kill(&victim).unwrap_or_else(|error| panic!("{error}"));
    let killed_at = Instant::now();
    while shards_of(&mut connection, &victim).await > 0 {
        assert!(killed_at.elapsed() < Duration::from_secs(30), "{victim}'s shards were not taken over");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{victim} was killed with {shards} shards; all taken over after {:?}", killed_at.elapsed());
    let ended = replaying.finish(COMMAND_LIMIT).await.expect("the replay ends");
    assert!(ended.status.success(), "{}\n{}", ended.stdout, ended.stderr);
    let told = Told::read(&ended.stdout);
    assert_eq!(told.taken + told.refused, i64::try_from(GIFTS).expect("a small number"), "{}", ended.stdout);
    let cluster = blocking(move || {
        let mut cluster = cluster;
        cluster.start_again(&victim).unwrap_or_else(|error| panic!("{error}"));
        cluster.wait_ready_of(&victim, READY_WITHIN).unwrap_or_else(|error| panic!("{error}"));
        cluster
    })
    .await;
    books_close(&place, &cluster).await;
    let accepted = count(&mut connection, DEBITS).await;
    assert_eq!(accepted, told.taken, "acknowledged and charged once");
    assert_eq!(count(&mut connection, POOR).await, told.refused, "only those who cannot pay are refused");
    let refunded = count(&mut connection, "SELECT count(*) FROM gift.orders WHERE kind <> 1").await;
    println!("{accepted} gifts, {refunded} of them refunded");
    blocking(move || cluster.terminate_all()).await;
}
