//! Rules against a known truth: movements with faults planted from a seed. No match may contradict the truth, every
//! fault must show, every line has one end, and the order of lines changes nothing.

use crate::passes_rules::stored;
use crate::planted::Dice;
use matching::passes::{Line, Outcome, run};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    MissingLeft,
    MissingRight,
    CopyLeft,
    CopyRight,
    /// Too far for any tolerance.
    AmountOff,
    /// Within the fee's tolerance.
    Fee,
    WrongCurrency,
    /// Within the window.
    Late,
    TooLate,
    NoReference,
    GarbledReference,
    Split,
    SplitPartMissing,
    /// With the next movement: references, second references, or amounts of the right lines change places.
    SwappedReferences,
    SwappedSeconds,
    SwappedAmounts,
    /// Of a batch, and so of all its movements.
    BatchPartMissing,
    BatchPartCopied,
}

/// What becomes of a batch.
const BATCH_FAULTS: [Fault; 3] = [Fault::None, Fault::BatchPartMissing, Fault::BatchPartCopied];

const FAULTS: [Fault; 17] = [
    Fault::None,
    Fault::MissingLeft,
    Fault::MissingRight,
    Fault::CopyLeft,
    Fault::CopyRight,
    Fault::AmountOff,
    Fault::Fee,
    Fault::WrongCurrency,
    Fault::Late,
    Fault::TooLate,
    Fault::NoReference,
    Fault::GarbledReference,
    Fault::Split,
    Fault::SplitPartMissing,
    Fault::SwappedReferences,
    Fault::SwappedSeconds,
    Fault::SwappedAmounts,
];

/// Lines, and which movements each is of. Ids are shuffled, so that they say nothing.
#[derive(Default)]
struct World {
    left: Vec<Line>,
    right: Vec<Line>,
    truth: BTreeMap<String, BTreeSet<usize>>,
    faults: BTreeMap<usize, Fault>,
    ids: Vec<u64>,
}

impl World {
    /// Movements with the faults, and some batches of movements that the right side pays in one sum.
    fn new(faults: &[Fault], batches: &[(usize, Fault)], seed: u64) -> World {
        let mut dice = Dice::new(seed);
        let mut world = World { ids: (0..20_000).collect(), ..World::default() };
        dice.shuffle(&mut world.ids);
        let mut swap_with: Option<(Fault, usize)> = None;
        for (movement, fault) in faults.iter().enumerate() {
            let (left, right) = pair(movement, &mut dice);
            if let Some((swapped, at)) = swap_with.take() {
                // The partner of a swap has no fault of its own.
                world.faults.insert(movement, swapped);
                let own = world.add(movement, left, right);
                world.swap(swapped, at, own);
                continue;
            }
            world.faults.insert(movement, *fault);
            match fault {
                Fault::SwappedReferences | Fault::SwappedSeconds | Fault::SwappedAmounts => {
                    let at = world.add(movement, left, right);
                    swap_with = Some((*fault, at));
                }
                _ => world.plant(*fault, movement, (left, right), &mut dice),
            }
        }
        if let Some((_, at)) = swap_with {
            let alone = world.truth[&world.right[at].id].first().copied().expect("it is of one movement");
            world.faults.insert(alone, Fault::None);
        }
        let mut movement = faults.len();
        for (batch, (len, fault)) in batches.iter().enumerate() {
            world.plant_batch(&format!("batch-{batch}"), movement..movement + len, *fault, &mut dice);
            movement += len;
        }
        dice.shuffle(&mut world.left);
        dice.shuffle(&mut world.right);
        world
    }

    /// Left movements that the right side pays in one sum.
    fn plant_batch(&mut self, name: &str, movements: Range<usize>, fault: Fault, dice: &mut Dice) {
        let first = movements.start;
        let mut sum = 0;
        for movement in movements.clone() {
            let left = Line { batch: Some(name.to_owned()), ..pair(movement, dice).0 };
            sum += left.amount_minor;
            self.faults.insert(movement, fault);
            if fault == Fault::BatchPartCopied && movement == first {
                self.put_left([movement].into(), left.clone());
            }
            if fault != Fault::BatchPartMissing || movement != first {
                self.put_left([movement].into(), left);
            }
        }
        let batch = Some(name.to_owned());
        let (reference, second_reference) = (None, None);
        let paid = Line { amount_minor: sum, batch, reference, second_reference, ..pair(0, dice).1 };
        self.put_right(movements.collect(), paid);
    }

    fn id(&mut self) -> String {
        format!("line-{:05}", self.ids.pop().expect("few lines"))
    }

    fn put_left(&mut self, movements: BTreeSet<usize>, line: Line) {
        let id = self.id();
        self.truth.insert(id.clone(), movements);
        self.left.push(Line { id, ..line });
    }

    fn put_right(&mut self, movements: BTreeSet<usize>, line: Line) -> usize {
        let id = self.id();
        self.truth.insert(id.clone(), movements);
        self.right.push(Line { id, ..line });
        self.right.len() - 1
    }

    fn add(&mut self, movement: usize, left: Line, right: Line) -> usize {
        self.put_left([movement].into(), left);
        self.put_right([movement].into(), right)
    }

    fn swap(&mut self, fault: Fault, one: usize, other: usize) {
        let (mut first, mut second) = (self.right[one].clone(), self.right[other].clone());
        match fault {
            Fault::SwappedReferences => std::mem::swap(&mut first.reference, &mut second.reference),
            Fault::SwappedSeconds => {
                std::mem::swap(&mut first.second_reference, &mut second.second_reference)
            }
            _ => std::mem::swap(&mut first.amount_minor, &mut second.amount_minor),
        }
        (self.right[one], self.right[other]) = (first, second);
    }

    fn plant(&mut self, fault: Fault, movement: usize, (left, mut right): (Line, Line), dice: &mut Dice) {
        let own: BTreeSet<usize> = [movement].into();
        match fault {
            Fault::MissingLeft => {
                self.put_right(own, right);
                return;
            }
            Fault::MissingRight => return self.put_left(own, left),
            Fault::CopyLeft => self.put_left(own, left.clone()),
            Fault::CopyRight => drop(self.put_right(own, right.clone())),
            Fault::AmountOff => right.amount_minor += 1 + i64::try_from(dice.below(50)).expect("small"),
            Fault::Fee => right.amount_minor -= 1 + i64::try_from(dice.below(5)).expect("small"),
            Fault::WrongCurrency => right.currency = "USD".to_owned(),
            Fault::Late => right.day += 1 + i32::try_from(dice.below(3)).expect("small"),
            Fault::TooLate => right.day += 4 + i32::try_from(dice.below(9)).expect("small"),
            Fault::NoReference => right.reference = None,
            Fault::GarbledReference => right.reference = Some(format!("garbled-{movement}")),
            Fault::Split | Fault::SplitPartMissing => {
                let part = 1 + i64::try_from(dice.below(40)).expect("small");
                right.second_reference = None;
                let rest = Line { amount_minor: right.amount_minor - part, ..right.clone() };
                self.put_right(own.clone(), rest);
                right.amount_minor = part;
                if fault == Fault::SplitPartMissing {
                    return self.put_left(own, left);
                }
            }
            Fault::None | Fault::SwappedReferences | Fault::SwappedSeconds | Fault::SwappedAmounts => {}
            Fault::BatchPartMissing | Fault::BatchPartCopied => unreachable!("planted with their batch"),
        }
        self.add(movement, left, right);
    }

    /// Whether each line's end is what its fault allows.
    fn assert_shown(&self, outcome: &Outcome) {
        let mut plain: BTreeSet<usize> = BTreeSet::new();
        for matched in &outcome.matches {
            let of = |ids: &[String]| -> BTreeSet<usize> {
                ids.iter().flat_map(|id| self.truth[id].iter().copied()).collect()
            };
            let (left, right) = (of(&matched.left), of(&matched.right));
            assert_eq!(left, right, "{matched:?} contradicts the truth");
            if matched.variance.is_none() {
                plain.extend(left);
            }
        }
        let mut open: BTreeSet<usize> = BTreeSet::new();
        let ambiguous = outcome.ambiguous.iter().flat_map(|told| told.left.iter().chain(&told.right));
        for id in ambiguous.chain(&outcome.unmatched_left).chain(&outcome.unmatched_right) {
            open.extend(&self.truth[id]);
        }
        for (movement, fault) in &self.faults {
            let (is_plain, is_open) = (plain.contains(movement), open.contains(movement));
            let expected = match fault {
                // Certain, so taken: a matcher that takes nothing would never be wrong.
                Fault::None | Fault::Late | Fault::NoReference | Fault::GarbledReference | Fault::Split => {
                    is_plain && !is_open
                }
                Fault::MissingLeft | Fault::MissingRight | Fault::AmountOff => !is_plain && is_open,
                Fault::WrongCurrency | Fault::TooLate => !is_plain && is_open,
                Fault::CopyLeft | Fault::CopyRight | Fault::SplitPartMissing => is_open || !is_plain,
                Fault::Fee => !is_plain && !is_open,
                // Which line is meant is not certain, even where amounts are equal.
                Fault::SwappedReferences | Fault::SwappedSeconds => !is_plain && is_open,
                // Neighbours may be equal in what was swapped, or within the fee of each other.
                Fault::SwappedAmounts => true,
                Fault::BatchPartMissing | Fault::BatchPartCopied => !is_plain && is_open,
            };
            assert!(expected, "{fault:?} of movement {movement} does not show: {outcome:?}");
        }
    }

    fn assert_conserved(&self, outcome: &Outcome) {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for matched in &outcome.matches {
            left.extend(&matched.left);
            right.extend(&matched.right);
        }
        for told in &outcome.ambiguous {
            left.extend(&told.left);
            right.extend(&told.right);
        }
        left.extend(&outcome.unmatched_left);
        right.extend(&outcome.unmatched_right);
        for (mut ends, lines) in [(left, &self.left), (right, &self.right)] {
            ends.sort_unstable();
            let mut ids: Vec<&String> = lines.iter().map(|line| &line.id).collect();
            ids.sort_unstable();
            assert_eq!(ends, ids, "every line has one end");
        }
    }
}

/// Few amounts, days and accounts, so that strangers look alike.
fn pair(movement: usize, dice: &mut Dice) -> (Line, Line) {
    let left = Line {
        id: String::new(),
        amount_minor: 100 + i64::try_from(dice.below(6)).expect("small"),
        currency: "CNY".to_owned(),
        day: 20_000 + i32::try_from(dice.below(2)).expect("small"),
        reference: Some(format!("order-{movement}")),
        second_reference: Some(format!("trade-{movement}")),
        batch: None,
        account: Some(format!("account-{}", dice.below(3))),
    };
    (left.clone(), left)
}

fn answer(left: &[Line], right: &[Line]) -> Outcome {
    run(&stored().check().expect("they can run"), left, right).expect("matched")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_match_contradicts_the_truth_and_every_fault_shows(
        picks in prop::collection::vec(0..FAULTS.len(), 0..60), batches in prop::collection::vec((1_usize..6, prop::sample::select(&BATCH_FAULTS)), 0..4),
        seed: u64,
    ) {
        let faults: Vec<Fault> = picks.iter().map(|pick| FAULTS[*pick]).collect();
        let world = World::new(&faults, &batches, seed);
        let outcome = answer(&world.left, &world.right);
        world.assert_conserved(&outcome);
        world.assert_shown(&outcome);
    }

    #[test]
    fn the_order_of_lines_changes_nothing(
        picks in prop::collection::vec(0..FAULTS.len(), 0..40), seed: u64, again: u64,
    ) {
        let faults: Vec<Fault> = picks.iter().map(|pick| FAULTS[*pick]).collect();
        let mut world = World::new(&faults, &[(3, Fault::None)], seed);
        let bytes = |outcome: &Outcome| serde_json::to_string(outcome).expect("written");
        let before = bytes(&answer(&world.left, &world.right));
        let mut dice = Dice::new(again);
        dice.shuffle(&mut world.left);
        dice.shuffle(&mut world.right);
        prop_assert_eq!(bytes(&answer(&world.left, &world.right)), before);
    }
}

#[test]
fn a_hundred_thousand_lines_a_side_are_no_nested_loop() {
    let faults: Vec<Fault> = FAULTS.into_iter().cycle().take(1_700).chain(vec![Fault::None; 2_000]).collect();
    let mut world = World { ids: Vec::new(), ..World::new(&faults, &[(5, Fault::None); 20], 3) };
    world.assert_shown(&answer(&world.left, &world.right));
    let mut dice = Dice::new(4);
    for movement in 0..100_000 {
        let (left, right) = pair(movement + 1_000_000, &mut dice);
        world.left.push(Line { id: format!("more-{movement}"), ..left });
        world.right.push(Line { id: format!("more-{movement}"), ..right });
    }
    // Everything pairwise would be 10^10 steps, minutes; this takes a second on a slow machine.
    let started = std::time::Instant::now();
    let outcome = answer(&world.left, &world.right);
    assert!(outcome.matches.len() > 100_000);
    assert!(started.elapsed() < std::time::Duration::from_secs(60));
}
