//! Work on breaks: who has one, what is said, proposed and decided.

use super::Api;
use crate::app::act_on_break::{Act, Actor, Asked, Deed};
use crate::app::desk_error::DeskError;
use crate::app::read_break::{BreakDetail, read_break};
use crate::domain::action::Action;
use crate::domain::break_kind::BreakKind;
use crate::domain::break_state::{BreakState, Hand};
use crate::domain::severity::Severity;
use crate::store::breaks::{self, BreakView, Closed, Filter};
use crate::store::proposals::{self, WaitingProposal};
use axum::extract::State;
use chrono::{DateTime, Utc};
use edge::{FinanceReader, FinanceWorker, IdempotencyKey, Json, Path, Problem, ProblemDocument, Query, Role};
use ids::{BreakId, OrderId, Uuid};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Breaks one page may hold.
const PAGE_LEN_MAX: i64 = 200;

/// What each role of finance may do with a break. `finance` makes proposals, as it always has commanded; it decides
/// none, so that even in development two people are needed.
const fn hands_of(role: Role) -> &'static [Hand] {
    match role {
        Role::Finance | Role::FinanceMaker => &[Hand::Maker],
        Role::FinanceChecker => &[Hand::Checker],
        Role::Viewer | Role::Auditor | Role::Sre | Role::Internal => &[],
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only breaks in this state.
    state: Option<BreakState>,
    kind: Option<BreakKind>,
    /// Only breaks of this severity or worse.
    severity: Option<Severity>,
    assignee_id: Option<Uuid>,
    order_id: Option<OrderId>,
    /// Only breaks that should be closed by now.
    overdue: Option<bool>,
    /// Only breaks that are not closed.
    not_closed: Option<bool>,
    /// Only breaks found before this instant.
    detected_before: Option<DateTime<Utc>>,
    /// Only breaks before this `break_no`; the newest where it is missing.
    before: Option<i64>,
    /// At most so many, from 1 to 200; 50 where it is missing.
    limit: Option<i64>,
}

/// A page of breaks, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct BreakPage {
    breaks: Vec<BreakView>,
    /// Ask for the next page with this; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_before: Option<i64>,
    /// All that are not closed, on every page.
    not_closed_count: i64,
}

/// Breaks, newest first, as far as they fit what is asked.
#[utoipa::path(
    get, path = "/v1/finance/breaks", tag = "recon", params(Wanted),
    responses((status = 200, body = BreakPage), (status = 422, body = ProblemDocument)),
    security(("bearer" = []))
)]
pub(super) async fn list_breaks(
    State(api): State<Api>,
    _reader: FinanceReader,
    Query(wanted): Query<Wanted>,
) -> Result<Json<BreakPage>, Problem> {
    let limit = edge::page_len(wanted.limit, 50, PAGE_LEN_MAX)?;
    let filter = Filter {
        state: wanted.state,
        kind: wanted.kind,
        severity: wanted.severity,
        assignee_id: wanted.assignee_id,
        order_id: wanted.order_id,
        due_before: wanted.overdue.unwrap_or_default().then(Utc::now),
        detected_before: wanted.detected_before,
        closed: if wanted.not_closed.unwrap_or_default() { Closed::Left } else { Closed::Listed },
    };
    let db = &api.desk.db;
    let list = breaks::list(db, wanted.before, &filter, limit);
    let (breaks, not_closed_count) =
        tokio::try_join!(list, breaks::count_not_closed(db)).map_err(DeskError::Db)?;
    let is_full = i64::try_from(breaks.len()).is_ok_and(|len| len == limit);
    let next_before = breaks.last().map(|found| found.break_no).filter(|_| is_full);
    Ok(Json(BreakPage { breaks, next_before, not_closed_count }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Queue {
    /// At most so many, from 1 to 200; 50 where it is missing.
    limit: Option<i64>,
}

/// What waits for a checker.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct ProposalQueue {
    /// Oldest first.
    proposals: Vec<WaitingProposal>,
    /// All that wait, on every page.
    waiting_count: i64,
}

/// Proposals that nobody has decided, each with its break, the oldest first.
#[utoipa::path(
    get, path = "/v1/finance/proposals", tag = "recon", params(Queue),
    responses((status = 200, body = ProposalQueue), (status = 422, body = ProblemDocument)),
    security(("bearer" = []))
)]
pub(super) async fn list_proposals(
    State(api): State<Api>,
    _reader: FinanceReader,
    Query(queue): Query<Queue>,
) -> Result<Json<ProposalQueue>, Problem> {
    let limit = edge::page_len(queue.limit, 50, PAGE_LEN_MAX)?;
    let db = &api.desk.db;
    let (proposals, waiting_count) =
        tokio::try_join!(proposals::list_waiting(db, limit), proposals::count_waiting(db))
            .map_err(DeskError::Db)?;
    Ok(Json(ProposalQueue { proposals, waiting_count }))
}

/// One break: both sides' evidence, comments, proposals, and its history.
#[utoipa::path(
    get, path = "/v1/finance/breaks/{break_id}", tag = "recon", params(("break_id" = BreakId, Path)),
    responses((status = 200, body = BreakDetail), (status = 404, body = ProblemDocument)),
    security(("bearer" = []))
)]
pub(super) async fn get_break(
    State(api): State<Api>,
    _reader: FinanceReader,
    Path(break_id): Path<BreakId>,
) -> Result<Json<BreakDetail>, Problem> {
    let desk = &api.desk;
    let detail = read_break(&desk.db, &desk.sources, break_id).await.map_err(DeskError::Db)?;
    let mut detail = detail.ok_or(DeskError::NoSuchBreak)?;
    detail.may_propose = desk.may_propose(&detail.found);
    Ok(Json(detail))
}

/// What is asked for, by whom, under which key, on which break.
type On = (FinanceWorker, IdempotencyKey, Path<BreakId>);

async fn act(api: &Api, (who, key, break_id): On, act: Act) -> Result<Json<Deed>, Problem> {
    let actor = Actor { sub: who.sub, hands: hands_of(who.role) };
    let asked = Asked { actor, key: key.0, break_id: break_id.0, act };
    Ok(Json(api.desk.act(asked).await?))
}

macro_rules! acts {
    ($($(#[$doc:meta])* $path:literal $name:ident($body:ident) $make:expr;)*) => {$(
        $(#[$doc])*
        #[utoipa::path(
            post, path = $path, tag = "recon", request_body = $body,
            params(
                ("break_id" = BreakId, Path),
                ("Idempotency-Key" = String, Header, description = "A UUIDv7 made for this one act."),
            ),
            responses(
                (status = 200, body = Deed, description = "Done, now or before under this key."),
                (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument),
                (status = 409, body = ProblemDocument), (status = 422, body = ProblemDocument),
            ),
            security(("bearer" = []))
        )]
        pub(super) async fn $name(
            State(api): State<Api>,
            who: FinanceWorker,
            key: IdempotencyKey,
            break_id: Path<BreakId>,
            Json(body): Json<$body>,
        ) -> Result<Json<Deed>, Problem> {
            let make: fn($body) -> Act = $make;
            act(&api, (who, key, break_id), make(body)).await
        }
    )*};
}

/// Who is to look after a break.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Assignment {
    assignee_id: Uuid,
}

/// What somebody has to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Comment {
    text: String,
}

/// What is to be done, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Proposing {
    action: Action,
    reason: String,
}

/// The proposal that is approved, by the digest of what was looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Approval {
    proposal_id: Uuid,
    digest: String,
}

/// The proposal that is rejected, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rejection {
    proposal_id: Uuid,
    digest: String,
    reason: String,
}

/// Why a closed break is opened again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reopening {
    reason: String,
}

acts! {
    /// Gives an open break to somebody.
    "/v1/finance/breaks/{break_id}/assignments"
    assign(Assignment) |body| Act::Assign { assignee_id: body.assignee_id };

    /// Says something about a break.
    "/v1/finance/breaks/{break_id}/comments"
    comment(Comment) |body| Act::Comment { text: body.text };

    /// Proposes what to do about an assigned break. Makers only.
    "/v1/finance/breaks/{break_id}/proposals"
    propose(Proposing) |body| Act::Propose { proposed: body.action, reason: body.reason };

    /// Approves exactly what was proposed. Checkers only, and never whoever proposed it.
    "/v1/finance/breaks/{break_id}/approvals"
    approve(Approval) |body| Act::Approve { proposal_id: body.proposal_id, digest: body.digest };

    /// Rejects what was proposed; the break goes back to whoever has it.
    "/v1/finance/breaks/{break_id}/rejections"
    reject(Rejection) |body| Act::Reject {
        proposal_id: body.proposal_id, digest: body.digest, reason: body.reason,
    };

    /// Opens a new break about the fact of a closed one, linked to the first about it.
    "/v1/finance/breaks/{break_id}/reopenings"
    reopen(Reopening) |body| Act::Reopen { reason: body.reason };
}
