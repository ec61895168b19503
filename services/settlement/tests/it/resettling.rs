//! Invariant under test: an item that is missing is made once, with the refunds that waited for it, and never beside
//! one whose earnings stand.

use crate::desk::Desk;
use crate::orders::{delivered, later, noon};
use contracts::item::ItemKind;
use contracts::order::{Order, OrderKind};
use contracts::owner::{OwnerError, Resettle, Resettles, TellsShares};
use ids::{RequestId, StreamerId};

/// A desk whose settlement has passed over one order: as if a person had moved a stopped reader on.
async fn passed_over(streamer: StreamerId) -> (Desk, Order) {
    let mut desk = Desk::open().await;
    let first = desk.orders.append(delivered(streamer, 100, 0, 1));
    desk.settle_all(noon(0)).await;
    desk.stop().await;
    let mut missed = delivered(streamer, 1_000, 10, 1);
    while missed.stamp.partition != first.stamp.partition {
        missed = delivered(streamer, 1_000, 10, 1);
    }
    let missed = desk.orders.append(missed);
    let pass = desk.db.sql("UPDATE {s}.read_offsets SET seq = seq + 1 WHERE partition = $1");
    let pass = sqlx::query(pass).bind(missed.stamp.partition.number()).execute(desk.db.pool()).await;
    assert_eq!(pass.expect("moved").rows_affected(), 1);
    let running = desk.start("a", desk.bus.clone()).await;
    desk.running = Some(running);
    desk.settle_all(noon(0)).await;
    assert_eq!(desk.items().await.len(), 1, "the second order has no item");
    (desk, missed)
}

fn ask(order: &Order) -> Resettle {
    Resettle { request_id: RequestId::now(), order_id: order.order_id, order_seq: order.stamp.seq }
}

/// Asks until there is an answer, as reconciliation does.
async fn resettle(desk: &Desk, ask: Resettle) -> Result<contracts::owner::Resettled, OwnerError> {
    let owner = desk.running.as_ref().expect("it runs").owner();
    for _ in 0..40 {
        match owner.resettle(ask).await {
            Err(OwnerError::NoAnswer(_)) => {}
            answer => return answer,
        }
    }
    panic!("nobody answers")
}

#[tokio::test]
async fn a_missing_item_is_made_once_and_asking_again_changes_nothing() {
    let streamer = StreamerId::now();
    let (mut desk, missed) = passed_over(streamer).await;
    let first = ask(&missed);
    let made = resettle(&desk, first).await.expect("it is made");
    let items = desk.items().await;
    let item = items.iter().find(|item| item.stamp.seq == made.item_seq).expect("it is there");
    assert_eq!(
        (item.order_id, item.stamp.origin_seq, item.paid_coins.get()),
        (missed.order_id, missed.stamp.seq, 1_000)
    );
    assert_eq!(item.stamp.minute, missed.stamp.minute, "so that the minute agrees again");
    assert_eq!(resettle(&desk, first).await, Ok(made));
    assert_eq!(
        resettle(&desk, ask(&missed)).await.map(|done| done.item_seq),
        Ok(made.item_seq),
        "under another id"
    );
    let owner = desk.running.as_ref().expect("it runs").owner();
    assert_eq!(owner.find_resettled(first.request_id).await, Ok(Some(made)));
    assert_eq!(owner.find_resettled(RequestId::now()).await, Ok(None));
    assert_eq!(owner.items_of(vec![missed.order_id]).await.expect("reads").len(), 1);
    assert_eq!(desk.items().await.len(), 2);
    desk.prove().await;
    desk.stop().await;
}

#[tokio::test]
async fn a_refund_without_an_item_waits_stops_nothing_and_is_reversed_with_the_item() {
    let streamer = StreamerId::now();
    let (mut desk, missed) = passed_over(streamer).await;
    let back = desk.orders.append(later(&missed, OrderKind::RefundedDelivered, 400, 0, 1));
    let mut after = delivered(streamer, 7, 0, 1);
    after.stamp.partition = missed.stamp.partition;
    desk.orders.append(after.clone());
    desk.settle_all(noon(0)).await;
    let status = desk.running.as_ref().expect("it runs").status();
    assert!(status.stopped.is_empty(), "{status:?}");
    assert_eq!(desk.items().await.iter().filter(|item| item.order_id == after.order_id).count(), 1);
    assert!(
        matches!(resettle(&desk, ask(&back)).await, Err(OwnerError::Refused { .. })),
        "settle the order first"
    );

    resettle(&desk, ask(&missed)).await.expect("it is made");
    let items = desk.items().await;
    let of_order: Vec<_> = items.iter().filter(|item| item.order_id == missed.order_id).collect();
    assert_eq!(
        of_order.iter().map(|item| item.kind).collect::<Vec<_>>(),
        [ItemKind::Settled, ItemKind::Reversed]
    );
    assert_eq!((of_order[1].paid_coins.get(), of_order[1].stamp.origin_seq), (400, back.stamp.seq));
    let waiting: i64 = sqlx::query_scalar(desk.db.sql("SELECT count(*) FROM {s}.reversals_waiting"))
        .fetch_one(desk.db.pool())
        .await
        .expect("reads");
    assert_eq!(waiting, 0);
    let rest = desk.orders.append(later(&missed, OrderKind::RefundedDelivered, 600, 10, 1));
    desk.settle_all(noon(0)).await;
    assert!(desk.items().await.iter().any(|item| item.stamp.origin_seq == rest.stamp.seq));
    desk.prove().await;
    desk.stop().await;
}

#[tokio::test]
async fn what_was_taken_out_of_the_table_or_never_was_is_not_made() {
    let streamer = StreamerId::now();
    let (mut desk, missed) = passed_over(streamer).await;
    let refused = |answer: Result<contracts::owner::Resettled, OwnerError>| match answer {
        Err(OwnerError::Refused { slug, .. }) => slug,
        other => panic!("{other:?}"),
    };
    let wrong = Resettle { order_seq: missed.stamp.seq + 1, ..ask(&missed) };
    assert_eq!(refused(resettle(&desk, wrong).await), "no-such-order");
    let unseen = desk.orders.append(later(&missed, OrderKind::Refunding, 5, 0, 1));
    desk.settle_all(noon(0)).await;
    assert_eq!(refused(resettle(&desk, ask(&unseen)).await), "not-delivered");
    let known = ask(&missed);
    // Somebody takes an item out of the table: its earnings stand, so the partition's items are not whole.
    sqlx::query(desk.db.sql("DELETE FROM {s}.items")).execute(desk.db.pool()).await.expect("deleted");
    assert_eq!(refused(resettle(&desk, known).await), "not-resettled");
    let other = Resettle { order_id: unseen.order_id, order_seq: unseen.stamp.seq, ..known };
    assert!(
        matches!(resettle(&desk, Resettle { order_seq: 1, ..other }).await, Err(OwnerError::Refused { slug, .. }) if slug == "request-reused")
    );
    desk.stop().await;
}
