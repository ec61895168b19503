//! Verifies a trail from its first row to its head, page by page.

use crate::chain::{Anchor, ChainCheck, Fault, FaultKind};
use crate::rows::{find_head, list};
use pg::Db;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Rows of one page; memory holds one page.
const PAGE_LEN: i64 = 1_000;

/// Subjects that are named where the trail does not explain them.
const UNEXPLAINED_MAX: i64 = 10;

/// A statement that lists subjects that stand otherwise than their steps say, as texts, at most `$1`.
pub type Unexplained = &'static str;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verified {
    /// Rows that were looked at.
    pub rows: i64,
    /// The head, as `seq:hash`: keep it elsewhere, and give it as an anchor later.
    pub head: Option<String>,
    /// The first bad row; missing where all is well.
    pub fault: Option<Fault>,
    /// What stands otherwise than its steps in the trail say, the first ten.
    pub unexplained: Vec<String>,
}

impl Verified {
    /// Whether nothing was found.
    pub fn is_whole(&self) -> bool {
        self.fault.is_none() && self.unexplained.is_empty()
    }
}

/// Looks at every row there is now.
///
/// # Errors
/// Whatever the database says.
pub async fn verify(db: &Db, anchors: Vec<Anchor>) -> Result<Verified, sqlx::Error> {
    let unexplained = Vec::new();
    let Some(end) = find_head(db).await? else {
        let fault = Some(Fault { seq: 0, kind: FaultKind::HeadMissing });
        return Ok(Verified { rows: 0, head: None, fault, unexplained });
    };
    let until = end.anchor.seq.max(end.last_seq);
    let mut check = ChainCheck::new(anchors);
    let said = |check: &ChainCheck, fault: Option<Fault>| {
        let (rows, head) = (check.seq(), Some(end.anchor.to_string()));
        Verified { rows, head, fault, unexplained: Vec::new() }
    };
    loop {
        let page = list(db, (check.seq(), until), PAGE_LEN).await?;
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

/// The same, and what the trail does not explain. One statement sees both, so a step that is taken meanwhile is
/// no finding.
///
/// # Errors
/// Whatever the database says.
pub async fn verify_with(
    db: &Db,
    unexplained: Unexplained,
    anchors: Vec<Anchor>,
) -> Result<Verified, sqlx::Error> {
    let found: Vec<String> =
        sqlx::query_scalar(db.sql(unexplained)).bind(UNEXPLAINED_MAX).fetch_all(db.pool()).await?;
    Ok(Verified { unexplained: found, ..verify(db, anchors).await? })
}
