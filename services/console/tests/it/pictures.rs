//! Draws the pages for people to look at, and the picture of the README. Not a check: run it by name.

use crate::steps::{click, open_browser, open_room, quit, send_gift, sign_in, wait_for, wait_for_balance};
use crate::{sample, steps, stub};
use std::path::PathBuf;
use testkit::Chromium;
use thirtyfour::WebDriver;

const LIGHT: &str = "--blink-settings=preferredColorScheme=1";
const DARK: &str = "--blink-settings=preferredColorScheme=0";
const WIDE: &str = "--window-size=1280,880";
const NARROW: &str = "--window-size=500,940";

async fn draw(driver: &WebDriver, name: &str) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/pictures"));
    std::fs::create_dir_all(&folder).expect("a folder");
    driver.screenshot(&folder.join(format!("{name}.png"))).await.expect("a picture");
}

/// Others in the room, so that it looks like one.
async fn fill_room(chromium: &Chromium, base: &str, room: &str) {
    for (name, gift, quantity) in
        [("mia", 10, 10), ("leo", 9, 1), ("zoe", 7, 10), ("kim", 2, 66), ("ida", 3, 10)]
    {
        let driver = open_browser(chromium, &[]).await;
        sign_in(&driver, base, name, "viewer").await;
        open_room(&driver, base, room).await;
        for _ in 0..3 {
            steps::recharge(&driver).await;
        }
        send_gift(&driver, gift, quantity).await;
        if gift == 10 {
            click(&driver, "#confirm-yes").await;
        }
        steps::effects(&driver).await;
        quit([driver]).await;
    }
}

async fn draw_room(driver: &WebDriver, base: &str, room: &str, name: &str) {
    open_room(driver, base, room).await;
    let coins = steps::recharge(driver).await;
    send_gift(driver, 2, 10).await;
    wait_for_balance(driver, coins - 1_000).await;
    send_gift(driver, 3, 1).await;
    wait_for_balance(driver, coins - 1_200).await;
    send_gift(driver, 9, 1).await;
    wait_for(driver, "a banner", "return document.querySelector('.banner') !== null").await;
    wait_for(driver, "ranks and history", "return document.querySelectorAll('#history li').length > 3").await;
    draw(driver, name).await;
    driver.execute("scrollTo(0, 10000)", Vec::new()).await.expect("scrolled");
    draw(driver, &format!("{name}-below")).await;
}

#[tokio::test]
#[ignore = "draws pictures into target/pictures"]
async fn draw_all() {
    let (chromium, base) = (Chromium::start().expect("a WebDriver"), stub::serve_from_folder().await);
    let room = sample::room_id(0).to_string();
    fill_room(&chromium, &base, &room).await;
    for (size, size_name) in [(WIDE, "wide"), (NARROW, "narrow")] {
        for (scheme, scheme_name) in [(LIGHT, "light"), (DARK, "dark")] {
            let name = |page: &str| format!("{page}-{size_name}-{scheme_name}");
            let driver = open_browser(&chromium, &[size, scheme]).await;
            sign_in(&driver, &base, "ann", "viewer").await;
            draw(&driver, &name("lobby")).await;
            draw_room(&driver, &base, &room, &name("room")).await;
            click(&driver, "#balance").await;
            draw(&driver, &name("recharge")).await;
            driver.goto(format!("{base}/me")).await.expect("own page");
            wait_for(&driver, "history", "return document.querySelector('#history summary') !== null").await;
            click(&driver, "#history summary").await;
            wait_for(&driver, "an order", "return document.querySelectorAll('#history dl').length > 1").await;
            draw(&driver, &name("me")).await;
            quit([driver]).await;
            let driver = open_browser(&chromium, &[size, scheme]).await;
            sign_in(&driver, &base, "fin", "finance").await;
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
#[tokio::test]
#[ignore = "draws target/pictures/full-*.png"]
async fn draw_a_full_effect() {
    let (chromium, base) = (Chromium::start().expect("a WebDriver"), stub::serve_from_folder().await);
    let room = sample::room_id(0).to_string();
    fill_room(&chromium, &base, &room).await;
    let driver = open_browser(&chromium, &[WIDE, LIGHT]).await;
    sign_in(&driver, &base, "ann", "viewer").await;
    open_room(&driver, &base, &room).await;
    for _ in 0..5 {
        steps::recharge(&driver).await;
    }
    send_gift(&driver, 15, 1).await;
    click(&driver, "#confirm-yes").await;
    wait_for(&driver, "a full effect", "return document.querySelector('.whole') !== null").await;
    tokio::time::sleep(std::time::Duration::from_millis(900)).await; // The effect has come to rest.
    draw(&driver, "full-wide-light").await;
    quit([driver]).await;
}
