//! Invariant under test: rules, runs and the audit have their rows before any script runs, page by page; dry runs and
//! verifications are asked for by an address alone; what somebody wrote stays text; each person is offered what fits;
//! what is wrong or not there is told, and nothing is asked by an address that was not checked.

use crate::finance_markup::{answer_for, answer_of, page_for, rows};
use crate::finance_stub::{BATCH, BREAK, RUN};
use crate::steps::{click, open_browser, quit, sign_in, wait_for};
use crate::stub;
use axum::Router;
use axum::extract::OriginalUri;
use axum::routing::get;
use console::Profile;
use edge::{Json, Problem, Role};
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use testkit::Chromium;

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

/// Every address is refused on its own page with a 4xx, and shows no rows of a table.
async fn are_refused(base: &str, wrong: &[&str], table: &str) {
    for wrong in wrong {
        let (status, page) = answer_for(Some(Role::Finance), &format!("{base}?{wrong}")).await;
        assert!(status.is_client_error(), "{base}?{wrong}: {status}");
        assert!(page.contains("id=\"page-state\""), "{wrong} is not told: {page}");
        assert!(rows(&page, table).is_empty(), "{wrong} shows rows");
    }
}

#[tokio::test]
async fn the_audit_has_its_rows_and_its_verdict_before_any_script_runs() {
    let page = page_for(Role::Auditor, "/finance/audit?trail=breaks&verify=whole").await;
    let steps = rows(&page, "steps");
    assert_eq!(steps.len(), 3, "{page}");
    for said in
        ["Proposed", "20 Nov 2026, 14:40:00", "href=\"/finance/breaks/0192f000", "5c5c5c5c5c5c</code>"]
    {
        assert!(steps[0].contains(said), "the row does not say {said}: {}", steps[0]);
    }
    assert!(page.contains("The trail is whole: 41,233 rows") && page.contains("41233:5c5c"), "{page}");
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(page.contains("/assets/session.js\"></script>"), "reading needs a script of its own: {page}");
    let page = page_for(Role::Auditor, "/finance/audit").await;
    assert!(rows(&page, "steps").len() == 3 && !page.contains("The trail is whole"), "nobody asked: {page}");
}

#[tokio::test]
async fn what_channels_have_paid_has_its_rows_before_any_script_runs() {
    let page = page_for(Role::Auditor, "/finance/settlements").await;
    let rows_of = rows(&page, "settlements");
    assert_eq!(rows_of.len(), 4, "{page}");
    for (at, said) in [
        (0, "taken back"),
        (0, "−¥12,345.67"),
        (0, "not posted: no-such-account: the chart has no account 1002.07"),
        (1, "Fees"),
        (1, "¥74.08"),
        (2, "Withdrawals"),
        (2, "href=\"/finance/journal/3-18\""),
        (3, "¥12,271.59"),
        (3, "href=\"/finance/runs?day=2026-11-20\""),
    ] {
        assert!(rows_of[at].contains(said), "row {at} does not say {said}: {}", rows_of[at]);
    }
    let asked = async |OriginalUri(uri): OriginalUri| {
        let expected = "day=2026-11-20&channel=wechat+x&waiting=true&before=7";
        assert_eq!(uri.query(), Some(expected), "what was checked is asked for");
        Json(json!({ "settlements": [], "next_before": 3 }))
    };
    let service = Router::new().route("/v1/finance/channel-settlements", get(asked));
    let path = "/finance/settlements?day=2026-11-20&channel=wechat+x&waiting=yes&before=7";
    let (status, page) = sees(Role::Finance, service, path).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let next = "/finance/settlements?day=2026-11-20&amp;channel=wechat+x&amp;waiting=yes&amp;before=3\" rel=\"next\"";
    assert!(page.contains(next) && page.contains("No statement has shown"), "{page}");
    let wrong = ["day=yesterday", "waiting=maybe", "before=x", "colour=red"];
    are_refused("/finance/settlements", &wrong, "settlements").await;
}

#[tokio::test]
async fn a_trail_comes_page_by_page_and_what_is_wrong_with_it_is_told() {
    let steps = async |OriginalUri(uri): OriginalUri| {
        let count = match uri.query() {
            Some("subject=case+7&limit=100") => 100,
            Some("subject=case+7&before=101&limit=100") => 1,
            _ => 0,
        };
        let step = |seq| {
            json!({ "seq": seq, "at": AT, "actor": BAD, "act": BAD, "subject": RUN, "body": { "said": BAD },
                "hash": "ab".repeat(32) })
        };
        Json(json!({ "steps": (101..101 + count).rev().map(step).collect::<Vec<_>>() }))
    };
    let verification = async |OriginalUri(uri): OriginalUri| {
        assert_eq!(uri.query(), Some("anchor=7%3Aab"), "what was known from elsewhere");
        Json(json!({ "rows": 9, "head": BAD, "fault": { "seq": 1_234, "kind": "rewritten_body" },
            "unexplained": [BREAK, BAD] }))
    };
    let service = Router::new()
        .route("/v1/finance/audit/refunds", get(steps))
        .route("/v1/finance/audit/refunds/verification", get(verification));
    let path = "/finance/audit?trail=refunds&subject=case+7";
    let (_, page) = sees(Role::Auditor, service.clone(), path).await;
    assert_eq!(rows(&page, "steps").len(), 100);
    assert!(!page.contains("<script>alert") && !page.contains("/finance/breaks/0192"), "{page}");
    let next = "href=\"/finance/audit?trail=refunds&amp;subject=case+7&amp;before=101\" rel=\"next\"";
    assert!(page.contains(next), "{page}");
    let (_, page) = sees(Role::Auditor, service.clone(), &format!("{path}&before=101")).await;
    assert_eq!(rows(&page, "steps").len(), 1, "{page}");
    assert!(page.contains("id=\"first\" href=\"/finance/audit?trail=refunds&amp;subject=case+7\""), "{page}");
    let (_, page) =
        sees(Role::Auditor, service, "/finance/audit?trail=refunds&verify=whole&anchor=7:ab").await;
    for said in ["The trail is NOT whole", "Row 1,234: rewritten body.", "stand otherwise", "value=\"7:ab\""]
    {
        assert!(page.contains(said), "the verdict does not say {said}: {page}");
    }
    assert!(!page.contains("<script>alert"), "{page}");
    let wrong = ["trail=gifts", "trail=..%2Fbreaks", "before=x", "verify=half", "colour=red"];
    are_refused("/finance/audit", &wrong, "steps").await;
    let refuse = async || Problem::rejected("anchor-malformed", "An anchor is <no> such thing.");
    let service = one("/v1/finance/audit/breaks", json!({ "steps": [] }))
        .route("/v1/finance/audit/breaks/verification", get(refuse));
    let (status, page) = sees(Role::Auditor, service, "/finance/audit?verify=whole&anchor=x").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.contains("An anchor is &lt;no&gt; such thing.") && page.contains("says nothing of this"),
        "{page}"
    );
}

#[tokio::test]
async fn rules_have_their_versions_and_a_dry_run_before_any_script_runs() {
    let path = "/finance/rules?scope=channel&version=2&day=2026-11-20";
    let page = page_for(Role::FinanceChecker, path).await;
    for said in [
        "Channel, version 2",
        "Channel, version 1",
        "Days of the new year.",
        "exact, then day-cut",
        "Dry run of version 2 against 2026-11-20",
        "<dt>Newly matched</dt><dd>2</dd>",
        "It does the same as the version in force.",
        "data-path=\"/v1/finance/matching-rules/2/approve?scope=channel\"",
        "data-path=\"/v1/finance/matching-rules/2/reject?scope=channel\"",
        "action=\"/finance/rules#dry-card\"",
    ] {
        assert!(page.contains(said), "the rules do not say {said}: {page}");
    }
    assert_eq!(page.matches(">Approve<").count(), 1, "only what is proposed is decided: {page}");
    assert!(!page.contains("propose-form"), "a checker proposes: {page}");
    let page = page_for(Role::FinanceMaker, "/finance/rules").await;
    assert!(page.contains("<form id=\"propose-form\"") && !page.contains("dry-card\" "), "{page}");
    assert!(page.contains("&quot;version&quot;: 3"), "the next version's number: {page}");
    assert!(page.contains("a checker's") && !page.contains(">Approve<"), "a maker decides: {page}");
    let wrong = ["scope=gifts", "version=two", "day=soon", "version=2&day=2026-13-01", "colour=red"];
    are_refused("/finance/rules", &wrong, "changes").await;
}

#[tokio::test]
async fn a_dry_run_says_whose_fate_changes_and_what_was_written_stays_text() {
    let dry = async |OriginalUri(uri): OriginalUri| {
        assert_eq!(uri.query(), Some("day=2026-11-20&scope=bank"), "what was asked for");
        let matched = json!({ "matched": { "pass": BAD, "left": [], "right": [], "variance_minor": -6 } });
        let change = json!({ "side": "left", "id": BAD, "kind": "newly_matched", "before": "unmatched", "after": matched });
        let other = json!({ "side": "right", "id": "r-1", "kind": "newly_ambiguous", "before": "unmatched",
            "after": { "ambiguous": { "pass": "exact" } } });
        Json(
            json!({ "day": "2026-11-20", "old_version": 1, "new_version": 4, "counts": { "newly_matched": 1_234 },
            "changes": [{ "channel": BAD, "change": change }, { "channel": "icbc", "change": other }] }),
        )
    };
    let version = json!({ "scope": "bank", "version": 4, "rules": { "passes": [{ "name": BAD }], "note": BAD },
        "state": "approved", "maker_id": BAD, "reason": BAD, "proposed_at": AT, "checker_id": BAD, "decided_at": AT });
    let service = one("/v1/finance/matching-rules", json!({ "rules": [version] }))
        .route("/v1/finance/matching-rules/{version}/dry-run", get(dry));
    let (status, page) =
        sees(Role::Auditor, service.clone(), "/finance/rules?scope=bank&version=4&day=2026-11-20").await;
    assert_eq!(status, StatusCode::OK);
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    let changes = rows(&page, "changes");
    assert_eq!(changes.len(), 2, "{page}");
    assert!(changes[0].contains("ours") && changes[0].contains(", off by -6"), "{}", changes[0]);
    assert!(changes[1].contains("theirs") && changes[1].contains("ambiguous in exact"), "{}", changes[1]);
    assert!(page.contains("1,234"), "{page}");
    // A dry run that nobody answers is told, and the versions still show.
    let (status, page) =
        sees(Role::Auditor, service, "/finance/rules?scope=bank&version=4%2F..&day=2026-11-20").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.contains("A version is a number.") && page.contains("Bank, version 4"), "{page}");
}

#[tokio::test]
async fn runs_and_files_of_a_day_have_their_rows_before_any_script_runs() {
    let page = page_for(Role::FinanceMaker, "/finance/runs?day=2026-11-20").await;
    let runs = rows(&page, "runs");
    assert_eq!(runs.len(), 2, "{page}");
    for said in [
        &*format!("href=\"/finance/runs/{RUN}\""),
        "Done",
        "9,000",
        "20 Nov 2026, 14:40:00",
        "efefefefefefefef<",
    ] {
        assert!(runs[0].contains(said), "the run does not say {said}: {}", runs[0]);
    }
    let files = rows(&page, "bills");
    assert_eq!(files.len(), 1, "{page}");
    for said in ["Channel wechat", "wechat-trades", "2026-11-20", "41,235", "Imported"] {
        assert!(files[0].contains(said), "the file does not say {said}: {}", files[0]);
    }
    assert!(page.contains("matched 41,232 of 41,236") && page.contains("Only in the newest"), "{page}");
    assert!(page.contains("<form id=\"run-form\" data-day=\"2026-11-20\">"), "{page}");
    let page = page_for(Role::FinanceChecker, "/finance/runs?day=&before=&files_before=").await;
    assert!(rows(&page, "runs").len() == 2 && !page.contains("run-form"), "a checker runs a day: {page}");
    let wrong =
        ["day=soon", "before=7", "files_before=..%2F1", "colour=red", "day=2026-11-20&day=2026-11-21"];
    are_refused("/finance/runs", &wrong, "runs").await;
}

#[tokio::test]
async fn runs_come_page_by_page_and_two_that_say_the_same_are_told_so() {
    let run = |number: usize| {
        json!({ "run_id": format!("0192f000-0000-7000-8000-{number:012}"), "day": "2026-11-20", "state": BAD,
            "step": BAD, "steps_done": 1, "steps_total": 66, "rows_done": 9_007_199_254_740_993_i64,
            "requested_by": BAD, "requested_at": AT, "attempts": 0, "report_sha256": (number > 1).then_some("ab") })
    };
    let list = async move |OriginalUri(uri): OriginalUri| {
        assert_eq!(
            uri.query(),
            Some(&*format!("day=2026-11-20&before={BATCH}")),
            "the runs that were asked for"
        );
        Json(json!({ "runs": [run(1), run(3), run(2)], "next": RUN }))
    };
    let files = async |OriginalUri(uri): OriginalUri| {
        assert_eq!(
            uri.query(),
            Some(&*format!("day=2026-11-20&before={RUN}")),
            "the files that were asked for"
        );
        let bill = json!({ "bill_id": RUN, "scope": BAD, "channel": BAD, "format": BAD, "state": BAD,
            "period_from": "2026-11-01", "period_to": "2026-11-30", "rows": 1, "sha256": BAD, "imported_by": BAD });
        Json(json!({ "bills": [bill], "next": BATCH }))
    };
    let diff = "/v1/finance/recon-runs/0192f000-0000-7000-8000-000000000002/diff/0192f000-0000-7000-8000-000000000003";
    let service = one(diff, json!({ "is_equal": true, "only_in_a": [], "only_in_b": [] }))
        .route("/v1/finance/recon-runs", get(list))
        .route("/v1/finance/bills", get(files));
    let path = format!("/finance/runs?day=2026-11-20&before={BATCH}&files_before={RUN}");
    let (status, page) = sees(Role::Auditor, service, &path).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(page.contains("9,007,199,254,740,993") && page.contains("2026-11-01 to 2026-11-30"), "{page}");
    assert!(page.contains("They say the same, byte for byte"), "{page}");
    let kept = format!("&amp;files_before={RUN}");
    assert!(page.contains(&format!("href=\"/finance/runs?day=2026-11-20{kept}\"")), "{page}");
    assert!(
        page.contains(&format!("href=\"/finance/runs?day=2026-11-20&amp;before={RUN}{kept}\" rel=\"next\""))
    );
    let next = format!("href=\"/finance/runs?day=2026-11-20&amp;before={BATCH}&amp;files_before={BATCH}\"");
    assert!(page.contains(&format!("id=\"next-files\" {next}")), "{page}");
}

#[tokio::test]
async fn one_run_has_its_figures_files_and_report_and_what_is_not_there_is_told() {
    let page = page_for(Role::Auditor, &format!("/finance/runs/{RUN}")).await;
    for said in
        ["66 of 66", "41,233, ¥123,456.78", "matched 41,233 of 41,236", "The whole report", "<dd>3</dd>"]
    {
        assert!(page.contains(said), "the run does not say {said}: {page}");
    }
    let files = rows(&page, "channels");
    assert_eq!(files.len(), 1, "{page}");
    assert!(files[0].contains("−¥6.00") && files[0].contains("41,235"), "{}", files[0]);
    assert!(!page.contains("data-live"), "what has ended is looked at again: {page}");
    for wrong in ["7", "..%2F..%2Fbreaks", "0192f000-0000-7000-8000-00000000000g"] {
        let (status, page) = answer_for(Some(Role::Finance), &format!("/finance/runs/{wrong}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{wrong}");
        assert!(page.contains("There is no such run."), "{wrong}: {page}");
    }
    let (status, page) = sees(Role::Auditor, Router::new(), &format!("/finance/runs/{RUN}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("Not available"), "{page}");
}

#[tokio::test]
async fn a_run_is_followed_until_it_has_ended() {
    let asked = Arc::new(AtomicUsize::new(0));
    let of = async move || {
        let nth = asked.fetch_add(1, Ordering::Relaxed);
        let is_done = nth >= 2;
        Json(json!({ "run_id": RUN, "day": "2026-11-20", "state": if is_done { "done" } else { "running" },
            "step": "bills", "steps_done": 60 + nth, "steps_total": 66, "rows_done": 1, "requested_by": "mia",
            "requested_at": AT, "ended_at": is_done.then_some(AT), "attempts": 1, "last_error": "away",
            "report_sha256": is_done.then_some("ab"), "matched_count": 0, "matched_minor": 0, "unmatched_ours": 0,
            "unmatched_theirs": 0, "differences": 0 }))
    };
    let service = Router::new()
        .route("/v1/finance/recon-runs/{run_id}", get(of))
        .route("/v1/finance/recon-runs/{run_id}/report", get(async || "all is well\n"));
    let base = stub::serve_router(stub::router_over(Profile::Development, service)).await;
    let chromium = Chromium::start().expect("a WebDriver");
    let ada = open_browser(&chromium, &[]).await;
    sign_in(&ada, &base, "ada", "auditor").await;
    ada.goto(format!("{base}/finance/runs/{RUN}")).await.expect("the page opens");
    wait_for(&ada, "how far it is", "return document.getElementById('progress')?.value >= 60").await;
    let ended = "return document.getElementById('report')?.textContent.includes('all is well') === true
        && document.getElementById('progress') === null && document.querySelector('[data-live]') === null";
    wait_for(&ada, "its report", ended).await;
    quit([ada]).await;
}

#[tokio::test]
async fn the_next_version_begins_with_the_newest_of_its_kind() {
    let version = |scope: &str, version: i64| {
        json!({ "scope": scope, "version": version, "rules": { "version": version, "name": scope }, "state": "approved",
            "reason": "shipped", "proposed_at": AT })
    };
    let service = one(
        "/v1/finance/matching-rules",
        json!({ "rules": [version("bank", 7), version("bank", 6), version("channel", 2)] }),
    );
    let base = stub::serve_router(stub::router_over(Profile::Development, service)).await;
    let chromium = Chromium::start().expect("a WebDriver");
    let mia = open_browser(&chromium, &[]).await;
    sign_in(&mia, &base, "mia", "finance-maker").await;
    mia.goto(format!("{base}/finance/rules")).await.expect("the page opens");
    let begins = |scope: &str, version: i64| {
        format!(
            "const rules = JSON.parse(document.getElementById('rules-text').value);
             return rules.name === '{scope}' && rules.version === {version}"
        )
    };
    wait_for(&mia, "the channel's", &begins("channel", 3)).await;
    click(&mia, "#scope option[value=bank]").await;
    wait_for(&mia, "the bank's", &begins("bank", 8)).await;
    quit([mia]).await;
}
