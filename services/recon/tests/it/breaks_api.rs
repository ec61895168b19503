//! Invariant under test: finance reads breaks, page by page, and nobody else does.

use crate::database::{Bench, debit, noon, stamp};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use edge::{Edge, Role, TokenKeys};
use ids::{OrderId, Uuid};
use serde_json::Value;
use std::time::Duration;
use tower::ServiceExt;

async fn get(router: &Router, path: &str, token: Option<&str>) -> (StatusCode, Value) {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).expect("a request");
    let response = router.clone().oneshot(request).await.expect("an answer");
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    (status, serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test]
async fn only_finance_reads_breaks_and_pages_end() {
    let bench = Bench::open().await;
    for _ in 0..5 {
        bench.entries.push(debit(&stamp(1, noon()), OrderId::now(), 7));
    }
    let running = bench.start().await;
    bench.until_applied().await;
    bench.close_and_compare(&running, noon()).await;
    let keys = TokenKeys::from_secret(&[7; 32]).expect("long enough");
    let mint = |role| keys.mint(role, Uuid::now_v7(), Duration::from_secs(60)).expect("signs");
    let (finance, viewer, sre) = (mint(Role::Finance), mint(Role::Viewer), mint(Role::Sre));
    let router = Edge::new(keys.clone()).finish(running.router());

    assert_eq!(get(&router, "/v1/breaks", None).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(get(&router, "/v1/breaks", Some(&viewer)).await.0, StatusCode::FORBIDDEN);
    let (status, problem) = get(&router, "/v1/breaks?limit=0", Some(&finance)).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &"/problems/limit-out-of-range".into())
    );
    assert_eq!(get(&router, "/v1/breaks?page=2", Some(&finance)).await.0, StatusCode::BAD_REQUEST);

    let (mut seen, mut before) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/breaks?state=detected&limit=2{before}");
        let (status, page) = get(&router, &path, Some(&finance)).await;
        assert_eq!(status, StatusCode::OK);
        let breaks = page["breaks"].as_array().expect("a list").clone();
        let Some(last) = breaks.last() else { break };
        before = format!("&before={}", last["break_no"]);
        let orders = breaks.iter().filter(|found| found["kind"] == "missing_order");
        seen.extend(orders.map(|found| found["order_id"].to_string()));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 5);

    let (status, lag) = get(&router, "/v1/recon/lag", Some(&sre)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(lag["pairs"][0]["pair"], "entries_orders");
    assert_eq!(lag["readers"].as_array().map(Vec::len), Some(4));
    running.shutdown().await;
}
