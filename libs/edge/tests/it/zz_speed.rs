use crate::wire::{finished, keys};
use axum::{Router, body::Body, routing::post};
use edge::{IdempotencyKey, Json, Role, Viewer};
use http::Request;
use std::time::{Duration, Instant};
use tower::Service;
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct S {
    gift: u32,
    quantity: u32,
}
#[tokio::test]
async fn zz_speed() {
    let token = keys().mint(Role::Viewer, ids::Uuid::now_v7(), Duration::from_secs(3600)).expect("x");
    let plain = || {
        Router::new()
            .route("/plain", post(async || "ok"))
            .route(
                "/full",
                post(async |Viewer(v): Viewer, IdempotencyKey(_k): IdempotencyKey, Json(s): Json<S>| {
                    format!("{v}{}{}", s.gift, s.quantity)
                }),
            )
            .route("/tok", post(async |Viewer(v): Viewer| v.to_string()))
    };
    let key = ids::Uuid::now_v7().to_string();
    let req = |uri: &str| {
        Request::post(uri)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .header("idempotency-key", &key)
            .body(Body::from(r#"{"gift":1,"quantity":2}"#))
            .expect("r")
    };
    for (name, mut router, uri) in [
        ("bare", plain().with_state(()), "/plain"),
        ("edge", finished(plain()), "/plain"),
        ("edge token", finished(plain()), "/tok"),
        ("edge full", finished(plain()), "/full"),
    ] {
        let n = 200_000u32;
        let reqs: Vec<_> = (0..n).map(|_| req(uri)).collect();
        let t = Instant::now();
        for r in reqs {
            let res = router.call(r).await.expect("x");
            assert_eq!(res.status().as_u16(), 200);
        }
        eprintln!("{name}: {} ns", t.elapsed().as_nanos() / u128::from(n));
    }
}
