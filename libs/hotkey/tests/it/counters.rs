//! Counters: exact after a drain, few commands, and once however often a batch is sent.

use crate::rig::{BOUND, MINUTE, fresh, in_process};
use crate::staleness::{Cable, Plugged};
use cache::{Cache, CacheSettings};
use contracts::lane::Lane;
use hotkey::{COUNTERS_MAX, CounterSettings, Counters, HotError};
use std::time::Duration;

async fn many_threads_add_up_exactly(cache: Cache) {
    let counters = Counters::start(&cache, &CounterSettings::default()).expect("started");
    let (likes, debts) = (fresh("likes"), fresh("debts"));
    let (one, two) = (counters.open(&likes).expect("room"), counters.open(&debts).expect("room"));
    assert_eq!(one.value(), None);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..100_000 {
                    one.add(1);
                    two.add(if n % 2 == 0 { 3 } else { -4 });
                }
            });
        }
    });
    counters.drain(BOUND).await.expect("written");
    assert_eq!(cache.count(&likes).await, Ok(Some(400_000)));
    assert_eq!(cache.count(&debts).await, Ok(Some(-200_000)));
    assert_eq!((one.value(), two.value()), (Some(400_000), Some(-200_000)));
}

async fn a_counter_that_refuses_spoils_no_other(cache: Cache) {
    let counters = Counters::start(&cache, &CounterSettings::default()).expect("started");
    let (full, free) = (fresh("full"), fresh("free"));
    cache.incr(&full, i64::MAX, MINUTE).await.expect("fits");
    let (one, two) = (counters.open(&full).expect("room"), counters.open(&free).expect("room"));
    for _ in 0..10 {
        one.add(1);
        two.add(1);
    }
    counters.drain(BOUND).await.expect("nothing waits for ever");
    assert_eq!(cache.count(&full).await, Ok(Some(i64::MAX)), "a counter never wraps");
    assert_eq!(cache.count(&free).await, Ok(Some(10)));
}

crate::against_both_stores! {
    many_threads_add_up_exactly
    a_counter_that_refuses_spoils_no_other
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_lost_double_nothing() {
    let url = testkit::redis_url().await;
    let cable = Cable::lay(&url).await;
    let settings = CacheSettings { act_timeout: Duration::from_millis(200), ..CacheSettings::default() };
    let cache = Cache::connect_with(&cable.url, &Lane::Live, settings).await.expect("a Redis URL");
    let counters = Counters::start(&cache, &CounterSettings::default()).expect("started");
    let key = fresh("answers");
    let counter = counters.open(&key).expect("room");
    let mut added = 0_i64;
    for round in 0..12 {
        // Deaf: the server adds, and this side does not hear of it. Cut: either may have happened.
        cable.set([Plugged::Deaf, Plugged::No, Plugged::Frozen][round % 3]);
        for _ in 0..20 {
            counter.add(7);
            added += 7;
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        cable.set(Plugged::No); // What is on the way now is lost.
        tokio::time::sleep(Duration::from_millis(5)).await;
        cable.set(Plugged::Yes);
    }
    counters.drain(BOUND).await.expect("written");
    let patient = crate::rig::in_redis(&url).await;
    assert_eq!(patient.count(&key).await, Ok(Some(added)));
}

#[tokio::test]
async fn there_is_room_for_so_many_counters_and_it_is_given_back() {
    let counters = Counters::start(&in_process(), &CounterSettings::default()).expect("started");
    let held: Vec<_> =
        (0..COUNTERS_MAX).map(|n| counters.open(&format!("counter-{n}")).expect("room")).collect();
    assert_eq!(counters.open("one more").err(), Some(HotError::TooManyCounters { max: COUNTERS_MAX }));
    held[0].add(1);
    counters.drain(BOUND).await.expect("written");
    drop(held);
    assert!(counters.open("one more").is_ok());
    assert!(matches!(counters.open("").err(), Some(HotError::BadKey { .. })));
    let hasty = CounterSettings { flush_every: Duration::ZERO, ..CounterSettings::default() };
    assert_eq!(
        Counters::start(&in_process(), &hasty).err(),
        Some(HotError::BadSetting { name: "flush_every" })
    );
}
