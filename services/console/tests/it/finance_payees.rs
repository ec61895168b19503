//! Invariant under test: payouts and their batches have their rows before any script runs, page by page; what somebody
//! wrote stays text; each person is offered what fits; what is wrong or not there is told, and the rest still shows.

use crate::finance_markup::{answer_for, answer_of, between, page_for, rows};
use crate::finance_stub::{BATCH, PAYEE, RUN};
use crate::steps::{click, open_browser, quit, sign_in, wait_for};
use crate::stub;
use axum::Router;
use axum::extract::{OriginalUri, Request};
use axum::response::IntoResponse as _;
use axum::routing::{any, get};
use console::Profile;
use edge::{FinanceReader, Json, Role};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use testkit::Chromium;

/// What nobody may put on a page as markup.
const BAD: &str = "\"><script>alert(1)</script>";

async fn sees(role: Role, finance: Router, path: &str) -> (StatusCode, String) {
    answer_of(stub::router_over(Profile::Development, finance), Some(role), path).await
}

/// A service with one answer.
fn one(path: &str, answer: Value) -> Router {
    Router::new().route(path, get(async move || Json(answer)))
}

fn batch(number: usize) -> Value {
    json!({ "batch_id": format!("0192f000-0000-7000-8000-{number:012}"), "state": "confirmed", "day": "2026-11-20",
        "currency": "JPY", "line_count": 1_234, "gross_minor": 5_000, "tax_minor": 1, "net_minor": 4_999,
        "lines_hash": "cd", "built_by": BAD, "built_at": "2026-11-20T06:40:00Z" })
}

fn request(number: usize) -> Value {
    json!({ "request_id": format!("0192f000-0000-7000-8000-{number:012}"), "payee": BAD, "payee_id": BAD,
        "amount_minor": 9_007_199_254_740_993_i64, "state": "in_batch", "batch_id": BATCH })
}

#[tokio::test]
async fn payouts_have_their_batches_and_requests_before_any_script_runs() {
    let path = format!("/finance/payouts?payee=agency&payee_id={PAYEE}");
    let page = page_for(Role::FinanceMaker, &path).await;
    let batches = rows(&page, "batches");
    assert_eq!(batches.len(), 1, "{page}");
    for said in [&format!("href=\"/finance/payouts/{BATCH}\""), "Built", "¥10,000.00", "¥90.00", "¥9,910.00"]
    {
        assert!(batches[0].contains(said), "the batch does not say {said}: {}", batches[0]);
    }
    let requests = rows(&page, "requests");
    assert_eq!(requests.len(), 1, "{page}");
    assert!(requests[0].contains("Streamer") && requests[0].contains("¥10,000.00"), "{}", requests[0]);
    assert!(requests[0].contains(&format!("form=\"cancel-form\" value=\"{RUN}\"")), "{}", requests[0]);
    let money = between(&page, ("<div id=\"payee\"", "</dl>")).concat();
    for said in ["¥0.00<span class=\"below-minor\">000005", "¥1.00", "¥0.07", "¥0.01"] {
        assert!(money.contains(said), "the money does not say {said}: {money}");
    }
    // The form keeps what was asked for, and so do those that a maker is offered.
    assert_eq!(page.matches("<option value=\"agency\" selected>").count(), 3, "{page}");
    for form in ["build-form", "cancel-form", "ask-form", "account-form"] {
        assert!(page.contains(&format!("<form id=\"{form}\">")), "a maker has no {form}: {page}");
    }
    for role in [Role::Auditor, Role::FinanceChecker] {
        let page = page_for(role, "/finance/payouts").await;
        assert_eq!(rows(&page, "batches").len(), 1, "{page}");
        assert_eq!(
            between(&page, ("<form id=\"", "\"")),
            ["sign-in-form"],
            "{role:?} is offered what a maker does"
        );
        assert!(!page.contains("form=\"cancel-form\""), "{role:?} may cancel: {page}");
        assert!(!page.contains("At the bank"), "nobody asked for a payee: {page}");
    }
}

#[tokio::test]
async fn payouts_go_from_page_to_page_and_what_was_written_stays_text() {
    let lists = |len: usize| {
        let batches: Vec<_> = (1..=len).map(batch).collect();
        let requests: Vec<_> = (1..=len).map(request).collect();
        one("/v1/finance/payout-batches", json!({ "batches": batches }))
            .merge(one("/v1/finance/payout-requests", json!({ "requests": requests })))
    };
    let path = format!("/finance/payouts?requests_before={RUN}");
    let (status, page) = sees(Role::Auditor, lists(200), &path).await;
    assert_eq!((status, rows(&page, "batches").len()), (StatusCode::OK, 200));
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(rows(&page, "batches")[0].contains("JPY 4,999"), "{page}");
    assert!(rows(&page, "requests")[0].contains("¥90,071,992,547,409.93"), "no digit is lost: {page}");
    // Each list has its own way on, which leaves the other where it is.
    let last = "0192f000-0000-7000-8000-000000000200";
    let next = format!("href=\"/finance/payouts?before={last}&amp;requests_before={RUN}\" rel=\"next\"");
    assert!(page.contains(&next) && !page.contains("id=\"first\""), "{page}");
    assert!(
        page.contains(&format!("href=\"/finance/payouts?requests_before={last}\">Next requests")),
        "{page}"
    );
    assert!(page.contains("href=\"/finance/payouts\">First requests"), "{page}");
    let (_, page) = sees(Role::Auditor, lists(199), &format!("/finance/payouts?before={last}")).await;
    assert!(page.contains("id=\"first\" href=\"/finance/payouts\""), "{page}");
    assert!(!page.contains("id=\"next\"") && !page.contains("Next requests"), "there is no more: {page}");
    let (_, page) = sees(Role::Auditor, lists(0), "/finance/payouts").await;
    assert!(
        page.contains("No batch was built yet.") && page.contains("Nobody asked for a payout."),
        "{page}"
    );
}

#[tokio::test]
async fn payouts_ask_for_what_the_address_asks_and_tell_what_is_wrong() {
    let asked = async |OriginalUri(uri): OriginalUri| {
        let mut request = request(1);
        request["payee"] = json!(uri.query());
        Json(json!({ "requests": [request] }))
    };
    let (_, page) = sees(
        Role::Auditor,
        Router::new().route("/v1/finance/payout-requests", get(asked)),
        &format!("/finance/payouts?before=&requests_before={RUN}"),
    )
    .await;
    assert!(rows(&page, "requests")[0].contains(&format!(">Before={} ", RUN.replace('-', " "))), "{page}");
    // What is not there says so in its place.
    assert!(page.contains("class=\"state missing\" id=\"batches-state\""), "{page}");

    for wrong in
        ["before=4", "requests_before=x", "payee_id=a%2Fb", "payee=bank", "page=2", "before=&before="]
    {
        let (status, page) = answer_for(Some(Role::FinanceMaker), &format!("/finance/payouts?{wrong}")).await;
        assert!(status.is_client_error(), "{wrong}: {status}");
        assert!(page.contains("id=\"page-state\"") && page.contains("name=\"payee_id\""), "{wrong}: {page}");
        assert!(
            rows(&page, "batches").is_empty() && rows(&page, "requests").is_empty(),
            "{wrong} shows rows"
        );
    }
    let (status, page) =
        sees(Role::FinanceMaker, Router::new(), &format!("/finance/payouts?payee_id={PAYEE}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    for part in ["batches", "requests", "payee"] {
        assert!(
            page.contains(&format!("id=\"{part}-state\" role=\"status\">Not available")),
            "{part}: {page}"
        );
    }
    assert!(!page.contains("build-form"), "what nobody answers is not offered: {page}");
}

/// A batch in a state with some lines, as its service answers; built by whoever asks where nobody else is named.
fn one_batch(state: &'static str, len: i64, built_by: Option<&'static str>) -> Router {
    let answer = async move |FinanceReader { sub, .. }: FinanceReader, OriginalUri(uri): OriginalUri| {
        let line = |line| {
            json!({ "line": line, "line_id": RUN, "state": "submitted", "payee": "agency", "payee_id": PAYEE,
                "gross_minor": 100, "tax_minor": 1, "net_minor": i64::MAX, "holder": BAD, "account_no": BAD,
                "bank_code": uri.query(), "reason": (line == 2).then_some(BAD) })
        };
        let mut batch = batch(4);
        batch["state"] = json!(state);
        batch["built_by"] = json!(built_by.map_or_else(|| sub.to_string(), str::to_owned));
        Json(json!({ "batch": batch, "lines": (1..=len).map(line).collect::<Vec<_>>() }))
    };
    Router::new().route("/v1/finance/payout-batches/{id}", get(answer))
}

const PATH: &str = "/finance/payouts/0192f000-0000-7000-8000-000000000004";

#[tokio::test]
async fn a_batch_has_its_lines_before_any_script_runs_and_what_was_written_stays_text() {
    let page = page_for(Role::Auditor, PATH).await;
    let lines = rows(&page, "lines");
    assert_eq!(lines.len(), 1, "{page}");
    for said in ["Streamer", "Ann", "6222020200112233445, ICBKCNBJ", "¥9,910.00", "data-label=\"To pay\""] {
        assert!(lines[0].contains(said), "the line does not say {said}: {}", lines[0]);
    }
    assert!(page.contains(&"cd".repeat(32)) && page.contains("20 Nov 2026, 14:40:00"), "{page}");

    let (_, page) = sees(Role::FinanceMaker, one_batch("submitted", 100, Some(BAD)), PATH).await;
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    let lines = rows(&page, "lines");
    assert_eq!(lines.len(), 100, "{page}");
    assert!(lines[0].contains("after=0&amp;limit=100"), "{}", lines[0]);
    assert!(lines[0].contains("JPY 9,223,372,036,854,775,807"), "{}", lines[0]);
    // The bank's word is recorded where there is none yet, by a maker.
    let word = format!("form=\"line-form\" name=\"paid\" value=\"{RUN}\"");
    assert!(lines[0].contains(&word) && !lines[1].contains(&word), "{page}");
    assert!(page.contains(&format!("href=\"{PATH}?after=100\" rel=\"next\"")), "{page}");
    assert!(page.contains("100 of 1,234 lines") && !page.contains("id=\"first\""), "{page}");
    for ending in ["xml", "csv"] {
        let file = format!("href=\"/v1/finance/payout-batches/{BATCH}/file.{ending}\"");
        assert!(page.contains(&file), "{page}");
        assert!(page.contains(&format!("download=\"payout-2026-11-20-{BATCH}.{ending}\"")), "{page}");
    }
    let (_, page) =
        sees(Role::Auditor, one_batch("submitted", 7, Some(BAD)), &format!("{PATH}?after=100")).await;
    assert!(rows(&page, "lines")[0].contains("after=100&amp;limit=100"), "{page}");
    assert!(
        page.contains(&format!("id=\"first\" href=\"{PATH}\"")) && !page.contains("id=\"next\""),
        "{page}"
    );
    assert!(!page.contains("line-form"), "an auditor records nothing: {page}");
}

#[tokio::test]
async fn a_batch_offers_each_person_the_steps_that_fit() {
    let steps = async |role, (state, by): (&'static str, Option<&'static str>)| {
        let (status, page) = sees(role, one_batch(state, 1, by), PATH).await;
        assert_eq!(status, StatusCode::OK);
        let form = between(&page, ("<form id=\"batch-form\">", "</form>")).concat();
        between(&form, ("type=\"submit\" value=\"", "</button>")).join(" ")
    };
    let (approve, discard) = ("approve\">Approve", "discard\">Discard");
    let submit = "submit\">Submit to the bank";
    let other = Some("mia");
    let expected = [
        (Role::FinanceChecker, ("built", other), format!("{approve} {discard}")),
        (Role::FinanceMaker, ("built", other), String::new()),
        (Role::FinanceMaker, ("approved", other), submit.to_owned()),
        (Role::FinanceChecker, ("approved", other), discard.to_owned()),
        (Role::Finance, ("approved", other), format!("{submit} {discard}")),
        // Nobody approves their own.
        (Role::Finance, ("built", None), format!("approve\" disabled>Approve {discard}")),
        (Role::Auditor, ("built", other), String::new()),
        (Role::Finance, ("submitted", other), String::new()),
    ];
    for (role, stands, buttons) in expected {
        assert_eq!(steps(role, stands).await, buttons, "{role:?} where {stands:?}");
    }
    let (_, page) = sees(Role::Finance, one_batch("built", 1, None), PATH).await;
    assert!(page.contains("You built it: another person must approve it."), "{page}");
}

#[tokio::test]
async fn what_is_no_batch_or_no_place_in_one_is_told() {
    for wrong in ["4", "a%2Fb", "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E", "0192f000%3Fafter=1"] {
        let (status, page) = answer_for(Some(Role::Auditor), &format!("/finance/payouts/{wrong}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{wrong}");
        assert!(
            page.contains("There is no such batch.") && !page.contains("<script>alert"),
            "{wrong}: {page}"
        );
    }
    for wrong in ["after=x", "after=-1", "limit=5", "after=1&after=2", "after=4294967296"] {
        let (status, page) = answer_for(Some(Role::Auditor), &format!("{PATH}?{wrong}")).await;
        assert!(status.is_client_error(), "{wrong}: {status}");
        assert!(page.contains("id=\"page-state\"") && rows(&page, "lines").is_empty(), "{wrong}: {page}");
    }
    let (status, page) = sees(Role::Auditor, Router::new(), PATH).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("Not available"), "{page}");
}

/// Services that keep what was sent to them: a batch and a request move on with each act.
fn acting(sent: &Arc<Mutex<Vec<String>>>) -> Router {
    let sent = Arc::clone(sent);
    let answer = async move |asking: Request| {
        let (parts, body) = asking.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
        let path = parts.uri.path().to_owned();
        let mut sent = sent.lock().expect("nobody failed with it");
        if parts.method == Method::POST {
            sent.push(format!("{path} {}", String::from_utf8_lossy(&body)));
            return Json(json!({})).into_response();
        }
        let did = |what: &str| sent.iter().any(|one| one.contains(what));
        let state =
            [("/submit ", "submitted"), ("/approve ", "approved")].into_iter().find(|(act, _)| did(act));
        let mut batch = batch(4);
        batch["state"] = json!(state.map_or("built", |(_, state)| state));
        let mut asked = request(1);
        asked["state"] = json!(if did("/cancel ") { "cancelled" } else { "open" });
        let line = json!({ "line": 1, "line_id": RUN, "state": if did("/confirmations ") { "paid" } else { "submitted" },
            "payee": "agency", "payee_id": PAYEE, "gross_minor": 2, "tax_minor": 1, "net_minor": 1, "holder": "Ann",
            "account_no": "6222", "bank_code": "ICBKCNBJ" });
        Json(json!({ "batch": batch, "lines": [line], "batches": [batch], "requests": [asked] }))
            .into_response()
    };
    Router::new().route("/v1/finance/{*rest}", any(answer))
}

#[tokio::test]
async fn a_request_is_cancelled_and_a_batch_is_taken_to_the_bank_in_the_browser() {
    let sent = Arc::default();
    let base = stub::serve_router(stub::router_over(Profile::Development, acting(&sent))).await;
    let chromium = Chromium::start().expect("a WebDriver");
    let fin = open_browser(&chromium, &[]).await;
    sign_in(&fin, &base, "fin", "finance").await;
    let says = async |css: &str, text: &str| {
        let script = format!("return document.querySelector({css:?})?.innerText.includes({text:?}) === true");
        wait_for(&fin, &format!("{css} with {text:?}"), &script).await;
    };
    fin.goto(format!("{base}/finance/payouts")).await.expect("the page opens");
    click(&fin, "#requests button").await;
    says("#requests", "Cancelled").await;
    fin.goto(format!("{base}{PATH}")).await.expect("the page opens");
    click(&fin, "#approve").await;
    says("#batch", "Approved").await;
    click(&fin, "#submit-batch").await;
    says("#batch", "Submitted").await;
    says("#files", "pain.001").await;
    click(&fin, "#lines button[name=paid]").await;
    says("#lines", "Paid").await;
    wait_for(&fin, "no more buttons", "return document.querySelector('#lines button') === null").await;
    let batch = format!("/v1/finance/payout-batches/{BATCH}");
    let expected = [
        "/v1/finance/payout-requests/0192f000-0000-7000-8000-000000000001/cancel {}".to_owned(),
        format!("{batch}/approve {{}}"),
        format!("{batch}/submit {{}}"),
        format!("{batch}/confirmations {{\"lines\":[{{\"line_id\":\"{RUN}\",\"outcome\":\"paid\"}}]}}"),
    ];
    assert_eq!(*sent.lock().expect("nobody failed with it"), expected);
    quit([fin]).await;
}
