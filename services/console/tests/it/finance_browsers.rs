//! Finance's pages in headless Chromium, against the stand-in: each draws what the API answers, to the last digit.

use crate::finance_stub::PAGES;
use crate::steps::{PHONE_WIDTH, click, open_browser, open_phone, quit, sign_in, wait_for};
use crate::{finance_stub, stub};
use testkit::Chromium;
use thirtyfour::prelude::*;

/// Waits until nothing is being read; gives what failed or is not there.
async fn not_drawn(browser: &WebDriver) -> Vec<String> {
    let script = "const all = [...document.querySelectorAll('.state')];
        const states = all.filter((state) => state.parentElement.checkVisibility());
        if (all.length === 0 || states.some((state) => state.textContent === 'Reading…')) return null;
        const bad = states.filter((state) => state.matches('.error, .missing'));
        return bad.map((state) => state.id + ': ' + state.textContent)";
    serde_json::from_value(wait_for(browser, "everything read", script).await).expect("texts")
}

async fn says(browser: &WebDriver, css: &str, text: &str) {
    let script = format!("return document.querySelector({css:?})?.innerText.includes({text:?}) === true");
    wait_for(browser, &format!("{css} with {text:?}"), &script).await;
}

#[tokio::test]
async fn every_page_of_finance_draws_what_the_api_answers() {
    let (chromium, base) = (Chromium::start().expect("a WebDriver"), stub::serve().await);
    let wide = open_browser(&chromium, &["--window-size=1440,1000"]).await;
    let phone = open_phone(&chromium, &[]).await;
    for browser in [&wide, &phone] {
        sign_in(browser, &base, "ced", "finance-checker").await;
    }
    for path in PAGES {
        for browser in [&wide, &phone] {
            browser.goto(format!("{base}{path}")).await.expect("the page opens");
            let bad = not_drawn(browser).await;
            // The stand-in knows no order of this id: the page must say so, and only that.
            let expected = usize::from(path.starts_with("/finance/orders/"));
            assert_eq!(bad.len(), expected, "{path}: {bad:?}");
        }
        let fits = wait_for(&phone, "a width", "return document.documentElement.scrollWidth").await;
        assert!(fits.as_u64() <= Some(PHONE_WIDTH), "{path} is {fits} pixels wide on a phone");
    }
    quit([wide, phone]).await;
}

#[tokio::test]
async fn amounts_lead_from_the_books_to_the_gift_and_lose_no_digit() {
    let (chromium, base) = (Chromium::start().expect("a WebDriver"), stub::serve().await);
    let ada = open_browser(&chromium, &[]).await;
    sign_in(&ada, &base, "ada", "auditor").await;
    ada.goto(format!("{base}/finance/trial-balance")).await.expect("the page opens");
    // 25,007,199,254,740,993 millionths of a fen, which a number of a browser would round.
    says(&ada, "#accounts tfoot", "¥250,071,992.54740993").await;
    says(&ada, "#verdict", "close to zero").await;
    click(&ada, "#accounts tbody th a").await;
    says(&ada, "#vouchers", "17-4211").await;
    click(&ada, "#vouchers tbody th a").await;
    says(&ada, "#lines tfoot", "¥90,071,992.54740993").await;
    click(&ada, &format!("#sources a[href$='{}']", finance_stub::ORDER)).await;
    says(&ada, "#order-breaks", "Amount mismatch").await;

    ada.goto(format!("{base}/finance/statements")).await.expect("the page opens");
    click(&ada, "#statements tbody th a").await;
    says(&ada, "#statement", "¥90,071,992.54740993").await;
    click(&ada, "#lines tbody td a").await;
    says(&ada, "#orders-title", "version 2").await;
    says(&ada, "#orders", finance_stub::ORDER).await;

    ada.goto(format!("{base}/finance/rules")).await.expect("the page opens");
    says(&ada, "#rules", "Days of the new year.").await;
    click(&ada, "#rules form button").await;
    says(&ada, "#dry-title", "version 2").await;
    says(&ada, "#dry", "Counts").await;
    ada.goto(format!("{base}/finance/refunds?case={}", finance_stub::RUN)).await.expect("the page opens");
    says(&ada, "#cases", "He is twelve.").await;
    says(&ada, "#case", "5,200").await;
    quit([ada]).await;
}

#[tokio::test]
async fn a_page_says_what_is_not_available_and_what_cannot_be_read_and_shows_the_rest() {
    let (chromium, base) = (Chromium::start().expect("a WebDriver"), stub::serve_without_finance().await);
    let mia = open_browser(&chromium, &[]).await;
    sign_in(&mia, &base, "mia", "finance-maker").await;
    mia.goto(format!("{base}/finance")).await.expect("the page opens");
    says(&mia, "#match-count", "not available").await;
    says(&mia, "#files-state", "Not available").await;
    says(&mia, "#lags", "entries").await; // What is there still shows.
    says(&mia, "#difference", "nothing").await;
    mia.goto(format!("{base}/finance/close")).await.expect("the page opens");
    says(&mia, "#checklist-state", "Not available").await;
    let form = "return document.getElementById('step-form') !== null";
    let form = mia.execute(form, Vec::new()).await.expect("a script runs");
    assert_eq!(form.json(), false, "what nobody answers is not offered");
    quit([mia]).await;
}
