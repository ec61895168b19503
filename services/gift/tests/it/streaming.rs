//! Room events: a stream that resumes with exactly what was missed.

use crate::bench::{Bench, Call, Node, ROSE};
use axum::body::BodyDataStream;
use axum::http::StatusCode;
use cache::Cache;
use contracts::lane::Lane;
use futures::StreamExt;
use ids::{OrderId, RoomId, SendKey, ViewerId};
use serde_json::Value;
use std::time::Duration;

/// One open stream, read event by event.
struct Events {
    body: BodyDataStream,
    text: String,
}

#[derive(Debug)]
struct Event {
    id: String,
    kind: Option<String>,
    data: Value,
}

impl Events {
    async fn open(bench: &Bench, node: &Node, last_event_id: Option<&str>) -> Events {
        let mut call = Call::get(format!("/v1/rooms/{}/events", bench.room));
        if let Some(id) = last_event_id {
            call = call.header("last-event-id", id.to_owned());
        }
        let response = node.spawn(call.request()).await.expect("no panic");
        assert_eq!(response.status(), StatusCode::OK);
        let mut events = Events { body: response.into_body().into_data_stream(), text: String::new() };
        let hello = events.next().await;
        assert_eq!(hello.kind.as_deref(), Some("hello"));
        events
    }

    async fn next(&mut self) -> Event {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(event) = parse(&block) {
                    return event;
                }
                continue;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(10), self.body.next()).await;
            let chunk = chunk.expect("an event in time").expect("the stream goes on").expect("a whole chunk");
            self.text.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(|value| value.trim_start_matches([':', ' ']).to_owned())
    };
    let data = serde_json::from_str(&field("data")?).expect("JSON");
    Some(Event { id: field("id").expect("every event has an id"), kind: field("event"), data })
}

async fn start(bench: &Bench) -> (Node, ViewerId) {
    let node = bench.start_with(Cache::in_process(&Lane::Live)).await;
    let viewer = ViewerId::now();
    bench.wallet.give(viewer, 1_000_000, 0).await;
    (node, viewer)
}

async fn send(bench: &Bench, node: &Node, viewer: ViewerId, count: usize) -> Vec<String> {
    let mut order_ids = Vec::new();
    for _ in 0..count {
        let key = SendKey::now();
        let (status, sent) = bench.send(node, viewer, key, bench.body(ROSE, 1)).await;
        assert_eq!(status, StatusCode::CREATED, "{sent}");
        order_ids.push(OrderId::of(viewer, key).to_string());
    }
    order_ids
}

#[tokio::test]
async fn a_stream_resumes_with_exactly_what_was_missed() {
    let bench = Bench::open().await;
    let (node, viewer) = start(&bench).await;
    let mut events = Events::open(&bench, &node, None).await;
    let first = send(&bench, &node, viewer, 5).await;
    let mut last = String::new();
    for order_id in &first {
        let event = events.next().await;
        assert_eq!(event.data["order_id"], order_id.as_str());
        last = event.id;
    }
    drop(events);
    let missed = send(&bench, &node, viewer, 20).await;
    let mut events = Events::open(&bench, &node, Some(&last)).await;
    let later = send(&bench, &node, viewer, 3).await;
    for order_id in missed.iter().chain(&later) {
        assert_eq!(events.next().await.data["order_id"], order_id.as_str());
    }
}

#[tokio::test]
async fn a_stream_that_saw_nothing_yet_can_resume_from_its_hello() {
    let bench = Bench::open().await;
    let (node, viewer) = start(&bench).await;
    send(&bench, &node, viewer, 3).await;
    bench.settle().await;
    let call = Call::get(format!("/v1/rooms/{}/events", bench.room));
    let response = node.spawn(call.request()).await.expect("no panic");
    let mut events = Events { body: response.into_body().into_data_stream(), text: String::new() };
    let hello = events.next().await;
    drop(events);
    let missed = send(&bench, &node, viewer, 2).await;
    let mut events = Events::open(&bench, &node, Some(&hello.id)).await;
    for order_id in &missed {
        assert_eq!(events.next().await.data["order_id"], order_id.as_str());
    }
}

#[tokio::test]
async fn viewers_appear_by_short_ids_and_two_watchers_see_the_same() {
    let bench = Bench::open().await;
    let (node, viewer) = start(&bench).await;
    let (mut ann, mut bob) =
        (Events::open(&bench, &node, None).await, Events::open(&bench, &node, None).await);
    send(&bench, &node, viewer, 1).await;
    let (seen, too) = (ann.next().await, bob.next().await);
    assert_eq!((&seen.id, &seen.data), (&too.id, &too.data));
    assert_eq!(seen.data["viewer"].as_str().map(str::len), Some(8));
    assert!(!seen.data.to_string().contains(&viewer.to_string()));
    assert_eq!((&seen.data["type"], &seen.data["charge_coins"]), (&"gift".into(), &10.into()));
}

#[tokio::test]
async fn watchers_are_bounded_and_wrong_requests_are_refused() {
    let mut bench = Bench::open().await;
    bench.config.room_subscribers_max = 2;
    let (node, _) = start(&bench).await;
    let path = format!("/v1/rooms/{}/events", bench.room);
    let first = Events::open(&bench, &node, None).await;
    let _second = Events::open(&bench, &node, None).await;
    let (status, problem) = node.call(Call::get(&path)).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"/problems/too-many-subscribers".into())
    );
    drop(first);
    let _third = Events::open(&bench, &node, None).await;
    let malformed = Call::get(&path).header("last-event-id", "seven".to_owned());
    assert_eq!(node.call(malformed).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(
        node.call(Call::get(format!("/v1/rooms/{}/events", RoomId::now()))).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn open_streams_end_when_the_node_stops() {
    let bench = Bench::open().await;
    let (node, _) = start(&bench).await;
    let mut events = Events::open(&bench, &node, None).await;
    node.stop().await;
    let end =
        tokio::time::timeout(Duration::from_secs(10), events.body.next()).await.expect("it ends in time");
    assert!(end.is_none());
}
