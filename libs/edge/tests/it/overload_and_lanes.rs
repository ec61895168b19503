//! Who may come in: no more than the admission takes, and nobody from another lane.

use crate::wire::{answer, get, keys};
use axum::Router;
use axum::body::Body;
use axum::routing::get as on_get;
use chrono::{TimeDelta, Utc};
use contracts::lane::{Lane, RunName};
use edge::Edge;
use guard::{Admission, FixedLimit, Permit, Priority, Refusal};
use http::Request;
use lane::{LANE_HEADER, LaneKey};
use std::sync::{Arc, Mutex};

struct Closed;

impl Admission for Closed {
    fn try_admit(&self, _class: Priority) -> Result<Permit, Refusal> {
        Err(Refusal { reason: "overloaded", retry_after: std::time::Duration::from_millis(2_500) })
    }
}

#[tokio::test]
async fn a_refused_request_reaches_no_handler_and_health_still_answers() {
    let edge = Edge { admission: Arc::new(Closed), ..Edge::new(keys()) };
    async fn never() -> &'static str {
        panic!("the handler must not run");
    }
    let router = edge.finish(Router::new().route("/", on_get(never)));
    insta::assert_snapshot!(answer(&router, get("/")).await);
    assert!(answer(&router, get("/healthz")).await.starts_with("200"));
}

#[tokio::test]
async fn a_permit_is_given_back_with_every_answer_even_after_a_panic() {
    let limit = Arc::new(FixedLimit::new(2));
    let edge = Edge { admission: limit.clone(), ..Edge::new(keys()) };
    async fn broken() -> &'static str {
        panic!("on purpose");
    }
    let router =
        edge.finish(Router::new().route("/", on_get(async || "fine")).route("/broken", on_get(broken)));
    for _ in 0..5 {
        assert!(answer(&router, get("/")).await.starts_with("200"));
        assert!(answer(&router, get("/broken")).await.starts_with("500"));
        assert!(answer(&router, get("/nowhere")).await.starts_with("404"));
    }
    assert_eq!(limit.in_flight(), 0);
}

struct Seen(Mutex<Vec<Priority>>);

impl Admission for Seen {
    fn try_admit(&self, class: Priority) -> Result<Permit, Refusal> {
        self.0.lock().expect("no panic before").push(class);
        Ok(Permit::holding(()))
    }
}

#[tokio::test]
async fn classes_follow_the_method_and_the_path() {
    let seen = Arc::new(Seen(Mutex::default()));
    let edge = Edge { admission: seen.clone(), ..Edge::new(keys()) };
    let any = || axum::routing::any(async || "ok");
    let router = edge.finish(
        Router::new()
            .route("/v1/gift-orders", any())
            .route("/v1/payment-callbacks/{channel}", any())
            .route("/v1/callbacks", any())
            .route("/internal/logs/{log}", any()),
    );
    let call = async |method: &str, uri: &str| {
        let request = Request::builder().method(method).uri(uri).body(Body::empty());
        answer(&router, request.expect("a good request")).await;
    };
    call("GET", "/v1/gift-orders").await;
    call("POST", "/v1/gift-orders").await;
    call("POST", "/v1/callbacks").await;
    call("GET", "/internal/logs/entries").await;
    let expected = [Priority::Browsing, Priority::Paying, Priority::System, Priority::System];
    assert_eq!(*seen.0.lock().expect("no panic before"), expected);
}

#[tokio::test]
async fn shadow_traffic_never_reaches_a_live_router_nor_live_traffic_a_shadow_one() {
    let run = RunName::try_from("rehearsal".to_owned()).expect("a good name");
    let key = LaneKey::try_new(&[3; 32]).expect("32 bytes are enough");
    let routes = || Router::new().route("/", on_get(async || "fine"));
    let live = Edge { lane_key: Some(key.clone()), ..Edge::new(keys()) }.finish(routes());
    let keyless = Edge::new(keys()).finish(routes());
    let shadow = Edge { lane_key: Some(key.clone()), lane: Lane::Shadow(run.clone()), ..Edge::new(keys()) };
    let shadow = shadow.finish(routes());
    let good = lane::sign(&run, Utc::now() + TimeDelta::minutes(5), &key);
    let old = lane::sign(&run, Utc::now() - TimeDelta::minutes(5), &key);
    let with = |header: &str| {
        Request::get("/").header(LANE_HEADER, header).body(Body::empty()).expect("a good request")
    };
    assert!(answer(&live, get("/")).await.starts_with("200"));
    assert!(answer(&shadow, with(&good)).await.starts_with("200"));
    insta::assert_snapshot!(answer(&live, with(&good)).await);
    assert!(answer(&keyless, with(&good)).await.contains("lane-not-served"));
    assert!(answer(&shadow, get("/")).await.contains("lane-not-served"));
    assert!(answer(&shadow, with(&old)).await.contains("lane-expired"));
    assert!(answer(&shadow, with("")).await.contains("lane-malformed"));
    assert!(answer(&live, with(&good.replace("v1.r", "v1.x"))).await.contains("lane-not-signed"));
}
