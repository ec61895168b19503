//! The journal, one voucher down to its gifts, the roll-forward of the coin liability, and books as files.

use super::Books;
use crate::app::export_books::{Book, ExportFile, Format, Wanted};
use crate::app::read_journal::{
    JournalError, LineView, PartView, SourceRow, VoucherDetail, VoucherName, VoucherView,
};
use crate::app::roll_forward::{AccountRoll, DayRoll, ROLL_DAYS_MAX, Roll, roll_forward};
use crate::store::journal::After;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::NaiveDate;
use contracts::log::Seq;
use edge::{FinanceReader, Json, Path, Problem, ProblemDocument, Query};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use utoipa::{IntoParams, OpenApi, ToSchema};

/// Vouchers, or rows of one, that a page may hold.
const PAGE_LEN_MAX: i64 = 500;
/// Bytes of a file that are sent at a time.
const CHUNK_BYTES: usize = 64 * 1024;

pub(super) fn router() -> Router<Books> {
    Router::new()
        .route("/v1/finance/journal", get(list_journal))
        .route("/v1/finance/journal/{voucher_id}", get(get_voucher))
        .route("/v1/finance/roll-forward", get(get_roll_forward))
        .route("/v1/finance/exports/{book}", get(export_book))
}

#[derive(OpenApi)]
#[openapi(
    paths(list_journal, get_voucher, get_roll_forward, export_book),
    components(schemas(
        VoucherPage,
        VoucherView,
        VoucherDetail,
        LineView,
        SourceRow,
        PartView,
        RollForward,
        DayRoll,
        AccountRoll,
        Roll,
        Book,
        Format
    ))
)]
pub(super) struct Api;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct JournalQuery {
    /// From this day whose books vouchers stand in to that one, both included.
    day_from: NaiveDate,
    day_to: NaiveDate,
    /// Only vouchers that name this account.
    account: Option<String>,
    /// Only vouchers after this place: the `next` of the page before.
    after: Option<String>,
    /// At most so many, from 1 to 500; 100 where it is missing.
    limit: Option<i64>,
}

/// A page of the journal.
#[derive(Debug, Serialize, ToSchema)]
struct VoucherPage {
    vouchers: Vec<VoucherView>,
    /// Ask for the next page with this as `after`; null on the last one.
    next: Option<String>,
}

/// Vouchers in the order of the days whose books they stand in.
#[utoipa::path(
    get, path = "/v1/finance/journal", tag = "clearing", params(JournalQuery),
    responses(
        (status = 200, body = VoucherPage), (status = 400, body = ProblemDocument),
        (status = 422, body = ProblemDocument),
    ),
    security(("bearer" = []))
)]
async fn list_journal(
    State(books): State<Books>,
    _reader: FinanceReader,
    Query(query): Query<JournalQuery>,
) -> Result<Json<VoucherPage>, Problem> {
    let limit = edge::page_len(query.limit, 100, PAGE_LEN_MAX)?;
    let after = match query.after.as_deref() {
        Some(place) => place_of(place)?,
        None => After::day(query.day_from),
    };
    let (days, account) = ((query.day_from, query.day_to), query.account.as_deref());
    let vouchers = books.reading.list(days, after, account, limit).await?;
    let is_full = i64::try_from(vouchers.len()).is_ok_and(|len| len == limit);
    let next = vouchers.last().map(|last| format!("{}_{}", last.posted_day, last.voucher_id));
    Ok(Json(VoucherPage { vouchers, next: next.filter(|_| is_full) }))
}

/// A place in the journal: `2026-11-20_17-4211`.
fn place_of(text: &str) -> Result<After, Problem> {
    let bad = || {
        Problem::malformed("query-invalid", "after is no place in the journal: take the next of a page.")
            .with("field", "after")
    };
    let (day, name) = text.split_once('_').ok_or_else(bad)?;
    let name: VoucherName = name.parse().map_err(|_: JournalError| bad())?;
    let posted_day = day.parse().map_err(|_| bad())?;
    Ok(After { posted_day, partition: name.partition.number(), seq: name.seq })
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RowsQuery {
    /// Only rows after this seq: the `next` of the page before.
    after: Option<Seq>,
    /// At most so many rows, from 1 to 500; 100 where it is missing.
    limit: Option<i64>,
}

/// One voucher: its lines, and the rows of its source's range that it was made from, with the orders of gifts.
#[utoipa::path(
    get, path = "/v1/finance/journal/{voucher_id}", tag = "clearing",
    params(("voucher_id" = String, Path, description = "Partition and seq: 17-4211."), RowsQuery),
    responses((status = 200, body = VoucherDetail), (status = 404, body = ProblemDocument)),
    security(("bearer" = []))
)]
async fn get_voucher(
    State(books): State<Books>,
    _reader: FinanceReader,
    Path(voucher_id): Path<String>,
    Query(query): Query<RowsQuery>,
) -> Result<Json<VoucherDetail>, Problem> {
    let limit = usize::try_from(edge::page_len(query.limit, 100, PAGE_LEN_MAX)?).unwrap_or(1);
    let name: VoucherName = voucher_id.parse()?;
    Ok(Json(books.reading.detail(name, query.after.unwrap_or(0), limit).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Days {
    /// From this day to that one, both included.
    from: NaiveDate,
    to: NaiveDate,
}

/// The coin liability, day by day, in millionths of a minor currency unit.
#[derive(Debug, Serialize, ToSchema)]
struct RollForward {
    days: Vec<DayRoll>,
}

/// The coin liability by the days whose books vouchers stand in: opening, credited, spent, returned, withdrawn,
/// expired, closing. At most 92 days.
#[utoipa::path(
    get, path = "/v1/finance/roll-forward", tag = "clearing", params(Days),
    responses((status = 200, body = RollForward), (status = 422, body = ProblemDocument)),
    security(("bearer" = []))
)]
async fn get_roll_forward(
    State(books): State<Books>,
    _reader: FinanceReader,
    Query(Days { from, to }): Query<Days>,
) -> Result<Json<RollForward>, Problem> {
    let count = (to - from).num_days();
    if !(0..i64::try_from(ROLL_DAYS_MAX).unwrap_or(i64::MAX)).contains(&count) {
        let detail = format!("from and to are in order and at most {ROLL_DAYS_MAX} days.");
        return Err(Problem::rejected("days-out-of-range", detail));
    }
    let (db, terminology) = (&books.reading.db, &books.reading.terminology);
    let days = roll_forward(db, terminology, &books.coin_accounts, (from, to)).await?;
    Ok(Json(RollForward { days }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// From this day; a trial balance without it is of everything up to `to`.
    from: Option<NaiveDate>,
    to: NaiveDate,
    format: Format,
}

/// The journal of some days, or a trial balance, as a file.
#[utoipa::path(
    get, path = "/v1/finance/exports/{book}", tag = "clearing",
    params(("book" = Book, Path), ExportQuery),
    responses(
        (status = 200, description = "The whole file."), (status = 400, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "books-not-exportable: the entries do not make the sums."),
        (status = 422, body = ProblemDocument), (status = 503, body = ProblemDocument),
    ),
    security(("bearer" = []))
)]
async fn export_book(
    State(books): State<Books>,
    _reader: FinanceReader,
    Path(book): Path<Book>,
    Query(ExportQuery { from, to, format }): Query<ExportQuery>,
) -> Result<Response, Problem> {
    Ok(attachment(books.exporting.export(Wanted { book, format, from, to }).await?))
}

/// The file as it lies on the disk, a piece at a time.
fn attachment(made: ExportFile) -> Response {
    let file = tokio::fs::File::from_std(made.file);
    let pieces = futures::stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; CHUNK_BYTES];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(piece), file)))
    });
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(made.format.content_type()));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(made.len));
    // Days and words of ours: always a header's text.
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", made.name)) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}
