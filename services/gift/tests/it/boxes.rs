//! Blind boxes: the published odds are the odds, and the same order always draws the same.

use crate::bench::{BOX, Bench, CATALOGUE};
use axum::http::StatusCode;
use contracts::catalogue::Gift;
use gift::{CatalogueFile, DEFAULT_CATALOGUE, DrawSeed, draw};
use ids::{OrderId, SendKey, ViewerId};
use std::collections::HashMap;

fn boxes(catalogue: &str) -> Vec<Gift> {
    let file: CatalogueFile = serde_json::from_str(catalogue).expect("a catalogue");
    file.gifts.into_iter().filter(|gift| !gift.outcomes.is_empty()).collect()
}

/// An order of a fixed key, so that the draws are the same in every run.
fn order(number: u128) -> OrderId {
    let base = 0x0190_0000_0000_7000_8000_0000_0000_0000_u128;
    let viewer = ViewerId::from_uuid(ids::named_id("viewer", "ann"));
    OrderId::of(viewer, SendKey::from_uuid(ids::Uuid::from_u128(base + number)))
}

#[test]
fn draws_follow_the_published_odds() {
    let seed = DrawSeed::new(b"a fixed seed");
    for gift in boxes(DEFAULT_CATALOGUE) {
        let mut counts: HashMap<u32, u32> = HashMap::new();
        let draws = 200_000_u32;
        for number in 0..u128::from(draws / 1_000) {
            for reveal in draw(&seed, order(number), &gift, 1_000) {
                *counts.entry(reveal.gift_id).or_default() += reveal.count;
            }
        }
        assert_eq!(counts.values().sum::<u32>(), draws);
        let chi_square: f64 = gift
            .outcomes
            .iter()
            .map(|outcome| {
                let expected = f64::from(outcome.odds_ppm.get()) * f64::from(draws) / 1e6;
                let seen = f64::from(counts.get(&outcome.gift_id).copied().unwrap_or_default());
                (seen - expected).powi(2) / expected
            })
            .sum();
        // The 99.9th percentile for four degrees of freedom; our boxes have at most five outcomes.
        assert!(chi_square < 18.47, "{}: chi-square {chi_square}, {counts:?}", gift.name);
    }
}

#[test]
fn the_same_order_draws_the_same_and_another_seed_draws_otherwise() {
    let gift = boxes(CATALOGUE).remove(0);
    let (seed, other) = (DrawSeed::new(b"one"), DrawSeed::new(b"two"));
    let all = |seed: &DrawSeed| (0..50).map(|n| draw(seed, order(n), &gift, 20)).collect::<Vec<_>>();
    assert_eq!(all(&seed), all(&seed));
    assert_ne!(all(&seed), all(&other));
}

#[tokio::test]
async fn a_box_costs_its_price_whatever_is_in_it_and_a_repeat_reveals_the_same() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = ViewerId::now();
    bench.wallet.give(viewer, 1_000_000, 0).await;
    for _ in 0..20 {
        let key = SendKey::now();
        let (status, sent) = bench.send(&node, viewer, key, bench.body(BOX, 10)).await;
        assert_eq!(status, StatusCode::CREATED, "{sent}");
        assert_eq!(sent["charge_coins"], 500);
        let reveals = sent["reveals"].as_array().expect("reveals");
        assert_eq!(reveals.iter().filter_map(|reveal| reveal["count"].as_u64()).sum::<u64>(), 10);
        let (_, again) = bench.send(&node, viewer, key, bench.body(BOX, 10)).await;
        assert_eq!(again["reveals"], sent["reveals"]);
    }
    bench.settle().await;
    bench.assert_books_balance().await;
}
