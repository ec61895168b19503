//! Proposals, decided once, and the one effect of each that is approved.

use super::breaks::{BreakView, break_of_row, kind_named};
use super::desk::Moved;
use crate::domain::action::{Action, Agreed};
use crate::domain::canonical::{Hash, hex};
use chrono::{DateTime, Utc};
use ids::{BreakId, RequestId, Uuid};
use pg::Db;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, Row};
use utoipa::ToSchema;

/// What is proposed.
#[derive(Clone, Debug, PartialEq)]
pub struct NewProposal {
    pub proposal_id: Uuid,
    pub break_id: BreakId,
    pub maker_id: Uuid,
    pub action: Action,
    pub reason: String,
    pub digest: Hash,
    pub now: DateTime<Utc>,
}

impl NewProposal {
    /// The action as it is stored and hashed.
    pub fn parameters(action: &Action) -> serde_json::Value {
        serde_json::json!(action)
    }
}

const INSERT: &str = "
INSERT INTO {s}.proposals (proposal_id, break_id, maker_id, action, parameters, reason, digest, proposed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

/// Keeps a proposal, not decided.
///
/// # Errors
/// Whatever the database says.
pub async fn insert_in_tx(tx: &mut PgConnection, db: &Db, new: &NewProposal) -> Result<(), sqlx::Error> {
    let insert = sqlx::query(db.sql(INSERT))
        .bind(new.proposal_id)
        .bind(new.break_id.uuid())
        .bind(new.maker_id)
        .bind(new.action.kind().as_str())
        .bind(NewProposal::parameters(&new.action))
        .bind(&new.reason)
        .bind(new.digest.as_slice())
        .bind(new.now);
    insert.execute(tx).await.map(drop)
}

/// How a proposal is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Approved,
    Rejected,
    /// The break cleared by itself first.
    Withdrawn,
}

impl Decision {
    const ALL: [Decision; 3] = [Decision::Approved, Decision::Rejected, Decision::Withdrawn];

    /// The number in the column `decision`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            Decision::Approved => 1,
            Decision::Rejected => 2,
            Decision::Withdrawn => 3,
        }
    }
}

/// Who or what decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecidedBy<'a> {
    Checker(Uuid),
    Rule(&'a str),
}

const DECIDE: &str = "
UPDATE {s}.proposals SET decision = $2, checker_id = $3, rule = $4, decided_digest = $5, decision_reason = $6,
    decided_at = $7
WHERE proposal_id = $1 AND decision IS NULL";

/// Decides a proposal that has this digest, once.
///
/// # Errors
/// Whatever the database says, a constraint among it where maker and checker are one.
pub async fn decide_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (proposal_id, digest): (Uuid, Hash),
    (decision, by, reason): (Decision, DecidedBy<'_>, &str),
    now: DateTime<Utc>,
) -> Result<Moved, sqlx::Error> {
    let (checker, rule) = match by {
        DecidedBy::Checker(checker) => (Some(checker), None),
        DecidedBy::Rule(rule) => (None, Some(rule)),
    };
    let done = sqlx::query(db.sql(DECIDE))
        .bind(proposal_id)
        .bind(decision.code())
        .bind(checker)
        .bind(rule.map(str::to_owned))
        .bind(digest.as_slice())
        .bind(reason)
        .bind(now)
        .execute(tx)
        .await?;
    Ok(if done.rows_affected() == 1 { Moved::Yes } else { Moved::No })
}

/// A proposal, how it was decided, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProposalView {
    pub proposal_id: Uuid,
    pub maker_id: Uuid,
    pub action: Action,
    pub reason: String,
    /// What a decision repeats, in hexadecimal: it covers all of the above.
    pub digest: String,
    pub proposed_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checker_id: Option<Uuid>,
    /// The healing rule that decided where nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectView>,
}

/// What the command of an approved proposal did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EffectView {
    /// The id under which the owning service did it, once.
    pub request_id: Uuid,
    pub outcome: EffectOutcome,
    /// How often it was asked.
    pub attempts: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// What the owning service answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub proof: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
}

/// Whether a command is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EffectOutcome {
    ToDo,
    Done,
    /// For good.
    Refused,
}

impl EffectOutcome {
    const ALL: [EffectOutcome; 3] = [EffectOutcome::ToDo, EffectOutcome::Done, EffectOutcome::Refused];

    /// The number in the column `outcome`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            EffectOutcome::ToDo => 1,
            EffectOutcome::Done => 2,
            EffectOutcome::Refused => 3,
        }
    }
}

const LIST: &str = "
SELECT p.proposal_id, p.maker_id, p.parameters, p.reason, p.digest, p.proposed_at, p.decision, p.checker_id, p.rule,
    p.decision_reason, p.decided_at, e.request_id, e.outcome, e.attempts, e.last_error, e.proof, e.ended_at
FROM {s}.proposals p LEFT JOIN {s}.break_effects e USING (proposal_id)
WHERE p.break_id = $1 ORDER BY p.proposed_at DESC, p.proposal_id LIMIT $2";

/// The newest proposals about a break, newest first, at most `limit`.
///
/// # Errors
/// Whatever the database says, or a row that this program does not understand.
pub async fn list(db: &Db, break_id: BreakId, limit: i64) -> Result<Vec<ProposalView>, sqlx::Error> {
    let list = sqlx::query(db.sql(LIST)).bind(break_id.uuid()).bind(limit);
    list.fetch_all(db.pool()).await?.iter().map(proposal_of_row).collect()
}

/// Those to show first, and then their breaks: evidence is wide.
const WAITING: &str = "
SELECT b.*, p.proposal_id, p.maker_id, p.parameters, p.reason, p.digest, p.proposed_at, p.decision, p.checker_id, p.rule,
    p.decision_reason, p.decided_at, NULL::uuid AS request_id
FROM (SELECT * FROM {s}.proposals WHERE decision IS NULL ORDER BY proposed_at, proposal_id LIMIT $1) AS p
JOIN {s}.breaks b USING (break_id) ORDER BY p.proposed_at, p.proposal_id";

/// What waits for a checker: a break and what is proposed about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WaitingProposal {
    #[serde(rename = "break")]
    pub found: BreakView,
    pub proposal: ProposalView,
}

/// Proposals that nobody has decided, the oldest first, at most `limit`.
///
/// # Errors
/// Whatever the database says, or a row that this program does not understand.
pub async fn list_waiting(db: &Db, limit: i64) -> Result<Vec<WaitingProposal>, sqlx::Error> {
    let rows = sqlx::query(db.sql(WAITING)).bind(limit).fetch_all(db.pool()).await?;
    let one = |row| Ok(WaitingProposal { found: break_of_row(row)?, proposal: proposal_of_row(row)? });
    rows.iter().map(one).collect()
}

const COUNT_WAITING: &str = "SELECT count(*) FROM {s}.proposals WHERE decision IS NULL";

/// How many proposals nobody has decided.
///
/// # Errors
/// Whatever the database says.
pub async fn count_waiting(db: &Db) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(db.sql(COUNT_WAITING)).fetch_one(db.pool()).await
}

fn proposal_of_row(row: &sqlx::postgres::PgRow) -> Result<ProposalView, sqlx::Error> {
    let decision: Option<i16> = row.try_get("decision")?;
    let effect = match row.try_get::<Option<Uuid>, _>("request_id")? {
        Some(request_id) => Some(EffectView {
            request_id,
            outcome: outcome_of_code(row.try_get("outcome")?)?,
            attempts: row.try_get("attempts")?,
            last_error: row.try_get("last_error")?,
            proof: row.try_get("proof")?,
            ended_at: row.try_get("ended_at")?,
        }),
        None => None,
    };
    Ok(ProposalView {
        proposal_id: row.try_get("proposal_id")?,
        maker_id: row.try_get("maker_id")?,
        action: action_of(row.try_get("parameters")?)?,
        reason: row.try_get("reason")?,
        digest: hex(row.try_get("digest")?),
        proposed_at: row.try_get("proposed_at")?,
        decision: decision.and_then(|code| Decision::ALL.into_iter().find(|it| it.code() == code)),
        checker_id: row.try_get("checker_id")?,
        rule: row.try_get("rule")?,
        decision_reason: row.try_get("decision_reason")?,
        decided_at: row.try_get("decided_at")?,
        effect,
    })
}

fn outcome_of_code(code: i16) -> Result<EffectOutcome, sqlx::Error> {
    EffectOutcome::ALL.into_iter().find(|it| it.code() == code).ok_or(sqlx::Error::RowNotFound)
}

fn action_of(parameters: serde_json::Value) -> Result<Action, sqlx::Error> {
    serde_json::from_value(parameters).map_err(|e| sqlx::Error::Decode(e.into()))
}

/// The effect of an approved proposal, to be brought about.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    pub proposal_id: Uuid,
    pub break_id: BreakId,
    pub request_id: RequestId,
    pub action: Action,
    pub attempts: i32,
    /// The healing rule that approved it, if nobody did.
    pub rule: Option<String>,
    pub agreed: Agreed,
}

const INTEND: &str = "
INSERT INTO {s}.break_effects (proposal_id, break_id, request_id, next_at) VALUES ($1, $2, $3, $4)";

/// Keeps what is to be done, before anybody does it.
///
/// # Errors
/// Whatever the database says.
pub async fn intend_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (proposal_id, break_id, request_id): (Uuid, BreakId, RequestId),
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let intend = sqlx::query(db.sql(INTEND)).bind(proposal_id).bind(break_id.uuid());
    intend.bind(request_id.uuid()).bind(now).execute(tx).await.map(drop)
}

const LIST_EFFECTS: &str = "
SELECT e.proposal_id, e.break_id, e.request_id, p.parameters, e.attempts, p.rule, p.maker_id, p.checker_id, p.reason,
    b.kind
FROM {s}.break_effects e JOIN {s}.proposals p USING (proposal_id) JOIN {s}.breaks b ON b.break_id = e.break_id
WHERE e.outcome = 1 AND e.next_at <= $1 ORDER BY e.next_at LIMIT $2";

const FIND_EFFECT: &str = "
SELECT e.proposal_id, e.break_id, e.request_id, p.parameters, e.attempts, p.rule, p.maker_id, p.checker_id, p.reason,
    b.kind
FROM {s}.break_effects e JOIN {s}.proposals p USING (proposal_id) JOIN {s}.breaks b ON b.break_id = e.break_id
WHERE e.break_id = $1 AND e.outcome = 2 ORDER BY e.ended_at DESC LIMIT 1";

/// Effects to be brought about by now, at most `limit`.
///
/// # Errors
/// Whatever the database says.
pub async fn list_effects(db: &Db, now: DateTime<Utc>, limit: i64) -> Result<Vec<Effect>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST_EFFECTS)).bind(now).bind(limit).fetch_all(db.pool()).await?;
    rows.iter().map(effect_of_row).collect()
}

/// The newest effect of a break that is done.
///
/// # Errors
/// Whatever the database says.
pub async fn find_done(db: &Db, break_id: BreakId) -> Result<Option<Effect>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND_EFFECT)).bind(break_id.uuid()).fetch_optional(db.pool()).await?;
    row.as_ref().map(effect_of_row).transpose()
}

fn effect_of_row(row: &sqlx::postgres::PgRow) -> Result<Effect, sqlx::Error> {
    let break_id = BreakId::from_uuid(row.try_get("break_id")?);
    Ok(Effect {
        proposal_id: row.try_get("proposal_id")?,
        break_id,
        request_id: RequestId::from_uuid(row.try_get("request_id")?),
        action: action_of(row.try_get("parameters")?)?,
        attempts: row.try_get("attempts")?,
        rule: row.try_get("rule")?,
        agreed: Agreed {
            break_id,
            kind: kind_named(row.try_get("kind")?).ok_or(sqlx::Error::RowNotFound)?,
            maker_id: row.try_get("maker_id")?,
            checker_id: row.try_get("checker_id")?,
            reason: row.try_get("reason")?,
        },
    })
}

const END: &str = "
UPDATE {s}.break_effects SET outcome = $2, proof = $3, last_error = $4, attempts = attempts + 1, ended_at = $5
WHERE proposal_id = $1 AND outcome = 1";

/// Ends an effect, once, with its proof or the reason it was refused for.
///
/// # Errors
/// Whatever the database says.
pub async fn end_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    proposal_id: Uuid,
    ended: Result<&serde_json::Value, &str>,
    now: DateTime<Utc>,
) -> Result<Moved, sqlx::Error> {
    let outcome = if ended.is_ok() { EffectOutcome::Done } else { EffectOutcome::Refused };
    let done = sqlx::query(db.sql(END))
        .bind(proposal_id)
        .bind(outcome.code())
        .bind(ended.ok())
        .bind(ended.err())
        .bind(now)
        .execute(tx)
        .await?;
    Ok(if done.rows_affected() == 1 { Moved::Yes } else { Moved::No })
}

const PUT_OFF: &str = "
UPDATE {s}.break_effects SET attempts = attempts + 1, last_error = $2, next_at = $3
WHERE proposal_id = $1 AND outcome = 1";

/// Remembers that an effect could not be brought about yet.
///
/// # Errors
/// Whatever the database says.
pub async fn put_off(
    db: &Db,
    proposal_id: Uuid,
    error: &str,
    next_at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(PUT_OFF))
        .bind(proposal_id)
        .bind(error)
        .bind(next_at)
        .execute(db.pool())
        .await
        .map(drop)
}

const WITHDRAW: &str = "
UPDATE {s}.proposals SET decision = 3, decided_at = $2 WHERE break_id = $1 AND decision IS NULL";

/// Ends the undecided proposal of a break that cleared by itself.
///
/// # Errors
/// Whatever the database says.
pub async fn withdraw_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    break_id: BreakId,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(WITHDRAW)).bind(break_id.uuid()).bind(now).execute(tx).await.map(drop)
}

const HEALED: &str = "
SELECT count(*) AS count, coalesce(sum(b.coins), 0)::bigint AS coins
FROM {s}.proposals p JOIN {s}.breaks b USING (break_id) WHERE p.rule IS NOT NULL AND p.decided_at > $1";

/// How many breaks rules healed since an instant, and their coins, those of this transaction among them.
///
/// # Errors
/// Whatever the database says.
pub async fn healed_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    since: DateTime<Utc>,
) -> Result<(i64, i64), sqlx::Error> {
    let row = sqlx::query(db.sql(HEALED)).bind(since).fetch_one(tx).await?;
    Ok((row.try_get("count")?, row.try_get("coins")?))
}

const TO_HEAL: &str = "
SELECT b.break_id FROM {s}.breaks b
WHERE b.state = 2 AND b.kind = ANY($1) AND b.detected_at <= $2 AND b.assignee_id IS NULL AND b.reopens_id IS NULL
  AND NOT EXISTS (SELECT FROM {s}.proposals p WHERE p.break_id = b.break_id)
ORDER BY b.break_no LIMIT $3";

/// Open breaks of some kinds, found before `until`, that nobody has worked on, at most `limit`.
///
/// # Errors
/// Whatever the database says.
pub async fn list_to_heal(
    db: &Db,
    kinds: &[&str],
    until: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<BreakId>, sqlx::Error> {
    let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    let list = sqlx::query_scalar::<_, Uuid>(db.sql(TO_HEAL)).bind(kinds).bind(until).bind(limit);
    Ok(list.fetch_all(db.pool()).await?.into_iter().map(BreakId::from_uuid).collect())
}
