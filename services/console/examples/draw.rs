//! Draws the pages into `target/pictures`, for people to look at, the picture of the README among them:
//! `cargo run --release --example draw`.

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
use std::time::Duration;
use steps::{click, open_browser, open_phone, open_room, quit, recharge, send_gift, sign_in, wait_for};
use testkit::Chromium;
use thirtyfour::prelude::*;

const LIGHT: &str = "--blink-settings=preferredColorScheme=1";
const DARK: &str = "--blink-settings=preferredColorScheme=0";

/// Who is in the room, and what they send: a gift and how many.
const CROWD: [(&str, u32, u32); 4] = [("mia", 10, 1), ("leo", 13, 10), ("zoe", 7, 10), ("kim", 2, 66)];

#[derive(Clone, Copy, PartialEq)]
enum Size {
    Wide,
    Narrow,
}

async fn open(chromium: &Chromium, size: Size, scheme: &str) -> WebDriver {
    if size == Size::Wide {
        return open_browser(chromium, &[scheme, "--hide-scrollbars", "--window-size=1280,970"]).await;
    }
    open_phone(chromium, &[scheme]).await
}

async fn draw(driver: &WebDriver, name: &str) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/pictures"));
    std::fs::create_dir_all(&folder).expect("a folder");
    driver.screenshot(&folder.join(format!("{name}.png"))).await.expect("a picture");
}

/// Others in the room, so that it looks like one.
async fn open_crowd(chromium: &Chromium, base: &str, room: &str) -> Vec<WebDriver> {
    let mut crowd = Vec::new();
    for (name, _, _) in CROWD {
        let driver = open_browser(chromium, &[]).await;
        sign_in(&driver, base, name, "viewer").await;
        open_room(&driver, base, room).await;
        recharge(&driver).await;
        recharge(&driver).await;
        recharge(&driver).await;
        crowd.push(driver);
    }
    crowd
}

async fn draw_room(driver: &WebDriver, crowd: &[WebDriver], name: &str) {
    recharge(driver).await;
    wait_for(driver, "no notice", "return document.querySelector('.notice') === null").await;
    for (other, (_, gift, quantity)) in crowd.iter().zip(CROWD) {
        send_gift(other, gift, quantity).await;
    }
    send_gift(driver, 2, 10).await;
    wait_for(driver, "a banner", "return document.querySelector('.banner') !== null").await;
    wait_for(driver, "ranks and history", "return document.querySelectorAll('#history li').length > 1").await;
    driver.execute("scrollTo(0, 0)", Vec::new()).await.expect("scrolled");
    draw(driver, name).await;
    driver.execute("scrollTo(0, 10000)", Vec::new()).await.expect("scrolled");
    draw(driver, &format!("{name}-below")).await;
}

#[tokio::main]
async fn main() {
    let (chromium, base) = (Chromium::start().expect("a WebDriver"), stub::serve().await);
    let room = sample::room_id(0).to_string();
    let crowd = open_crowd(&chromium, &base, &room).await;
    draw_all(&chromium, &base, &room, &crowd).await;
    draw_a_full_effect(&chromium, &base, &room, &crowd).await;
    quit(crowd).await;
}

async fn draw_all(chromium: &Chromium, base: &str, room: &str, crowd: &[WebDriver]) {
    for (size, size_name) in [(Size::Wide, "wide"), (Size::Narrow, "narrow")] {
        for (scheme, scheme_name) in [(LIGHT, "light"), (DARK, "dark")] {
            let name = |page: &str| format!("{page}-{size_name}-{scheme_name}");
            let driver = open(chromium, size, scheme).await;
            sign_in(&driver, base, "ann", "viewer").await;
            draw(&driver, &name("lobby")).await;
            open_room(&driver, base, room).await;
            draw_room(&driver, crowd, &name("room")).await;
            click(&driver, "#balance").await;
            draw(&driver, &name("recharge")).await;
            click(&driver, "#recharge-dialog [data-close]").await;
            click(&driver, &format!("#gift-form label:has([value='{}'])", sample::BOX)).await;
            click(&driver, "#show-odds").await;
            draw(&driver, &name("odds")).await;
            driver.goto(format!("{base}/me")).await.expect("own page");
            wait_for(&driver, "history", "return document.querySelector('#history summary') !== null").await;
            click(&driver, "#history summary").await;
            wait_for(&driver, "an order", "return document.querySelectorAll('#history dl').length > 1").await;
            draw(&driver, &name("me")).await;
            quit([driver]).await;
            let driver = open(chromium, size, scheme).await;
            sign_in(&driver, base, "fin", "finance").await;
            driver.goto(format!("{base}/books")).await.expect("books");
            wait_for(
                &driver,
                "books",
                "return document.querySelector('#verdict').classList.contains('good')",
            )
            .await;
            draw(&driver, &name("books")).await;
            quit([driver]).await;
        }
    }
}

/// The largest effect, for the README.
async fn draw_a_full_effect(chromium: &Chromium, base: &str, room: &str, crowd: &[WebDriver]) {
    let driver = open(chromium, Size::Wide, LIGHT).await;
    sign_in(&driver, base, "ann", "viewer").await;
    open_room(&driver, base, room).await;
    for _ in 0..5 {
        recharge(&driver).await;
    }
    wait_for(&driver, "no notice", "return document.querySelector('.notice') === null").await;
    for (other, (_, gift, quantity)) in crowd.iter().zip(CROWD) {
        send_gift(other, gift, quantity).await;
    }
    send_gift(&driver, 15, 1).await;
    click(&driver, "#confirm-yes").await;
    wait_for(&driver, "a full effect", "return document.querySelector('.whole') !== null").await;
    tokio::time::sleep(Duration::from_millis(900)).await; // The effect has come to rest.
    driver.execute("scrollTo(0, 0)", Vec::new()).await.expect("scrolled");
    draw(&driver, "full-wide-light").await;
    quit([driver]).await;
}
