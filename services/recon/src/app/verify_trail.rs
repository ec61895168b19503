//! Verifies the audit trail of breaks: the chain, and that every break stands as its steps say.

use crate::domain::chain::Anchor;
use crate::store::audit;
use pg::Db;
use trail::{Verified, verify};

/// Breaks that are named where the trail does not explain them.
const UNEXPLAINED_MAX: i64 = 10;

/// Looks at every row there is now, and at every break.
///
/// # Errors
/// Whatever the database says.
pub async fn verify_trail(db: &Db, anchors: Vec<Anchor>) -> Result<Verified, sqlx::Error> {
    let unexplained = audit::list_unexplained(db, UNEXPLAINED_MAX).await?;
    Ok(Verified { unexplained, ..verify(db, anchors).await? })
}
