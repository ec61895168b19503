//! The steps, in headless Chromium, against the stand-in.

use crate::cutter::Loses;
use crate::{sample, steps, stub};
use testkit::Chromium;

fn room() -> String {
    sample::room_id(0).to_string()
}

#[tokio::test]
async fn two_browsers_see_one_gift_and_the_balance_falls_once() {
    let (chromium, base) = (Chromium::start().expect("a WebDriver"), stub::serve().await);
    steps::both_see_one_gift(&chromium, &base, &room(), sample::ROSE).await;
}

#[tokio::test]
async fn a_send_whose_answer_is_lost_is_charged_once() {
    let (chromium, base) = (Chromium::start().expect("a WebDriver"), stub::serve().await);
    steps::a_lost_answer_charges_once(&chromium, &base, &room(), sample::ROSE).await;
}

#[tokio::test]
async fn a_page_opened_again_finishes_a_send_once() {
    let (chromium, base) = (Chromium::start().expect("a WebDriver"), stub::serve().await);
    for loses in [Loses::Answers, Loses::Sends] {
        steps::a_reload_finishes_what_was_lost(&chromium, &base, &room(), sample::ROSE, loses).await;
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_words_and_a_large_gift_asks_first() {
    let (chromium, base) = (Chromium::start().expect("a WebDriver"), stub::serve().await);
    steps::a_refusal_is_told_in_words(&chromium, &base, &room(), sample::ROSE).await;
    steps::a_large_gift_asks_first(&chromium, &base, &room(), sample::COMET).await;
}

#[tokio::test]
async fn pages_fit_a_phone() {
    let (chromium, base) = (Chromium::start().expect("a WebDriver"), stub::serve().await);
    steps::pages_fit_a_phone(&chromium, &base, &room()).await;
}
