//! Compares vouchers with the rows they cover: no row that moves money is left out, none is posted twice, and
//! counts and coins agree by rule and day.
//!
//! A voucher decided before the log's closed time has all its siblings here, because every voucher of one
//! transaction is decided at one instant, and later ones are decided after what was closed. The closed time is
//! read before the vouchers are.
//!
//! What agrees is recorded in one transaction a turn. A place with breaks is recorded by itself, so that nothing that
//! is wrong holds up what is right.

use super::compare_minutes::{CompareError, report};
use super::seen::{Place, Seen};
use super::sources::{Sources, read_range};
use crate::domain::break_kind::BreakKind;
use crate::domain::effect::{Effect, Effective, VoucherRules};
use crate::domain::severity::Severities;
use crate::domain::voucher_check::{VoucherFinding, VoucherRange, check_range, totals_of_effects};
use crate::store::breaks::NewBreak;
use crate::store::voucher_ranges::{self, Compared, Waiting};
use chrono::{DateTime, Utc};
use contracts::log::{LogName, LogRow, Seq, minute_of};
use ids::Partition;
use pg::Db;
use seqlog::{LogSource, PullError};
use std::collections::BTreeMap;

/// Vouchers one turn compares of one source and partition; more wait for the next turn.
const VOUCHERS_MAX: i64 = 500;

/// Up to which seq vouchers are compared.
pub type Covered = BTreeMap<Place, Seq>;

/// How far a place is compared, and what differs there.
type Checked = (Compared, Vec<NewBreak>);

/// What the comparison needs.
pub struct VoucherCheck<'a> {
    pub db: &'a Db,
    pub seen: &'a Seen,
    pub sources: &'a Sources,
    pub rules: &'a VoucherRules,
    pub severities: &'a Severities,
}

impl VoucherCheck<'_> {
    /// Compares every complete range, and looks for rows that no voucher covers.
    ///
    /// # Errors
    /// [`CompareError`] of the first place that failed; the others are compared all the same.
    pub async fn run(&self, covered: &mut Covered) -> Result<(), CompareError> {
        let closed: BTreeMap<Partition, DateTime<Utc>> = Partition::all()
            .filter_map(|partition| {
                Some((partition, self.seen.closed_until((LogName::Vouchers, partition))?))
            })
            .collect();
        let of_closed = |partition: Partition| [(LogName::Entries, partition), (LogName::Items, partition)];
        let places: Vec<Place> = closed.keys().copied().flat_map(of_closed).collect();
        let mut waiting = voucher_ranges::list(self.db, &places, VOUCHERS_MAX).await?;
        let (mut agreeing, mut failed) = (Vec::new(), None);
        for place in places {
            let Some(closed) = closed.get(&place.1) else { continue };
            let from = covered.get(&place).copied().unwrap_or(0);
            let outcome = match waiting.remove(&place) {
                Some(listed) => self.compare_place(place, *closed, listed, from).await,
                None => self.find_uncovered(place, *closed, from).await,
            };
            match outcome {
                Ok(Some((compared, found))) if found.is_empty() => agreeing.push(compared),
                Ok(Some((compared, found))) => {
                    failed = failed.or(self.record(&[compared], &found, covered).await.err());
                }
                Ok(None) => {}
                Err(error) => failed = failed.or(Some(error.into())),
            }
        }
        failed = failed.or(self.record(&agreeing, &[], covered).await.err());
        failed.map_or(Ok(()), Err)
    }

    async fn compare_place(
        &self,
        place: Place,
        closed: DateTime<Utc>,
        listed: Vec<Waiting>,
        covered: Seq,
    ) -> Result<Option<Checked>, PullError> {
        let full = i64::try_from(listed.len()).is_ok_and(|len| len == VOUCHERS_MAX);
        let last_range = listed.last().map(|(range, _)| range.from_seq);
        let mut groups: BTreeMap<(Seq, Seq), Vec<VoucherRange>> = BTreeMap::new();
        for (range, decided_at) in listed {
            // A page may cut the last group in two: leave it to the next turn.
            let cut = full && Some(range.from_seq) == last_range && !groups.is_empty();
            if decided_at >= closed || (cut && !groups.contains_key(&(range.from_seq, range.to_seq))) {
                break;
            }
            groups.entry((range.from_seq, range.to_seq)).or_default().push(range);
        }
        if groups.is_empty() {
            return Ok(None);
        }
        let (mut seq, mut last_voucher) = (covered, 0);
        let mut found = Vec::new();
        for ((from, to), vouchers) in &groups {
            last_voucher = vouchers.iter().map(|voucher| voucher.voucher_seq).fold(last_voucher, Seq::max);
            if *from <= seq {
                found.push(overlap_break(place, (*from, *to), vouchers));
            }
            if *from > seq + 1 {
                found.extend(self.check(place, (seq + 1, *from - 1), &[]).await?);
            }
            found.extend(self.check(place, (*from, *to), vouchers).await?);
            seq = seq.max(*to);
        }
        Ok(Some((Compared { place, voucher_seq: last_voucher, covered_seq: seq }, found)))
    }

    async fn check(
        &self,
        place: Place,
        range: (Seq, Seq),
        vouchers: &[VoucherRange],
    ) -> Result<Vec<NewBreak>, PullError> {
        let effects = self.effects(place, range).await?;
        let expected = totals_of_effects(place.0, &effects, self.rules);
        let found = check_range(range, vouchers, &expected);
        Ok(found.iter().map(|finding| break_of(place, finding)).collect())
    }

    async fn effects(&self, place: Place, (from, to): (Seq, Seq)) -> Result<Vec<Effect>, PullError> {
        if let Some(effects) = self.seen.tail_range(place, from, to) {
            return Ok(effects);
        }
        match place.0 {
            LogName::Entries => read_effects(&*self.sources.entries, place.1, (from, to)).await,
            LogName::Items => read_effects(&*self.sources.items, place.1, (from, to)).await,
            LogName::Payments | LogName::Orders | LogName::Payouts | LogName::Vouchers => Ok(Vec::new()),
        }
    }

    /// With no voucher waiting and the vouchers closed, every row of a closed minute must be covered.
    async fn find_uncovered(
        &self,
        place: Place,
        closed: DateTime<Utc>,
        covered: Seq,
    ) -> Result<Option<Checked>, PullError> {
        let until = self.seen.tail_until(place);
        let Some(effects) = self.seen.tail_range(place, covered + 1, until) else { return Ok(None) };
        let minute = minute_of(closed);
        let Some(last) = effects.iter().take_while(|effect| effect.minute < minute).last() else {
            return Ok(None);
        };
        let found = self.check(place, (covered + 1, last.seq), &[]).await?;
        Ok(Some((Compared { place, voucher_seq: 0, covered_seq: last.seq }, found)))
    }

    async fn record(
        &self,
        compared: &[Compared],
        found: &[NewBreak],
        covered: &mut Covered,
    ) -> Result<(), CompareError> {
        let new = voucher_ranges::record_compared(self.db, compared, (found, self.severities)).await?;
        for Compared { place, covered_seq, .. } in compared {
            report(&new, place.0.as_str(), place.1);
            covered.insert(*place, *covered_seq);
            self.seen.forget_tail(*place, *covered_seq);
        }
        Ok(())
    }
}

async fn read_effects<R: LogRow + Effective>(
    source: &dyn LogSource<R>,
    partition: Partition,
    range: (Seq, Seq),
) -> Result<Vec<Effect>, PullError> {
    read_range(source, partition, range, |row, effects| effects.extend(row.effect())).await
}

/// The break of a difference between vouchers and rows.
pub fn break_of(place: Place, finding: &VoucherFinding) -> NewBreak {
    let (source, partition, kind) = (place.0.as_str(), place.1, finding.kind.as_str());
    let (rule, day, from, to) = (&finding.rule, finding.day, finding.from_seq, finding.to_seq);
    NewBreak {
        fact_key: format!("{source}/{partition}/{kind}/{rule}/{day}/{from}/{to}"),
        kind: finding.kind,
        logs: source.to_owned(),
        partition,
        minute: None,
        order_id: None,
        coins: finding.rows.coins.saturating_sub(finding.vouchers.coins).saturating_abs(),
        evidence: serde_json::json!(finding),
        day: None,
    }
}

fn overlap_break(place: Place, (from, to): (Seq, Seq), vouchers: &[VoucherRange]) -> NewBreak {
    let (source, partition) = (place.0.as_str(), place.1);
    NewBreak {
        fact_key: format!("{source}/{partition}/voucher_overlap/{from}/{to}"),
        kind: BreakKind::VoucherOverlap,
        logs: source.to_owned(),
        partition,
        minute: None,
        order_id: None,
        coins: vouchers.iter().fold(0_i64, |coins, voucher| coins.saturating_add(voucher.coins)),
        evidence: serde_json::json!({ "vouchers": vouchers }),
        day: None,
    }
}
