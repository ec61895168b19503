//! Rules of withholding that people propose and decide, and those in force as people read them.

use crate::domain::withholding_terms::{BracketTerms, MethodTerms, WithholdingTerms};
use crate::store::payouts::class_of_row;
use crate::store::unknown_code;
use chrono::{DateTime, NaiveDate, Utc};
use contracts::payout::PayeeClass;
use ids::Uuid;
use pg::Db;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};
use utoipa::ToSchema;

/// How far a proposal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProposalState {
    Waiting,
    Approved,
    Refused,
}

impl ProposalState {
    const ALL: [ProposalState; 3] = [ProposalState::Waiting, ProposalState::Approved, ProposalState::Refused];

    const fn code(self) -> i16 {
        match self {
            ProposalState::Waiting => 1,
            ProposalState::Approved => 2,
            ProposalState::Refused => 3,
        }
    }
}

/// A rule that somebody wants in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WithholdingProposal {
    pub proposal_id: Uuid,
    pub state: ProposalState,
    pub rule: WithholdingTerms,
    pub reason: String,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// The rule it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<i32>,
}

/// A rule that is in force, was, or will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WithholdingRuleView {
    pub rule_id: i32,
    #[serde(flatten)]
    pub rule: WithholdingTerms,
}

const INSERT: &str = "
INSERT INTO {s}.withholding_proposals (proposal_id, payee_kind, valid_from, rule, reason, created_by)
VALUES ($1, $2, $3, $4, $5, $6)";

/// Keeps a proposal.
pub(crate) async fn insert_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (proposal_id, rule): (Uuid, &WithholdingTerms),
    (reason, created_by): (&str, &str),
) -> Result<(), sqlx::Error> {
    let insert = sqlx::query(db.sql(INSERT)).bind(proposal_id).bind(rule.payee.code()).bind(rule.valid_from);
    insert.bind(Json(rule)).bind(reason).bind(created_by).execute(tx).await.map(drop)
}

const LOCK: &str = "SELECT * FROM {s}.withholding_proposals WHERE proposal_id = $1 FOR UPDATE";

/// One proposal, held until the transaction ends.
pub(crate) async fn lock_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    proposal_id: Uuid,
) -> Result<Option<WithholdingProposal>, sqlx::Error> {
    let row = sqlx::query(db.sql(LOCK)).bind(proposal_id).fetch_optional(tx).await?;
    row.as_ref().map(proposal_of_row).transpose()
}

const DECIDE: &str = "
UPDATE {s}.withholding_proposals SET state = $2, decided_by = $3, decided_at = now(), rule_id = $4
WHERE proposal_id = $1";

/// Records who decided a waiting proposal, and the rule it became.
pub(crate) async fn decide_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (proposal_id, rule_id): (Uuid, Option<i32>),
    decided_by: &str,
) -> Result<(), sqlx::Error> {
    let state = if rule_id.is_some() { ProposalState::Approved } else { ProposalState::Refused };
    let decide = sqlx::query(db.sql(DECIDE)).bind(proposal_id).bind(state.code());
    decide.bind(decided_by).bind(rule_id).execute(tx).await.map(drop)
}

// One at a time, so that no number is given twice.
const LOCK_RULES: &str = "LOCK TABLE {s}.withholding_rules IN SHARE ROW EXCLUSIVE MODE";

const INSERT_RULE: &str = "
INSERT INTO {s}.withholding_rules (rule_id, payee_kind, valid_from, name, method, rate_ppm, cost_ppm, allowance_minor)
SELECT max(rule_id) + 1, $1, $2, $3, $4, $5, $6, $7 FROM {s}.withholding_rules RETURNING rule_id";

const INSERT_BRACKETS: &str = "
INSERT INTO {s}.withholding_brackets (rule_id, above_minor, rate_ppm, quick_minor)
SELECT $1, b.* FROM unnest($2::bigint[], $3::integer[], $4::bigint[]) AS b";

/// Puts a rule in force from its day on; its number.
pub(crate) async fn insert_rule_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    rule: &WithholdingTerms,
) -> Result<i32, sqlx::Error> {
    // Checked terms have whole parts per million, which fit.
    let ppm = |ppm: u32| i32::try_from(ppm).unwrap_or(i32::MAX);
    let none: &[BracketTerms] = &[];
    let (method, rate, cost, allowance, brackets) = match &rule.method {
        MethodTerms::Flat { rate_ppm } => (1_i16, ppm(*rate_ppm), 0, 0, none),
        MethodTerms::Cumulative { cost_ppm, allowance_minor, brackets } => {
            (2, 0, ppm(*cost_ppm), *allowance_minor, brackets.as_slice())
        }
    };
    sqlx::query(db.sql(LOCK_RULES)).execute(&mut *tx).await?;
    let rule_id: i32 = sqlx::query_scalar(db.sql(INSERT_RULE))
        .bind(rule.payee.code())
        .bind(rule.valid_from)
        .bind(&rule.name)
        .bind(method)
        .bind(rate)
        .bind(cost)
        .bind(allowance)
        .fetch_one(&mut *tx)
        .await?;
    sqlx::query(db.sql(INSERT_BRACKETS))
        .bind(rule_id)
        .bind(brackets.iter().map(|row| row.above_minor).collect::<Vec<_>>())
        .bind(brackets.iter().map(|row| ppm(row.rate_ppm)).collect::<Vec<_>>())
        .bind(brackets.iter().map(|row| row.quick_minor).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(rule_id)
}

const FIND: &str = "SELECT * FROM {s}.withholding_proposals WHERE proposal_id = $1";

/// One proposal.
pub(crate) async fn find(db: &Db, proposal_id: Uuid) -> Result<Option<WithholdingProposal>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND)).bind(proposal_id).fetch_optional(db.pool()).await?;
    row.as_ref().map(proposal_of_row).transpose()
}

const NEWEST: &str = "SELECT * FROM {s}.withholding_proposals ORDER BY created_at DESC, proposal_id LIMIT $1";

/// Proposals, newest first.
pub(crate) async fn list(db: &Db, limit: i64) -> Result<Vec<WithholdingProposal>, sqlx::Error> {
    let rows = sqlx::query(db.sql(NEWEST)).bind(limit).fetch_all(db.pool()).await?;
    rows.iter().map(proposal_of_row).collect()
}

const RULES: &str = "
SELECT r.*, coalesce((SELECT jsonb_agg(jsonb_build_object('above_minor', b.above_minor, 'rate_ppm', b.rate_ppm,
        'quick_minor', b.quick_minor) ORDER BY b.above_minor)
    FROM {s}.withholding_brackets b WHERE b.rule_id = r.rule_id), '[]') AS brackets
FROM {s}.withholding_rules r ORDER BY r.payee_kind, r.valid_from DESC LIMIT $1";

/// Rules by kind of payee, the newest first.
pub(crate) async fn list_rules(db: &Db, limit: i64) -> Result<Vec<WithholdingRuleView>, sqlx::Error> {
    let rows = sqlx::query(db.sql(RULES)).bind(limit).fetch_all(db.pool()).await?;
    rows.iter().map(rule_of_row).collect()
}

fn rule_of_row(row: &PgRow) -> Result<WithholdingRuleView, sqlx::Error> {
    let ppm = |column: &'static str| {
        let value: i32 = row.try_get(column)?;
        u32::try_from(value).map_err(|_| unknown_code(column, value))
    };
    let method = match row.try_get("method")? {
        1_i16 => MethodTerms::Flat { rate_ppm: ppm("rate_ppm")? },
        2 => MethodTerms::Cumulative {
            cost_ppm: ppm("cost_ppm")?,
            allowance_minor: row.try_get("allowance_minor")?,
            brackets: row.try_get::<Json<Vec<BracketTerms>>, _>("brackets")?.0,
        },
        other => return Err(unknown_code("method", other)),
    };
    let payee: PayeeClass = class_of_row(row)?;
    let valid_from: NaiveDate = row.try_get("valid_from")?;
    let name = row.try_get("name")?;
    let rule = WithholdingTerms { payee, valid_from, name, method };
    Ok(WithholdingRuleView { rule_id: row.try_get("rule_id")?, rule })
}

fn proposal_of_row(row: &PgRow) -> Result<WithholdingProposal, sqlx::Error> {
    let code: i16 = row.try_get("state")?;
    let state = ProposalState::ALL.into_iter().find(|state| state.code() == code);
    Ok(WithholdingProposal {
        proposal_id: row.try_get("proposal_id")?,
        state: state.ok_or_else(|| unknown_code("state", code))?,
        rule: row.try_get::<Json<WithholdingTerms>, _>("rule")?.0,
        reason: row.try_get("reason")?,
        created_by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
        decided_by: row.try_get("decided_by")?,
        rule_id: row.try_get("rule_id")?,
    })
}
