//! A hit of a hot key in 256 tasks on 1 and 2 threads: ours beside `quick_cache`, `moka`, and the client-side
//! cache of redis-rs, 64 hot keys with values of 100 bytes, Zipf 1.0. Every task yields each 64 hits.

use cache::Cache;
use contracts::lane::Lane;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use hotkey::{HotSettings, HotValues};
use hotkey_benches::{keys, runtime, zipf};
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const KEYS: usize = 64;
const TASKS: u64 = 256;
const HITS_PER_TURN: u64 = 64;
const LIFE: Duration = Duration::from_secs(3_600);

/// Does `iters` hits, spread over the tasks; gives the time of all.
macro_rules! hits {
    ($runtime:expr, $iters:expr, $drawn:expr, $shared:expr, |$cache:ident, $key:ident| $hit:expr) => {
        $runtime.block_on(async {
            let per_task = $iters.div_ceil(TASKS);
            let started = Instant::now();
            let mut tasks = Vec::new();
            for task in 0..TASKS {
                let ($cache, drawn) = ($shared.clone(), Arc::clone(&$drawn));
                tasks.push(tokio::spawn(async move {
                    let mut at = usize::try_from(task * 4_099).expect("small");
                    for n in 0..per_task {
                        let $key: &str = black_box(&drawn.0[usize::from(drawn.1[at & (drawn.1.len() - 1)])]);
                        black_box($hit);
                        at += 1;
                        if n % HITS_PER_TURN == HITS_PER_TURN - 1 {
                            tokio::task::yield_now().await;
                        }
                    }
                }));
            }
            for task in tasks {
                task.await.expect("a bench task does not fail");
            }
            started.elapsed().mul_f64(share($iters, per_task * TASKS))
        })
    };
}

fn main() {
    let keys = keys(KEYS);
    let value = Arc::<[u8]>::from(vec![7_u8; 100]);
    let draws = zipf(KEYS, 1 << 14, 1);
    let draws: Vec<u8> = draws.into_iter().map(|n| u8::try_from(n).expect("64 keys")).collect();
    let drawn: Arc<(Vec<String>, Vec<u8>)> = Arc::new((keys.clone(), draws));
    let mut criterion = Criterion::default()
        .measurement_time(Duration::from_secs(3))
        .warm_up_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    let mut group = criterion.benchmark_group("hot_hit");
    group.throughput(Throughput::Elements(1));
    for threads in [1, 2] {
        let runtime = runtime(threads);

        group.bench_function(BenchmarkId::new("nothing_at_all", threads), |bench| {
            bench.iter_custom(|iters| hits!(runtime, iters, drawn, (), |_cache, key| key));
        });

        let quick = Arc::new(quick_cache::sync::Cache::<String, Arc<[u8]>>::new(1_000));
        keys.iter().for_each(|key| quick.insert(key.clone(), value.clone()));
        group.bench_function(BenchmarkId::new("quick_cache", threads), |bench| {
            bench.iter_custom(|iters| {
                hits!(runtime, iters, drawn, quick, |cache, key| cache.get(key).expect("held"))
            });
        });

        floors(&mut group, &runtime, threads, &drawn, &value);

        let moka = runtime.block_on(filled_moka(&keys, &value));
        group.bench_function(BenchmarkId::new("moka", threads), |bench| {
            bench.iter_custom(|iters| {
                hits!(runtime, iters, drawn, moka, |cache, key| cache.get(key).await.expect("held"))
            });
        });

        let url = hotkey_benches::redis_url();
        let connection = runtime.block_on(caching_connection(&url, &keys, &value));
        group.bench_function(BenchmarkId::new("redis_rs_cache", threads), |bench| {
            bench.iter_custom(|iters| {
                hits!(runtime, iters, drawn, connection, |cache, key| {
                    let mut cache = cache.clone();
                    redis::cmd("GET").arg(key).query_async::<Vec<u8>>(&mut cache).await.expect("held")
                })
            });
        });

        let hot = runtime.block_on(warmed(&keys, &value));
        group.bench_function(BenchmarkId::new("ours_get", threads), |bench| {
            bench.iter_custom(|iters| {
                hits!(runtime, iters, drawn, hot, |hot, key| hot.get(key).await.expect("read").expect("held"))
            });
        });
        group.bench_function(BenchmarkId::new("ours_peek", threads), |bench| {
            bench.iter_custom(|iters| {
                hits!(runtime, iters, drawn, hot, |hot, key| {
                    hot.peek(key, |value| value.map_or(0, |value| black_box(value).len())).expect("held")
                })
            });
        });
    }
    group.finish();
    criterion.final_summary();
}

/// What no cache can be faster than: a map that never changes, so that nothing is checked, counted or evicted.
fn floors(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    threads: usize,
    drawn: &Arc<(Vec<String>, Vec<u8>)>,
    value: &Arc<[u8]>,
) {
    let plain: Arc<HashMap<String, Arc<[u8]>, foldhash::fast::RandomState>> =
        Arc::new(drawn.0.iter().map(|key| (key.clone(), value.clone())).collect());
    group.bench_function(BenchmarkId::new("floor_map_and_arc", threads), |bench| {
        bench.iter_custom(|iters| {
            hits!(runtime, iters, drawn, plain, |map, key| Arc::clone(map.get(key).expect("held")))
        });
    });
    group.bench_function(BenchmarkId::new("floor_map_alone", threads), |bench| {
        bench.iter_custom(|iters| {
            hits!(runtime, iters, drawn, plain, |map, key| black_box(map.get(key).expect("held")).len())
        });
    });
}

async fn filled_moka(keys: &[String], value: &Arc<[u8]>) -> moka::future::Cache<String, Arc<[u8]>> {
    let moka = moka::future::Cache::builder().max_capacity(1_000).time_to_live(LIFE).build();
    for key in keys {
        moka.insert(key.clone(), Arc::clone(value)).await;
    }
    moka
}

/// A connection of redis-rs with its own cache, in a server that holds the keys.
async fn caching_connection(url: &str, keys: &[String], value: &[u8]) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(format!("{url}/?protocol=resp3")).expect("a Redis URL");
    let config = redis::AsyncConnectionConfig::new().set_cache_config(redis::caching::CacheConfig::new());
    let opened = client.get_multiplexed_async_connection_with_config(&config).await;
    let mut connection = opened.expect("the server is there");
    for key in keys {
        redis::cmd("SET").arg(key).arg(value).query_async::<()>(&mut connection).await.expect("kept");
    }
    connection
}

/// Hot values, all of them held.
async fn warmed(keys: &[String], value: &[u8]) -> HotValues {
    let cache = Cache::in_process(&Lane::Live);
    let settings = HotSettings { stale_max: LIFE, refresh_after: LIFE / 2, ..HotSettings::default() };
    let hot = HotValues::start(&cache, settings).expect("started");
    for key in keys {
        cache.set(key, value, LIFE).await.expect("kept");
        hot.pin(key).expect("room");
    }
    loop {
        let mut held = 0;
        for key in keys {
            hot.get(key).await.expect("read");
            held += usize::from(hot.peek(key, |_| ()).is_some());
        }
        if held == keys.len() {
            return hot;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The tasks' equal parts may be a few hits more than were asked for.
fn share(asked: u64, done: u64) -> f64 {
    let number = |n: u64| f64::from(u32::try_from(n / 16 + 1).expect("criterion asks for fewer"));
    number(asked) / number(done)
}
