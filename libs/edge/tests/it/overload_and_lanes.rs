//! Who may come in: no more than the admission takes, and nobody from another lane.

use crate::wire::{answer, get, keys};
use axum::Router;
use axum::body::Body;
use axum::routing::get as on_get;
use chrono::{TimeDelta, Utc};
use contracts::lane::{Lane, RunName};
use edge::{Edge, Role, Viewer};
use guard::{
    AdaptiveLimit, Admission, Ask, Cohort, CutLevel, FixedLimit, Permit, Priority, Quotas, Rate, Reason,
    Refusal, Scope,
};
use http::Request;
use ids::Uuid;
use lane::{LANE_HEADER, LaneKey};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

struct Closed;

impl Admission for Closed {
    fn try_admit(&self, _ask: Ask) -> Result<Permit, Refusal> {
        Err(Refusal { reason: Reason::Overloaded, retry_after: Duration::from_millis(2_500) })
    }

    fn cut_level(&self) -> CutLevel {
        CutLevel::at(300)
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

#[derive(Default)]
struct Seen(Mutex<Vec<Ask>>);

impl Admission for Seen {
    fn try_admit(&self, ask: Ask) -> Result<Permit, Refusal> {
        self.0.lock().expect("no panic before").push(ask);
        Ok(Permit::free())
    }
}

impl Seen {
    fn asks(&self) -> Vec<Ask> {
        std::mem::take(&mut *self.0.lock().expect("no panic before"))
    }
}

#[tokio::test]
async fn classes_follow_the_method_and_the_path() {
    let seen = Arc::new(Seen::default());
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
    let asks = seen.asks();
    assert_eq!(asks.iter().map(|ask| ask.class).collect::<Vec<_>>(), expected);
    assert_eq!(
        asks.iter().map(|ask| ask.kind.0).collect::<BTreeSet<_>>().len(),
        4,
        "each is work of its own"
    );
}

#[tokio::test]
async fn a_viewer_keeps_a_cohort_and_strangers_are_dealt_over_all() {
    let seen = Arc::new(Seen::default());
    let edge = Edge { admission: seen.clone(), ..Edge::new(keys()) };
    let router = edge.finish(Router::new().route("/", on_get(async || "ok")));
    let as_viewer = |name: &str| {
        let request =
            Request::get("/").header("authorization", format!("Bearer header.claims.signature-of-{name}"));
        request.body(Body::empty()).expect("a good request")
    };
    let cohorts = |asks: Vec<Ask>| asks.iter().map(|ask| ask.cohort).collect::<BTreeSet<Cohort>>();
    for _ in 0..8 {
        answer(&router, as_viewer("ann")).await;
    }
    // Two, if the hour has just turned.
    assert!(cohorts(seen.asks()).len() <= 2);
    for name in 0..64 {
        answer(&router, as_viewer(&name.to_string())).await;
    }
    assert!(cohorts(seen.asks()).len() > 16);
    for _ in 0..64 {
        answer(&router, get("/")).await;
    }
    assert!(cohorts(seen.asks()).len() > 16);
}

#[tokio::test]
async fn while_nobody_is_cut_no_answer_speaks_of_levels() {
    let router = Edge::new(keys()).finish(Router::new().route("/", on_get(async || "ok")));
    assert!(!answer(&router, get("/")).await.contains("x-cut-level"));
}

#[tokio::test]
async fn a_request_that_is_given_up_gives_its_place_back() {
    let limit = Arc::new(AdaptiveLimit::up_to(8, Duration::ZERO));
    let edge = Edge { admission: limit.clone(), ..Edge::new(keys()) };
    let router = edge.finish(Router::new().route("/", on_get(std::future::pending::<&'static str>)));
    let mut waiting = Box::pin(answer(&router, get("/")));
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    assert_eq!(limit.in_flight(), 1);
    drop(waiting);
    assert_eq!(limit.in_flight(), 0);
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

#[tokio::test]
async fn a_viewer_over_quota_gets_429_and_the_time_to_come_back_and_others_do_not_feel_it() {
    let quotas = Arc::new(Quotas::new(1_024));
    quotas.set(Scope::Viewer, Some(Rate::try_new(1, Duration::from_mins(10), 2).expect("a good rate")));
    let edge = Edge { quotas: Some(quotas.clone()), ..Edge::new(keys()) };
    let router = edge.finish(Router::new().route("/", on_get(async |_: Viewer| "ok")));
    let ask = async |viewer: u128| {
        let token =
            keys().mint(Role::Viewer, Uuid::from_u128(viewer), Duration::from_secs(60)).expect("signed");
        let request =
            Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty());
        answer(&router, request.expect("a good request")).await
    };
    assert!(ask(1).await.starts_with("200"));
    assert!(ask(1).await.starts_with("200"));
    let refused = ask(1).await;
    assert!(refused.starts_with("429") && refused.contains("/problems/viewer-quota"), "{refused}");
    assert!(refused.contains("retry-after: 600") || refused.contains("retry-after: 599"), "{refused}");
    assert!(ask(2).await.starts_with("200"));
    quotas.set(Scope::Viewer, None);
    assert!(ask(1).await.starts_with("200"), "a change holds from the next request on");
}
