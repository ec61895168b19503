//! The only SQL on the table of addresses.
//!
//! Whoever changes the list takes its version first, so that changes queue and two of them cannot wait for each other.
//! The version is the database's time in milliseconds, and at least one more than before: where a promotion loses a
//! change, its number does not come again over another list.

use crate::listing::Own;
use crate::view::{Route, RouteKey};
use peer::{NODES_MAX, PeerUrl};
use pg::Db;
use sqlx::{PgConnection, Row};
use std::time::Duration;

/// Nodes of one service that are listed: as many as a process speaks to.
pub const LISTED_MAX: usize = NODES_MAX;

/// What became of a process's wish to be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    Yes,
    /// Another process that is there has this node's name.
    NameTaken,
    /// As many nodes of this service are listed as may be.
    Full(String),
}

const NEXT: &str = "
UPDATE {s}.versions SET version = greatest(version + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
RETURNING version";

async fn next_version_in_tx(tx: &mut PgConnection, db: &Db) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(db.sql(NEXT)).fetch_one(tx).await
}

/// How a row that is there already counts: at a start it is what a process of this name left behind, because names are
/// unique among live nodes; later it may be another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    First,
    Again,
}

const LIST_SELF: &str = "
INSERT INTO {s}.nodes AS n (service, node, instance, url, listed_until, seal)
SELECT w.service, $2, $3, $4, clock_timestamp() + $5, w.seal
FROM unnest($1::text[], $7::text[]) AS w (service, seal) ORDER BY w.service
ON CONFLICT (service, node) DO UPDATE SET instance = excluded.instance, url = excluded.url, seal = excluded.seal,
    listed_until = excluded.listed_until,
    registered_at = CASE WHEN n.url = excluded.url THEN n.registered_at ELSE excluded.registered_at END
WHERE $6 OR n.instance = excluded.instance OR n.listed_until < clock_timestamp()
RETURNING service";

const CROWDED: &str = "
SELECT service FROM {s}.nodes WHERE service = ANY($1) GROUP BY service HAVING count(*) > $2 ORDER BY service LIMIT 1";

/// Lists a process under every service it has.
pub(crate) async fn list_self(
    db: &Db,
    own: &Own,
    (claim, expires_after): (Claim, Duration),
) -> Result<Listed, sqlx::Error> {
    let mut tx = db.begin().await?;
    next_version_in_tx(&mut tx, db).await?;
    let listed: Vec<String> = sqlx::query_scalar(db.sql(LIST_SELF))
        .bind(&own.services)
        .bind(&own.node)
        .bind(own.instance)
        .bind(own.url.as_str())
        .bind(expires_after)
        .bind(claim == Claim::First)
        .bind(own.seals())
        .fetch_all(&mut *tx)
        .await?;
    if listed.len() < own.services.len() {
        tx.rollback().await?;
        return Ok(Listed::NameTaken);
    }
    let most = i64::try_from(LISTED_MAX).unwrap_or(i64::MAX);
    let crowded = sqlx::query_scalar(db.sql(CROWDED)).bind(&own.services).bind(most);
    if let Some(service) = crowded.fetch_optional(&mut *tx).await? {
        tx.rollback().await?;
        return Ok(Listed::Full(service));
    }
    tx.commit().await?;
    Ok(Listed::Yes)
}

const RENEW: &str = "
UPDATE {s}.nodes SET listed_until = clock_timestamp() + $3
WHERE node = $1 AND instance = $2 AND service = ANY($4)";

/// Says that a process is still there; `false` where it is not listed under all its services.
pub(crate) async fn renew(db: &Db, own: &Own, expires_after: Duration) -> Result<bool, sqlx::Error> {
    let renewed = sqlx::query(db.sql(RENEW)).bind(&own.node).bind(own.instance).bind(expires_after);
    let renewed = renewed.bind(&own.services).execute(db.pool()).await?;
    Ok(usize::try_from(renewed.rows_affected()).is_ok_and(|rows| rows == own.services.len()))
}

const LEAVE: &str = "DELETE FROM {s}.nodes WHERE node = $1 AND instance = $2";

/// Takes a process off the list.
pub(crate) async fn leave(db: &Db, own: &Own) -> Result<(), sqlx::Error> {
    let mut tx = db.begin().await?;
    next_version_in_tx(&mut tx, db).await?;
    let left = sqlx::query(db.sql(LEAVE)).bind(&own.node).bind(own.instance).execute(&mut *tx).await?;
    if left.rows_affected() == 0 { tx.rollback().await } else { tx.commit().await }
}

/// The list's version, and whether somebody on it has been silent for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub version: i64,
    pub is_stale: bool,
}

const LOOK: &str = "
SELECT version, EXISTS (SELECT FROM {s}.nodes WHERE listed_until < clock_timestamp()) AS is_stale FROM {s}.versions";

/// Looks: one statement.
pub(crate) async fn look(db: &Db) -> Result<Look, sqlx::Error> {
    let row = sqlx::query(db.sql(LOOK)).fetch_one(db.pool()).await?;
    Ok(Look { version: row.try_get("version")?, is_stale: row.try_get("is_stale")? })
}

// A row that is being renewed at this moment is not waited for.
const SWEEP: &str = "
WITH silent AS (
    SELECT service, node FROM {s}.nodes WHERE listed_until < clock_timestamp() FOR UPDATE SKIP LOCKED
)
DELETE FROM {s}.nodes n USING silent WHERE n.service = silent.service AND n.node = silent.node
RETURNING n.service || ' ' || n.node || ' at ' || n.url";

/// Takes off the list who has been silent for too long, and says who that was.
pub(crate) async fn sweep(db: &Db) -> Result<Vec<String>, sqlx::Error> {
    let mut tx = db.begin().await?;
    next_version_in_tx(&mut tx, db).await?;
    let gone: Vec<String> = sqlx::query_scalar(db.sql(SWEEP)).fetch_all(&mut *tx).await?;
    if gone.is_empty() {
        tx.rollback().await?
    } else {
        tx.commit().await?
    }
    Ok(gone)
}

const LIST: &str = "
SELECT v.version, n.service, n.node, n.url, n.seal, (extract(epoch FROM n.registered_at) * 1000)::bigint AS since_ms
FROM {s}.versions v LEFT JOIN {s}.nodes n ON true ORDER BY n.service, n.node";

/// Every row with the version it is of, in one statement and so of one moment.
///
/// # Errors
/// Whatever the database says; also where a URL is not the address of a process.
pub async fn list(db: &Db) -> Result<(i64, Vec<(RouteKey, Route)>), sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST)).fetch_all(db.pool()).await?;
    let (mut version, mut routes) = (0, Vec::new());
    for row in rows {
        version = row.try_get("version")?;
        let Some(service) = row.try_get::<Option<String>, _>("service")? else { continue };
        let url = PeerUrl::try_from(row.try_get::<String, _>("url")?);
        let url = url.map_err(|error| sqlx::Error::Decode(error.into()))?;
        routes.push((
            (service, row.try_get("node")?),
            Route { url, since_ms: row.try_get("since_ms")?, seal: row.try_get("seal")? },
        ));
    }
    Ok((version, routes))
}
