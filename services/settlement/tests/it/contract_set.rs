//! Invariant under test: an order is settled by the contracts in force, whatever the set of contracts has; and while it
//! has them, the database is read once a change, however many nodes settle.

use crate::contracts_of_streamers::{contract, make_and_approve, number_of, today};
use crate::desk::{Desk, quick_config};
use crate::orders::{delivered, noon};
use bus::Bus;
use cache::Cache;
use contracts::item::ItemKind;
use contracts::lane::Lane;
use ids::StreamerId;
use refresh::{Order, Roster};
use settlement::{Config, Running};
use std::time::Duration;
use testkit::{Fsync, Kind, Server};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Settles by the set, however late it is: a node that reads the database itself has no excuse.
fn patient() -> Config {
    Config { contracts_wait_ms: 60_000, ..quick_config() }
}

/// Reads the database soon, so that tests in which the set does not come are short.
fn hasty() -> Config {
    Config { contracts_wait_ms: 50, ..quick_config() }
}

async fn redis() -> Cache {
    Cache::connect(&testkit::redis_url().await, &Lane::Live).await.expect("a URL")
}

/// Each statement that reads contracts is counted by the server: a sequence does not roll back.
const COUNTED: &str = "
ALTER TABLE {s}.contracts RENAME TO contracts_kept;
CREATE SEQUENCE {s}.contract_reads;
CREATE VIEW {s}.contracts AS
    WITH one AS MATERIALIZED (SELECT nextval('{s}.contract_reads') AS n)
    SELECT k.* FROM one, LATERAL (SELECT * FROM {s}.contracts_kept OFFSET 0 * one.n) k;
CREATE FUNCTION {s}.keep_contract() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {s}.contracts_kept (streamer_id, version, valid_from, agency_id, streamer_ppm, agency_ppm, platform_ppm,
        tax_ppm, promo, created_by, approved_by)
    VALUES (NEW.streamer_id, NEW.version, NEW.valid_from, NEW.agency_id, NEW.streamer_ppm, NEW.agency_ppm,
        NEW.platform_ppm, NEW.tax_ppm, NEW.promo, NEW.created_by, NEW.approved_by);
    RETURN NEW;
END $$;
CREATE TRIGGER keep INSTEAD OF INSERT ON {s}.contracts FOR EACH ROW EXECUTE FUNCTION {s}.keep_contract()";

/// A desk whose reads of contracts are counted, and a node.
async fn counted(config: Config, cache: Cache) -> Desk {
    let mut desk = Desk::open_idle(config, cache).await;
    run(&desk, COUNTED).await;
    desk.running = Some(desk.start("a", desk.bus.clone()).await);
    desk
}

async fn run(desk: &Desk, sql: &'static str) {
    sqlx::raw_sql(desk.db.sql(sql)).execute(desk.db.pool()).await.expect("it runs");
}

async fn number(desk: &Desk, sql: &'static str) -> i64 {
    sqlx::query_scalar(desk.db.sql(sql)).fetch_one(desk.db.pool()).await.expect("a number")
}

async fn reads(desk: &Desk) -> i64 {
    number(desk, "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {s}.contract_reads").await
}

/// Waits until the set is as wanted.
async fn until(node: &Running, wanted: impl Fn(&Roster) -> bool) -> Roster {
    let control = node.controls().remove(0);
    let began = tokio::time::Instant::now();
    loop {
        let roster = control.roster().await.ok().flatten().unwrap_or_default();
        if wanted(&roster) {
            return roster;
        }
        assert!(began.elapsed() < PATIENCE, "still {roster:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn stable(roster: &Roster) -> i64 {
    roster.stable.map_or(0, |stable| stable.version)
}

/// Whether so many nodes serve what is announced.
fn all_serve(roster: &Roster, nodes: usize) -> bool {
    roster.nodes_by_version().get(&stable(roster)) == Some(&nodes)
}

/// A streamer whose own contract, of this share, begins today.
async fn with_contract(desk: &Desk, streamer_ppm: u32) -> StreamerId {
    let streamer = StreamerId::now();
    make_and_approve(desk, &contract(streamer, today(), streamer_ppm, 0)).await;
    streamer
}

/// Orders of a streamer's, enough for every node to have some of them.
fn order(desk: &Desk, streamer: StreamerId, count: usize) {
    for _ in 0..count {
        desk.orders.append(delivered(streamer, 500, 0, number_of(today())));
    }
}

/// Versions and shares by which a streamer's orders were settled, each once.
async fn settled(desk: &Desk, streamer: StreamerId) -> Vec<(i32, i64)> {
    let items = desk.items().await;
    let of_streamer =
        items.iter().filter(|item| item.streamer_id == streamer && item.kind == ItemKind::Settled);
    let mut by: Vec<(i32, i64)> =
        of_streamer.map(|item| (item.contract_version, item.streamer.get())).collect();
    by.sort_unstable();
    by.dedup();
    by
}

/// Changes contracts and settles by them at once, some times; gives how often contracts were read.
async fn change_and_settle(desk: &Desk, nodes: &[(Running, Bus)]) -> i64 {
    let before = reads(desk).await;
    for share in [100_000, 200_000, 300_000] {
        let streamer = with_contract(desk, share).await;
        order(desk, streamer, 200);
        for (_, bus) in nodes {
            desk.orders.publish_marks(bus, noon(0)).await;
        }
        desk.settle_all(noon(0)).await;
        assert_eq!(settled(desk, streamer).await, [(1, i64::from(share) * 50)]);
    }
    reads(desk).await - before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_1_node_to_3_contracts_are_read_as_often() {
    let mut desk = counted(patient(), redis().await).await;
    order(&desk, StreamerId::now(), 100);
    desk.settle_all(noon(0)).await;
    let with_one = change_and_settle(&desk, &[]).await;
    let before = reads(&desk).await;
    let mut nodes = Vec::new();
    for name in ["b", "c"] {
        desk.cache = redis().await;
        let bus = Bus::in_process(&Lane::Live);
        nodes.push((desk.start(name, bus.clone()).await, bus));
    }
    let running = desk.running.as_ref().expect("it runs");
    until(running, |roster| all_serve(roster, 3)).await;
    let owners = "SELECT count(DISTINCT owner) FROM {s}.log_heads WHERE log = 'settlement.items'";
    let began = tokio::time::Instant::now();
    while number(&desk, owners).await < 3 {
        assert!(began.elapsed() < PATIENCE, "not every node settles");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let joined = reads(&desk).await - before;
    let with_three = change_and_settle(&desk, &nodes).await;
    // A read by the import, one by its approval, and one by whoever publishes.
    assert_eq!((with_one, with_three), (9, 9), "a read for each change, however many nodes settle");
    assert_eq!(joined, 2, "who starts looks for the default contract, and has all others from the set");
    for (node, _) in nodes {
        node.shutdown().await;
    }
    desk.stop().await;
}

#[tokio::test]
async fn while_an_older_version_is_pinned_orders_are_settled_by_the_contracts_in_force() {
    let mut desk = counted(hasty(), redis().await).await;
    let running = desk.running.as_ref().expect("it runs");
    let old = stable(&until(running, |roster| stable(roster) > 0).await);
    let streamer = with_contract(&desk, 400_000).await;
    until(running, |roster| stable(roster) > old).await;
    running.controls()[0].ask_checked(Order::Pin(old), "ann").await.expect("it is kept");
    until(running, |roster| stable(roster) == old && all_serve(roster, 1)).await;
    let before = reads(&desk).await;
    order(&desk, streamer, 20);
    desk.settle_all(noon(0)).await;
    order(&desk, streamer, 20);
    desk.settle_all(noon(0)).await;
    assert_eq!(settled(&desk, streamer).await, [(1, 20_000_000)], "not by the default of the pinned version");
    assert_eq!(reads(&desk).await - before, 1, "the node read them itself, once");
    desk.stop().await;
}

#[tokio::test]
async fn while_redis_is_away_nodes_read_the_contracts_themselves_and_then_have_them_from_the_set_again() {
    let start = tokio::task::spawn_blocking(|| Server::start(Kind::Redis, Fsync::Off));
    let mut server = start.await.expect("it ends").expect("a Redis");
    let cache = Cache::connect(server.url(), &Lane::Live).await.expect("a URL");
    let mut desk = counted(hasty(), cache).await;
    let running = desk.running.as_ref().expect("it runs");
    let old = stable(&until(running, |roster| all_serve(roster, 1)).await);
    order(&desk, StreamerId::now(), 20);
    desk.settle_all(noon(0)).await;
    server.crash().expect("it ends");
    let streamer = with_contract(&desk, 400_000).await;
    order(&desk, streamer, 20);
    desk.settle_all(noon(0)).await;
    assert_eq!(settled(&desk, streamer).await, [(1, 20_000_000)]);
    let again = tokio::task::spawn_blocking(move || server.start_again().map(|()| server));
    let _server = again.await.expect("it ends").expect("the same Redis");
    let known = stable(&until(running, |roster| stable(roster) > old && all_serve(roster, 1)).await);
    let streamer = with_contract(&desk, 300_000).await;
    until(running, |roster| stable(roster) > known && all_serve(roster, 1)).await;
    let before = reads(&desk).await;
    order(&desk, streamer, 20);
    desk.settle_all(noon(0)).await;
    assert_eq!((settled(&desk, streamer).await, reads(&desk).await), (vec![(1, 15_000_000)], before));
    desk.stop().await;
}

#[tokio::test]
async fn a_history_that_lost_a_change_and_counts_to_its_number_again_is_another_one() {
    let mut desk = Desk::open_over(patient(), redis().await).await;
    let running = desk.running.as_ref().expect("it runs");
    let old = stable(&until(running, |roster| all_serve(roster, 1)).await);
    run(&desk, "CREATE TABLE {s}.book_before AS SELECT * FROM {s}.book_state").await;
    let streamer = with_contract(&desk, 400_000).await;
    until(running, |roster| stable(roster) > old && all_serve(roster, 1)).await;
    let lost = number(&desk, "SELECT version FROM {s}.book_state").await;
    // As on a standby that did not have the change yet, when it was promoted.
    let forget = "
        DELETE FROM {s}.contracts WHERE version > 0;
        UPDATE {s}.book_state b SET version = p.version, row_count = p.row_count, print_high = p.print_high,
            print_low = p.print_low FROM {s}.book_before p";
    run(&desk, forget).await;
    order(&desk, streamer, 20);
    desk.settle_all(noon(0)).await;
    assert_eq!(settled(&desk, streamer).await, [(-1, 25_000_000)], "not by the contract that was lost");
    make_and_approve(&desk, &contract(streamer, today(), 300_000, 0)).await;
    assert_eq!(number(&desk, "SELECT version FROM {s}.book_state").await, lost, "the same number again");
    order(&desk, streamer, 20);
    desk.settle_all(noon(0)).await;
    assert_eq!(settled(&desk, streamer).await, [(-1, 25_000_000), (1, 15_000_000)]);
    desk.stop().await;
}

#[tokio::test]
async fn a_contract_that_was_changed_by_hand_settles_nothing_and_is_named_until_it_is_put_right() {
    let mut desk = Desk::open_with(hasty()).await;
    let streamer = with_contract(&desk, 400_000).await;
    order(&desk, streamer, 20);
    desk.settle_all(noon(0)).await;
    desk.prove().await;
    desk.stop().await;
    run(&desk, "UPDATE {s}.contracts SET streamer_ppm = 300000, platform_ppm = 700000 WHERE version > 0")
        .await;
    // Nothing but the changed rows: neither what a node held, nor a set.
    desk.cache = Cache::in_process(&Lane::Live);
    desk.running = Some(desk.start("a", desk.bus.clone()).await);
    order(&desk, streamer, 20);
    for _ in 0..20 {
        desk.orders.publish_marks(&desk.bus, noon(0)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let source = books::BooksDb::new(sqlx::PgPool::clone(&desk.db.pool()), &Lane::Live);
    let report = books::check(&source).await.expect("the books can be read");
    let line = report.invariants.iter().find(|line| line.name == "contracts-are-those-that-were-approved");
    assert!(line.is_some_and(|line| !line.passed), "{line:?}");
    run(&desk, "UPDATE {s}.contracts SET streamer_ppm = 400000, platform_ppm = 600000 WHERE version > 0")
        .await;
    desk.settle_all(noon(0)).await;
    assert_eq!(settled(&desk, streamer).await, [(1, 20_000_000)], "not one was settled by the changed row");
    desk.prove().await;
    desk.stop().await;
}
