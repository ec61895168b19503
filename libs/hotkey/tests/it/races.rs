//! Invariant under test: a read gives nothing that was replaced longer ago than the documented bound, whatever
//! races, and nothing stays stale.

use crate::rig::{BOUND, MINUTE, eager, fresh, in_process, in_redis, is_hot, until};
use crate::staleness::{Cable, Plan, Plugged, Subject, Truth, Wire, race};
use cache::Cache;
use hotkey::{HotSettings, HotValues};
use std::time::{Duration, Instant};
use testkit::{Fsync, Kind, Server};
use tokio::io::{AsyncBufReadExt, AsyncReadExt};

#[derive(Clone)]
struct Hot(HotValues);

impl Subject for Hot {
    async fn read(&self, key: &str) -> Result<Option<u64>, ()> {
        let value = self.0.get(key).await.map_err(drop)?;
        let number = |value: &[u8]| std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        match value {
            Some(value) => number(&value).map(Some).ok_or(()),
            None => Ok(None),
        }
    }
}

/// The store of this process has no FLUSHALL: every key is removed instead.
struct Here(Cache, Vec<String>);

impl Truth for Here {
    async fn write(&self, key: &str, value: u64) {
        self.0.set(key, value.to_string().as_bytes(), MINUTE).await.expect("kept");
    }

    async fn flush(&self) {
        for key in &self.1 {
            self.0.remove(key).await.expect("removed");
        }
    }
}

/// Times are so long that only what the store tells can make a value go.
fn only_pushes() -> HotSettings {
    HotSettings { stale_max: 60 * MINUTE, refresh_after: 59 * MINUTE, ..eager() }
}

fn plan(keys: usize) -> Plan {
    let long = std::env::var_os("LARGESSE_TEST_LONG").is_some();
    Plan {
        keys: (0..keys).map(|n| fresh(&format!("race-{n}"))).collect(),
        readers: 8,
        rounds: if long { 150 } else { 4 },
        storm: Duration::from_millis(if long { 1_200 } else { 500 }),
        settle: BOUND,
        seed: 0x5EED,
    }
}

async fn pinned(cache: &Cache, keys: &[String], settings: HotSettings) -> HotValues {
    let hot = HotValues::start(cache, settings).expect("started");
    keys.iter().for_each(|key| hot.pin(key).expect("room"));
    let all = |table: &hotkey::HotTable| keys.iter().all(|key| is_hot(table, key));
    until("all are hot", || async { hot.table() }, all).await;
    hot
}

/// How often the server was asked for a value, by whomever.
async fn gets(wire: &Wire) -> u64 {
    let len = wire.say("INFO commandstats").await.trim_start_matches('$').parse().expect("a length");
    let mut stats = vec![0; len];
    let mut stream = wire.stream.lock().await;
    stream.read_exact(&mut stats).await.expect("answered");
    let mut end = String::new();
    stream.read_line(&mut end).await.expect("answered");
    let stats = String::from_utf8(stats).expect("text");
    let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_get:calls="));
    line.map_or(0, |line| line.split(',').next().unwrap_or_default().parse().expect("a number"))
}

/// A Redis of this test alone: it is flushed. The server's folder goes with it.
async fn own_server() -> Server {
    let started = tokio::task::spawn_blocking(|| Server::start(Kind::Redis, Fsync::Off)).await;
    started.expect("not interrupted").expect("a private Redis")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_stays_stale_when_writers_flushes_and_cuts_race_readers() {
    let server = own_server().await;
    let cable = Cable::lay(server.url()).await;
    let (plan, cache) = (plan(16), in_redis(&cable.url).await);
    let hot = pinned(&cache, &plan.keys, only_pushes()).await;
    let wire = Wire::connect(server.url(), "largesse:value:").await;
    let outcome = race(Hot(hot.clone()), wire, Some(&cable), &plan).await;
    let summary = format!(
        "{} reads, {} writes, {} flushes, {} cuts; stalest {:?}",
        outcome.reads, outcome.writes, outcome.flushes, outcome.cuts, outcome.stalest
    );
    println!("{summary}");
    assert!(outcome.stuck.is_empty(), "{summary}: {:?}", outcome.stuck);
    assert_eq!(outcome.from_nowhere, 0, "{summary}");
    // Pushes travel in well under a millisecond; a starved machine may take its time.
    assert!(outcome.stalest < Duration::from_secs(5), "{summary}");
    assert!(outcome.writes > 100 && outcome.reads > outcome.writes, "no race: {summary}");
    let hits: u64 = hot.table().rows.iter().map(|row| row.hits).sum();
    assert!(hits > outcome.reads / 4, "memory had little to do with it: {hits} hits, {summary}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_stays_stale_in_one_process_either() {
    let (plan, cache) = (plan(16), in_process());
    let hot = pinned(&cache, &plan.keys, only_pushes()).await;
    let outcome = race(Hot(hot), Here(cache, plan.keys.clone()), None, &plan).await;
    assert!(outcome.stuck.is_empty() && outcome.from_nowhere == 0, "{outcome:?}");
    assert!(outcome.stalest < Duration::from_secs(5), "{outcome:?}");
    assert!(outcome.writes > 100 && outcome.reads > outcome.writes, "no race: {outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_mute_and_open_makes_nothing_staler_than_the_bound() {
    let url = testkit::redis_url().await;
    let cable = Cable::lay(&url).await;
    let key = fresh("mute");
    // So patient that the connection is never given up: only the bound is left.
    let patient = cache::CacheSettings { act_timeout: 10 * MINUTE, ..cache::CacheSettings::default() };
    let cache = Cache::connect_with(&cable.url, &contracts::lane::Lane::Live, patient).await.expect("a URL");
    let stale_max = Duration::from_millis(400);
    let settings = HotSettings { stale_max, refresh_after: Duration::from_millis(200), ..eager() };
    let hot = pinned(&cache, std::slice::from_ref(&key), settings).await;
    let wire = Wire::connect(&url, "largesse:value:").await;
    wire.write(&key, 1).await;
    let one = || async { hot.get(&key).await.expect("read").as_deref() == Some(b"1") };
    until("it is read", one, |one| *one).await;
    cable.set(Plugged::Frozen);
    wire.write(&key, 2).await;
    let replaced = Instant::now();
    let mut last_seen = Duration::ZERO;
    while replaced.elapsed() < 10 * stale_max {
        let began = replaced.elapsed();
        if hot.peek(&key, |value| value == Some(b"1".as_slice())) == Some(true) {
            last_seen = began;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The machine's own delays come on top; what is not bounded would last to the end.
    assert!(last_seen < 5 * stale_max, "read stale {last_seen:?} after it was replaced");
    cable.set(Plugged::Yes);
    let two = || async { hot.get(&key).await.expect("read").as_deref() == Some(b"2") };
    until("it goes on", two, |two| *two).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_and_comes_back_empty_leaves_no_old_value() {
    let mut server = own_server().await;
    let cache = in_redis(server.url()).await;
    let key = fresh("died");
    let hot = pinned(&cache, std::slice::from_ref(&key), only_pushes()).await;
    hot.set(&key, b"old", MINUTE).await.expect("kept");
    until("it is held", || hot.get(&key), |_| hot.peek(&key, |_| ()).is_some()).await;
    server.crash().expect("killed");
    until("nothing is held without the server", || async { hot.peek(&key, |_| ()) }, Option::is_none).await;
    let server = tokio::task::spawn_blocking(move || server.start_again().map(|()| server)).await;
    let server = server.expect("not interrupted").expect("started again");
    Wire::connect(server.url(), "").await.say("FLUSHALL").await;
    until("it is read anew", || hot.get(&key), |got| *got == Ok(None)).await;
    until("and held again", || hot.get(&key), |_| hot.peek(&key, |_| ()).is_some()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_one_hot_key_share_one_read_and_a_hit_asks_nobody() {
    let server = own_server().await;
    let cable = Cable::lay(server.url()).await;
    let cache = in_redis(&cable.url).await;
    let key = fresh("shared");
    let hot = pinned(&cache, std::slice::from_ref(&key), only_pushes()).await;
    hot.set(&key, b"1", MINUTE).await.expect("kept");
    until("it is held", || hot.get(&key), |_| hot.peek(&key, |_| ()).is_some()).await;
    let wire = Wire::connect(server.url(), "largesse:value:").await;
    let before = gets(&wire).await;
    for _ in 0..1_000 {
        assert_eq!(hot.get(&key).await.expect("read").as_deref(), Some(b"1".as_slice()));
    }
    assert_eq!(gets(&wire).await, before, "hits went to the server");
    wire.write(&key, 2).await;
    until("the change is known", || async { hot.peek(&key, |_| ()) }, Option::is_none).await;
    // No answer comes while they all ask.
    cable.set(Plugged::Deaf);
    let readers: Vec<_> = (0..200)
        .map(|_| {
            let (hot, key) = (hot.clone(), key.clone());
            tokio::spawn(async move { hot.get(&key).await })
        })
        .collect();
    let asked = || async { gets(&wire).await - before };
    until("one of them asks", asked, |asked| *asked >= 1).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await; // The others come meanwhile; one that is late hits.
    }
    cable.set(Plugged::Yes);
    for reader in readers {
        let got = reader.await.expect("not interrupted").expect("read");
        assert_eq!(got.as_deref(), Some(b"2".as_slice()));
    }
    assert_eq!(asked().await, 1, "each read asked for itself");
}
