//! Invariant under test: what an owner is asked for reaches whichever of its nodes answers, and a refusal is told as one.

use crate::node::{Node, Tables, config, keys};
use axum::routing::post;
use axum::{Json, Router};
use contracts::owner::{OwnerError, Resettle, Resettled, Resettles, paths};
use edge::{Edge, Internal};
use ids::{OrderId, RequestId, SendKey, ViewerId};
use peer::{Calls, PeerUrl, RemoteOwner};
use std::sync::Arc;
use std::time::Duration;

/// A settlement that has made every item but those of row 1.
async fn settlement_node() -> PeerUrl {
    let listener = edge::listen(([127, 0, 0, 1], 0).into()).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let answer = async move |_: Internal, Json(ask): Json<Resettle>| {
        let made = Resettled {
            request_id: ask.request_id,
            order_id: ask.order_id,
            partition: ask.order_id.partition(),
            item_seq: ask.order_seq,
        };
        let refused =
            OwnerError::Refused { slug: "not-resettled".to_owned(), detail: "no contract".to_owned() };
        Json(if ask.order_seq == 1 { Err(refused) } else { Ok(made) })
    };
    let router = Edge::new(keys()).finish(Router::new().route(paths::RESETTLE, post(answer)));
    tokio::spawn(edge::serve(listener, router, std::future::pending(), Duration::ZERO));
    PeerUrl::try_from(format!("http://{address}")).expect("an address")
}

#[tokio::test]
async fn the_next_node_is_asked_when_one_is_gone_and_a_refusal_is_an_answer() {
    let gone = Node::start(&Arc::new(Tables::default()), 0).await;
    let gone_url = gone.url();
    drop(gone);
    let calls = Calls::new(keys(), &config());
    let owner =
        RemoteOwner::try_new(&calls, &[gone_url.clone(), settlement_node().await]).expect("few nodes");
    let order_id = OrderId::of(ViewerId::now(), SendKey::now());
    let ask = |order_seq| Resettle { request_id: RequestId::now(), order_id, order_seq };
    let made = owner.resettle(ask(9)).await.expect("the second node answers");
    assert_eq!((made.item_seq, made.order_id), (9, order_id));
    let refused = owner.resettle(ask(1)).await;
    assert!(matches!(refused, Err(OwnerError::Refused { slug, .. }) if slug == "not-resettled"));
    let nobody = RemoteOwner::try_new(&calls, &[gone_url]).expect("few nodes");
    assert!(matches!(nobody.resettle(ask(9)).await, Err(OwnerError::NoAnswer(_))));
}
