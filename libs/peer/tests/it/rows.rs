//! Invariant under test: rows come from whichever node answers, and a viewer's token opens no internal route.

use crate::node::{Node, Tables, config, keys};
use axum::routing::get;
use axum::{Json, Router};
use contracts::entry::Entry;
use contracts::log::{HeadMark, Page};
use edge::{Edge, InternalOrSre, Role};
use http::StatusCode;
use ids::{Partition, Uuid};
use peer::{Calls, HttpLogSource, PeerUrl};
use seqlog::LogSource;
use std::sync::Arc;
use std::time::Duration;

pub async fn log_node() -> PeerUrl {
    let listener = edge::listen(([127, 0, 0, 1], 0).into()).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let head = HeadMark {
        partition: Partition::try_new(7).expect("a partition"),
        epoch: 3,
        last_seq: 9,
        closed_until: chrono::DateTime::UNIX_EPOCH,
    };
    let answer = async move |_: InternalOrSre| Json(Page::<Entry> { rows: vec![], epochs: vec![], head });
    let router = Router::new().route("/internal/logs/wallet.entries/7", get(answer));
    let router = Edge::new(keys()).finish(router);
    tokio::spawn(edge::serve(listener, router, std::future::pending(), Duration::ZERO));
    PeerUrl::try_from(format!("http://{address}")).expect("an address")
}

#[tokio::test]
async fn a_pull_goes_to_the_next_node_when_one_is_gone() {
    let gone = Node::start(&Arc::new(Tables::default()), 0).await;
    let gone_url = gone.url();
    drop(gone);
    let calls = Calls::new(keys(), &config());
    let source = HttpLogSource::<Entry>::try_new(&calls, &[gone_url.clone(), log_node().await]);
    let source = source.expect("few nodes");
    let partition = Partition::try_new(7).expect("a partition");
    let page = source.read_after(partition, 0, 10).await.expect("the second node answers");
    assert_eq!(page.head.last_seq, 9);
    let nobody = HttpLogSource::<Entry>::try_new(&calls, &[gone_url]).expect("few nodes");
    let error = nobody.read_after(partition, 0, 10).await.expect_err("nobody answers");
    assert!(error.reason.contains("cannot be reached"), "{error}");
}

#[tokio::test]
async fn no_persons_token_opens_an_internal_route() {
    let node = Node::start(&Arc::new(Tables::default()), 1).await;
    let client = reqwest::Client::new();
    let ask = async |token: Option<String>| {
        let mut request = client.get(format!("{}/internal/wallet/shards", node.url()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.expect("an answer").status()
    };
    for role in [Role::Viewer, Role::Finance, Role::Sre] {
        let token = keys().mint(role, Uuid::now_v7(), Duration::from_secs(60)).expect("a token");
        assert_eq!(ask(Some(token)).await, StatusCode::FORBIDDEN, "{role:?}");
    }
    assert_eq!(ask(None).await, StatusCode::UNAUTHORIZED);
    let ours = keys().mint(Role::Internal, Uuid::now_v7(), Duration::from_secs(60)).expect("a token");
    assert_eq!(ask(Some(ours)).await, StatusCode::OK);
}
