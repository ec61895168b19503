//! Files of channels and banks, their rows, and saved column profiles.

use crate::domain::bill_line::{BillScope, TheirLine};
use crate::domain::canonical::hex;
use chrono::{DateTime, NaiveDate, Utc};
use ids::Uuid;
use pg::Db;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row;
use sqlx::postgres::PgRow;
use utoipa::ToSchema;

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BillState {
    /// Its rows are coming in: it counts for nothing yet.
    Staging,
    Imported,
}

/// A file as finance sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BillView {
    pub bill_id: Uuid,
    /// Of the unpacked bytes.
    pub sha256: String,
    pub scope: BillScope,
    pub channel: String,
    pub format: String,
    /// The saved profile it was read by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    pub state: BillState,
    /// The days it covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_from: Option<NaiveDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_to: Option<NaiveDate>,
    pub rows: i64,
    pub bytes: i64,
    /// By currency: rows, `in_minor`, `out_minor`, `fee_micro`.
    #[schema(value_type = Object)]
    pub totals: Value,
    /// What the file states of itself and its rows bear out.
    #[schema(value_type = Object)]
    pub proofs: Value,
    /// Whose rows they are.
    #[schema(value_type = Object)]
    pub accounts: Value,
    pub imported_by: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imported_at: Option<DateTime<Utc>>,
}

const CLAIM: &str = "
INSERT INTO {s}.bills (bill_id, sha256, scope, channel, format, profile, period_from, period_to, row_count, byte_count,
    totals, proofs, accounts, claimed_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT DO NOTHING";

/// Says that a file is coming in, unless it was before.
///
/// # Errors
/// Whatever the database says.
pub async fn claim(db: &Db, bill: &BillView, sha256: [u8; 32]) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(CLAIM))
        .bind(bill.bill_id)
        .bind(sha256.as_slice())
        .bind(bill.scope.code())
        .bind(&bill.channel)
        .bind(&bill.format)
        .bind(&bill.profile)
        .bind(bill.period_from)
        .bind(bill.period_to)
        .bind(bill.rows)
        .bind(bill.bytes)
        .bind(&bill.totals)
        .bind(&bill.proofs)
        .bind(&bill.accounts)
        .bind(bill.imported_by)
        .execute(db.pool())
        .await
        .map(drop)
}

/// A row on its way in.
#[derive(Clone, Debug)]
pub struct NewRow {
    pub row_no: i64,
    pub line: i64,
    pub day: NaiveDate,
    pub kind: String,
    pub account: String,
    pub channel_ref: String,
    pub our_ref: Option<String>,
    pub about_ref: Option<String>,
    pub status: String,
    pub amount_minor: i64,
    pub fee_micro: i64,
    pub currency: String,
    pub balance_minor: Option<i64>,
    pub raw: String,
}

const STAGE: &str = "
INSERT INTO {s}.bill_rows (bill_id, scope, channel, row_no, line, day, kind, account, channel_ref, our_ref, about_ref,
    status, amount_minor, fee_micro, currency, balance_minor, raw)
SELECT $1, $2, $3, r.* FROM unnest($4::bigint[], $5::bigint[], $6::date[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::text[], $16::bigint[], $17::text[]) AS r
ON CONFLICT DO NOTHING";

/// Stages rows of a file that is coming in. They follow from the file, so staging them again changes nothing.
///
/// # Errors
/// Whatever the database says.
pub async fn stage(
    db: &Db,
    (bill_id, scope, channel): (Uuid, BillScope, &str),
    rows: &[NewRow],
) -> Result<(), sqlx::Error> {
    fn column<'a, T>(rows: &'a [NewRow], of: impl Fn(&'a NewRow) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    sqlx::query(db.sql(STAGE))
        .bind(bill_id)
        .bind(scope.code())
        .bind(channel)
        .bind(column(rows, |row| row.row_no))
        .bind(column(rows, |row| row.line))
        .bind(column(rows, |row| row.day))
        .bind(column(rows, |row| row.kind.as_str()))
        .bind(column(rows, |row| row.account.as_str()))
        .bind(column(rows, |row| row.channel_ref.as_str()))
        .bind(column(rows, |row| row.our_ref.as_deref()))
        .bind(column(rows, |row| row.about_ref.as_deref()))
        .bind(column(rows, |row| row.status.as_str()))
        .bind(column(rows, |row| row.amount_minor))
        .bind(column(rows, |row| row.fee_micro))
        .bind(column(rows, |row| row.currency.as_str()))
        .bind(column(rows, |row| row.balance_minor))
        .bind(column(rows, |row| row.raw.as_str()))
        .execute(db.pool())
        .await
        .map(drop)
}

const COUNT_STAGED: &str = "SELECT count(*) FROM {s}.bill_rows WHERE bill_id = $1";

/// How many rows of a file are here.
///
/// # Errors
/// Whatever the database says.
pub async fn count_staged(db: &Db, bill_id: Uuid) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(db.sql(COUNT_STAGED)).bind(bill_id).fetch_one(db.pool()).await
}

const FINISH: &str = "UPDATE {s}.bills SET state = 2, imported_at = $2 WHERE bill_id = $1 AND state = 1";

/// Makes a file count. `false`: another import of it was first.
///
/// # Errors
/// Whatever the database says.
pub async fn finish(db: &Db, bill_id: Uuid, now: DateTime<Utc>) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(db.sql(FINISH)).bind(bill_id).bind(now).execute(db.pool()).await?;
    Ok(done.rows_affected() == 1)
}

const FIND: &str = "SELECT * FROM {s}.bills WHERE bill_id = $1";

/// One file.
///
/// # Errors
/// Whatever the database says.
pub async fn find(db: &Db, bill_id: Uuid) -> Result<Option<BillView>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND)).bind(bill_id).fetch_optional(db.pool()).await?;
    row.as_ref().map(bill_of_row).transpose()
}

const LIST: &str = "
SELECT * FROM {s}.bills
WHERE ($1::date IS NULL OR (period_from <= $1 AND period_to >= $1)) AND ($2::uuid IS NULL OR (claimed_at, bill_id) <
    (SELECT claimed_at, bill_id FROM {s}.bills WHERE bill_id = $2))
ORDER BY claimed_at DESC, bill_id DESC LIMIT $3";

/// Files, the newest first: those that cover a day, or all.
///
/// # Errors
/// Whatever the database says.
pub async fn list(
    db: &Db,
    day: Option<NaiveDate>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<BillView>, sqlx::Error> {
    let reading = db.reading();
    let list = sqlx::query(reading.sql(LIST)).bind(day).bind(before).bind(limit);
    reading.fetch_all(list).await?.iter().map(bill_of_row).collect()
}

const COVERING: &str = "
SELECT * FROM {s}.bills WHERE state = 2 AND period_from <= $1 AND period_to >= $1
ORDER BY scope, channel, sha256 LIMIT $2";

/// Imported files that cover a day, in a fixed order.
///
/// # Errors
/// Whatever the database says.
pub async fn list_covering(db: &Db, day: NaiveDate, limit: i64) -> Result<Vec<BillView>, sqlx::Error> {
    let rows = sqlx::query(db.sql(COVERING)).bind(day).bind(limit).fetch_all(db.pool()).await?;
    rows.iter().map(bill_of_row).collect()
}

fn bill_of_row(row: &PgRow) -> Result<BillView, sqlx::Error> {
    let (scope, state): (i16, i16) = (row.try_get("scope")?, row.try_get("state")?);
    Ok(BillView {
        bill_id: row.try_get("bill_id")?,
        sha256: hex(row.try_get("sha256")?),
        scope: BillScope::of_code(scope).ok_or(sqlx::Error::RowNotFound)?,
        channel: row.try_get("channel")?,
        format: row.try_get("format")?,
        profile: row.try_get("profile")?,
        state: if state == 2 { BillState::Imported } else { BillState::Staging },
        period_from: row.try_get("period_from")?,
        period_to: row.try_get("period_to")?,
        rows: row.try_get("row_count")?,
        bytes: row.try_get("byte_count")?,
        totals: row.try_get("totals")?,
        proofs: row.try_get("proofs")?,
        accounts: row.try_get("accounts")?,
        imported_by: row.try_get("claimed_by")?,
        imported_at: row.try_get("imported_at")?,
    })
}

const LIST_THEIRS: &str = "
SELECT r.* FROM {s}.bill_rows r JOIN {s}.bills b ON b.bill_id = r.bill_id AND b.state = 2
WHERE r.scope = $1 AND r.channel = $2 AND (r.day, r.bill_id, r.row_no) > ($3, $4, $5) AND r.day <= $6
    AND NOT EXISTS (SELECT FROM {s}.matched_rows x JOIN {s}.matches m ON m.match_id = x.match_id
                    WHERE x.scope = $1 AND x.side = 2 AND x.row_id = r.bill_id::text || ':' || r.row_no
                        AND m.day <> $7)
ORDER BY r.day, r.bill_id, r.row_no LIMIT $8";

/// Where a page of rows begins: behind this one.
pub type After = (NaiveDate, Uuid, i64);

/// A channel's rows from one day to another that no other day's match has, a page at a time; with the place of each.
///
/// # Errors
/// Whatever the database says.
pub async fn list_theirs(
    db: &Db,
    (scope, channel): (BillScope, &str),
    (after, until): (After, NaiveDate),
    day: NaiveDate,
    limit: i64,
) -> Result<Vec<(After, TheirLine)>, sqlx::Error> {
    let list = sqlx::query(db.sql(LIST_THEIRS))
        .bind(scope.code())
        .bind(channel.to_owned())
        .bind(after.0)
        .bind(after.1)
        .bind(after.2)
        .bind(until)
        .bind(day)
        .bind(limit);
    let one = |row: &PgRow| {
        let place = (row.try_get("day")?, row.try_get("bill_id")?, row.try_get("row_no")?);
        Ok((place, their_line_of_row(row)?))
    };
    list.fetch_all(db.pool()).await?.iter().map(one).collect()
}

/// The id of a bill's row.
pub fn row_id(bill_id: Uuid, row_no: i64) -> String {
    format!("{bill_id}:{row_no}")
}

/// The bill and the row's number in the id of a row.
pub fn parts_of_row_id(id: &str) -> Option<(Uuid, i64)> {
    let (bill, row) = id.split_once(':')?;
    Some((Uuid::try_parse(bill).ok()?, row.parse().ok()?))
}

fn their_line_of_row(row: &PgRow) -> Result<TheirLine, sqlx::Error> {
    let scope: i16 = row.try_get("scope")?;
    Ok(TheirLine {
        row_id: row_id(row.try_get("bill_id")?, row.try_get("row_no")?),
        scope: BillScope::of_code(scope).ok_or(sqlx::Error::RowNotFound)?,
        channel: row.try_get("channel")?,
        day: row.try_get("day")?,
        line: row.try_get("line")?,
        kind: row.try_get("kind")?,
        account: row.try_get("account")?,
        channel_ref: row.try_get("channel_ref")?,
        our_ref: row.try_get("our_ref")?,
        about_ref: row.try_get("about_ref")?,
        status: row.try_get("status")?,
        amount_minor: row.try_get("amount_minor")?,
        fee_micro: row.try_get("fee_micro")?,
        currency: row.try_get("currency")?,
        raw: row.try_get("raw")?,
    })
}

const FIND_ROW: &str = "SELECT * FROM {s}.bill_rows WHERE bill_id = $1 AND row_no = $2";

/// One row of a file.
///
/// # Errors
/// Whatever the database says.
pub async fn find_row(db: &Db, bill_id: Uuid, row_no: i64) -> Result<Option<TheirLine>, sqlx::Error> {
    let find = sqlx::query(db.sql(FIND_ROW)).bind(bill_id).bind(row_no);
    find.fetch_optional(db.pool()).await?.as_ref().map(their_line_of_row).transpose()
}

/// A saved column profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProfileView {
    pub name: String,
    /// A changed profile is a new version; the newest is used.
    pub version: i32,
    #[schema(value_type = Object)]
    pub profile: Value,
    pub created_by: Uuid,
    pub created_at: DateTime<Utc>,
}

const SAVE_PROFILE: &str = "
INSERT INTO {s}.bill_profiles (name, version, profile, created_by)
SELECT $1, coalesce(max(version), 0) + 1, $2, $3 FROM {s}.bill_profiles WHERE name = $1
RETURNING *";

/// Saves the next version of a profile.
///
/// # Errors
/// Whatever the database says; a constraint where somebody else saved the same version just now.
pub async fn save_profile(
    db: &Db,
    name: &str,
    profile: &Value,
    by: Uuid,
) -> Result<ProfileView, sqlx::Error> {
    let save = sqlx::query(db.sql(SAVE_PROFILE)).bind(name.to_owned()).bind(profile.clone()).bind(by);
    profile_of_row(&save.fetch_one(db.pool()).await?)
}

const LIST_PROFILES: &str = "
SELECT DISTINCT ON (name) * FROM {s}.bill_profiles WHERE $1::text IS NULL OR name = $1
ORDER BY name, version DESC LIMIT $2";

/// The newest version of each profile, or of one.
///
/// # Errors
/// Whatever the database says.
pub async fn list_profiles(db: &Db, name: Option<&str>, limit: i64) -> Result<Vec<ProfileView>, sqlx::Error> {
    let list = sqlx::query(db.sql(LIST_PROFILES)).bind(name.map(str::to_owned)).bind(limit);
    list.fetch_all(db.pool()).await?.iter().map(profile_of_row).collect()
}

fn profile_of_row(row: &PgRow) -> Result<ProfileView, sqlx::Error> {
    Ok(ProfileView {
        name: row.try_get("name")?,
        version: row.try_get("version")?,
        profile: row.try_get("profile")?,
        created_by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
    })
}
