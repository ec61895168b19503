//! Invariant under test: cases of refunds have their rows before any script runs, page by page; one case says whose
//! coins and earnings it moves and offers its decision to whoever may take it; what somebody wrote stays text; what is
//! wrong or not there is told; what a form asks for is what was written in it.

use crate::finance_markup::{answer_for, answer_of, page_for, rows};
use crate::finance_stub::{ORDER, PAYEE, RUN};
use crate::steps::{click, open_browser, quit, sign_in, wait_for};
use crate::stub;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{OriginalUri, Request};
use axum::routing::{get, post};
use console::Profile;
use edge::{Json, Problem, Role};
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use testkit::Chromium;
use thirtyfour::prelude::*;

/// What nobody may put on a page as markup.
const BAD: &str = "\"><script>alert(1)</script>";

const AT: &str = "2026-11-20T06:40:00Z";

async fn sees(role: Role, finance: Router, path: &str) -> (StatusCode, String) {
    answer_of(stub::router_over(Profile::Development, finance), Some(role), path).await
}

fn case(kind: &str, state: &str) -> Value {
    json!({ "case_id": RUN, "kind": kind, "state": state, "reason": BAD, "made_by": BAD, "made_at": AT,
        "line_count": 1_250, "done_count": 40, "failed_count": 2, "asked_coins": 9_007_199_254_740_993_i64,
        "refunded_paid_coins": 1_000, "refunded_promo_coins": 234 })
}

/// A minor's case with everything that the API may say of it.
fn minor() -> Value {
    let line = |number| {
        json!({ "line": number, "order_id": ORDER, "viewer_id": PAYEE, "streamer_id": PAYEE, "asked_coins": 70,
            "reason": BAD, "outcome": "over_refund", "paid_coins": 61, "promo_coins": 9, "attempts": 3, "last_error": BAD })
    };
    let share = json!({ "streamer_id": PAYEE, "agency_id": null, "gift_count": 12, "coins": 840,
        "streamer_micro": 9_007_199_254_740_993_i64, "agency_micro": 0, "streamer_reversed_micro": 100_000_000,
        "agency_reversed_micro": 0 });
    let refund = json!({ "refund_id": RUN, "recharge_id": RUN, "channel": BAD, "channel_payment_id": BAD,
        "amount_minor": 4_999, "currency": "USD", "coins": 50, "state": "asked" });
    let mut one = case("minor", "waiting");
    for (name, value) in [
        ("viewer_id", json!(PAYEE)),
        ("from", json!(AT)),
        ("to", json!("2026-11-21T06:40:00Z")),
        ("decided_by", json!(BAD)),
        ("decided_at", json!(AT)),
        ("lines", json!([line(101), line(102)])),
        ("next", json!(102)),
        ("shares", json!([share])),
        ("shares_unavailable", json!(BAD)),
        ("money", json!({ "refunds": [refund], "left_coins": 17 })),
        ("money_error", json!(BAD)),
    ] {
        one[name] = value;
    }
    one
}

#[tokio::test]
async fn cases_and_one_case_have_their_rows_before_any_script_runs() {
    let page = page_for(Role::FinanceMaker, &format!("/finance/refunds?case={RUN}")).await;
    let cases = rows(&page, "cases");
    assert_eq!(cases.len(), 1, "{page}");
    for said in ["He is twelve.</a>", "Waiting", "0 of 1", "5,200", &format!("?kind=order&amp;case={RUN}\"")]
    {
        assert!(cases[0].contains(said), "the case does not say {said}: {}", cases[0]);
    }
    let lines = rows(&page, "case-lines");
    assert_eq!(lines.len(), 1, "{page}");
    assert!(lines[0].contains(&format!("href=\"/finance/orders/{ORDER}\"")), "{}", lines[0]);
    assert!(lines[0].contains("not yet") && lines[0].contains("5,200"), "{}", lines[0]);
    for form in ["order-form", "minor-form\" data-offset=\"+08:00", "file-form"] {
        assert!(page.contains(&format!("<form id=\"{form}\"")), "a maker has no {form}: {page}");
    }
    assert!(page.contains("a checker's") && !page.contains(">Approve<"), "a maker decides: {page}");
    let page = page_for(Role::FinanceChecker, &format!("/finance/refunds?kind=order&case={RUN}")).await;
    assert!(page.contains(&format!("data-path=\"/v1/finance/refunds/{RUN}/approve\"")), "{page}");
    assert!(page.contains(&format!("data-path=\"/v1/finance/refunds/{RUN}/refuse\"")), "{page}");
    assert!(!page.contains("order-form"), "a checker asks: {page}");
    let page = page_for(Role::Auditor, "/finance/refunds?kind=file&case=&before=&after=").await;
    assert_eq!(rows(&page, "cases").len(), 1, "{page}");
    assert!(page.contains("<option value=\"file\" selected>") && !page.contains("case-card"), "{page}");
}

#[tokio::test]
async fn a_minors_case_says_whose_coins_earnings_and_money_it_moves_and_what_was_written_stays_text() {
    let one = async |OriginalUri(uri): OriginalUri| {
        assert_eq!(uri.query(), Some("after=100&limit=100"), "the lines that were asked for");
        Json(minor())
    };
    let list = async |OriginalUri(uri): OriginalUri| {
        assert_eq!(uri.query(), Some(&*format!("before={ORDER}&limit=100")), "the cases that were asked for");
        Json(json!({ "cases": [case("minor", "approved")], "next": RUN }))
    };
    let service = Router::new()
        .route("/v1/finance/minor-cases", get(list))
        .route("/v1/finance/minor-cases/{case_id}", get(one));
    let path = format!("/finance/refunds?kind=minor&case={RUN}&after=100&before={ORDER}");
    let (status, page) = sees(Role::FinanceChecker, service, &path).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    for said in [
        "9,007,199,254,740,993",
        "1,234",
        "40 of 1,250",
        "Lines that give nothing back</dt><dd>2<",
        "20 Nov 2026, 14:40:00",
        "21 Nov 2026, 14:40:00",
        "Over refund",
        "after 3 attempts",
        "¥90,071,992.54<span class=\"below-minor\">740993",
        "USD 49.99",
        "17 coins stay in the wallet",
        "Whose earnings it takes back is not known now",
        "The money is not on its way yet",
        ">Approve<",
    ] {
        assert!(page.contains(said), "the case does not say {said}: {page}");
    }
    assert_eq!(rows(&page, "case-lines").len(), 2, "{page}");
    let next =
        format!("href=\"/finance/refunds?kind=minor&amp;case={RUN}&amp;after=102&amp;before={ORDER}\"");
    assert!(page.contains(&format!("id=\"next-lines\" {next}")), "{page}");
    let kept = format!("/finance/refunds?kind=minor&amp;case={RUN}&amp;after=100");
    assert!(page.contains(&format!("id=\"first\" href=\"{kept}\"")), "{page}");
    assert!(page.contains(&format!("id=\"next\" href=\"{kept}&amp;before={RUN}\"")), "{page}");
}

#[tokio::test]
async fn what_is_wrong_or_not_there_of_refunds_is_told() {
    for wrong in [
        "kind=gift",
        "kind=ORDER",
        "case=7",
        "before=..%2F1",
        "after=-1",
        "after=one",
        "colour=red",
        "kind=file&kind=order",
    ] {
        let (status, page) = answer_for(Some(Role::FinanceMaker), &format!("/finance/refunds?{wrong}")).await;
        assert!(status.is_client_error(), "{wrong}: {status}");
        assert!(page.contains("id=\"page-state\"") && page.contains("id=\"kind-form\""), "{wrong}: {page}");
        assert!(rows(&page, "cases").is_empty() && page.contains("order-form"), "{wrong}: {page}");
    }
    let refuse = async || Problem::not_found("no-such-case", "There is <no> such case.");
    let list = async || Json(json!({ "cases": [] }));
    let service = Router::new()
        .route("/v1/finance/refunds", get(list))
        .route("/v1/finance/refunds/{case_id}", get(refuse));
    let (status, page) = sees(Role::Auditor, service, &format!("/finance/refunds?case={RUN}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(
        page.contains("There is &lt;no&gt; such case.") && page.contains("Nobody asked for such"),
        "{page}"
    );
    let (status, page) = sees(Role::Auditor, Router::new(), "/finance/refunds").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("role=\"status\">Not available"), "{page}");
}

#[tokio::test]
async fn a_minors_refund_is_asked_for_by_the_clock_of_accounting_days_and_opens_its_case() {
    let sent: Arc<Mutex<Vec<Value>>> = Arc::default();
    let kept = Arc::clone(&sent);
    let ask = async move |request: Request| {
        let body = to_bytes(request.into_body(), 1 << 20).await.expect("a body");
        kept.lock().expect("nobody failed with it").push(serde_json::from_slice(&body).expect("JSON"));
        Json(json!({ "case_id": RUN }))
    };
    let list = async || Json(json!({ "cases": [] }));
    let one = async || Json(minor());
    let service = Router::new()
        .route("/v1/finance/refunds", get(list))
        .route("/v1/finance/minor-cases", post(ask).get(list))
        .route("/v1/finance/minor-cases/{case_id}", get(one));
    let base = stub::serve_router(stub::router_over(Profile::Development, service)).await;
    let chromium = Chromium::start().expect("a WebDriver");
    let mia = open_browser(&chromium, &[]).await;
    sign_in(&mia, &base, "mia", "finance-maker").await;
    mia.goto(format!("{base}/finance/refunds")).await.expect("the page opens");
    let fill = "const of = (name) => document.querySelector(`#minor-form [name=${name}]`);
        of('viewer').value = ' Ann '; of('reason').value = 'He is twelve.';
        of('from').value = '2026-11-20T00:00'; of('to').value = '2026-11-21T08:30:15'";
    mia.execute(fill, Vec::new()).await.expect("a script runs");
    click(&mia, "#minor-form button").await;
    let opened = format!(
        "return location.search === '?kind=minor&case={RUN}' && !!document.querySelector('#case-lines')"
    );
    wait_for(&mia, "its case", &opened).await;
    let mut bodies = sent.lock().expect("nobody failed with it").clone();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let id = bodies[0].as_object_mut().and_then(|body| body.remove("case_id"));
    assert!(id.is_some_and(|id| id.as_str().is_some_and(|id| id.len() == 36)), "the page names the case");
    let expected = json!({ "viewer_id": "Ann", "from": "2026-11-19T16:00:00.000Z", "to": "2026-11-21T00:30:15.000Z",
        "reason": "He is twelve." });
    assert_eq!(bodies[0], expected);
    // An amount that is none is told in its form, and nothing is sent.
    mia.goto(format!("{base}/finance/refunds")).await.expect("the page opens");
    let fill = "const of = (name) => document.querySelector(`#order-form [name=${name}]`);
        of('order').value = 'x'; of('coins').value = '1.5'; of('reason').value = 'Why.'";
    mia.execute(fill, Vec::new()).await.expect("a script runs");
    click(&mia, "#order-form button").await;
    let told =
        "return document.querySelector('#order-form .error').textContent.includes('no number of coins')";
    wait_for(&mia, "why", told).await;
    let is_there = mia.find(By::Css("#case-card")).await.is_ok();
    assert!(!is_there, "a case that nobody asked for");
    quit([mia]).await;
}
