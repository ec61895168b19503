//! The list as the source of a set: a look is one statement, and who reads also takes off the list who is gone.

use crate::store;
use crate::view::NODES;
use pg::Db;
use refresh::{LoadError, Rows, SnapshotSource, Versioned};

/// Reads the list.
pub(crate) struct RouteSource {
    pub db: Db,
}

#[async_trait::async_trait]
impl SnapshotSource<Rows> for RouteSource {
    async fn load(&self, known_version: i64) -> Result<Option<Versioned<Rows>>, LoadError> {
        let look = store::look(&self.db).await.map_err(LoadError::new)?;
        if look.is_stale {
            let gone = store::sweep(&self.db).await.map_err(LoadError::new)?;
            if !gone.is_empty() {
                tracing::warn!(?gone, "these nodes have not said that they are there and are listed no more");
            }
        } else if look.version <= known_version {
            return Ok(None);
        }
        let (version, routes) = store::list(&self.db).await.map_err(LoadError::new)?;
        if version <= known_version {
            return Ok(None);
        }
        let mut rows = Rows::new();
        rows.table(NODES)?;
        for (key, route) in routes {
            rows.put(NODES, &key, &route)?;
        }
        Ok(Some(Versioned { version, value: rows }))
    }
}
