//! Leases of gift nodes, by boot.

use pg::Db;
use std::collections::HashSet;
use std::time::Duration;

const RENEW: &str = "
INSERT INTO {s}.nodes AS n (node, leased_until) VALUES ($1, clock_timestamp() + $2)
ON CONFLICT (node) DO UPDATE SET leased_until = clock_timestamp() + $2";

/// Begins or renews a lease.
pub async fn renew(db: &Db, node: &str, lease: Duration) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(RENEW)).bind(node).bind(lease).execute(db.pool()).await?;
    Ok(())
}

/// Ends a lease at once: this boot shows nothing any more.
pub async fn end(db: &Db, node: &str) -> Result<(), sqlx::Error> {
    let text = "UPDATE {s}.nodes SET leased_until = clock_timestamp() WHERE node = $1";
    sqlx::query(db.sql(text)).bind(node).execute(db.pool()).await?;
    Ok(())
}

/// The boots whose lease runs.
pub async fn list_alive(db: &Db) -> Result<HashSet<String>, sqlx::Error> {
    let text = "SELECT node FROM {s}.nodes WHERE leased_until >= clock_timestamp()";
    let nodes: Vec<String> = sqlx::query_scalar(db.sql(text)).fetch_all(db.pool()).await?;
    Ok(nodes.into_iter().collect())
}

const FORGET: &str = "
DELETE FROM {s}.nodes WHERE leased_until < clock_timestamp() - interval '1 day'";

/// Forgets boots dead for a day: a boot without a row is as dead as one with an ended lease.
pub async fn forget_dead(db: &Db) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(FORGET)).execute(db.pool()).await?;
    Ok(())
}
