//! What channels have paid to us, and what became of its vouchers.

use crate::domain::channel_paid::{ChannelPaid, PaidAbout, Turn};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::owner::Adjusted;
use ids::Uuid;
use pg::Db;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::postgres::PgRow;
use utoipa::ToSchema;

/// Rows one statement takes.
const CHUNK_LEN: usize = 1_000;

const NEWEST: &str = "
SELECT DISTINCT ON (match_id) * FROM {s}.channel_settlements WHERE run_day = $1 AND channel = $2 AND about = $3
ORDER BY match_id, turn DESC";

/// The newest turn of each match of a channel's day.
///
/// # Errors
/// Whatever the database says.
pub async fn list_newest(
    db: &Db,
    (channel, about): (&str, PaidAbout),
    run_day: NaiveDate,
) -> Result<Vec<Turn>, sqlx::Error> {
    let list = sqlx::query(db.sql(NEWEST)).bind(run_day).bind(channel.to_owned()).bind(about.as_str());
    list.fetch_all(db.pool()).await?.iter().map(turn_of_row).collect()
}

const INSERT: &str = "
INSERT INTO {s}.channel_settlements (run_day, match_id, turn, day, gross_minor, net_minor, currency, payments, request_id,
    channel, about)
SELECT $1, * FROM unnest($2::uuid[], $3::integer[], $4::date[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[],
    $9::uuid[], $10::text[], $11::text[])
ON CONFLICT (match_id, turn) DO NOTHING";

/// Keeps what is to be posted; what is known stays.
///
/// # Errors
/// Whatever the database says; what was kept so far stays.
pub async fn insert(db: &Db, run_day: NaiveDate, turns: &[Turn]) -> Result<(), sqlx::Error> {
    for chunk in turns.chunks(CHUNK_LEN) {
        sqlx::query(db.sql(INSERT))
            .bind(run_day)
            .bind(chunk.iter().map(|turn| turn.paid.match_id).collect::<Vec<_>>())
            .bind(chunk.iter().map(|turn| turn.turn).collect::<Vec<_>>())
            .bind(chunk.iter().map(|turn| turn.paid.day).collect::<Vec<_>>())
            .bind(chunk.iter().map(|turn| turn.paid.gross_minor).collect::<Vec<_>>())
            .bind(chunk.iter().map(|turn| turn.paid.net_minor).collect::<Vec<_>>())
            .bind(chunk.iter().map(|turn| turn.paid.currency.as_str()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|turn| turn.paid.payments).collect::<Vec<_>>())
            .bind(chunk.iter().map(|turn| turn.request_id().uuid()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|turn| turn.paid.channel.as_str()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|turn| turn.paid.about.as_str()).collect::<Vec<_>>())
            .execute(db.pool())
            .await?;
    }
    Ok(())
}

/// One that has no voucher yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unposted {
    pub turn: Turn,
    pub attempts: i32,
}

const TO_POST: &str = "
SELECT * FROM {s}.channel_settlements WHERE voucher_seq IS NULL AND next_at <= $1 ORDER BY next_at, settlement_no LIMIT $2";

/// Those whose voucher is to be asked for now, the longest waiting first.
///
/// # Errors
/// Whatever the database says.
pub async fn list_to_post(db: &Db, now: DateTime<Utc>, limit: i64) -> Result<Vec<Unposted>, sqlx::Error> {
    let rows = sqlx::query(db.sql(TO_POST)).bind(now).bind(limit).fetch_all(db.pool()).await?;
    let one = |row: &PgRow| Ok(Unposted { turn: turn_of_row(row)?, attempts: row.try_get("attempts")? });
    rows.iter().map(one).collect()
}

const END: &str = "
UPDATE {s}.channel_settlements SET partition = $3, voucher_seq = $4, posted_day = $5, last_error = NULL
WHERE match_id = $1 AND turn = $2 AND voucher_seq IS NULL";

/// Keeps the voucher of one.
///
/// # Errors
/// Whatever the database says.
pub async fn end(db: &Db, turn: &Turn, posted: &Adjusted) -> Result<(), sqlx::Error> {
    let end = sqlx::query(db.sql(END)).bind(turn.paid.match_id).bind(turn.turn);
    let end = end.bind(posted.partition.number()).bind(posted.voucher_seq).bind(posted.posted_day);
    end.execute(db.pool()).await.map(drop)
}

const PUT_OFF: &str = "
UPDATE {s}.channel_settlements SET attempts = attempts + 1, last_error = $3, next_at = $4
WHERE match_id = $1 AND turn = $2 AND voucher_seq IS NULL";

/// Asks for it again later, and keeps why.
///
/// # Errors
/// Whatever the database says.
pub async fn put_off(db: &Db, turn: &Turn, (why, next_at): (&str, DateTime<Utc>)) -> Result<(), sqlx::Error> {
    let put_off = sqlx::query(db.sql(PUT_OFF)).bind(turn.paid.match_id).bind(turn.turn);
    put_off.bind(why.to_owned()).bind(next_at).execute(db.pool()).await.map(drop)
}

/// What a channel has paid to us, or a later run took back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettlementView {
    pub settlement_no: i64,
    pub match_id: Uuid,
    /// From 1: odd where the match was made, even where a later run took it back.
    pub turn: i32,
    pub channel: String,
    /// Payments that the bank shows less the fee, withdrawals that it shows as they are, or a day's fees.
    pub about: PaidAbout,
    /// The day whose run made the match.
    pub run_day: NaiveDate,
    /// The day of the statement's line.
    pub day: NaiveDate,
    /// How many payments, withdrawals or fees.
    pub payments: i64,
    /// What they sum to, in minor units; below zero where refunds are more, or where it is taken back.
    pub gross_minor: i64,
    /// What the channel kept.
    pub fee_minor: i64,
    /// What the bank shows.
    pub net_minor: i64,
    pub currency: String,
    /// The voucher, once it is posted: `<partition>-<seq>`.
    pub voucher_id: Option<String>,
    pub posted_day: Option<NaiveDate>,
    /// Why it is not posted yet.
    pub last_error: Option<String>,
}

/// Which are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    pub run_day: Option<NaiveDate>,
    pub channel: Option<&'a str>,
    /// Only those without a voucher.
    pub is_waiting: bool,
    /// Only those before this number.
    pub before: Option<i64>,
}

const LIST: &str = "
SELECT * FROM {s}.channel_settlements
WHERE ($1::date IS NULL OR run_day = $1) AND ($2::text IS NULL OR channel = $2) AND (NOT $3 OR voucher_seq IS NULL)
    AND ($4::bigint IS NULL OR settlement_no < $4)
ORDER BY settlement_no DESC LIMIT $5";

/// A page of them, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list(db: &Db, wanted: Wanted<'_>, limit: i64) -> Result<Vec<SettlementView>, sqlx::Error> {
    let list = sqlx::query(db.sql(LIST)).bind(wanted.run_day).bind(wanted.channel.map(str::to_owned));
    let list = list.bind(wanted.is_waiting).bind(wanted.before).bind(limit);
    list.fetch_all(db.pool()).await?.iter().map(view_of_row).collect()
}

fn view_of_row(row: &PgRow) -> Result<SettlementView, sqlx::Error> {
    let Turn { paid, turn } = turn_of_row(row)?;
    let voucher: Option<(i16, i64)> =
        row.try_get::<Option<i16>, _>("partition")?.zip(row.try_get("voucher_seq")?);
    Ok(SettlementView {
        settlement_no: row.try_get("settlement_no")?,
        match_id: paid.match_id,
        turn,
        channel: paid.channel,
        about: paid.about,
        run_day: row.try_get("run_day")?,
        day: paid.day,
        payments: paid.payments,
        gross_minor: paid.gross_minor,
        fee_minor: paid.gross_minor.saturating_sub(paid.net_minor),
        net_minor: paid.net_minor,
        currency: paid.currency,
        voucher_id: voucher.map(|(partition, seq)| format!("{partition}-{seq}")),
        posted_day: row.try_get("posted_day")?,
        last_error: row.try_get("last_error")?,
    })
}

fn turn_of_row(row: &PgRow) -> Result<Turn, sqlx::Error> {
    let about = PaidAbout::of_name(row.try_get("about")?);
    let paid = ChannelPaid {
        match_id: row.try_get("match_id")?,
        about: about.ok_or(sqlx::Error::RowNotFound)?,
        channel: row.try_get("channel")?,
        day: row.try_get("day")?,
        gross_minor: row.try_get("gross_minor")?,
        net_minor: row.try_get("net_minor")?,
        currency: row.try_get("currency")?,
        payments: row.try_get("payments")?,
    };
    Ok(Turn { paid, turn: row.try_get("turn")? })
}
