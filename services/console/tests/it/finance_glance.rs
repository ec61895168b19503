//! Invariant under test: Today and Suspense have their figures and rows before any script runs, what a service says
//! stays text, and a service that does not answer is told in its place while the rest still shows.

use crate::finance_markup::{answer_of, between, page_for, rows};
use crate::steps::{click, open_browser, quit, sign_in, wait_for};
use crate::stub;
use axum::Router;
use axum::routing::get;
use console::Profile;
use edge::{Json, Problem, Role};
use http::StatusCode;
use serde_json::{Value, json};
use testkit::Chromium;

/// What a figure says, tags and all.
fn figure<'t>(page: &'t str, id: &str) -> &'t str {
    let strong = between(page, ("<strong id=\"", "</strong>")).into_iter();
    strong.filter_map(|one| one.strip_prefix(&format!("{id}\""))).next().unwrap_or_default()
}

async fn auditor_sees(finance: Router, path: &str) -> (StatusCode, String) {
    answer_of(stub::router_over(Profile::Development, finance), Some(Role::Auditor), path).await
}

#[tokio::test]
async fn today_has_its_figures_charts_and_rows_before_any_script_runs() {
    let page = page_for(Role::Auditor, "/finance").await;
    let said = [
        ("open-breaks", "10,000"),
        ("overdue-breaks", "59"),
        ("lag", "4 s"),
        ("difference", "nothing"),
        ("match-count", "99.99 %"),
        ("match-amount", "99.98 %"),
        ("cash-at-risk", "¥1,234,567.00"),
    ];
    for (id, text) in said {
        assert!(
            figure(&page, id).ends_with(&format!(">{text}")),
            "{id} is not {text}: {}",
            figure(&page, id)
        );
    }
    let files = rows(&page, "files");
    assert_eq!(files.len(), 2, "{page}");
    assert!(files[1].contains("alipay") && files[1].contains("Missing"), "{}", files[1]);
    let charts = between(&page, ("<figure", "</figure>"));
    assert_eq!(charts.len(), 2, "{page}");
    assert!(charts[0].contains("class=\"bar bar-critical\"") && charts[0].contains("severity=critical"));
    // Each chart has the same in a table.
    assert_eq!(between(charts[0], ("<th scope=\"row\">", "<")), ["Critical", "High", "Medium", "Low"]);
    assert_eq!(between(charts[1], ("<td class=\"number\">", "<")), ["7,310", "2,368", "310", "0", "12"]);
    assert!(page.contains("Entries ↔ orders") && page.contains("gift.orders"), "{page}");
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_told_in_its_place_and_the_rest_of_today_shows() {
    // Nothing of finance is there; the books and recon's lag are.
    let (status, page) = auditor_sees(Router::new(), "/finance").await;
    assert_eq!(status, StatusCode::OK);
    for id in ["open-breaks", "overdue-breaks", "match-count", "match-amount", "cash-at-risk"] {
        let figure = figure(&page, id);
        assert!(figure.contains("missing-figure") && figure.ends_with(">not available"), "{id}: {figure}");
    }
    for id in ["by-severity-state", "by-age-state", "files-state"] {
        let state = between(&page, (&format!("<p class=\"state missing\" id=\"{id}\""), "</p>")).concat();
        assert!(state.contains("Not available"), "{id}: {page}");
    }
    assert!(figure(&page, "difference").ends_with(">nothing") && figure(&page, "lag").ends_with(">4 s"));
    assert!(page.contains("gift.orders"), "the lags are gone: {page}");

    // One that fails says why.
    let failing = async || -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "recon-asleep", "Recon is <asleep>.")
    };
    let (status, page) =
        auditor_sees(Router::new().route("/v1/finance/break-ages", get(failing)), "/finance/suspense").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(page.matches("Recon is &lt;asleep&gt;.").count(), 2, "{page}");
    assert_eq!(rows(&page, "accounts").len(), 2, "the accounts are gone: {page}");
}

#[tokio::test]
async fn what_a_service_says_stays_text() {
    let bad = "\"><script>alert(1)</script>";
    let today = json!({ "files": [{ "channel": bad, "expected": true, "arrived": 0, "state": bad }],
        "cash_at_risk_minor": -5 });
    let group =
        json!({ "kind": bad, "severity": bad, "age": "0-1", "count": 1, "overdue_count": 0, "coins": 2 });
    let ages = json!({ "groups": [group] });
    let say = |said: &Value| {
        let said = said.clone();
        get(async move || Json(said))
    };
    for path in ["/finance", "/finance/suspense"] {
        let services = Router::new().route("/v1/finance/today", say(&today));
        let services = services.route("/v1/finance/break-ages", say(&ages));
        let (status, page) = auditor_sees(services, path).await;
        assert_eq!(status, StatusCode::OK);
        assert!(!page.contains("<script>alert"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)"), "{path} does not show what was said");
        if path == "/finance" {
            assert!(figure(&page, "match-count").ends_with(">nothing yet"), "{page}");
            assert!(figure(&page, "cash-at-risk").ends_with(">−¥0.05"), "{page}");
        }
    }
}

#[tokio::test]
async fn a_fresh_copy_of_today_keeps_the_table_that_somebody_opened() {
    let (chromium, base) = (Chromium::start().expect("a WebDriver"), stub::serve().await);
    let ada = open_browser(&chromium, &[]).await;
    sign_in(&ada, &base, "ada", "auditor").await;
    ada.goto(format!("{base}/finance")).await.expect("the page opens");
    click(&ada, "#by-severity summary").await;
    // What the clock of the page does every 15 s, with a mark on what is drawn now.
    let refresh = "document.getElementById('as-of').dataset.old = 'yes';
        import('/assets/fresh.js').then(({ refresh }) => refresh()); return true";
    ada.execute(refresh, Vec::new()).await.expect("a script runs");
    wait_for(&ada, "a fresh part", "return document.getElementById('as-of').dataset.old === undefined").await;
    let is_open = ada.execute("return document.querySelector('#by-severity details').open", Vec::new()).await;
    assert_eq!(is_open.expect("a script runs").json(), true, "the table was shut");
    quit([ada]).await;
}

#[tokio::test]
async fn suspense_has_its_rows_and_sums_before_any_script_runs() {
    let page = page_for(Role::Auditor, "/finance/suspense").await;
    let ages = rows(&page, "ages");
    assert_eq!(ages.len(), 3, "one row for each kind: {page}");
    let figures = between(ages[0], ("<td class=\"number\">", "</td>"));
    let way = |query: &str, text: &str| {
        format!("<a href=\"/finance/breaks?kind=amount_mismatch{query}\">{text}</a>")
    };
    let expected =
        [&*way("", "7,310"), "–", "–", "–", &way("&amp;age=31", "12"), "7,322", "12", "10,131,000"];
    assert_eq!(figures, expected);
    let sums = between(&page, ("<tfoot>", "</tfoot>")).concat();
    let sums = between(&sums, ("<td class=\"number\">", "</td>"));
    assert_eq!(sums, ["7,310", "2,368", "310", "0", "12", "10,000", "59", "14,369,000"]);
    let charts = between(&page, ("<figure", "</figure>"));
    assert_eq!(
        between(charts[0], ("<td class=\"number\">", "<")),
        ["731,000", "2,368,000", "1,870,000", "0", "9,400,000"]
    );
    // Of all accounts two are in between; the chart's others are not.
    let accounts = rows(&page, "accounts");
    assert_eq!(accounts.len(), 2, "{page}");
    assert!(accounts[0].contains("href=\"/finance/journal?account=1122\">1122 Payment channels receivable"));
    assert!(accounts[1].contains("2206 Gift clearing"), "{}", accounts[1]);
    assert!(
        accounts[0].contains("¥90,071,992.54<span class=\"below-minor\">740993</span>"),
        "{}",
        accounts[0]
    );
}
