//! Invariant under test: each order is settled once, in order, whoever reads and however messages come.

use crate::desk::{Desk, quick_config};
use crate::orders::{delivered, later, noon};
use bus::Bus;
use contracts::item::ItemKind;
use contracts::lane::Lane;
use contracts::order::OrderKind;
use ids::{OrderId, StreamerId};
use settlement::Config;
use std::collections::BTreeSet;
use std::time::Duration;

#[tokio::test]
async fn lost_doubled_and_reordered_messages_change_nothing() {
    let mut desk = Desk::open().await;
    let streamer = StreamerId::now();
    let first = desk.orders.append(delivered(streamer, 100, 0, 1));
    let rest: Vec<_> = (0..20)
        .map(|_| {
            let mut order = delivered(streamer, 100, 0, 1);
            order.stamp.partition = first.stamp.partition;
            desk.orders.append(order)
        })
        .collect();
    for order in rest.iter().rev().chain(&rest).filter(|order| order.stamp.seq % 5 != 0) {
        desk.orders.publish_row(&desk.bus, order).await;
    }
    desk.settle_all(noon(0)).await;
    let items = desk.items().await;
    assert_eq!(items.len(), 21);
    assert!(items.iter().all(|item| item.stamp.seq == item.stamp.origin_seq));
    desk.stop().await;
}

#[tokio::test]
async fn two_nodes_settle_each_order_once_and_the_second_goes_on_where_the_first_stopped() {
    let mut desk = Desk::open().await;
    let other_bus = Bus::in_process(&Lane::Live);
    let other = desk.start("b", other_bus.clone()).await;
    let streamer = StreamerId::now();
    for _ in 0..100 {
        desk.orders.append(delivered(streamer, 10, 0, 1));
    }
    // Half of the partitions move to the second node meanwhile.
    desk.orders.publish_marks(&other_bus, noon(0)).await;
    desk.settle_all(noon(0)).await;
    assert_eq!(desk.items().await.len(), 100);
    desk.stop().await;
    for _ in 0..100 {
        desk.orders.append(delivered(streamer, 10, 0, 1));
    }
    desk.settle_all_on(&other_bus, noon(0)).await;
    let items = desk.items().await;
    let distinct: BTreeSet<OrderId> = items.iter().map(|item| item.order_id).collect();
    assert_eq!((items.len(), distinct.len()), (200, 200));
    let net: i64 = desk.earnings().await.values().sum();
    assert_eq!(net, 200 * 10 * 100_000);
    other.shutdown().await;
}

#[tokio::test]
async fn two_instances_that_both_believe_to_own_everything_settle_each_order_once() {
    let mut desk = Desk::open_with(Config { lease_ms: 3_600_000, ..quick_config() }).await;
    desk.config = quick_config();
    desk.fall_asleep().await; // It finds out when it writes that another has taken everything over.
    let other_bus = Bus::in_process(&Lane::Live);
    let other = desk.start("b", other_bus.clone()).await;
    for _ in 0..200 {
        desk.orders.append(delivered(StreamerId::now(), 10, 0, 1));
        desk.orders.publish_marks(&desk.bus, noon(0)).await;
    }
    desk.settle_all_on(&other_bus, noon(0)).await;
    assert_eq!(desk.items().await.len(), 200);
    assert_eq!(desk.earnings().await.values().sum::<i64>(), 200 * 10 * 100_000);
    desk.stop().await;
    other.shutdown().await;
}

#[tokio::test]
async fn undelivered_orders_make_no_item_and_a_row_that_cannot_be_settled_stops_only_its_partition() {
    let mut desk = Desk::open().await;
    let streamer = StreamerId::now();
    let mut good = delivered(streamer, 10, 0, 1);
    let failed = desk.orders.append({
        let order = delivered(streamer, 10, 0, 1);
        later(&order, OrderKind::Refunding, 10, 0, 1)
    });
    desk.orders.append(later(&failed, OrderKind::ReturnedUndelivered, 10, 0, 1));
    desk.settle_all(noon(0)).await;
    assert_eq!(desk.items().await.len(), 0);
    // A refund of more than the order was.
    let less = delivered(streamer, 10, 0, 1);
    while good.stamp.partition == less.stamp.partition {
        good = delivered(streamer, 10, 0, 1);
    }
    desk.orders.append(less.clone());
    desk.settle_all(noon(0)).await;
    desk.orders.append(later(&less, OrderKind::RefundedDelivered, 11, 0, 1));
    desk.orders.append(good);
    let stopped = || desk.running.as_ref().expect("it runs").status().stopped;
    for _ in 0..500 {
        desk.orders.publish_marks(&desk.bus, noon(0)).await;
        if !stopped().is_empty() && desk.items().await.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(stopped().keys().copied().collect::<Vec<_>>(), [less.stamp.partition]);
    assert!(stopped()[&less.stamp.partition].contains("more is reversed than was settled"));
    let items = desk.items().await;
    assert_eq!(items.len(), 2, "the other partitions go on");
    assert!(items.iter().all(|item| item.kind == ItemKind::Settled));
    desk.stop().await;
}

#[tokio::test]
async fn the_database_refuses_an_item_that_does_not_sum() {
    let mut desk = Desk::open().await;
    desk.orders.append(delivered(StreamerId::now(), 10, 5, 1));
    desk.settle_all(noon(0)).await;
    for (change, constraint) in [
        ("tax = tax + 1", "items_split_sums_to_the_gross"),
        ("kind = 2", "items_settled_gives_reversed_takes"),
        ("agency = 1, platform = platform - 1", "items_agency_share_needs_an_agency"),
        ("order_id = gen_random_uuid()", "items_live_ids_are_v7"),
    ] {
        let sql = sqlx::AssertSqlSafe(format!("UPDATE {}.items SET {change}", desk.db.schema()));
        let refused = sqlx::query(sql).execute(desk.db.pool()).await.expect_err("a constraint");
        let name = refused.as_database_error().and_then(|error| error.constraint().map(str::to_owned));
        assert_eq!(name.as_deref(), Some(constraint));
    }
    desk.stop().await;
}
