//! What one process puts around its router: keys, limits, readiness, metrics, documents.

use crate::standard::StandardLayer;
use crate::{KeyAge, Problem, Readiness, TokenKeys, docs, health};
use axum::Router;
use chrono::Utc;
use contracts::lane::Lane;
use guard::{AdaptiveLimit, Admission, Ask, Cohort, Priority, Quotas};
use http::{HeaderMap, Method, StatusCode, header};
use lane::LaneKey;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The largest body taken, unless a route says otherwise with `axum::extract::DefaultBodyLimit`.
pub const BODY_LEN_MAX: usize = 64 * 1024;

/// Requests in flight at once at the very most, where nobody chose another admission.
const IN_FLIGHT_MAX: usize = 4_096;

/// How long a request may wait inside on average before that counts as overload: gifts are committed in batches, and
/// a batch is worth waiting for.
const WAIT_ALLOWED: Duration = Duration::from_millis(10);

/// How long users keep their cohort, in seconds.
const COHORT_TURN_S: i64 = 3_600;

/// The edge of one process. Set the fields that differ from the default, then [`Edge::finish`] the router.
#[derive(Clone)]
pub struct Edge {
    pub tokens: TokenKeys,
    pub key_age: KeyAge,
    pub admission: Arc<dyn Admission>,
    /// The class of a request by its method and matched path, for the admission.
    pub classify: fn(&Method, &str) -> Priority,
    /// The cohort of a request by its headers, for the admission: before its token is checked, because checking is work.
    pub cohort: fn(&HeaderMap) -> Cohort,
    /// What one viewer may ask for; every [`Viewer`](crate::Viewer) that is admitted takes one.
    pub quotas: Option<Arc<Quotas>>,
    pub readiness: Readiness,
    /// Renders `/metrics`.
    pub render_metrics: Arc<dyn Fn() -> String + Send + Sync>,
    pub body_len_max: usize,
    /// The lane that the router behind this edge works in. A request of another lane is refused.
    pub lane: Lane,
    /// Checks lane headers; without it every request with such a header is refused.
    pub lane_key: Option<LaneKey>,
    /// The OpenAPI document served at `/openapi.json` and, as a page, at `/docs`.
    pub openapi: Option<utoipa::openapi::OpenApi>,
}

impl Edge {
    /// An edge with default limits, no documents, and empty metrics.
    pub fn new(tokens: TokenKeys) -> Edge {
        Edge {
            tokens,
            key_age: KeyAge::default(),
            admission: Edge::admission_up_to(IN_FLIGHT_MAX),
            classify,
            cohort,
            quotas: None,
            readiness: Readiness::default(),
            render_metrics: Arc::new(String::new),
            body_len_max: BODY_LEN_MAX,
            lane: Lane::Live,
            lane_key: None,
            openapi: None,
        }
    }

    /// An admission that finds its limit itself and never lets in more than `in_flight_max` at once.
    pub fn admission_up_to(in_flight_max: usize) -> Arc<dyn Admission> {
        Arc::new(AdaptiveLimit::up_to(in_flight_max, WAIT_ALLOWED))
    }

    /// Puts the standard layers around a router and adds `/healthz`, `/readyz`, `/metrics` and, with a
    /// document, `/openapi.json` and `/docs`. Call it once, on the merged router: it sets the fallbacks.
    pub fn finish(self, router: Router) -> Router {
        let own = health::routes(&self);
        let router = match &self.openapi {
            Some(document) => router.merge(docs::docs_routes(document)),
            None => router,
        };
        let edge = Arc::new(self);
        router
            .method_not_allowed_fallback(wrong_method)
            .fallback(no_such_address)
            .layer(StandardLayer::new(edge))
            .merge(own)
            // Endpoints become routes here, once, and not for every connection.
            .with_state(())
    }
}

async fn no_such_address() -> Problem {
    Problem::not_found("no-such-address", "Nothing is served at this address.")
}

pub(crate) async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "This address does not take this method; the header Allow says which it takes.",
    )
}

/// How an edge with the default classes and cohorts sees a request: for whoever sends it, to know whether it would be
/// refused.
pub fn ask_of(method: &Method, path: &str, headers: &HeaderMap) -> Ask {
    Ask::new(classify(method, path)).of(cohort(headers))
}

/// Callbacks and other nodes are systems; whoever else changes something pays; the rest looks.
fn classify(method: &Method, path: &str) -> Priority {
    if path.starts_with("/internal/") || path.contains("/callbacks") {
        Priority::System
    } else if *method == Method::GET || *method == Method::HEAD {
        Priority::Browsing
    } else {
        Priority::Paying
    }
}

/// By the end of the token as it was sent, which is its signature: the same for one sign-in, and no work. Who forges
/// one gains a cohort and then a 401. Requests without a token are dealt one by one.
fn cohort(headers: &HeaderMap) -> Cohort {
    static UNKNOWN: AtomicU64 = AtomicU64::new(0);
    let token = headers.get(header::AUTHORIZATION).or_else(|| headers.get(header::COOKIE));
    let Some(end) = token.and_then(|token| token.as_bytes().last_chunk::<16>()) else {
        return Cohort::spread(UNKNOWN.fetch_add(1, Ordering::Relaxed));
    };
    let turn = Utc::now().timestamp().div_euclid(COHORT_TURN_S).unsigned_abs();
    Cohort::of(u128::from_le_bytes(*end), turn)
}
