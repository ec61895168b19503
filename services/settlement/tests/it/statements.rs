//! Invariant under test: statements round once a day and lose nothing, and a final one never changes.

use crate::desk::Desk;
use crate::orders::{day_of, delivered, later, noon};
use contracts::order::OrderKind;
use ids::StreamerId;
use serde_json::Value;
use std::time::Duration;

async fn finalise(desk: &Desk, streamer: StreamerId, day: i64, closed_until: i64) -> Value {
    desk.finalise(streamer.uuid(), day_of(day), noon(closed_until)).await
}

fn number(statement: &Value, field: &str) -> i64 {
    statement[field].as_i64().unwrap_or_else(|| panic!("{field} is missing in {statement}"))
}

#[tokio::test]
async fn a_chain_of_days_with_negative_ones_carries_every_micro() {
    let mut desk = Desk::open().await;
    let (streamer, others) = (StreamerId::now(), [StreamerId::now(), StreamerId::now(), StreamerId::now()]);
    let mut refunded = Vec::new();
    for day in 1..=8 {
        // Odd numbers of coins: half a coin is 50,000 micros, a twentieth of a fen.
        refunded.push(desk.orders.append(delivered(streamer, 7 * day + 6, 0, day)));
        for other in others {
            desk.orders.append(delivered(other, 3, 1, day));
        }
    }
    for (day, take) in [(3, 0), (6, 1), (6, 2), (6, 3), (10, 4)] {
        let order = &refunded[take];
        desk.orders.append(later(order, OrderKind::RefundedDelivered, order.paid_coins.get(), 0, day));
    }
    desk.settle_all(noon(0)).await;
    let preview = desk.statement(streamer.uuid(), day_of(8)).await;
    assert_eq!(preview["status"], "preview");
    finalise(&desk, streamer, 10, 12).await;
    let (mut carry, mut paid, mut earned, mut negative) = (0, 0, 0, 0);
    for day in 1..=11 {
        let statement = desk.statement(streamer.uuid(), day_of(day)).await;
        assert_eq!(statement["status"], "final", "{statement}");
        assert_eq!(number(&statement, "carry_in_micro"), carry, "day {day}");
        let net = number(&statement, "share_micro") + number(&statement, "clawback_micro");
        let payable = number(&statement, "payable_minor");
        assert_eq!(carry + net, payable * 1_000_000 + number(&statement, "carry_out_micro"));
        negative += i64::from(payable < 0);
        carry = number(&statement, "carry_out_micro");
        assert!((0..1_000_000).contains(&carry));
        (paid, earned) = (paid + payable, earned + net);
        if day == 8 {
            for field in ["share_micro", "carry_in_micro", "payable_minor", "carry_out_micro"] {
                assert_eq!(preview[field], statement[field], "the preview of {field}");
            }
        }
    }
    assert_eq!(paid * 1_000_000 + carry, earned);
    assert!(negative >= 1, "the history has no negative day");
    let left: i64 = (5..8).map(|at| refunded[at].paid_coins.get()).sum();
    assert_eq!(earned, left * 50_000);
    desk.stop().await;
}

#[tokio::test]
async fn an_open_day_is_a_preview_and_what_comes_after_sealing_counts_in_the_next_day() {
    let mut desk = Desk::open().await;
    let streamer = StreamerId::now();
    desk.orders.append(delivered(streamer, 30, 0, 1));
    desk.settle_all(noon(1)).await;
    for _ in 0..3 {
        // Day 1 is closed only up to its own noon.
        assert_eq!(desk.statement(streamer.uuid(), day_of(1)).await["status"], "preview");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let stated = finalise(&desk, streamer, 1, 2).await;
    assert_eq!((number(&stated, "payable_minor"), number(&stated, "carry_out_micro")), (1, 500_000));
    // A row of day 1 against the promise: kept, with its own day in the log, and earned on day 2.
    desk.orders.append(delivered(streamer, 30, 0, 1));
    desk.settle_all(noon(2)).await;
    assert_eq!(desk.statement(streamer.uuid(), day_of(1)).await, stated, "a final statement changed");
    let next = desk.statement(streamer.uuid(), day_of(2)).await;
    assert_eq!((number(&next, "payable_minor"), number(&next, "carry_in_micro")), (2, 500_000));
    assert!(desk.items().await.iter().all(|item| item.stamp.day == day_of(1)));
    desk.stop().await;
}
