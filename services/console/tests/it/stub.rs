//! A stand-in for the services behind the pages: the same addresses and shapes, kept in memory, charging once per
//! key. What it proves about money is nothing; the same steps run against the real thing elsewhere.

use crate::sample;
use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use console::{Deps, Profile};
use contracts::catalogue::charge_coins;
use edge::{
    Edge, FinanceOrSre, FinanceReader, IdempotencyKey, Json, Path, Problem, Query, TokenKeys, Viewer,
};
use futures::{Stream, StreamExt as _, stream};
use http::StatusCode;
use ids::{OrderId, RechargeId, SendKey, ViewerId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

#[derive(Default)]
struct World {
    coins: HashMap<ViewerId, i64>,
    entries: HashMap<ViewerId, Vec<Value>>,
    orders: HashMap<OrderId, Value>,
    recharges: HashMap<RechargeId, i64>,
    ranks: HashMap<String, i64>,
    combo: HashMap<(ViewerId, u32), (OrderId, u32)>,
}

#[derive(Clone)]
struct Stub {
    world: Arc<Mutex<World>>,
    effects: broadcast::Sender<String>,
}

impl Stub {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the stand-in's sessions are signed with.
pub const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";

/// The pages with the stand-in behind them, as one router.
pub fn router(profile: Profile) -> Router {
    router_over(profile, crate::finance_stub::routes())
}

/// The same with other services of finance behind them.
pub fn router_over(profile: Profile, finance: Router) -> Router {
    let stub = Stub { world: Arc::default(), effects: broadcast::channel(1_024).0 };
    let api = Router::new()
        .route("/v1/gifts", get(async || Json(json!({ "version": 1, "gifts": sample::gifts() }))))
        .route("/v1/gift-orders", post(send).get(find))
        .route("/v1/gift-orders/{order_id}", get(get_order))
        .route("/v1/rooms/{room_id}/events", get(events))
        .route("/v1/rooms/{room_id}/ranks", get(ranks))
        .route("/v1/wallet", get(wallet))
        .route("/v1/wallet/entries", get(entries))
        .route("/v1/recharges", post(ask_recharge))
        .route("/v1/sandbox/payments", post(pay))
        .route("/v1/trial-balance", get(trial_balance))
        .route("/v1/breaks", get(async |_who: FinanceReader| Json(json!({ "breaks": [], "not_closed_count": 0 }))))
        .route("/v1/recon/lag", get(async |_who: FinanceOrSre| {
            let pair = |pair, lag_s| json!({ "pair": pair, "compared_until": "2026-11-21T06:40:00Z", "lag_s": lag_s });
            let reader = |reader, rows| json!({ "reader": reader, "lag_rows": rows, "stopped": [] });
            Json(json!({ "pairs": [pair("entries ↔ orders", 3), pair("orders ↔ items", 4)],
                "readers": [reader("wallet.entries", 0), reader("gift.orders", 12)] }))
        }))
        .with_state(stub)
        .merge(finance);
    pages_over(profile, api)
}

/// The pages over these routes alone.
pub fn pages_over(profile: Profile, api: Router) -> Router {
    let keys = TokenKeys::from_secret(SECRET).expect("long enough");
    let deps = Deps {
        directory: Arc::new(sample::Sample),
        keys: keys.clone(),
        profile,
        zone: contracts::log::AccountingZone::default(),
        api: api.clone(),
    };
    Edge::new(keys).finish(api.merge(console::router(deps)))
}

/// Serves the pages on a free port until the test ends. Returns their base URL.
pub async fn serve() -> String {
    serve_router(router(Profile::Development)).await
}

/// The same where no service of finance is.
pub async fn serve_without_finance() -> String {
    serve_router(router_over(Profile::Development, Router::new())).await
}

/// The same of some router.
pub async fn serve_router(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

fn short(viewer: ViewerId) -> String {
    viewer.uuid().simple().to_string()[24..].to_owned()
}

fn funds(coins: i64) -> Value {
    json!({ "paid_coins": coins, "promo_coins": 0 })
}

impl World {
    fn add_entry(&mut self, viewer: ViewerId, request_id: &str, change: i64, send: Option<Value>) {
        let kind = if send.is_some() { "debit" } else { "recharge" };
        let after = self.coins.get(&viewer).copied().unwrap_or_default();
        let entries = self.entries.entry(viewer).or_default();
        let mut entry = json!({
            "seq": entries.len() + 1, "request_id": request_id, "kind": kind, "outcome": "accepted",
            "paid_coins": change, "promo_coins": 0, "after": funds(after), "decided_at": chrono::Utc::now(),
        });
        for (name, value) in send.iter().flat_map(|send| send.as_object().into_iter().flatten()) {
            entry[name] = value.clone();
        }
        entries.push(entry);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    room_id: ids::RoomId,
    gift_id: u32,
    quantity: u32,
}

async fn send(
    State(stub): State<Stub>,
    Viewer(viewer): Viewer,
    IdempotencyKey(key): IdempotencyKey,
    Json(send): Json<Send>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let order_id = OrderId::of(viewer, key);
    let mut world = stub.world();
    if let Some(order) = world.orders.get(&order_id) {
        let mut again = order.clone();
        again["replay"] = json!("replayed");
        return Ok((StatusCode::OK, Json(again)));
    }
    let gift = sample::gifts().into_iter().find(|gift| gift.gift_id == send.gift_id);
    let gift = gift.ok_or_else(|| Problem::not_found("no-such-gift", "There is no such gift."))?;
    let charge = charge_coins(&gift, send.quantity).expect("fits").get();
    let left = world.coins.get(&viewer).copied().unwrap_or_default() - charge;
    if left < 0 {
        return Err(Problem::rejected("not-enough-coins", "There are not enough coins."));
    }
    world.coins.insert(viewer, left);
    let session = world.combo.entry((viewer, send.gift_id)).or_insert((order_id, 0));
    session.1 += send.quantity;
    let combo = json!({ "combo_id": session.0, "count": session.1 });
    let reveals = match gift.outcomes.first() {
        Some(first) => {
            json!([{ "gift_id": first.gift_id, "value_coins": first.value_coins, "count": send.quantity }])
        }
        None => json!([]),
    };
    let order = json!({
        "order_id": order_id, "charge_coins": charge, "outcome": "accepted", "replay": "first", "state": "delivered",
        "available": funds(left), "combo": combo, "reveals": reveals, "paid_coins": charge, "promo_coins": 0,
    });
    world.orders.insert(order_id, order.clone());
    let sent = json!({ "gift_id": send.gift_id, "quantity": send.quantity });
    world.add_entry(viewer, &order_id.to_string(), -charge, Some(sent));
    *world.ranks.entry(short(viewer)).or_default() += charge;
    drop(world);
    let event = json!({
        "type": "gift", "order_id": order_id, "viewer": short(viewer), "gift_id": send.gift_id,
        "quantity": send.quantity, "charge_coins": charge, "combo": combo, "reveals": reveals,
        "room_id": send.room_id,
    });
    let _ = stub.effects.send(event.to_string()); // Nobody may be watching.
    Ok((StatusCode::CREATED, Json(order)))
}

#[derive(Deserialize)]
struct ByKey {
    key: SendKey,
}

async fn find(
    State(stub): State<Stub>,
    Viewer(viewer): Viewer,
    Query(by): Query<ByKey>,
) -> Result<Json<Value>, Problem> {
    let found = stub.world().orders.get(&OrderId::of(viewer, by.key)).cloned();
    found.map(Json).ok_or_else(|| Problem::not_found("no-such-order", "Nothing was charged under this key."))
}

async fn get_order(
    State(stub): State<Stub>,
    _viewer: Viewer,
    Path(order_id): Path<OrderId>,
) -> Result<Json<Value>, Problem> {
    let found = stub.world().orders.get(&order_id).cloned();
    found.map(Json).ok_or_else(|| Problem::not_found("no-such-order", "There is no such order."))
}

async fn events(
    State(stub): State<Stub>,
    Path(room_id): Path<String>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let effects = stream::unfold(stub.effects.subscribe(), |mut effects| async move {
        let event = effects.recv().await.ok()?;
        Some((event, effects))
    });
    let of_room = effects.filter(move |event| std::future::ready(event.contains(&room_id)));
    Sse::new(of_room.map(|event| Ok(Event::default().data(event))))
        .keep_alive(axum::response::sse::KeepAlive::default())
}

async fn ranks(State(stub): State<Stub>, _room: Path<String>) -> Json<Value> {
    let mut ranks: Vec<(String, i64)> = stub.world().ranks.clone().into_iter().collect();
    ranks.sort_by_key(|(_, coins)| std::cmp::Reverse(*coins));
    let ranks: Vec<Value> =
        ranks.into_iter().map(|(viewer, coins)| json!({ "viewer": viewer, "coins": coins })).collect();
    let gift_count = stub.world().orders.len();
    Json(json!({ "gift_count": gift_count, "ranks": ranks }))
}

async fn wallet(State(stub): State<Stub>, Viewer(viewer): Viewer) -> Json<Value> {
    let coins = stub.world().coins.get(&viewer).copied().unwrap_or_default();
    Json(json!({ "account_id": viewer, "available": funds(coins), "held": funds(0), "state": "open" }))
}

#[derive(Deserialize)]
struct PageOf {
    before_seq: Option<u64>,
    limit: usize,
}

async fn entries(
    State(stub): State<Stub>,
    Viewer(viewer): Viewer,
    Query(page): Query<PageOf>,
) -> Json<Value> {
    let entries = stub.world().entries.get(&viewer).cloned().unwrap_or_default();
    let before = page.before_seq.unwrap_or(u64::MAX);
    let older = entries.into_iter().rev().filter(|entry| entry["seq"].as_u64() < Some(before));
    let listed: Vec<Value> = older.take(page.limit).collect();
    let next = listed.last().filter(|_| listed.len() == page.limit).map(|last| last["seq"].clone());
    let mut page = json!({ "entries": listed });
    if let Some(next) = next {
        page["next_before_seq"] = next;
    }
    Json(page)
}

#[derive(Deserialize)]
struct Ask {
    amount_minor: i64,
}

async fn ask_recharge(
    State(stub): State<Stub>,
    _viewer: Viewer,
    _key: IdempotencyKey,
    Json(ask): Json<Ask>,
) -> (StatusCode, Json<Value>) {
    let recharge_id = RechargeId::now();
    stub.world().recharges.insert(recharge_id, ask.amount_minor * 10);
    (StatusCode::CREATED, Json(json!({ "recharge_id": recharge_id })))
}

#[derive(Deserialize)]
struct Pay {
    recharge_id: RechargeId,
}

async fn pay(State(stub): State<Stub>, Viewer(viewer): Viewer, Json(pay): Json<Pay>) -> Json<Value> {
    let mut world = stub.world();
    if let Some(coins) = world.recharges.remove(&pay.recharge_id) {
        *world.coins.entry(viewer).or_default() += coins;
        world.add_entry(viewer, &pay.recharge_id.to_string(), coins, None);
    }
    Json(json!({}))
}

#[derive(Deserialize)]
struct AsOf {
    day: Option<String>,
}

async fn trial_balance(_who: FinanceReader, Query(as_of): Query<AsOf>) -> Json<Value> {
    let scale: i64 = if as_of.day.is_some() { 7 } else { 10 };
    let rows = [
        ("1122", "Payment channels receivable", "debit", 9_007_199_254_740_993, 0),
        ("2205.01", "Contract liability: paid coins", "credit", 6_400_000_000_000_000, 9_007_199_254_740_993),
        ("2206", "Gift clearing", "credit", 6_400_000_000_000_000, 6_400_000_000_000_000),
        ("2221.01", "Output tax", "credit", 0, 362_264_150_943_396),
        ("2241.01", "Payable to streamers", "credit", 0, 2_560_000_000_000_000),
        ("2241.02", "Payable to agencies", "credit", 0, 640_000_000_000_000),
        ("6001", "Gift revenue", "credit", 0, 6_037_735_849_056_604),
        ("6401.01", "Cost of sales", "debit", 3_200_000_000_000_000_i64, 0_i64),
    ];
    let accounts: Vec<Value> = rows
        .into_iter()
        .map(|(account, name, side, debit, credit)| {
            let (debit, credit) = (debit / 10 * scale + debit % 10, credit / 10 * scale + credit % 10);
            json!({ "account": account, "name": name, "side": side, "debit_micro": debit, "credit_micro": credit,
                "balance_micro": if side == "debit" { debit - credit } else { credit - debit } })
        })
        .collect();
    Json(json!({ "day": as_of.day, "accounts": accounts, "total_debit_micro": 25_007_199_254_740_993_i64,
        "total_credit_micro": 25_007_199_254_740_993_i64, "difference_micro": 0 }))
}
