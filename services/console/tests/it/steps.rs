//! What people do in a browser, step by step, against any base URL.

use crate::cutter::{Cutter, Loses};
use std::time::{Duration, Instant};
use testkit::Chromium;
use thirtyfour::ChromeCapabilities;
use thirtyfour::prelude::*;

/// How long a page may take to show what it should.
const SHOWN_WITHIN: Duration = Duration::from_secs(20);

/// A browser of its own: own profile, own cookies.
pub async fn open_browser(chromium: &Chromium, more: &[&str]) -> WebDriver {
    let mut capabilities = capabilities(chromium, more);
    capabilities.add_arg("--window-size=1280,880").expect("an argument");
    WebDriver::new(chromium.url(), capabilities).await.expect("a browser opens")
}

fn capabilities(chromium: &Chromium, more: &[&str]) -> ChromeCapabilities {
    let mut capabilities = DesiredCapabilities::chrome();
    capabilities.set("browserName", "chrome-headless-shell").expect("a name");
    capabilities.set_binary(chromium.browser()).expect("a program");
    for argument in chromium.arguments().iter().map(String::as_str).chain(more.iter().copied()) {
        capabilities.add_arg(argument).expect("an argument");
    }
    capabilities
}

/// The width of a phone, in CSS pixels.
pub const PHONE_WIDTH: u64 = 390;

/// The same on a phone.
pub async fn open_phone(chromium: &Chromium, more: &[&str]) -> WebDriver {
    let mut capabilities = capabilities(chromium, more);
    let screen =
        serde_json::json!({ "deviceMetrics": { "width": PHONE_WIDTH, "height": 844, "pixelRatio": 2 } });
    capabilities.add_experimental_option("mobileEmulation", screen).expect("an option");
    WebDriver::new(chromium.url(), capabilities).await.expect("a browser opens")
}

/// Runs a script until it gives something that is neither null nor false.
pub async fn wait_for(driver: &WebDriver, what: &str, script: &str) -> serde_json::Value {
    let deadline = Instant::now() + SHOWN_WITHIN;
    loop {
        let found = driver.execute(script, Vec::new()).await.expect("a script runs").json().clone();
        if !matches!(found, serde_json::Value::Null | serde_json::Value::Bool(false)) {
            return found;
        }
        if Instant::now() > deadline {
            let body = driver.execute("return document.body.innerText", Vec::new()).await;
            panic!("never shown: {what}; the page says {:?}", body.map(|text| text.json().clone()));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Clicks; what lies under the header that stays on top is brought into the middle first, as a person would.
pub async fn click(driver: &WebDriver, css: &str) {
    let found = driver.find(By::Css(css)).await.expect(css);
    if found.click().await.is_err() {
        let into_view = format!("document.querySelector({css:?}).scrollIntoView({{ block: 'center' }})");
        driver.execute(into_view, Vec::new()).await.expect(css);
        found.click().await.expect(css);
    }
}

/// Signs in through the dialog of the lobby.
pub async fn sign_in(driver: &WebDriver, base: &str, name: &str, role: &str) {
    driver.goto(base).await.expect("the lobby opens");
    click(driver, "#open-sign-in").await;
    driver.find(By::Id("sign-in-name")).await.expect("a name").send_keys(name).await.expect("typed");
    click(driver, &format!("#sign-in-form label:has(input[value={role}])")).await;
    click(driver, "#sign-in-form [type=submit]").await;
    wait_for(
        driver,
        "the name",
        &format!("return document.getElementById('person-name')?.textContent === '{name}'"),
    )
    .await;
}

/// Coins in the header, once they are known.
pub async fn balance(driver: &WebDriver) -> i64 {
    let script = "const text = document.getElementById('balance-coins').textContent.replaceAll(',', '');
        return /^[0-9]+$/.test(text) ? text : null";
    let text = wait_for(driver, "a balance", script).await;
    text.as_str().expect("text").parse().expect("whole coins")
}

pub async fn wait_for_balance(driver: &WebDriver, coins: i64) {
    let script = format!(
        "return document.getElementById('balance-coins').textContent.replaceAll(',', '') === '{coins}'"
    );
    wait_for(driver, &format!("a balance of {coins}"), &script).await;
}

/// Opens a room and starts to write down every effect it shows.
pub async fn open_room(driver: &WebDriver, base: &str, room_id: &str) {
    driver.goto(format!("{base}/rooms/{room_id}")).await.expect("the room opens");
    let script = "
        window.effects = [];
        const note = (node) => node.dataset?.order && window.effects.push(node.dataset.order);
        new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach(note)))
            .observe(document.querySelector('.stage'), { childList: true, subtree: true });";
    driver.execute(script, Vec::new()).await.expect("a script runs");
    balance(driver).await; // The scripts of the page have run.
}

/// Recharges ¥30 in the sandbox, from a room or the viewer's own page. Returns the new balance.
pub async fn recharge(driver: &WebDriver) -> i64 {
    let before = balance(driver).await;
    click(driver, "#balance").await;
    click(driver, "#recharge-form label:has(input[value='3000'])").await;
    click(driver, "#recharge-pay").await;
    wait_for(driver, "the end of the recharge", "return !document.getElementById('recharge-dialog').open")
        .await;
    let after = balance(driver).await;
    assert!(after > before, "{before} coins became {after}");
    after
}

/// Chooses a gift and a quantity, and presses send. Returns the charge the page names.
pub async fn send_gift(driver: &WebDriver, gift_id: u32, quantity: u32) -> i64 {
    click(driver, &format!("#gift-form label:has(input[name=gift][value='{gift_id}'])")).await;
    click(driver, &format!("#gift-form label:has(input[name=quantity][value='{quantity}'])")).await;
    let script = "return document.getElementById('send-charge').textContent.replaceAll(',', '')";
    let charge = wait_for(driver, "a charge", script).await;
    click(driver, "#send").await;
    charge.as_str().expect("text").parse().expect("whole coins")
}

/// Waits until the room has shown an effect; returns the orders of all it has shown.
pub async fn effects(driver: &WebDriver) -> Vec<String> {
    let shown = wait_for(driver, "an effect", "return window.effects.length > 0 && window.effects").await;
    serde_json::from_value(shown).expect("orders")
}

async fn effects_now(driver: &WebDriver) -> Vec<String> {
    let shown = driver.execute("return window.effects", Vec::new()).await.expect("a script runs");
    serde_json::from_value(shown.json().clone()).expect("orders")
}

/// Two browsers in one room: one recharges and sends, both see it, the balance falls once.
pub async fn both_see_one_gift(chromium: &Chromium, base: &str, room_id: &str, gift_id: u32) {
    let (ann, ben) = (open_browser(chromium, &[]).await, open_browser(chromium, &[]).await);
    sign_in(&ann, base, "ann", "viewer").await;
    sign_in(&ben, base, "ben", "viewer").await;
    open_room(&ann, base, room_id).await;
    open_room(&ben, base, room_id).await;
    let before = recharge(&ann).await;
    let bens = balance(&ben).await;
    let charge = send_gift(&ann, gift_id, 10).await;
    let (seen_by_ann, seen_by_ben) = (effects(&ann).await, effects(&ben).await);
    assert_eq!(seen_by_ann, seen_by_ben);
    assert_eq!(seen_by_ann.len(), 1, "{seen_by_ann:?}");
    wait_for_balance(&ann, before - charge).await;
    assert_eq!(balance(&ben).await, bens);

    // The line of the history opens the order and the entry behind it.
    let order = &seen_by_ann[0];
    let details = format!("#history details[data-request='{order}']");
    let line = format!("document.querySelector(\"{details}\")");
    wait_for(&ann, "the gift's line of history", &format!("return {line} !== null")).await;
    click(&ann, &format!("{details} summary")).await;
    let script = format!(
        "const text = {line}?.innerText ?? ''; return text.includes('{order}') && text.includes('Entry')"
    );
    wait_for(&ann, "the order behind the line", &script).await;

    let counted = "return / gifts? today$/.test(document.getElementById('gift-count').textContent)";
    wait_for(&ben, "the room's count of gifts", counted).await;

    // The combo button sends again, as an order of its own.
    click(&ann, "#combo").await;
    wait_for_balance(&ann, before - 2 * charge).await;
    wait_for(
        &ben,
        "the second gift",
        "return new Set(window.effects).size === 2 || document.querySelector('.effect-count.bump') !== null",
    )
    .await;
    quit([ann, ben]).await;
}

/// The answer to a send is lost on the way: the page asks again with the same key by itself.
pub async fn a_lost_answer_charges_once(chromium: &Chromium, base: &str, room_id: &str, gift_id: u32) {
    let (cable, near) = Cutter::lay(base).await;
    let (cleo, dan) = (open_browser(chromium, &[]).await, open_browser(chromium, &[]).await);
    sign_in(&cleo, &near, "cleo", "viewer").await;
    sign_in(&dan, base, "dan", "viewer").await;
    open_room(&cleo, &near, room_id).await;
    open_room(&dan, base, room_id).await;
    let before = recharge(&cleo).await;
    cable.lose(Loses::Answers);
    let charge = send_gift(&cleo, gift_id, 1).await;
    wait_for(
        &cleo,
        "word that the gift is kept",
        "return document.getElementById('send-pending').textContent !== ''",
    )
    .await;
    assert!(cable.lost() >= 2, "only {} answers were lost", cable.lost());
    cable.lose(Loses::Nothing);
    nothing_waits(&cleo).await;
    wait_for_balance(&cleo, before - charge).await;
    assert_eq!(effects(&dan).await.len(), 1, "a repeated send showed a second effect");
    assert_eq!(effects_now(&cleo).await.len(), 1);
    assert_eq!(balance_after_reload(&cleo).await, before - charge);
    quit([cleo, dan]).await;
}

async fn balance_after_reload(driver: &WebDriver) -> i64 {
    driver.refresh().await.expect("the room opens again");
    balance(driver).await
}

/// The page is closed while a send is lost, on its way or on its way back: opened again, it finds out which.
pub async fn a_reload_finishes_what_was_lost(
    chromium: &Chromium,
    base: &str,
    room_id: &str,
    gift_id: u32,
    loses: Loses,
) {
    let (cable, near) = Cutter::lay(base).await;
    let (eve, fay) = (open_browser(chromium, &[]).await, open_browser(chromium, &[]).await);
    let name = if loses == Loses::Answers { "eve" } else { "eva" };
    sign_in(&eve, &near, name, "viewer").await;
    sign_in(&fay, base, "fay", "viewer").await;
    open_room(&eve, &near, room_id).await;
    open_room(&fay, base, room_id).await;
    let before = recharge(&eve).await;
    cable.lose(loses);
    let charge = send_gift(&eve, gift_id, 1).await;
    wait_for(
        &eve,
        "word that the gift is kept",
        "return document.getElementById('send-pending').textContent !== ''",
    )
    .await;
    eve.goto(format!("{near}/me")).await.expect("another page opens");
    assert_eq!(balance(&eve).await, if loses == Loses::Answers { before - charge } else { before });
    cable.lose(Loses::Nothing);
    open_room(&eve, &near, room_id).await;
    nothing_waits(&eve).await;
    wait_for_balance(&eve, before - charge).await;
    assert_eq!(effects(&fay).await.len(), 1, "a repeated send showed a second effect");
    assert_eq!(balance_after_reload(&eve).await, before - charge);
    quit([eve, fay]).await;
}

async fn nothing_waits(driver: &WebDriver) {
    let script = "return Object.keys(localStorage).every((key) => !key.startsWith('largesse.send.'))";
    wait_for(driver, "an empty outbox", script).await;
}

/// A send the viewer cannot pay for is refused in words, and charges nothing.
pub async fn a_refusal_is_told_in_words(chromium: &Chromium, base: &str, room_id: &str, gift_id: u32) {
    let gil = open_browser(chromium, &[]).await;
    sign_in(&gil, base, "gil", "viewer").await;
    open_room(&gil, base, room_id).await;
    let before = balance(&gil).await;
    send_gift(&gil, gift_id, 188).await;
    let script = "return document.getElementById('send-error').textContent.includes('enough coins')";
    wait_for(&gil, "the refusal", script).await;
    assert_eq!(balance(&gil).await, before);
    nothing_waits(&gil).await;
    quit([gil]).await;
}

/// A large gift asks first; "not now" sends nothing.
pub async fn a_large_gift_asks_first(chromium: &Chromium, base: &str, room_id: &str, gift_id: u32) {
    let hal = open_browser(chromium, &[]).await;
    sign_in(&hal, base, "hal", "viewer").await;
    open_room(&hal, base, room_id).await;
    send_gift(&hal, gift_id, 1).await;
    wait_for(&hal, "the question", "return document.getElementById('confirm-dialog').open").await;
    click(&hal, "#confirm-dialog [value=no]").await;
    wait_for(&hal, "the question gone", "return !document.getElementById('confirm-dialog').open").await;
    nothing_waits(&hal).await;
    let error = "return document.getElementById('send-error').textContent === ''";
    wait_for(&hal, "no refusal: nothing was sent", error).await;
    quit([hal]).await;
}

pub async fn quit(drivers: impl IntoIterator<Item = WebDriver>) {
    for driver in drivers {
        driver.quit().await.expect("a browser closes");
    }
}

/// No page is wider than a phone.
pub async fn pages_fit_a_phone(chromium: &Chromium, base: &str, room_id: &str) {
    let phone = open_phone(chromium, &[]).await;
    let fits = async |page: &str| {
        let width = phone.execute("return document.documentElement.scrollWidth", Vec::new()).await;
        let width = width.expect("a script runs").json().as_u64().expect("a width");
        assert!(width <= PHONE_WIDTH, "{page} is {width} pixels wide");
    };
    sign_in(&phone, base, "ida", "viewer").await;
    fits("the lobby").await;
    open_room(&phone, base, room_id).await;
    recharge(&phone).await;
    fits("a room").await;
    phone.goto(format!("{base}/me")).await.expect("own page");
    wait_for(&phone, "history", "return document.querySelector('#history summary') !== null").await;
    fits("own history").await;
    quit([phone]).await;
    let phone = open_phone(chromium, &[]).await;
    sign_in(&phone, base, "fin", "finance").await;
    phone.goto(format!("{base}/books")).await.expect("books");
    wait_for(&phone, "books", "return document.querySelector('#verdict').classList.contains('good')").await;
    let width = wait_for(&phone, "a width", "return document.documentElement.scrollWidth").await;
    assert!(width.as_u64() <= Some(PHONE_WIDTH), "the books are {width} pixels wide");
    quit([phone]).await;
}
