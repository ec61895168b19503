//! Values, counters and ranks from memory: that they come from there, and that they are right.

use crate::rig::{BOUND, MINUTE, eager, fresh, in_redis, is_held, is_hot, until};
use cache::Cache;
use hotkey::{HotCounts, HotRanks, HotSettings, HotValues};
use std::sync::Arc;
use std::time::Duration;

/// Reads until the value comes from memory.
async fn warm(hot: &HotValues, key: &str) {
    until("the key is held", || hot.get(key), |_| is_held(&hot.table(), key)).await;
}

/// Long enough that only an invalidation can make a value go.
fn only_pushes() -> HotSettings {
    HotSettings { stale_max: 10 * MINUTE, refresh_after: 9 * MINUTE, ..eager() }
}

async fn a_key_read_often_is_served_from_memory_and_a_change_is_seen(cache: Cache) {
    let key = fresh("often");
    cache.set(&key, b"one", MINUTE).await.expect("kept");
    let hot = HotValues::start(&cache, only_pushes()).expect("started");
    assert_eq!(hot.get(&key).await, Ok(Some(Arc::from(*b"one"))));
    warm(&hot, &key).await;
    assert_eq!(hot.peek(&key, |value| value.map(<[u8]>::to_vec)), Some(Some(b"one".to_vec())));
    // Past the handle, as another node would: only the push can tell.
    cache.set(&key, b"two", MINUTE).await.expect("kept");
    until("the change is seen", || hot.get(&key), |got| *got == Ok(Some(Arc::from(*b"two")))).await;
    warm(&hot, &key).await;
    cache.remove(&key).await.expect("removed");
    until("the removal is seen", || hot.get(&key), |got| *got == Ok(None)).await;
    until(
        "that there is none is held too",
        || hot.get(&key),
        |_| hot.peek(&key, |value| value.is_none()) == Some(true),
    )
    .await;
    cache.set(&key, b"three", MINUTE).await.expect("kept");
    until("it is back", || hot.get(&key), |got| *got == Ok(Some(Arc::from(*b"three")))).await;
}

async fn whoever_writes_through_the_handle_reads_what_was_written(cache: Cache) {
    let key = fresh("own");
    let hot = HotValues::start(&cache, only_pushes()).expect("started");
    hot.set(&key, b"0", MINUTE).await.expect("kept");
    warm(&hot, &key).await;
    for n in 1..200_u32 {
        let value = n.to_string();
        hot.set(&key, value.as_bytes(), MINUTE).await.expect("kept");
        assert_eq!(hot.get(&key).await, Ok(Some(Arc::from(value.as_bytes()))));
    }
    hot.remove(&key).await.expect("removed");
    assert_eq!(hot.get(&key).await, Ok(None));
}

async fn a_value_goes_when_its_own_time_is_over(cache: Cache) {
    let key = fresh("brief");
    let hot = HotValues::start(&cache, only_pushes()).expect("started");
    hot.pin(&key).expect("room");
    until("it is hot", || async { hot.table() }, |table| is_hot(table, &key)).await;
    cache.set(&key, b"brief", Duration::from_millis(300)).await.expect("kept");
    until("it goes by itself", || hot.get(&key), |got| *got == Ok(None)).await;
}

async fn ranks_and_counters_are_served_too(cache: Cache) {
    let (rank, count) = (fresh("rank"), fresh("count"));
    let ranks = HotRanks::start(&cache, 2, only_pushes()).expect("started");
    let counts = HotCounts::start(&cache, only_pushes()).expect("started");
    cache.rank_add(&rank, "ann", 5).await.expect("added");
    cache.rank_add(&rank, "bob", 1_000_000_000_000_000).await.expect("added");
    cache.rank_add(&rank, "cid", 1).await.expect("added");
    cache.incr(&count, 41, MINUTE).await.expect("added");
    let top: Vec<(String, i64)> = vec![("bob".to_owned(), 1_000_000_000_000_000), ("ann".to_owned(), 5)];
    until("the rank is held", || ranks.top(&rank), |_| is_held(&ranks.table(), &rank)).await;
    assert_eq!(ranks.top(&rank).await.expect("read").to_vec(), top);
    until("the counter is held", || counts.get(&count), |_| is_held(&counts.table(), &count)).await;
    assert_eq!(counts.get(&count).await, Ok(Some(41)));
    cache.rank_add(&rank, "cid", 8).await.expect("added");
    until(
        "the rank's change is seen",
        || ranks.top(&rank),
        |top| top.as_ref().is_ok_and(|top| top[1] == ("cid".to_owned(), 9)),
    )
    .await;
    cache.incr(&count, 1, MINUTE).await.expect("added");
    until("the counter's change is seen", || counts.get(&count), |got| *got == Ok(Some(42))).await;
}

async fn a_value_that_ages_is_read_again_while_readers_still_get_it(cache: Cache) {
    let key = fresh("ageing");
    let settings =
        HotSettings { refresh_after: Duration::from_millis(50), stale_max: 10 * MINUTE, ..eager() };
    cache.set(&key, b"same", MINUTE).await.expect("kept");
    let hot = HotValues::start(&cache, settings).expect("started");
    warm(&hot, &key).await;
    // It is there at every moment, although it is read again every 50 ms.
    let until = tokio::time::Instant::now() + Duration::from_millis(400);
    while tokio::time::Instant::now() < until {
        assert_eq!(hot.peek(&key, |value| value.map(<[u8]>::to_vec)), Some(Some(b"same".to_vec())));
        tokio::task::yield_now().await;
    }
}

async fn the_ceiling_on_bytes_holds(cache: Cache) {
    let settings = HotSettings { bytes_max: 200_000, value_bytes_max: 20_000, ..only_pushes() };
    let hot = HotValues::start(&cache, settings).expect("started");
    let keys: Vec<String> = (0..30).map(|n| fresh(&format!("large-{n}"))).collect();
    for key in &keys {
        cache.set(key, &[7; 15_000], MINUTE).await.expect("kept");
        hot.pin(key).expect("room");
    }
    let giant = fresh("giant");
    cache.set(&giant, &[7; 20_001], MINUTE).await.expect("kept");
    hot.pin(&giant).expect("room");
    until(
        "all are hot",
        || async { hot.table() },
        |table| table.rows.iter().filter(|row| row.hot).count() == 31,
    )
    .await;
    let mut fullest = 0;
    for _ in 0..3 {
        for key in keys.iter().chain([&giant]) {
            assert!(hot.get(key).await.expect("read").is_some_and(|value| value.len() >= 15_000));
            let table = hot.table();
            assert!(table.held_bytes <= 200_000, "{} bytes", table.held_bytes);
            assert!(!is_held(&table, &giant), "too large to be held");
            fullest = fullest.max(table.held_bytes);
        }
    }
    assert!(fullest > 100_000, "only {fullest} bytes were ever held");
}

crate::against_both_stores! {
    a_key_read_often_is_served_from_memory_and_a_change_is_seen
    whoever_writes_through_the_handle_reads_what_was_written
    a_value_goes_when_its_own_time_is_over
    ranks_and_counters_are_served_too
    a_value_that_ages_is_read_again_while_readers_still_get_it
    the_ceiling_on_bytes_holds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_lanes_share_nothing() {
    let live = in_redis(&testkit::redis_url().await).await;
    let run = contracts::lane::RunName::try_from("rehearsal".to_owned()).expect("a good name");
    let shadow = live.for_lane(&contracts::lane::Lane::Shadow(run));
    let key = fresh("lanes");
    live.set(&key, b"live", MINUTE).await.expect("kept");
    shadow.set(&key, b"shadow", MINUTE).await.expect("kept");
    let in_live = HotValues::start(&live, only_pushes()).expect("started");
    let in_shadow = HotValues::start(&shadow, only_pushes()).expect("started");
    warm(&in_shadow, &key).await;
    assert!(!is_hot(&in_live.table(), &key), "a shadow run heats nothing in the live lane");
    warm(&in_live, &key).await;
    assert_eq!(in_live.get(&key).await, Ok(Some(Arc::from(*b"live"))));
    assert_eq!(in_shadow.get(&key).await, Ok(Some(Arc::from(*b"shadow"))));
    assert!(tokio::time::timeout(BOUND, in_live.get("")).await.is_ok());
}
