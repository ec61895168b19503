//! One key over loopback Redis, 256 tasks on 2 threads: plain GET beside a hot key; and how long a burst runs
//! before its key is served from memory, measured from the burst's first request.

use cache::{Cache, CacheSettings};
use contracts::lane::Lane;
use criterion::{Criterion, Throughput};
use hotkey::{HotSettings, HotValues};
use hotkey_benches::{redis_url, runtime};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const TASKS: u64 = 256;
const BURSTS: u64 = 25;
const LIFE: Duration = Duration::from_secs(600);

/// `reads` reads over all tasks.
async fn reads(cache: &Cache, hot: Option<&HotValues>, key: &Arc<str>, reads: u64) -> Duration {
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..TASKS {
        let (cache, hot, key) = (cache.clone(), hot.cloned(), Arc::clone(key));
        tasks.push(tokio::spawn(async move {
            for n in 0..reads.div_ceil(TASKS) {
                match &hot {
                    Some(hot) => drop(black_box(hot.get(&key).await.expect("read"))),
                    None => drop(black_box(cache.get(&key).await.expect("read"))),
                }
                if n % 64 == 63 {
                    tokio::task::yield_now().await;
                }
            }
        }));
    }
    for task in tasks {
        task.await.expect("a bench task does not fail");
    }
    started.elapsed()
}

/// The time from a burst's first request to the first answer from memory, and the requests until then.
async fn detection(cache: &Cache, hot: &HotValues, n: u64) -> (Duration, u64) {
    let key: Arc<str> = format!("burst:{n}:{:?}", std::process::id()).into();
    cache.set(&key, b"a value that everybody wants", LIFE).await.expect("kept");
    // Bursts begin anywhere between two ticks.
    tokio::time::sleep(Duration::from_millis(n * 37 % 100)).await;
    let (requests, found) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(u64::MAX)));
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..TASKS {
        let (hot, key) = (hot.clone(), Arc::clone(&key));
        let (requests, found) = (Arc::clone(&requests), Arc::clone(&found));
        tasks.push(tokio::spawn(async move {
            while found.load(Ordering::Relaxed) == u64::MAX {
                requests.fetch_add(1, Ordering::Relaxed);
                if hot.peek(&key, |_| ()).is_some() {
                    let micros = u64::try_from(started.elapsed().as_micros()).expect("a short time");
                    found.fetch_min(micros, Ordering::Relaxed);
                } else {
                    hot.get(&key).await.expect("read");
                }
            }
        }));
    }
    for task in tasks {
        task.await.expect("a bench task does not fail");
    }
    (Duration::from_micros(found.load(Ordering::Relaxed)), requests.load(Ordering::Relaxed))
}

fn main() {
    let runtime = runtime(2);
    let settings = CacheSettings { act_timeout: Duration::from_secs(5), ..CacheSettings::default() };
    let url = redis_url();
    let cache = runtime.block_on(Cache::connect_with(&url, &Lane::Live, settings)).expect("a Redis URL");
    let hot = {
        let _inside = runtime.enter();
        HotValues::start(&cache, HotSettings::default()).expect("started")
    };
    let key: Arc<str> = "the-one-room".into();
    runtime.block_on(cache.set(&key, &[7; 200], LIFE)).expect("kept");

    let mut criterion =
        Criterion::default().measurement_time(Duration::from_secs(4)).sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("one_key_over_redis");
    group.throughput(Throughput::Elements(1));
    group.bench_function("plain_get", |bench| {
        bench.iter_custom(|iters| runtime.block_on(reads(&cache, None, &key, iters)));
    });
    group.bench_function("hot_key", |bench| {
        bench.iter_custom(|iters| runtime.block_on(reads(&cache, Some(&hot), &key, iters)));
    });
    group.finish();
    criterion.final_summary();

    let mut found: Vec<(Duration, u64)> =
        (0..BURSTS).map(|n| runtime.block_on(detection(&cache, &hot, n))).collect();
    found.sort_unstable();
    let (median, worst) = (found[found.len() / 2], found[found.len() - 1]);
    println!("detection, {BURSTS} bursts, from the first request to the first answer from memory:");
    println!("  median {:?} after {} requests, worst {:?} after {}", median.0, median.1, worst.0, worst.1);
    println!("  target: at most 200 ms");
}
