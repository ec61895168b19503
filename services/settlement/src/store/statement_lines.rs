//! What a statement is made of: its lines, and the orders that each line opens.

use crate::domain::earning::{Earning, Payee};
use crate::store::earnings::earning_of_row;
use crate::store::payouts::class_of_row;
use crate::store::unknown_code;
use chrono::NaiveDate;
use contracts::item::ItemKind;
use contracts::log::Seq;
use contracts::payout::PayeeClass;
use ids::{OrderId, StreamerId, Uuid};
use money::{Coins, Micros};
use pg::Db;
use serde::Serialize;
use sqlx::Row;
use sqlx::postgres::PgRow;
use utoipa::ToSchema;

/// One line: what a streamer's gifts earned the payee by one version of a contract.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StatementLine {
    pub streamer_id: StreamerId,
    /// Below zero: of the default contract.
    pub contract_version: i32,
    /// Value of the orders settled.
    pub gross_micro: Micros,
    pub share_micro: Micros,
    pub clawback_micro: Micros,
    pub settled_count: i64,
    pub reversed_count: i64,
}

/// One order, or refund, of a line.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LineOrder {
    pub order_id: OrderId,
    pub kind: ItemKind,
    /// The order's own accounting day: before the statement's where it came late.
    pub day: NaiveDate,
    pub paid_coins: Coins,
    pub promo_coins: Coins,
    /// What it earned the payee; below zero for a refund.
    pub earned_micro: Micros,
    /// The place in the log of items.
    pub partition: i16,
    pub seq: Seq,
}

/// Which line of which statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineKey {
    pub class: PayeeClass,
    pub payee_id: Uuid,
    pub day: NaiveDate,
    pub streamer_id: StreamerId,
    pub contract_version: i32,
}

/// One statement without its lines: a row of a list or of a file.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StatementRow {
    pub payee: PayeeClass,
    pub payee_id: Uuid,
    pub day: NaiveDate,
    pub gross_micro: Micros,
    pub share_micro: Micros,
    pub clawback_micro: Micros,
    pub settled_count: i64,
    pub reversed_count: i64,
    pub carry_in_micro: Micros,
    pub payable_minor: i64,
    pub carry_out_micro: Micros,
    /// Whether its hold has ended.
    pub is_released: bool,
}

/// Which statements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatementFilter {
    pub class: PayeeClass,
    pub payee_id: Option<Uuid>,
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub after: (NaiveDate, Uuid),
}

const LINES: &str = "
SELECT streamer_id, contract_version, sum(gross_micro)::bigint AS gross_micro, sum(share_micro)::bigint AS share_micro,
    sum(clawback_micro)::bigint AS clawback_micro, sum(settled_count)::bigint AS settled_count,
    sum(reversed_count)::bigint AS reversed_count
FROM {s}.earnings
WHERE payee_kind = $1 AND payee_id = $2 AND day = $3 AND (streamer_id, contract_version) > ($4, $5)
GROUP BY streamer_id, contract_version ORDER BY streamer_id, contract_version LIMIT $6";

// Of the streamer's items of that day but those that came late, and of the late ones that count in it.
const ORDERS: &str = "
SELECT * FROM (
    (SELECT i.* FROM {s}.items i
     WHERE i.streamer_id = $1 AND i.day = $2 AND i.contract_version = $3
        AND ($4::uuid IS NULL OR i.agency_id = $4) AND (i.partition, i.seq) > ($5, $6)
        AND NOT EXISTS (SELECT FROM {s}.late_items l WHERE l.partition = i.partition AND l.seq = i.seq)
     ORDER BY i.partition, i.seq LIMIT $7)
    UNION ALL
    (SELECT i.* FROM {s}.late_items l JOIN {s}.items i ON i.partition = l.partition AND i.seq = l.seq
     WHERE l.earned_day = $2 AND i.streamer_id = $1 AND i.contract_version = $3
        AND ($4::uuid IS NULL OR i.agency_id = $4) AND (l.partition, l.seq) > ($5, $6)
     ORDER BY l.partition, l.seq LIMIT $7)
) o ORDER BY o.partition, o.seq LIMIT $7";

const STATEMENTS: &str = "
SELECT * FROM {s}.statements
WHERE payee_kind = $1 AND ($2::uuid IS NULL OR payee_id = $2) AND day BETWEEN $3 AND $4 AND (day, payee_id) > ($5, $6)
ORDER BY day, payee_id LIMIT $7";

/// Lines of a payee's day, after one of them.
pub(crate) async fn list_lines(
    db: &Db,
    (payee, day): (Payee, NaiveDate),
    after: (StreamerId, i32),
    limit: i64,
) -> Result<Vec<StatementLine>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LINES))
        .bind(payee.kind.code())
        .bind(payee.id)
        .bind(day)
        .bind(after.0.uuid())
        .bind(after.1)
        .bind(limit)
        .fetch_all(db.pool())
        .await?;
    rows.iter()
        .map(|row| {
            let Earning { gross, share, clawback, settled_count, reversed_count } = earning_of_row(row)?;
            Ok(StatementLine {
                streamer_id: StreamerId::from_uuid(row.try_get("streamer_id")?),
                contract_version: row.try_get("contract_version")?,
                gross_micro: gross,
                share_micro: share,
                clawback_micro: clawback,
                settled_count,
                reversed_count,
            })
        })
        .collect()
}

/// Orders of one line, in the order of the log, after one of them.
pub(crate) async fn list_orders(
    db: &Db,
    line: LineKey,
    after: (i16, Seq),
    limit: i64,
) -> Result<Vec<LineOrder>, sqlx::Error> {
    let agency = match line.class {
        PayeeClass::Streamer => None,
        PayeeClass::Agency => Some(line.payee_id),
    };
    let rows = sqlx::query(db.sql(ORDERS))
        .bind(line.streamer_id.uuid())
        .bind(line.day)
        .bind(line.contract_version)
        .bind(agency)
        .bind(after.0)
        .bind(after.1)
        .bind(limit)
        .fetch_all(db.pool())
        .await?;
    rows.iter().map(|row| order_of_row(row, line.class)).collect()
}

fn order_of_row(row: &PgRow, class: PayeeClass) -> Result<LineOrder, sqlx::Error> {
    let kind: i16 = row.try_get("kind")?;
    let coins = |column: &'static str| {
        let coins: i64 = row.try_get(column)?;
        Coins::try_new(coins).map_err(|_| unknown_code(column, coins))
    };
    let earned = match class {
        PayeeClass::Streamer => "streamer",
        PayeeClass::Agency => "agency",
    };
    Ok(LineOrder {
        order_id: OrderId::from_uuid(row.try_get("order_id")?),
        kind: ItemKind::of_code(kind).ok_or_else(|| unknown_code("kind", kind))?,
        day: row.try_get("day")?,
        paid_coins: coins("paid_coins")?,
        promo_coins: coins("promo_coins")?,
        earned_micro: Micros::new(row.try_get(earned)?),
        partition: row.try_get("partition")?,
        seq: row.try_get("seq")?,
    })
}

/// Final statements by day and payee, after one of them.
pub(crate) async fn list_statements(
    db: &Db,
    filter: StatementFilter,
    limit: i64,
) -> Result<Vec<StatementRow>, sqlx::Error> {
    let rows = sqlx::query(db.sql(STATEMENTS))
        .bind(filter.class.code())
        .bind(filter.payee_id)
        .bind(filter.from)
        .bind(filter.to)
        .bind(filter.after.0)
        .bind(filter.after.1)
        .bind(limit)
        // Planned for these days each time: a plan for any days expects few statements of them, and sorts them all.
        .persistent(false)
        .fetch_all(db.pool())
        .await?;
    rows.iter()
        .map(|row| {
            let micros = |column: &str| row.try_get(column).map(Micros::new);
            Ok(StatementRow {
                payee: class_of_row(row)?,
                payee_id: row.try_get("payee_id")?,
                day: row.try_get("day")?,
                gross_micro: micros("gross_micro")?,
                share_micro: micros("share_micro")?,
                clawback_micro: micros("clawback_micro")?,
                settled_count: row.try_get("settled_count")?,
                reversed_count: row.try_get("reversed_count")?,
                carry_in_micro: micros("carry_in_micro")?,
                payable_minor: row.try_get("payable_minor")?,
                carry_out_micro: micros("carry_out_micro")?,
                is_released: row
                    .try_get::<Option<chrono::DateTime<chrono::Utc>>, _>("released_at")?
                    .is_some(),
            })
        })
        .collect()
}

const INSERT_LATE: &str = "
INSERT INTO {s}.late_items (partition, seq, earned_day)
SELECT p.*, $3 FROM unnest($1::smallint[], $2::bigint[]) AS p";

/// Records items that count in a later day than their own.
pub(crate) async fn insert_late_in_tx(
    tx: &mut sqlx::PgConnection,
    db: &Db,
    late: &[(i16, Seq)],
    earned_day: NaiveDate,
) -> Result<(), sqlx::Error> {
    if late.is_empty() {
        return Ok(());
    }
    sqlx::query(db.sql(INSERT_LATE))
        .bind(late.iter().map(|(partition, _)| *partition).collect::<Vec<_>>())
        .bind(late.iter().map(|(_, seq)| *seq).collect::<Vec<_>>())
        .bind(earned_day)
        .execute(tx)
        .await?;
    Ok(())
}
