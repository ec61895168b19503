//! The big batch against a known truth: all planted differences, no other, the same bytes each time.

use crate::planted::{Dice, KINDS, Planted, plant};
use matching::csv_rows::write_differences;
use matching::keyed::{Difference, Each, HashKey, Kind, RowBuf, Settings, Summary, compare};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

pub fn settings() -> Settings {
    Settings::new(std::env::temp_dir())
}

pub fn run(left: &[RowBuf], right: &[RowBuf], settings: &Settings) -> (Vec<Difference>, Summary) {
    let mut found = Vec::new();
    let (left, right) = (Each::new(left.iter().cloned()), Each::new(right.iter().cloned()));
    let go_on = |_| ControlFlow::Continue(());
    let summary =
        compare(left, right, settings, &go_on, &mut |difference| found.push(difference)).expect("compared");
    (found, summary)
}

fn counted(found: &[Difference]) -> BTreeMap<(Vec<u8>, Kind), usize> {
    let mut counted = BTreeMap::new();
    for difference in found {
        let key = difference.key().expect("only rows with keys").to_vec();
        *counted.entry((key, difference.kind)).or_default() += 1;
    }
    counted
}

/// Every row is in one pair or one difference, and in no other.
fn assert_conserved(planted: &Planted, found: &[Difference], summary: &Summary) {
    for (rows, side) in [(&planted.left, 0), (&planted.right, 1)] {
        let of_side = |difference: &Difference| {
            if side == 0 { difference.left.clone() } else { difference.right.clone() }
        };
        let told: Vec<_> = found.iter().filter_map(of_side).collect();
        let numbers: BTreeSet<u64> = told.iter().map(|found| found.number).collect();
        assert_eq!(numbers.len(), told.len(), "a row is told once");
        for found in &told {
            let at = usize::try_from(found.number).expect("small") - 1;
            assert_eq!(found.row, rows[at], "the number leads back to the row");
        }
        let len = u64::try_from(rows.len()).expect("small");
        assert_eq!(summary.matched + u64::try_from(told.len()).expect("small"), len);
    }
}

fn bytes(found: &[Difference]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_differences(found, &mut bytes).expect("memory takes it");
    bytes
}

/// Without row numbers, which follow the input's order.
fn without_places(mut found: Vec<Difference>) -> Vec<Difference> {
    for difference in &mut found {
        for row in [&mut difference.left, &mut difference.right].into_iter().flatten() {
            row.number = 0;
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_planted_differences_are_found_and_none_else(
        rows in 0_usize..600, picks in prop::collection::vec(0..KINDS.len(), 0..60), seed: u64,
        threads in 1_usize..5, hash_key: (u64, u64),
    ) {
        let faults: Vec<Kind> = picks.iter().map(|pick| KINDS[*pick]).collect();
        let planted = plant(rows, &faults, seed);
        let settings = Settings { threads, hash_key: HashKey(hash_key.0, hash_key.1), ..settings() };
        let (found, summary) = run(&planted.left, &planted.right, &settings);
        prop_assert_eq!(counted(&found), planted.truth.clone());
        assert_conserved(&planted, &found, &summary);
    }

    #[test]
    fn neither_threads_nor_the_order_of_rows_change_the_answer(
        rows in 0_usize..300, picks in prop::collection::vec(0..KINDS.len(), 0..40), seed: u64, again: u64,
    ) {
        let faults: Vec<Kind> = picks.iter().map(|pick| KINDS[*pick]).collect();
        let mut planted = plant(rows, &faults, seed);
        let alone = Settings { threads: 1, ..settings() };
        let (first, _) = run(&planted.left, &planted.right, &alone);
        let (second, _) = run(&planted.left, &planted.right, &Settings { threads: 3, ..settings() });
        prop_assert_eq!(bytes(&first), bytes(&second));
        let mut dice = Dice::new(again);
        dice.shuffle(&mut planted.left);
        dice.shuffle(&mut planted.right);
        let (shuffled, _) = run(&planted.left, &planted.right, &alone);
        prop_assert_eq!(without_places(first), without_places(shuffled));
    }
}

#[test]
fn rows_that_spill_give_the_bytes_of_rows_that_do_not() {
    let faults: Vec<Kind> = KINDS.into_iter().cycle().take(1_100).collect();
    let planted = plant(300_000, &faults, 7);
    let roomy = Settings { memory_bytes_max: 1 << 30, ..settings() };
    let tight = Settings { memory_bytes_max: 32 << 20, ..settings() };
    let (in_memory, summary) = run(&planted.left, &planted.right, &roomy);
    assert_eq!(summary.spilled_bytes, 0);
    assert_eq!(counted(&in_memory), planted.truth);
    let (spilled, summary) = run(&planted.left, &planted.right, &tight);
    assert!(summary.spilled_bytes > 0, "32 MiB do not hold 600,000 rows");
    assert_eq!(bytes(&spilled), bytes(&in_memory));
    assert_conserved(&planted, &spilled, &summary);
}

#[test]
fn an_overfull_partition_is_divided_and_gives_the_same_bytes() {
    // So many threads that one may merge 192 KiB at a time, and partitions of 220 KiB.
    let faults: Vec<Kind> = KINDS.into_iter().cycle().take(500).collect();
    let mut planted = plant(100_000, &faults, 11);
    for row in planted.left.iter_mut().chain(&mut planted.right) {
        row.account.extend_from_slice(&[b'a'; 200]);
    }
    let narrow = Settings { memory_bytes_max: 32 << 20, threads: 64, ..settings() };
    let (divided, summary) = run(&planted.left, &planted.right, &narrow);
    assert_conserved(&planted, &divided, &summary);
    let (whole, _) =
        run(&planted.left, &planted.right, &Settings { memory_bytes_max: 1 << 30, ..settings() });
    assert_eq!(bytes(&divided), bytes(&whole));
}

#[test]
fn a_key_that_both_sides_hold_twice_matches_once_and_says_so() {
    let row = |amount_minor| RowBuf { key: b"k".to_vec(), amount_minor, ..RowBuf::default() };
    let (found, summary) = run(&[row(1), row(2)], &[row(2), row(1)], &settings());
    let kinds: Vec<Kind> = found.iter().map(|difference| difference.kind).collect();
    assert_eq!((summary.matched, kinds), (1, vec![Kind::DuplicateLeft, Kind::DuplicateRight]));
}
