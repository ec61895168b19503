//! Invariant under test: what ships is what its README says, and fits the default catalogue.

use contracts::catalogue::{Gift, GiftKind};
use loadtest::{Catalogue, Replay};
use std::collections::HashSet;
use std::path::Path;

fn shipped_catalogue() -> Catalogue {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services/gift/gift.catalogue.json");
    Catalogue::from_json(&std::fs::read(path).expect("the catalogue ships")).expect("it is a catalogue")
}

#[test]
fn the_sample_is_valid_and_as_large_as_promised() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/final-night.jsonl.gz");
    let valid = Replay::open(&path).expect("it ships").validate(&shipped_catalogue()).expect("it is valid");
    let counts = valid.counts();
    assert!(counts.gifts >= 100_000 && counts.free_gifts > 1_000 && counts.combo_ends > 1_000, "{counts:?}");
    assert_eq!((counts.rooms, counts.viewers, counts.recharges), (80, 20_000, 20_000));
    assert!(
        counts.recharge_minor * 10 < counts.charge_coins + 20_000 * 6_000,
        "people do not recharge for nothing"
    );
}

#[test]
fn the_catalogue_has_sixty_gifts_of_every_kind() {
    let catalogue = shipped_catalogue();
    let of = |kind| catalogue.gifts().filter(|gift| gift.kind == kind).count();
    assert_eq!(catalogue.gifts().count(), 60);
    assert_eq!(of(GiftKind::Free), 4);
    assert_eq!(of(GiftKind::Guard), 3);
    assert_eq!(of(GiftKind::PaidMessage), 3);
    assert_eq!(of(GiftKind::BlindBox), 2);
    let names: HashSet<&str> = catalogue.gifts().map(|gift| gift.name.as_str()).collect();
    assert_eq!(names.len(), 60, "each has a name of its own");
    let discounted = |gift: &&Gift| gift.price_coins < gift.list_price_coins;
    assert_eq!(catalogue.gifts().filter(discounted).count(), 2, "a gift and a membership");
}

#[test]
fn odds_of_a_box_sum_to_one_and_its_contents_are_worth_94_percent() {
    let catalogue = shipped_catalogue();
    for boxed in catalogue.gifts().filter(|gift| gift.kind == GiftKind::BlindBox) {
        let odds: u32 = boxed.outcomes.iter().map(|outcome| outcome.odds_ppm.get()).sum();
        assert_eq!(odds, 1_000_000, "{}", boxed.name);
        let worth: i64 =
            boxed.outcomes.iter().map(|o| o.value_coins.get() * i64::from(o.odds_ppm.get())).sum();
        assert_eq!(worth / boxed.price_coins.get() / 10_000, 94, "{}", boxed.name);
        for outcome in &boxed.outcomes {
            let inside = catalogue.find(outcome.gift_id).expect("what is inside is on the shelf");
            assert_eq!(inside.list_price_coins, outcome.value_coins, "{}", boxed.name);
        }
    }
}
