//! Neighbouring logs state the same facts: compared by digest, partition by partition, reading every row.

use crate::Invariant;
use crate::snapshot::{Schema, Snapshot};
use contracts::digest::{Digest, Fact, FactKind, Pair};
use ids::{OrderId, Partition, Uuid};
use sqlx::Row;
use sqlx::postgres::PgRow;

/// Rows of one page.
const PAGE_LEN: i64 = 5_000;

// Each selects seq, order_id, the fact's number and its coins. Written against the tables, not with the
// services' own row types: the proof must not share their mistakes.
const OF_ENTRIES: &str = "
SELECT seq, CASE kind WHEN 9 THEN origin_id ELSE request_id END AS order_id,
    CASE kind WHEN 9 THEN 2 ELSE 1 END AS fact,
    CASE kind WHEN 9 THEN 1 ELSE -1 END * (paid_delta_coins + held_paid_delta_coins) AS paid,
    CASE kind WHEN 9 THEN 1 ELSE -1 END * (promo_delta_coins + held_promo_delta_coins) AS promo
FROM {wallet}.entries
WHERE partition = $1 AND seq > $2 AND outcome = 0 AND kind IN (4, 6, 9) ORDER BY seq LIMIT $3";

const OF_ORDERS_TO_ENTRIES: &str = "
SELECT seq, order_id, CASE WHEN kind IN (3, 4) THEN 2 ELSE 1 END AS fact, paid_coins AS paid, promo_coins AS promo
FROM {gift}.orders WHERE partition = $1 AND seq > $2 ORDER BY seq LIMIT $3";

const OF_ORDERS_TO_ITEMS: &str = "
SELECT seq, order_id, CASE kind WHEN 4 THEN 4 ELSE 3 END AS fact, paid_coins AS paid, promo_coins AS promo
FROM {gift}.orders WHERE partition = $1 AND seq > $2 AND kind IN (1, 4) ORDER BY seq LIMIT $3";

const OF_ITEMS: &str = "
SELECT seq, order_id, CASE kind WHEN 2 THEN 4 ELSE 3 END AS fact, paid_coins AS paid, promo_coins AS promo
FROM {settlement}.items WHERE partition = $1 AND seq > $2 ORDER BY seq LIMIT $3";

pub(crate) async fn prove(snapshot: &mut Snapshot) -> Result<Vec<Invariant>, sqlx::Error> {
    let mut lines = Vec::new();
    if snapshot.has(&[Schema::Wallet, Schema::Gift]) {
        let sides = [OF_ENTRIES, OF_ORDERS_TO_ENTRIES];
        lines.push(agree(snapshot, "entries-agree-with-orders", Pair::EntriesOrders, sides).await?);
    }
    if snapshot.has(&[Schema::Gift, Schema::Settlement]) {
        let sides = [OF_ORDERS_TO_ITEMS, OF_ITEMS];
        lines.push(agree(snapshot, "orders-agree-with-items", Pair::OrdersItems, sides).await?);
    }
    Ok(lines)
}

async fn agree(
    snapshot: &mut Snapshot,
    name: &str,
    pair: Pair,
    sides: [&str; 2],
) -> Result<Invariant, sqlx::Error> {
    let (mut detail, mut all) = (Vec::new(), Digest::default());
    for partition in Partition::all() {
        let before = digest(snapshot, pair, sides[0], partition).await?;
        let after = digest(snapshot, pair, sides[1], partition).await?;
        all.merge(&before);
        if before != after && detail.len() < 5 {
            detail.push(format!(
                "partition {partition}: {} facts of {} coins before, {} of {} after",
                before.row_count, before.coins, after.row_count, after.coins
            ));
        }
    }
    let figure = format!("{} facts of {} coins", all.row_count, all.coins);
    Ok(Invariant::without_offenders(name, figure, detail))
}

async fn digest(
    snapshot: &mut Snapshot,
    pair: Pair,
    sql: &str,
    partition: Partition,
) -> Result<Digest, sqlx::Error> {
    let (mut digest, mut after) = (Digest::default(), 0_i64);
    loop {
        let rows = snapshot.page(sql, (partition.number(), after), PAGE_LEN).await?;
        for row in &rows {
            digest.add(&fact_of_row(pair, row)?);
            after = row.try_get("seq")?;
        }
        if i64::try_from(rows.len()).is_ok_and(|len| len < PAGE_LEN) {
            return Ok(digest);
        }
    }
}

fn fact_of_row(pair: Pair, row: &PgRow) -> Result<Fact, sqlx::Error> {
    let kind = match row.try_get::<i32, _>("fact")? {
        1 => FactKind::Spent,
        2 => FactKind::Returned,
        3 => FactKind::Settled,
        _ => FactKind::Reversed,
    };
    let order_id = row.try_get::<Option<Uuid>, _>("order_id")?.unwrap_or(Uuid::nil());
    Ok(Fact {
        pair,
        order_id: OrderId::from_uuid(order_id),
        kind,
        paid_coins: row.try_get("paid")?,
        promo_coins: row.try_get("promo")?,
    })
}
