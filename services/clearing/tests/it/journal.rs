//! Invariant under test: the journal shows every voucher once, each opens the rows it was made from, and the coin
//! liability rolls forward to what the trial balance says.

use crate::close_api::{Desk, maker, past, stamp_of};
use crate::database::balances;
use crate::ledger::{entry, item, payment};
use axum::http::StatusCode;
use chrono::NaiveDate;
use contracts::entry::EntryKind;
use contracts::item::ItemKind;
use contracts::payment::PaymentKind;
use ids::OrderId;
use serde_json::Value;
use std::collections::BTreeSet;

/// A recharge, two gifts, one of them refunded, and a withdrawal, on each of some days; says how many rows that is.
async fn fill(desk: &Desk, days: &[NaiveDate]) -> i64 {
    let mut rows = 0;
    for (at, day) in (0_u8..).zip(days) {
        let partition = at * 7 % 64;
        let stamp = || stamp_of(partition, *day);
        desk.bench.payments.push(payment(stamp(), PaymentKind::Recharge, 100));
        desk.bench.entries.push(entry(stamp(), EntryKind::Recharge, 1_000, 50));
        for (paid, promo) in [(300, 50), (200, 0)] {
            desk.bench.entries.push(entry(stamp(), EntryKind::Debit, -paid, -promo));
            desk.bench.items.push(item(stamp(), ItemKind::Settled, paid, promo));
        }
        let mut refund = entry(stamp(), EntryKind::Refund, 200, 0);
        refund.origin_id = Some(OrderId::now().uuid());
        desk.bench.entries.push(refund);
        desk.bench.items.push(item(stamp(), ItemKind::Reversed, 200, 0));
        desk.bench.entries.push(entry(stamp(), EntryKind::Withdraw, -100, 0));
        rows += 9;
    }
    desk.bench.until_applied(rows).await;
    rows
}

async fn pages(desk: &Desk, query: &str, limit: usize) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = desk.get(&format!("/v1/finance/journal?{query}&limit={limit}{after}")).await;
        let vouchers = page["vouchers"].as_array().expect("a list").clone();
        assert!(vouchers.len() <= limit);
        all.extend(vouchers);
        let Some(next) = page["next"].as_str() else { return all };
        after = format!("&after={next}");
    }
}

#[tokio::test]
async fn every_voucher_is_on_one_page_and_an_account_finds_its_own() {
    let desk = Desk::open().await;
    let days: Vec<NaiveDate> = (3..9).rev().map(past).collect();
    fill(&desk, &days).await;
    let query = format!("day_from={}&day_to={}", past(9), past(1));
    let all = pages(&desk, &query, 4).await;
    let names: BTreeSet<&str> =
        all.iter().map(|voucher| voucher["voucher_id"].as_str().expect("a name")).collect();
    let count = desk.bench.count("SELECT count(*) FROM {s}.vouchers").await;
    assert_eq!((i64::try_from(all.len()), i64::try_from(names.len())), (Ok(count), Ok(count)));
    let posted: Vec<&str> =
        all.iter().map(|voucher| voucher["posted_day"].as_str().expect("a day")).collect();
    assert!(posted.is_sorted(), "{posted:?}");
    let of_1122 = pages(&desk, &format!("{query}&account=1122"), 2).await;
    assert_eq!(of_1122.len(), days.len());
    assert!(of_1122.iter().all(|voucher| voucher["rule"] == "cashier.recharge"));
    let one_day = pages(&desk, &format!("day_from={}&day_to={}", past(5), past(5)), 500).await;
    assert!(
        !one_day.is_empty() && one_day.iter().all(|voucher| voucher["posted_day"] == past(5).to_string())
    );
    let (status, ..) = desk.fetch(maker(), &format!("/v1/finance/journal?{query}&after=nowhere")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, ..) = desk.fetch(maker(), &format!("/v1/finance/journal?{query}&limit=501")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    desk.end().await;
}

#[tokio::test]
async fn a_voucher_opens_the_gifts_it_was_made_from_and_nothing_else() {
    let desk = Desk::open().await;
    fill(&desk, &[past(4)]).await;
    let query = format!("day_from={}&day_to={}", past(4), past(4));
    let (mut orders, mut rows) = (BTreeSet::new(), 0);
    for voucher in pages(&desk, &query, 500).await {
        let name = voucher["voucher_id"].as_str().expect("a name");
        let (mut of_voucher, mut coins, mut after) = (0, 0, String::new());
        loop {
            let detail = desk.get(&format!("/v1/finance/journal/{name}?limit=1{after}")).await;
            assert_eq!(detail["voucher"], voucher);
            for row in detail["rows"].as_array().expect("a list") {
                of_voucher += 1;
                coins += row["coins"].as_i64().expect("coins");
                orders.extend(row["order_id"].as_str().map(str::to_owned));
            }
            let Some(next) = detail["next"].as_i64() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(
            (&voucher["row_count"], &voucher["coins"]),
            (&of_voucher.into(), &coins.into()),
            "{voucher}"
        );
        rows += of_voucher;
    }
    assert_eq!(rows, 9, "every row is under one voucher");
    assert_eq!(orders.len(), 6, "two gifts and their refund in entries, three in items");
    for unknown in ["0-1000", "64-1", "0-0", "x", "00-1"] {
        let (status, ..) = desk.fetch(maker(), &format!("/v1/finance/journal/{unknown}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{unknown}");
    }
    desk.end().await;
}

/// Rows that either side of the sums has and the other has not: by rule, and of the trial balance.
const SUMS_DIFFER: &str = "
WITH lines AS (
    SELECT v.posted_day, v.rule, v.partition / 8 AS part_group, l.account, l.debit, l.credit
    FROM {s}.vouchers v, LATERAL unnest(v.accounts, v.debits, v.credits) AS l (account, debit, credit)
), posted AS (
    SELECT posted_day, account, rule, part_group, sum(debit)::bigint AS debit, sum(credit)::bigint AS credit
    FROM lines GROUP BY posted_day, account, rule, part_group
    UNION ALL
    SELECT posted_day, account, NULL, part_group, sum(debit)::bigint, sum(credit)::bigint
    FROM lines GROUP BY posted_day, account, part_group
), summed AS (
    SELECT posted_day, account, rule, part_group, debit_micro, credit_micro FROM {s}.rule_days
    UNION ALL
    SELECT posted_day, account, NULL, part_group, debit_micro, credit_micro FROM {s}.account_days
)
SELECT (SELECT count(*) FROM summed),
    (SELECT count(*) FROM (SELECT * FROM posted EXCEPT SELECT * FROM summed) d)
        + (SELECT count(*) FROM (SELECT * FROM summed EXCEPT SELECT * FROM posted) d)";

/// As if the vouchers had been posted by a program that knew of no sums by rule, and kept the others by partition.
const FORGET: &str = "SET search_path = {s};
DROP TRIGGER vouchers_are_summed_by_rule ON vouchers; DROP FUNCTION add_rule_days; DROP TABLE rule_days;
ALTER TABLE account_days DROP CONSTRAINT account_days_group_exists;
ALTER TABLE account_days RENAME COLUMN part_group TO partition;
TRUNCATE account_days;
INSERT INTO account_days (posted_day, account, partition, debit_micro, credit_micro)
SELECT v.posted_day, l.account, v.partition, sum(l.debit), sum(l.credit)
FROM vouchers v, LATERAL unnest(v.accounts, v.debits, v.credits) AS l (account, debit, credit)
GROUP BY v.posted_day, l.account, v.partition;";

#[tokio::test]
async fn sums_are_those_of_the_vouchers_and_migrations_make_the_same_of_old_ones() {
    let desk = Desk::open().await;
    let days: Vec<NaiveDate> = (3..7).rev().map(past).collect();
    fill(&desk, &days).await;
    let (db, pool) = (&desk.bench.db, desk.bench.db.pool());
    let kept: (i64, i64) = sqlx::query_as(db.sql(SUMS_DIFFER)).fetch_one(pool).await.expect("sums");
    assert!(kept.0 > 20 && kept.1 == 0, "{kept:?}");
    let by_rule = include_str!("../../../../migrations/clearing/0121_rule_days.sql");
    let by_group = include_str!("../../../../migrations/clearing/0122_sums_by_group.sql");
    let again = format!("{FORGET} {by_rule} {by_group} RESET search_path;").replace("{s}", db.schema());
    sqlx::raw_sql(sqlx::AssertSqlSafe(again)).execute(pool).await.expect("migrates");
    let made: (i64, i64) = sqlx::query_as(db.sql(SUMS_DIFFER)).fetch_one(pool).await.expect("sums");
    assert_eq!(made, kept);
    desk.end().await;
}

#[tokio::test]
async fn sums_by_rule_that_somebody_changed_show_in_the_roll_forward() {
    let desk = Desk::open().await;
    fill(&desk, &[past(3)]).await;
    let spoil = "UPDATE {s}.rule_days SET credit_micro = credit_micro + 7
        WHERE account = '2205.01' AND rule = 'wallet.recharge' AND credit_micro > 0";
    let mend = "UPDATE {s}.rule_days SET credit_micro = credit_micro - 7
        WHERE account = '2205.01' AND rule = 'wallet.recharge' AND credit_micro > 0";
    let db = &desk.bench.db;
    let spoilt = sqlx::query(db.sql(spoil)).execute(db.pool()).await.expect("spoils").rows_affected();
    let rolled = desk.get(&format!("/v1/finance/roll-forward?from={}&to={}", past(3), past(3))).await;
    let paid = &rolled["days"][0]["accounts"][0];
    assert_eq!(paid["difference_micro"].as_u64(), Some(7 * spoilt), "{rolled}");
    assert!(spoilt > 0);
    sqlx::query(db.sql(mend)).execute(db.pool()).await.expect("mends");
    desk.end().await;
}

#[tokio::test]
async fn the_coin_liability_rolls_forward_to_the_trial_balance() {
    let desk = Desk::open().await;
    let days: Vec<NaiveDate> = (3..7).rev().map(past).collect();
    fill(&desk, &days).await;
    let rolled = desk.get(&format!("/v1/finance/roll-forward?from={}&to={}", past(5), past(1))).await;
    let rolled = rolled["days"].as_array().expect("a list").clone();
    assert_eq!(rolled.len(), 5);
    let number = |value: &Value| value.as_i64().expect("micros");
    // One day's movement at 100,000 micros a coin: 1,050 came, 550 were spent, 200 came back, 100 were withdrawn.
    let of_day = [105_000_000_i64, 55_000_000, 20_000_000, 10_000_000];
    let fields = ["credited_micro", "spent_micro", "returned_micro", "withdrawn_micro"];
    for (at, day) in rolled.iter().enumerate() {
        let busy = i64::from(at < 3);
        for (field, amount) in fields.iter().zip(of_day) {
            assert_eq!(number(&day[*field]), amount * busy, "{field} of {day}");
        }
        let closing =
            number(&day["opening_micro"]) + (105_000_000 - 55_000_000 + 20_000_000 - 10_000_000) * busy;
        assert_eq!(number(&day["closing_micro"]), closing);
        let next = rolled.get(at + 1).map_or(closing, |next| number(&next["opening_micro"]));
        assert_eq!(next, closing, "what one day ends with the next begins with");
        let accounts = day["accounts"].as_array().expect("a list");
        assert!(accounts.iter().all(|account| account["difference_micro"] == 0), "{day}");
    }
    let held = balances(&desk.running).await;
    let liability: i64 =
        ["2205.01", "2205.02"].iter().map(|code| -held.get(*code).copied().unwrap_or(0)).sum();
    assert_eq!(number(&rolled[4]["closing_micro"]), liability);
    let (status, ..) =
        desk.fetch(maker(), &format!("/v1/finance/roll-forward?from={}&to={}", past(99), past(1))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    desk.end().await;
}
