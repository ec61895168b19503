//! The contracts and face values that orders are settled by are those that came in through settlement: none was changed,
//! taken away or put in past it.
//!
//! Settlement's database keeps the number of rows and the sum of their prints. Here both are made again from the rows.

use crate::Invariant;
use crate::snapshot::{Schema, Snapshot};

pub(crate) async fn prove(snapshot: &mut Snapshot) -> Result<Option<Invariant>, sqlx::Error> {
    if !snapshot.has(&[Schema::Settlement]) || !has_prints(snapshot).await? {
        return Ok(None);
    }
    let [kept, kept_high, kept_low, found, high, low] = snapshot.sums(COMPARED).await?;
    let mut detail = Vec::new();
    if kept != found {
        detail.push(format!("there are {found} rows, and {kept} came in through settlement"));
    } else if (kept_high, kept_low) != (high, low) {
        detail.push("a row is not as it came in".to_owned());
    }
    let figure = format!("{found} contracts and face values");
    Ok(Some(Invariant::without_offenders("contracts-are-those-that-were-approved", figure, detail)))
}

/// Whether settlement's schema is new enough to keep prints.
async fn has_prints(snapshot: &mut Snapshot) -> Result<bool, sqlx::Error> {
    let rows = snapshot
        .rows(
            "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('{settlement}.book_state')
                AND attname = 'print_high' AND NOT attisdropped) AS there",
        )
        .await?;
    rows.first().map_or(Ok(false), |row| sqlx::Row::try_get(row, "there"))
}

/// What is kept, and what is found: rows, and the sums of two halves of their prints.
const COMPARED: &str = "
WITH rows AS (
    SELECT concat_ws('|', 'contract', streamer_id, version, valid_from - DATE '1970-01-01', coalesce(agency_id::text, ''),
        streamer_ppm, agency_ppm, platform_ppm, tax_ppm, promo) AS row_text FROM {settlement}.contracts
    UNION ALL
    SELECT concat_ws('|', 'face_value', currency, valid_from - DATE '1970-01-01', micros_per_coin)
    FROM {settlement}.face_values),
hashed AS (SELECT encode(sha256(convert_to(row_text, 'UTF8')), 'hex') AS hash FROM rows),
found AS (
    SELECT count(*) AS row_count, coalesce(sum(('x' || substr(hash, 1, 16))::bit(64)::bigint), 0) AS print_high,
        coalesce(sum(('x' || substr(hash, 17, 16))::bit(64)::bigint), 0) AS print_low FROM hashed)
SELECT b.row_count::text, b.print_high::text, b.print_low::text, f.row_count::text, f.print_high::text,
    f.print_low::text
FROM {settlement}.book_state b, found f";
