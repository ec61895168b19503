//! Invariant under test: statements, one payee's day and a line's orders have their rows before any script runs, page by
//! page and to the last digit; what somebody wrote stays text; what is wrong or not there is told, and nothing is asked
//! by an address that was not checked.

use crate::finance_markup::{answer_for, answer_of, between, page_for, rows};
use crate::finance_stub::{ORDER, PAYEE, RUN};
use crate::stub;
use axum::Router;
use axum::extract::OriginalUri;
use axum::routing::get;
use console::Profile;
use edge::{Json, Problem, Role};
use http::StatusCode;
use serde_json::{Value, json};

/// What nobody may put on a page as markup.
const BAD: &str = "\"><script>alert(1)</script>";

async fn sees(role: Role, finance: Router, path: &str) -> (StatusCode, String) {
    answer_of(stub::router_over(Profile::Development, finance), Some(role), path).await
}

fn statement(number: usize) -> Value {
    json!({ "payee": "agency", "payee_id": format!("0192f000-0000-7000-8000-{number:012}"), "day": "2026-11-20",
        "status": BAD, "gross_micro": 9_007_199_254_740_993_i64, "share_micro": 100_000_000, "clawback_micro": -1,
        "settled_count": 1_200, "reversed_count": 3, "carry_in_micro": 7, "payable_minor": -250, "carry_out_micro": 8,
        "is_released": true })
}

fn line(version: i64) -> Value {
    json!({ "streamer_id": PAYEE, "contract_version": version, "gross_micro": 9_007_199_254_740_993_i64,
        "share_micro": 0, "clawback_micro": 0, "settled_count": 1_200, "reversed_count": 3 })
}

fn order(seq: i64) -> Value {
    json!({ "order_id": ORDER, "kind": BAD, "day": "2026-11-19", "paid_coins": 9_007_199_254_740_993_i64,
        "promo_coins": 4, "earned_micro": -100_000_001, "partition": 17, "seq": seq })
}

#[tokio::test]
async fn statements_have_their_rows_sums_and_files_before_any_script_runs() {
    let path = format!("/finance/statements?payee=streamer&payee_id={PAYEE}&from=2026-11-01&to=2026-11-20");
    let page = page_for(Role::Auditor, &path).await;
    let list = rows(&page, "statements");
    assert_eq!(list.len(), 1, "{page}");
    let way = format!("href=\"/finance/statements/{PAYEE}/2026-11-20?payee=streamer\"");
    for said in [&*way, "¥90,071,992.54<span class=\"below-minor\">740993", "12 − 1", "¥40.00", "on hold"]
    {
        assert!(list[0].contains(said), "the statement does not say {said}: {}", list[0]);
    }
    assert!(between(&page, ("<tfoot>", "</tfoot>")).concat().contains("¥90,071,992.54"), "{page}");
    for file in ["statements.csv", "statements.xlsx", "statement-lines.csv"] {
        let asked = format!("payee=streamer&amp;payee_id={PAYEE}&amp;from=2026-11-01&amp;to=2026-11-20");
        assert!(page.contains(&format!("download=\"{file}\" href=\"/v1/finance/{file}?{asked}\"")), "{page}");
    }
    assert!(page.contains("/assets/session.js\"></script>"), "reading needs a script of its own: {page}");
}

#[tokio::test]
async fn statements_come_page_by_page_and_keep_what_was_asked_for() {
    let list = async |OriginalUri(uri): OriginalUri| {
        let asked = uri.query().unwrap_or_default().to_owned();
        let later = format!(
            "payee=agency&from=2026-11-01&to=2026-11-20&after_day=2026-11-20&after_payee_id={RUN}&limit=100"
        );
        let count = match &*asked {
            "payee=agency&from=2026-11-01&to=2026-11-20&limit=100" => 100,
            asked if asked == later => 1,
            _ => 0,
        };
        Json(json!({ "statements": (1..=count).map(statement).collect::<Vec<_>>() }))
    };
    let service = Router::new().route("/v1/finance/statements", get(list));
    let path = "/finance/statements?payee=agency&from=2026-11-01&to=2026-11-20";
    let (_, page) = sees(Role::Finance, service.clone(), path).await;
    assert_eq!(rows(&page, "statements").len(), 100);
    assert!(page.contains("−¥250.00"), "a hundred times ¥2.50 below zero: {page}");
    let next = "?from=2026-11-01&amp;to=2026-11-20&amp;payee=agency&amp;after_day=2026-11-20&amp;after_payee_id=0192f000-0000-7000-8000-000000000100";
    assert!(page.contains(&format!("href=\"/finance/statements{next}\" rel=\"next\"")), "{page}");
    assert!(page.contains("<option value=\"agency\" selected>"), "{page}");
    let path = format!("{path}&after_day=2026-11-20&after_payee_id={RUN}");
    let (_, page) = sees(Role::Finance, service, &path).await;
    assert_eq!(rows(&page, "statements").len(), 1, "{page}");
    assert!(page.contains(
        "id=\"first\" href=\"/finance/statements?from=2026-11-01&amp;to=2026-11-20&amp;payee=agency\""
    ));
    assert!(!page.contains("rel=\"next\""), "{page}");
}

#[tokio::test]
async fn a_payees_day_has_its_lines_and_a_line_its_orders_and_what_was_written_stays_text() {
    let orders = async |OriginalUri(uri): OriginalUri| {
        let asked =
            format!("payee=agency&streamer_id={PAYEE}&contract_version=-2&after_partition=17&after_seq=9");
        assert_eq!(uri.query(), Some(&*asked), "the orders that were asked for");
        Json(json!({ "orders": (1..=500).map(order).collect::<Vec<_>>() }))
    };
    let lines = async |OriginalUri(uri): OriginalUri| {
        assert_eq!(uri.query(), Some("payee=agency"), "the lines that were asked for");
        Json(json!({ "lines": [line(3), line(-2)] }))
    };
    let of = async || Json(statement(3));
    let service = Router::new()
        .route("/v1/statements/{payee_id}/{day}", get(of))
        .route("/v1/finance/statements/{payee_id}/{day}/lines", get(lines))
        .route("/v1/finance/statements/{payee_id}/{day}/orders", get(orders));
    let path = format!("/finance/statements/{PAYEE}/2026-11-20");
    let line = format!("payee=agency&streamer_id={PAYEE}&contract_version=-2");
    let (status, page) =
        sees(Role::Auditor, service, &format!("{path}?{line}&after_partition=17&after_seq=9")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    for said in
        ["<strong>−¥2.50</strong>", "¥0.00<span class=\"below-minor\">000007", "contract default, version 2"]
    {
        assert!(page.contains(said), "the day does not say {said}");
    }
    let lines = rows(&page, "lines");
    assert_eq!(lines.len(), 2, "{page}");
    assert!(lines[0].contains("version 3") && lines[0].contains("1,200"), "{}", lines[0]);
    let way = format!("href=\"{path}?{}#orders-card\"", line.replace('&', "&amp;"));
    assert!(lines[1].contains(&way) && lines[1].contains("default, version 2"), "{}", lines[1]);
    let orders = rows(&page, "orders");
    assert_eq!(orders.len(), 500);
    for said in [&format!("href=\"/finance/orders/{ORDER}\""), "9,007,199,254,740,993", "−¥1.00"] {
        assert!(orders[0].contains(said), "the order does not say {said}: {}", orders[0]);
    }
    let next = way.replace("#orders-card", "&amp;after_partition=17&amp;after_seq=500#orders-card");
    assert!(page.contains(&format!("id=\"more-orders\" {next}")), "{page}");
    assert!(page.contains(&format!("{way}>First orders")), "{page}");
}

#[tokio::test]
async fn the_lines_of_an_agency_come_page_by_page() {
    let lines = async |OriginalUri(uri): OriginalUri| {
        let later = format!("payee=agency&after={PAYEE}&after_version=500");
        let count = if uri.query() == Some(&*later) { 2 } else { 500 };
        Json(json!({ "lines": (1..=count).map(line).collect::<Vec<_>>() }))
    };
    let service = Router::new().route("/v1/finance/statements/{payee_id}/{day}/lines", get(lines));
    let path = format!("/finance/statements/{PAYEE}/2026-11-20?payee=agency");
    let (status, page) = sees(Role::Auditor, service.clone(), &path).await;
    // The day itself is not there, and says so; the lines still show.
    assert_eq!((status, rows(&page, "lines").len()), (StatusCode::OK, 500));
    assert_eq!(page.matches("role=\"status\">Not available").count(), 1, "{page}");
    let next = format!("{path}&lines_after={PAYEE}&lines_after_version=500");
    assert!(page.contains(&format!("id=\"next-lines\" href=\"{}\"", next.replace('&', "&amp;"))), "{page}");
    let (_, page) = sees(Role::Auditor, service, &next).await;
    assert_eq!(rows(&page, "lines").len(), 2, "{page}");
    assert!(!page.contains("next-lines"), "{page}");
}

#[tokio::test]
async fn what_is_wrong_or_not_there_of_statements_is_told() {
    for wrong in [
        "payee=viewer",
        "payee_id=7",
        "from=soon",
        "from=2026-11-02&to=2026-11-01",
        "after_day=1",
        "colour=red",
        "after_payee_id=..%2F1",
    ] {
        let (status, page) = answer_for(Some(Role::Finance), &format!("/finance/statements?{wrong}")).await;
        assert!(status.is_client_error(), "{wrong}: {status}");
        assert!(page.contains("id=\"page-state\"") && page.contains("name=\"payee_id\""), "{wrong}: {page}");
        assert!(rows(&page, "statements").is_empty() && !page.contains("statements.csv"), "{wrong}: {page}");
    }
    let day = format!("{PAYEE}/2026-11-20");
    for wrong in [
        "7/2026-11-20".to_owned(),
        format!("{PAYEE}/2026-11-31"),
        format!("{PAYEE}/..%2F..%2Fbreaks"),
        format!("{day}?payee=viewer"),
        format!("{day}?streamer_id={PAYEE}"),
        format!("{day}?streamer_id={PAYEE}&contract_version=one"),
        format!("{day}?after_seq=x"),
        format!("{day}?lines_after=x"),
        format!("{day}?colour=red"),
    ] {
        let (status, page) = answer_for(Some(Role::Finance), &format!("/finance/statements/{wrong}")).await;
        assert!(status.is_client_error(), "{wrong}: {status}");
        assert!(page.contains("id=\"page-state\"") && rows(&page, "lines").is_empty(), "{wrong}: {page}");
    }
    let refuse = async || Problem::not_found("no-such-payee", "There is <no> such payee.");
    let service = Router::new().route("/v1/finance/statements", get(refuse));
    let (status, page) = sees(Role::Auditor, service, "/finance/statements").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("There is &lt;no&gt; such payee."), "{page}");
}
