//! The race of `tests/it/races.rs`, run by the client-side cache of redis-rs and by ours: same writers, same
//! flushes, same cuts of the connection. Prints what each of them read; fails for nobody but us.

#[path = "../../tests/it/staleness.rs"]
mod staleness;

use cache::{Cache, CacheSettings};
use contracts::lane::Lane;
use hotkey::{HotSettings, HotValues};
use hotkey_benches::{redis_url, runtime};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use staleness::{Cable, Outcome, Plan, Subject, Wire, race};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Clone)]
struct Ours(HotValues);

impl Subject for Ours {
    async fn read(&self, key: &str) -> Result<Option<u64>, ()> {
        let value = self.0.get(key).await.map_err(drop)?;
        Ok(value.map(|value| std::str::from_utf8(&value).expect("digits").parse().expect("digits")))
    }
}

#[derive(Clone)]
struct RedisRs(ConnectionManager);

impl Subject for RedisRs {
    async fn read(&self, key: &str) -> Result<Option<u64>, ()> {
        let mut connection = self.0.clone();
        redis::cmd("GET")
            .arg(format!("largesse:value:{key}"))
            .query_async(&mut connection)
            .await
            .map_err(drop)
    }
}

fn plan(name: &str) -> Plan {
    let long = std::env::var_os("LARGESSE_TEST_LONG").is_some();
    Plan {
        keys: (0..16).map(|n| format!("{name}-{n}")).collect(),
        readers: 8,
        rounds: if long { 60 } else { 12 },
        storm: Duration::from_millis(1_000),
        settle: Duration::from_secs(3),
        seed: 0x5EED,
    }
}

fn tell(name: &str, outcome: &Outcome) {
    println!(
        "{name}: {} reads, {} writes, {} flushes, {} cuts; stalest read {:?}; {} keys still stale 3 s after a \
         round's last write",
        outcome.reads,
        outcome.writes,
        outcome.flushes,
        outcome.cuts,
        outcome.stalest,
        outcome.stuck.len()
    );
    outcome.stuck.iter().take(3).for_each(|stuck| println!("  {stuck}"));
}

fn main() {
    let url = redis_url();
    runtime(4).block_on(async {
        for cuts in [false, true] {
            println!("{} cuts of the connection:", if cuts { "with" } else { "without" });
            let wire = Wire::connect(&url, "largesse:value:").await;
            let cable = Cable::lay(&url).await;
            let config = ConnectionManagerConfig::new()
                .set_max_delay(Duration::from_millis(100))
                .set_cache_config(redis::caching::CacheConfig::new());
            let client = redis::Client::open(format!("{}/?protocol=resp3", cable.url)).expect("a URL");
            let manager = ConnectionManager::new_with_config(client, config).await.expect("connected");
            let cut = cuts.then_some(&cable);
            tell("  redis-rs", &race(RedisRs(manager), wire, cut, &plan("rs")).await);

            let wire = Wire::connect(&url, "largesse:value:").await;
            let settings = CacheSettings { act_timeout: Duration::from_secs(5), ..CacheSettings::default() };
            let cache = Cache::connect_with(&cable.url, &Lane::Live, settings).await.expect("a URL");
            let long = HotSettings { stale_max: HOUR, refresh_after: HOUR / 2, ..HotSettings::default() };
            let (hot, plan) = (HotValues::start(&cache, long).expect("started"), plan("ours"));
            plan.keys.iter().for_each(|key| hot.pin(key).expect("room"));
            let ours = race(Ours(hot), wire, cut, &plan).await;
            tell("  ours", &ours);
            assert!(ours.stuck.is_empty() && ours.from_nowhere == 0, "{ours:?}");
        }
    });
}
