//! What the benches share: keys as they come in life, and threads that start together.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// Keys of rooms.
pub fn keys(len: usize) -> Vec<String> {
    (0..len).map(|n| format!("room:{:07}:state", n * 7_919 % 10_000_000)).collect()
}

/// Indexes of `keys` keys drawn with Zipf's law of exponent 1.0: the n-th key comes in proportion to 1/n.
pub fn zipf(keys: usize, draws: usize, seed: u64) -> Vec<u32> {
    use rand::{Rng, SeedableRng};
    let mut dice = rand::rngs::StdRng::seed_from_u64(seed);
    let mut sums = Vec::with_capacity(keys);
    let mut sum = 0.0;
    for n in 0..keys {
        sum += 1.0 / f64::from(u32::try_from(n + 1).expect("few keys"));
        sums.push(sum);
    }
    (0..draws)
        .map(|_| {
            let at = dice.random_range(0.0..sum);
            u32::try_from(sums.partition_point(|sum| *sum <= at).min(keys - 1)).expect("few keys")
        })
        .collect()
}

/// The time from when all threads are ready until the last has done its part.
pub fn in_threads(threads: usize, act: impl Fn(usize) + Sync) -> Duration {
    let ready = Arc::new(Barrier::new(threads + 1));
    std::thread::scope(|scope| {
        let act = &act;
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let ready = Arc::clone(&ready);
                scope.spawn(move || {
                    ready.wait();
                    act(thread);
                })
            })
            .collect();
        ready.wait();
        let started = Instant::now();
        for thread in running {
            thread.join().expect("a bench thread does not fail");
        }
        started.elapsed()
    })
}

/// A runtime with so many worker threads.
pub fn runtime(threads: usize) -> tokio::runtime::Runtime {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    built.expect("a runtime")
}

/// The Redis of `testkit run --with redis`.
pub fn redis_url() -> String {
    std::env::var("LARGESSE_TEST_REDIS_URL")
        .expect("run by `make bench-hotkey`, which starts a private Redis")
}
