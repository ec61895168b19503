//! Rate, errors and duration: one series per method and matched path, never per address.

use crate::wire::{answer, get, keys, post_json};
use axum::Router;
use axum::routing::get as on_get;
use edge::{Edge, Problem};
use std::sync::Arc;

#[tokio::test]
async fn addresses_of_one_route_share_its_series() {
    let telemetry = telemetry::init(telemetry::Settings::default()).expect("the only one of this process");
    let metrics = telemetry.metrics();
    let edge = Edge { render_metrics: Arc::new(move || metrics.render()), ..Edge::new(keys()) };
    let refuse = async || Problem::rejected("not-now", "Not now.");
    let router = edge.finish(Router::new().route("/red/{n}", on_get(async || "fine").post(refuse)));
    for n in 0..3 {
        answer(&router, get(&format!("/red/{n}"))).await;
    }
    answer(&router, post_json("/red/9", "{}")).await;
    answer(&router, get("/red-nowhere/1")).await;
    answer(&router, get("/red-nowhere/2")).await;
    let page = answer(&router, get("/metrics")).await;
    for line in [
        r#"largesse_http_requests_total{method="GET",path="/red/{n}",status="2xx"} 3"#,
        r#"largesse_http_requests_total{method="POST",path="/red/{n}",status="4xx"} 1"#,
        r#"largesse_http_request_seconds_count{method="GET",path="/red/{n}"} 3"#,
        r#"path="unmatched",status="4xx""#,
    ] {
        assert!(page.contains(line), "{line} is missing in\n{page}");
    }
    assert!(!page.contains("nowhere"), "a made-up address must not become a series");
}
