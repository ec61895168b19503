//! One hot counter, 1 M increments a second offered by 2 threads for 5 s: `Counter` beside a plain INCRBY for
//! each increment from 256 tasks. Commands are what Redis itself counts per connection (scripts count as one).

use cache::{Cache, CacheSettings};
use contracts::lane::Lane;
use hotkey::{CounterSettings, Counters};
use hotkey_benches::{in_threads, redis_url, runtime};
use std::time::{Duration, Instant};

const OFFERED_PER_S: u64 = 1_000_000;
const THREADS: u64 = 2;
const LASTS: Duration = Duration::from_secs(5);
const TASKS: u64 = 256;

/// Calls of one command, as Redis counts them.
async fn calls(connection: &mut redis::aio::MultiplexedConnection, command: &str) -> u64 {
    let stats: String =
        redis::cmd("INFO").arg("commandstats").query_async(connection).await.expect("the server is there");
    let line = stats.lines().find(|line| line.starts_with(&format!("cmdstat_{command}:")));
    let calls = line.and_then(|line| line.split("calls=").nth(1)).and_then(|rest| rest.split(',').next());
    calls.map_or(0, |calls| calls.parse().expect("a number"))
}

fn main() {
    let runtime = runtime(2);
    let settings = CacheSettings { act_timeout: Duration::from_secs(5), ..CacheSettings::default() };
    let cache =
        runtime.block_on(Cache::connect_with(&redis_url(), &Lane::Live, settings)).expect("a Redis URL");
    let client = redis::Client::open(redis_url()).expect("a Redis URL");
    let mut asking =
        runtime.block_on(client.get_multiplexed_async_connection()).expect("the server is there");
    let inside = runtime.enter();
    let counters = Counters::start(&cache, &CounterSettings::default()).expect("started");
    drop(inside);

    let name = format!("likes-{}", std::process::id());
    let counter = counters.open(&name).expect("room");
    let before = runtime.block_on(calls(&mut asking, "evalsha"));
    let started = Instant::now();
    in_threads(usize::try_from(THREADS).expect("two"), |_| {
        let mine = OFFERED_PER_S / THREADS;
        for ms in 0..u64::try_from(LASTS.as_millis()).expect("short") {
            for _ in 0..mine / 1_000 {
                counter.add(1);
            }
            let due = Duration::from_millis(ms + 1);
            std::thread::sleep(due.saturating_sub(started.elapsed()));
        }
    });
    let took = started.elapsed();
    let commands = runtime.block_on(calls(&mut asking, "evalsha")) - before;
    runtime.block_on(counters.drain(LASTS)).expect("written");
    let total = runtime.block_on(cache.count(&name)).expect("read");
    let offered = OFFERED_PER_S * LASTS.as_secs();
    println!("hot counter: {offered} increments offered in {took:.2?}");
    println!("  {commands} Redis commands = {:.1}/s (target: at most 20)", per_s(commands, took));
    println!("  total after the drain: {total:?} (must be {offered})");
    assert_eq!(total, i64::try_from(offered).ok(), "not exact");

    let cost = {
        let adds = 20_000_000_u64;
        let started = Instant::now();
        in_threads(usize::try_from(THREADS).expect("two"), |_| (0..adds).for_each(|_| counter.add(1)));
        started.elapsed().as_secs_f64() * 1e9 / adds_f64(adds)
    };
    println!("  one add, {THREADS} threads at full speed: {cost:.1} ns in each");

    plain(&runtime, &asking);
}

/// What the server takes when each increment is a command.
fn plain(runtime: &tokio::runtime::Runtime, asking: &redis::aio::MultiplexedConnection) {
    let started = Instant::now();
    let done = runtime.block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let mut connection = asking.clone();
                tokio::spawn(async move {
                    let mut done = 0_u64;
                    while started.elapsed() < LASTS {
                        redis::cmd("INCRBY")
                            .arg("plain")
                            .arg(1)
                            .query_async::<i64>(&mut connection)
                            .await
                            .expect("added");
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("a bench task does not fail");
        }
        sum
    });
    println!(
        "plain INCRBY: {:.0} increments/s at full speed, as many commands",
        per_s(done, started.elapsed())
    );
}

fn adds_f64(n: u64) -> f64 {
    f64::from(u32::try_from(n).expect("fits"))
}

fn per_s(n: u64, took: Duration) -> f64 {
    adds_f64(n) / took.as_secs_f64()
}
