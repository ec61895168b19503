//! How far readers are behind: the precondition of everything that compares two services.

use crate::snapshot::{BooksDb, Schema, Snapshot};
use crate::{BooksError, Invariant};
use contracts::log::LogName;
use serde::{Deserialize, Serialize};
use sqlx::Row;

/// What one reader has left to apply, or one service to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReaderGap {
    pub reader: String,
    /// The log it reads; the waiting rows' table where it is no reader.
    pub log: String,
    pub lag_rows: i64,
}

/// What every reader has left to apply. Readers that have caught up are there with 0.
///
/// # Errors
/// [`BooksError::Db`].
pub async fn catch_up_gaps(source: &BooksDb) -> Result<Vec<ReaderGap>, BooksError> {
    let mut snapshot = Snapshot::open(source).await?;
    let gaps = gaps(&mut snapshot).await?;
    snapshot.close().await?;
    Ok(gaps)
}

async fn gaps(snapshot: &mut Snapshot) -> Result<Vec<ReaderGap>, sqlx::Error> {
    let mut gaps = Vec::new();
    for schema in snapshot.present() {
        for log in LogName::ALL {
            let (reading, writing) = (schema.name(), Schema::of(log).name());
            let known = known_readers(schema, log);
            if !snapshot.has(&[Schema::of(log)]) {
                continue;
            }
            let rows = snapshot
                .rows(&format!(
                    "SELECT r.reader, sum(greatest(h.last_seq - coalesce(o.seq, 0), 0))::bigint AS lag
                     FROM (SELECT reader FROM {{{reading}}}.read_offsets WHERE log = '{log}'
                           UNION SELECT k FROM unnest(string_to_array('{known}', ',')) k) r
                     CROSS JOIN (SELECT partition, last_seq FROM {{{writing}}}.log_heads WHERE log = '{log}') h
                     LEFT JOIN {{{reading}}}.read_offsets o
                         ON o.reader = r.reader AND o.log = '{log}' AND o.partition = h.partition
                     GROUP BY r.reader ORDER BY r.reader"
                ))
                .await?;
            for row in rows {
                let (reader, lag_rows) = (row.try_get("reader")?, row.try_get("lag")?);
                gaps.push(ReaderGap { reader, log: log.as_str().to_owned(), lag_rows });
            }
        }
    }
    gaps.extend(waiting(snapshot).await?);
    Ok(gaps)
}

/// The readers a schema must have: one that has never moved has no offset, and is behind all the same.
fn known_readers(schema: Schema, log: LogName) -> &'static str {
    match (schema, log) {
        (Schema::Wallet, LogName::Payments) => "wallet",
        (Schema::Gift, LogName::Entries) => "gift.orders",
        (Schema::Settlement, LogName::Orders) => "settlement.items",
        (Schema::Clearing, LogName::Payments) => "clearing.payments",
        (Schema::Clearing, LogName::Entries) => "clearing.entries",
        (Schema::Clearing, LogName::Items) => "clearing.items",
        (Schema::Clearing, LogName::Payouts) => "clearing.payouts",
        (Schema::Recon, LogName::Entries) => "recon.entries",
        (Schema::Recon, LogName::Orders) => "recon.orders",
        (Schema::Recon, LogName::Items) => "recon.items",
        (Schema::Recon, LogName::Vouchers) => "recon.vouchers",
        _ => "",
    }
}

/// What is decided and has no end yet: orders and refunds of gift, and moves of payees' money not yet in their log.
const WAITING: [(Schema, &str); 3] =
    [(Schema::Gift, "pending_orders"), (Schema::Gift, "refunds_due"), (Schema::Settlement, "moves_due")];

async fn waiting(snapshot: &mut Snapshot) -> Result<Vec<ReaderGap>, sqlx::Error> {
    let mut gaps = Vec::new();
    for (schema, table) in WAITING {
        if !snapshot.has(&[schema]) {
            continue;
        }
        let name = schema.name();
        let rows = snapshot.rows(&format!("SELECT count(*) FROM {{{name}}}.{table}")).await?;
        let lag_rows = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
        gaps.push(ReaderGap { reader: name.to_owned(), log: format!("{name}.{table}"), lag_rows });
    }
    Ok(gaps)
}

pub(crate) async fn prove(snapshot: &mut Snapshot) -> Result<Invariant, sqlx::Error> {
    let gaps = gaps(snapshot).await?;
    let behind = gaps.iter().filter(|gap| gap.lag_rows > 0);
    let mut detail: Vec<String> =
        behind.map(|gap| format!("{} is {} rows behind {}", gap.reader, gap.lag_rows, gap.log)).collect();
    if !detail.is_empty() {
        for schema in snapshot.present() {
            let stops = format!(
                "SELECT format('%s stopped at row %s of partition %s of %s: %s', reader, seq, partition, log,
                 reason) FROM {{{}}}.reader_stops ORDER BY stopped_at LIMIT {}",
                schema.name(),
                crate::OFFENDERS_MAX
            );
            detail.extend(snapshot.lines(&stops).await?);
        }
    }
    let lag: i64 = gaps.iter().map(|gap| gap.lag_rows).sum();
    let figure = format!("{} readers, {lag} rows behind", gaps.len());
    Ok(Invariant::without_offenders("readers-caught-up", figure, detail))
}
