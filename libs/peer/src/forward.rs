//! The front door: a process with pages passes on what its own services do not serve, as it came.
//!
//! Nothing is sent twice but what certainly has not arrived. Who asks is checked where the answer is made.

use crate::calls::{CallError, Calls, Optional};
use crate::declared::FRONT_DOOR;
use crate::handles::Handles;
use crate::nodes::Nodes;
use axum::Router;
use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use edge::{Problem, RawBody};
use guard::deps::DeclareError;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use std::sync::Arc;
use std::time::Duration;

/// Headers that belong to one connection, or that the next one sets itself.
const NOT_PASSED_ON: [HeaderName; 7] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
];

/// Paths of one service, and where its nodes are.
#[derive(Clone)]
pub struct Forward {
    pub paths: &'static [&'static str],
    pub nodes: Nodes,
}

#[derive(Clone)]
struct Door {
    nodes: Arc<Handles<Optional>>,
}

/// Routes that pass requests on. Needs a runtime where a list of nodes can change.
///
/// # Errors
/// [`DeclareError`]: more nodes than a registry takes.
pub fn forward_routes(calls: &Calls, forwards: Vec<Forward>) -> Result<Router, DeclareError> {
    let mut router = Router::new();
    for Forward { paths, nodes } in forwards {
        let mut door = Router::new();
        for path in paths {
            door = door.route(path, any(pass_on));
        }
        let calls = calls.clone();
        let nodes = Handles::follow(nodes.changes(), move |url| calls.optional(&FRONT_DOOR, url))?;
        router = router.merge(door.with_state(Door { nodes: Arc::new(nodes) }));
    }
    Ok(router)
}

async fn pass_on(
    State(door): State<Door>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    mut headers: HeaderMap,
    RawBody(body): RawBody,
) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    for name in NOT_PASSED_ON {
        headers.remove(name);
    }
    if let Some(own) = telemetry::traceparent().and_then(|text| text.parse().ok()) {
        headers.insert("traceparent", own);
    }
    for (_, node) in door.nodes.all().iter() {
        match node.pass_on((method.clone(), path), headers.clone(), body.clone()).await {
            Ok(mut reply) => {
                for name in NOT_PASSED_ON {
                    reply.headers.remove(name);
                }
                return (reply.status, reply.headers, reply.body).into_response();
            }
            Err(CallError::NotSent { place, reason }) => {
                tracing::debug!(place, reason, "a request could not be passed on; the next node is tried");
            }
            Err(error @ CallError::NoAnswer { .. }) => {
                tracing::warn!(%error, "a request was passed on and not answered");
                return Problem::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    "outcome-unknown",
                    "The service did not answer in time. Ask again with the same key.",
                )
                .retry_after(Duration::from_secs(1))
                .into_response();
            }
        }
    }
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "service-away", "No node of this service answers now.")
        .retry_after(Duration::from_secs(1))
        .into_response()
}
