//! Whose sets these are, where several installations share one cache.

use crate::digest::Digest;
use pg::Db;

/// Characters of an installation's mark.
const MARK_LEN: usize = 12;

/// A short mark of one database, as it goes into keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Installation(String);

impl Installation {
    /// The mark of whatever this text stands for.
    pub fn of(text: &str) -> Installation {
        Installation(Digest::of(text.as_bytes()).to_string().chars().take(MARK_LEN).collect())
    }

    /// The mark of a database: it is kept beside the leases, by [`crate::MIGRATOR`], so every node that uses the database
    /// finds the same, also after a failover. It costs one read, at a start.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn read(db: &Db) -> Result<Installation, sqlx::Error> {
        let read = db.sql("SELECT installation::text FROM {s}.refresh_installations");
        let kept: String = sqlx::query_scalar(read).fetch_one(db.pool()).await?;
        Ok(Installation::of(&kept))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}
