//! A one-row change of a 10 MB set reaches 1,000 consumers: beside it, the same nodes reload the table themselves.
//!
//! Every consumer has its own connections to Redis, its own pointer and its own table, and fetches, verifies and
//! decodes for itself. One machine stands for 1,000: so rows of equal text share their memory, or 10 GB would be
//! needed, and all nodes share the processors of the machine. `REFRESH_NODES` sets another number of nodes.
//!
//! Criterion's figure is the time until the last node has it; the lines printed before say the share in between.

use cache::{Cache, CacheSettings};
use contracts::lane::Lane;
use criterion::{Criterion, criterion_group, criterion_main};
use futures::StreamExt;
use pg::{Access, Db, Plans, PoolSettings};
use refresh::{
    Consumer, ConsumerParts, ConsumerSettings, DataSet, LoadError, PgLease, Producer, ProducerParts,
    ProducerSettings, RowTable, Rows, Rules, SetName, SnapshotSource, Table, Versioned,
};
use sqlx::Row;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const ROWS: i64 = 10_000;
const LONG: Duration = Duration::from_secs(120);
/// Connections of the nodes that reload, together: a database has no thousand processors to answer with.
const RELOADING_CONNECTIONS: u32 = 64;
/// Reloads of all nodes by which the anchor is measured; one takes as long as many changes of ours.
const RELOADS: usize = 3;

fn nodes() -> usize {
    std::env::var("REFRESH_NODES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

/// Texts that are in memory once, however many nodes hold them.
static TEXTS: LazyLock<Mutex<HashSet<Arc<str>>>> = LazyLock::new(Mutex::default);

#[derive(Clone, Debug)]
struct Text(#[expect(dead_code, reason = "a node holds its rows and this bench does not look at them")] Arc<str>);

impl<'de> serde::Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
        let text = String::deserialize(from)?;
        let mut texts = TEXTS.lock().expect("no poison");
        if let Some(known) = texts.get(text.as_str()) {
            return Ok(Text(Arc::clone(known)));
        }
        let text: Arc<str> = text.into();
        texts.insert(Arc::clone(&text));
        Ok(Text(text))
    }
}

#[derive(Clone, Default)]
struct Texts {
    texts: Table<i64, Text>,
}

impl DataSet for Texts {
    fn table_mut(&mut self, name: &str) -> Option<&mut dyn RowTable> {
        (name == "texts").then_some(&mut self.texts)
    }
}

const TABLES: &str = "
CREATE TABLE {s}.texts (id bigint PRIMARY KEY, text text NOT NULL);
INSERT INTO {s}.texts SELECT n, repeat(md5(n::text), 32) FROM generate_series(1, 10000) AS n;
CREATE TABLE {s}.versions (version bigint NOT NULL);
INSERT INTO {s}.versions VALUES (1);
CREATE SEQUENCE {s}.reads";

/// Every read of the table is counted by the server.
async fn read_all(db: &Db) -> Result<Vec<(i64, String)>, sqlx::Error> {
    let text = "SELECT t.id, t.text FROM (SELECT nextval('{s}.reads')) AS r, {s}.texts AS t";
    let rows = sqlx::query(db.sql(text)).fetch_all(db.pool()).await?;
    rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("text")?))).collect()
}

async fn version(db: &Db) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(db.sql("SELECT version FROM {s}.versions")).fetch_one(db.pool()).await
}

async fn reads(db: &Db) -> i64 {
    let text = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {s}.reads";
    sqlx::query_scalar(db.sql(text)).fetch_one(db.pool()).await.expect("a count")
}

async fn change_one(db: &Db) -> i64 {
    let mut tx = db.begin().await.expect("begun");
    let text = "UPDATE {s}.texts SET text = repeat(md5(random()::text), 32) WHERE id = 1 + (random() * 9998)::int";
    sqlx::query(db.sql(text)).execute(&mut *tx).await.expect("changed");
    let text = "UPDATE {s}.versions SET version = version + 1 RETURNING version";
    let version = sqlx::query_scalar(db.sql(text)).fetch_one(&mut *tx).await.expect("counted");
    tx.commit().await.expect("committed");
    version
}

struct Source(Db);

#[async_trait::async_trait]
impl SnapshotSource<Rows> for Source {
    async fn load(&self, known_version: i64) -> Result<Option<Versioned<Rows>>, LoadError> {
        let version = version(&self.0).await.map_err(LoadError::new)?;
        if version <= known_version {
            return Ok(None);
        }
        let mut rows = Rows::new();
        for (id, text) in read_all(&self.0).await.map_err(LoadError::new)? {
            rows.put("texts", &id, &text)?;
        }
        Ok(Some(Versioned { version, value: rows }))
    }
}

async fn open_db(url: &str, connections_max: u32) -> Db {
    let settings = PoolSettings {
        connections_max,
        acquire_timeout: Duration::from_secs(600),
        statement_timeout: LONG,
        slow_statement: LONG,
        access: Access::ReadWrite,
        plans: Plans::Any,
    };
    Db::new(pg::connect(url, settings).await.expect("a database"), "bench", &Lane::Live)
}

struct Fleet {
    db: Db,
    producer: Producer,
    nodes: Vec<Consumer<Texts>>,
}

impl Fleet {
    async fn start(db: Db, redis: &str) -> Fleet {
        let settings = CacheSettings { act_timeout: Duration::from_secs(10), ..CacheSettings::default() };
        let connect = async || Cache::connect_with(redis, &Lane::Live, settings).await.expect("a URL");
        let set = SetName::try_new("texts").expect("a name");
        let producer = Producer::start(ProducerParts::<Texts> {
            set: set.clone(),
            election: Arc::new(PgLease::new(db.clone(), "producer")),
            cache: connect().await,
            node: "producer".to_owned(),
            source: Arc::new(Source(db.clone())),
            rules: Rules::none().rows_min("texts", 1).change_max_percent("texts", 20),
            settings: ProducerSettings::default(),
        })
        .expect("good parts");
        let start = async |n: usize| {
            let parts = ConsumerParts::<Texts> {
                set: set.clone(),
                cache: connect().await,
                node: format!("node-{n}"),
                disk: None,
                rules: Rules::none().rows_min("texts", 1),
                fallback: None,
                settings: ConsumerSettings::default(),
            };
            let node = Consumer::start(parts).await.expect("good parts");
            node.wait_for(1, LONG).await.expect("the first version");
            node
        };
        let nodes = futures::stream::iter(0..nodes()).map(start).buffer_unordered(8).collect().await;
        Fleet { db, producer, nodes }
    }

    /// Changes one row, and says how long after its commit each node served it.
    async fn change(&self) -> Vec<Duration> {
        let version = change_one(&self.db).await;
        let begun = Instant::now();
        self.producer.changed().await;
        let seen = self.nodes.iter().map(async |node| {
            node.wait_for(version, LONG).await.expect("it arrives");
            begun.elapsed()
        });
        futures::future::join_all(seen).await
    }
}

/// All nodes read the table for themselves and build a map of it.
async fn reload(db: &Db) -> Vec<Duration> {
    change_one(db).await;
    let begun = Instant::now();
    let load = async |_: usize| {
        let rows = read_all(db).await.expect("the rows");
        let map = tokio::task::spawn_blocking(move || rows.into_iter().collect::<HashMap<i64, String>>());
        assert_eq!(map.await.expect("a map").len(), usize::try_from(ROWS).expect("small"));
        begun.elapsed()
    };
    futures::stream::iter(0..nodes())
        .map(load)
        .buffer_unordered(usize::try_from(RELOADING_CONNECTIONS).expect("small"))
        .collect()
        .await
}

fn share(sorted: &[Duration], of_hundred: usize) -> Duration {
    sorted[(sorted.len() * of_hundred / 100).min(sorted.len() - 1)]
}

fn print_shares(name: &str, mut all: Vec<Duration>, changes: usize, reads: i64) {
    all.sort_unstable();
    let [p50, p99] = [50, 99].map(|of| share(&all, of));
    let last = all.last().expect("some");
    println!(
        "{name}: {changes} changes x {} nodes: p50 {p50:.1?}, p99 {p99:.1?}, last {last:.1?}; {reads} database reads",
        nodes()
    );
}

fn spreading(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let (fleet, reloading, _database) = runtime.block_on(async {
        let database = testkit::postgres().await.fresh_database().await;
        let db = open_db(database.url(), 4).await;
        pg::migrate(&db, &[&refresh::MIGRATOR]).await.expect("migrated");
        sqlx::raw_sql(db.sql(TABLES)).execute(db.pool()).await.expect("the tables");
        let begun = Instant::now();
        let fleet = Fleet::start(db, &testkit::redis_url().await).await;
        println!("{} nodes have the first version after {:.1?}", nodes(), begun.elapsed());
        let reloading = open_db(database.url(), RELOADING_CONNECTIONS).await;
        (fleet, reloading, database)
    });
    runtime.block_on(async {
        let (before, changes) = (reads(&fleet.db).await, 20);
        let mut all = Vec::new();
        for _ in 0..changes {
            all.extend(fleet.change().await);
            tokio::time::sleep(Duration::from_millis(200)).await; // Changes are rare: each finds the fleet at rest.
        }
        print_shares("refresh", all, changes, reads(&fleet.db).await - before);
    });
    let mut group = c.benchmark_group("a one-row change of 10 MB, until the last node has it");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.bench_function("refresh", |b| {
        b.iter_custom(|times| {
            runtime.block_on(async {
                let mut sum = Duration::ZERO;
                for _ in 0..times {
                    sum += fleet.change().await.into_iter().max().expect("some nodes");
                }
                sum
            })
        })
    });
    group.finish();
    runtime.block_on(async {
        let Fleet { db, producer, nodes } = fleet;
        producer.stop().await;
        drop(nodes);
        let before = reads(&db).await;
        let mut all = Vec::new();
        for _ in 0..RELOADS {
            all.extend(reload(&reloading).await);
        }
        print_shares("anchor, all reload", all, RELOADS, reads(&db).await - before);
    });
}

criterion_group!(benches, spreading);
criterion_main!(benches);
