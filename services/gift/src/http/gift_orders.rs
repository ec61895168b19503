//! Sending gifts and asking what became of them: `/v1/gift-orders`.

use super::State as Shared;
use super::{find_problem, send_problem};
use crate::app::find_order::{Asker, OrderView, find_order, find_owner};
use crate::app::refund_order::refund_command;
use crate::app::send_gift::{SendBody, Sent};
use axum::extract::State;
use axum::http::StatusCode;
use contracts::class::{Classed, ErrorClass};
use contracts::entry::{Funds, Outcome};
use contracts::wallet::Replay;
use edge::{
    AnyRole, Finance, IdempotencyKey, Json, Path, Problem, Query, Role, TenantViewer, TokenError, Viewer,
};
use ids::{OrderId, SendKey, ViewerId};
use money::Coins;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Sends a gift, once per `Idempotency-Key`. The same key with the same body gives the same answer again.
#[utoipa::path(post, path = "/v1/gift-orders", tag = "gift", request_body = SendBody,
    params(("Idempotency-Key" = String, Header, description = "A UUIDv7 the client made for this one gift.")),
    responses(
        (status = 201, body = Sent, description = "Accepted; the first answer under this key."),
        (status = 200, body = Sent, description = "Accepted before under this key, or a free gift."),
        (status = 404, body = edge::ProblemDocument),
        (status = 409, body = edge::ProblemDocument),
        (status = 422, body = edge::ProblemDocument),
        (status = 429, body = edge::ProblemDocument, description = "The viewer, the room or the tenant has had enough for now."),
        (status = 504, body = edge::ProblemDocument, description = "Ask again with the same key."),
    ))]
pub(super) async fn send_gift(
    State(state): State<Arc<Shared>>,
    from: TenantViewer,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<SendBody>,
) -> Result<(StatusCode, Json<Sent>), Problem> {
    let sent = state.sender.send(from, key, body).await.map_err(|error| send_problem(&error))?;
    let status = if sent.replay == Some(Replay::First) { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(sent)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ByKey {
    /// The `Idempotency-Key` the gift was sent under.
    key: SendKey,
}

/// What became of the gift sent under the viewer's own key. `no-such-order` means that nothing was charged.
#[utoipa::path(get, path = "/v1/gift-orders", tag = "gift", params(ByKey),
    responses((status = 200, body = OrderView), (status = 404, body = edge::ProblemDocument)))]
pub(super) async fn find_by_key(
    State(state): State<Arc<Shared>>,
    Viewer(viewer_id): Viewer,
    Query(ByKey { key }): Query<ByKey>,
) -> Result<Json<OrderView>, Problem> {
    let key = SendKey::from_uuid(ids::with_version(key.uuid(), state.sender.id_version));
    let order_id = OrderId::of(viewer_id, key);
    let found = find_order(&state.db, &*state.wallet, Asker::Viewer(viewer_id), order_id).await;
    found.map(Json).map_err(find_problem)
}

/// What became of an order: a viewer's own, or any for finance.
#[utoipa::path(get, path = "/v1/gift-orders/{order_id}", tag = "gift", params(("order_id" = OrderId, Path)),
    responses((status = 200, body = OrderView), (status = 404, body = edge::ProblemDocument)))]
pub(super) async fn get_order(
    State(state): State<Arc<Shared>>,
    AnyRole(claims): AnyRole,
    Path(order_id): Path<OrderId>,
) -> Result<Json<OrderView>, Problem> {
    let asker = match claims.role {
        Role::Viewer => Asker::Viewer(ViewerId::from_uuid(claims.sub)),
        Role::Finance | Role::FinanceMaker | Role::FinanceChecker | Role::Auditor => Asker::Finance,
        Role::Sre | Role::Internal => return Err(TokenError::RoleNotAllowed.into()),
    };
    find_order(&state.db, &*state.wallet, asker, order_id).await.map(Json).map_err(find_problem)
}

/// A refund as finance sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Refunded {
    order_id: OrderId,
    /// What came back, to the funds it came from.
    refunded: Funds,
    replay: Replay,
}

/// A refund the wallet refused, for good.
#[derive(Debug, thiserror::Error)]
#[error("the wallet refused the refund")]
struct RefundRefused(Outcome);

impl Classed for RefundRefused {
    fn class(&self) -> ErrorClass {
        ErrorClass::Rejected
    }

    fn slug(&self) -> &'static str {
        self.0.slug()
    }
}

/// Gives back all that is left of an order. An order is refunded once, whoever asks and under whatever key.
#[utoipa::path(post, path = "/v1/gift-orders/{order_id}/refunds", tag = "gift", params(
        ("order_id" = OrderId, Path),
        ("Idempotency-Key" = String, Header, description = "A UUIDv7 made for this refund.")),
    responses((status = 201, body = Refunded), (status = 200, body = Refunded, description = "Refunded before."),
        (status = 404, body = edge::ProblemDocument), (status = 422, body = edge::ProblemDocument)))]
pub(super) async fn refund_order(
    State(state): State<Arc<Shared>>,
    _finance: Finance,
    IdempotencyKey(key): IdempotencyKey,
    Path(order_id): Path<OrderId>,
) -> Result<(StatusCode, Json<Refunded>), Problem> {
    state.sender.key_age.check(key, chrono::Utc::now())?;
    let viewer_id = find_owner(&state.db, order_id).await.map_err(find_problem)?;
    let answer = state.wallet.submit(refund_command(order_id, viewer_id)).await?;
    if !answer.entry.is_accepted() {
        return Err(RefundRefused(answer.entry.outcome).into());
    }
    let coins = |delta: i64| Coins::try_new(delta).unwrap_or_default();
    let delta = answer.entry.available;
    let refunded = Funds { paid_coins: coins(delta.paid_coins), promo_coins: coins(delta.promo_coins) };
    let status = if answer.replay == Replay::First { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(Refunded { order_id, refunded, replay: answer.replay })))
}
