//! Invariants under test: in browsers, two people bring a break from the inbox to its end and the coins arrive once,
//! nobody decides what they proposed, the keys do what the page says, ten thousand breaks never come in one page, and
//! no page of finance is wider than a phone or says something that is not so.

use crate::place::{Place, free_address, text, wait_until_ready};
use crate::steps::{PHONE_WIDTH, click, open_browser, open_phone, quit, sign_in, wait_for};
use chaos::Victim;
use ids::{OrderId, named_id};
use serde_json::Value;
use std::net::SocketAddr;
use testkit::{Chromium, TestDatabase};
use thirtyfour::prelude::*;

/// One process with everything, over a database that a test may write to, and browsers.
struct Office {
    place: Place,
    address: SocketAddr,
    database: TestDatabase,
    chromium: Chromium,
    _process: Victim,
}

impl Office {
    async fn open() -> Office {
        let place = Place::new();
        let database = testkit::postgres().await.fresh_database().await;
        let (address, folder) = (free_address(), place.data_dir());
        let listen = address.to_string();
        let words = ["up", "--data-dir", text(&folder), "--listen", &listen, "--database", database.url()];
        // What is planted stands in no log: looking again would find that the logs agree.
        let env = [
            ("LARGESSE_DATABASE__CONNECTIONS_MAX", "8"),
            ("LARGESSE_RECON__RECHECK_EVERY_S", "86400"),
            ("LARGESSE_RECON__OPEN_AFTER_S", "2"),
        ];
        let process = place.start(&words, &env);
        let chromium = Chromium::start().expect("a WebDriver");
        wait_until_ready(address).await;
        Office { place, address, database, chromium, _process: process }
    }

    fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Somebody of finance in a browser of their own.
    async fn person(&self, name: &str, role: &str) -> WebDriver {
        let browser = open_browser(&self.chromium, &[]).await;
        sign_in(&browser, &self.base(), name, role).await;
        browser
    }

    async fn go(&self, browser: &WebDriver, path: &str) {
        browser.goto(format!("{}{path}", self.base())).await.expect("the page opens");
    }

    /// A break as recon would have found it, about an order that nobody knows: just detected (1), or open (2).
    async fn plant(&self, name: &str, (coins, state): (i64, i16)) -> String {
        let break_id = named_id("break", name);
        let plant = "INSERT INTO recon.breaks (break_id, fact_key, kind, logs, partition, minute, order_id, coins,
            evidence, state, due_at)
            VALUES ($1, $2, 'missing_order', 'entries_orders', 1, 29000000, $3, $4,
                '{\"before\": {\"seq\": 1, \"paid_coins\": 70}, \"after\": {\"seq\": 9, \"paid_coins\": 69}}', $5,
                now() + interval '1 day')";
        let plant = sqlx::query(plant).bind(break_id).bind(name).bind(OrderId::now().uuid()).bind(coins);
        let plant = plant.bind(state);
        plant.execute(&self.database.pool().await).await.expect("plants");
        break_id.to_string()
    }

    /// Many breaks of many ages, most of them open; some are somebody's.
    async fn plant_many(&self, count: i32) {
        let plant = "INSERT INTO recon.breaks (break_id, fact_key, kind, logs, partition, coins, evidence, state,
                severity, detected_at, due_at, assignee_id)
            SELECT ('0192f0a0-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'many/' || n,
                (ARRAY['missing_voucher', 'voucher_mismatch', 'extra_voucher'])[1 + n % 3], 'wallet.entries', n % 64,
                1 + n % 900, '{\"rows\": {\"count\": 2}, \"vouchers\": {\"count\": 1}}',
                CASE WHEN n % 5 = 0 THEN 3 ELSE 2 END,
                CASE WHEN n % 200 >= 120 THEN 4 WHEN n % 200 >= 72 THEN 3 WHEN n % 200 >= 24 THEN 2 ELSE 1 END,
                now() - make_interval(hours => n % 200), now() + make_interval(hours => 90 - n % 200),
                CASE WHEN n % 5 = 0 THEN '0192f0a0-0000-7000-9000-000000000001'::uuid END
            FROM generate_series(1, $1) AS n";
        let pool = self.database.pool().await;
        sqlx::query(plant).bind(count).execute(&pool).await.expect("plants");
    }

    async fn promo_coins(&self, viewer: &str) -> Value {
        let folder = self.place.data_dir();
        let words = ["token", "--role", "viewer", "--sub", viewer, "--data-dir", text(&folder)];
        let token = self.place.run(&words, &[]).await.stdout;
        let asked = reqwest::Client::new().get(format!("{}/v1/wallet", self.base()));
        let wallet: Value =
            asked.bearer_auth(token.trim()).send().await.expect("answers").json().await.expect("JSON");
        wallet["available"]["promo_coins"].clone()
    }
}

/// Signs whoever is signed in out, and in as another.
async fn sign_in_again(browser: &WebDriver, base: &str, name: &str, role: &str) {
    click(browser, "#sign-out").await;
    wait_for(browser, "nobody signed in", "return document.getElementById('open-sign-in') !== null").await;
    sign_in(browser, base, name, role).await;
}

/// Waits until an element is shown and says something.
async fn says(browser: &WebDriver, css: &str, text: &str) {
    let script = format!(
        "const found = document.querySelector({css:?}); return found !== null && found.innerText.includes({text:?})"
    );
    wait_for(browser, &format!("{css} with {text:?}"), &script).await;
}

async fn shown(browser: &WebDriver, css: &str) {
    let script = format!("return document.querySelector({css:?})?.checkVisibility() === true");
    wait_for(browser, css, &script).await;
}

async fn write(browser: &WebDriver, css: &str, text: &str) {
    let field = browser.find(By::Css(css)).await.expect(css);
    field.clear().await.expect(css);
    field.send_keys(text).await.expect(css);
}

#[tokio::test]
async fn two_people_close_a_break_in_their_browsers_and_the_coins_arrive_once() {
    let office = Office::open().await;
    let found = office.plant("planted", (70, 1)).await;
    let (mia, base) = (office.person("mia", "finance-maker").await, office.base());
    office.go(&mia, "/finance/breaks").await;
    shown(&mia, "#breaks a.open").await;
    click(&mia, "#breaks a.open").await;
    // What both sides say, and where they differ.
    says(&mia, "#recorded tr.differs", "70").await;
    says(&mia, "#recorded tr.differs", "69").await;
    // Recon opens what does not go away by itself, and the page sees it.
    shown(&mia, "#assign-me").await;
    click(&mia, "#assign-me").await;
    shown(&mia, "#propose-form").await;
    write(&mia, "#comment-form textarea", "Ann wrote to us.").await;
    click(&mia, "#comment-form button").await;
    says(&mia, "#comments", "Ann wrote to us.").await;
    click(&mia, "#propose-action option[value=grant_coins]").await;
    write(&mia, "#propose-form [name=viewer_id]", &named_id("viewer", "ann").to_string()).await;
    write(&mia, "#propose-form [name=promo_coins]", "70").await;
    write(&mia, "#propose-form [name=reason]", "Her gift was lost.").await;
    click(&mia, "#propose-form button[type=submit]").await;
    says(&mia, "#summary", "Proposed").await;
    says(&mia, "#not-you", "finance-checker decides").await;

    nobody_decides_their_own(&office, &mia, &found).await;

    let ced = office.person("ced", "finance-checker").await;
    office.go(&ced, "/finance/approvals").await;
    says(&ced, "#proposals", "Her gift was lost.").await;
    click(&ced, "#proposals a").await;
    says(&ced, "#to-decide", "Grant coins").await;
    click(&ced, "#approve").await;
    says(&ced, "#summary", "Closed").await;
    says(&ced, "#summary", "effect proven").await;
    for step in ["Opened", "Assigned", "Commented", "Proposed", "Approved", "Posted", "Closed"] {
        says(&ced, "#history", step).await;
    }
    assert_eq!(office.promo_coins("ann").await, 70);

    // Whoever proposed it sees the same without a reload; opened again, it is another break, linked to the first.
    says(&mia, "#summary", "Closed").await;
    write(&ced, "#reopen-form textarea", "Ann wrote again.").await;
    click(&ced, "#reopen-form button").await;
    wait_for(&ced, "another break", &format!("return !location.pathname.endsWith('{found}')")).await;
    says(&ced, "#summary", &found).await;
    assert_eq!(base, office.base());
    quit([mia, ced]).await;
}

/// The page tells, the API refuses whoever gets past the page, and the table refuses whoever gets past the API.
async fn nobody_decides_their_own(office: &Office, mia: &WebDriver, found: &str) {
    sign_in_again(mia, &office.base(), "mia", "finance-checker").await;
    office.go(mia, &format!("/finance/breaks/{found}")).await;
    says(mia, "#not-you", "you proposed it").await;
    let force = "const button = document.getElementById('approve'); const was = button.disabled;
        button.disabled = false; button.click(); return was";
    let was_disabled = mia.execute(force, Vec::new()).await.expect("a script runs");
    assert_eq!(was_disabled.json(), &Value::Bool(true), "the page offers what is not hers");
    says(mia, "#decide-form .error", "Another person must decide it").await;
    says(mia, "#summary", "Proposed").await;
    let decide = "UPDATE recon.proposals SET decision = 1, checker_id = maker_id, decided_digest = digest,
        decided_at = now() WHERE decision IS NULL";
    let refused = sqlx::query(decide).execute(&office.database.pool().await).await;
    let refused = refused.expect_err("the table takes one person for two").to_string();
    assert!(refused.contains("proposals_checker_is_not_the_maker"), "{refused}");
}

async fn press(browser: &WebDriver, key: &str) {
    let active = browser.active_element().await.expect("something has the focus");
    active.send_keys(key).await.expect("a key");
}

/// The break that has the focus, by its id.
async fn focused(browser: &WebDriver) -> String {
    let script = "return document.activeElement.closest('#breaks tbody tr')?.dataset.id ?? null";
    wait_for(browser, "a row with the focus", script).await.as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn the_inbox_is_worked_with_the_keyboard_alone_and_every_page_fits_a_phone() {
    let office = Office::open().await;
    the_inbox_is_worked_with_the_keyboard_alone(&office).await;
    every_page_of_finance_fits_a_phone_and_none_fails(&office).await;
    refunds_and_rules_are_asked_for_in_the_browser(&office).await;
}

async fn refunds_and_rules_are_asked_for_in_the_browser(office: &Office) {
    let mia = office.person("mia", "finance-maker").await;
    office.go(&mia, "/finance/refunds").await;
    shown(&mia, "#order-form").await;
    write(&mia, "#order-form [name=order]", &OrderId::now().to_string()).await;
    write(&mia, "#order-form [name=reason]", "Never seen.").await;
    click(&mia, "#order-form button").await;
    says(&mia, "#order-form .error", "no such order").await;
    office.go(&mia, "/finance/rules").await;
    let begun = "return document.getElementById('rules-text')?.value.includes('\"version\": 2')";
    wait_for(&mia, "the next version", begun).await;
    write(&mia, "#propose-form [name=reason]", "Days of the new year.").await;
    click(&mia, "#propose-form button").await;
    says(&mia, "#rules", "Days of the new year.").await;
    says(&mia, "#dry-title", "version 2").await;
    says(&mia, "#dry", "It does the same as the version in force.").await;
    quit([mia]).await;
}

async fn the_inbox_is_worked_with_the_keyboard_alone(office: &Office) {
    let mut planted = Vec::new();
    for name in ["first", "second", "third"] {
        planted.push(office.plant(name, (5, 2)).await);
    }
    let mia = office.person("mia", "finance-maker").await;
    office.go(&mia, "/finance/breaks").await;
    shown(&mia, "#breaks a.open").await;
    press(&mia, "?").await;
    shown(&mia, "#keys-dialog").await;
    press(&mia, "\u{e00c}").await; // Escape.
    // A closed dialog may have the focus for a frame more, and nobody can press a key there.
    let is_back = "const dialog = document.getElementById('keys-dialog');
        return !dialog.open && !dialog.contains(document.activeElement)";
    wait_for(&mia, "the keys gone", is_back).await;
    press(&mia, "j").await;
    assert_eq!(focused(&mia).await, planted[2], "the newest is the first");
    press(&mia, "j").await;
    assert_eq!(focused(&mia).await, planted[1]);
    press(&mia, "x").await;
    press(&mia, "j").await;
    press(&mia, "x").await;
    says(&mia, "#chosen-count", "2 chosen").await;
    press(&mia, "k").await;
    press(&mia, "x").await;
    says(&mia, "#chosen-count", "1 chosen").await;
    press(&mia, "a").await;
    says(&mia, "#outcomes", "Assigned to you").await;
    says(&mia, &format!("tr[data-id='{}']", planted[0]), "you").await;
    // What is not chosen stays as it was.
    says(&mia, &format!("tr[data-id='{}']", planted[1]), "Open").await;
    press(&mia, "x").await;
    press(&mia, "p").await;
    shown(&mia, "#propose-dialog").await;
    write(&mia, "#propose-dialog textarea", "Too small to look for.").await;
    click(&mia, "#bulk-send").await;
    for id in &planted[..2] {
        says(&mia, &format!("tr[data-id='{id}']"), "Proposed").await;
    }
    wait_for(&mia, "two outcomes", "return document.querySelectorAll('#outcomes .good').length === 2").await;
    click(&mia, "#choose-none").await;
    click(&mia, &format!("tr[data-id='{}'] input", planted[2])).await;
    // A key in a field is text.
    write(&mia, "#filters [name=who]", "jax?").await;
    says(&mia, "#chosen-count", "1 chosen").await;
    let script = format!("document.querySelector(\"tr[data-id='{}'] a.open\").focus()", planted[2]);
    mia.execute(script, Vec::new()).await.expect("a script runs");
    press(&mia, "\u{e007}").await; // Enter.
    wait_for(&mia, "its page", &format!("return location.pathname.endsWith('{}')", planted[2])).await;
    quit([mia]).await;
}

async fn rows(browser: &WebDriver) -> Vec<String> {
    let script =
        "const found = [...document.querySelectorAll('#breaks tbody tr')].map((row) => row.dataset.id);
        return found.length > 0 && found";
    serde_json::from_value(wait_for(browser, "rows", script).await).expect("ids")
}

#[tokio::test]
async fn ten_thousand_breaks_come_page_by_page_and_a_page_of_them_is_assigned_at_once() {
    let office = Office::open().await;
    office.plant_many(10_000).await;
    let mia = office.person("mia", "finance-maker").await;
    office.go(&mia, "/finance/breaks").await;
    says(&mia, "#count", "10,000 not closed").await;
    let first = rows(&mia).await;
    assert_eq!(first.len(), 50, "a page is a page, whatever there is");
    click(&mia, "#next").await;
    wait_for(&mia, "the next page", "return location.search.includes('before=')").await;
    let second = rows(&mia).await;
    assert_eq!(second.len(), 50);
    assert!(second.iter().all(|id| !first.contains(id)), "a break is on two pages");

    // Filters: of the ages that were planted, 80 of 200 hours are critical.
    office.go(&mia, "/finance/breaks?severity=critical&kind=extra_voucher&state=open&age=4").await;
    let filtered = rows(&mia).await;
    assert_eq!(filtered.len(), 50);
    says(&mia, "#breaks", "Critical").await;
    let others = "return [...document.querySelectorAll('#breaks tbody tr')]
        .filter((row) => !row.innerText.includes('Extra voucher') || !row.innerText.includes('Critical')).length";
    let others = mia.execute(others, Vec::new()).await.expect("a script runs");
    assert_eq!(others.json(), &Value::from(0));
    office.go(&mia, "/finance/breaks?kind=duplicate_order").await;
    says(&mia, "#breaks-state", "No break fits").await;

    office.go(&mia, "/finance/breaks?state=open").await;
    let open = rows(&mia).await;
    click(&mia, &format!("tr[data-id='{}'] input", open[0])).await;
    click(&mia, "#choose-all").await;
    says(&mia, "#chosen-count", "50 chosen").await;
    click(&mia, "#bulk-assign").await;
    let done = "return document.querySelectorAll('#outcomes .good').length === 50";
    wait_for(&mia, "fifty outcomes", done).await;
    office.go(&mia, "/finance/breaks?who=me").await;
    assert_eq!(rows(&mia).await, open, "what is mine is what I took");
    // And to somebody else: two of them at once.
    for id in &open[..2] {
        click(&mia, &format!("tr[data-id='{id}'] input")).await;
    }
    let zoe = named_id("finance", "zoe").to_string();
    write(&mia, "#bulk-assign-form [name=assignee]", &zoe).await;
    click(&mia, "#bulk-assign-form button").await;
    wait_for(&mia, "two outcomes", "return document.querySelectorAll('#outcomes .good').length === 2").await;
    office.go(&mia, &format!("/finance/breaks?who={zoe}")).await;
    assert_eq!(rows(&mia).await, open[..2], "what is hers is what she was given");

    office.go(&mia, "/finance/suspense").await;
    says(&mia, "#ages tfoot", "10,000").await;
    office.go(&mia, "/finance").await;
    says(&mia, "#open-breaks", "10,000").await;
    shown(&mia, "#by-severity svg").await;
    quit([mia]).await;
}

/// Pages that everybody of finance may open as they stand.
const PAGES: [&str; 14] = [
    "/finance",
    "/finance/breaks",
    "/finance/approvals",
    "/finance/suspense",
    "/finance/refunds",
    "/finance/trial-balance",
    "/finance/journal",
    "/finance/roll-forward",
    "/finance/statements",
    "/finance/payouts",
    "/finance/close",
    "/finance/runs",
    "/finance/rules",
    "/finance/audit",
];

/// Waits until nothing is being read any more; gives the parts that failed, with what they say.
async fn failed_parts(browser: &WebDriver) -> Vec<String> {
    let script = "const all = [...document.querySelectorAll('.state')];
        const states = all.filter((state) => state.parentElement.checkVisibility());
        if (all.length === 0 || states.some((state) => state.textContent === 'Reading…')) return null;
        return states.filter((state) => state.classList.contains('error')).map((state) => state.id + ': ' + state.textContent)";
    serde_json::from_value(wait_for(browser, "everything read", script).await).expect("texts")
}

async fn every_page_of_finance_fits_a_phone_and_none_fails(office: &Office) {
    let found = office.plant("planted", (70, 2)).await;
    let phone = open_phone(&office.chromium, &[]).await;
    sign_in(&phone, &office.base(), "ada", "auditor").await;
    let one = format!("/finance/breaks/{found}");
    for path in PAGES.into_iter().chain([one.as_str()]) {
        office.go(&phone, path).await;
        let failed = failed_parts(&phone).await;
        assert!(failed.is_empty(), "{path}: {failed:?}");
        let width = wait_for(&phone, "a width", "return document.documentElement.scrollWidth").await;
        assert!(width.as_u64() <= Some(PHONE_WIDTH), "{path} is {width} pixels wide");
    }
    // An auditor reads: nothing that writes is offered.
    let offered = "return [...document.querySelectorAll('.desk-page form:not(.filters)')]
        .filter((form) => form.checkVisibility()).map((form) => form.id)";
    let offered = phone.execute(offered, Vec::new()).await.expect("a script runs");
    assert_eq!(offered.json(), &Value::Array(Vec::new()));

    // A break that is not there is told, and not drawn.
    office.go(&phone, "/finance/breaks/0192f0a0-0000-7000-8000-000000000000").await;
    says(&phone, "#page-state", "no such break").await;
    office.go(&phone, "/finance/audit").await;
    click(&phone, "#verify-form button").await;
    // The planted break stands in no trail, and the page says so.
    says(&phone, "#verified", "NOT whole").await;
    quit([phone]).await;
}
