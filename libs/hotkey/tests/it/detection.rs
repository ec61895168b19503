//! Who becomes hot, who cools, and what a hand may say about it.

use crate::rig::{BOUND, eager, fresh, in_process, is_hot, until};
use cache::Cache;
use hotkey::{BY_HAND_MAX, ByHand, Detector, HotError, HotSettings, HotTable, HotValues};
use proptest::prelude::{ProptestConfig, prop_assert, proptest};
use std::time::Duration;

async fn a_key_cools_when_nobody_reads_it(cache: Cache) {
    let key = fresh("cools");
    let hot = HotValues::start(&cache, eager()).expect("started");
    until("it is hot", || hot.get(&key), |_| is_hot(&hot.table(), &key)).await;
    until("it cools", || async { hot.table() }, |table| !is_hot(table, &key)).await;
}

async fn a_hand_can_pin_deny_watch_and_take_it_back(cache: Cache) {
    let (pinned, denied, watched) = (fresh("pinned"), fresh("denied"), fresh("watched"));
    let hot = HotValues::start(&cache, eager()).expect("started");
    hot.pin(&pinned).expect("room");
    hot.deny(&denied).expect("room");
    hot.watch(&watched).expect("room");
    until("the pinned one is hot unread", || async { hot.table() }, |table| is_hot(table, &pinned)).await;
    let other = fresh("other");
    let both = || async {
        let _ = (hot.get(&denied).await, hot.get(&other).await);
    };
    until("a key read as often is hot", both, |()| is_hot(&hot.table(), &other)).await;
    let table = hot.table();
    assert!(!is_hot(&table, &denied));
    let row = |key: &str| table.rows.iter().find(|row| row.key == key).expect("a row");
    assert_eq!(row(&watched).by_hand, Some(ByHand::Watched));
    assert!(!row(&watched).hot && row(&pinned).hot);
    hot.judge(&pinned).expect("a key");
    until("nothing keeps it", || async { hot.table() }, |table| !is_hot(table, &pinned)).await;
    hot.judge(&denied).expect("a key");
    until("nothing keeps it out", || hot.get(&denied), |_| is_hot(&hot.table(), &denied)).await;
}

async fn a_key_spread_over_nodes_is_hot_although_no_node_alone_would_say_so(cache: Cache) {
    const MARK_PER_S: u64 = 100;
    let key = fresh("spread");
    let settings = HotSettings { hot_per_s: MARK_PER_S, ..HotSettings::default() };
    let nodes: Vec<HotValues> =
        (0..4).map(|_| HotValues::start(&cache, settings.clone()).expect("started")).collect();
    // Each node reads at most 83 times a second: a pause is never shorter than asked for.
    let readers: Vec<_> = nodes
        .iter()
        .map(|node| {
            let (node, key) = (node.clone(), key.clone());
            tokio::spawn(async move {
                loop {
                    let _ = node.get(&key).await;
                    tokio::time::sleep(Duration::from_millis(12)).await;
                }
            })
        })
        .collect();
    let here =
        |table: &HotTable| table.rows.iter().find(|row| row.key == key).map_or(0, |row| row.rates.here_per_s);
    let tables = || async { nodes.iter().map(HotValues::table).collect::<Vec<_>>() };
    let all = |tables: &Vec<HotTable>| tables.iter().all(|table| is_hot(table, &key));
    until("the key is hot on every node", tables, all).await;
    for table in tables().await {
        assert!(here(&table) < MARK_PER_S, "this node alone saw {} per second", here(&table));
    }
    readers.iter().for_each(tokio::task::JoinHandle::abort);
    until("it cools everywhere", tables, |tables| !tables.iter().any(|table| is_hot(table, &key))).await;
}

crate::against_both_stores! {
    a_key_spread_over_nodes_is_hot_although_no_node_alone_would_say_so
    a_key_cools_when_nobody_reads_it
    a_hand_can_pin_deny_watch_and_take_it_back
}

#[tokio::test]
async fn only_so_many_keys_are_hot_and_they_are_the_hottest() {
    let settings = HotSettings { keys_max: 5, ..eager() };
    let hot = HotValues::start(&in_process(), settings).expect("started");
    let keys: Vec<String> = (0..20).map(|n| fresh(&format!("key-{n}"))).collect();
    let read = || async {
        for (n, key) in keys.iter().enumerate() {
            for _ in 0..if n < 5 { 40 } else { 4 } {
                let _ = hot.get(key).await;
            }
        }
    };
    let hottest = |table: &HotTable| keys[..5].iter().all(|key| is_hot(table, key));
    until("the hottest are hot", read, |()| hottest(&hot.table())).await;
    for _ in 0..50 {
        read().await;
        assert!(hot.table().rows.iter().filter(|row| row.hot).count() <= 5);
    }
    assert!(hottest(&hot.table()));
}

#[tokio::test]
async fn settings_and_keys_out_of_range_are_refused() {
    let refused = |settings: HotSettings| HotValues::start(&in_process(), settings).err();
    let bad = |name| Some(HotError::BadSetting { name });
    let good = HotSettings::default;
    assert_eq!(refused(HotSettings { hot_per_s: 0, ..good() }), bad("hot_per_s"));
    assert_eq!(refused(HotSettings { keys_max: 0, ..good() }), bad("keys_max"));
    assert_eq!(refused(HotSettings { value_bytes_max: usize::MAX, ..good() }), bad("value_bytes_max"));
    assert_eq!(refused(HotSettings { stale_max: Duration::ZERO, ..good() }), bad("stale_max"));
    assert_eq!(refused(HotSettings { refresh_after: good().stale_max, ..good() }), bad("refresh_after"));
    let hot = HotValues::start(&in_process(), good()).expect("started");
    assert_eq!(hot.pin(""), Err(HotError::BadKey { max: 256 }));
    assert_eq!(hot.deny(&"k".repeat(257)), Err(HotError::BadKey { max: 256 }));
    for n in 0..BY_HAND_MAX {
        hot.deny(&n.to_string()).expect("room");
    }
    assert_eq!(hot.deny("one more"), Err(HotError::TooManyByHand { max: BY_HAND_MAX }));
    // A key too long to be looked at is served all the same.
    assert_eq!(tokio::time::timeout(BOUND, hot.get(&"k".repeat(5_000))).await, Ok(Ok(None)));
}

#[tokio::test]
async fn the_table_is_json_and_comes_back() {
    let hot = HotValues::start(&in_process(), eager()).expect("started");
    hot.pin("pinned").expect("room");
    until("it is hot", || async { hot.table() }, |table| is_hot(table, "pinned")).await;
    let table = hot.table();
    let text = serde_json::to_string(&table).expect("plain");
    assert!(text.contains("\"everywhere_per_s\":0") && text.contains("\"pinned\""), "{text}");
    assert_eq!(serde_json::from_str::<HotTable>(&text).expect("our own"), table);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn the_heaviest_keys_are_found_among_many_light_ones(seed in 0_u64..1_000_000, light in 1_000_usize..20_000) {
        let detector = Detector::default();
        // 20 heavy keys with 1 % each, between light ones that come once.
        for n in 0..100 {
            for heavy in 0..20 {
                (0..5).for_each(|_| detector.touch(&format!("heavy-{seed}-{heavy}")));
            }
            for one in 0..light / 100 {
                detector.touch(&format!("light-{seed}-{n}-{one}"));
            }
        }
        let top = detector.step(1);
        let found = top.iter().take(20).filter(|(key, _)| key.starts_with("heavy")).count();
        prop_assert!(found >= 19, "{} of 20 heavy keys: {:?}", found, &top[..25.min(top.len())]);
        // 500 touches within one tick, one tick faded: the rate that would keep that is a quarter of 5,000/s.
        prop_assert!((1_000..1_500).contains(&top[0].1), "{:?}", top[0]);
        // Without touches every count goes.
        (0..10).for_each(|_| drop(detector.step(4)));
        prop_assert!(detector.step(1).is_empty());
    }
}
