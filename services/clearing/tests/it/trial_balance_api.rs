//! Invariant under test: finance reads the trial balance, and nobody else does.

use crate::database::Bench;
use crate::ledger::{payment, stamp};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use contracts::payment::PaymentKind;
use edge::{Edge, Role, TokenKeys};
use ids::Uuid;
use serde_json::Value;
use std::time::Duration;
use tower::ServiceExt;

async fn get(router: &Router, path: &str, token: &str) -> (StatusCode, Value) {
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    let request = request.body(Body::empty()).expect("a request");
    let response = router.clone().oneshot(request).await.expect("an answer");
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    (status, serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test]
async fn only_finance_reads_the_trial_balance() {
    let bench = Bench::open().await;
    let running = bench.start("a").await;
    bench.payments.push(payment(stamp(0, 0), PaymentKind::Recharge, 3));
    bench.until_applied(1).await;
    let keys = TokenKeys::from_secret(&[7; 32]).expect("long enough");
    let mint = |role| keys.mint(role, Uuid::now_v7(), Duration::from_secs(60)).expect("signs");
    let router = Edge::new(keys.clone()).finish(running.router());
    let (finance, viewer) = (mint(Role::Finance), mint(Role::Viewer));

    assert_eq!(get(&router, "/v1/trial-balance", &viewer).await.0, StatusCode::FORBIDDEN);
    let (status, problem) = get(&router, "/v1/trial-balance?day=yesterday", &finance).await;
    assert_eq!((status, &problem["field"]), (StatusCode::BAD_REQUEST, &"day".into()));
    let (status, body) = get(&router, "/v1/trial-balance?day=2026-03-01", &finance).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["difference_micro"], 0);
    assert_eq!(body["total_debit_micro"], 3_000_000);
    let clearing = &body["accounts"].as_array().expect("a list")[8];
    assert_eq!(clearing["account"], "2207");
    assert_eq!((&clearing["side"], &clearing["balance_micro"]), (&"credit".into(), &3_000_000.into()));
    let (_, body) = get(&router, "/v1/trial-balance?day=2026-02-28", &finance).await;
    assert_eq!(body["total_debit_micro"], 0);
    running.shutdown().await;
}
