//! Files of channels and banks: handed in, verified, listed; and the column profiles by which other files are read.

use super::Api;
use crate::app::daily_error::DailyError;
use crate::app::import_bill::{ImportError, Upload};
use crate::domain::bill_line::BillScope;
use crate::store::bills::{self, BillView, ProfileView};
use ::bills::{BillError, ColumnProfile, Expect};
use axum::body::Body;
use axum::extract::State;
use chrono::NaiveDate;
use edge::{FinanceMaker, FinanceReader, Json, Path, Problem, ProblemDocument, Query};
use http::StatusCode;
use http_body_util::BodyExt;
use ids::Uuid;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// Files and profiles one page may hold.
pub(super) const PAGE_LEN_MAX: i64 = 500;

/// How long a file may pause on its way in.
const SILENCE_MAX: Duration = Duration::from_secs(30);

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Handed {
    /// Whose file it is: a payment channel's name, as payments have it.
    channel: String,
    /// What the file is said to be, such as `wechat-trade`: refused where it is another.
    format: Option<String>,
    /// The saved column profile to read it by.
    profile: Option<String>,
    /// What it is about, where its format does not say.
    scope: Option<BillScope>,
    /// SHA-1 of the unpacked file in hexadecimal, as WeChat Pay tells it: refused where it is another.
    sha1: Option<String>,
    /// SHA-256 of the unpacked file in hexadecimal: refused where it is another.
    sha256: Option<String>,
    /// How many rows it has: refused where it has others.
    rows: Option<u64>,
}

/// The digest that hexadecimal digits spell, two a byte.
fn digest_of<const N: usize>(name: &str, text: Option<&str>) -> Result<Option<[u8; N]>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let byte = |at: usize| text.get(2 * at..2 * at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..N).map(byte).collect();
    let is_plain = text.len() == 2 * N && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let digest = bytes.filter(|_| is_plain).and_then(|bytes| bytes.try_into().ok());
    digest.map(Some).ok_or_else(|| {
        let detail = format!("{name} has {} hexadecimal digits.", 2 * N);
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "digest-malformed", detail)
    })
}

/// What a file is, without having been imported.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VerifiedBill {
    #[serde(flatten)]
    bill: BillView,
    /// Whether it was imported before.
    is_known: bool,
}

/// A page of files, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BillPage {
    bills: Vec<BillView>,
    /// Ask for the next page with this as `before`.
    next: Option<Uuid>,
}

/// The problem of a file that is not in: with the place, and by how much totals are off.
fn problem_of(error: ImportError) -> Problem {
    let problem = Problem::of(&error);
    match &error {
        ImportError::Bill(of) => match (of.place(), of) {
            (Some(place), BillError::Totals(mismatch)) => problem
                .with("line", place.line)
                .with("column", place.column)
                .with("difference", i64::try_from(mismatch.difference()).unwrap_or(i64::MAX)),
            (Some(place), _) => problem.with("line", place.line).with("column", place.column),
            (None, _) => problem,
        },
        ImportError::ZeroCharacter(line) => problem.with("line", *line),
        ImportError::Known(bill_id) => problem.with("bill_id", bill_id.to_string()),
        _ => problem,
    }
}

/// Writes a body to an unnamed temporary file, as it comes.
async fn spool(mut body: Body, bytes_max: u64) -> Result<File, Problem> {
    let failed = |error: std::io::Error| problem_of(ImportError::Spool(error));
    let mut file = tempfile::tempfile().map_err(failed)?;
    let mut bytes = 0_u64;
    loop {
        let frame = tokio::time::timeout(SILENCE_MAX, body.frame()).await.map_err(|_| {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "body-silent", "The file stopped on its way in.")
        })?;
        let Some(frame) = frame else { return Ok(file) };
        let frame = frame.map_err(|error| Problem::malformed("body-unreadable", error.to_string()))?;
        let Ok(chunk) = frame.into_data() else { continue };
        bytes = bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if bytes > bytes_max {
            let detail = format!("A file has at most {bytes_max} bytes (recon.bill_bytes_max).");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail));
        }
        // Chunks are a few kilobytes on their way into the page cache.
        file.write_all(&chunk).map_err(failed)?;
    }
}

async fn upload(api: &Api, handed: Handed, by: Uuid, body: Body) -> Result<Upload, Problem> {
    let Handed { channel, format, profile, scope, sha1, sha256, rows } = handed;
    let (sha1, sha256) = (digest_of("sha1", sha1.as_deref())?, digest_of("sha256", sha256.as_deref())?);
    let expect = Expect { sha1, sha256, rows };
    let file = Arc::new(spool(body, api.bill_bytes_max).await?);
    Ok(Upload { file, channel, scope, format, profile, expect, by })
}

/// Imports a file, whole or not at all. The body is the file's bytes.
#[utoipa::path(
    post, path = "/v1/finance/bills", tag = "recon", params(Handed),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 201, body = BillView), (status = 409, description = "bill-known", body = ProblemDocument),
        (status = 413, description = "body-too-large", body = ProblemDocument),
        (status = 422, description = "Broken, with line and column; or totals that do not match, and by how much.",
            body = ProblemDocument),
    ),
    security(("bearer" = []))
)]
pub(super) async fn import_bill(
    State(api): State<Api>,
    maker: FinanceMaker,
    Query(handed): Query<Handed>,
    body: Body,
) -> Result<(StatusCode, Json<BillView>), Problem> {
    let upload = upload(&api, handed, maker.sub, body).await?;
    let bill = api.imports.import(&upload).await.map_err(problem_of)?;
    Ok((StatusCode::CREATED, Json(bill)))
}

/// Reads a file to its end and says what it is. Changes nothing.
#[utoipa::path(
    post, path = "/v1/finance/bills/verify", tag = "recon", params(Handed),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = VerifiedBill), (status = 422, body = ProblemDocument)),
    security(("bearer" = []))
)]
pub(super) async fn verify_bill(
    State(api): State<Api>,
    reader: FinanceReader,
    Query(handed): Query<Handed>,
    body: Body,
) -> Result<Json<VerifiedBill>, Problem> {
    let upload = upload(&api, handed, reader.sub, body).await?;
    let bill = api.imports.verify(&upload).await.map_err(problem_of)?;
    let known = bills::find(&api.desk.db, bill.bill_id).await.map_err(DailyError::Db)?;
    let is_known = known.is_some_and(|known| known.state == bills::BillState::Imported);
    Ok(Json(VerifiedBill { bill, is_known }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only files that cover this day.
    day: Option<NaiveDate>,
    /// Only files before this one; the newest where it is missing.
    before: Option<Uuid>,
    /// At most so many, from 1 to 500; 100 where it is missing.
    limit: Option<i64>,
}

/// Files, newest first.
#[utoipa::path(
    get, path = "/v1/finance/bills", tag = "recon", params(Wanted),
    responses((status = 200, body = BillPage), (status = 422, body = ProblemDocument)),
    security(("bearer" = []))
)]
pub(super) async fn list_bills(
    State(api): State<Api>,
    _reader: FinanceReader,
    Query(wanted): Query<Wanted>,
) -> Result<Json<BillPage>, Problem> {
    let limit = edge::page_len(wanted.limit, 100, PAGE_LEN_MAX)?;
    let bills = bills::list(&api.desk.db, wanted.day, wanted.before, limit).await.map_err(DailyError::Db)?;
    let is_full = i64::try_from(bills.len()).is_ok_and(|len| len == limit);
    let next = bills.last().map(|bill| bill.bill_id).filter(|_| is_full);
    Ok(Json(BillPage { bills, next }))
}

/// One file.
#[utoipa::path(
    get, path = "/v1/finance/bills/{bill_id}", tag = "recon", params(("bill_id" = Uuid, Path)),
    responses((status = 200, body = BillView), (status = 404, body = ProblemDocument)),
    security(("bearer" = []))
)]
pub(super) async fn get_bill(
    State(api): State<Api>,
    _reader: FinanceReader,
    Path(bill_id): Path<Uuid>,
) -> Result<Json<BillView>, Problem> {
    let found = bills::find(&api.desk.db, bill_id).await.map_err(DailyError::Db)?;
    found.map(Json).ok_or_else(|| Problem::not_found("no-such-bill", "There is no such bill."))
}

/// The newest version of each saved column profile.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Profiles {
    profiles: Vec<ProfileView>,
}

/// Saved column profiles.
#[utoipa::path(
    get, path = "/v1/finance/bill-profiles", tag = "recon",
    responses((status = 200, body = Profiles)), security(("bearer" = []))
)]
pub(super) async fn list_profiles(
    State(api): State<Api>,
    _reader: FinanceReader,
) -> Result<Json<Profiles>, Problem> {
    let profiles = bills::list_profiles(&api.desk.db, None, PAGE_LEN_MAX).await.map_err(DailyError::Db)?;
    Ok(Json(Profiles { profiles }))
}

/// Saves a column profile as the next version of its name.
#[utoipa::path(
    post, path = "/v1/finance/bill-profiles", tag = "recon",
    request_body(content = serde_json::Value, description = "Which column of a CSV or XLSX is what."),
    responses((status = 201, body = ProfileView), (status = 422, body = ProblemDocument)),
    security(("bearer" = []))
)]
pub(super) async fn save_profile(
    State(api): State<Api>,
    maker: FinanceMaker,
    Json(profile): Json<ColumnProfile>,
) -> Result<(StatusCode, Json<ProfileView>), Problem> {
    let saved = api.imports.save_profile(&profile, maker.sub).await.map_err(problem_of)?;
    Ok((StatusCode::CREATED, Json(saved)))
}
