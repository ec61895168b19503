//! Settings, the decision table, the document, and what the tables refuse.

use crate::bench::{Bench, ROSE};
use contracts::show::Shown;
use gift::{Config, Deadline, Late, NodeState, Step, decide};
use ids::{SendKey, ViewerId};

#[test]
fn the_shipped_defaults_are_whole_and_unknown_settings_are_refused_by_name() {
    let config = Config::defaults().expect("readable");
    assert_eq!((config.key_age_max_s, config.combo_gap_ms, config.delivery_deadline_s), (86_400, 5_000, 600));
    let mut value = serde_json::to_value(&config).expect("plain");
    value["combo_gap"] = 5.into();
    let error = serde_json::from_value::<Config>(value).expect_err("an unknown setting");
    assert!(error.to_string().contains("combo_gap"), "{error}");
}

#[test]
fn nobody_is_both_shown_a_gift_and_refunded_it() {
    let reports = [None, Some(Shown::Shown), Some(Shown::Failed)];
    let nodes = [NodeState::Alive, NodeState::Silent, NodeState::Dead];
    for report in reports {
        for node in nodes {
            for deadline in [Deadline::Ahead, Deadline::Passed] {
                for late in [Late::No, Late::Decided] {
                    let step = decide(report, node, deadline, late);
                    let told = format!("{report:?} {node:?} {deadline:?} {late:?} -> {step:?}");
                    match report {
                        Some(Shown::Shown) => assert_eq!(step, Step::Deliver, "{told}"),
                        Some(Shown::Failed) => assert_ne!(step, Step::Deliver, "{told}"),
                        None => assert_ne!(step, Step::Deliver, "nothing is delivered unproven: {told}"),
                    }
                    if late == Late::Decided && report.is_none() {
                        assert_eq!(step, Step::ShowLate, "a decision is kept: {told}");
                    }
                    if step == Step::ShowLate {
                        assert!(
                            late == Late::Decided || node == NodeState::Dead,
                            "only the dead are replaced: {told}"
                        );
                    }
                    if step == Step::Wait {
                        assert_eq!((report, node, late), (None, NodeState::Alive, Late::No), "{told}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_route_is_in_the_document() {
    let document = serde_json::to_value(gift::openapi()).expect("a document");
    let paths = document["paths"].as_object().expect("paths");
    for path in [
        "/v1/gifts",
        "/v1/rooms",
        "/v1/rooms/{room_id}",
        "/v1/rooms/{room_id}/ranks",
        "/v1/rooms/{room_id}/events",
        "/v1/gift-orders",
        "/v1/gift-orders/{order_id}",
        "/v1/gift-orders/{order_id}/refunds",
    ] {
        assert!(paths.contains_key(path), "{path} is missing");
    }
    assert!(document["components"]["schemas"]["SendBody"]["properties"]["quantity"].is_object());
}

#[tokio::test]
async fn the_tables_refuse_a_second_end_a_second_return_and_shadow_ids() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = ViewerId::now();
    bench.wallet.give(viewer, 100, 0).await;
    bench.send(&node, viewer, SendKey::now(), bench.body(ROSE, 1)).await;
    bench.settle().await;
    drop(node);
    // The column list of a copied row, with one thing changed.
    const COPY: [(&str, &str); 4] = [
        (
            "orders_end_once",
            "INSERT INTO {s}.orders SELECT partition, seq + 1, epoch, decided_at, minute, day, origin_seq, order_id,
             2, viewer_id, room_id, streamer_id, gift_id, quantity, paid_coins, promo_coins FROM {s}.orders",
        ),
        (
            "orders_come_back_once",
            "INSERT INTO {s}.orders SELECT partition, seq + n, epoch, decided_at, minute, day, origin_seq, order_id,
             2 + n, viewer_id, room_id, streamer_id, gift_id, quantity, paid_coins, promo_coins
             FROM {s}.orders, generate_series(1, 2) AS n",
        ),
        (
            "orders_live_ids_are_v7",
            "INSERT INTO {s}.orders SELECT partition, seq + 1, epoch, decided_at, minute, day, origin_seq,
             overlay(order_id::text placing '8' from 15)::uuid, kind, viewer_id, room_id, streamer_id, gift_id,
             quantity, paid_coins, promo_coins FROM {s}.orders",
        ),
        ("orders_coins_not_negative", "UPDATE {s}.orders SET paid_coins = -1"),
    ];
    for (constraint, sql) in COPY {
        let refused = bench.execute(sql).await.expect_err("the table holds its rule");
        let named = refused.as_database_error().and_then(|error| error.constraint().map(str::to_owned));
        assert_eq!(named.as_deref(), Some(constraint));
    }
}
