//! Changes that are told, channels, and additions that count once: on both stores alike.

use bytes::Bytes;
use cache::{
    ADDITIONS_LEN_MAX, Added, Addition, BatchId, Cache, CacheError, Change, Shelf, Tracked, Tracker, Watcher,
};
use contracts::lane::{Lane, RunName};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);
const BOUND: Duration = Duration::from_secs(20);

fn fresh(name: &str) -> String {
    format!("{name}-{}", Uuid::now_v7())
}

/// Writes down what it hears.
#[derive(Default)]
struct Ear(Mutex<Vec<String>>);

impl Ear {
    fn heard(&self, what: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|heard| heard == what)
    }

    async fn hears(&self, what: &str) {
        let heard = async {
            while !self.heard(what) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(BOUND, heard).await.unwrap_or_else(|_| panic!("{what} is told"));
    }
}

impl Watcher for Ear {
    fn changed(&self, change: Change<'_>) {
        let words = match change {
            Change::Key(shelf, key) => format!("{} {key}", shelf.name()),
            Change::Everything => "everything".to_owned(),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(words);
    }
}

/// A tracker whose connection is there.
async fn tracker(cache: &Cache) -> (Arc<Ear>, Tracker) {
    let ear = Arc::new(Ear::default());
    let tracker = cache.track(ear.clone()).expect("this store tells of changes");
    let there = async {
        while tracker.get("anything").await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(BOUND, there).await.expect("the connection comes");
    (ear, tracker)
}

async fn a_change_of_what_was_read_is_told(cache: Cache) {
    let (ear, tracker) = tracker(&cache).await;
    let (value, count, rank, unread) = (fresh("value"), fresh("count"), fresh("rank"), fresh("unread"));
    cache.set(&value, b"one", MINUTE).await.expect("kept");
    let read = tracker.get(&value).await.expect("read");
    assert_eq!(read.read, Some(Bytes::from_static(b"one")));
    assert!(read.expires_in.is_some_and(|left| left <= MINUTE && left > MINUTE / 2), "{read:?}");
    assert_eq!(tracker.count(&count).await, Ok(Tracked { read: None, expires_in: None }));
    cache.rank_add(&rank, "ann", 1_000_000_000_000_000).await.expect("added");
    let top = tracker.rank_top(&rank, 3).await.expect("read");
    assert_eq!(top.read, [("ann".to_owned(), 1_000_000_000_000_000)]);
    cache.set(&unread, b"nobody asked", MINUTE).await.expect("kept");
    cache.incr(&count, -4, MINUTE).await.expect("added");
    ear.hears(&format!("{} {count}", Shelf::Count.name())).await;
    assert_eq!(tracker.count(&count).await.expect("read").read, Some(-4));
    cache.rank_add(&rank, "bob", 1).await.expect("added");
    ear.hears(&format!("rank {rank}")).await;
    cache.remove(&value).await.expect("removed");
    ear.hears(&format!("value {value}")).await;
    assert_eq!(tracker.get(&value).await.expect("read").read, None);
    cache.set(&value, b"again", MINUTE).await.expect("kept");
    let twice = async {
        let told = |ear: &Ear| {
            let heard = ear.0.lock().unwrap_or_else(PoisonError::into_inner);
            heard.iter().filter(|heard| **heard == format!("value {value}")).count()
        };
        while told(&ear) < 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(BOUND, twice).await.expect("what was absent is tracked too");
    assert!(!ear.heard(&format!("value {unread}")), "nobody had read it");
}

async fn another_lane_is_told_nothing(cache: Cache) {
    let run = RunName::try_from("deaf".to_owned()).expect("a good name");
    let shadow = cache.for_lane(&Lane::Shadow(run));
    let ((ear, tracker), (other_ear, other)) = (tracker(&cache).await, tracker(&shadow).await);
    let key = fresh("lanes");
    tracker.get(&key).await.expect("read");
    other.get(&key).await.expect("read");
    cache.set(&key, b"live", MINUTE).await.expect("kept");
    ear.hears(&format!("value {key}")).await;
    assert!(!other_ear.heard(&format!("value {key}")));
}

async fn a_channel_carries_messages_to_its_own_lane(cache: Cache) {
    let run = RunName::try_from("quiet".to_owned()).expect("a good name");
    let shadow = cache.for_lane(&Lane::Shadow(run));
    let name = fresh("channel");
    let mut one = cache.subscribe(&name).await.expect("subscribed");
    let mut two = cache.subscribe(&name).await.expect("subscribed");
    shadow.publish(&name, Bytes::from_static(b"shadow")).await.expect("told");
    cache.publish(&name, Bytes::from_static(b"\x00live\xff")).await.expect("told");
    for channel in [&mut one, &mut two] {
        let message = tokio::time::timeout(BOUND, channel.recv()).await.expect("in time");
        assert_eq!(message, Ok(Bytes::from_static(b"\x00live\xff")));
    }
    cache.publish(&fresh("nobody"), Bytes::new()).await.expect("nobody listening is no failure");
}

async fn a_batch_is_added_once_however_often_it_is_sent(cache: Cache) {
    let batch = |seq| BatchId { instance: Uuid::nil(), epoch: u64::from(std::process::id()), seq };
    let instance = Uuid::now_v7();
    let id = |seq| BatchId { instance, ..batch(seq) };
    let (one, two) = (fresh("one"), fresh("two"));
    let add = |key: &str, by| Addition { key: key.to_owned(), by, ttl: MINUTE };
    let both = [add(&one, 5), add(&two, i64::MIN)];
    assert_eq!(cache.add_once(id(1), &both).await, Ok(Added::Now(vec![Some(5), Some(i64::MIN)])));
    assert_eq!(cache.add_once(id(1), &both).await, Ok(Added::Before));
    let again = [add(&one, 1), add(&two, -1)];
    assert_eq!(cache.add_once(id(2), &again).await, Ok(Added::Now(vec![Some(6), None])));
    assert_eq!(cache.add_once(id(1), &both).await, Ok(Added::Before), "an older one is no new one");
    let reborn = BatchId { epoch: id(1).epoch + 1, ..id(1) };
    assert_eq!(cache.add_once(reborn, &again[..1]).await, Ok(Added::Now(vec![Some(7)])));
    assert_eq!((cache.count(&one).await, cache.incr(&one, 1, MINUTE).await), (Ok(Some(7)), Ok(8)));
    assert_eq!(cache.add_once(id(3), &[add(&one, 1), add(&one, 1)]).await, Err(CacheError::BadBatch));
    let many: Vec<_> = (0..=ADDITIONS_LEN_MAX).map(|n| add(&n.to_string(), 1)).collect();
    assert_eq!(cache.add_once(id(3), &many).await, Err(CacheError::BadBatch));
}

crate::against_both_stores! {
    a_change_of_what_was_read_is_told
    another_lane_is_told_nothing
    a_channel_carries_messages_to_its_own_lane
    a_batch_is_added_once_however_often_it_is_sent
}
