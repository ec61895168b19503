//! One break with everything that is known of it, side by side.

use super::fitting_actions::MayPropose;
use super::order_rows::{find_row, seq_of};
use super::sources::Sources;
use crate::store::audit::{self, StepView};
use crate::store::breaks::{self, BreakView};
use crate::store::desk::{self, CommentView};
use crate::store::proposals::{self, ProposalView};
use contracts::digest::Pair;
use contracts::log::{LogName, LogRow};
use ids::{BreakId, Partition};
use pg::Db;
use seqlog::LogSource;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Comments, proposals and steps shown of one break: the newest.
const SHOWN_MAX: i64 = 200;

/// One side's evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SideView {
    /// The log, or `vouchers` beside the log they cover.
    pub log: String,
    /// What it said when the break was found; missing where it said nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub recorded: Option<Value>,
    /// Its row, as it is now; missing where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub row: Option<Value>,
    /// Why the row could not be read now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// A break, the evidence of both sides, and all that was said and done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BreakDetail {
    #[serde(rename = "break")]
    pub found: BreakView,
    pub before: SideView,
    pub after: SideView,
    /// Oldest first.
    pub comments: Vec<CommentView>,
    /// Newest first.
    pub proposals: Vec<ProposalView>,
    /// Its rows of the trail, newest first.
    pub history: Vec<StepView>,
    /// What a maker may propose about it; the desk fills it in.
    #[serde(default)]
    pub may_propose: MayPropose,
}

/// Everything about one break; `None` where there is none.
///
/// # Errors
/// Whatever the database says. A log that is away is told in its side.
pub async fn read_break(
    db: &Db,
    sources: &Sources,
    break_id: BreakId,
) -> Result<Option<BreakDetail>, sqlx::Error> {
    let Some(found) = breaks::find(db, break_id).await? else { return Ok(None) };
    let subject = break_id.to_string();
    // All at once: each is a way to the database and back, and none asks what another found.
    let (comments, proposals, history, (before, after)) = tokio::try_join!(
        desk::list_comments(db, break_id, SHOWN_MAX),
        proposals::list(db, break_id, SHOWN_MAX),
        audit::list_steps(db, Some(&subject), None, SHOWN_MAX),
        async { Ok(sides_of(sources, &found).await) },
    )?;
    let may_propose = MayPropose::default();
    Ok(Some(BreakDetail { found, before, after, comments, proposals, history, may_propose }))
}

async fn sides_of(sources: &Sources, found: &BreakView) -> (SideView, SideView) {
    let pair = Pair::ALL.into_iter().find(|pair| crate::domain::saying::name_of(*pair) == found.logs);
    let at = |side: &'static str| (found, side);
    match pair {
        Some(Pair::EntriesOrders) => {
            tokio::join!(side_of(&*sources.entries, at("before")), side_of(&*sources.orders, at("after")))
        }
        Some(Pair::OrdersItems) => {
            tokio::join!(side_of(&*sources.orders, at("before")), side_of(&*sources.items, at("after")))
        }
        None => {
            // A break about money outside shows our payments and the channel's rows.
            let is_outside = found.evidence.get("theirs").is_some();
            let (ours, theirs) = if is_outside { ("ours", "theirs") } else { ("rows", "vouchers") };
            let (one, other) = match is_outside {
                true => (LogName::Payments.as_str(), found.logs.as_str()),
                false => (found.logs.as_str(), LogName::Vouchers.as_str()),
            };
            let plain = |log: &str, said: &str| SideView {
                log: log.to_owned(),
                recorded: found.evidence.get(said).filter(|said| !said.is_null()).cloned(),
                row: None,
                unavailable: None,
            };
            (plain(one, ours), plain(other, theirs))
        }
    }
}

async fn side_of<R: LogRow>(source: &dyn LogSource<R>, (found, side): (&BreakView, &str)) -> SideView {
    let recorded = found.evidence.get(side).filter(|said| !said.is_null()).cloned();
    let partition: Partition = found.partition;
    let (row, unavailable) = match seq_of(found, side) {
        None => (None, None),
        Some(seq) => match find_row(source, partition, seq).await {
            Ok(row) => (row.and_then(|row| serde_json::to_value(row).ok()), None),
            Err(error) => (None, Some(error.to_string())),
        },
    };
    SideView { log: R::LOG.as_str().to_owned(), recorded, row, unavailable }
}
