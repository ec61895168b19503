//! Rules of matching: a version is proposed by one person, tried against a past day, and decided by another.

use super::daily_error::DailyError;
use super::desk_error::{DeskError, checked_text};
use super::match_bills::{BillMatching, checked, lines_of, rules_in_force};
use crate::domain::bill_line::BillScope;
use crate::domain::chain::Step;
use crate::store::audit;
use crate::store::matching_rules::{self, RulesState, RulesView};
use chrono::{NaiveDate, Utc};
use contracts::class::{Classed, ErrorClass};
use ids::Uuid;
use matching::passes::{Change, Comparison, DryRunError, dry_run};
use pg::Db;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Lines whose fate changed that a dry run shows; it counts all of them.
const CHANGES_MAX: usize = 1_000;

/// Versions that are looked at to find the newest.
const VERSIONS_MAX: i64 = 1;

/// Why rules were not changed.
#[derive(Debug, thiserror::Error)]
pub enum RulesChangeError {
    #[error("the rules do not run: {0}")]
    Refused(String),
    #[error("the next version of these rules is {next}, and one at a time is undecided")]
    NotNext { next: i32 },
    #[error("there is no such version to decide")]
    NoSuchVersion,
    #[error("whoever proposed it cannot decide it")]
    MakerIsChecker,
    #[error(transparent)]
    Daily(#[from] DailyError),
    #[error(transparent)]
    Desk(#[from] DeskError),
    #[error("the versions cannot be compared")]
    DryRun(#[from] DryRunError),
    #[error("the database failed")]
    Db(#[from] sqlx::Error),
}

impl Classed for RulesChangeError {
    fn class(&self) -> ErrorClass {
        match self {
            RulesChangeError::Refused(_) | RulesChangeError::DryRun(_) => ErrorClass::Rejected,
            RulesChangeError::NotNext { .. } => ErrorClass::Conflict,
            RulesChangeError::NoSuchVersion => ErrorClass::NotFound,
            RulesChangeError::MakerIsChecker => ErrorClass::Denied,
            RulesChangeError::Daily(error) => error.class(),
            RulesChangeError::Desk(error) => error.class(),
            RulesChangeError::Db(_) => ErrorClass::Transient,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            RulesChangeError::Refused(_) => "matching-rules-refused",
            RulesChangeError::NotNext { .. } => "matching-rules-not-next",
            RulesChangeError::NoSuchVersion => "no-such-version",
            RulesChangeError::MakerIsChecker => "maker-is-checker",
            RulesChangeError::DryRun(_) => "dry-run-failed",
            RulesChangeError::Daily(error) => error.slug(),
            RulesChangeError::Desk(error) => error.slug(),
            RulesChangeError::Db(_) => "database-unavailable",
        }
    }
}

/// What a version would have done with a day's lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DryRunView {
    pub day: NaiveDate,
    pub old_version: u32,
    pub new_version: u32,
    /// Lines by how their fate changed.
    pub counts: BTreeMap<String, u64>,
    /// The first of them, by channel.
    #[schema(value_type = Object)]
    pub changes: Value,
}

/// Proposes the next version of a scope's rules.
///
/// # Errors
/// [`RulesChangeError`]; nothing has changed then.
pub async fn propose(
    db: &Db,
    scope: BillScope,
    rules: &Value,
    (maker, reason): (Uuid, &str),
) -> Result<RulesView, RulesChangeError> {
    let reason = checked_text(reason)?;
    let ready = checked(rules).map_err(|error| RulesChangeError::Refused(error.to_string()))?;
    let newest = matching_rules::list(db, Some(scope), VERSIONS_MAX).await?;
    let next = newest.first().map_or(1, |newest| newest.version + 1);
    if i64::from(ready.rules().version) != i64::from(next) {
        return Err(RulesChangeError::NotNext { next });
    }
    let now = Utc::now();
    let mut tx = db.begin().await?;
    let proposed = matching_rules::propose_in_tx(&mut tx, db, (scope, next), rules, (maker, reason)).await?;
    let Some(proposed) = proposed else {
        tx.rollback().await?;
        return Err(RulesChangeError::NotNext { next });
    };
    let body = json!({ "rules": rules, "reason": reason });
    audit::append_in_tx(&mut tx, db, vec![step(maker, "proposed", (scope, next), body)], now).await?;
    tx.commit().await?;
    Ok(proposed)
}

fn step(actor: Uuid, act: &'static str, (scope, version): (BillScope, i32), body: Value) -> Step {
    let subject = format!("matching-rules/{}/{version}", scope.as_str());
    Step { actor: actor.to_string(), act, subject, body }
}

/// Decides a proposed version. The newest approved one is in force from the next run on.
///
/// # Errors
/// [`RulesChangeError`]; nothing has changed then.
pub async fn decide(
    db: &Db,
    (scope, version): (BillScope, i32),
    state: RulesState,
    checker: Uuid,
) -> Result<RulesView, RulesChangeError> {
    let found = matching_rules::find(db, scope, version).await?.ok_or(RulesChangeError::NoSuchVersion)?;
    if found.state != RulesState::Proposed {
        return Err(RulesChangeError::NoSuchVersion);
    }
    if found.maker_id == Some(checker) {
        return Err(RulesChangeError::MakerIsChecker);
    }
    let now = Utc::now();
    let mut tx = db.begin().await?;
    let decided = matching_rules::decide_in_tx(&mut tx, db, (scope, version), (state, checker), now).await?;
    let Some(decided) = decided else {
        tx.rollback().await?;
        return Err(RulesChangeError::NoSuchVersion);
    };
    let act = if state == RulesState::Approved { "approved" } else { "rejected" };
    let body = json!({ "maker_id": found.maker_id, "rules": found.rules });
    audit::append_in_tx(&mut tx, db, vec![step(checker, act, (scope, version), body)], now).await?;
    tx.commit().await?;
    Ok(decided)
}

/// What a version would have done with a past day's lines, beside the one in force. Keeps nothing.
///
/// # Errors
/// [`RulesChangeError`].
pub async fn try_out(
    matching: &BillMatching<'_>,
    (scope, version): (BillScope, i32),
) -> Result<DryRunView, RulesChangeError> {
    let db = matching.db;
    let found = matching_rules::find(db, scope, version).await?.ok_or(RulesChangeError::NoSuchVersion)?;
    let (old, new) = (rules_in_force(db, scope).await?, checked(&found.rules)?);
    let mut view = DryRunView {
        day: matching.day,
        old_version: old.rules().version,
        new_version: new.rules().version,
        counts: BTreeMap::new(),
        changes: Value::Null,
    };
    let mut changes: Vec<(String, Change)> = Vec::new();
    for ((_, channel), _) in matching.places().await?.into_iter().filter(|(place, _)| place.0 == scope) {
        let sides = matching.lines((scope, &channel)).await?;
        let (left, right) = lines_of(&sides);
        let Comparison { counts, changes: of_channel, .. } = dry_run(&old, &new, &left, &right)?.comparison;
        for (kind, count) in counts {
            *view.counts.entry(json!(kind).as_str().unwrap_or_default().to_owned()).or_default() += count;
        }
        let room = CHANGES_MAX.saturating_sub(changes.len());
        changes.extend(of_channel.into_iter().take(room).map(|change| (channel.clone(), change)));
    }
    let shown = changes.iter().map(|(channel, change)| json!({ "channel": channel, "change": change }));
    view.changes = Value::Array(shown.collect());
    Ok(view)
}
