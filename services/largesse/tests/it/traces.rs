//! Invariant under test: one gift is one trace, from the request to the vouchers, named by the order's own id.

use crate::place::{Place, free_address, short_evening, text, wait_until_ready};
use ids::{SendKey, named_id};
use prost::Message;
use reqwest::Client;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The trace of the caller's own request.
const CALLER: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What separate processes sign tokens with.
const KEY: (&str, &str) = ("LARGESSE_SECRET_TOKEN_KEY", "a key that every process of this test shares");

/// The parts of an OTLP export that are looked at here.
#[derive(Clone, PartialEq, Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<Resource>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, optional, tag = "1")]
    of: Option<Attributes>,
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Attributes {
    #[prost(message, repeated, tag = "1")]
    all: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Text>,
}

#[derive(Clone, PartialEq, Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(fixed64, tag = "7")]
    began_ns: u64,
    #[prost(fixed64, tag = "8")]
    ended_ns: u64,
    #[prost(message, repeated, tag = "13")]
    links: Vec<SpanLink>,
}

#[derive(Clone, PartialEq, Message)]
struct SpanLink {
    #[prost(bytes = "vec", tag = "1")]
    trace: Vec<u8>,
}

/// A span with the service that said it.
type Said = (String, Span);

/// A collector on a port of its own.
struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<Said>>>,
    /// Which node said a span, by its id.
    nodes: Arc<Mutex<HashMap<Vec<u8>, String>>>,
}

impl Collector {
    fn start() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let spans: Arc<Mutex<Vec<Said>>> = Arc::default();
        let nodes: Arc<Mutex<HashMap<Vec<u8>, String>>> = Arc::default();
        let (taken, said_by) = (Arc::clone(&spans), Arc::clone(&nodes));
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let Some(body) = take(stream) else { continue };
                let export = Export::decode(body.as_slice()).expect("an OTLP export");
                let mut taken = taken.lock().expect("nobody panicked");
                let mut said_by = said_by.lock().expect("nobody panicked");
                for Resource { of, scopes } in export.resources {
                    let node = instance(of.unwrap_or_default());
                    for of_scope in scopes {
                        let scope = of_scope.scope.unwrap_or_default().name;
                        said_by.extend(of_scope.spans.iter().map(|span| (span.id.clone(), node.clone())));
                        taken.extend(of_scope.spans.into_iter().map(|span| (scope.clone(), span)));
                    }
                }
            }
        });
        Collector { url, spans, nodes }
    }

    /// The node that said a span.
    fn node_of(&self, span: &Span) -> String {
        self.nodes.lock().expect("nobody panicked").get(&span.id).cloned().unwrap_or_default()
    }

    fn of_trace(&self, trace: &[u8]) -> Vec<Said> {
        let spans = self.spans.lock().expect("nobody panicked");
        spans.iter().filter(|(_, span)| span.trace == trace).cloned().collect()
    }

    /// The spans of a trace once `enough` says so.
    async fn wait(&self, trace: &[u8], enough: impl Fn(&[Said]) -> bool) -> Vec<Said> {
        let mut found = Vec::new();
        for _ in 0..300 {
            found = self.of_trace(trace);
            if enough(&found) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let names: Vec<_> = found.iter().map(|(service, span)| format!("{service}: {}", span.name)).collect();
        panic!("the trace was not whole within 30 s: {names:#?}");
    }
}

fn instance(of: Attributes) -> String {
    let found = of.all.into_iter().find(|attribute| attribute.key == "service.instance.id");
    found.and_then(|attribute| attribute.value).unwrap_or_default().text
}

/// The body of one request, which is answered.
fn take(mut stream: TcpStream) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let mut part = [0_u8; 16_384];
    loop {
        let len = stream.read(&mut part).ok().filter(|len| *len > 0)?;
        request.extend_from_slice(&part[..len]);
        let Some(head_len) = request.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..head_len]).to_ascii_lowercase();
        let told = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let body_len: usize = told.and_then(|len| len.trim().parse().ok()).expect("a length");
        if request.len() >= head_len + 4 + body_len {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).ok()?;
            return Some(request.split_off(head_len + 4));
        }
    }
}

/// Sends one gift of a viewer who has coins, under the caller's trace; its order.
pub async fn send_one(place: &Place, base: &str, env: &[(&str, &str)]) -> String {
    let (client, data_dir) = (Client::new(), place.data_dir());
    let words = ["token", "--role", "viewer", "--sub", "ann", "--data-dir", text(&data_dir)];
    let token = place.run(&words, env).await.stdout.trim().to_owned();
    let asked = client
        .post(format!("{base}/v1/recharges"))
        .bearer_auth(&token)
        .header("Idempotency-Key", SendKey::now().to_string())
        .json(&json!({"channel": "sandbox", "amount_minor": 100_000}));
    let asked: Value = asked.send().await.expect("an answer").json().await.expect("JSON");
    let pay = json!({"recharge_id": asked["recharge_id"]});
    let pay = client.post(format!("{base}/v1/sandbox/payments")).bearer_auth(&token).json(&pay);
    let paid = pay.send().await.expect("an answer");
    assert!(paid.status().is_success(), "{}", paid.text().await.unwrap_or_default());
    for _ in 0..200 {
        let sent = client
            .post(format!("{base}/v1/gift-orders"))
            .bearer_auth(&token)
            .header("Idempotency-Key", SendKey::now().to_string())
            .header("traceparent", format!("00-{CALLER}-00f067aa0ba902b7-01"))
            .json(&json!({"room_id": named_id("room", "aria"), "gift_id": 1101, "quantity": 1}));
        let sent: Value = sent.send().await.expect("an answer").json().await.expect("JSON");
        if let Some(order) = sent["order_id"].as_str().filter(|_| sent["outcome"] == "accepted") {
            return order.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(50)).await; // The coins are on their way.
    }
    panic!("no gift was accepted within 10 s");
}

/// What each service does for one gift, in the order in which it happens.
const STEPS: [(&str, &str); 9] = [
    ("gift", "send a gift"),
    ("wallet", "append wallet.entries"),
    ("wallet", "publish wallet.entries"),
    ("gift", "append gift.orders"),
    ("gift", "publish gift.orders"),
    ("settlement", "append settlement.items"),
    ("clearing", "read wallet.entries"),
    ("clearing", "read settlement.items"),
    ("recon", "read gift.orders"),
];

/// Each hangs under the one before it.
const CHAIN: [(&str, &str); 4] = [
    ("wallet", "append wallet.entries"),
    ("gift", "append gift.orders"),
    ("settlement", "append settlement.items"),
    ("clearing", "read settlement.items"),
];

/// Waits until the trace of an order is whole, and proves it; its steps.
async fn prove_one_trace(collector: &Collector, order: &str) -> HashMap<(&'static str, &'static str), Span> {
    let trace = ids::Uuid::try_parse(order).expect("a UUID").into_bytes();
    let find = |said: &[Said], (service, name): (&str, &str)| {
        said.iter().find(|(scope, span)| scope == service && span.name == name).map(|(_, span)| span.clone())
    };
    let whole = |said: &[Said]| STEPS.iter().all(|step| find(said, *step).is_some());
    let said = collector.wait(&trace, whole).await;
    let by_name: HashMap<(&str, &str), Span> =
        STEPS.into_iter().filter_map(|step| Some((step, find(&said, step)?))).collect();
    let first = &by_name[&STEPS[0]];
    assert_eq!(first.parent, Vec::<u8>::new(), "the request is the first of the trace");
    let mut before = first;
    for step in CHAIN {
        let span = &by_name[&step];
        assert_eq!(span.parent, before.id, "{step:?} hangs under {}", before.name);
        assert!(span.began_ns >= before.began_ns, "{step:?} began before {}", before.name);
        assert!(span.ended_ns >= span.began_ns, "{step:?} ended before it began");
        before = span;
    }
    let caller: Vec<u8> =
        (0..16).map(|at| u8::from_str_radix(&CALLER[at * 2..at * 2 + 2], 16).expect("hex")).collect();
    assert!(first.links.iter().any(|link| link.trace == caller), "the caller's trace is linked: {first:?}");
    let request = collector.wait(&caller, |said| !said.is_empty()).await;
    let links_back = request.iter().any(|(_, span)| span.links.iter().any(|link| link.trace == trace));
    assert!(links_back, "the caller's trace leads to the gift's: {request:?}");
    // The batch it travelled in has a trace of its own, in which every reader says when it came.
    let batch = &by_name[&("wallet", "publish wallet.entries")].links[0].trace;
    collector
        .wait(batch, |said| {
            said.iter().any(|(scope, span)| scope == "clearing" && span.name.starts_with("receive"))
        })
        .await;
    by_name
}

#[tokio::test]
async fn one_gift_is_one_trace_through_every_service_in_the_order_it_happened() {
    let (place, address, collector) = (Place::new(), free_address(), Collector::start());
    let (data_dir, listen) = (place.data_dir(), address.to_string());
    let env = [
        ("LARGESSE_TELEMETRY__OTLP_ENDPOINT", collector.url.as_str()),
        ("LARGESSE_TELEMETRY__TRACE_SAMPLE_PPM", "1000000"),
    ];
    let process = place.start(&["up", "--data-dir", text(&data_dir), "--listen", &listen], &env);
    wait_until_ready(address).await;
    let order = send_one(&place, &format!("http://{address}"), &[]).await;
    prove_one_trace(&collector, &order).await;
    assert!(process.kill_after(Duration::ZERO).await.expect("killed"), "up had ended by itself");
}

/// Every service a process of its own, with nothing between them but HTTP and RabbitMQ.
#[tokio::test]
async fn one_gift_is_one_trace_through_separate_processes_and_rabbitmq() {
    let (place, collector) = (Place::new(), Collector::start());
    let database = testkit::postgres().await.fresh_database().await;
    let migrated = place.run(&["migrate", "--database", database.url()], &[]).await;
    assert!(migrated.status.success(), "{}", migrated.stderr);
    let amqp = testkit::amqp_url().await;
    let services = ["cashier", "wallet", "gift", "settlement", "clearing", "recon"];
    let places: Vec<_> = services.into_iter().map(|service| (service, free_address())).collect();
    let peers: Vec<(String, String)> = places
        .iter()
        .map(|(service, at)| {
            (format!("LARGESSE_PEERS__{}", service.to_uppercase()), format!("[\"http://{at}\"]"))
        })
        .collect();
    let mut processes = Vec::new();
    for (service, address) in &places {
        let (folder, listen) = (place.file(service), address.to_string());
        let pages: &[&str] = if *service == "gift" { &["console"] } else { &[] };
        let at = ["--data-dir", text(&folder), "--database", database.url(), "--amqp", &amqp, "--listen"];
        let words = [&["serve", *service][..], pages, &at, &[listen.as_str()]].concat();
        let mut env = vec![
            ("LARGESSE_NODE", *service),
            KEY,
            ("LARGESSE_DATABASE__CONNECTIONS_MAX", "8"),
            ("LARGESSE_TELEMETRY__OTLP_ENDPOINT", collector.url.as_str()),
            ("LARGESSE_TELEMETRY__TRACE_SAMPLE_PPM", "1000000"),
        ];
        env.extend(peers.iter().map(|(name, list)| (name.as_str(), list.as_str())));
        processes.push(place.start(&words, &env));
    }
    for (_, address) in &places {
        wait_until_ready(*address).await;
    }
    let door = places.iter().find(|(service, _)| *service == "gift").expect("it is there").1;
    let order = send_one(&place, &format!("http://{door}"), &[KEY]).await;
    let steps = prove_one_trace(&collector, &order).await;
    for ((service, name), span) in &steps {
        assert_eq!(&collector.node_of(span), service, "{name} was said by another process");
    }
    place.closed_books(database.url()).await;
    for process in processes {
        assert!(process.kill_after(Duration::ZERO).await.expect("killed"), "one had ended by itself");
    }
}

#[tokio::test]
async fn without_an_endpoint_messages_carry_no_trace_and_nothing_is_sent() {
    let (place, collector) = (Place::new(), Collector::start());
    let (data_dir, evening) = (place.data_dir(), place.file("evening.jsonl"));
    short_evening(&evening, 5);
    let words = ["replay", text(&evening), "--data-dir", text(&data_dir)];
    let env = [
        ("LARGESSE_TELEMETRY__OTLP_ENDPOINT", collector.url.as_str()),
        ("LARGESSE_TELEMETRY__TRACE_SAMPLE_PPM", "0"),
    ];
    let replayed = place.run(&words, &env).await;
    assert!(replayed.status.success(), "{}", replayed.stderr);
    let spans = collector.spans.lock().expect("nobody panicked");
    assert!(spans.is_empty(), "{spans:?}");
}
