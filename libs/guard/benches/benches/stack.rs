//! What one request costs: without a guard, behind ours, and behind tower-resilience's; then part beside part.
//!
//! One service behind all of them: a handler that calls its ledger, which answers at once, so the figures are the guards'
//! own. Subtract the first from the others.

use criterion::{Bencher, Criterion, criterion_group, criterion_main};
use governor::{DefaultKeyedRateLimiter, Quota};
use guard::deps::{BreakerSettings, CallError, Declaration, Need, Registry, Strong};
use guard::tower::AdmissionLayer;
use guard::{AdaptiveLimit, Admission, Ask, Cohort, Outcome, Priority, Quotas, Rate, Scope};
use http::{Request, Response};
use std::convert::Infallible;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_resilience_adaptive::{AdaptiveLimiterLayer, Vegas};
use tower_resilience_bulkhead::BulkheadLayer;
use tower_resilience_circuitbreaker::CircuitBreakerLayer;
use tower_resilience_ratelimiter::RateLimiterLayer;
use tower_resilience_timelimiter::TimeLimiterLayer;

static LEDGER: Declaration = Declaration {
    name: "ledger",
    purpose: "keeps the coins",
    need: Need::Strong,
    timeout: Duration::from_secs(1),
    in_flight_max: 10_000,
    breaker: BreakerSettings::standard(Duration::from_millis(500)),
};

const VIEWERS: u64 = 1_000;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// A request of one of many viewers.
fn request(number: u64) -> Request<u128> {
    black_box(Request::new(u128::from(number % VIEWERS)))
}

/// Calls one service again and again, as a server's connection does: no clone of it is in the figure, and its answer is
/// awaited where it was made.
fn calls<S>(bencher: &mut Bencher<'_>, runtime: &Runtime, mut service: S)
where
    S: Service<Request<u128>, Response = Response<()>>,
    S::Error: std::fmt::Debug,
{
    bencher.iter_custom(|times| {
        runtime.block_on(async {
            let began = Instant::now();
            for number in 0..times {
                let ready = service.ready().await.expect("it is always ready");
                let answer = pin!(ready.call(request(number)));
                black_box(answer.await.expect("it always answers"));
            }
            began.elapsed()
        })
    });
}

/// What the handler calls.
async fn answer(_request: Request<u128>) -> Result<Response<()>, Infallible> {
    Ok(Response::new(()))
}

async fn handle(request: Request<u128>) -> Result<Response<()>, Infallible> {
    answer(request).await
}

fn paying(_request: &Request<u128>) -> Ask {
    Ask::new(Priority::Paying).of(Cohort::of(black_box(7), 1))
}

fn quotas() -> Quotas {
    let quotas = Quotas::new(100_000);
    quotas.set(
        Scope::Viewer,
        Some(Rate::try_new(500_000_000, Duration::from_secs(1), 1_000_000).expect("good")),
    );
    quotas
}

fn stacks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stack");
    let runtime = runtime();
    let bare = service_fn(handle);
    group.bench_function("no guard", |b| calls(b, &runtime, bare));

    // For ever, because a handler's state is the server's and its sharing is not the guard's cost.
    let quotas: &'static Quotas = Box::leak(Box::new(quotas()));
    let ledger: &'static Strong =
        Box::leak(Box::new(Registry::default().strong(&LEDGER).expect("declared once")));
    let limit = AdaptiveLimit::up_to(4_096, Duration::from_millis(1));
    let guarded = async move |request: Request<u128>| {
        if quotas.try_take(&[(Scope::Viewer, *request.body())], 1).is_err() {
            return Ok(Response::new(()));
        }
        match ledger.call(answer(request)).await {
            Ok(response) => Ok::<_, Infallible>(response),
            Err(CallError::Failed(never)) => match never {},
            Err(_) => Ok(Response::new(())),
        }
    };
    let ours = AdmissionLayer::new(Arc::new(limit), paying).layer(service_fn(guarded));
    group.bench_function("guard: limit, priority, viewer quota, breaker, cap, time limit", |b| {
        calls(b, &runtime, ours.clone())
    });

    let theirs = ServiceBuilder::new()
        .layer(AdaptiveLimiterLayer::new(
            Vegas::builder().initial_limit(1_000).max_limit(4_096).build().expect("good"),
        ))
        .layer(
            RateLimiterLayer::builder()
                .limit_for_period(500_000_000)
                .refresh_period(Duration::from_secs(1))
                .build()
                .expect("good"),
        )
        .layer(
            BulkheadLayer::builder().max_concurrent_calls(10_000).reject_when_full().build().expect("good"),
        )
        .layer(CircuitBreakerLayer::builder().failure_rate_threshold(0.5).build().expect("good"))
        .layer(TimeLimiterLayer::builder().timeout_duration(Duration::from_secs(1)).build())
        .service(service_fn(handle));
    group.bench_function("tower-resilience: limit, rate, bulkhead, breaker, time limit", |b| {
        calls(b, &runtime, theirs.clone())
    });
    group.finish();
}

fn parts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("part");
    let runtime = runtime();
    let limit = AdaptiveLimit::up_to(4_096, Duration::from_millis(1));
    let ask = Ask::new(Priority::Paying);
    group.bench_function("guard: adaptive limit", |b| {
        b.iter(|| limit.try_admit(black_box(ask)).map(|permit| permit.finish(Outcome::Served)));
    });
    let theirs = AdaptiveLimiterLayer::new(Vegas::builder().initial_limit(1_000).build().expect("good"))
        .layer(service_fn(handle));
    group.bench_function("tower-resilience: adaptive limit", |b| calls(b, &runtime, theirs.clone()));

    let quotas = quotas();
    let mut viewer = 0_u128;
    group.bench_function("guard: viewer quota", |b| {
        b.iter(|| {
            viewer = (viewer + 1) % u128::from(VIEWERS);
            quotas.try_take(&[(Scope::Viewer, black_box(viewer))], 1).is_ok()
        });
    });
    let governor = DefaultKeyedRateLimiter::keyed(
        Quota::per_second(NonZeroU32::new(500_000_000).expect("good")).allow_burst(NonZeroU32::MAX),
    );
    let mut viewer = 0_u128;
    group.bench_function("governor: keyed quota", |b| {
        b.iter(|| {
            viewer = (viewer + 1) % u128::from(VIEWERS);
            governor.check_key(&black_box(viewer)).is_ok()
        });
    });

    let registry = Registry::default();
    let ledger = registry.strong(&LEDGER).expect("declared once");
    group.bench_function("guard: dependency (breaker, cap, time limit)", |b| {
        b.to_async(&runtime).iter(|| ledger.call(answer(request(7))));
    });
    let theirs = ServiceBuilder::new()
        .layer(
            BulkheadLayer::builder().max_concurrent_calls(10_000).reject_when_full().build().expect("good"),
        )
        .layer(CircuitBreakerLayer::builder().failure_rate_threshold(0.5).build().expect("good"))
        .layer(TimeLimiterLayer::builder().timeout_duration(Duration::from_secs(1)).build())
        .service(service_fn(answer));
    group.bench_function("tower-resilience: breaker, bulkhead, time limit", |b| {
        calls(b, &runtime, theirs.clone())
    });
    group.bench_function("the clock, read once", |b| b.iter(guard::clock::now_ns));
    group.bench_function("the floor: 3 clock reads and 9 atomic additions", |b| b.iter(floor));
    group.finish();
}

/// The least that a limit, a quota and a breaker can do who all measure and share their counts: when a request came, when
/// its call ended, when it ended itself; and each count once up, once down.
fn floor() -> u64 {
    static COUNTS: [Apart; 9] = [const { Apart(AtomicU64::new(0)) }; 9];
    let mut sum = 0_u64;
    for counts in COUNTS.chunks(3) {
        sum = sum.wrapping_add(guard::clock::now_ns());
        for count in counts {
            sum = sum.wrapping_add(count.0.fetch_add(1, Ordering::AcqRel));
        }
    }
    sum
}

#[repr(align(128))]
struct Apart(AtomicU64);

criterion_group!(benches, stacks, parts);
criterion_main!(benches);
