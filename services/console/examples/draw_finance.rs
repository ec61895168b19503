//! Draws finance's pages into `target/pictures`, for people to look at: wide and narrow, light and dark:
//! `cargo run --release --example draw_finance`.

#[allow(dead_code, reason = "the tests use all of it, this a part")]
#[path = "../tests/it/cutter.rs"]
mod cutter;
#[allow(dead_code, reason = "the tests use all of it, this a part")]
#[path = "../tests/it/finance_stub.rs"]
mod finance_stub;
#[allow(dead_code, reason = "the tests use all of it, this a part")]
#[path = "../tests/it/sample.rs"]
mod sample;
#[allow(dead_code, reason = "the tests use all of it, this a part")]
#[path = "../tests/it/steps.rs"]
mod steps;
#[allow(dead_code, reason = "the tests use all of it, this a part")]
#[path = "../tests/it/stub.rs"]
mod stub;

use std::path::PathBuf;
use steps::{open_browser, open_phone, quit, sign_in, wait_for};
use testkit::Chromium;
use thirtyfour::prelude::*;

const SCHEMES: [(&str, &str); 2] = [
    ("light", "--blink-settings=preferredColorScheme=1"),
    ("dark", "--blink-settings=preferredColorScheme=0"),
];

#[tokio::main]
async fn main() {
    let (chromium, base) = (Chromium::start().expect("a WebDriver"), stub::serve().await);
    for (scheme, argument) in SCHEMES {
        let wide = [argument, "--hide-scrollbars", "--window-size=1440,1300"];
        let (wide, phone) = (open_browser(&chromium, &wide).await, open_phone(&chromium, &[argument]).await);
        for (browser, size) in [(&wide, "wide"), (&phone, "narrow")] {
            sign_in(browser, &base, "ced", "finance-checker").await;
            for path in finance_stub::PAGES {
                draw(browser, &base, (path, size, scheme)).await;
            }
        }
        quit([wide, phone]).await;
    }
}

/// One page, once nothing of it is being read.
async fn draw(browser: &WebDriver, base: &str, (path, size, scheme): (&str, &str, &str)) {
    browser.goto(format!("{base}{path}")).await.expect("the page opens");
    let read = "const all = [...document.querySelectorAll('.state')];
        const states = all.filter((state) => state.parentElement.checkVisibility());
        return all.length > 0 && states.every((state) => state.textContent !== 'Reading…')";
    wait_for(browser, "everything read", read).await;
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/pictures"));
    std::fs::create_dir_all(&folder).expect("a folder");
    let name = path.trim_matches('/').replace('/', "-");
    let file = folder.join(format!("{name}-{size}-{scheme}.png"));
    browser.screenshot(&file).await.expect("a picture");
    browser.execute("scrollTo(0, 100000)", Vec::new()).await.expect("scrolled");
    let file = folder.join(format!("{name}-{size}-{scheme}-below.png"));
    browser.screenshot(&file).await.expect("a picture");
}
