//! Problems: one table from class to status; nothing of ours leaks; everything that goes wrong is one.

use crate::wire::{answer, finished, get, text_of};
use axum::Router;
use axum::response::IntoResponse;
use axum::routing::{get as on_get, post as on_post};
use contracts::class::{Classed, ErrorClass};
use edge::Problem;
use http::{Request, StatusCode};
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
#[error("the reason in words")]
struct Failure {
    class: ErrorClass,
    slug: &'static str,
    source: std::io::Error,
}

impl Classed for Failure {
    fn class(&self) -> ErrorClass {
        self.class
    }
    fn slug(&self) -> &'static str {
        self.slug
    }
}

fn failure(class: ErrorClass, slug: &'static str) -> Failure {
    Failure { class, slug, source: std::io::Error::other("password=secret") }
}

#[tokio::test]
async fn every_class_has_its_status() {
    let mut all = String::new();
    for (class, slug) in [
        (ErrorClass::Rejected, "not-enough-coins"),
        (ErrorClass::Denied, "not-your-order"),
        (ErrorClass::Denied, "token-expired"),
        (ErrorClass::NotFound, "no-such-gift"),
        (ErrorClass::Conflict, "request-reused"),
        (ErrorClass::Transient, "shard-moved"),
        (ErrorClass::Unknown, "outcome-unknown"),
        (ErrorClass::Bug, "books-do-not-add-up"),
    ] {
        let problem = Problem::from(failure(class, slug));
        all += &format!("{class:?} -> {}\n\n", text_of(problem.into_response()).await);
    }
    assert!(!all.contains("secret"), "a source is for the log only");
    insta::assert_snapshot!(all);
}

#[tokio::test]
async fn members_follow_in_the_order_they_were_added() {
    let problem = Problem::rejected("limit-reached", "The day's limit is reached.")
        .with("limit_coins", 5_000)
        .with("field", "quantity")
        .retry_after(Duration::from_millis(1_200));
    insta::assert_snapshot!(text_of(problem.into_response()).await);
}

#[tokio::test]
async fn unknown_addresses_and_wrong_methods_are_problems() {
    let router = finished(Router::new().route("/v1/gifts", on_get(async || "gifts").put(async || "put")));
    insta::assert_snapshot!("unknown_address", answer(&router, get("/v2/gifts?x=1")).await);
    let delete = Request::delete("/v1/gifts").body(axum::body::Body::empty()).expect("a good request");
    insta::assert_snapshot!("wrong_method", answer(&router, delete).await);
    let health = Request::post("/healthz").body(axum::body::Body::empty()).expect("a good request");
    assert!(answer(&router, health).await.contains("/problems/method-not-allowed"));
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_process_lives() {
    async fn broken() -> &'static str {
        panic!("the secret of the house");
    }
    let router =
        finished(Router::new().route("/broken", on_get(broken)).route("/fine", on_get(async || "fine")));
    let answered = answer(&router, get("/broken")).await;
    assert!(!answered.contains("secret"));
    insta::assert_snapshot!(answered);
    assert!(answer(&router, get("/fine")).await.ends_with("fine"));
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_unless_the_route_takes_more() {
    use axum::extract::DefaultBodyLimit;
    let echo_len = async |edge::RawBody(body): edge::RawBody| body.len().to_string();
    let router = finished(
        Router::new()
            .route("/small", on_post(echo_len))
            .route("/large", on_post(echo_len).layer(DefaultBodyLimit::max(1 << 20))),
    );
    let post = |uri: &str, len: usize| {
        Request::post(uri).body(axum::body::Body::from(vec![b'x'; len])).expect("a good request")
    };
    assert!(answer(&router, post("/small", edge::BODY_LEN_MAX)).await.ends_with("65536"));
    insta::assert_snapshot!(answer(&router, post("/small", edge::BODY_LEN_MAX + 1)).await);
    assert!(answer(&router, post("/large", edge::BODY_LEN_MAX + 1)).await.ends_with("65537"));
}

#[test]
fn the_status_can_be_read_back() {
    let problem = Problem::not_found("no-such-room", "There is no such room.");
    assert_eq!((problem.status(), problem.slug()), (StatusCode::NOT_FOUND, "no-such-room"));
    assert_eq!(problem.detail(), "There is no such room.");
}
