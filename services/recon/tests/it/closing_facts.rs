//! Invariant under test: whoever closes a day is told of the breaks of that day and no other, and whether a run saw
//! all its files; a voucher that stands in a later day than its own is compared by its own.

use crate::database::{Bench, debit, item, noon, order, stamp};
use crate::funds::{fund_bill, movements};
use crate::small_day::{SmallDay, day};
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use chrono::{DateTime, Days, TimeDelta, Utc};
use contracts::item::ItemKind;
use contracts::log::{LogName, Seq};
use contracts::order::OrderKind;
use contracts::voucher::Voucher;
use edge::{Edge, Role, TokenKeys};
use ids::{OrderId, Uuid};
use recon::{BreakKind, Running};
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt;

/// A voucher of the six gifts that stands in the books of three days later.
fn late(rule: &str, source: LogName, range: (Seq, Seq), row_count: i64, coins: i64) -> Voucher {
    let stamp = stamp(1, noon());
    Voucher {
        posted_day: stamp.day.checked_add_days(Days::new(3)).expect("a day"),
        stamp,
        rule: rule.to_owned(),
        source,
        from_seq: range.0,
        to_seq: range.1,
        row_count,
        coins,
        postings: Vec::new(),
    }
}

fn six_gifts(bench: &Bench) {
    for _ in 0..6 {
        let order_id = OrderId::now();
        bench.entries.push(debit(&stamp(1, noon()), order_id, 10));
        bench.orders.push(order(&stamp(1, noon()), order_id, OrderKind::Delivered, 10));
        bench.items.push(item(&stamp(1, noon()), order_id, ItemKind::Settled, 10));
    }
}

#[tokio::test]
async fn a_late_voucher_is_found_by_the_day_of_its_rows_and_a_wrong_one_is_a_break() {
    for (coins, wanted) in [(60, vec![]), (59, vec![(BreakKind::VoucherMismatch, 1)])] {
        let bench = Bench::open().await;
        six_gifts(&bench);
        bench.vouchers.push(late("wallet.spend", LogName::Entries, (1, 6), 6, coins));
        bench.vouchers.push(late("settlement.settle", LogName::Items, (1, 6), 6, 60));
        let running = bench.start().await;
        bench.until_applied().await;
        bench.close_and_compare(&running, noon()).await;
        let compared = || async {
            bench.count("SELECT count(*) FROM {s}.voucher_progress WHERE covered_seq = 6").await == 2
        };
        bench.until("both sources are compared to their ends", compared).await;
        let breaks = bench.breaks(&running).await;
        let found: Vec<_> = breaks.iter().map(|found| (found.kind, found.coins)).collect();
        assert_eq!(found, wanted);
        running.shutdown().await;
    }
}

async fn closing(running: &Running, days: [DateTime<Utc>; 2]) -> (StatusCode, Value) {
    let keys = TokenKeys::from_secret(&[7; 32]).expect("long enough");
    let token = keys.mint(Role::Internal, Uuid::now_v7(), Duration::from_secs(60)).expect("signs");
    let router = Edge::new(keys).finish(running.router());
    let instants = days.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    let [first, last] = days.map(|at| at.date_naive());
    let path = format!(
        "/internal/recon/closing?first={first}&last={last}&begins_at={}&ends_at={}",
        instants[0], instants[1]
    );
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    let response = router.oneshot(request.body(Body::empty()).expect("a request")).await.expect("an answer");
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    (status, serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test]
async fn breaks_are_told_by_their_own_day_and_the_critical_ones_by_name() {
    let bench = Bench::open().await;
    bench.entries.push(debit(&stamp(1, noon()), OrderId::now(), 7));
    let running = bench.start().await;
    bench.until_applied().await;
    bench.close_and_compare(&running, noon()).await;
    let one_day = TimeDelta::days(1);
    // Breaks of vouchers may come a turn later than those of minutes.
    let told = || async {
        let (status, said) = closing(&running, [noon() - one_day, noon() + one_day]).await;
        assert_eq!((status, &said["critical_breaks"]), (StatusCode::OK, &0.into()), "{said}");
        assert!(said["compared_until"].is_string(), "{said}");
        let all = bench.count("SELECT count(*) FROM {s}.breaks").await;
        all > 0 && said["open_breaks"] == all
    };
    bench.until("every break is told", told).await;
    let (_, said) = closing(&running, [noon() + one_day * 2, noon() + one_day * 3]).await;
    assert_eq!(said["open_breaks"], 0, "{said}");
    let worst = bench.db.sql("UPDATE {s}.breaks SET severity = 4 WHERE minute IS NOT NULL");
    sqlx::query(worst).execute(bench.db.pool()).await.expect("sets");
    let (_, said) = closing(&running, [noon() - one_day, noon() + one_day]).await;
    let worst = bench.count("SELECT count(*) FROM {s}.breaks WHERE severity = 4").await;
    assert!(worst > 0 && said["critical_breaks"] == worst, "{said}");
    assert_eq!(
        said["critical"].as_array().map(Vec::len).and_then(|len| i64::try_from(len).ok()),
        Some(worst)
    );
    running.shutdown().await;
}

#[tokio::test]
async fn a_day_has_been_run_once_a_run_is_done_that_saw_its_last_file() {
    let books = SmallDay::usual().await;
    let office = books.reconcile_minutes().await;
    let not_run = async || {
        let (status, said) = closing(&office.running, [noon(), noon()]).await;
        assert_eq!(status, StatusCode::OK, "{said}");
        said["days_not_run"].clone()
    };
    assert_eq!(not_run().await, json!([day()]));
    office.run(day()).await;
    assert_eq!(not_run().await, json!([]));
    for file in [books.bill(&[]), fund_bill(&movements(&books)).into_bytes()] {
        office.import(&file).await;
        assert_eq!(not_run().await, json!([day()]), "the run has not seen the file");
        office.run(day()).await;
        assert_eq!(not_run().await, json!([]));
    }
    office.running.shutdown().await;
}
