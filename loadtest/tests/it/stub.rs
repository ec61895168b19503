//! A stand-in for the product that remembers every request by its key, and fails as it is told to.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use contracts::catalogue::{Gift, charge_coins};
use ids::{SendKey, Uuid, ViewerId};
use loadtest::TokenMinter;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How the stub misbehaves, at the first time it sees a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// Says 503 and does nothing.
    Busy,
    /// Does it, and breaks the connection within the answer.
    BreaksAfterDoing,
    /// Does it, and says that the outcome is unknown.
    UnknownAfterDoing,
    /// Says that the room is unknown and does nothing.
    NotYetHeard,
}

#[derive(Default)]
pub struct World {
    pub fault: Fault,
    /// Charges one coin too much for this gift.
    pub overcharged_gift: Option<u64>,
    /// Refuses every gift with this slug.
    pub refuse_with: Option<&'static str>,
    /// Credits recharges only when looked at so many times.
    pub looks_before_credit: u32,
    pub gifts: Vec<Gift>,
    pub rooms: HashSet<Uuid>,
    /// Gift keys in the order they were first done, with viewer and body.
    pub taken: Vec<(SendKey, ViewerId, Value)>,
    pub answers: HashMap<SendKey, (StatusCode, Value)>,
    pub attempts: HashMap<SendKey, u32>,
    pub coins: HashMap<ViewerId, i64>,
    /// Paid, and not yet in the wallets.
    due: HashMap<ViewerId, i64>,
    recharges: HashMap<String, (ViewerId, i64)>,
    paid: HashSet<String>,
    looks: u32,
}

#[derive(Clone)]
pub struct Stub {
    world: Arc<Mutex<World>>,
    pub url: String,
}

impl Stub {
    pub async fn open(gifts: Vec<Gift>) -> Stub {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let stub = Stub { world: Arc::new(Mutex::new(World { gifts, ..World::default() })), url };
        let routes = Router::new()
            .route("/v1/gifts", get(list_gifts).post(create_gift))
            .route("/v1/rooms", post(create_room))
            .route("/v1/recharges", post(recharge))
            .route("/v1/sandbox/{what}", post(pay))
            .route("/v1/wallet", get(wallet))
            .route("/v1/gift-orders", post(send_gift))
            .with_state(stub.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        stub
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tokens that say who they are.
pub struct PlainTokens;

impl TokenMinter for PlainTokens {
    fn viewer(&self, viewer: ViewerId) -> String {
        viewer.to_string()
    }

    fn sre(&self) -> String {
        "sre".to_owned()
    }
}

fn bearer(headers: &HeaderMap) -> String {
    let text = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.trim_start_matches("Bearer ").to_owned()
}

fn viewer(headers: &HeaderMap) -> ViewerId {
    bearer(headers).parse().expect("a viewer's token")
}

fn key(headers: &HeaderMap) -> SendKey {
    let text = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).expect("a key");
    text.parse().expect("a UUID")
}

fn problem(status: StatusCode, slug: &str) -> Response {
    answer(status, &json!({ "type": format!("/problems/{slug}"), "title": slug, "status": status.as_u16() }))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [("content-type", "application/json")], body.to_string()).into_response()
}

/// Sends the head of an answer and half of a body, and drops the connection.
fn broken() -> Response {
    let chunks: Vec<Result<Bytes, std::io::Error>> =
        vec![Ok(Bytes::from_static(b"{\"charge")), Err(std::io::ErrorKind::ConnectionReset.into())];
    Response::new(Body::from_stream(futures::stream::iter(chunks)))
}

async fn list_gifts(State(stub): State<Stub>) -> Response {
    answer(StatusCode::OK, &json!({ "version": 7, "gifts": stub.world().gifts }))
}

async fn create_gift(State(stub): State<Stub>, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!(bearer(&headers), "sre");
    stub.world().gifts.push(serde_json::from_slice(&body).expect("a gift"));
    answer(StatusCode::CREATED, &json!({}))
}

async fn create_room(State(stub): State<Stub>, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!(bearer(&headers), "sre");
    let room: contracts::catalogue::Room = serde_json::from_slice(&body).expect("a room");
    stub.world().rooms.insert(room.room_id.uuid());
    answer(StatusCode::CREATED, &json!({}))
}

async fn recharge(State(stub): State<Stub>, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["channel"], "sandbox");
    let (viewer, id) = (viewer(&headers), key(&headers).to_string());
    stub.world().recharges.insert(id.clone(), (viewer, body["amount_minor"].as_i64().expect("an integer")));
    answer(StatusCode::CREATED, &json!({ "recharge_id": id }))
}

async fn pay(
    State(stub): State<Stub>,
    Path(what): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    assert_eq!(what, "payments");
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let id = body["recharge_id"].as_str().expect("an id").to_owned();
    let mut world = stub.world();
    let (owner, amount_minor) = *world.recharges.get(&id).expect("a recharge");
    assert_eq!(owner, viewer(&headers));
    if world.paid.insert(id) {
        *world.due.entry(owner).or_default() += amount_minor * 10;
    }
    answer(StatusCode::OK, &json!({}))
}

async fn wallet(State(stub): State<Stub>, headers: HeaderMap) -> Response {
    let mut world = stub.world();
    world.looks += 1;
    if world.looks > world.looks_before_credit {
        for (viewer, coins) in std::mem::take(&mut world.due) {
            *world.coins.entry(viewer).or_default() += coins;
        }
    }
    let coins = world.coins.get(&viewer(&headers)).copied().unwrap_or_default();
    answer(StatusCode::OK, &json!({ "available": { "paid_coins": coins, "promo_coins": 0 } }))
}

async fn send_gift(State(stub): State<Stub>, headers: HeaderMap, body: Bytes) -> Response {
    let (viewer, key) = (viewer(&headers), key(&headers));
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let mut world = stub.world();
    let attempts = world.attempts.entry(key).or_default();
    *attempts += 1;
    let first = *attempts == 1;
    if let Some(slug) = world.refuse_with {
        return problem(StatusCode::FORBIDDEN, slug);
    }
    match world.fault {
        Fault::Busy if first => return problem(StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
        Fault::NotYetHeard if first => return problem(StatusCode::NOT_FOUND, "no-such-room"),
        Fault::None
        | Fault::Busy
        | Fault::BreaksAfterDoing
        | Fault::UnknownAfterDoing
        | Fault::NotYetHeard => {}
    }
    if let Some((status, known)) = world.answers.get(&key) {
        let mut known = known.clone();
        if status.is_success() {
            known["replay"] = json!("replayed");
        }
        return answer(if status.is_success() { StatusCode::OK } else { *status }, &known);
    }
    let (status, said) = world.take(viewer, &body);
    world.taken.push((key, viewer, body));
    world.answers.insert(key, (status, said.clone()));
    match world.fault {
        Fault::BreaksAfterDoing => broken(),
        Fault::UnknownAfterDoing => problem(StatusCode::CONFLICT, "outcome-unknown"),
        Fault::None | Fault::Busy | Fault::NotYetHeard => answer(status, &said),
    }
}

impl World {
    fn take(&mut self, viewer: ViewerId, body: &Value) -> (StatusCode, Value) {
        let room: Uuid = body["room_id"].as_str().and_then(|room| room.parse().ok()).expect("a room id");
        assert!(self.rooms.contains(&room), "rooms are created first");
        let gift_id = body["gift_id"].as_u64().expect("an integer");
        let quantity = body["quantity"].as_u64().and_then(|n| u32::try_from(n).ok()).expect("a quantity");
        let gift = self.gifts.iter().find(|gift| u64::from(gift.gift_id) == gift_id).expect("a known gift");
        let mut charge = charge_coins(gift, quantity).expect("it fits").get();
        if charge == 0 {
            return (StatusCode::OK, json!({ "charge_coins": 0, "outcome": "free" }));
        }
        let held = self.coins.entry(viewer).or_default();
        if *held < charge {
            let said = json!({ "type": "/problems/not-enough-coins", "title": "no", "status": 409 });
            return (StatusCode::CONFLICT, said);
        }
        *held -= charge;
        if self.overcharged_gift == Some(gift_id) {
            charge += 1;
        }
        let said = json!({
            "order_id": Uuid::now_v7(), "charge_coins": charge, "outcome": "accepted", "replay": "first",
            "available": { "paid_coins": 0, "promo_coins": 0 },
        });
        (StatusCode::CREATED, said)
    }
}
