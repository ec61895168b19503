//! Invariant under test: an accepted gift ends exactly once, delivered or refunded, whatever dies in between.

use crate::bench::{Bench, Call, Node, ROSE, wait_until};
use crate::fake_wallet::Mood;
use crate::store::RoomMood;
use axum::http::StatusCode;
use contracts::entry::Outcome;
use contracts::order::OrderKind;
use ids::{OrderId, PartitionGroup, SendKey, ViewerId, partition_of};
use proptest::prelude::*;
use std::time::Duration;

async fn rich_viewer(bench: &Bench) -> ViewerId {
    let viewer = ViewerId::now();
    bench.wallet.give(viewer, 1_000, 15).await;
    viewer
}

/// Sends a rose that the wallet accepts and whose node never learns it.
async fn accepted_and_never_shown(bench: &Bench, node: &Node, viewer: ViewerId) -> OrderId {
    let key = SendKey::now();
    bench.wallet.set_mood(Mood::Slow(Duration::from_secs(60)));
    let before = bench.wallet.entries().len();
    let _in_flight = node.spawn(bench.sending(viewer, key, &bench.body(ROSE, 1)).request());
    wait_until("the wallet has decided", || async { bench.wallet.entries().len() > before }).await;
    bench.wallet.set_mood(Mood::Well);
    OrderId::of(viewer, key)
}

#[tokio::test]
async fn a_shown_gift_is_delivered_once_and_never_waits_in_a_row() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    let key = SendKey::now();
    let (status, answer) = bench.send(&node, viewer, key, bench.body(ROSE, 3)).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let order_id = OrderId::of(viewer, key);
    let view = bench.wait_for_state(&node, viewer, order_id, "delivered").await;
    assert_eq!((view["charge_coins"].as_i64(), view["promo_coins"].as_i64()), (Some(30), Some(15)));
    bench.settle().await;
    assert_eq!(bench.kinds_of(order_id).await, [OrderKind::Delivered]);
    assert_eq!(bench.rooms.shown(order_id).len(), 1);
    let pending_ever =
        bench.count("SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'pending_orders'").await;
    assert_eq!(pending_ever, 0, "its report was there in time");
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn a_gift_that_the_room_cannot_be_shown_is_refunded() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    let before = bench.wallet.balance(viewer);
    bench.rooms.set_mood(RoomMood::Failing);
    let key = SendKey::now();
    let (status, _) = bench.send(&node, viewer, key, bench.body(ROSE, 2)).await;
    assert_eq!(status, StatusCode::CREATED);
    let order_id = OrderId::of(viewer, key);
    bench.wait_for_state(&node, viewer, order_id, "refunded").await;
    bench.settle().await;
    assert_eq!(bench.kinds_of(order_id).await, [OrderKind::Refunding, OrderKind::ReturnedUndelivered]);
    assert_eq!(bench.wallet.balance(viewer), before, "to the funds they came from");
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn an_order_is_refunded_in_parts_before_and_after_it_ends() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    let before = bench.wallet.balance(viewer);
    let order_id = accepted_and_never_shown(&bench, &node, viewer).await;
    for coins in [2, 3] {
        assert_eq!(bench.refund_some(viewer, order_id, coins).await, Outcome::Accepted);
    }
    node.kill();
    let node = bench.start().await;
    bench.wallet.publish_marks().await;
    let view = bench.wait_for_state(&node, viewer, order_id, "delivered").await;
    assert_eq!((view["charge_coins"].as_i64(), view["refunded_coins"].as_i64()), (Some(10), Some(5)));
    assert_eq!(bench.refund_some(viewer, order_id, 1).await, Outcome::Accepted);
    assert_eq!(bench.refund_some(viewer, order_id, 5).await, Outcome::OverRefund);
    bench.settle().await;
    let (status, _) = bench.finance_refund(&node, order_id).await;
    assert_eq!(status, StatusCode::CREATED, "what is left");
    bench.wait_for_state(&node, viewer, order_id, "refunded").await;
    bench.settle().await;
    assert_eq!(bench.kinds_of(order_id).await[1..], [OrderKind::RefundedDelivered; 4]);
    assert_eq!(bench.wallet.balance(viewer), before, "to the funds they came from");
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn a_gift_of_a_dead_node_is_shown_late_and_delivered() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    let order_id = accepted_and_never_shown(&bench, &node, viewer).await;
    node.kill();
    assert!(bench.rooms.shown(order_id).is_empty());
    let node = bench.start().await;
    bench.wallet.publish_marks().await;
    bench.wait_for_state(&node, viewer, order_id, "delivered").await;
    let shown = bench.rooms.shown(order_id);
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0]["late"], true);
    bench.settle().await;
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn a_gift_of_a_dead_node_past_its_deadline_is_refunded_and_never_shown() {
    let mut bench = Bench::open().await;
    bench.config.delivery_deadline_s = 0;
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    let before = bench.wallet.balance(viewer);
    let order_id = accepted_and_never_shown(&bench, &node, viewer).await;
    node.kill();
    let node = bench.start().await;
    bench.wallet.publish_marks().await;
    bench.wait_for_state(&node, viewer, order_id, "refunded").await;
    bench.settle().await;
    assert!(bench.rooms.shown(order_id).is_empty());
    assert_eq!(bench.wallet.balance(viewer), before);
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn a_live_node_that_stays_silent_past_the_deadline_is_not_waited_for() {
    let mut bench = Bench::open().await;
    bench.config.delivery_deadline_s = 0;
    bench.config.report_grace_s = 0;
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    let order_id = accepted_and_never_shown(&bench, &node, viewer).await;
    bench.wait_for_state(&node, viewer, order_id, "refunded").await;
    bench.settle().await;
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn a_decision_to_show_late_outlives_the_keeper_and_the_deadline() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    let order_id = accepted_and_never_shown(&bench, &node, viewer).await;
    node.kill();
    bench.rooms.set_mood(RoomMood::Hanging);
    let node = bench.start().await;
    bench.wallet.publish_marks().await;
    let decided = || async { bench.count("SELECT count(*) FROM {s}.pending_orders WHERE late").await == 1 };
    wait_until("the decision is durable", decided).await;
    node.kill();
    bench
        .execute("UPDATE {s}.pending_orders SET deadline_at = now() - interval '1 hour'")
        .await
        .expect("moved");
    bench.rooms.set_mood(RoomMood::Well);
    let node = bench.start().await;
    bench.wait_for_state(&node, viewer, order_id, "delivered").await;
    assert_eq!(bench.rooms.shown(order_id).len(), 1);
    bench.settle().await;
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn a_refund_of_a_delivered_order_is_a_row_of_its_own_and_leaves_the_ranks() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    let before = bench.wallet.balance(viewer);
    let key = SendKey::now();
    bench.send(&node, viewer, key, bench.body(ROSE, 4)).await;
    let order_id = OrderId::of(viewer, key);
    bench.wait_for_state(&node, viewer, order_id, "delivered").await;
    let ranks = || async { node.call(Call::get(format!("/v1/rooms/{}/ranks", bench.room))).await.1 };
    wait_until("the rank shows", || async { ranks().await["ranks"][0]["coins"] == 40 }).await;
    let (status, refund) = bench.finance_refund(&node, order_id).await;
    assert_eq!(status, StatusCode::CREATED, "{refund}");
    assert_eq!(refund["refunded"]["paid_coins"], 25);
    let (status, again) = bench.finance_refund(&node, order_id).await;
    assert_eq!((status, &again["replay"]), (StatusCode::OK, &"replayed".into()));
    bench.wait_for_state(&node, viewer, order_id, "refunded").await;
    bench.settle().await;
    assert_eq!(bench.kinds_of(order_id).await, [OrderKind::Delivered, OrderKind::RefundedDelivered]);
    assert_eq!(bench.wallet.balance(viewer), before);
    wait_until("the rank is gone", || async { ranks().await["ranks"] == serde_json::json!([]) }).await;
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn a_refund_of_an_undecided_order_waits_behind_it() {
    let mut bench = Bench::open().await;
    bench.config.node_lease_ms = 2_000;
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    let order_id = accepted_and_never_shown(&bench, &node, viewer).await;
    wait_until("the order waits", || async {
        bench.count("SELECT count(*) FROM {s}.pending_orders").await == 1
    })
    .await;
    let (status, refund) = bench.finance_refund(&node, order_id).await;
    assert_eq!(status, StatusCode::CREATED, "{refund}");
    wait_until("the refund waits too", || async {
        bench.count("SELECT count(*) FROM {s}.pending_orders").await == 2
    })
    .await;
    assert!(bench.orders().await.is_empty());
    node.kill();
    let node = bench.start().await;
    bench.wait_for_state(&node, viewer, order_id, "refunded").await;
    assert_eq!(bench.kinds_of(order_id).await, [OrderKind::Delivered, OrderKind::RefundedDelivered]);
    bench.settle().await;
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn refunds_that_are_due_are_sent_again_after_a_restart() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    bench.rooms.set_mood(RoomMood::Failing);
    let key = SendKey::now();
    bench.send(&node, viewer, key, bench.body(ROSE, 1)).await;
    bench.wallet.set_mood(Mood::Away);
    let order_id = OrderId::of(viewer, key);
    bench.wait_for_state(&node, viewer, order_id, "refunding").await;
    node.kill();
    bench.wallet.set_mood(Mood::Well);
    let node = bench.start().await;
    bench.wait_for_state(&node, viewer, order_id, "refunded").await;
    bench.settle().await;
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn doubled_and_reordered_entries_make_one_order_each() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    for _ in 0..20 {
        bench.send(&node, viewer, SendKey::now(), bench.body(ROSE, 1)).await;
    }
    let mut entries = bench.wallet.entries();
    entries.reverse();
    for entry in &entries {
        bench.wallet.relay(vec![entry.clone()]).await;
    }
    bench.settle().await;
    assert!(node.status.borrow().reader.stopped.is_empty());
    assert_eq!(bench.orders().await.len(), 20);
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn a_client_that_goes_away_gets_its_gift_shown_all_the_same() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    let key = SendKey::now();
    bench.wallet.set_mood(Mood::Slow(Duration::from_secs(60)));
    let in_flight = node.spawn(bench.sending(viewer, key, &bench.body(ROSE, 1)).request());
    wait_until("the wallet has decided", || async { bench.wallet.entries().len() == 2 }).await;
    in_flight.abort();
    bench.wallet.set_mood(Mood::Well);
    let order_id = OrderId::of(viewer, key);
    bench.wait_for_state(&node, viewer, order_id, "delivered").await;
    let (status, again) = bench.send(&node, viewer, key, bench.body(ROSE, 1)).await;
    assert_eq!((status, &again["replay"]), (StatusCode::OK, &"replayed".into()));
    bench.settle().await;
    assert_eq!(bench.rooms.shown(order_id).len(), 1);
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn an_unknown_outcome_is_found_out_and_shown_once() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    let key = SendKey::now();
    bench.wallet.set_mood(Mood::Mute);
    let (status, answer) = bench.send(&node, viewer, key, bench.body(ROSE, 1)).await;
    assert_eq!((status, &answer["type"]), (StatusCode::GATEWAY_TIMEOUT, &"/problems/outcome-unknown".into()));
    bench.wallet.set_mood(Mood::Well);
    let (status, answer) = bench.send(&node, viewer, key, bench.body(ROSE, 1)).await;
    assert_eq!((status, &answer["replay"]), (StatusCode::OK, &"replayed".into()));
    let order_id = OrderId::of(viewer, key);
    bench.wait_for_state(&node, viewer, order_id, "delivered").await;
    bench.settle().await;
    assert_eq!(bench.rooms.shown(order_id).len(), 1);
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn a_report_that_reaches_nobody_waits_until_the_dead_keepers_partitions_are_taken_over() {
    let mut bench = Bench::open().await;
    bench.config.keeper_lease_ms = 3_000; // Long enough for what follows the kill, also on a busy machine.
    let first = bench.start().await;
    bench.node = "node-2".to_owned();
    let second = bench.start().await;
    wait_until("each has its share", || async { first.kept().len() == 32 && second.kept().len() == 32 })
        .await;
    let mut viewer = rich_viewer(&bench).await;
    while !first.kept().contains(&partition_of(viewer.uuid())) {
        viewer = rich_viewer(&bench).await;
    }
    first.kill();
    let key = SendKey::now();
    assert_eq!(bench.send(&second, viewer, key, bench.body(ROSE, 1)).await.0, StatusCode::CREATED);
    wait_until("nobody keeps its order yet", || async { second.unacknowledged() == 1 }).await;
    // The first node's leases run out; the second takes its partitions over and hears its own report.
    bench.wait_for_state(&second, viewer, OrderId::of(viewer, key), "delivered").await;
    bench.settle().await;
    assert_eq!(bench.rooms.shown(OrderId::of(viewer, key)).len(), 1);
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn gifts_whose_orders_nobody_keeps_for_long_are_refused_before_the_debit() {
    let mut bench = Bench::open().await;
    let _first = bench.start().await;
    // An order is kept where its viewer's partition is: some of these are the first node's, whatever moves.
    let mut viewers = Vec::new();
    for group in PartitionGroup::all() {
        let mut viewer = rich_viewer(&bench).await;
        while partition_of(viewer.uuid()).group() != group {
            viewer = rich_viewer(&bench).await;
        }
        viewers.push(viewer);
    }
    bench.node = "node-2".to_owned();
    bench.config.report_reach_max_ms = 0;
    let second = bench.start().await;
    wait_until("the second node gives up hope", || async {
        let mut refused = false;
        for viewer in &viewers {
            let (status, problem) = bench.send(&second, *viewer, SendKey::now(), bench.body(ROSE, 1)).await;
            refused |=
                status == StatusCode::SERVICE_UNAVAILABLE && problem["type"] == "/problems/kept-nowhere";
        }
        refused
    })
    .await;
}

#[tokio::test]
async fn a_deposed_keeper_writes_nothing_more() {
    let mut bench = Bench::open().await;
    // It shall notice when it writes, not when it saves its marks or renews its lease.
    (bench.config.look_every_ms, bench.config.report_wait_ms) = (60_000, 500);
    bench.config.keeper_lease_ms = 3_600_000;
    let first = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    // Another owner takes every partition by force, as if the first had slept past its lease.
    let claimed = "UPDATE {s}.log_groups SET node = 'node-3', instance = gen_random_uuid()";
    assert_eq!(bench.execute(claimed).await.expect("claimed"), 8);
    let taken = "UPDATE {s}.log_head_groups SET epochs = ARRAY(SELECT epoch + 1 FROM unnest(epochs) epoch)";
    assert_eq!(bench.execute(taken).await.expect("taken"), 8);
    let unheard = accepted_and_never_shown(&bench, &first, viewer).await;
    let heard = SendKey::now();
    bench.send(&first, viewer, heard, bench.body(ROSE, 1)).await;
    wait_until("the first keeper has noticed", || async { first.status.borrow().partitions_len < 64 }).await;
    assert!(bench.orders().await.is_empty());
    assert_eq!(bench.count("SELECT count(*) FROM {s}.pending_orders").await, 0, "{unheard:?}");
    first.kill();
    bench.execute("UPDATE {s}.log_nodes SET leased_until = now() - interval '1 s'").await.expect("ended");
    bench.node = "node-2".to_owned();
    bench.config.keeper_lease_ms = 900;
    (bench.config.look_every_ms, bench.config.report_wait_ms) = (50, 50);
    let second = bench.start().await;
    bench.wallet.publish_marks().await;
    bench.wait_for_state(&second, viewer, unheard, "delivered").await;
    bench.wait_for_state(&second, viewer, OrderId::of(viewer, heard), "delivered").await;
    bench.settle().await;
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn an_operators_restart_leaves_nothing_to_decide_by_a_lease() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    for _ in 0..50 {
        bench.send(&node, viewer, SendKey::now(), bench.body(ROSE, 1)).await;
    }
    node.stop().await;
    assert_eq!(bench.orders().await.len(), 50, "what was accepted has ended before the node did");
    assert_eq!(bench.count("SELECT count(*) FROM {s}.nodes WHERE leased_until > clock_timestamp()").await, 0);
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn minutes_close_only_when_no_older_order_waits() {
    let mut bench = Bench::open().await;
    bench.config.node_lease_ms = 600_000; // The dead node counts as alive until the test says otherwise.
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    let order_id = accepted_and_never_shown(&bench, &node, viewer).await;
    let decided_ms = bench.wallet.entries()[1].stamp.decided_at.timestamp_millis();
    node.kill();
    let node = bench.start().await;
    let here = "SELECT floor(extract(epoch FROM min(h.closed_until)) * 1000)::bigint FROM {s}.log_heads h
        WHERE EXISTS (SELECT FROM {s}.pending_orders p WHERE p.partition = h.partition)
           OR EXISTS (SELECT FROM {s}.orders o WHERE o.partition = h.partition)";
    let elsewhere = "SELECT (extract(epoch FROM max(closed_until)) * 1000)::bigint FROM {s}.log_heads";
    wait_until("partitions without a waiting order close", || async {
        bench.wallet.publish_marks().await;
        bench.count("SELECT count(*) FROM {s}.pending_orders").await == 1
            && bench.count(elsewhere).await > decided_ms + 500
    })
    .await;
    assert!(bench.count(here).await <= decided_ms, "it promised more than it keeps");
    bench.execute("UPDATE {s}.nodes SET leased_until = now() - interval '1 s'").await.expect("ended");
    bench.wait_for_state(&node, viewer, order_id, "delivered").await;
    wait_until("it closes past the order", || async {
        bench.wallet.publish_marks().await;
        bench.count(here).await > decided_ms
    })
    .await;
}

/// What happens next in a history.
#[derive(Clone, Copy, Debug)]
enum Act {
    Send,
    SendUnheard,
    Repeat,
    RoomsFail,
    RoomsWell,
    Kill,
    Refund,
    RefundSome,
    RelayAgain,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => Just(Act::Send),
        2 => Just(Act::SendUnheard),
        1 => Just(Act::Repeat),
        1 => Just(Act::RoomsFail),
        2 => Just(Act::RoomsWell),
        2 => Just(Act::Kill),
        1 => Just(Act::Refund),
        1 => Just(Act::RefundSome),
        1 => Just(Act::RelayAgain),
    ];
    prop::collection::vec(act, 5..25)
}

async fn live_through(history: Vec<Act>) {
    let mut bench = Bench::open().await;
    bench.config.delivery_deadline_s = 1;
    bench.config.report_grace_s = 1;
    let mut node = bench.start().await;
    let viewers = [rich_viewer(&bench).await, rich_viewer(&bench).await];
    let mut sent: Vec<(ViewerId, SendKey)> = Vec::new();
    for (at, act) in history.into_iter().enumerate() {
        let viewer = viewers[at % 2];
        match act {
            Act::Send => {
                let key = SendKey::now();
                bench.send(&node, viewer, key, bench.body(ROSE, 1)).await;
                sent.push((viewer, key));
            }
            Act::SendUnheard => {
                accepted_and_never_shown(&bench, &node, viewer).await;
            }
            Act::Repeat => {
                if let Some((viewer, key)) = sent.last() {
                    bench.send(&node, *viewer, *key, bench.body(ROSE, 1)).await;
                }
            }
            Act::RoomsFail => bench.rooms.set_mood(RoomMood::Failing),
            Act::RoomsWell => bench.rooms.set_mood(RoomMood::Well),
            Act::Kill => {
                node.kill();
                node = bench.start().await;
                bench.wallet.publish_marks().await;
            }
            Act::Refund => {
                if let Some((viewer, key)) = sent.first() {
                    bench.finance_refund(&node, OrderId::of(*viewer, *key)).await;
                }
            }
            Act::RefundSome => {
                if let Some((viewer, key)) = sent.last() {
                    bench.refund_some(*viewer, OrderId::of(*viewer, *key), 1).await;
                }
            }
            Act::RelayAgain => bench.wallet.relay(bench.wallet.entries().into_iter().take(1).collect()).await,
        }
    }
    bench.settle().await;
    bench.assert_books_balance().await;
}

/// Histories of one run.
fn histories() -> u32 {
    if std::env::var_os("LARGESSE_TEST_LONG").is_some() { 300 } else { 6 }
}

#[test]
fn every_history_ends_with_each_gift_delivered_or_refunded_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let seed =
        proptest::test_runner::TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &[7; 32]);
    let config =
        ProptestConfig { cases: histories(), failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(config, seed);
    let outcome = runner.run(&acts(), |history| {
        runtime.block_on(live_through(history));
        Ok(())
    });
    outcome.expect("every history settles");
}
