//! Which voucher covers which row of a day, row by row.

use super::break_kind::BreakKind;
use super::effect::Effect;
use super::voucher_check::{Total, VoucherFinding, VoucherRange};
use chrono::NaiveDate;
use contracts::log::Seq;
use std::collections::BTreeMap;

/// Vouchers of one partition's day; more are another problem.
pub const VOUCHERS_MAX: usize = 1_000_000;

/// One voucher and what its rows have given so far.
#[derive(Clone, Debug)]
struct Slot {
    range: VoucherRange,
    seen: Total,
}

/// Rows of a rule that no voucher covers.
#[derive(Clone, Copy, Debug)]
struct Bare {
    total: Total,
    first: Seq,
    last: Seq,
}

/// The vouchers that one log's rows of a day became.
#[derive(Debug, Default)]
pub struct Covering {
    slots: BTreeMap<String, Vec<Slot>>,
    bare: BTreeMap<String, Bare>,
    covered_seq: Seq,
    /// Rows behind the last voucher are missed, and not only later.
    is_complete: bool,
}

/// Whether a row is in a voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covered {
    Yes,
    No,
    /// The log's vouchers have not come so far.
    NotYet,
}

impl Covering {
    /// The vouchers of one log, in any order.
    pub fn of(mut vouchers: Vec<VoucherRange>) -> Covering {
        vouchers.sort_by_key(|voucher| (voucher.from_seq, voucher.voucher_seq));
        let mut covering = Covering::default();
        for range in vouchers {
            covering.covered_seq = covering.covered_seq.max(range.to_seq);
            let slot = Slot { seen: Total::default(), range };
            covering.slots.entry(slot.range.rule.clone()).or_default().push(slot);
        }
        covering
    }

    /// All vouchers of the day are here: a row without one has none.
    #[must_use]
    pub fn complete(self) -> Covering {
        Covering { is_complete: true, ..self }
    }

    /// Counts a row in the voucher of its rule.
    pub fn add(&mut self, rule: &str, effect: &Effect) -> Covered {
        let slots = self.slots.get_mut(rule).map_or(&mut [][..], Vec::as_mut_slice);
        let behind = slots.partition_point(|slot| slot.range.from_seq <= effect.seq);
        let slot = slots.get_mut(..behind).and_then(<[Slot]>::last_mut);
        let total = match slot.filter(|slot| effect.seq <= slot.range.to_seq) {
            Some(slot) => &mut slot.seen,
            None if effect.seq > self.covered_seq && !self.is_complete => return Covered::NotYet,
            None => {
                let bare = Bare { total: Total::default(), first: effect.seq, last: effect.seq };
                let bare = self.bare.entry(rule.to_owned()).or_insert(bare);
                bare.last = effect.seq;
                count(&mut bare.total, effect);
                return Covered::No;
            }
        };
        count(total, effect);
        Covered::Yes
    }

    /// What differs, in the order of rules and ranges.
    pub fn findings(&self, day: NaiveDate) -> Vec<VoucherFinding> {
        let mut found = Vec::new();
        for (rule, slots) in &self.slots {
            let mut end = 0;
            for slot in slots {
                let range = &slot.range;
                let stated = Total { row_count: range.row_count, coins: range.coins };
                let kind = match slot.seen {
                    _ if range.from_seq <= end => Some(BreakKind::VoucherOverlap),
                    seen if seen == stated => None,
                    Total { row_count: 0, .. } => Some(BreakKind::ExtraVoucher),
                    Total { .. } => Some(BreakKind::VoucherMismatch),
                };
                end = end.max(range.to_seq);
                let (from_seq, to_seq) = (range.from_seq, range.to_seq);
                let finding = |kind| VoucherFinding {
                    kind,
                    rule: rule.clone(),
                    day,
                    from_seq,
                    to_seq,
                    rows: slot.seen,
                    vouchers: stated,
                };
                found.extend(kind.map(finding));
            }
        }
        for (rule, bare) in &self.bare {
            found.push(VoucherFinding {
                kind: BreakKind::MissingVoucher,
                rule: rule.clone(),
                day,
                from_seq: bare.first,
                to_seq: bare.last,
                rows: bare.total,
                vouchers: Total::default(),
            });
        }
        found
    }
}

fn count(total: &mut Total, effect: &Effect) {
    total.row_count = total.row_count.saturating_add(1);
    total.coins = total.coins.saturating_add(effect.coins);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voucher(voucher_seq: Seq, (from_seq, to_seq): (Seq, Seq), row_count: i64) -> VoucherRange {
        let (rule, day) = ("wallet.spend".to_owned(), NaiveDate::MIN);
        VoucherRange { voucher_seq, rule, day, from_seq, to_seq, row_count, coins: row_count * 10 }
    }

    fn look(vouchers: Vec<VoucherRange>, rows: impl IntoIterator<Item = Seq>) -> Vec<(BreakKind, Seq, Seq)> {
        look_at(Covering::of(vouchers), rows)
    }

    fn look_at(mut covering: Covering, rows: impl IntoIterator<Item = Seq>) -> Vec<(BreakKind, Seq, Seq)> {
        for seq in rows {
            let effect = Effect { seq, minute: 0, day: NaiveDate::MIN, kind: 1, coins: 10 };
            covering.add("wallet.spend", &effect);
        }
        covering.findings(NaiveDate::MIN).into_iter().map(|f| (f.kind, f.from_seq, f.to_seq)).collect()
    }

    #[test]
    fn each_row_counts_in_its_own_voucher_and_what_differs_is_named() {
        assert_eq!(look(vec![voucher(1, (1, 3), 3), voucher(2, (5, 6), 2)], [1, 2, 3, 5, 6]), []);
        assert_eq!(look(vec![voucher(1, (1, 3), 2)], [1, 2, 3]), [(BreakKind::VoucherMismatch, 1, 3)]);
        assert_eq!(look(vec![voucher(1, (4, 5), 2)], []), [(BreakKind::ExtraVoucher, 4, 5)]);
        let gap = look(vec![voucher(1, (1, 1), 1), voucher(2, (4, 4), 1)], [1, 2, 3, 4]);
        assert_eq!(gap, [(BreakKind::MissingVoucher, 2, 3)]);
        let twice = look(vec![voucher(1, (1, 3), 3), voucher(2, (3, 3), 1)], [1, 2, 3]);
        assert_eq!(twice[1], (BreakKind::VoucherOverlap, 3, 3));
    }

    #[test]
    fn rows_behind_the_last_voucher_are_not_missed_yet() {
        assert_eq!(look(vec![voucher(1, (1, 2), 2)], [1, 2, 3, 4]), []);
        let whole = Covering::of(vec![voucher(1, (1, 2), 2)]).complete();
        assert_eq!(look_at(whole, [1, 2, 3, 4]), [(BreakKind::MissingVoucher, 3, 4)]);
    }
}
