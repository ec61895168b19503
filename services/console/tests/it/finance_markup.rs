//! Invariant under test: finance's pages are shown to whoever may read the books and to nobody else, those that are
//! drawn on the server have their rows before any script runs, what people wrote stays text, and a reader of screens,
//! a keyboard and the pages' own scripts find in them what they look for.

use crate::finance_stub::PAGES;
use crate::stub;
use axum::Router;
use axum::body::{Body, to_bytes};
use console::Profile;
use edge::{Role, SessionCookies, TokenKeys};
use futures::future::poll_fn;
use http::{HeaderMap, Request, StatusCode, header};
use ids::Uuid;
use std::collections::BTreeSet;
use std::time::Duration;

/// A page as somebody with a role gets it.
pub async fn page_for(role: Role, path: &str) -> String {
    let (status, page) = answer_for(Some(role), path).await;
    let expected = if READERS.contains(&role) { StatusCode::OK } else { StatusCode::FORBIDDEN };
    assert_eq!(status, expected, "{path} for {role:?}");
    page
}

const READERS: [Role; 4] = [Role::Finance, Role::FinanceMaker, Role::FinanceChecker, Role::Auditor];

/// The session cookies of somebody with a role.
fn cookies_of(role: Role) -> String {
    let keys = TokenKeys::from_secret(stub::SECRET).expect("long enough");
    let ttl = Duration::from_secs(60);
    let cookies = SessionCookies::sign_in(&keys, role, Uuid::now_v7(), ttl, &http::uri::Scheme::HTTP);
    let mut set = HeaderMap::new();
    cookies.expect("signed").apply(&mut set);
    let pairs = set.get_all(header::SET_COOKIE).iter().map(|cookie| {
        let whole = cookie.to_str().expect("text");
        whole.split(';').next().unwrap_or_default().to_owned()
    });
    pairs.collect::<Vec<_>>().join("; ")
}

pub async fn answer_for(role: Option<Role>, path: &str) -> (StatusCode, String) {
    answer_of(stub::router(Profile::Development), role, path).await
}

/// A page of some router.
pub async fn answer_of(mut router: Router, role: Option<Role>, path: &str) -> (StatusCode, String) {
    use tower::Service as _;
    let mut request = Request::get(path).body(Body::empty()).expect("a request");
    if let Some(role) = role {
        request.headers_mut().insert(header::COOKIE, cookies_of(role).parse().expect("a header"));
    }
    poll_fn(|cx| tower::Service::<Request<Body>>::poll_ready(&mut router, cx)).await.expect("ready");
    let response = router.call(request).await.expect("an answer");
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

/// What stands between two texts, everywhere in another.
pub fn between<'t>(text: &'t str, (from, to): (&str, &str)) -> Vec<&'t str> {
    let parts = text.split(from).skip(1);
    parts.map(|part| part.split(to).next().unwrap_or_default()).collect()
}

#[tokio::test]
async fn whoever_reads_the_books_gets_the_pages_and_others_are_told_who_does() {
    for path in PAGES {
        for role in [Role::Finance, Role::FinanceMaker, Role::FinanceChecker, Role::Auditor] {
            let page = page_for(role, path).await;
            assert!(page.contains("-state\""), "{path} has no part for {role:?}");
            assert!(page.contains("href=\"/finance\""), "{path} does not lead {role:?} to finance");
        }
        for role in [Role::Viewer, Role::Sre] {
            let page = page_for(role, path).await;
            assert!(page.contains("for finance and auditors"), "{path} does not say who may read it");
            assert!(!page.contains("-state\""), "{path} shows {role:?} its parts");
            assert!(page.contains("/assets/session.js\"></script>"), "{path} asks the API for {role:?}");
        }
        let (status, page) = answer_for(None, path).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} for nobody");
        assert!(!page.contains("-state\""), "{path} shows nobody its parts");
    }
}

#[tokio::test]
async fn every_table_has_a_caption_and_every_heading_a_scope_and_every_field_a_name() {
    let mut tables = 0;
    for path in PAGES {
        let page = page_for(Role::FinanceMaker, path).await;
        for table in between(&page, ("<table", "</table>")) {
            tables += 1;
            assert!(table.contains("<caption"), "{path} has a table without a caption: {table}");
            for heading in between(table, ("<th ", ">")) {
                assert!(heading.contains("scope="), "{path} has a heading without a scope: {heading}");
            }
            assert!(!table.contains("<th>"), "{path} has a heading without a scope: {table}");
        }
        let form = |name: &str| between(&page, (name, ">")).len();
        let inputs = form("<input ") - form("<input type=\"hidden\"");
        let (fields, labels) = (inputs + form("<select") + form("<textarea"), form("<label"));
        assert!(fields <= labels, "{path} has {fields} fields and {labels} labels");
        for forbidden in [" style=", " onclick=", "http://", "https://", "<style", "javascript:"] {
            assert!(!page.contains(forbidden), "{path} has {forbidden}");
        }
        assert_eq!(between(&page, ("<h1>", "</h1>")).len(), 1, "{path} has not one heading");
        assert_eq!(page.matches("aria-current=\"page\"").count(), 1, "{path} does not say where it is");
    }
    assert!(tables > 15, "only {tables} tables were looked at");
}

/// Scripts that a script reaches, itself among them.
fn reached(script: &str) -> BTreeSet<String> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![script.to_owned()]);
    while let Some(name) = next.pop() {
        if seen.insert(name.clone()) {
            next.extend(between(&source(&name), ("from \"./", "\"")).into_iter().map(str::to_owned));
        }
    }
    seen
}

fn source(script: &str) -> String {
    let path = format!("{}/assets/{script}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Scripts that serve many pages: what they look for may be missing on one.
const SHARED: [&str; 5] = ["api.js", "session.js", "words.js", "money.js", "desk.js"];

#[tokio::test]
async fn what_a_script_looks_for_by_its_id_is_on_its_page() {
    let mut looked_for = 0;
    for path in PAGES {
        let page = page_for(Role::FinanceMaker, path).await;
        let ids: BTreeSet<&str> = between(&page, (" id=\"", "\"")).into_iter().collect();
        let script = between(&page, ("<script type=\"module\" src=\"/assets/", "\"")).concat();
        for script in reached(&script).iter().filter(|script| !SHARED.contains(&script.as_str())) {
            let source = source(script);
            let direct = [("at(\"", "\""), ("getElementById(\"", "\"")].map(|marks| between(&source, marks));
            let direct = direct.into_iter().flatten().map(|id| (id, ""));
            let filled = between(&source, ("fill(\"", "\"")).into_iter().map(|id| (id, "-state"));
            let shown = between(&source, ("show(\"", "\"")).into_iter().map(|id| (id, "-state"));
            for (id, ending) in direct.chain(filled).chain(shown) {
                looked_for += 1;
                let id = format!("{id}{ending}");
                assert!(ids.contains(id.as_str()), "{script} looks for #{id}, and {path} has none");
            }
        }
    }
    assert!(looked_for > PAGES.len(), "only {looked_for} were looked for");
}

#[tokio::test]
async fn a_name_in_an_address_stays_text() {
    let path = "/finance/breaks?kind=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&who=%22onfocus=alert(1)";
    let page = page_for(Role::Auditor, path).await;
    assert!(!page.contains("<script>alert") && !page.contains("\"onfocus"), "{page}");
    let path = "/finance/journal/%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let (status, page) = answer_for(Some(Role::Auditor), path).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(!page.contains("<script>alert"), "{page}");
}

/// Rows of a table's body, without any script.
pub fn rows<'t>(page: &'t str, id: &str) -> Vec<&'t str> {
    let id = format!(" id=\"{id}\"");
    let mut tables = between(page, ("<table", "</table>")).into_iter();
    let table = tables.find(|table| table.split('>').next().is_some_and(|tag| tag.contains(&id)));
    let table = table.unwrap_or_default();
    let bodies = between(table, ("<tbody>", "</tbody>"));
    bodies.into_iter().flat_map(|body| between(body, ("<tr", "</tr>"))).collect()
}

#[tokio::test]
async fn the_inbox_has_its_rows_before_any_script_runs() {
    let page = page_for(Role::Auditor, "/finance/breaks?kind=amount_mismatch&severity=low").await;
    let rows = rows(&page, "breaks");
    assert_eq!(rows.len(), 4, "{page}");
    for said in ["Amount mismatch", "#4204", "Critical", "4,800", " late", "Entries orders"] {
        assert!(rows[0].contains(said), "the first row does not say {said}: {}", rows[0]);
    }
    assert!(page.contains("10,000 not closed in all; 4 on this page"));
    assert!(page.contains("Amount mismatch (7,322)"), "kinds are counted");
    // The way to the next page keeps the filters.
    let next = "href=\"/finance/breaks?severity=low&amp;kind=amount_mismatch&amp;before=4201\" rel=\"next\"";
    assert!(page.contains(next), "{page}");
}

#[tokio::test]
async fn a_break_has_its_evidence_and_history_before_any_script_runs_and_what_was_said_stays_text() {
    let path = format!("/finance/breaks/{}", crate::finance_stub::BREAK);
    let page = page_for(Role::FinanceChecker, &path).await;
    let differing = rows(&page, "rows").into_iter().filter(|row| row.contains("differs")).count();
    assert_eq!(differing, 1, "only the coins differ: {page}");
    assert!(rows(&page, "recorded")[0].contains("1,200"), "what differs stands first");
    assert_eq!(rows(&page, "history").len(), 3);
    assert!(page.contains("One coin less &lt;b&gt;than paid&lt;/b&gt;."), "a comment is text");
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)"), "a reason is text");
    assert!(page.contains("Grant coins · paid coins 0 · promotional coins 1"), "{page}");
    // A checker may decide what another proposed, and the form says exactly what.
    assert!(page.contains(&format!("data-digest=\"{}\"", "ab".repeat(32))));
    assert!(page.contains("value=\"approve\">Approve"), "a checker may decide");
    let page = page_for(Role::FinanceMaker, &path).await;
    assert!(!page.contains("value=\"approve\""), "a maker is offered a decision");
}

#[tokio::test]
async fn a_filter_that_is_wrong_is_told_on_the_page_with_its_status() {
    for wrong in ["severity=awful", "age=old", "overdue=perhaps", "colour=red", "state=open&state=closed"] {
        let (status, page) = answer_for(Some(Role::Auditor), &format!("/finance/breaks?{wrong}")).await;
        assert!(status.is_client_error(), "{wrong}: {status}");
        assert!(page.contains("id=\"page-state\""), "{wrong} is not told: {page}");
        assert!(page.contains("id=\"filters\""), "{wrong}: the form is gone");
        assert!(rows(&page, "breaks").is_empty(), "{wrong} shows rows");
    }
    let (status, page) = answer_for(Some(Role::Auditor), "/finance/breaks/4201").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("There is no such break."), "{page}");
}
