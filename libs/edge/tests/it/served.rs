//! Serving on a real socket: a port in use is named, a stop waits for answers but not for ever.

use crate::wire::finished;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get as on_get;
use edge::{ListenError, Served, listen, serve};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

#[tokio::test]
async fn a_port_in_use_is_named() {
    let first = listen(ANY_PORT).await.expect("a free port");
    let address = first.local_addr().expect("bound");
    let error = listen(address).await.expect_err("the port is taken");
    assert!(matches!(error, ListenError::InUse { .. }));
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn a_stop_waits_for_the_answer_under_way() {
    let (started, may_end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begun, released) = (Arc::clone(&started), Arc::clone(&may_end));
    let slow = async move || {
        begun.notify_one();
        released.notified().await;
        "done"
    };
    let listener = listen(ANY_PORT).await.expect("a free port");
    let url = format!("http://{}/slow", listener.local_addr().expect("bound"));
    let (stop, stopped) = oneshot::channel::<()>();
    let router = finished(Router::new().route("/slow", on_get(slow)));
    let serving = tokio::spawn(serve(
        listener,
        router,
        async move { stopped.await.unwrap_or_default() },
        Duration::from_secs(30),
    ));
    let answer = tokio::spawn(async move { reqwest::get(url).await?.text().await });
    started.notified().await;
    stop.send(()).expect("still serving");
    may_end.notify_one();
    assert_eq!(answer.await.expect("no panic").expect("answered"), "done");
    assert_eq!(serving.await.expect("no panic").expect("no error"), Served::Drained);
}

#[tokio::test]
async fn an_open_stream_holds_a_stop_up_only_so_long() {
    let stream = async || Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    let listener = listen(ANY_PORT).await.expect("a free port");
    let url = format!("http://{}/stream", listener.local_addr().expect("bound"));
    let (stop, stopped) = oneshot::channel::<()>();
    let router = finished(Router::new().route("/stream", on_get(stream)));
    let serving = tokio::spawn(serve(
        listener,
        router,
        async move { stopped.await.unwrap_or_default() },
        Duration::from_millis(50),
    ));
    let open = reqwest::get(url).await.expect("the head of the answer");
    stop.send(()).expect("still serving");
    let ended = tokio::time::timeout(Duration::from_secs(10), serving).await.expect("ends in time");
    assert_eq!(ended.expect("no panic").expect("no error"), Served::CutOff);
    drop(open);
}
