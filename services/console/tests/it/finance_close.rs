//! Invariant under test: the pages of closing and of the rules have their rows before any script runs; what somebody
//! wrote stays text; each person is offered what fits; what is wrong or not there is told, and the rest still shows.

use crate::finance_markup::{answer_for, answer_of, page_for, rows};
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

/// A service with one answer.
fn one(path: &str, answer: Value) -> Router {
    Router::new().route(path, get(async move || Json(answer)))
}

#[tokio::test]
async fn a_period_has_its_conditions_steps_and_days_before_any_script_runs() {
    let page = page_for(Role::FinanceChecker, "/finance/close?period=2026-11").await;
    assert!(page.contains("Checklist of 2026-11</h2>") && page.contains("It cannot be closed yet"), "{page}");
    let conditions = rows(&page, "checklist");
    assert_eq!(conditions.len(), 3, "{page}");
    for said in ["Critical breaks", "state-blocks", "12 open", "<li>amount_mismatch 4201</li>"] {
        assert!(conditions[1].contains(said), "no condition says {said}: {}", conditions[1]);
    }
    let steps = rows(&page, "steps");
    assert_eq!(steps.len(), 1, "{page}");
    for said in ["href=\"/finance/close?period=2026-11-20\"", "Close", "Waiting", "20 Nov 2026, 14:40:00"] {
        assert!(steps[0].contains(said), "the step does not say {said}: {}", steps[0]);
    }
    let days = rows(&page, "periods");
    assert_eq!(days.len(), 2, "{page}");
    assert!(days[1].contains("?period=2026-11-19\">2026-11-19") && days[1].contains(">64<"), "{}", days[1]);
    assert!(page.contains("<input type=\"text\" name=\"period\" value=\"2026-11\""), "{page}");
    for role in [Role::Finance, Role::FinanceMaker, Role::FinanceChecker] {
        let page = page_for(role, "/finance/close?period=2026-11").await;
        assert!(
            page.contains("<form id=\"step-form\" data-period=\"2026-11\">"),
            "{role:?} has no step: {page}"
        );
    }
    let page = page_for(Role::Auditor, "/finance/close?period=&before=").await;
    assert!(rows(&page, "checklist").len() == 3 && !page.contains("step-form"), "an auditor reads: {page}");
}

#[tokio::test]
async fn closing_asks_for_what_the_address_asks_and_what_was_written_stays_text() {
    let list = async |OriginalUri(uri): OriginalUri| {
        let step = json!({ "period": BAD, "step": BAD, "state": BAD, "reason": uri.query(), "proposed_by": BAD,
            "proposed_at": AT, "decided_by": BAD, "decided_at": AT });
        let day = json!({ "day": "2026-11-02", "state": BAD, "changed_at": AT, "voucher_count": 9_007_199_254_740_993_i64 });
        Json(json!({ "periods": [day], "next": "2026-11-02", "requests": [step] }))
    };
    let checklist = async |OriginalUri(uri): OriginalUri| {
        let line = json!({ "name": BAD, "state": "passed", "figure": uri.path(), "detail": [BAD] });
        Json(json!({ "can_close": true, "lines": [line] }))
    };
    let service = Router::new()
        .route("/v1/finance/periods", get(list))
        .route("/v1/finance/periods/{period}/checklist", get(checklist));
    let path = "/finance/close?period=2026-11-20&before=2026-11-12";
    let (status, page) = sees(Role::Auditor, service, path).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(rows(&page, "checklist")[0].contains("/v1/finance/periods/2026-11-20/checklist"), "{page}");
    assert!(page.contains("class=\"verdict good\""), "{page}");
    assert!(rows(&page, "steps")[0].contains("before=2026-11-12"), "{page}");
    assert!(rows(&page, "periods")[0].contains("9,007,199,254,740,993"), "{page}");
    let next = "href=\"/finance/close?period=2026-11-20&amp;before=2026-11-02\" rel=\"next\"";
    assert!(page.contains(next), "{page}");
    assert!(page.contains("id=\"first\" href=\"/finance/close?period=2026-11-20\""), "{page}");
}

#[tokio::test]
async fn a_period_that_is_none_is_told_and_what_is_there_of_closing_shows() {
    let bad =
        ["2026", "2026-13", "2026-2", "2026-11-31", "2026-11-1", "..%2F2026-11", "today", "2026-11%3Fa"];
    let bad = bad.map(|period| format!("period={period}"));
    let more = ["before=soon", "day=2026-11-20", "period=2026-11&period=2026-12"].map(str::to_owned);
    for wrong in bad.iter().chain(&more) {
        let (status, page) = answer_for(Some(Role::Finance), &format!("/finance/close?{wrong}")).await;
        assert!(status.is_client_error(), "{wrong}: {status}");
        assert!(page.contains("id=\"page-state\"") && page.contains("id=\"period-form\""), "{wrong}: {page}");
        assert!(rows(&page, "checklist").is_empty() && !page.contains("step-form"), "{wrong} shows rows");
    }
    let refuse = async || Problem::not_found("no-such-period", "There is <no> such period.");
    let periods = json!({ "periods": [], "next": null, "requests": [] });
    let service =
        one("/v1/finance/periods", periods).route("/v1/finance/periods/{period}/checklist", get(refuse));
    let (status, page) = sees(Role::Finance, service, "/finance/close").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("There is &lt;no&gt; such period.") && !page.contains("step-form"), "{page}");
    assert!(page.contains("No step was asked for.") && page.contains("Nothing was posted yet."), "{page}");
    let (status, page) = sees(Role::Finance, Router::new(), "/finance/close").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(page.matches("role=\"status\">Not available").count(), 3, "{page}");
}

#[tokio::test]
async fn a_step_of_closing_is_asked_for_and_shows_without_taking_what_is_typed() {
    let sent: Arc<Mutex<Vec<String>>> = Arc::default();
    let (kept, known) = (Arc::clone(&sent), Arc::clone(&sent));
    let ask = async move |request: Request| {
        let path = request.uri().path().to_owned();
        let body = to_bytes(request.into_body(), 1 << 20).await.expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        kept.lock().expect("nobody failed with it").push(format!("{path} {}", body["reason"]));
        Json(json!({}))
    };
    let list = async move || {
        let step = |reason: &String| {
            json!({ "period": "2026-10", "step": "reopen", "state": "waiting", "reason": reason, "proposed_by": "mia",
                "proposed_at": AT })
        };
        let steps: Vec<_> = known.lock().expect("nobody failed with it").iter().map(step).collect();
        Json(json!({ "periods": [], "next": null, "requests": steps }))
    };
    let checklist = json!({ "can_close": true, "lines": [] });
    let service = one("/v1/finance/periods/{period}/checklist", checklist)
        .route("/v1/finance/periods", get(list))
        .route("/v1/finance/periods/{period}/{step}", post(ask));
    let base = stub::serve_router(stub::router_over(Profile::Development, service)).await;
    let chromium = Chromium::start().expect("a WebDriver");
    let mia = open_browser(&chromium, &[]).await;
    sign_in(&mia, &base, "mia", "finance-maker").await;
    mia.goto(format!("{base}/finance/close?period=2026-10")).await.expect("the page opens");
    let reason = mia.find(By::Css("#step-form textarea")).await.expect("a reason");
    reason.send_keys(" Late bills. ").await.expect("typed");
    click(&mia, "#step-form [value=reopen]").await;
    let shown = "return document.querySelector('#steps')?.innerText.includes('Late bills.') === true";
    wait_for(&mia, "the step", shown).await;
    let typed = mia.execute("return document.querySelector('#step-form textarea').value", Vec::new()).await;
    assert_eq!(typed.expect("a script runs").json(), " Late bills. ", "what was typed is gone");
    let expected = ["/v1/finance/periods/2026-10/reopen \"Late bills.\""];
    assert_eq!(*sent.lock().expect("nobody failed with it"), expected);
    quit([mia]).await;
}
