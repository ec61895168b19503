//! The one layer around every route: lane, admission, trace context, metrics, panics, body limit.
//!
//! It costs one boxed future and three clock reads per request. The permit is held until the head of the answer
//! is ready, so an open event stream holds none. While requests are refused by level, every answer says from which
//! level on, so that whoever sends them can keep them.

use crate::Problem;
use crate::edge::Edge;
use crate::route_metrics::RouteMetrics;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use chrono::Utc;
use contracts::lane::Lane;
use futures::FutureExt;
use guard::{Ask, CUT_LEVEL_HEADER, CutLevel, Kind, Outcome, Permit};
use http::{HeaderMap, HeaderValue, StatusCode};
use lane::LANE_HEADER;
use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;
use tower::{Layer, Service};
use tracing::{Instrument, Span};

/// The path on metrics and spans of a request that matched no route.
const UNMATCHED: &str = "unmatched";

#[derive(Clone)]
pub(crate) struct StandardLayer {
    edge: Arc<Edge>,
    kinds: Arc<Kinds>,
}

impl StandardLayer {
    pub fn new(edge: Arc<Edge>) -> StandardLayer {
        StandardLayer { edge, kinds: Arc::default() }
    }
}

/// Gives every method of every route a number of its own, in the order they are first asked for; the last number is
/// shared by all that come after.
#[derive(Default)]
struct Kinds(AtomicU8);

impl Kinds {
    fn next(&self) -> Kind {
        let next = |number: u8| number.checked_add(1);
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(number) | Err(number) => Kind(number),
        }
    }
}

impl Layer<Route> for StandardLayer {
    type Service = Standard;

    fn layer(&self, route: Route) -> Standard {
        let (edge, kinds) = (Arc::clone(&self.edge), Arc::clone(&self.kinds));
        Standard { edge, kinds, route, metrics: Arc::default() }
    }
}

#[derive(Clone)]
pub(crate) struct Standard {
    edge: Arc<Edge>,
    kinds: Arc<Kinds>,
    route: Route,
    metrics: Arc<RouteMetrics>,
}

impl Service<Request> for Standard {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(())) // A route is always ready; the admission refuses instead of waiting.
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let started = Instant::now();
        let metrics = Arc::clone(&self.metrics);
        let path = request.extensions().get::<MatchedPath>().cloned();
        let method = request.method().clone();
        let handles = metrics.of(&method, || text_of(path.as_ref()).to_owned(), || self.kinds.next());
        let admitted = self.admit(&request, handles.kind);
        let edge = Arc::clone(&self.edge);
        let span = span_of(&request, path.as_ref());
        request.extensions_mut().insert(Arc::clone(&self.edge));
        DefaultBodyLimit::max(self.edge.body_len_max).apply(&mut request);
        let answer = admitted.map(|permit| (permit, self.route.call(request)));
        Box::pin(async move {
            let mut response = match answer {
                Err(problem) => problem.into_response(),
                Ok((permit, answer)) => {
                    let caught = AssertUnwindSafe(answer).catch_unwind().instrument(span).await;
                    let (response, outcome) = match caught {
                        Ok(Ok(response)) => {
                            let outcome = outcome_of(response.status());
                            (response, outcome)
                        }
                        Ok(Err(never)) => match never {},
                        Err(panic) => (panicked(panic.as_ref()).into_response(), Outcome::Ignored),
                    };
                    permit.finish(outcome);
                    response
                }
            };
            tell_cut(&edge, response.headers_mut());
            let handles = metrics.of(&method, String::new, Kind::default); // Made above.
            handles.record(response.status(), started.elapsed());
            Ok(response)
        })
    }
}

impl Standard {
    fn admit(&self, request: &Request, kind: Kind) -> Result<Permit, Problem> {
        let lane = lane_of(&self.edge, request.headers())?;
        if lane != self.edge.lane {
            // Shadow traffic that reaches a live router, or the reverse, must stop here.
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "lane-not-served",
                "The lane of this request is not served here.",
            ));
        }
        let path = text_of(request.extensions().get::<MatchedPath>());
        let class = (self.edge.classify)(request.method(), path);
        let ask = Ask::new(class).of((self.edge.cohort)(request.headers())).kind(kind);
        self.edge.admission.try_admit(ask).map_err(|refusal| Problem::refused(&refusal))
    }
}

/// What an answer says about how busy this node is: one that did not come in time is a timeout, and one that may
/// come again found no room behind this edge.
fn outcome_of(status: StatusCode) -> Outcome {
    match status {
        StatusCode::GATEWAY_TIMEOUT => Outcome::TimedOut,
        StatusCode::SERVICE_UNAVAILABLE => Outcome::Dropped,
        _ => Outcome::Served,
    }
}

fn tell_cut(edge: &Edge, headers: &mut HeaderMap) {
    let cut = edge.admission.cut_level();
    if cut < CutLevel::OPEN {
        headers.insert(CUT_LEVEL_HEADER, HeaderValue::from(cut.number()));
    }
}

fn lane_of(edge: &Edge, headers: &HeaderMap) -> Result<Lane, Problem> {
    let Some(value) = headers.get(LANE_HEADER) else { return Ok(Lane::Live) };
    let (Some(key), Ok(text)) = (&edge.lane_key, value.to_str()) else {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "lane-not-served",
            "The lane of this request is not served here.",
        ));
    };
    Ok(lane::read(text, Utc::now(), key)?)
}

fn text_of(path: Option<&MatchedPath>) -> &str {
    path.map_or(UNMATCHED, MatchedPath::as_str)
}

fn span_of(request: &Request, path: Option<&MatchedPath>) -> Span {
    let span = tracing::debug_span!(
        target: "largesse::http",
        "http",
        otel.kind = "server",
        method = request.method().as_str(),
        path = text_of(path),
    );
    if !span.is_disabled()
        && let Some(parent) = request.headers().get("traceparent").and_then(|value| value.to_str().ok())
    {
        telemetry::set_parent_from(&span, parent);
    }
    span
}

fn panicked(panic: &(dyn Any + Send)) -> Problem {
    let reason = panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message");
    metrics::counter!("largesse_problems_total", "slug" => "internal-error").increment(1);
    tracing::error!(reason, "a handler panicked");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal-error",
        "This is a fault of ours. It has been logged.",
    )
}
