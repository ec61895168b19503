//! One touch of a string key: ours beside crate `heavykeeper`, Zipf 1.0 over 100,000 keys, 1 and 2 threads.
//!
//! The anchors need `&mut`, so with two threads each has one of its own, which is the best they can do (and no
//! longer counts a key once); behind one lock they are measured too. Ours is measured bare (`Sketch`), and as it
//! is used (`Detector`: shared by all threads, fading by the clock while it is measured).

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use heavykeeper::{BucketedTopK, CuckooTopK, TopK};
use hotkey::{Detector, Sketch};
use hotkey_benches::{in_threads, keys, zipf};
use std::hash::BuildHasher;
use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const KEYS: usize = 100_000;
const DRAWS: usize = 1 << 20;

/// The drawn keys of each thread, one after the other in one text: requests bring keys that are in the cache.
struct Drawn {
    texts: Vec<String>,
    key_len: usize,
}

impl Drawn {
    fn new() -> Drawn {
        let keys = keys(KEYS);
        let key = |n: u32| keys[usize::try_from(n).expect("64 bits")].as_str();
        let texts = (0..2).map(|seed| zipf(KEYS, DRAWS, seed).into_iter().map(key).collect()).collect();
        Drawn { texts, key_len: keys[0].len() }
    }

    /// Runs `iters` touches in each thread; the time is that of one touch in each.
    fn each(
        &self,
        threads: usize,
        iters: u64,
        touch: impl Fn(usize, &mut dyn Iterator<Item = &str>) + Sync,
    ) -> Duration {
        let many = usize::try_from(iters).expect("64 bits");
        in_threads(threads, |thread| {
            let text = &self.texts[thread];
            let key = |n: usize| &text[(n & (DRAWS - 1)) * self.key_len..][..self.key_len];
            touch(thread, &mut (0..many).map(key));
        })
    }
}

fn anchors(group: &mut BenchmarkGroup<'_, WallTime>, drawn: &Drawn, threads: usize) {
    macro_rules! anchor {
        ($name:literal, $kind:ident) => {
            group.bench_function(BenchmarkId::new($name, threads), |bench| {
                let all: Vec<Mutex<$kind<String>>> =
                    (0..threads).map(|_| Mutex::new($kind::new(64, 2_048, 2, 0.925))).collect();
                bench.iter_custom(|iters| {
                    drawn.each(threads, iters, |thread, keys| {
                        let mut sketch = all[thread].lock().expect("not poisoned");
                        for key in keys {
                            sketch.add(black_box(key), 1);
                        }
                    })
                });
            });
        };
    }
    anchor!("heavykeeper_topk", TopK);
    anchor!("heavykeeper_bucketed", BucketedTopK);
    anchor!("heavykeeper_cuckoo", CuckooTopK);
    group.bench_function(BenchmarkId::new("heavykeeper_cuckoo_one_lock", threads), |bench| {
        let one = Mutex::new(CuckooTopK::<String>::new(64, 2_048, 2, 0.925));
        bench.iter_custom(|iters| {
            drawn.each(threads, iters, |_, keys| {
                for key in keys {
                    one.lock().expect("not poisoned").add(black_box(key), 1);
                }
            })
        });
    });
}

fn ours(group: &mut BenchmarkGroup<'_, WallTime>, drawn: &Drawn, threads: usize) {
    group.bench_function(BenchmarkId::new("ours_sketch", threads), |bench| {
        let all: Vec<Mutex<Sketch>> = (0..threads).map(|_| Mutex::default()).collect();
        let hasher = foldhash::fast::RandomState::default();
        bench.iter_custom(|iters| {
            drawn.each(threads, iters, |thread, keys| {
                let mut sketch = all[thread].lock().expect("not poisoned");
                for key in keys {
                    sketch.touch(hasher.hash_one(black_box(key)), key);
                }
            })
        });
    });
    group.bench_function(BenchmarkId::new("ours_detector", threads), |bench| {
        let detector = Detector::default();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::thread::sleep(hotkey::TICK);
                    black_box(detector.step(1));
                }
            });
            bench.iter_custom(|iters| {
                drawn.each(threads, iters, |_, keys| {
                    for key in keys {
                        detector.touch(black_box(key));
                    }
                })
            });
            done.store(true, Ordering::Relaxed);
        });
    });
}

fn main() {
    let drawn = Drawn::new();
    let mut criterion = Criterion::default()
        .measurement_time(Duration::from_secs(3))
        .warm_up_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    let mut group = criterion.benchmark_group("sketch_touch");
    group.throughput(Throughput::Elements(1));
    for threads in [1, 2] {
        group.bench_function(BenchmarkId::new("nothing_at_all", threads), |bench| {
            bench.iter_custom(|iters| {
                drawn.each(threads, iters, |_, keys| keys.for_each(|key| _ = black_box(key)))
            });
        });
        anchors(&mut group, &drawn, threads);
        ours(&mut group, &drawn, threads);
    }
    group.finish();
    criterion.final_summary();
}
