//! The cashier's routes. Turns requests into acts and their answers into JSON, and nothing else.

mod money_back;

use crate::app::Cashier;
use crate::app::ask_recharge::AskRecharge;
use crate::app::pay_sandbox::PaySandbox;
use crate::app::take_callback::CallbackAnswer;
use crate::app::write_sandbox_bill::SandboxBill;
use crate::config::{Profile, SANDBOX};
use crate::domain::callback::CallbackBody;
use crate::domain::notice::{NoticeKind, NoticeOutcome};
use crate::domain::recharge::{Recharge, RechargeState};
use crate::domain::signature::{SIGNATURE_HEADER, Signed, TIMESTAMP_HEADER};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use contracts::wallet::Replay;
use edge::{FinanceReader, IdempotencyKey, Json, Path, Problem, RawBody, Viewer};
use ids::RechargeId;
use money::Coins;
use serde::Serialize;
use std::sync::Arc;
use utoipa::{OpenApi, ToSchema};

/// The largest body of a callback, in bytes.
const CALLBACK_BYTES_MAX: usize = 16 * 1024;

/// One recharge as the viewer sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct RechargeView {
    recharge_id: RechargeId,
    amount_minor: i64,
    currency: String,
    paid_coins: Coins,
    promo_coins: Coins,
    state: RechargeState,
    channel: String,
    /// Where to pay.
    pay_url: String,
    asked_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct RechargeList {
    recharges: Vec<RechargeView>,
}

impl Cashier {
    fn view(&self, recharge: Recharge) -> RechargeView {
        let channel = self.config.channels.get(&recharge.channel);
        let pay_url = channel.map_or_else(String::new, |channel| {
            channel.pay_url.replace("{recharge_id}", &recharge.recharge_id.to_string())
        });
        RechargeView {
            recharge_id: recharge.recharge_id,
            amount_minor: recharge.amount_minor,
            currency: recharge.currency,
            paid_coins: recharge.paid_coins,
            promo_coins: recharge.promo_coins,
            state: recharge.state,
            channel: recharge.channel,
            pay_url,
            asked_at: recharge.asked_at,
        }
    }
}

pub(crate) fn router(cashier: Arc<Cashier>) -> Router {
    let mut router = Router::new()
        .route("/v1/recharges", post(ask_recharge).get(list_recharges))
        .route("/v1/recharges/{recharge_id}", get(get_recharge))
        .route(
            "/v1/channels/{channel}/callbacks",
            post(take_callback).layer(DefaultBodyLimit::max(CALLBACK_BYTES_MAX)),
        )
        .merge(money_back::router());
    if cashier.config.profile == Profile::Development && cashier.secrets.contains_key(SANDBOX) {
        router = router.route("/v1/sandbox/payments", post(pay_sandbox));
        router = router.route("/v1/sandbox/bills", post(write_sandbox_bill));
    }
    router.with_state(cashier)
}

/// The cashier's part of the API's description.
#[derive(OpenApi)]
#[openapi(
    paths(ask_recharge, list_recharges, get_recharge, take_callback, pay_sandbox, write_sandbox_bill),
    components(schemas(
        AskRecharge,
        RechargeView,
        RechargeList,
        RechargeState,
        CallbackBody,
        CallbackAnswer,
        NoticeKind,
        NoticeOutcome,
        PaySandbox,
        Replay,
        Coins,
        RechargeId
    ))
)]
struct Api;

/// What `/openapi.json` says of the cashier.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Api::openapi();
    document.merge(money_back::Api::openapi());
    document
}

/// Asks for coins. The same `Idempotency-Key` with the same body gives the same recharge.
#[utoipa::path(
    post, path = "/v1/recharges", tag = "cashier", request_body = AskRecharge,
    params(("Idempotency-Key" = String, Header, description = "A UUIDv7 of the client")),
    responses(
        (status = 201, body = RechargeView), (status = 409, description = "request-reused"),
        (status = 422, description = "amount-out-of-range, amount-not-whole-coins, unknown-channel, key-too-old"),
    )
)]
async fn ask_recharge(
    State(cashier): State<Arc<Cashier>>,
    Viewer(viewer): Viewer,
    IdempotencyKey(key): IdempotencyKey,
    Json(ask): Json<AskRecharge>,
) -> Result<(StatusCode, Json<RechargeView>), Problem> {
    let recharge = cashier.ask_recharge(viewer, key, ask, Utc::now()).await?;
    Ok((StatusCode::CREATED, Json(cashier.view(recharge))))
}

/// The viewer's recharges, newest first, at most 100.
#[utoipa::path(get, path = "/v1/recharges", tag = "cashier", responses((status = 200, body = RechargeList)))]
async fn list_recharges(
    State(cashier): State<Arc<Cashier>>,
    Viewer(viewer): Viewer,
) -> Result<Json<RechargeList>, Problem> {
    let recharges = cashier.list_recharges(viewer).await?;
    Ok(Json(RechargeList {
        recharges: recharges.into_iter().map(|recharge| cashier.view(recharge)).collect(),
    }))
}

/// One of the viewer's recharges.
#[utoipa::path(
    get, path = "/v1/recharges/{recharge_id}", tag = "cashier",
    params(("recharge_id" = RechargeId, Path)),
    responses((status = 200, body = RechargeView), (status = 404, description = "recharge-not-found"))
)]
async fn get_recharge(
    State(cashier): State<Arc<Cashier>>,
    Viewer(viewer): Viewer,
    Path(recharge_id): Path<RechargeId>,
) -> Result<Json<RechargeView>, Problem> {
    let recharge = cashier.get_recharge(viewer, recharge_id).await?;
    Ok(Json(cashier.view(recharge)))
}

/// Takes a payment channel's callback: HMAC-SHA256 over `timestamp.body`, five minutes each way by default.
#[utoipa::path(
    post, path = "/v1/channels/{channel}/callbacks", tag = "cashier", request_body = CallbackBody,
    params(
        ("channel" = String, Path),
        ("x-channel-timestamp" = String, Header, description = "The Unix second of signing"),
        ("x-channel-signature" = String, Header, description = "The signature in hex"),
    ),
    responses(
        (status = 200, body = CallbackAnswer, description = "Recorded; refusals are recorded too"),
        (status = 403, description = "signature-invalid"), (status = 404, description = "unknown-channel"),
        (status = 409, description = "callback-contradicts"),
        (status = 422, description = "callback-malformed, callback-too-old, callback-from-the-future"),
        (status = 503, description = "overloaded, shard-moved, cashier-unavailable"),
        (status = 504, description = "outcome-unknown"),
    )
)]
async fn take_callback(
    State(cashier): State<Arc<Cashier>>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Json<CallbackAnswer>, Problem> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let signed =
        Signed { timestamp: header(TIMESTAMP_HEADER), signature: header(SIGNATURE_HEADER), body: &body };
    Ok(Json(cashier.take_callback(&channel, signed, Utc::now()).await?))
}

/// Development only: pays or refunds a recharge through the sandbox channel, by a real signed callback.
#[utoipa::path(
    post, path = "/v1/sandbox/payments", tag = "cashier", request_body = PaySandbox,
    responses((status = 200, body = CallbackAnswer), (status = 404, description = "recharge-not-found"))
)]
async fn pay_sandbox(
    State(cashier): State<Arc<Cashier>>,
    Viewer(viewer): Viewer,
    Json(pay): Json<PaySandbox>,
) -> Result<Json<CallbackAnswer>, Problem> {
    Ok(Json(cashier.pay_sandbox(viewer, pay).await?))
}

/// Development only: the sandbox channel's bill of a day in the WeChat merchant layout, with faults planted where asked.
#[utoipa::path(
    post, path = "/v1/sandbox/bills", tag = "cashier",
    request_body(content = serde_json::Value, description = "`day`, and `faults` as the writer of the layout names them"),
    responses(
        (status = 200, body = String, content_type = "text/csv"),
        (status = 422, description = "sandbox-bill-unwritable, sandbox-bill-too-large"),
    )
)]
async fn write_sandbox_bill(
    State(cashier): State<Arc<Cashier>>,
    _reader: FinanceReader,
    Json(asked): Json<SandboxBill>,
) -> Result<Response, Problem> {
    let file = cashier.write_sandbox_bill(&asked).await?;
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], file).into_response())
}
