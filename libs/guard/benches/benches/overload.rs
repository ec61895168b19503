//! Load steps from half of a node's capacity to three times it: with no guard, with a fixed limit, with the adaptive one.
//!
//! The node works on 64 requests at once, 20 ms each, in real time; others wait in its queue. Arrivals are open and
//! even: nobody waits for an answer before the next is sent. At most half of the capacity is asked for by those who pay,
//! the rest browses. Prints one line per step, and ends with 1 if the adaptive limit breaks a promise: paying requests
//! at least 99 % within 1.2 times the unloaded p99, goodput at least 0.9 of capacity, from half a second after a step.

use guard::{
    AdaptiveLimit, Admission, Ask, Cohort, FixedLimit, Outcome, Permit, Priority, Refusal, Settings,
};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

const WORKERS: u32 = 64;
const WORK: Duration = Duration::from_millis(20);
/// How long each step lasts, and its beginning that is reported apart: the time to react.
const STEP: Duration = Duration::from_secs(5);
const REACTION: Duration = Duration::from_millis(500);
/// How often arrivals are sent: as many as are due.
const TICK: Duration = Duration::from_millis(1);

/// What happened in one step, after the time to react; all in requests.
#[derive(Default)]
struct Tally {
    paying: AtomicU64,
    paying_refused: AtomicU64,
    paying_in_time: AtomicU64,
    served_in_time: AtomicU64,
    latencies_us: std::sync::Mutex<Vec<u64>>,
}

struct Open;

impl Admission for Open {
    fn try_admit(&self, _ask: Ask) -> Result<Permit, Refusal> {
        Ok(Permit::free())
    }
}

struct Node {
    admission: Arc<dyn Admission>,
    workers: Semaphore,
}

async fn serve(node: Arc<Node>, ask: Ask, in_time: Duration, tally: Arc<Tally>) {
    let began = Instant::now();
    let is_paying = ask.class == Priority::Paying;
    let Ok(permit) = node.admission.try_admit(ask) else {
        tally.paying_refused.fetch_add(is_paying.into(), Ordering::Relaxed);
        return;
    };
    let worker = node.workers.acquire().await;
    tokio::time::sleep(WORK).await;
    drop(worker);
    permit.finish(Outcome::Served);
    let took = began.elapsed();
    let is_in_time = u64::from(took <= in_time);
    tally.served_in_time.fetch_add(is_in_time, Ordering::Relaxed);
    if is_paying {
        tally.paying_in_time.fetch_add(is_in_time, Ordering::Relaxed);
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        tally.latencies_us.lock().expect("no panic before").push(us);
    }
}

/// Sends arrivals for a while; returns what happened to those that were sent.
async fn send(
    node: &Arc<Node>,
    per_s: u64,
    paying_per_s: u64,
    lasting: Duration,
    in_time: Duration,
) -> Arc<Tally> {
    let tally = Arc::new(Tally::default());
    let (began, mut sent, mut sent_paying) = (Instant::now(), 0, 0);
    let mut ticks = tokio::time::interval(TICK);
    while began.elapsed() < lasting {
        ticks.tick().await;
        let us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        while sent < us * per_s / 1_000_000 {
            sent += 1;
            let is_paying = sent_paying < sent * paying_per_s / per_s;
            sent_paying += u64::from(is_paying);
            tally.paying.fetch_add(is_paying.into(), Ordering::Relaxed);
            let class = if is_paying { Priority::Paying } else { Priority::Browsing };
            let ask = Ask::new(class).of(Cohort::spread(sent));
            tokio::spawn(serve(node.clone(), ask, in_time, tally.clone()));
        }
    }
    tally
}

fn p99_us(tally: &Tally) -> u64 {
    let mut latencies = tally.latencies_us.lock().expect("no panic before").clone();
    latencies.sort_unstable();
    latencies.get(latencies.len() * 99 / 100).copied().unwrap_or(0)
}

struct Measured {
    capacity_per_s: u64,
    in_time: Duration,
}

/// What the timers of this machine make of 20 ms: the unloaded p99, and what 64 workers then do in a second.
async fn measure() -> Measured {
    let node = Arc::new(Node { admission: Arc::new(Open), workers: Semaphore::new(64) });
    let tally = send(&node, 800, 800, Duration::from_secs(3), Duration::MAX).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let latencies = tally.latencies_us.lock().expect("no panic before").clone();
    let mean_us = latencies.iter().sum::<u64>() / u64::try_from(latencies.len().max(1)).unwrap_or(1);
    let p99 = p99_us(&tally);
    println!("unloaded: mean {mean_us} us, p99 {p99} us; in time means within {} us", p99 * 6 / 5);
    Measured {
        capacity_per_s: u64::from(WORKERS) * 1_000_000 / mean_us.max(1),
        in_time: Duration::from_micros(p99 * 6 / 5),
    }
}

/// Runs all steps against one admission; true if it kept the promises.
async fn run(name: &str, admission: Arc<dyn Admission>, measured: &Measured) -> bool {
    let node = Arc::new(Node { admission, workers: Semaphore::new(64) });
    let capacity = measured.capacity_per_s;
    let mut kept = true;
    println!("{name}, capacity {capacity}/s:");
    for percent in [50, 100, 150, 200, 300] {
        let per_s = capacity * percent / 100;
        let paying_per_s = (capacity / 2).min(per_s / 2);
        let _reacting = send(&node, per_s, paying_per_s, REACTION, measured.in_time).await;
        let tally = send(&node, per_s, paying_per_s, STEP, measured.in_time).await;
        tokio::time::sleep(Duration::from_millis(100)).await; // What was sent last may still come.
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let paying_permille = read(&tally.paying_in_time) * 1_000 / read(&tally.paying).max(1);
        let possible = capacity.min(per_s) * u64::try_from(STEP.as_millis()).unwrap_or(1) / 1_000;
        let goodput_permille = read(&tally.served_in_time) * 1_000 / possible.max(1);
        println!(
            "  {percent:3} % offered: paying in time {}.{} %, refused {}, p99 {} us; goodput {}.{} % of what is possible",
            paying_permille / 10,
            paying_permille % 10,
            read(&tally.paying_refused),
            p99_us(&tally),
            goodput_permille / 10,
            goodput_permille % 10,
        );
        kept &= paying_permille >= 990 && goodput_permille >= 900;
    }
    kept
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let measured = measure().await;
    run("no guard", Arc::new(Open), &measured).await;
    run("a fixed limit of 256", Arc::new(FixedLimit::new(256)), &measured).await;
    let settings = Settings { wait_allowed: Duration::ZERO, ..Settings::default() };
    let Ok(limit) = AdaptiveLimit::try_new(settings) else { return ExitCode::FAILURE };
    let kept = run("the adaptive limit", Arc::new(limit), &measured).await;
    println!("the adaptive limit {} its promises", if kept { "kept" } else { "broke" });
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
