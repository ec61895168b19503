//! The stack as separate processes on real servers. Starting one takes longer than most faults, so what does not get
//! into another's way shares an evening.
//!
//! Invariant under test: whatever happens to one process or its clock, and wherever groups of partitions move, no
//! acknowledged gift is lost, none is charged twice, and the books close.

use crate::evening::{Evening, READY_WITHIN};
use chaos::{STACK, WALLET_ELSEWHERE};
use sqlx::PgConnection;
use std::collections::HashMap;
use std::time::{Duration, Instant};

async fn shards_of(connection: &mut PgConnection, node: &str) -> i64 {
    let sql = "SELECT count(*) FROM wallet.log_heads WHERE log = 'wallet.entries' AND owner = $1";
    sqlx::query_scalar(sql).bind(node).fetch_one(connection).await.expect("a count")
}

const FROM_THE_FUTURE: &str =
    "SELECT count(*) FROM wallet.entries WHERE decided_at > now() + INTERVAL '5 minutes'";

/// One wallet node lives ten minutes in the future (its monotonic clock is everybody's), and the other is killed: its
/// partitions go where the clock is wrong, and some come back.
#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_node_killed_beside_one_whose_clock_is_ten_minutes_off_costs_time_and_no_gift() {
    let mut evening = Evening::with_clocks(&[("wallet-2", "+10m")]).await;
    evening.send(1).await;
    let mut connection = evening.connect().await.expect("the database");
    let shards = shards_of(&mut connection, "wallet-1").await;
    assert!(shards > 0, "the node that is killed holds nothing");
    evening.cluster().kill("wallet-1").unwrap_or_else(|error| panic!("{error}"));
    let killed_at = Instant::now();
    while shards_of(&mut connection, "wallet-1").await > 0 {
        assert!(killed_at.elapsed() < Duration::from_secs(30), "its shards were not taken over");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("wallet-1 was killed with {shards} shards; all taken over after {:?}", killed_at.elapsed());
    evening
        .act(|cluster| {
            cluster.start_again("wallet-1")?;
            cluster.wait_ready_of("wallet-1", READY_WITHIN)
        })
        .await;
    let ahead = evening.count(FROM_THE_FUTURE).await.expect("a count");
    assert!(ahead > 0, "no clock was ahead");
    evening.end("a wallet node killed, the other's clock ten minutes ahead").await;
}

/// A wallet node and two that derive from its log.
const JUMPING: [&str; 3] = ["wallet-2", "settlement", "clearing"];

/// How long clocks are wrong, at least.
const WRONG_FOR: Duration = Duration::from_secs(5);
/// The longest until a minute is closed and compared after its end.
const COMPARED_WITHIN: Duration = Duration::from_secs(120);

/// Partitions of the node whose time is behind: what they have decided, and when last.
const BEHIND: &str = "SELECT partition::bigint, last_seq, last_decided_at::text FROM wallet.log_heads
     WHERE log = 'wallet.entries' AND owner = 'wallet-2' AND last_decided_at < now() - INTERVAL '3 seconds'";

/// Commands decided since a first look in partitions whose time has stood still from then on.
async fn decided_at_a_standstill(
    connection: &mut PgConnection,
    first: &mut HashMap<(i64, String), i64>,
) -> i64 {
    let now: Vec<(i64, i64, String)> = sqlx::query_as(BEHIND).fetch_all(connection).await.expect("the heads");
    let since = |(partition, seq, at)| seq - *first.entry((partition, at)).or_insert(seq);
    now.into_iter().map(since).sum()
}

/// Rows that were decided before the row that they follow.
const BACK_IN_TIME: &str = "SELECT count(*) FROM (
     SELECT decided_at < lag(decided_at) OVER (PARTITION BY partition ORDER BY seq) AS back FROM wallet.entries
     UNION ALL SELECT decided_at < lag(decided_at) OVER (PARTITION BY partition ORDER BY seq) FROM gift.orders
     UNION ALL SELECT decided_at < lag(decided_at) OVER (PARTITION BY partition ORDER BY seq) FROM settlement.items
     UNION ALL SELECT decided_at < lag(decided_at) OVER (PARTITION BY partition ORDER BY seq) FROM clearing.vouchers
     ) AS rows WHERE back";
const THIS_MINUTE: &str = "SELECT floor(extract(epoch FROM now()) / 60)::bigint";
/// Up to which minute (exclusive) everything is compared.
const COMPARED_BEFORE: &str = "SELECT min(before_minute)::bigint FROM recon.progress";

/// Clocks jump ten minutes back under load, and come right again.
#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_jump_ten_minutes_back_double_nothing_and_minutes_close_when_they_are_right_again() {
    let mut evening = Evening::with_clocks(&JUMPING.map(|name| (name, "+0"))).await;
    evening.send(1).await;
    let move_clocks = |by: &'static str| {
        move |cluster: &mut chaos::Cluster| JUMPING.iter().try_for_each(|name| cluster.move_clock(name, by))
    };
    evening.act(move_clocks("-10m")).await;
    let jumped = Instant::now();
    let mut connection = evening.connect().await.expect("the database");
    let (mut first, mut decided) = (HashMap::new(), 0);
    while jumped.elapsed() < WRONG_FOR || decided == 0 {
        assert!(jumped.elapsed() < Duration::from_secs(60), "no clock was behind");
        tokio::time::sleep(Duration::from_millis(100)).await;
        decided = decided_at_a_standstill(&mut connection, &mut first).await;
    }
    println!("{decided} commands were decided in partitions whose time stood still");
    evening.act(move_clocks("+0")).await;
    let right = Instant::now();
    let last = evening.count(THIS_MINUTE).await.expect("a minute");
    println!("the next command was decided {:?} after clocks were right", evening.recovery().await);
    while evening.count(COMPARED_BEFORE).await.is_none_or(|before| before <= last) {
        assert!(right.elapsed() < COMPARED_WITHIN, "minute {last} is not compared everywhere");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("the minute in which clocks came right was compared everywhere {:?} later", right.elapsed());
    evening.rest().await;
    for (sql, what) in [
        (BACK_IN_TIME, "rows go back in time"),
        ("SELECT count(*) FROM recon.minutes WHERE outcome <> 1", "minutes differ"),
        ("SELECT count(*) FROM recon.breaks", "breaks were found"),
    ] {
        assert_eq!(evening.count(sql).await, Some(0), "{what}");
    }
    evening.end("three clocks jumped ten minutes back, and were put right").await;
}

async fn nodes_are_told_to_stop(evening: &mut Evening) {
    for node in ["wallet-1", "gift-1", "wallet-2", "gift-2"] {
        let told_at = Instant::now();
        evening.act(move |cluster| cluster.terminate(node)).await;
        println!("{node} has handed over and ended after {:?}", told_at.elapsed());
        evening
            .act(move |cluster| {
                cluster.start_again(node)?;
                cluster.wait_ready_of(node, READY_WITHIN)
            })
            .await;
    }
}

async fn groups_move_to_another_server_and_back(evening: &mut Evening) {
    let (first, second) = {
        let databases = evening.cluster().databases();
        (databases[0].to_owned(), databases[1].to_owned())
    };
    let mut carry = async |from: &str, to: &str, groups: &str| {
        let words = ["shards", "move", "--from", from, "--to", to, "--groups", groups].map(str::to_owned);
        let told = evening.act(move |cluster| cluster.run(&words.each_ref().map(String::as_str))).await;
        println!("{told}");
    };
    carry(&first, &second, "2,6-7").await;
    carry(&second, &first, "6").await;
    let list = ["shards", "list", "--database", &first, "--database", &second];
    let list = evening.cluster().run(&list).expect("it lists");
    assert_eq!(list.lines().filter(|line| line.ends_with(" here")).count(), 8, "{list}");
    assert!(list.lines().any(|line| line.contains("    7  ") && line.contains("wallet-3")), "{list}");
    // Proven with one of the two databases alone, the books do not close, and it says why.
    let half =
        evening.cluster().run(&["check", "--database", &first]).expect_err("half of the wallet is elsewhere");
    assert!(half.to_string().contains("group 7 lies in none of these databases"), "{half}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_told_to_stop_cost_no_gift_more_than_one_more_try_and_groups_move_between_databases_under_load()
{
    let roles = STACK.into_iter().chain([WALLET_ELSEWHERE]).collect();
    let mut evening = Evening::of_roles(roles).await;
    let elsewhere = "SELECT count(*) FROM routes.nodes WHERE node = 'wallet-3'";
    let began = Instant::now();
    while evening.count(elsewhere).await != Some(1) {
        assert!(began.elapsed() < READY_WITHIN, "a node of another database is not on the one list");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    evening.send(1).await;
    nodes_are_told_to_stop(&mut evening).await;
    let told = evening.rest().await;
    assert!(told.tries_max <= 2, "a gift was sent {} times", told.tries_max);
    evening.send(1).await;
    groups_move_to_another_server_and_back(&mut evening).await;
    evening.end("four nodes told to stop; three groups moved, one moved back").await;
}
