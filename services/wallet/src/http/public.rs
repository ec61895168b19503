//! Public routes: a viewer's own balance and entries, and finance's grants and freezes.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use contracts::digest::body_hash;
use contracts::entry::{Entry, EntryKind, Funds, FundsDelta, Outcome};
use contracts::log::Seq;
use contracts::wallet::{AccountView, Act, Command, Replay, Wallet};
use edge::{Finance, IdempotencyKey, Problem, Query, Viewer};
use ids::{RequestId, ViewerId, derive_id, partition_of};
use money::Coins;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{OpenApi, ToSchema};

/// Entries on one page.
const PAGE_LEN: u16 = 50;
const PAGE_LEN_MAX: u16 = 200;

/// The OpenAPI document of the public routes.
#[derive(OpenApi)]
#[openapi(
    paths(get_wallet, list_entries, grant_coins, freeze_account, unfreeze_account),
    components(schemas(AccountView, EntriesPage, EntryView, Grant, Granted))
)]
pub struct PublicApi;

/// The routes, over a wallet of this process or of others.
pub fn router(wallet: Arc<dyn Wallet>) -> Router {
    Router::new()
        .route("/v1/wallet", get(get_wallet))
        .route("/v1/wallet/entries", get(list_entries))
        .route("/v1/accounts/{account_id}/grants", post(grant_coins))
        .route("/v1/accounts/{account_id}/freeze", post(freeze_account))
        .route("/v1/accounts/{account_id}/unfreeze", post(unfreeze_account))
        .with_state(wallet)
}

/// One entry as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
struct EntryView {
    seq: Seq,
    request_id: RequestId,
    kind: EntryKind,
    outcome: Outcome,
    paid_coins: i64,
    promo_coins: i64,
    after: Funds,
    /// The order, recharge or hold it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    origin_id: Option<ids::Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gift_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<u32>,
    decided_at: chrono::DateTime<chrono::Utc>,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> EntryView {
        let FundsDelta { paid_coins, promo_coins } = entry.available;
        EntryView {
            seq: entry.stamp.seq,
            request_id: entry.request_id,
            kind: entry.kind,
            outcome: entry.outcome,
            paid_coins,
            promo_coins,
            after: entry.after,
            origin_id: entry.origin_id,
            gift_id: entry.send.as_ref().map(|send| send.gift_id),
            quantity: entry.send.as_ref().map(|send| send.quantity),
            decided_at: entry.stamp.decided_at,
        }
    }
}

/// Entries, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct EntriesPage {
    entries: Vec<EntryView>,
    /// Ask for the next page with this; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_before_seq: Option<Seq>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageOf {
    before_seq: Option<Seq>,
    limit: Option<u16>,
}

/// The viewer's own coins, as committed.
#[utoipa::path(get, path = "/v1/wallet", responses((status = 200, body = AccountView)))]
async fn get_wallet(
    State(wallet): State<Arc<dyn Wallet>>,
    Viewer(viewer): Viewer,
) -> Result<Json<AccountView>, Problem> {
    wallet.account(viewer).await.map(Json).map_err(|error| Problem::of(&error))
}

/// The viewer's own entries, newest first.
#[utoipa::path(get, path = "/v1/wallet/entries", responses((status = 200, body = EntriesPage)),
    params(("before_seq" = Option<i64>, Query), ("limit" = Option<u16>, Query, description = "at most 200")))]
async fn list_entries(
    State(wallet): State<Arc<dyn Wallet>>,
    Viewer(viewer): Viewer,
    Query(page): Query<PageOf>,
) -> Result<Json<EntriesPage>, Problem> {
    let limit = edge::page_len(page.limit, PAGE_LEN, PAGE_LEN_MAX)?;
    let listed = wallet.list_entries(viewer, page.before_seq, limit).await;
    let entries = listed.map_err(|error| Problem::of(&error))?;
    let is_full = entries.len() == usize::from(limit);
    let next_before_seq = entries.last().map(|entry| entry.stamp.seq).filter(|_| is_full);
    Ok(Json(EntriesPage { entries: entries.into_iter().map(EntryView::from).collect(), next_before_seq }))
}

/// Coins given by the platform.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Grant {
    /// Promotional coins.
    coins: Coins,
}

/// What a finance command did.
#[derive(Debug, Serialize, ToSchema)]
struct Granted {
    outcome: Outcome,
    replay: Replay,
    after: Funds,
}

async fn command(
    wallet: &dyn Wallet,
    account_id: ViewerId,
    key: ids::SendKey,
    (hash, act): (i64, Act),
) -> Result<(StatusCode, Json<Granted>), Problem> {
    let partition = partition_of(account_id.uuid());
    let (account, sent) = (account_id.uuid(), key.uuid());
    let parts: [&[u8]; 2] = [account.as_bytes(), sent.as_bytes()];
    let request_id = RequestId::from_uuid(derive_id(sent, "finance", &parts, partition));
    let answer = wallet
        .submit(Command { request_id, account_id, body_hash: hash, act })
        .await
        .map_err(|error| Problem::of(&error))?;
    let outcome = answer.outcome();
    if outcome != Outcome::Accepted {
        let sentence = "The wallet refused, and will refuse the same key again.";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, outcome.slug(), sentence));
    }
    let granted = Granted { outcome, replay: answer.replay, after: answer.entry.after };
    Ok((StatusCode::OK, Json(granted)))
}

/// Grants promotional coins, once per key.
#[utoipa::path(post, path = "/v1/accounts/{account_id}/grants", request_body = Grant,
    responses((status = 200, body = Granted)))]
async fn grant_coins(
    State(wallet): State<Arc<dyn Wallet>>,
    _finance: Finance,
    IdempotencyKey(key): IdempotencyKey,
    edge::Path(account_id): edge::Path<ViewerId>,
    edge::Json(grant): edge::Json<Grant>,
) -> Result<(StatusCode, Json<Granted>), Problem> {
    command(&*wallet, account_id, key, (body_hash(&grant), Act::Bonus { coins: grant.coins })).await
}

/// Stops an account from spending, once per key.
#[utoipa::path(post, path = "/v1/accounts/{account_id}/freeze", responses((status = 200, body = Granted)))]
async fn freeze_account(
    State(wallet): State<Arc<dyn Wallet>>,
    _finance: Finance,
    IdempotencyKey(key): IdempotencyKey,
    edge::Path(account_id): edge::Path<ViewerId>,
) -> Result<(StatusCode, Json<Granted>), Problem> {
    command(&*wallet, account_id, key, (body_hash(&"freeze"), Act::Freeze)).await
}

/// Lets an account spend again, once per key.
#[utoipa::path(post, path = "/v1/accounts/{account_id}/unfreeze", responses((status = 200, body = Granted)))]
async fn unfreeze_account(
    State(wallet): State<Arc<dyn Wallet>>,
    _finance: Finance,
    IdempotencyKey(key): IdempotencyKey,
    edge::Path(account_id): edge::Path<ViewerId>,
) -> Result<(StatusCode, Json<Granted>), Problem> {
    command(&*wallet, account_id, key, (body_hash(&"unfreeze"), Act::Unfreeze)).await
}
