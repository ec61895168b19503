//! Verifies the audit trail from its first row to its head, page by page.

use crate::domain::chain::{Anchor, ChainCheck, Fault, FaultKind};
use crate::store::audit;
use ids::BreakId;
use pg::Db;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Rows of one page; memory holds one page.
const PAGE_LEN: i64 = 1_000;

/// Breaks that are named where the trail does not explain them.
const UNEXPLAINED_MAX: i64 = 10;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verified {
    /// Rows that were looked at.
    pub rows: i64,
    /// The head, as `seq:hash`: keep it elsewhere, and give it as an anchor later.
    pub head: Option<String>,
    /// The first bad row; missing where all is well.
    pub fault: Option<Fault>,
    /// Breaks that stand otherwise than their steps in the trail say, the first ten.
    pub unexplained: Vec<BreakId>,
}

impl Verified {
    /// Whether nothing was found.
    pub fn is_whole(&self) -> bool {
        self.fault.is_none() && self.unexplained.is_empty()
    }
}

/// Looks at every row there is now, and at every break.
///
/// # Errors
/// Whatever the database says.
pub async fn verify_trail(db: &Db, anchors: Vec<Anchor>) -> Result<Verified, sqlx::Error> {
    let unexplained = audit::list_unexplained(db, UNEXPLAINED_MAX).await?;
    let Some(end) = audit::find_head(db).await? else {
        let fault = Some(Fault { seq: 0, kind: FaultKind::HeadMissing });
        return Ok(Verified { rows: 0, head: None, fault, unexplained });
    };
    let until = end.anchor.seq.max(end.last_seq);
    let mut check = ChainCheck::new(anchors);
    let said = |check: &ChainCheck, fault: Option<Fault>| {
        let (rows, head) = (check.seq(), Some(end.anchor.to_string()));
        Verified { rows, head, fault, unexplained: unexplained.clone() }
    };
    loop {
        let page = audit::list(db, (check.seq(), until), PAGE_LEN).await?;
        let Some(last) = page.last().map(|link| link.seq) else { break };
        for link in &page {
            if let Err(fault) = check.look(link) {
                return Ok(said(&check, Some(fault)));
            }
        }
        debug_assert_eq!(last, check.seq(), "a page that was looked at is behind us");
    }
    let whole = check.clone().finish(end.anchor);
    Ok(said(&check, whole.err()))
}
