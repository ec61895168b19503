//! Every accepted debit ends once: one order, and one item or one refund; a refund of an item reverses it.

use crate::snapshot::{Schema, Snapshot};
use crate::{Invariant, OFFENDERS_MAX};

/// Two sets of rows that must name the same facts of orders, each once.
struct OneToOne {
    name: &'static str,
    needs: [Schema; 2],
    /// What the figure calls the rows of each side.
    words: [&'static str; 2],
    /// Each selects `order_id` and `fact`, a number that both sides know.
    sides: [&'static str; 2],
}

const PAIRS: [OneToOne; 5] = [
    OneToOne {
        name: "each-accepted-debit-has-one-order",
        needs: [Schema::Wallet, Schema::Gift],
        words: ["accepted debits", "orders"],
        sides: [
            "SELECT request_id AS order_id, 0 AS fact FROM {wallet}.entries WHERE outcome = 0 AND kind IN (4, 6)",
            "SELECT order_id, 0 AS fact FROM {gift}.orders WHERE kind IN (1, 2)",
        ],
    },
    OneToOne {
        name: "each-delivered-order-has-one-item",
        needs: [Schema::Gift, Schema::Settlement],
        words: ["delivered orders", "items"],
        sides: [
            "SELECT order_id, 0 AS fact FROM {gift}.orders WHERE kind = 1",
            "SELECT order_id, 0 AS fact FROM {settlement}.items WHERE kind = 1",
        ],
    },
    // All of its coins, in one refund or in several.
    OneToOne {
        name: "each-undelivered-order-came-back-whole",
        needs: [Schema::Gift, Schema::Gift],
        words: ["undelivered orders", "that came back"],
        sides: [
            "SELECT order_id, paid_coins + promo_coins AS fact FROM {gift}.orders WHERE kind = 2",
            "SELECT order_id, sum(paid_coins + promo_coins) AS fact FROM {gift}.orders WHERE kind = 3
             GROUP BY order_id",
        ],
    },
    OneToOne {
        name: "each-refund-has-one-order-row",
        needs: [Schema::Gift, Schema::Wallet],
        words: ["rows of refunded orders", "refund entries"],
        sides: [
            "SELECT order_id, origin_seq AS fact FROM {gift}.orders WHERE kind IN (3, 4)",
            "SELECT origin_id AS order_id, seq AS fact FROM {wallet}.entries WHERE outcome = 0 AND kind = 9",
        ],
    },
    OneToOne {
        name: "each-refund-of-an-item-has-one-reversal",
        needs: [Schema::Gift, Schema::Settlement],
        words: ["refunds of deliveries", "reversals"],
        sides: [
            "SELECT order_id, seq AS fact FROM {gift}.orders WHERE kind = 4",
            "SELECT order_id, origin_seq AS fact FROM {settlement}.items WHERE kind = 2",
        ],
    },
];

pub(crate) async fn prove(snapshot: &mut Snapshot) -> Result<Vec<Invariant>, sqlx::Error> {
    let mut lines = Vec::new();
    for pair in PAIRS {
        if snapshot.has(&pair.needs) {
            lines.push(one_to_one(snapshot, &pair).await?);
        }
    }
    Ok(lines)
}

async fn one_to_one(snapshot: &mut Snapshot, pair: &OneToOne) -> Result<Invariant, sqlx::Error> {
    let [left, right] = pair.sides;
    let counted = format!(
        "WITH l AS (SELECT order_id, fact, count(*) AS n FROM ({left}) l GROUP BY order_id, fact),
              r AS (SELECT order_id, fact, count(*) AS n FROM ({right}) r GROUP BY order_id, fact)"
    );
    let wrong = format!(
        "{counted} SELECT format('order %s: %s and %s', coalesce(l.order_id, r.order_id), coalesce(l.n, 0),
                                 coalesce(r.n, 0))
         FROM l FULL JOIN r ON r.order_id = l.order_id AND r.fact = l.fact
         WHERE l.n IS DISTINCT FROM 1 OR r.n IS DISTINCT FROM 1
         ORDER BY coalesce(l.order_id, r.order_id) LIMIT {OFFENDERS_MAX}"
    );
    let detail = snapshot.lines(&wrong).await?;
    let [of_left, of_right] = snapshot
        .sums(&format!(
            "SELECT (SELECT count(*) FROM ({left}) l)::text, (SELECT count(*) FROM ({right}) r)::text"
        ))
        .await?;
    let figure = format!("{of_left} {}, {of_right} {}", pair.words[0], pair.words[1]);
    Ok(Invariant::without_offenders(pair.name, figure, detail))
}
