//! Both sides of a break, a payment or a bill's row, and why they are matched or not.

use super::daily_error::DailyError;
use super::read_break::{BreakDetail, read_break};
use super::sources::Sources;
use crate::domain::bill_line::{BillScope, OurLine, TheirLine};
use crate::store::breaks::{self, BreakView};
use crate::store::matches::{self, MatchView};
use crate::store::{bills, day_lines, payout_lines, withdrawals};
use ids::{BreakId, Uuid};
use pg::Db;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Rows of each side, and breaks, that an explanation shows.
const SHOWN_MAX: usize = 100;

/// What is known of one id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// `break`, `payment`, `payout` or `bill_row`.
    pub about: String,
    /// In one sentence.
    pub why: String,
    pub ours: Vec<OurLine>,
    pub theirs: Vec<TheirLine>,
    pub matches: Vec<MatchView>,
    /// Breaks that are about it.
    pub breaks: Vec<BreakView>,
    /// Everything about the break, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<BreakDetail>,
}

/// What is known of an id.
///
/// # Errors
/// [`DailyError::BadId`], [`DailyError::NothingKnown`], and whatever the database says.
pub async fn explain(db: &Db, sources: &Sources, id: &str) -> Result<Explanation, DailyError> {
    if let Some((bill, row_no)) = bills::parts_of_row_id(id) {
        let row = bills::find_row(db, bill, row_no).await?.ok_or(DailyError::NothingKnown)?;
        return about_row(db, "bill_row", (Vec::new(), vec![row]), &bills::row_id(bill, row_no)).await;
    }
    if let Some(line) = payout_lines::find(db, "", id).await? {
        let row_id = line.payment_id.clone();
        return about_row(db, "payout", (vec![line], Vec::new()), &row_id).await;
    }
    let id = Uuid::try_parse(id).map_err(|_| DailyError::BadId)?;
    if let Some(detail) = read_break(db, sources, BreakId::from_uuid(id)).await? {
        return Ok(about_break(detail));
    }
    let line = day_lines::find_payment(db, id).await?.ok_or(DailyError::NothingKnown)?;
    let row_id = line.payment_id.clone();
    about_row(db, "payment", (vec![line], Vec::new()), &row_id).await
}

/// A payment, a withdrawal or a movement of a payout, by its name.
async fn our_line(db: &Db, row_id: &str) -> Result<Option<OurLine>, sqlx::Error> {
    if let Some((bill_id, row_no)) = bills::parts_of_row_id(row_id) {
        return withdrawals::find(db, bill_id, row_no).await;
    }
    match Uuid::try_parse(row_id) {
        Ok(payment_id) => day_lines::find_payment(db, payment_id).await,
        Err(_) => payout_lines::find(db, "", row_id).await,
    }
}

fn about_break(detail: BreakDetail) -> Explanation {
    fn lines<T: serde::de::DeserializeOwned>(found: &BreakView, side: &str) -> Vec<T> {
        let rows = found.evidence.get(side).cloned().unwrap_or_default();
        serde_json::from_value(rows).unwrap_or_default() // Evidence of another kind has no lines.
    }
    let found = &detail.found;
    let said = found.evidence.get("why").map(ToString::to_string);
    let why = format!("{}: {}", found.kind.as_str(), said.unwrap_or_else(|| found.evidence.to_string()));
    Explanation {
        about: "break".to_owned(),
        why,
        ours: lines(found, "ours"),
        theirs: lines(found, "theirs"),
        matches: Vec::new(),
        breaks: vec![found.clone()],
        detail: Some(detail),
    }
}

async fn about_row(
    db: &Db,
    about: &str,
    (mut ours, mut theirs): (Vec<OurLine>, Vec<TheirLine>),
    row_id: &str,
) -> Result<Explanation, DailyError> {
    let shown_max = i64::try_from(SHOWN_MAX).unwrap_or(i64::MAX);
    let (matches, breaks) =
        tokio::try_join!(matches::list_of_row(db, row_id), breaks::list_about_row(db, row_id, shown_max))?;
    for other in matches.iter().flat_map(|of| &of.ours).take(SHOWN_MAX) {
        if other != row_id
            && let Some(line) = our_line(db, other).await?
        {
            ours.push(line);
        }
    }
    for other in matches.iter().flat_map(|of| &of.theirs).take(SHOWN_MAX).filter(|other| *other != row_id) {
        if let Some((bill, row_no)) = bills::parts_of_row_id(other)
            && let Some(line) = bills::find_row(db, bill, row_no).await?
        {
            theirs.push(line);
        }
    }
    // A fund bill is second evidence: it does not say that what the trade bill or the bank lacks is matched.
    let first = matches.first().filter(|of| of.scope != BillScope::Funds || breaks.is_empty());
    let why = match (first, breaks.first()) {
        (Some(of), _) => {
            let (ours, theirs) = (of.ours.len(), of.theirs.len());
            let tolerance = of
                .tolerance
                .as_ref()
                .map(|name| format!(", {} minor units apart as {name} allows", of.variance_minor));
            format!(
                "matched by the pass {} of version {} of the {} rules in the run of {}: {ours} of ours with {theirs} of \
                 theirs{}",
                of.pass,
                of.rules_version,
                of.scope.as_str(),
                of.day,
                tolerance.unwrap_or_default()
            )
        }
        (None, Some(found)) => {
            let why = found.evidence.get("why").map(ToString::to_string).unwrap_or_default();
            format!("not matched: {} {why}", found.kind.as_str())
        }
        (None, None) => "not matched, and no run has found a difference about it".to_owned(),
    };
    Ok(Explanation { about: about.to_owned(), why, ours, theirs, matches, breaks, detail: None })
}
