//! Invariant under test: however a channel repeats, reorders or forges, each payment credits once, or not at all.

use crate::till::{SECRET, Till, refund, says};
use axum::http::{Method, StatusCode};
use chrono::Utc;
use ids::ViewerId;
use serde_json::json;

#[tokio::test]
async fn a_callback_repeated_fifty_times_at_once_credits_once() {
    let till = Till::open().await;
    let viewer = ViewerId::now();
    let id = till.recharge(viewer, 600).await;
    let body = says("payment_succeeded", "wx-1", &id, 600);
    let told = futures_of(50, || till.callback(&body)).await;
    let first = told.iter().filter(|told| told.outcome() == ("credited", "first")).count();
    let again = told.iter().filter(|told| told.outcome() == ("credited", "replayed")).count();
    assert_eq!((first, again), (1, 49), "{told:?}");
    assert!(told.iter().all(|one| one.body["payment_id"] == told[0].body["payment_id"]));
    let payments = till.payments().await;
    assert_eq!(payments.len(), 1);
    assert_eq!((payments[0].paid_coins.get(), payments[0].account_id), (6_000, viewer));
    assert_eq!(payments[0].stamp.partition, ids::partition_of(viewer.uuid()));
    assert_eq!(till.state_of(viewer, &id).await, "paid");
}

async fn futures_of<F: Future>(count: usize, make: impl Fn() -> F) -> Vec<F::Output> {
    let mut waiting: Vec<_> = (0..count).map(|_| Box::pin(make())).collect();
    let mut done: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut left = 0;
        for (future, slot) in waiting.iter_mut().zip(&mut done) {
            if slot.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(output) => *slot = Some(output),
                    std::task::Poll::Pending => left += 1,
                }
            }
        }
        if left == 0 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn what_is_forged_old_early_or_unreadable_is_refused_by_name_and_records_nothing() {
    let till = Till::open().await;
    let id = till.recharge(ViewerId::now(), 600).await;
    let body = says("payment_succeeded", "wx-1", &id, 600);
    let now = Utc::now().timestamp();
    let forged = till.callback_signed(&body, now, b"the secret of somebody else").await;
    assert_eq!((forged.status, forged.slug()), (StatusCode::FORBIDDEN, "signature-invalid"));
    let old = till.callback_signed(&body, now - 301, SECRET).await;
    assert_eq!((old.status, old.slug()), (StatusCode::UNPROCESSABLE_ENTITY, "callback-too-old"));
    let early = till.callback_signed(&body, now + 330, SECRET).await;
    assert_eq!(early.slug(), "callback-from-the-future");
    assert_eq!(till.callback(&json!({ "kind": "payment_succeeded" })).await.slug(), "callback-malformed");
    assert_eq!(till.callback(&json!([1, 2, 3])).await.slug(), "callback-malformed");
    let unsigned = till.send(Method::POST, "/v1/channels/sandbox/callbacks", &[], b"{}".to_vec()).await;
    assert_eq!(unsigned.slug(), "signature-invalid");
    let nobody = till.send(Method::POST, "/v1/channels/nobody/callbacks", &[], b"{}".to_vec()).await;
    assert_eq!((nobody.status, nobody.slug()), (StatusCode::NOT_FOUND, "unknown-channel"));
    let huge = till.send(Method::POST, "/v1/channels/sandbox/callbacks", &[], vec![b' '; 20_000]).await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(till.coins_due().await, 0);
    let notices: i64 = sqlx::query_scalar(till.db.sql("SELECT count(*) FROM {s}.notices"))
        .fetch_one(till.db.pool())
        .await
        .expect("a count");
    assert_eq!(notices, 0);
    assert_eq!(till.callback(&body).await.outcome(), ("credited", "first"), "and it still lives");
}

#[tokio::test]
async fn a_refund_before_its_payment_waits_for_it_even_across_a_restart() {
    let mut till = Till::open().await;
    let viewer = ViewerId::now();
    let id = till.recharge(viewer, 600).await;
    let early = till.callback(&refund("rf-1", "wx-1", &id, 200)).await;
    assert_eq!(early.outcome(), ("kept_aside", "first"));
    assert_eq!(till.coins_due().await, 0);
    till.stop().await;
    till.start("a").await;
    assert_eq!(till.callback(&refund("rf-1", "wx-1", &id, 200)).await.outcome(), ("kept_aside", "replayed"));
    assert_eq!(
        till.callback(&says("payment_succeeded", "wx-1", &id, 600)).await.outcome(),
        ("credited", "first")
    );
    assert_eq!(till.coins_due().await, 4_000);
    let again = till.callback(&refund("rf-1", "wx-1", &id, 200)).await;
    assert_eq!(again.outcome(), ("taken_back", "replayed"));
    assert_eq!(till.state_of(viewer, &id).await, "partly_refunded");
    let late = till.callback(&refund("rf-2", "wx-1", &id, 400)).await;
    assert_eq!(late.outcome(), ("taken_back", "first"));
    assert_eq!((till.coins_due().await, till.state_of(viewer, &id).await.as_str()), (0, "refunded"));
    let payments = till.payments().await;
    assert_eq!(payments[1].refunds, Some(payments[0].payment_id));
    assert_eq!(till.callback(&refund("rf-3", "wx-1", &id, 1)).await.body["refusal"], "over-refund");
}

#[tokio::test]
async fn a_wrong_amount_is_recorded_as_refused_and_credits_nothing() {
    let mut till = Till::open().await;
    let viewer = ViewerId::now();
    let id = till.recharge(viewer, 600).await;
    let told = till.callback(&says("payment_succeeded", "wx-1", &id, 599)).await;
    assert_eq!((told.status, told.outcome()), (StatusCode::OK, ("refused", "first")));
    assert_eq!(told.body["refusal"], "amount-mismatch");
    till.stop().await;
    till.start("a").await;
    let again = till.callback(&says("payment_succeeded", "wx-1", &id, 599)).await;
    assert_eq!((again.outcome(), &again.body["refusal"]), (("refused", "replayed"), &told.body["refusal"]));
    let other = till.callback(&says("payment_succeeded", "wx-1", &id, 600)).await;
    assert_eq!((other.status, other.slug()), (StatusCode::CONFLICT, "callback-contradicts"));
    assert_eq!(till.coins_due().await, 0);
    assert_eq!(
        till.callback(&says("payment_succeeded", "wx-2", &id, 600)).await.outcome(),
        ("credited", "first")
    );
    let twice = till.callback(&says("payment_succeeded", "wx-3", &id, 600)).await;
    assert_eq!(twice.body["refusal"], "recharge-already-paid");
    assert_eq!((till.coins_due().await, till.state_of(viewer, &id).await.as_str()), (6_000, "paid"));
}

#[tokio::test]
async fn news_that_comes_out_of_order_ends_in_the_same_state() {
    let till = Till::open().await;
    let viewer = ViewerId::now();
    let id = till.recharge(viewer, 600).await;
    let told = async |kind: &str| {
        let body = says(kind, "wx-1", &id, 600);
        till.callback(&body).await.outcome().0.to_owned()
    };
    assert_eq!(till.state_of(viewer, &id).await, "asked");
    assert_eq!(told("payment_failed").await, "noted");
    assert_eq!(till.state_of(viewer, &id).await, "failed");
    assert_eq!(told("payment_succeeded").await, "credited");
    assert_eq!(told("payment_pending").await, "noted");
    assert_eq!(told("payment_failed").await, "noted");
    assert_eq!((till.coins_due().await, till.state_of(viewer, &id).await.as_str()), (6_000, "paid"));
}
