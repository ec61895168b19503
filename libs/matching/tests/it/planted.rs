//! Two sides that agree, and differences planted in them from a seed: the truth that answers are held against.

use matching::keyed::{Kind, RowBuf};
use std::collections::BTreeMap;

/// A small generator of numbers: the same seed, the same numbers.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// The next number (splitmix64).
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a small number");
        usize::try_from(self.roll() % end.max(1)).expect("a small number")
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }
}

pub fn row(number: usize, dice: &mut Dice) -> RowBuf {
    RowBuf {
        key: format!("order-{number:08}").into_bytes(),
        account: format!("s{}", dice.below(1_000)).into_bytes(),
        amount_minor: i64::try_from(dice.below(100_000)).expect("small") - 5_000,
        currency: b"CNY".to_vec(),
        status: if dice.below(9) == 0 { b"refunded".to_vec() } else { b"paid".to_vec() },
        day: 20_000 + i32::try_from(dice.below(3)).expect("small"),
    }
}

/// Both sides, shuffled, and which keys differ how.
pub struct Planted {
    pub left: Vec<RowBuf>,
    pub right: Vec<RowBuf>,
    pub truth: BTreeMap<(Vec<u8>, Kind), usize>,
}

/// All kinds that can be planted with a key.
pub const KINDS: [Kind; 11] = [
    Kind::OnlyLeft,
    Kind::OnlyRight,
    Kind::AccountDiffers,
    Kind::AmountDiffers,
    Kind::CurrencyDiffers,
    Kind::StatusDiffers,
    Kind::DayDiffers,
    Kind::SeveralDiffer,
    Kind::DuplicateLeft,
    Kind::DuplicateRight,
    Kind::Ambiguous,
];

/// `rows` rows on both sides; a different one of them for each of `faults`.
pub fn plant(rows: usize, faults: &[Kind], seed: u64) -> Planted {
    let mut dice = Dice::new(seed);
    let mut planted = Planted { left: Vec::new(), right: Vec::new(), truth: BTreeMap::new() };
    let mut numbers: Vec<usize> = (0..rows.max(faults.len())).collect();
    dice.shuffle(&mut numbers);
    let mut faults = faults.iter();
    for number in numbers {
        let row = row(number, &mut dice);
        match faults.next() {
            Some(kind) => planted.fault(*kind, row, &mut dice),
            None => {
                planted.left.push(row.clone());
                planted.right.push(row);
            }
        }
    }
    dice.shuffle(&mut planted.left);
    dice.shuffle(&mut planted.right);
    planted
}

impl Planted {
    fn fault(&mut self, kind: Kind, row: RowBuf, dice: &mut Dice) {
        let mut other = row.clone();
        let mut count = 1;
        match kind {
            Kind::OnlyLeft => {
                self.truth.insert((row.key.clone(), kind), 1);
                self.left.push(row);
                return;
            }
            Kind::OnlyRight => {
                self.truth.insert((row.key.clone(), kind), 1);
                self.right.push(row);
                return;
            }
            Kind::AccountDiffers => other.account.push(b'x'),
            Kind::AmountDiffers => other.amount_minor += 1,
            Kind::CurrencyDiffers => other.currency = b"USD".to_vec(),
            Kind::StatusDiffers => other.status = b"failed".to_vec(),
            Kind::DayDiffers => other.day += 1,
            Kind::SeveralDiffer => {
                other.amount_minor = -other.amount_minor - 1;
                other.day += 2;
            }
            Kind::DuplicateLeft | Kind::DuplicateRight => {
                count = 1 + dice.below(3);
                let copies = if kind == Kind::DuplicateLeft { &mut self.left } else { &mut self.right };
                for copy in 0..count {
                    // Some copies are equal, some are not: neither may match.
                    let off = i64::try_from(copy % 2).expect("small");
                    copies.push(RowBuf { amount_minor: row.amount_minor + off, ..row.clone() });
                }
            }
            Kind::Ambiguous => {
                other.amount_minor += 10;
                self.left.push(RowBuf { amount_minor: row.amount_minor + 20, ..row.clone() });
                count = 3;
            }
            Kind::InvalidLeft | Kind::InvalidRight => unreachable!("a row that cannot be read has no key"),
        }
        self.truth.insert((row.key.clone(), kind), count);
        self.left.push(row);
        self.right.push(other);
    }
}
