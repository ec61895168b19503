//! Proves the books from the tables alone.

use crate::bank::Bank;
use contracts::wallet::Wallet;
use ids::ViewerId;
use ids::partition_of;
use sqlx::Row;

const CONSERVED: &str = "
SELECT account_id,
    coalesce(sum(paid_delta_coins), 0)::bigint AS paid, coalesce(sum(promo_delta_coins), 0)::bigint AS promo,
    coalesce(sum(held_paid_delta_coins), 0)::bigint AS held_paid,
    coalesce(sum(held_promo_delta_coins), 0)::bigint AS held_promo,
    coalesce(sum(paid_delta_coins) FILTER (WHERE kind IN (1, 2, 3, 9)), 0)::bigint AS paid_came,
    coalesce(sum(promo_delta_coins) FILTER (WHERE kind IN (1, 2, 3, 9)), 0)::bigint AS promo_came,
    -coalesce(sum(paid_delta_coins + held_paid_delta_coins) FILTER (WHERE kind IN (4, 6, 10, 11)), 0)::bigint AS paid_went,
    -coalesce(sum(promo_delta_coins + held_promo_delta_coins) FILTER (WHERE kind IN (4, 6, 10, 11)), 0)::bigint AS promo_went
FROM {s}.entries WHERE outcome = 0 GROUP BY account_id";

const LAST: &str = "
SELECT DISTINCT ON (account_id) account_id, paid_after_coins, promo_after_coins, held_paid_after_coins,
    held_promo_after_coins
FROM {s}.entries ORDER BY account_id, seq DESC";

const GAPS: &str = "
SELECT count(*) FROM (
    SELECT h.partition FROM {s}.log_heads h LEFT JOIN {s}.entries e ON e.partition = h.partition
    GROUP BY h.partition, h.last_seq
    HAVING count(e.seq) <> h.last_seq OR coalesce(max(e.seq), 0) <> h.last_seq
        OR count(DISTINCT e.seq) <> count(e.seq)) AS broken";

const BROKEN_CHAINS: &str = "
SELECT count(*) FROM (
    SELECT previous_seq, lag(seq, 1, 0::bigint) OVER (PARTITION BY partition, account_id ORDER BY seq) AS before
    FROM {s}.entries) AS links
WHERE previous_seq <> before";

const OVER_REFUNDED: &str = "
SELECT count(*) FROM (
    SELECT r.origin_id FROM {s}.entries r WHERE r.kind = 9 AND r.outcome = 0 GROUP BY r.origin_id
    HAVING sum(r.paid_delta_coins) > (SELECT -(d.paid_delta_coins + d.held_paid_delta_coins)
            FROM {s}.entries d WHERE d.request_id = r.origin_id AND d.outcome = 0)
        OR sum(r.promo_delta_coins) > (SELECT -(d.promo_delta_coins + d.held_promo_delta_coins)
            FROM {s}.entries d WHERE d.request_id = r.origin_id AND d.outcome = 0)) AS broken";

impl Bank {
    /// Per fund, what came is what is there or went; every balance is the sum of its entries; no seq is
    /// missing or doubled; nothing was refunded twice.
    pub async fn assert_books_balance(&self) {
        for row in sqlx::query(self.db.sql(CONSERVED)).fetch_all(self.db.pool()).await.expect("sums") {
            let sum = |column: &str| row.try_get::<i64, _>(column).expect("a sum");
            for fund in ["paid", "promo"] {
                let there = sum(fund) + sum(&format!("held_{fund}"));
                assert_eq!(
                    sum(&format!("{fund}_came")),
                    there + sum(&format!("{fund}_went")),
                    "{fund} is conserved"
                );
            }
        }
        let sums = sqlx::query(self.db.sql(CONSERVED)).fetch_all(self.db.pool()).await.expect("sums");
        let last = sqlx::query(self.db.sql(LAST)).fetch_all(self.db.pool()).await.expect("last entries");
        for after in last {
            let account: uuid::Uuid = after.try_get("account_id").expect("an account");
            let sum = sums
                .iter()
                .find(|sum| sum.try_get::<uuid::Uuid, _>("account_id").is_ok_and(|id| id == account));
            let of = |column: &str| sum.map_or(0, |sum| sum.try_get::<i64, _>(column).expect("a sum"));
            let shown = |column: &str| after.try_get::<i64, _>(column).expect("a balance");
            assert_eq!(shown("paid_after_coins"), of("paid"));
            assert_eq!(shown("promo_after_coins"), of("promo"));
            assert_eq!(shown("held_paid_after_coins"), of("held_paid"));
            assert_eq!(shown("held_promo_after_coins"), of("held_promo"));
            if let Some(running) = &self.running
                && let Ok(view) = running.handle().account(ViewerId::from_uuid(account)).await
            {
                assert_eq!(
                    view.available.paid_coins.get(),
                    of("paid"),
                    "memory shows what the entries sum to"
                );
                assert_eq!(view.available.promo_coins.get(), of("promo"));
                assert_eq!(partition_of(account).index() < 64, view.as_of_seq > 0);
            }
        }
        for (statement, what) in [
            (GAPS, "gaps in the log"),
            (BROKEN_CHAINS, "links of an account's chain broken"),
            (OVER_REFUNDED, "orders refunded twice"),
        ] {
            let broken: i64 =
                sqlx::query_scalar(self.db.sql(statement)).fetch_one(self.db.pool()).await.expect("a count");
            assert_eq!(broken, 0, "{what}");
        }
    }
}
