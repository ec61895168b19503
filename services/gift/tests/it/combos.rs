//! Combo sessions: made by the server, counted once, ended by time alone.

use crate::bench::{Bench, ROSE};
use crate::fake_wallet::Mood;
use gift::{ComboKey, Combos};
use ids::{RoomId, SendKey, ViewerId};

fn key() -> ComboKey {
    ComboKey { viewer_id: ViewerId::now(), room_id: RoomId::now(), gift_id: ROSE }
}

#[test]
fn a_session_goes_on_within_the_gap_and_a_lost_end_changes_nothing() {
    let combos = Combos::new(5_000, 1_000);
    let who = key();
    let first = combos.count(who, 1, 0).expect("there is room");
    let second = combos.count(who, 3, 5_000).expect("there is room");
    assert_eq!((second.combo_id, second.count), (first.combo_id, 4));
    // No end frame came, or it was lost: the gap alone ends the session, and late sends begin a new one.
    let third = combos.count(who, 2, 10_001).expect("there is room");
    assert_ne!(third.combo_id, first.combo_id);
    assert_eq!(third.count, 2);
}

#[test]
fn a_refused_send_is_taken_out_of_the_count() {
    let combos = Combos::new(5_000, 1_000);
    let who = key();
    let first = combos.count(who, 1, 0).expect("there is room");
    let refused = combos.count(who, 7, 10).expect("there is room");
    combos.uncount(who, refused, 7);
    assert_eq!(
        combos.count(who, 1, 20).map(|combo| (combo.combo_id, combo.count)),
        Some((first.combo_id, 2))
    );
}

#[test]
fn sessions_of_others_do_not_mix_and_too_many_are_refused() {
    let combos = Combos::new(5_000, 640);
    let (ann, bob) = (key(), key());
    combos.count(ann, 1, 0);
    assert_eq!(combos.count(bob, 1, 0).map(|combo| combo.count), Some(1));
    let crowd = (0..10_000).filter_map(|_| combos.count(key(), 1, 1)).count();
    assert!(crowd <= 640, "{crowd} sessions fit into 640 places");
    combos.sweep(10_000);
    assert!(combos.count(key(), 1, 10_000).is_some(), "ended sessions give their places back");
}

#[tokio::test]
async fn sends_accumulate_and_repeats_and_refusals_do_not() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = ViewerId::now();
    bench.wallet.give(viewer, 40, 0).await;
    let key = SendKey::now();
    let (_, first) = bench.send(&node, viewer, key, bench.body(ROSE, 1)).await;
    assert_eq!(first["combo"]["count"], 1);
    let (_, repeat) = bench.send(&node, viewer, key, bench.body(ROSE, 1)).await;
    assert_eq!(repeat["combo"], first["combo"]);
    let (_, refused) = bench.send(&node, viewer, SendKey::now(), bench.body(ROSE, 9)).await;
    assert_eq!(refused["type"], "/problems/not-enough-coins");
    bench.wallet.set_mood(Mood::Away);
    bench.send(&node, viewer, SendKey::now(), bench.body(ROSE, 1)).await;
    bench.wallet.set_mood(Mood::Well);
    let (_, next) = bench.send(&node, viewer, SendKey::now(), bench.body(ROSE, 2)).await;
    assert_eq!(next["combo"]["combo_id"], first["combo"]["combo_id"]);
    assert_eq!(next["combo"]["count"], 3);
}
