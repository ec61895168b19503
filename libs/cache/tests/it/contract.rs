//! One suite, run against the store in this process and against Redis.

use bytes::Bytes;
use cache::{
    BUCKET_TAKES_MAX, BucketTake, Cache, CacheError, FEED_BACKLOG_MAX, FEED_LEN_MAX, FeedEvent, FeedId,
    FeedLoss,
};
use contracts::lane::{Lane, RunName};
use std::time::Duration;
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);
const BOUND: Duration = Duration::from_secs(10);

fn payloads(texts: &[&str]) -> Vec<Bytes> {
    texts.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect()
}

fn texts(events: &[(FeedId, Bytes)]) -> Vec<String> {
    events.iter().map(|(_, payload)| String::from_utf8_lossy(payload).into_owned()).collect()
}

/// A name that no other test uses: the Redis is shared.
fn fresh(name: &str) -> String {
    format!("{name}-{}", Uuid::now_v7())
}

async fn next(feed: &mut cache::Feed) -> Result<FeedEvent, FeedLoss> {
    tokio::time::timeout(BOUND, feed.recv()).await.expect("the event arrives within the bound")
}

async fn a_feed_is_read_in_order_from_any_place(cache: Cache) {
    let room = Uuid::now_v7();
    let first = cache.feed_append(room, payloads(&["a", "b", "c"])).await.expect("appended");
    let second = cache.feed_append(room, payloads(&["d"])).await.expect("appended");
    let ids: Vec<FeedId> = first.into_iter().chain(second).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "places only grow: {ids:?}");
    let all = cache.feed_read_after(room, None, 100).await.expect("read");
    assert_eq!(texts(&all), ["a", "b", "c", "d"]);
    assert_eq!(all.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids);
    assert_eq!(texts(&cache.feed_read_after(room, Some(ids[1]), 100).await.expect("read")), ["c", "d"]);
    assert_eq!(texts(&cache.feed_read_after(room, Some(ids[0]), 1).await.expect("read")), ["b"]);
    assert!(cache.feed_read_after(room, Some(ids[3]), 100).await.expect("read").is_empty());
    assert!(cache.feed_read_after(room, None, 0).await.expect("read").is_empty());
    assert!(cache.feed_read_after(Uuid::now_v7(), None, 100).await.expect("read").is_empty());
    assert!(cache.feed_append(room, Vec::new()).await.expect("nothing to do").is_empty());
}

async fn a_feed_forgets_its_oldest_events(cache: Cache) {
    let room = Uuid::now_v7();
    let many: Vec<Bytes> = (0..FEED_LEN_MAX + 700).map(|n| Bytes::from(n.to_string())).collect();
    for part in many.chunks(500) {
        cache.feed_append(room, part.to_vec()).await.expect("appended");
    }
    let kept = cache.feed_read_after(room, None, 10_000).await.expect("read");
    assert!((FEED_LEN_MAX..FEED_LEN_MAX + 200).contains(&kept.len()), "{} kept", kept.len());
    assert_eq!(kept.last().map(|(_, payload)| payload), many.last());
}

async fn subscribers_get_everything_after_they_joined_in_order(cache: Cache) {
    let (room, other) = (Uuid::now_v7(), Uuid::now_v7());
    cache.feed_append(room, payloads(&["before"])).await.expect("appended");
    let mut one = cache.feed_subscribe(room).await.expect("subscribed");
    let sent: Vec<String> = (0..300).map(|n| format!("event {n}")).collect();
    cache.feed_append(room, payloads(&["first"])).await.expect("appended");
    let mut two = cache.feed_subscribe(room).await.expect("subscribed");
    let mut elsewhere = cache.feed_subscribe(other).await.expect("subscribed");
    for part in sent.chunks(7) {
        let part: Vec<&str> = part.iter().map(String::as_str).collect();
        cache.feed_append(room, payloads(&part)).await.expect("appended");
    }
    cache.feed_append(other, payloads(&["elsewhere"])).await.expect("appended");
    assert_eq!(next(&mut one).await.expect("an event").payload, "first");
    for feed in [&mut one, &mut two] {
        let mut last = FeedId::default();
        for text in &sent {
            let mut event = next(feed).await.expect("an event");
            if event.payload == "first" {
                event = next(feed).await.expect("an event"); // A joiner may see a little of the past.
            }
            assert_eq!(event.payload, text.as_bytes());
            assert!(event.id > last);
            last = event.id;
        }
    }
    assert_eq!(next(&mut elsewhere).await.expect("an event").payload, "elsewhere");
}

async fn a_slow_subscriber_is_told_and_can_catch_up(cache: Cache) {
    let room = Uuid::now_v7();
    let mut slow = cache.feed_subscribe(room).await.expect("subscribed");
    let mut watch = cache.feed_subscribe(room).await.expect("subscribed");
    for _ in 0..=FEED_BACKLOG_MAX / 64 {
        cache.feed_append(room, vec![Bytes::from_static(b"x"); 64]).await.expect("appended");
        for _ in 0..64 {
            next(&mut watch).await.expect("this one keeps up");
        }
    }
    assert!(matches!(next(&mut slow).await, Err(FeedLoss::Behind(_))));
    assert!(next(&mut slow).await.is_ok(), "the feed goes on");
}

async fn ranks_sum_and_sort(cache: Cache) {
    let key = fresh("rank");
    cache.rank_add(&key, "ann", 5).await.expect("added");
    let more: Vec<_> =
        [("bob", 9), ("ann", 2), ("cid", 7), ("eve", -1)].map(|(m, n)| (m.to_owned(), n)).into();
    cache.rank_add_all(&key, &more).await.expect("added");
    let top = cache.rank_top(&key, 3).await.expect("read");
    let top: Vec<(&str, i64)> = top.iter().map(|(member, score)| (member.as_str(), *score)).collect();
    assert_eq!(top, [("bob", 9), ("cid", 7), ("ann", 7)]);
    assert_eq!(cache.rank_top(&key, 99).await.expect("read").len(), 4);
    assert!(cache.rank_top(&key, 0).await.expect("read").is_empty());
    assert!(cache.rank_top(&fresh("rank"), 3).await.expect("read").is_empty());
    cache.rank_add(&key, "max", 1_000_000_000_000_000).await.expect("added");
    assert_eq!(cache.rank_top(&key, 1).await.expect("read")[0].1, 1_000_000_000_000_000);
}

async fn counters_count_and_start_again_when_their_time_is_over(cache: Cache) {
    let key = fresh("counter");
    assert_eq!(cache.incr(&key, 2, MINUTE).await, Ok(2));
    assert_eq!(cache.incr(&key, -5, MINUTE).await, Ok(-3));
    let short = fresh("counter");
    let ttl = Duration::from_millis(120);
    assert_eq!(cache.incr(&short, 7, ttl).await, Ok(7));
    let again = async {
        // Additions must not lengthen the counter's life, or this never ends.
        while cache.incr(&short, 1, ttl).await.expect("added") != 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(BOUND, again).await.expect("the counter starts again");
    let full = fresh("counter");
    cache.incr(&full, i64::MAX, MINUTE).await.expect("fits");
    assert!(cache.incr(&full, 1, MINUTE).await.is_err(), "a counter never wraps");
    assert_eq!(cache.incr(&full, 0, MINUTE).await, Ok(i64::MAX));
}

async fn values_live_as_long_as_asked(cache: Cache) {
    let key = fresh("value");
    assert_eq!(cache.get(&key).await, Ok(None));
    cache.set(&key, b"\x00one\xff", MINUTE).await.expect("kept");
    assert_eq!(cache.get(&key).await, Ok(Some(Bytes::from_static(b"\x00one\xff"))));
    cache.remove(&key).await.expect("removed");
    assert_eq!(cache.get(&key).await, Ok(None));
    cache.set(&key, b"", Duration::ZERO).await.expect("kept for no time at all");
    cache.set(&key, b"two", Duration::from_millis(30)).await.expect("kept");
    let gone = async {
        while cache.get(&key).await.expect("read").is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(BOUND, gone).await.expect("the value goes by itself");
}

async fn a_bucket_counts_what_all_take_and_refills_evenly(cache: Cache) {
    let (key, other) = (fresh("bucket"), fresh("bucket"));
    let take = |key: &str, ms| BucketTake { key: key.to_owned(), refill: Duration::from_millis(ms) };
    let full_in = cache.take_from_buckets(vec![take(&key, 60_000), take(&other, 1)]).await.expect("taken");
    assert_eq!(full_in, [Duration::from_secs(60), Duration::from_millis(1)], "both were full");
    let again = cache.take_from_buckets(vec![take(&key, 60_000), take(&key, 30_000)]).await.expect("taken");
    assert!(again[0] <= Duration::from_secs(120) && again[0] > Duration::from_secs(100), "{again:?}");
    assert!(again[1] - again[0] > Duration::from_millis(29_000), "in the order given: {again:?}");
    tokio::time::sleep(Duration::from_millis(5)).await;
    let refilled = cache.take_from_buckets(vec![take(&other, 7)]).await.expect("taken");
    assert_eq!(refilled, [Duration::from_millis(7)], "it was full again, and no fuller");
    let ever = cache.take_from_buckets(vec![BucketTake { key: other, refill: Duration::MAX }]).await;
    assert!(ever.expect("taken")[0] > Duration::from_hours(364 * 24), "at most a year at once");
    assert_eq!(cache.take_from_buckets(Vec::new()).await, Ok(Vec::new()));
    let too_many = vec![take(&key, 1); BUCKET_TAKES_MAX + 1];
    assert_eq!(cache.take_from_buckets(too_many).await, Err(CacheError::BadBatch));
}

async fn lanes_never_meet(cache: Cache) {
    let run = RunName::try_from("rehearsal".to_owned()).expect("a good name");
    let shadow = cache.for_lane(&Lane::Shadow(run));
    let (room, key) = (Uuid::now_v7(), fresh("lanes"));
    cache.set(&key, b"live", MINUTE).await.expect("kept");
    cache.incr(&key, 1, MINUTE).await.expect("added");
    cache.rank_add(&key, "ann", 1).await.expect("added");
    let mut live_feed = cache.feed_subscribe(room).await.expect("subscribed");
    shadow.feed_append(room, payloads(&["shadow"])).await.expect("appended");
    assert_eq!(shadow.get(&key).await, Ok(None));
    assert_eq!(shadow.incr(&key, 10, MINUTE).await, Ok(10));
    assert!(shadow.rank_top(&key, 9).await.expect("read").is_empty());
    cache.feed_append(room, payloads(&["live"])).await.expect("appended");
    assert_eq!(next(&mut live_feed).await.expect("an event").payload, "live");
    assert_eq!(texts(&shadow.feed_read_after(room, None, 9).await.expect("read")), ["shadow"]);
}

#[macro_export]
macro_rules! against_both_stores {
    ($($test:ident)*) => {
        mod in_process {
            $(#[tokio::test]
            async fn $test() {
                super::$test(cache::Cache::in_process(&contracts::lane::Lane::Live)).await;
            })*
        }

        mod redis {
            $(#[tokio::test]
            async fn $test() {
                let settings = cache::CacheSettings {
                    act_timeout: std::time::Duration::from_secs(5), // A busy machine is no failure here.
                    ..cache::CacheSettings::default()
                };
                let url = testkit::redis_url().await;
                let cache = cache::Cache::connect_with(&url, &contracts::lane::Lane::Live, settings).await;
                super::$test(cache.expect("a Redis URL")).await;
            })*
        }
    };
}

crate::against_both_stores! {
    a_feed_is_read_in_order_from_any_place
    a_feed_forgets_its_oldest_events
    subscribers_get_everything_after_they_joined_in_order
    a_slow_subscriber_is_told_and_can_catch_up
    ranks_sum_and_sort
    counters_count_and_start_again_when_their_time_is_over
    values_live_as_long_as_asked
    a_bucket_counts_what_all_take_and_refills_evenly
    lanes_never_meet
}
