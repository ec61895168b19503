//! The rules of withholding, and what was withheld of a payee in a year.

use crate::domain::payee_money::PayeeKey;
use crate::domain::withholding::{Bracket, Cumulative, Method, WithholdingRule};
use crate::store::payouts::class_of_row;
use crate::store::unknown_code;
use chrono::{Datelike, NaiveDate};
use contracts::payout::PayeeClass;
use money::Ppm;
use pg::Db;
use sqlx::{PgConnection, Row};
use std::collections::BTreeMap;

const IN_FORCE: &str = "
SELECT DISTINCT ON (payee_kind) * FROM {s}.withholding_rules WHERE valid_from <= $1
ORDER BY payee_kind, valid_from DESC";

const BRACKETS: &str = "SELECT * FROM {s}.withholding_brackets WHERE rule_id = $1 ORDER BY above_minor";

const OF_YEAR: &str = "
SELECT l.payee_kind, l.payee_id, sum(l.gross_minor)::bigint AS gross, sum(l.tax_minor)::bigint AS tax,
    min(b.day) AS first
FROM {s}.payout_lines l
JOIN unnest($1::smallint[], $2::uuid[]) AS k (kind, id) ON l.payee_kind = k.kind AND l.payee_id = k.id
JOIN {s}.payout_batches b ON b.batch_id = l.batch_id
JOIN {s}.withholding_rules r ON r.rule_id = l.rule_id
WHERE r.method = 2 AND l.state IN (1, 2, 3) AND extract(year FROM b.day) = $3
GROUP BY l.payee_kind, l.payee_id";

/// What a payee was paid by cumulative rules in a year: gross, tax, and the day of the first payout.
pub(crate) type OfYear = (i64, i64, NaiveDate);

/// The rule of each kind of payee on a day.
pub(crate) async fn rules_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    day: NaiveDate,
) -> Result<BTreeMap<PayeeClass, WithholdingRule>, sqlx::Error> {
    let rows = sqlx::query(db.sql(IN_FORCE)).bind(day).fetch_all(&mut *tx).await?;
    let mut rules = BTreeMap::new();
    for row in &rows {
        let rule_id: i32 = row.try_get("rule_id")?;
        let method = match row.try_get("method")? {
            1_i16 => Method::Flat(ppm("rate_ppm", row.try_get("rate_ppm")?)?),
            2 => Method::Cumulative(Cumulative {
                cost: ppm("cost_ppm", row.try_get("cost_ppm")?)?,
                allowance_minor: row.try_get("allowance_minor")?,
                brackets: brackets_in_tx(tx, db, rule_id).await?,
            }),
            other => return Err(unknown_code("method", other)),
        };
        let valid_from = row.try_get("valid_from")?;
        rules.insert(class_of_row(row)?, WithholdingRule { rule_id, valid_from, method });
    }
    Ok(rules)
}

async fn brackets_in_tx(tx: &mut PgConnection, db: &Db, rule_id: i32) -> Result<Vec<Bracket>, sqlx::Error> {
    let rows = sqlx::query(db.sql(BRACKETS)).bind(rule_id).fetch_all(tx).await?;
    rows.iter()
        .map(|row| {
            Ok(Bracket {
                above_minor: row.try_get("above_minor")?,
                rate: ppm("rate_ppm", row.try_get("rate_ppm")?)?,
                quick_minor: row.try_get("quick_minor")?,
            })
        })
        .collect()
}

fn ppm(column: &'static str, value: i32) -> Result<Ppm, sqlx::Error> {
    let ppm = u32::try_from(value).ok().and_then(|ppm| Ppm::try_new(ppm).ok());
    ppm.ok_or_else(|| unknown_code(column, value))
}

/// What payees were paid in the calendar year of a day by cumulative rules; what came back does not count.
pub(crate) async fn year_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    keys: &[PayeeKey],
    day: NaiveDate,
) -> Result<BTreeMap<PayeeKey, OfYear>, sqlx::Error> {
    let rows = sqlx::query(db.sql(OF_YEAR))
        .bind(keys.iter().map(|key| key.class.code()).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.id).collect::<Vec<_>>())
        .bind(day.year())
        .fetch_all(tx)
        .await?;
    rows.iter()
        .map(|row| {
            let key = PayeeKey { class: class_of_row(row)?, id: row.try_get("payee_id")? };
            Ok((key, (row.try_get("gross")?, row.try_get("tax")?, row.try_get("first")?)))
        })
        .collect()
}
