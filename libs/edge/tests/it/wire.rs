//! One request to a finished router, and its answer as text for snapshots.

use axum::Router;
use axum::body::Body;
use edge::{Edge, TokenKeys};
use http::{Request, Response, header};
use std::fmt::Write;
use tower::ServiceExt;

pub const SECRET: [u8; 32] = [7; 32];

pub fn keys() -> TokenKeys {
    TokenKeys::from_secret(&SECRET).expect("32 bytes are enough")
}

/// A router with the default edge around it.
pub fn finished(router: Router) -> Router {
    Edge::new(keys()).finish(router)
}

/// Status, the headers that belong to the contract, and the body.
pub async fn answer(router: &Router, request: Request<Body>) -> String {
    let response = router.clone().oneshot(request).await.expect("a router never fails");
    text_of(response).await
}

pub async fn text_of(response: Response<Body>) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", response.status().as_u16());
    let cut_level = header::HeaderName::from_static(guard::CUT_LEVEL_HEADER);
    for name in
        [header::CONTENT_TYPE, header::RETRY_AFTER, header::WWW_AUTHENTICATE, header::ALLOW, cut_level]
    {
        for value in response.headers().get_all(&name) {
            let _ = writeln!(text, "{name}: {}", value.to_str().expect("ASCII"));
        }
    }
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a whole body");
    text + &String::from_utf8_lossy(&body)
}

pub fn get(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::empty()).expect("a good request")
}

pub fn post_json(uri: &str, body: &str) -> Request<Body> {
    Request::post(uri)
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .expect("a good request")
}
