//! Invariant under test: behind the layers no request runs that was refused, and every refusal explains itself.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use guard::deps::{BreakerSettings, CallError, Declaration, Need, Registry};
use guard::tower::{AdmissionLayer, DependencyLayer, REASON_HEADER};
use guard::{AdaptiveLimit, Admission, Ask, CUT_LEVEL_HEADER, CutLevel, FixedLimit, HeardCut};
use guard::{Permit, Priority, Quotas, Rate, Reason, Refusal, Scope};
use http::{Request, Response, StatusCode, header};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tower::{Layer, Service, ServiceExt, service_fn};

fn browse<B>(_request: &Request<B>) -> Ask {
    Ask::new(Priority::Browsing)
}

fn text_of<'a, B>(response: &'a Response<B>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().expect("ASCII"))
}

/// Refuses everybody by a quota, and says that half of the levels are cut.
struct Closed(Quotas);

impl Admission for Closed {
    fn try_admit(&self, _ask: Ask) -> Result<Permit, Refusal> {
        self.0.try_take_at(1, &[(Scope::Viewer, 1)], 1).map(|()| Permit::free())
    }

    fn cut_level(&self) -> CutLevel {
        CutLevel::at(256)
    }
}

#[tokio::test]
async fn an_axum_router_takes_the_layer_and_a_refusal_says_why_and_when() {
    let quotas = Quotas::new(1);
    quotas.set(Scope::Viewer, Some(Rate::try_new(1, Duration::from_millis(2_500), 1).expect("a good rate")));
    let router = Router::new()
        .route("/", get(async || "hello"))
        .layer(AdmissionLayer::new(Arc::new(Closed(quotas)), browse::<Body>));
    let ask = || router.clone().oneshot(Request::get("/").body(Body::empty()).expect("a good request"));
    let first = ask().await.expect("a router never fails");
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(text_of(&first, CUT_LEVEL_HEADER), Some("256"));
    let second = ask().await.expect("a router never fails");
    assert_eq!(second.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(text_of(&second, REASON_HEADER), Some("viewer-quota"));
    assert_eq!(text_of(&second, header::RETRY_AFTER.as_str()), Some("3"));
}

#[tokio::test]
async fn a_place_is_held_while_the_service_works_and_free_afterwards() {
    let limit = AdaptiveLimit::up_to(8, Duration::ZERO);
    let seen = limit.clone();
    let service = AdmissionLayer::new(Arc::new(limit.clone()), browse::<()>).layer(service_fn(
        move |_request: Request<()>| {
            let in_flight = seen.in_flight();
            async move { Ok::<_, Infallible>(Response::new(in_flight.to_string())) }
        },
    ));
    for _ in 0..3 {
        let response = service.clone().oneshot(Request::new(())).await.expect("infallible");
        assert_eq!(response.body(), "1");
        assert_eq!(text_of(&response, CUT_LEVEL_HEADER), None);
        assert_eq!(limit.in_flight(), 0);
    }
    let mut service = service;
    let abandoned = service.ready().await.expect("infallible").call(Request::new(()));
    assert_eq!(limit.in_flight(), 1);
    drop(abandoned);
    assert_eq!(limit.in_flight(), 0);
}

#[tokio::test]
async fn a_full_node_refuses_with_503_and_does_no_work() {
    let limit = Arc::new(FixedLimit::new(1));
    let held = limit.try_admit(Ask::new(Priority::Paying)).expect("a place");
    let never = service_fn(|_request: Request<()>| async {
        panic!("a refused request must not run");
        #[expect(unreachable_code, reason = "says what the service would answer")]
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let service = AdmissionLayer::new(limit, browse::<()>).layer(never);
    let response = service.oneshot(Request::new(())).await.expect("infallible");
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text_of(&response, REASON_HEADER), Some(Reason::Overloaded.as_str()));
    drop(held);
}

#[tokio::test]
async fn a_client_behind_a_dependency_is_no_longer_called_once_it_fails() {
    static LEDGER: Declaration = Declaration {
        name: "ledger",
        purpose: "keeps the coins",
        need: Need::Strong,
        timeout: Duration::from_secs(60),
        in_flight_max: 4,
        breaker: BreakerSettings {
            open_for: Duration::from_hours(1),
            ..BreakerSettings::standard(Duration::from_secs(30))
        },
    };
    let registry = Registry::default();
    let layer = DependencyLayer::new(registry.strong(&LEDGER).expect("declared once"));
    let client = layer.layer(service_fn(|_request: u32| async { Err::<(), _>("broken") }));
    for _ in 0..20 {
        assert_eq!(client.clone().oneshot(1).await, Err(CallError::Failed("broken")));
    }
    assert!(matches!(client.oneshot(1).await, Err(CallError::Refused { .. })));
}

#[test]
fn a_sender_keeps_what_would_be_refused_until_it_hears_otherwise_or_nothing_for_a_while() {
    let heard = HeardCut::default();
    let (paying, browsing) = (Ask::new(Priority::Paying), Ask::new(Priority::Browsing));
    let second = 1_000_000_000;
    assert_eq!(heard.check_at(second, browsing), Ok(()));
    heard.hear_at(second, Some("200"));
    assert_eq!(heard.check_at(second, paying), Ok(()));
    assert_eq!(heard.check_at(second, browsing).map_err(|refusal| refusal.reason), Err(Reason::Shed));
    heard.hear_at(second, Some("nonsense"));
    assert!(heard.check_at(second + second / 2, browsing).is_err());
    assert_eq!(heard.check_at(second * 2, browsing), Ok(()));
    heard.hear_at(second * 2, Some("200"));
    heard.hear_at(second * 2, None);
    assert_eq!(heard.check_at(second * 2, browsing), Ok(()));
}

#[tokio::test]
async fn what_waits_is_not_blamed_for_what_its_request_did_before() {
    static PATIENT: Declaration = Declaration {
        name: "patient",
        purpose: "waits for a moment",
        need: Need::Strong,
        timeout: Duration::from_secs(60),
        in_flight_max: 4,
        breaker: BreakerSettings::standard(Duration::from_millis(300)),
    };
    let registry = Registry::default();
    let patient = registry.strong(&PATIENT).expect("declared once");
    let limit = AdaptiveLimit::up_to(8, Duration::ZERO);
    let service =
        AdmissionLayer::new(Arc::new(limit), browse::<()>).layer(service_fn(move |_request: Request<()>| {
            let patient = patient.clone();
            async move {
                std::thread::sleep(Duration::from_millis(400)); // The request's own work.
                let waited = async {
                    tokio::task::yield_now().await;
                    Ok::<_, Infallible>(())
                };
                patient.call(waited).await.map(|()| Response::new(()))
            }
        }));
    service.oneshot(Request::new(())).await.expect("it answers");
    let report = registry.report().remove(0);
    assert_eq!((report.calls, report.slow), (1, 0));
}
