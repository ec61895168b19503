//! Invariant under test: one producer of many reads the source, another takes over when it is gone, and consumers
//! cost the database nothing.

use crate::shop::{BOUND, Market, Price, Shop, price, reaches, until, until_told};
use cache::Cache;
use contracts::lane::{Lane, RunName};
use pg::Db;
use refresh::{
    Alone, Claim, Consumer, Election, ElectionError, LoadError, Order, PgLease, Producer, ProducerError,
    ProducerParts, ProducerSettings, Rows, Rules, SetName, SnapshotSource, Versioned,
};
use sqlx::Row;
use std::sync::Arc;
use std::time::Duration;

async fn shop_db(database: &testkit::TestDatabase) -> Db {
    database.db("shop", &Lane::Live, &[&refresh::MIGRATOR]).await
}

#[tokio::test]
async fn of_three_producers_one_reads_and_the_next_takes_over_when_it_stops() {
    let database = testkit::postgres().await.fresh_database().await;
    let db = shop_db(&database).await;
    let market = Market::new(10);
    let start = |name: &str| market.produce_by(Arc::new(PgLease::new(db.clone(), name)), name);
    let mut producers = vec![start("a"), start("b"), start("c")];
    let node = market.consume("node").await;
    reaches(&node, 1).await;
    for change in 0..5_u64 {
        reaches(&node, market.reprice(&producers[0], 1, 100 + change).await).await;
    }
    let leads = |producers: &[Producer]| producers.iter().filter(|p| p.status().epoch.is_some()).count();
    assert_eq!((leads(&producers), market.source.reads()), (1, 6), "one read a version, by one producer");
    let first = producers.iter().position(|p| p.status().epoch.is_some()).expect("one leads");
    let epoch = producers[first].status().epoch;
    producers.remove(first).stop().await;
    let version = market.source.change(|stock| {
        stock.prices.insert(1, 7);
    });
    reaches(&node, version).await;
    assert_eq!(price(&node, 1), Some(7));
    let next = producers.iter().find_map(|p| p.status().epoch);
    assert!(next > epoch, "{next:?} after {epoch:?}");
}

/// An election that counts how often it is asked.
struct Counted(PgLease, std::sync::atomic::AtomicUsize);

#[async_trait::async_trait]
impl Election for Counted {
    async fn claim(&self, set: &SetName, lease: Duration) -> Result<Option<Claim>, ElectionError> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.0.claim(set, lease).await
    }
    async fn release(&self, set: &SetName) -> Result<(), ElectionError> {
        self.0.release(set).await
    }
    async fn ask(&self, set: &SetName, order: Order, by: &str) -> Result<(), ElectionError> {
        self.0.ask(set, order, by).await
    }
    fn lane(&self) -> &Lane {
        self.0.lane()
    }
}

#[tokio::test]
async fn candidates_that_hear_a_producer_do_not_ask_the_database() {
    let database = testkit::postgres().await.fresh_database().await;
    let db = shop_db(&database).await;
    let mut market = Market::new(10);
    market.producing.load_timeout = Duration::from_millis(500);
    market.producing.lease = Duration::from_secs(30);
    let first = market.produce_by(Arc::new(PgLease::new(db.clone(), "first")), "first");
    until_told(&first, |status| status.stable.is_some()).await;
    let counted = Arc::new(Counted(PgLease::new(db, "second"), Default::default()));
    let second = market.produce_by(counted.clone(), "second");
    let node = market.consume("node").await;
    for coins in 100..110 {
        market.source.change(|stock| {
            stock.prices.insert(1, coins);
        });
        second.changed().await; // Through the candidate, which passes it on.
        node.look_now().await;
    }
    reaches(&node, 11).await;
    assert_eq!(counted.1.load(std::sync::atomic::Ordering::SeqCst), 0);
    first.stop().await;
    second.changed().await;
    until_told(&second, |status| status.epoch == Some(2)).await;
}

#[tokio::test]
async fn a_producer_that_vanishes_is_replaced_when_its_lease_ends() {
    let database = testkit::postgres().await.fresh_database().await;
    let db = shop_db(&database).await;
    let mut market = Market::new(10);
    market.producing.load_timeout = Duration::from_millis(500);
    market.producing.lease = Duration::from_secs(1);
    let first = market.produce_by(Arc::new(PgLease::new(db.clone(), "first")), "first");
    until_told(&first, |status| status.epoch == Some(1)).await;
    let second = market.produce_by(Arc::new(PgLease::new(db, "second")), "second");
    let node = market.consume("node").await;
    reaches(&node, 1).await;
    assert_eq!(second.status().epoch, None);
    drop(first); // As a crash: nothing is given back.
    until_told(&second, |status| status.epoch == Some(2)).await;
    reaches(&node, market.reprice(&second, 1, 5).await).await;
    assert_eq!(
        node.status().origin,
        Some(refresh::Origin::Delta),
        "the successor goes on where the first was"
    );
}

#[tokio::test]
async fn a_deposed_producer_is_not_believed() {
    let market = Market::new(10);
    // Two that both believe that they are alone: the one that started later has the higher epoch.
    let old = market.produce();
    let node = market.consume("node").await;
    reaches(&node, 1).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let new = market.produce();
    until_told(&new, |status| status.stable.is_some()).await;
    until_told(&old, |status| status.problem.as_ref().is_some_and(|why| why.contains("another producer")))
        .await;
    reaches(&node, market.reprice(&new, 1, 5).await).await;
    assert!(new.status().problem.is_none());
}

#[tokio::test]
async fn a_late_word_of_a_former_producer_moves_no_node() {
    let market = Market::new(10);
    let (old, node) = (market.produce(), market.consume("node").await);
    reaches(&node, 1).await;
    let beat = format!("refresh:{}:beat", market.set);
    let said = market.cache.get(&beat).await.expect("readable").expect("it spoke");
    old.stop().await;
    tokio::time::sleep(Duration::from_millis(5)).await; // The epoch of `Alone` is a millisecond.
    let new = market.produce();
    reaches(&node, market.reprice(&new, 1, 5).await).await;
    new.stop().await;
    market.cache.set(&beat, &said, BOUND).await.expect("said late");
    for _ in 0..3 {
        node.look_now().await;
    }
    assert_eq!((node.view().version, price(&node, 1)), (2, Some(5)));
    let late = market.consume("late").await;
    late.look_now().await;
    assert_eq!(late.status().wanted, Some(1), "who never heard the new one would believe it");
}

#[tokio::test]
async fn parts_that_do_not_fit_together_are_refused() {
    let market = Market::new(1);
    let run = RunName::try_from("run1".to_owned()).expect("a name");
    let parts = |node: &str, lane: &Lane, lease: Duration| ProducerParts::<Shop> {
        set: market.set.clone(),
        election: Arc::new(Alone::new(lane)),
        cache: market.cache.clone(),
        node: node.to_owned(),
        source: market.source.clone(),
        rules: Rules::none(),
        settings: ProducerSettings { lease, ..ProducerSettings::default() },
    };
    let long = Duration::from_secs(10);
    let refused = |parts| Producer::start(parts).err();
    assert_eq!(refused(parts("", &Lane::Live, long)), Some(ProducerError::NodeName));
    assert_eq!(refused(parts("a", &Lane::Shadow(run), long)), Some(ProducerError::LanesDiffer));
    assert_eq!(refused(parts("a", &Lane::Live, Duration::from_secs(5))), Some(ProducerError::LeaseTooShort));
}

#[tokio::test]
async fn a_shadow_runs_set_and_the_live_one_do_not_meet() {
    let live = Market::new(3);
    let mut shadow = live.clone();
    let run = RunName::try_from("run1".to_owned()).expect("a name");
    shadow.cache = live.cache.for_lane(&Lane::Shadow(run));
    shadow.source = crate::shop::Source::with_prices(5);
    let _producers = [live.produce(), shadow.produce()];
    let (live, shadow) = (live.consume("node").await, shadow.consume("node").await);
    reaches(&live, 1).await;
    reaches(&shadow, 1).await;
    assert_eq!((live.view().value.prices.len(), shadow.view().value.prices.len()), (3, 5));
}

/// Prices in PostgreSQL. Each read of the table is counted by the server: a sequence does not roll back.
struct Prices(Db);

#[async_trait::async_trait]
impl SnapshotSource<Rows> for Prices {
    async fn load(&self, known_version: i64) -> Result<Option<Versioned<Rows>>, LoadError> {
        let db = &self.0;
        let version: i64 = sqlx::query_scalar(db.sql("SELECT version FROM {s}.versions"))
            .fetch_one(db.pool())
            .await
            .map_err(LoadError::new)?;
        if version <= known_version {
            return Ok(None);
        }
        let text = "SELECT p.gift, p.coins FROM (SELECT nextval('{s}.reads')) AS r, {s}.prices AS p";
        let prices = sqlx::query(db.sql(text)).fetch_all(db.pool()).await.map_err(LoadError::new)?;
        let mut rows = Rows::new();
        for price in &prices {
            let (gift, coins): (i64, i64) = (price.get("gift"), price.get("coins"));
            rows.put("prices", &gift, &Price { coins: coins.unsigned_abs() })?;
        }
        Ok(Some(Versioned { version, value: rows }))
    }
}

const PRICES: &str = "
CREATE TABLE {s}.prices (gift bigint PRIMARY KEY, coins bigint NOT NULL);
INSERT INTO {s}.prices SELECT n, n FROM generate_series(1, 50) AS n;
CREATE TABLE {s}.versions (version bigint NOT NULL);
INSERT INTO {s}.versions VALUES (1);
CREATE SEQUENCE {s}.reads";

async fn reads(db: &Db) -> i64 {
    let text = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {s}.reads";
    sqlx::query_scalar(db.sql(text)).fetch_one(db.pool()).await.expect("a count")
}

/// Sessions of this database, other than the one that asks.
async fn sessions(db: &Db) -> i64 {
    let text = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    sqlx::query_scalar(text).fetch_one(db.pool()).await.expect("a count")
}

async fn change_prices(db: &Db, times: i64, nodes: &[Consumer<Shop>]) -> i64 {
    let before = reads(db).await;
    for _ in 0..times {
        let mut tx = db.begin().await.expect("begun");
        let text = "UPDATE {s}.prices SET coins = coins + 1 WHERE gift = 7";
        sqlx::query(db.sql(text)).execute(&mut *tx).await.expect("changed");
        let text = "UPDATE {s}.versions SET version = version + 1 RETURNING version";
        let version: i64 = sqlx::query_scalar(db.sql(text)).fetch_one(&mut *tx).await.expect("counted");
        tx.commit().await.expect("committed");
        for node in nodes {
            reaches(node, version).await;
        }
    }
    reads(db).await - before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_1_consumer_to_500_the_database_is_read_as_often() {
    let database = testkit::postgres().await.fresh_database().await;
    let db = shop_db(&database).await;
    sqlx::raw_sql(db.sql(PRICES)).execute(db.pool()).await.expect("the tables");
    let mut market = Market::new(0);
    market.producing.silent_after = Duration::from_secs(60);
    market.producing.look_every = Duration::from_millis(100);
    market.consuming.look_every = Duration::from_secs(1);
    market.consuming.report_every = Duration::from_secs(10);
    let parts = ProducerParts::<Shop> {
        set: market.set.clone(),
        election: Arc::new(PgLease::new(db.clone(), "producer")),
        cache: market.cache.clone(),
        node: "producer".to_owned(),
        source: Arc::new(Prices(db.clone())),
        rules: Rules::none(),
        settings: market.producing,
    };
    let _producer = Producer::start(parts).expect("good parts");
    let mut nodes = vec![market.consume("node-0").await];
    reaches(&nodes[0], 1).await;
    let with_one = change_prices(&db, 5, &nodes).await;
    for n in 1..500 {
        nodes.push(market.consume(&format!("node-{n}")).await);
    }
    for node in &nodes {
        reaches(node, 6).await;
    }
    let joined = reads(&db).await;
    let with_all = change_prices(&db, 5, &nodes).await;
    assert_eq!((with_one, joined, with_all), (5, 6, 5), "a read for each version, however many nodes");
    // The test's and the producer's own pool may hold a few; a session a node would be hundreds.
    assert!(sessions(&db).await < 50, "nor do nodes open sessions");
    for node in &nodes {
        assert_eq!(price(node, 7), Some(17));
    }
}

#[tokio::test]
async fn the_same_over_redis_with_a_connection_for_each_node() {
    let url = testkit::redis_url().await;
    let cache = async || Cache::connect(&url, &Lane::Live).await.expect("a URL");
    let mut market = Market::on(cache().await, 2_000);
    let producer = market.produce();
    let mut nodes = Vec::new();
    for n in 0..10 {
        market.cache = cache().await;
        nodes.push(market.consume(&format!("node-{n}")).await);
    }
    for change in 0..5_u64 {
        let version = market.reprice(&producer, 3, 10_000 + change).await;
        for node in &nodes {
            reaches(node, version).await;
            assert_eq!(price(node, 3), Some(10_000 + change));
        }
    }
    assert_eq!(market.source.reads(), 6);
    until(&nodes[0], |status| status.age().is_some_and(|age| age < BOUND)).await;
}
