//! Health: alive at once, ready when every part is, metrics as rendered.

use crate::wire::{answer, get, keys};
use axum::Router;
use edge::Edge;
use std::sync::Arc;

#[tokio::test]
async fn a_node_is_ready_when_every_part_says_so() {
    let edge = Edge { render_metrics: Arc::new(|| "largesse_up 1\n".to_owned()), ..Edge::new(keys()) };
    let readiness = edge.readiness.clone();
    let wallet = readiness.flag("wallet");
    readiness.check("database", || Err("the schema is being migrated".to_owned()));
    let router = edge.finish(Router::new());
    insta::assert_snapshot!("alive", answer(&router, get("/healthz")).await);
    insta::assert_snapshot!("not_ready", answer(&router, get("/readyz")).await);
    wallet.set();
    assert!(!answer(&router, get("/readyz")).await.contains("wallet"));
    insta::assert_snapshot!("metrics", answer(&router, get("/metrics")).await);

    let edge = Edge::new(keys());
    let wallet = edge.readiness.flag("wallet");
    wallet.set();
    let router = edge.finish(Router::new());
    insta::assert_snapshot!("ready", answer(&router, get("/readyz")).await);
    wallet.clear();
    assert!(answer(&router, get("/readyz")).await.starts_with("503"));
}

#[tokio::test]
async fn what_can_be_done_without_is_reported_and_stays_ready() {
    let edge = Edge::new(keys());
    edge.readiness.weak("broker", || Err("nobody answers".to_owned()));
    let router = edge.finish(Router::new());
    let said = answer(&router, get("/readyz")).await;
    assert!(said.starts_with("200"), "{said}");
    assert!(said.contains("broker") && said.contains("nobody answers"), "{said}");
}
