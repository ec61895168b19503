//! Invariant under test: everything that waits for a second person has its rows before any script runs; whoever may
//! decide is offered exactly what was shown, whoever made it and whoever may not are told; what somebody wrote stays
//! text; a service that is away leaves the other parts to decide.

use crate::finance_markup::{answer_of, between, page_for, rows};
use crate::finance_stub::{BATCH, BREAK, PAYEE, RUN};
use crate::steps::{click, open_browser, quit, sign_in, wait_for};
use crate::stub;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{OriginalUri, Request};
use axum::routing::{get, post};
use console::Profile;
use edge::{Json, Role};
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use testkit::Chromium;
use thirtyfour::prelude::*;

/// What nobody may put on a page as markup.
const BAD: &str = "\"><script>alert(1)</script>";

const AT: &str = "2026-11-20T06:40:00Z";

/// Every kind, in the order of the page.
const KINDS: [&str; 10] = [
    "proposals",
    "batches",
    "accounts",
    "imports",
    "refunds",
    "refund-files",
    "minors",
    "periods",
    "matching",
    "withholding",
];

async fn sees(role: Role, finance: Router) -> (StatusCode, String) {
    answer_of(stub::router_over(Profile::Development, finance), Some(role), "/finance/approvals").await
}

/// A service with one answer.
fn one(path: &str, answer: Value) -> Router {
    Router::new().route(path, get(async move || Json(answer)))
}

#[tokio::test]
async fn everything_that_waits_has_its_row_and_its_ways_before_any_script_runs() {
    let page = page_for(Role::FinanceChecker, "/finance/approvals").await;
    let digest = "ab".repeat(32);
    let said: [&[&str]; 10] = [
        &[
            "Amount mismatch",
            "1,200 coins",
            "promotional coins 1",
            "The viewer lost a coin.",
            "Reject…",
            &digest,
        ],
        &["Batch of 2026-11-20", "1 line, ¥9,910.00 to pay, ¥90.00 withheld", "/discard\"", ">Discard<"],
        &["Agency", "Star agency, 6222, ICBKCNBJ"],
        &["3 contracts", "/v1/finance/contract-imports/", ">Refuse<"],
        &["One order", "5,200 coins", "He is twelve.", "?kind=order&amp;case=", "/v1/finance/refunds/"],
        &["A file of 250 orders", "?kind=file&amp;case=", "/v1/finance/refund-batches/"],
        &["14 gifts of a minor", "?kind=minor&amp;case=", "/v1/finance/minor-cases/"],
        &["Close 2026-11-20", "/v1/finance/periods/2026-11-20/close\"", "request_id"],
        &["Version 2", "Days of the new year.", "/v1/finance/matching-rules/2/reject?scope=channel\""],
        &[
            "Streamer from 2027-01-01",
            "Announcement 61",
            "20.00 % for costs",
            "¥5,000.00 free a month",
            "above ¥36,000.00: 10.00 %, less ¥2,520.00",
            "/v1/finance/withholding-proposals/",
        ],
    ];
    for (kind, said) in KINDS.into_iter().zip(said) {
        let rows = rows(&page, kind);
        assert_eq!(rows.len(), 1, "{kind}: {page}");
        for text in said {
            assert!(rows[0].contains(text), "{kind} does not say {text}: {}", rows[0]);
        }
        assert_eq!(rows[0].matches(">Approve<").count(), 1, "{kind}: {}", rows[0]);
        assert!(rows[0].contains("data-label=\"Decide\""), "a phone stacks it: {}", rows[0]);
    }
    assert!(page.contains("href=\"/finance/breaks?state=proposed\">40 more wait in the inbox"), "{page}");
    // Who proposes decides nothing, who reads neither; who does both of finance's work decides about money only.
    for (role, deciders) in [(Role::FinanceMaker, 0), (Role::Auditor, 0), (Role::Finance, 9)] {
        let page = page_for(role, "/finance/approvals").await;
        assert_eq!(page.matches(">Approve<").count(), deciders, "{role:?}");
        assert_eq!(page.matches("a checker's").count(), 10 - deciders, "{role:?}");
        assert_eq!(page.contains("approvals-say"), deciders == 0, "{role:?}");
    }
}

#[tokio::test]
async fn what_was_written_stays_text_and_only_what_waits_is_asked_for_and_shown() {
    let cases = async |OriginalUri(uri): OriginalUri| {
        let case = json!({ "case_id": RUN, "kind": "minor", "reason": BAD, "made_by": BAD, "made_at": AT,
            "line_count": 1, "asked_coins": 9_007_199_254_740_993_i64, "viewer_id": PAYEE, "from": AT,
            "to": "2026-11-21T06:40:00Z" });
        assert_eq!(uri.query(), Some("state=waiting&limit=25"), "all of them are asked for");
        Json(json!({ "cases": [case], "next": RUN }))
    };
    let step = |state: &str| {
        json!({ "request_id": RUN, "period": BAD, "step": "soft_lock", "state": state, "reason": BAD,
            "proposed_by": BAD, "proposed_at": AT })
    };
    let account = |approved_by: Value| {
        json!({ "account_id": RUN, "payee": BAD, "payee_id": BAD, "holder": BAD, "account_no": BAD,
            "bank_code": BAD, "created_by": BAD, "approved_by": approved_by })
    };
    let found = json!({ "break_id": BREAK, "kind": BAD, "severity": BAD, "coins": 1 });
    let line = json!({ "account": BAD, "debit_micro": 9_007_199_254_740_993_i64 });
    let proposal = json!({ "proposal_id": RUN, "maker_id": BAD, "reason": BAD, "digest": BAD, "proposed_at": AT,
        "action": { "action": "adjust_voucher", "lines": [line] } });
    let service = Router::new()
        .route("/v1/finance/minor-cases", get(cases))
        .merge(one(
            "/v1/finance/periods",
            json!({ "requests": [step("waiting"), step("done"), step("agreed")] }),
        ))
        .merge(one(
            "/v1/finance/payee-accounts",
            json!({ "accounts": [account(json!(BAD)), account(json!(null))] }),
        ))
        .merge(one(
            "/v1/finance/proposals",
            json!({ "proposals": [{ "break": found, "proposal": proposal }],
            "waiting_count": 1 }),
        ));
    let (status, page) = sees(Role::FinanceChecker, service).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    let minors = rows(&page, "minors");
    for said in ["1 gift of a minor", "9,007,199,254,740,993 coins", "20 Nov 2026, 14:40:00"] {
        assert!(minors[0].contains(said), "the case does not say {said}: {}", minors[0]);
    }
    assert!(
        page.contains("href=\"/finance/refunds?kind=minor\">More wait: these are the newest 25"),
        "{page}"
    );
    let periods = rows(&page, "periods");
    assert_eq!(periods.len(), 1, "what is done does not wait: {page}");
    assert!(periods[0].contains("/soft-lock\"") && !periods[0].contains("Refuse"), "{}", periods[0]);
    assert_eq!(rows(&page, "accounts").len(), 1, "what is approved does not wait: {page}");
    // Who approves a voucher sees its lines.
    assert!(page.contains("Lines of the voucher") && page.contains("¥90,071,992.54740993"), "{page}");
    assert!(!page.contains("more wait in the inbox"), "{page}");
}

#[tokio::test]
async fn a_service_that_is_away_leaves_the_other_parts_to_decide() {
    let batch = json!({ "batch_id": BATCH, "day": "2026-11-20", "currency": "CNY", "line_count": 2, "net_minor": 5,
        "tax_minor": 1, "built_by": "mia", "built_at": AT });
    let service = one("/v1/finance/payout-batches", json!({ "batches": [batch] }))
        .merge(one("/v1/finance/payee-accounts", json!({ "accounts": [] })));
    let (status, page) = sees(Role::FinanceChecker, service).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(rows(&page, "batches").len(), 1, "{page}");
    assert!(page.contains("No account waits."), "{page}");
    assert_eq!(page.matches("role=\"status\">Not available").count(), 8, "{page}");
    let (status, page) = sees(Role::FinanceChecker, Router::new()).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(page.matches("role=\"status\">Not available").count(), 10, "{page}");
}

#[tokio::test]
async fn a_decision_is_sent_as_it_was_shown_and_what_is_decided_goes() {
    let sent: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
    let (kept, known) = (Arc::clone(&sent), Arc::clone(&sent));
    let decide = async move |request: Request| {
        let path = request.uri().path().to_owned();
        let body = to_bytes(request.into_body(), 1 << 20).await.expect("a body");
        kept.lock()
            .expect("nobody failed with it")
            .push((path, serde_json::from_slice(&body).expect("JSON")));
        Json(json!({}))
    };
    let proposals = async move || {
        let is_decided =
            |path: &str| known.lock().expect("nobody failed with it").iter().any(|(to, _)| to == path);
        let of = |number: usize, maker: String| {
            let id = format!("0192f000-0000-7000-8000-{number:012}");
            let found = json!({ "break_id": id, "kind": "extra_order", "severity": "low", "coins": 5 });
            let proposal = json!({ "proposal_id": RUN, "maker_id": maker, "action": { "action": "wait", "days": 2 },
                "reason": format!("Reason {number}."), "digest": "cd".repeat(32), "proposed_at": AT });
            let is_there = !["approvals", "rejections"]
                .iter()
                .any(|verb| is_decided(&format!("/v1/finance/breaks/{id}/{verb}")));
            is_there.then(|| json!({ "break": found, "proposal": proposal }))
        };
        let ced = Role::FinanceChecker.person_named("ced").to_string();
        let all: Vec<Value> =
            [of(1, RUN.to_owned()), of(2, RUN.to_owned()), of(3, ced)].into_iter().flatten().collect();
        Json(json!({ "waiting_count": all.len(), "proposals": all }))
    };
    let service = Router::new()
        .route("/v1/finance/proposals", get(proposals))
        .route("/v1/finance/breaks/{id}/{verb}", post(decide));
    let base = stub::serve_router(stub::router_over(Profile::Development, service)).await;
    let chromium = Chromium::start().expect("a WebDriver");
    let ced = open_browser(&chromium, &[]).await;
    sign_in(&ced, &base, "ced", "finance-checker").await;
    ced.goto(format!("{base}/finance/approvals")).await.expect("the page opens");
    let of_row = |number: usize, css: &str| format!("#proposals tbody tr:nth-child({number}) {css}");
    let rows_left = |count: usize, said: &str| {
        format!(
            "const rows = [...document.querySelectorAll('#proposals tbody tr')];
             return rows.length === {count} && rows.some((row) => row.innerText.includes('{said}'))"
        )
    };
    wait_for(&ced, "what is one's own", &rows_left(3, "you made it")).await;
    click(&ced, &of_row(1, "button.primary")).await;
    wait_for(&ced, "one less", &rows_left(2, "Reason 2.")).await;
    click(&ced, &of_row(1, "[data-reason]")).await;
    let reason = ced.find(By::Css("#reject-dialog textarea")).await.expect("a reason");
    reason.send_keys("Too late.").await.expect("typed");
    click(&ced, "#reject-form button.primary").await;
    wait_for(&ced, "only one's own", &rows_left(1, "you made it")).await;
    let is_closed = "return document.getElementById('reject-dialog').open === false";
    wait_for(&ced, "no dialog", is_closed).await;
    let shown = json!({ "proposal_id": RUN, "digest": "cd".repeat(32) });
    let mut rejected = shown.clone();
    rejected["reason"] = json!("Too late.");
    let expected = [
        ("/v1/finance/breaks/0192f000-0000-7000-8000-000000000001/approvals".to_owned(), shown),
        ("/v1/finance/breaks/0192f000-0000-7000-8000-000000000002/rejections".to_owned(), rejected),
    ];
    assert_eq!(*sent.lock().expect("nobody failed with it"), expected);
    let page = ced.source().await.expect("the page");
    assert_eq!(between(&page, ("data-sends=\"decide\"", ">")).len(), 0, "one's own is offered");
    quit([ced]).await;
}
