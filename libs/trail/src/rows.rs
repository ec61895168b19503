//! The audit trail: appended with the step it tells of, read in pages.
//!
//! Lock order: whatever a step changes first, the head of the trail last. The head is held until the COMMIT, so seqs
//! have no gap; every step is a short transaction.

use crate::canonical::{Hash, hex};
use crate::chain::{Anchor, Link, Step};
use chrono::{DateTime, Utc};
use pg::Db;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, Row};
use utoipa::ToSchema;

const LOCK_HEAD: &str = "SELECT seq, hash FROM {s}.audit_head FOR UPDATE";

const APPEND: &str = "
INSERT INTO {s}.audit_trail (seq, at, actor, act, subject, body, previous, hash)
SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::jsonb[], $7::bytea[],
    $8::bytea[])";

const MOVE_HEAD: &str = "UPDATE {s}.audit_head SET seq = $1, hash = $2";

/// Appends steps; returns the seq of the last.
///
/// # Errors
/// Whatever the database says.
pub async fn append_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    steps: Vec<Step>,
    now: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    let row = sqlx::query(db.sql(LOCK_HEAD)).fetch_one(&mut *tx).await?;
    let Anchor { seq, hash } = anchor_of_row(&row)?;
    let (mut end, mut links) = ((seq, hash), Vec::with_capacity(steps.len()));
    for step in steps {
        let link = Link::after(end, step, now);
        end = (link.seq, hash_of_bytes(&link.hash)?);
        links.push(link);
    }
    if links.is_empty() {
        return Ok(seq);
    }
    sqlx::query(db.sql(APPEND))
        .bind(links.iter().map(|link| link.seq).collect::<Vec<_>>())
        .bind(links.iter().map(|link| link.at).collect::<Vec<_>>())
        .bind(links.iter().map(|link| link.actor.as_str()).collect::<Vec<_>>())
        .bind(links.iter().map(|link| link.act.as_str()).collect::<Vec<_>>())
        .bind(links.iter().map(|link| link.subject.as_str()).collect::<Vec<_>>())
        .bind(links.iter().map(|link| link.body.clone()).collect::<Vec<_>>())
        .bind(links.iter().map(|link| link.previous.as_slice()).collect::<Vec<_>>())
        .bind(links.iter().map(|link| link.hash.as_slice()).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
    sqlx::query(db.sql(MOVE_HEAD)).bind(end.0).bind(end.1.as_slice()).execute(tx).await?;
    Ok(end.0)
}

fn hash_of_bytes(bytes: &[u8]) -> Result<Hash, sqlx::Error> {
    Hash::try_from(bytes).map_err(|e| sqlx::Error::Decode(e.into()))
}

fn anchor_of_row(row: &sqlx::postgres::PgRow) -> Result<Anchor, sqlx::Error> {
    Ok(Anchor { seq: row.try_get("seq")?, hash: hash_of_bytes(row.try_get("hash")?)? })
}

const HEAD: &str = "
SELECT seq, hash, (SELECT coalesce(max(seq), 0) FROM {s}.audit_trail) AS last_seq FROM {s}.audit_head";

/// The end of the trail, as of one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// What the head says.
    pub anchor: Anchor,
    /// The last row there is.
    pub last_seq: i64,
}

/// The end of the trail; `None` where its head is gone, which is a finding of its own.
///
/// # Errors
/// Whatever the database says.
pub async fn find_head(db: &Db) -> Result<Option<End>, sqlx::Error> {
    let row = sqlx::query(db.sql(HEAD)).fetch_optional(db.pool()).await?;
    let one = |row| Ok(End { anchor: anchor_of_row(&row)?, last_seq: row.try_get("last_seq")? });
    row.map(one).transpose()
}

const PAGE: &str = "
SELECT seq, at, actor, act, subject, body, previous, hash FROM {s}.audit_trail
WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3";

/// Rows after `after` and up to `until`, in order, at most `limit`.
///
/// # Errors
/// Whatever the database says.
pub async fn list(db: &Db, (after, until): (i64, i64), limit: i64) -> Result<Vec<Link>, sqlx::Error> {
    let rows = sqlx::query(db.sql(PAGE)).bind(after).bind(until).bind(limit).fetch_all(db.pool()).await?;
    let one = |row: &sqlx::postgres::PgRow| {
        Ok(Link {
            seq: row.try_get("seq")?,
            at: row.try_get("at")?,
            actor: row.try_get("actor")?,
            act: row.try_get("act")?,
            subject: row.try_get("subject")?,
            body: row.try_get("body")?,
            previous: row.try_get("previous")?,
            hash: row.try_get("hash")?,
        })
    };
    rows.iter().map(one).collect()
}

/// A row of the trail as people read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepView {
    pub seq: i64,
    pub at: DateTime<Utc>,
    /// A person's id, or the service's name for what it does by itself.
    pub actor: String,
    pub act: String,
    /// What it is about, such as a break's id.
    pub subject: String,
    #[schema(value_type = Object)]
    pub body: serde_json::Value,
    /// The row's hash, in hexadecimal.
    pub hash: String,
}

const OF_SUBJECT: &str = "
SELECT seq, at, actor, act, subject, body, hash FROM {s}.audit_trail
WHERE ($1::text IS NULL OR subject = $1) AND ($2::bigint IS NULL OR seq < $2) ORDER BY seq DESC LIMIT $3";

/// Rows about a subject, or about all, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list_steps(
    db: &Db,
    subject: Option<&str>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<StepView>, sqlx::Error> {
    let reading = db.reading();
    let list = sqlx::query(reading.sql(OF_SUBJECT)).bind(subject.map(str::to_owned)).bind(before).bind(limit);
    let rows = reading.fetch_all(list).await?;
    let one = |row: &sqlx::postgres::PgRow| {
        Ok(StepView {
            seq: row.try_get("seq")?,
            at: row.try_get("at")?,
            actor: row.try_get("actor")?,
            act: row.try_get("act")?,
            subject: row.try_get("subject")?,
            body: row.try_get("body")?,
            hash: hex(row.try_get("hash")?),
        })
    };
    rows.iter().map(one).collect()
}
