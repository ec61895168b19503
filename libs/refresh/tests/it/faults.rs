//! Invariant under test: whatever is lost, late or damaged, a node serves a whole version and knows its age; nothing
//! stale believes that it is fresh.

use crate::shop::{BOUND, Market, Shop, Stock, price, reaches, until};
use bytes::Bytes;
use cache::{Cache, CacheError, CacheSettings, Feed, FeedId, Store};
use contracts::lane::Lane;
use proptest::prelude::*;
use refresh::{Origin, Rules, Table, Verdict};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// What becomes of a value that is put: it, another, or nothing.
type Spoil = Box<dyn Fn(&[u8]) -> Option<Bytes> + Send + Sync>;

/// A cache that can be away, lose what it has, or damage it.
struct Weak {
    inner: Cache,
    away: AtomicBool,
    spoil: Mutex<Spoil>,
    keys: Mutex<Vec<String>>,
}

impl Weak {
    fn new() -> Arc<Weak> {
        let whole = Box::new(|value: &[u8]| Some(Bytes::copy_from_slice(value)));
        Arc::new(Weak {
            inner: Cache::in_process(&Lane::Live),
            away: AtomicBool::new(false),
            spoil: Mutex::new(whole),
            keys: Mutex::default(),
        })
    }

    fn cache(self: &Arc<Weak>) -> Cache {
        Cache::new(self.clone(), &Lane::Live, CacheSettings::default())
    }

    fn spoil(&self, spoil: impl Fn(&[u8]) -> Option<Bytes> + Send + Sync + 'static) {
        *self.spoil.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(spoil);
    }

    async fn lose_everything(&self) {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for key in keys {
            self.inner.remove(&key).await.expect("it is there");
        }
    }

    fn there(&self) -> Result<(), CacheError> {
        let is_away = self.away.load(Ordering::SeqCst);
        if is_away { Err(CacheError::Unreachable { reason: "the cable is out".to_owned() }) } else { Ok(()) }
    }
}

fn room(key: &str) -> Uuid {
    key.rsplit(':').next().and_then(|id| id.parse().ok()).expect("the id of a feed")
}

#[async_trait::async_trait]
impl Store for Weak {
    async fn feed_append(&self, key: &str, events: &[Bytes], _: Duration) -> Result<Vec<FeedId>, CacheError> {
        self.there()?;
        self.inner.feed_append(room(key), events.to_vec()).await
    }
    async fn feed_read_after(
        &self,
        key: &str,
        after: Option<FeedId>,
        limit: usize,
    ) -> Result<Vec<(FeedId, Bytes)>, CacheError> {
        self.there()?;
        self.inner.feed_read_after(room(key), after, limit).await
    }
    async fn feed_subscribe(&self, key: &str) -> Result<Feed, CacheError> {
        self.there()?;
        self.inner.feed_subscribe(room(key)).await
    }
    async fn rank_add(&self, _: &str, _: &[(String, i64)], _: Duration) -> Result<(), CacheError> {
        self.there()
    }
    async fn rank_top(&self, _: &str, _: usize) -> Result<Vec<(String, i64)>, CacheError> {
        self.there().map(|()| Vec::new())
    }
    async fn incr(&self, _: &str, by: i64, _: Duration) -> Result<i64, CacheError> {
        self.there().map(|()| by)
    }
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        self.there()?;
        self.inner.get(key).await
    }
    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), CacheError> {
        self.there()?;
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).push(key.to_owned());
        let value = self.spoil.lock().unwrap_or_else(PoisonError::into_inner)(value);
        match value {
            Some(value) => self.inner.set(key, &value, ttl).await,
            None => Ok(()),
        }
    }
    async fn remove(&self, key: &str) -> Result<(), CacheError> {
        self.there()?;
        self.inner.remove(key).await
    }
    async fn ping(&self) -> Result<(), CacheError> {
        self.there()
    }
}

/// Whether a blob is a delta: its first line names a beginning.
fn is_delta(value: &[u8]) -> bool {
    value.starts_with(b"{\"format\":1,\"from\"")
}

#[tokio::test]
async fn a_missing_delta_leads_to_the_snapshot() {
    let weak = Weak::new();
    let market = Market::on(weak.cache(), 200);
    let (producer, node) = (market.produce(), market.consume("a").await);
    reaches(&node, 1).await;
    weak.spoil(|value| (!is_delta(value)).then(|| Bytes::copy_from_slice(value)));
    reaches(&node, market.reprice(&producer, 7, 70).await).await;
    assert_eq!((node.status().origin, price(&node, 7)), (Some(Origin::Snapshot), Some(70)));
}

#[tokio::test]
async fn a_damaged_delta_leads_to_the_snapshot() {
    let weak = Weak::new();
    let market = Market::on(weak.cache(), 200);
    let (producer, node) = (market.produce(), market.consume("a").await);
    reaches(&node, 1).await;
    weak.spoil(|value| {
        let mut value = value.to_vec();
        if let (true, Some(byte)) = (is_delta(&value), value.last_mut()) {
            *byte = b'9';
        }
        Some(Bytes::from(value))
    });
    reaches(&node, market.reprice(&producer, 7, 70).await).await;
    assert_eq!((node.status().origin, price(&node, 7)), (Some(Origin::Snapshot), Some(70)));
}

#[tokio::test]
async fn damaged_parts_are_never_served_and_are_put_again() {
    let weak = Weak::new();
    let market = Market::on(weak.cache(), 200);
    weak.spoil(|value| {
        let text = String::from_utf8_lossy(value).replace("\"coins\":7}", "\"coins\":8}");
        Some(Bytes::from(text.into_bytes()))
    });
    let (_producer, node) = (market.produce(), market.consume("a").await);
    let lacking = until(&node, |status| matches!(status.verdict, Verdict::Lacking { .. })).await;
    assert_eq!((lacking.version, lacking.as_of_ms), (0, None));
    weak.spoil(|value| Some(Bytes::copy_from_slice(value)));
    reaches(&node, 1).await;
    assert_eq!(price(&node, 7), Some(7));
}

#[tokio::test]
async fn a_cache_that_lost_everything_is_filled_again_from_the_producers_memory() {
    let weak = Weak::new();
    let market = Market::on(weak.cache(), 200);
    let (producer, node) = (market.produce(), market.consume("a").await);
    reaches(&node, 1).await;
    reaches(&node, market.reprice(&producer, 7, 70).await).await;
    let reads = market.source.reads();
    weak.lose_everything().await;
    let late = market.consume("late").await;
    reaches(&late, 2).await;
    assert_eq!((price(&late, 7), market.source.reads()), (Some(70), reads));
    producer.roll_back("ann").await.expect("what was before is there again too");
    until(&late, |status| status.version == 1).await;
}

#[tokio::test]
async fn while_the_cache_is_away_nodes_serve_and_age_and_afterwards_catch_up() {
    let weak = Weak::new();
    let market = Market::on(weak.cache(), 200);
    let (producer, node) = (market.produce(), market.consume("a").await);
    reaches(&node, 1).await;
    weak.away.store(true, Ordering::SeqCst);
    let version = market.reprice(&producer, 7, 70).await;
    until(&node, |status| matches!(status.verdict, Verdict::Lacking { .. })).await;
    let as_of = node.status().as_of_ms;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let status = node.status();
    assert_eq!((status.as_of_ms, price(&node, 7)), (as_of, Some(7)), "nothing makes it fresh");
    assert!(status.age() >= Some(Duration::from_millis(200)));
    weak.away.store(false, Ordering::SeqCst);
    reaches(&node, version).await;
    until(&node, |status| status.verdict == Verdict::Acknowledged && status.as_of_ms > as_of).await;
}

#[tokio::test]
async fn a_node_with_a_fallback_reads_the_source_itself_only_while_nothing_can_be_heard() {
    let weak = Weak::new();
    let mut market = Market::on(weak.cache(), 200);
    market.consuming.fallback_every = Duration::from_millis(50);
    let parts = |node: &str| refresh::ConsumerParts::<Shop> {
        set: market.set.clone(),
        cache: market.cache.clone(),
        node: node.to_owned(),
        disk: None,
        rules: Rules::none().rows_min("prices", 100),
        fallback: Some(market.source.clone()),
        settings: market.consuming,
    };
    weak.away.store(true, Ordering::SeqCst);
    let node = refresh::Consumer::start(parts("early")).await.expect("good parts");
    reaches(&node, 1).await;
    assert_eq!((node.status().origin, market.source.reads()), (Some(Origin::Source), 1));
    market.source.change(|stock| {
        stock.prices.insert(7, 70);
    });
    reaches(&node, 2).await;
    market.source.change(|stock| stock.prices.clear());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(node.view().version, 2, "the node's rules hold for the source too");
    market.source.change(|stock| stock.prices = (0..200).map(|gift| (gift, 1)).collect());
    reaches(&node, 4).await;
    weak.away.store(false, Ordering::SeqCst);
    let producer = market.produce();
    reaches(&node, market.reprice(&producer, 1, 5).await).await;
    // As in the announced version, in which nothing is read twice: the reads are the producer's again.
    until(&node, |status| status.verdict == Verdict::Acknowledged).await;
    let reads = market.source.reads();
    reaches(&node, market.reprice(&producer, 1, 6).await).await;
    assert_eq!(market.source.reads(), reads + 1);
}

#[tokio::test]
async fn a_pinned_node_does_not_fall_back_to_what_was_pinned_away() {
    let weak = Weak::new();
    let mut market = Market::on(weak.cache(), 200);
    market.consuming.fallback_every = Duration::from_millis(20);
    let producer = market.produce();
    let parts = refresh::ConsumerParts::<Shop> {
        set: market.set.clone(),
        cache: market.cache.clone(),
        node: "a".to_owned(),
        disk: None,
        rules: Rules::none(),
        fallback: Some(market.source.clone()),
        settings: market.consuming,
    };
    let node = refresh::Consumer::start(parts).await.expect("good parts");
    reaches(&node, 1).await;
    reaches(&node, market.reprice(&producer, 1, 50).await).await;
    producer.roll_back("ann").await.expect("there is one before");
    until(&node, |status| status.version == 1).await;
    weak.away.store(true, Ordering::SeqCst);
    until(&node, |status| matches!(status.verdict, Verdict::Lacking { .. })).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((node.view().version, price(&node, 1)), (1, Some(1)));
}

#[tokio::test]
async fn a_node_starts_from_its_disk_while_producer_cache_and_database_are_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let weak = Weak::new();
    let market = Market::on(weak.cache(), 200);
    let consume = || market.consume_with("a", Some(folder.path().to_owned()), Rules::none());
    let (producer, node) = (market.produce(), consume().await);
    reaches(&node, 1).await;
    for coins in [70, 71, 72] {
        reaches(&node, market.reprice(&producer, 7, coins).await).await;
    }
    let (sum, before) = (node.view().value.sum_coins, node.status());
    node.stop().await;
    producer.stop().await;
    weak.away.store(true, Ordering::SeqCst);
    let node = consume().await;
    let status = node.status();
    assert_eq!((status.version, status.origin, status.manifest), (4, Some(Origin::Disk), before.manifest));
    assert_eq!(
        (node.view().value.sum_coins, price(&node, 7)),
        (sum, Some(72)),
        "what is derived is there too"
    );
    assert!(status.as_of_ms <= before.as_of_ms, "a start makes nothing fresh");
    assert_eq!(status.disk_problem, None);
    // All are back, and with a change.
    weak.away.store(false, Ordering::SeqCst);
    let producer = market.produce();
    reaches(&node, market.reprice(&producer, 7, 73).await).await;
}

#[tokio::test]
async fn a_damaged_copy_is_not_served_and_is_mended() {
    let folder = tempfile::tempdir().expect("a folder");
    let market = Market::new(200);
    let consume = || market.consume_with("a", Some(folder.path().to_owned()), Rules::none());
    let (producer, node) = (market.produce(), consume().await);
    reaches(&node, 1).await;
    node.stop().await;
    producer.stop().await;
    let blobs = folder.path().join(market.set.as_str()).join("blobs");
    let mut spoiled = 0;
    for entry in std::fs::read_dir(&blobs).expect("the blobs") {
        let path = entry.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("text");
        spoiled += usize::from(text.contains("\"coins\":7}"));
        std::fs::write(&path, text.replace("\"coins\":7}", "\"coins\":8}")).expect("written");
    }
    assert_eq!(spoiled, 1);
    let node = consume().await;
    let status = node.status();
    assert_eq!((status.version, status.as_of_ms), (0, None));
    assert!(status.disk_problem.expect("a problem").contains("damaged"));
    let producer = market.produce();
    reaches(&node, 1).await;
    assert_eq!(price(&node, 7), Some(7));
    node.stop().await;
    drop(producer);
    assert_eq!(consume().await.status().origin, Some(Origin::Disk), "it was mended");
}

#[tokio::test]
async fn a_folder_belongs_to_one_consumer_and_the_other_serves_without() {
    let folder = tempfile::tempdir().expect("a folder");
    let market = Market::new(3);
    let consume = |node| market.consume_with(node, Some(folder.path().to_owned()), Rules::none());
    let (_producer, first, second) = (market.produce(), consume("a").await, consume("b").await);
    assert!(second.status().disk_problem.expect("a problem").contains("belongs to another consumer"));
    assert_eq!(first.status().disk_problem, None);
    reaches(&first, 1).await;
    reaches(&second, 1).await;
}

/// A change of the stock, as a property draws it.
#[derive(Clone, Debug)]
enum Edit {
    Price(u32, u64),
    Drop(u32),
    Many(u32, u64),
    Nothing,
    Restart,
    LoseDeltas(bool),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => (0..300_u32, any::<u64>()).prop_map(|(gift, coins)| Edit::Price(gift, coins)),
        3 => (0..300_u32).prop_map(Edit::Drop),
        2 => (1..200_u32, any::<u64>()).prop_map(|(count, coins)| Edit::Many(count, coins)),
        1 => Just(Edit::Nothing),
        2 => Just(Edit::Restart),
        1 => any::<bool>().prop_map(Edit::LoseDeltas),
    ]
}

fn apply(stock: &mut Stock, edit: &Edit) {
    match edit {
        Edit::Price(gift, coins) => {
            stock.prices.insert(*gift, *coins);
        }
        Edit::Drop(gift) => {
            stock.prices.remove(gift);
        }
        Edit::Many(count, coins) => {
            stock.prices.extend((0..*count).map(|gift| (gift, coins.wrapping_add(u64::from(gift)))));
        }
        Edit::Nothing | Edit::Restart | Edit::LoseDeltas(_) => {}
    }
}

/// Follows a node through some edits. Prices are small enough for their sum.
async fn follow(edits: Vec<Edit>) {
    let folder = tempfile::tempdir().expect("a folder");
    let weak = Weak::new();
    let market = Market::on(weak.cache(), 0);
    let consume = || market.consume_with("a", Some(folder.path().to_owned()), Rules::none());
    let (producer, mut node) = (market.produce(), consume().await);
    let mut expected = BTreeMap::new();
    for edit in edits {
        match &edit {
            Edit::Restart => {
                node.stop().await;
                node = consume().await;
            }
            Edit::LoseDeltas(lose) => {
                let lose = *lose;
                weak.spoil(move |value| (!(lose && is_delta(value))).then(|| Bytes::copy_from_slice(value)));
            }
            Edit::Price(..) | Edit::Drop(_) | Edit::Many(..) | Edit::Nothing => {}
        }
        let version = market.source.change(|stock| {
            apply(stock, &edit);
            stock.prices.values_mut().for_each(|coins| *coins &= 0xffff_ffff);
            expected = stock.prices.clone();
        });
        producer.changed().await;
        node.wait_for(version, BOUND).await.expect("it arrives");
        let view = node.view();
        let found: BTreeMap<u32, u64> = view.value.prices.iter().map(|(gift, p)| (*gift, p.coins)).collect();
        assert_eq!((found.len(), &found), (view.value.prices.len(), &expected), "after {edit:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_changes_is_lost_or_restarts_a_node_serves_what_the_source_has(
        edits in proptest::collection::vec(edit(), 1..25),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(follow(edits));
    }

    #[test]
    fn a_table_holds_what_a_map_would_and_its_older_clones_keep_theirs(
        steps in proptest::collection::vec((any::<bool>(), 0..500_u16, any::<u8>()), 0..2_000),
    ) {
        let (mut table, mut map) = (Table::<u16, u8>::default(), HashMap::new());
        let mut clones = Vec::new();
        for (n, (puts, key, row)) in steps.into_iter().enumerate() {
            if n % 200 == 0 {
                clones.push((table.clone(), map.clone()));
            }
            if puts {
                prop_assert_eq!(table.insert(key, row), map.insert(key, row).is_none());
            } else {
                prop_assert_eq!(table.remove(&key), map.remove(&key).is_some());
            }
            prop_assert_eq!(table.get(&key).map(|row| **row), map.get(&key).copied());
        }
        clones.push((table, map));
        for (table, map) in clones {
            prop_assert_eq!(table.len(), map.len());
            let found: HashMap<u16, u8> = table.iter().map(|(key, row)| (*key, **row)).collect();
            prop_assert_eq!(found, map);
        }
    }
}

#[tokio::test]
async fn a_table_that_this_program_does_not_know_is_passed_over() {
    /// An older program: it knows no rooms.
    #[derive(Clone, Default)]
    struct Older {
        prices: Table<u32, crate::shop::Price>,
    }
    impl refresh::DataSet for Older {
        fn table_mut(&mut self, name: &str) -> Option<&mut dyn refresh::RowTable> {
            (name == "prices").then_some(&mut self.prices)
        }
    }
    let market = Market::new(3);
    market.source.change(|stock| {
        stock.rooms.insert("ann's".to_owned(), 1);
    });
    let producer = market.produce();
    let parts = refresh::ConsumerParts::<Older> {
        set: market.set.clone(),
        cache: market.cache.clone(),
        node: "older".to_owned(),
        disk: None,
        rules: Rules::none(),
        fallback: None,
        settings: market.consuming,
    };
    let older = refresh::Consumer::start(parts).await.expect("good parts");
    older.wait_for(2, BOUND).await.expect("it reads what it knows");
    market.source.change(|stock| {
        stock.rooms.insert("bob's".to_owned(), 2);
    });
    producer.changed().await;
    older.wait_for(3, BOUND).await.expect("and goes on");
    assert_eq!(older.status().origin, Some(Origin::Delta));
    let newer: refresh::Consumer<Shop> = market.consume("newer").await;
    reaches(&newer, 3).await;
    assert_eq!(newer.view().value.rooms.len(), 2);
}
