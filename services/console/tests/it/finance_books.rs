//! Invariant under test: the pages of the books have their rows and sums before any script runs, to the last digit and
//! page by page; what a service says stays text, and what is wrong is told with its status.

use crate::finance_markup::{answer_for, answer_of, between, page_for, rows};
use crate::finance_stub::{self, ORDER};
use crate::{sample, stub};
use axum::Router;
use axum::extract::OriginalUri;
use axum::routing::get;
use console::Profile;
use edge::{Json, Problem, Role};
use http::StatusCode;
use serde_json::{Value, json};

/// What nobody may put on a page as markup.
const BAD: &str = "\"><script>alert(1)</script>";

/// A page as it is where these services stand behind it.
async fn auditor_sees(finance: Router, path: &str) -> (StatusCode, String) {
    answer_of(stub::router_over(Profile::Development, finance), Some(Role::Auditor), path).await
}

/// A service with one answer.
fn one(path: &str, answer: &Value) -> Router {
    let answer = answer.clone();
    Router::new().route(path, get(async move || Json(answer)))
}

fn sums(page: &str) -> Vec<&str> {
    between(page, ("<tfoot>", "</tfoot>"))
}

#[tokio::test]
async fn a_voucher_has_its_lines_and_rows_before_any_script_runs() {
    let page = page_for(Role::Auditor, "/finance/journal/17-4211").await;
    assert!(page.contains("<h1>Voucher 17-4211</h1>"), "{page}");
    let lines = rows(&page, "lines");
    assert_eq!(lines.len(), 2, "{page}");
    assert!(lines[0].contains("href=\"/finance/journal?account=2206\">2206 Gift clearing"), "{}", lines[0]);
    let total = sums(&page).concat();
    let exact = "¥90,071,992.54<span class=\"below-minor\">740993</span>";
    assert_eq!(total.matches(exact).count(), 2, "both sides sum to the same: {total}");
    let sources = rows(&page, "sources");
    assert_eq!(sources.len(), 1, "{page}");
    for said in [&format!("href=\"/finance/orders/{ORDER}\""), "Settled", "1,200", "¥120.00"] {
        assert!(sources[0].contains(said), "the row does not say {said}: {}", sources[0]);
    }
    // Its next rows, and from them the way back.
    assert!(page.contains("href=\"/finance/journal/17-4211?after=4\" rel=\"next\""), "{page}");
    assert!(!page.contains("id=\"first\""), "this is the first page");
    let page = page_for(Role::Auditor, "/finance/journal/17-4211?after=4").await;
    assert!(page.contains("id=\"first\" href=\"/finance/journal/17-4211\""), "{page}");
}

#[tokio::test]
async fn a_voucher_that_people_or_a_match_stand_behind_says_whose_word_it_is() {
    let voucher = json!({ "voucher_id": "3-17", "posted_day": "2026-11-20", "day": "2026-11-19",
        "rule": "clearing.adjust", "source": "clearing.vouchers", "from_seq": 1, "to_seq": 1, "row_count": 1, "coins": 0,
        "decided_at": "2026-11-20T06:40:00Z", "amount_micro": 1, "postings": [] });
    let of = async |asked: Value| {
        let answer = json!({ "voucher": voucher, "asked": asked, "rows": [] });
        let (status, page) =
            auditor_sees(one("/v1/finance/journal/3-17", &answer), "/finance/journal/3-17").await;
        assert_eq!(status, StatusCode::OK, "{page}");
        page.split_once("id=\"asked\"").map(|(_, rest)| rest.to_owned()).unwrap_or_default()
    };
    let people = json!({ "reason": BAD, "break_id": ORDER, "maker_id": "018f0000-0000-7000-8000-00000000aaaa",
        "checker_id": "018f0000-0000-7000-8000-00000000bbbb", "asked_at": "2026-11-20T06:39:00Z" });
    let said = of(people).await;
    for part in [&format!("href=\"/finance/breaks/{ORDER}\""), "Approved by", "&lt;script"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert!(!said.contains("<script>alert") && !said.contains("Match with"), "{said}");
    let matched =
        json!({ "reason": "the bank shows it", "match_id": ORDER, "asked_at": "2026-11-20T06:39:00Z" });
    let said = of(matched).await;
    assert!(said.contains("Match with the bank") && !said.contains("Made by"), "{said}");
}

#[tokio::test]
async fn what_a_voucher_says_stays_text_and_what_is_no_voucher_is_told() {
    let voucher = json!({ "voucher_id": "3-17", "posted_day": "2026-11-20", "day": "2026-11-19", "rule": BAD,
        "source": BAD, "from_seq": 1, "to_seq": 2, "row_count": 1, "coins": -3, "decided_at": "2026-11-20T06:40:00Z",
        "amount_micro": 1, "postings": [
            { "account": BAD, "name": BAD, "debit_micro": i64::MAX, "credit_micro": 0 },
            { "account": "1&2", "name": "", "debit_micro": 1, "credit_micro": 0 },
        ] });
    let row = json!({ "seq": 1, "kind": BAD, "coins": 0, "owner_id": BAD, "reference": BAD,
        "parts": [{ "component": BAD, "amount_micro": -1 }] });
    let answer = json!({ "voucher": voucher, "rows": [row] });
    let (status, page) =
        auditor_sees(one("/v1/finance/journal/3-17", &answer), "/finance/journal/3-17").await;
    assert_eq!(status, StatusCode::OK);
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(page.contains("href=\"/finance/journal?account=1%262\""), "{page}");
    assert!(page.contains("−¥0.00<span class=\"below-minor\">000001</span>"), "{page}");
    // A sum that does not fit is not shown as another.
    assert!(sums(&page).concat().contains("<td class=\"number\">—</td>"), "{page}");

    for path in ["3", "3-x", "-", "3-17%3Fafter=1", "..%2F17-1", "3-17?after=4&after=5", "3-17?before=1"] {
        let (status, page) = answer_for(Some(Role::Auditor), &format!("/finance/journal/{path}")).await;
        assert!(status.is_client_error(), "{path}: {status}");
        assert!(page.contains("id=\"page-state\""), "{path} is not told: {page}");
        assert!(rows(&page, "lines").is_empty(), "{path} shows lines");
    }
    let refuse = async || Problem::not_found("no-such-voucher", "There is no voucher here.");
    let none = Router::new().route("/v1/finance/journal/{id}", get(refuse));
    let (status, page) = auditor_sees(none, "/finance/journal/3-17").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("There is no voucher here."), "{page}");
}

#[tokio::test]
async fn the_trial_balance_has_its_rows_and_sums_before_any_script_runs() {
    let page = page_for(Role::Auditor, "/finance/trial-balance").await;
    let accounts = rows(&page, "accounts");
    assert_eq!(accounts.len(), 8, "{page}");
    let way = "href=\"/finance/journal?account=2205.01&amp;from=2020-01-01\"";
    assert!(accounts[1].contains(way), "{}", accounts[1]);
    let owed = "<span class=\"below-zero\">";
    assert!(!accounts[1].contains(owed) && accounts[1].contains("¥26,071,992.54"), "{}", accounts[1]);
    let total = "¥250,071,992.54<span class=\"below-minor\">740993</span>";
    assert_eq!(sums(&page).concat().matches(total).count(), 2, "{page}");
    assert!(page.contains("close to zero"), "{page}");
    assert_eq!(page.matches("/v1/finance/exports/trial-balance?to=").count(), 4, "files are offered: {page}");

    // Of a day: the form, the ways and the files say which.
    let page = page_for(Role::Auditor, "/finance/trial-balance?day=2026-11-20").await;
    assert!(page.contains("name=\"day\" value=\"2026-11-20\""), "{page}");
    assert!(rows(&page, "accounts")[0].contains("&amp;to=2026-11-20\""), "{page}");
    assert!(page.contains("to=2026-11-20&amp;format=csv"), "{page}");
    assert!(rows(&page, "accounts")[0].contains("¥63,050,394.78"), "the day was not asked for: {page}");
    let empty = page_for(Role::Auditor, "/finance/trial-balance?day=").await;
    assert_eq!(rows(&empty, "accounts").len(), 8, "an empty field asks for nothing");
}

#[tokio::test]
async fn a_day_that_is_none_is_told_and_files_that_nobody_makes_are_not_offered() {
    for wrong in ["day=2026-02-30", "day=today", "to=2026-11-20", "day=2026-11-20&day=2026-11-21"] {
        let path = format!("/finance/trial-balance?{wrong}");
        let (status, page) = answer_for(Some(Role::Auditor), &path).await;
        assert!(status.is_client_error(), "{wrong}: {status}");
        assert!(page.contains("id=\"page-state\"") && page.contains("id=\"filters\""), "{wrong}: {page}");
        assert!(rows(&page, "accounts").is_empty() && !page.contains("id=\"verdict\""), "{wrong} shows rows");
    }
    let (status, page) = auditor_sees(Router::new(), "/finance/trial-balance").await;
    assert_eq!((status, rows(&page, "accounts").len()), (StatusCode::OK, 8));
    assert!(!page.contains("/exports/"), "{page}");
}

#[tokio::test]
async fn the_journal_has_its_vouchers_and_their_lines_before_any_script_runs() {
    let page = page_for(Role::Auditor, "/finance/journal?from=2026-11-01&to=2026-11-20&account=2206").await;
    let table = page.split("id=\"vouchers\"").nth(1).unwrap_or_default();
    for said in
        ["href=\"/finance/journal/17-4211\">17-4211", "settlement.items", "870", "1,040,000", "2 lines"]
    {
        assert!(table.contains(said), "no row says {said}: {page}");
    }
    assert_eq!(table.matches("<details>").count(), 2, "each of two vouchers has its lines: {page}");
    let exact = "¥90,071,992.54<span class=\"below-minor\">740993</span>";
    assert_eq!(table.matches(exact).count(), 4, "every line has its amount: {page}");
    // The form, the next page and the files keep what was asked for.
    for field in ["name=\"from\" value=\"2026-11-01\"", "name=\"to\" value=\"2026-11-20\"", "value=\"2206\""]
    {
        assert!(page.contains(field), "the form lost {field}: {page}");
    }
    let asked = "from=2026-11-01&amp;to=2026-11-20";
    let next = format!(
        "href=\"/finance/journal?{asked}&amp;account=2206&amp;after=2026-11-20_17-4212\" rel=\"next\""
    );
    assert!(page.contains(&next) && !page.contains("id=\"first\""), "{page}");
    let file = format!("href=\"/v1/finance/exports/journal?{asked}&amp;format=parquet\"");
    assert!(page.contains(&file), "{page}");
    let page = page_for(Role::Auditor, "/finance/journal?account=2206&after=2026-11-20_17-4212").await;
    assert!(page.contains("id=\"first\" href=\"/finance/journal?account=2206\""), "{page}");
}

#[tokio::test]
async fn the_journal_asks_for_the_days_of_the_page_and_tells_what_is_wrong() {
    let asked_for = async |query: &'static str| {
        // The service answers with what it was asked for.
        let voucher = json!({ "voucher_id": "3-17", "posted_day": "2026-11-20", "day": "2026-11-20", "source": BAD,
            "from_seq": 1, "to_seq": 2, "row_count": 1, "coins": 0, "decided_at": "2026-11-20T06:40:00Z",
            "amount_micro": 0, "postings": [{ "account": BAD, "name": "", "debit_micro": 0, "credit_micro": 0 }] });
        let asked = async move |OriginalUri(uri): OriginalUri| {
            let mut voucher = voucher;
            voucher["rule"] = json!(uri.query());
            Json(json!({ "vouchers": [voucher], "next": null }))
        };
        let service = Router::new().route("/v1/finance/journal", get(asked));
        auditor_sees(service, &format!("/finance/journal?{query}")).await
    };
    let (status, page) = asked_for("from=2026-11-01&to=2026-11-20&account=+2206+&after=x").await;
    let asked = "day_from=2026-11-01&amp;day_to=2026-11-20&amp;account=2206&amp;after=x&amp;limit=100";
    assert!(status.is_success() && page.contains(asked), "{page}");
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    let (_, page) = asked_for("from=&to=&account=&after=").await;
    assert!(
        !page.contains("account=") && !page.contains("&amp;after="),
        "empty fields are asked for: {page}"
    );

    for wrong in ["from=2026-13-01", "from=2026-11-20&to=2026-11-01", "day=2026-11-20", "to=a&to=b"] {
        let (status, page) = asked_for(wrong).await;
        assert!(status.is_client_error(), "{wrong}: {status}");
        assert!(page.contains("id=\"page-state\"") && page.contains("id=\"span\""), "{wrong}: {page}");
        assert!(!page.contains("id=\"vouchers\"") && !page.contains("/exports/"), "{wrong} shows rows");
    }
}

#[tokio::test]
async fn the_liability_of_coins_has_its_days_and_their_chart_before_any_script_runs() {
    let page = page_for(Role::Auditor, "/finance/roll-forward?from=2026-11-18&to=2026-11-20").await;
    let days = rows(&page, "roll");
    assert_eq!(days.len(), 3, "{page}");
    let figures = between(days[1], ("<td class=\"number\"><span>", "</span>"));
    let none = "¥0.00";
    assert_eq!(figures, ["¥900.00", "¥2,000.00", "¥400.00", none, none, none, none, "¥2,500.00"]);
    let chart = between(&page, ("<figure", "</figure>")).concat();
    // 250 is the highest, 90 and 180 are in proportion; 122 units are all there is room for.
    assert_eq!(between(&chart, (" height=\"", "\"")), ["43", "122", "87"], "{chart}");
    assert!(
        chart.contains("<title>2026-11-19: ¥2,500.00</title>") && chart.contains(">11-19</text>"),
        "{chart}"
    );
    assert_eq!(page.matches("<details><summary>2026-11-").count(), 3, "every day by account: {page}");
    assert!(page.contains("2205.01 Contract liability"), "{page}");
    assert!(page.contains("name=\"from\" value=\"2026-11-18\""), "{page}");
    assert!(!page.contains("verdict"), "nothing is wrong with these days: {page}");
    for wrong in ["from=soon", "from=2026-11-20&to=2026-11-01", "day=2026-11-20"] {
        let (status, page) = answer_for(Some(Role::Auditor), &format!("/finance/roll-forward?{wrong}")).await;
        assert!(status.is_client_error(), "{wrong}: {status}");
        assert!(page.contains("id=\"page-state\"") && page.contains("id=\"span\""), "{wrong}: {page}");
        assert!(rows(&page, "roll").is_empty(), "{wrong} shows rows");
    }
}

#[tokio::test]
async fn days_that_do_not_join_and_accounts_that_are_off_are_told() {
    let roll = |opening: i64, closing: i64, mut more: Value| {
        for name in ["credited", "spent", "returned", "withdrawn", "expired", "other"] {
            more[format!("{name}_micro")] = json!(0);
        }
        (more["opening_micro"], more["closing_micro"]) = (json!(opening), json!(closing));
        more
    };
    let account = roll(0, 0, json!({ "account": "2205.01", "name": BAD, "difference_micro": -100_000_000 }));
    let answer = json!({ "days": [
        roll(0, 0, json!({ "day": "2026-11-18", "accounts": [] })),
        roll(-5, 7, json!({ "day": "2026-11-19", "accounts": [account] })),
        roll(7, 7, json!({ "day": "2026-11-20", "accounts": [] })),
    ] });
    let (_, page) = auditor_sees(one("/v1/finance/roll-forward", &answer), "/finance/roll-forward").await;
    assert_eq!(page.matches("does not open as the day before closed").count(), 1, "{page}");
    assert!(page.contains("The day 2026-11-19 does not open"), "{page}");
    assert!(page.contains("On 2026-11-19 account 2205.01 is off the trial balance by −¥1.00."), "{page}");
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    let none = one("/v1/finance/roll-forward", &json!({ "days": [] }));
    let (_, page) = auditor_sees(none, "/finance/roll-forward").await;
    assert!(page.contains("There is no day in these.") && !page.contains("<figure"), "{page}");
}

#[tokio::test]
async fn an_order_has_its_facts_before_any_script_runs_and_its_text_stays_text() {
    let order = json!({ "order_id": ORDER, "state": "delivered", "outcome": "accepted", "viewer_id": BAD, "room_id": BAD,
        "gift_id": 1, "quantity": 1_314, "charge_coins": 5_200, "paid_coins": 5_000, "promo_coins": 200,
        "refunded_coins": 0, "decided_at": "2026-11-20T06:40:00Z" });
    let api = one("/v1/gift-orders/{id}", &order).merge(finance_stub::routes());
    let pages = stub::pages_over(Profile::Development, api);
    let (status, page) = answer_of(pages, Some(Role::Auditor), &format!("/finance/orders/{ORDER}")).await;
    assert_eq!(status, StatusCode::OK);
    let facts = between(&page, ("<div id=\"order\">", "</dl>")).concat();
    let gift = sample::gifts().into_iter().find(|gift| gift.gift_id == 1).expect("in the sample");
    for said in
        ["Delivered", &format!("{} {} × 1,314", gift.glyph, gift.name), "5,200", "20 Nov 2026, 14:40:00"]
    {
        assert!(facts.contains(said), "the order does not say {said}: {facts}");
    }
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert_eq!(rows(&page, "order-breaks").len(), 4, "{page}");
    let explanation = between(&page, ("<div id=\"explanation\">", "</section>")).concat();
    for said in ["Matched by its reference.", "w-17", ":7</span>", "Exact", "¥30.00", "#4203", "¥0.00"] {
        assert!(explanation.contains(said), "the explanation does not say {said}: {explanation}");
    }
}

#[tokio::test]
async fn an_order_that_nobody_knows_still_shows_its_breaks_and_says_what_is_not_known() {
    let refuse = |slug, detail| get(async move || Problem::not_found(slug, detail));
    let found = finance_stub::routes();
    let path = format!("/finance/orders/{ORDER}");
    // The stand-in's order is a viewer's own: to an auditor it says no. The explanation is there.
    let (status, page) = answer_for(Some(Role::Auditor), &path).await;
    assert_eq!((status, rows(&page, "order-breaks").len()), (StatusCode::OK, 4));
    assert!(page.contains("class=\"state error\" id=\"order-state\""), "{page}");

    let api = Router::new()
        .route("/v1/gift-orders/{id}", refuse("no-such-order", "There is <no> such order."))
        .route("/v1/finance/explanations/{id}", refuse("nothing-known", "Nothing is known of this id."))
        .merge(found);
    let pages = stub::pages_over(Profile::Development, api);
    let (status, page) = answer_of(pages, Some(Role::Auditor), &path).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("There is &lt;no&gt; such order."), "{page}");
    assert_eq!(rows(&page, "order-breaks").len(), 4, "a break about an order that is missing: {page}");
    assert!(page.contains("No payment, payout or row of a bill has this id."), "{page}");
    assert_eq!(page.matches("state error").count(), 1, "that nothing is known is no error: {page}");

    for path in ["a%3Fb", "a%2F..%2Fb", "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E", "a%26limit=1"] {
        let (status, page) = answer_for(Some(Role::Auditor), &format!("/finance/orders/{path}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(
            page.contains("There is no such order.") && !page.contains("<script>alert"),
            "{path}: {page}"
        );
    }
}
