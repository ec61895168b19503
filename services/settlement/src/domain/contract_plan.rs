//! Which contracts of a file are new, which are there already, and which cannot come: a streamer's first version
//! begins today at the earliest, every other one in the future and after all that are known.

use crate::domain::contract::{Contract, DEFAULT_STREAMER, Terms};
use crate::domain::contract_file::ContractLine;
use chrono::NaiveDate;
use contracts::sheet::{Fault, Faults};
use ids::StreamerId;
use std::collections::BTreeMap;

/// What a file would change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// By streamer and day.
    pub new: Vec<ContractLine>,
    /// Contracts that are in force, or wait for approval, exactly like this.
    pub unchanged: usize,
}

/// What is known of the streamers' contracts: their terms by day.
type Known = BTreeMap<StreamerId, BTreeMap<NaiveDate, Terms>>;

/// Compares a file with the versions and the waiting drafts of its streamers.
///
/// # Errors
/// [`Faults`]: every contract that cannot come.
pub fn plan_import(
    mut lines: Vec<ContractLine>,
    versions: &[Contract],
    waiting: &[ContractLine],
    today: NaiveDate,
) -> Result<Plan, Faults> {
    lines.sort_by_key(|line| (line.streamer_id, line.valid_from, line.line));
    let mut known = Known::new();
    for version in versions {
        known.entry(version.streamer_id).or_default().insert(version.valid_from, version.terms);
    }
    for draft in waiting {
        known.entry(draft.streamer_id).or_default().insert(draft.valid_from, draft.terms);
    }
    let (mut plan, mut faults, mut before) = (Plan::default(), Faults::default(), None);
    for line in lines {
        let key = (line.streamer_id, line.valid_from);
        let is_twice = before.replace(key) == Some(key);
        let of_streamer = known.entry(line.streamer_id).or_default();
        match check(&line, of_streamer, is_twice, today) {
            Ok(Is::Unchanged) => plan.unchanged += 1,
            Ok(Is::New) => {
                of_streamer.insert(line.valid_from, line.terms);
                plan.new.push(line);
            }
            Err(fault) => faults.0.push(fault),
        }
    }
    faults.0.sort_by_key(|fault| fault.line);
    if faults.0.is_empty() { Ok(plan) } else { Err(faults) }
}

enum Is {
    New,
    Unchanged,
}

fn check(
    line: &ContractLine,
    known: &BTreeMap<NaiveDate, Terms>,
    is_twice: bool,
    today: NaiveDate,
) -> Result<Is, Fault> {
    let fault = |column, reason: String| Fault { line: line.line, column, reason };
    if line.streamer_id == DEFAULT_STREAMER {
        return Err(fault("streamer_id", "the default contract is a setting".to_owned()));
    }
    if is_twice {
        let reason = "the file has another contract of this streamer and day".to_owned();
        return Err(fault("valid_from", reason));
    }
    if let Some(terms) = known.get(&line.valid_from) {
        if *terms == line.terms {
            return Ok(Is::Unchanged);
        }
        return Err(fault("valid_from", "another contract of this streamer begins on this day".to_owned()));
    }
    match known.last_key_value() {
        None if line.valid_from < today => {
            Err(fault("valid_from", format!("a first contract begins on {today} at the earliest")))
        }
        Some((newest, _)) if line.valid_from < *newest => {
            Err(fault("valid_from", format!("a contract of this streamer begins later, on {newest}")))
        }
        Some(_) if line.valid_from <= today => {
            Err(fault("valid_from", format!("a contract that follows another begins after {today}")))
        }
        None | Some(_) => Ok(Is::New),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contract::{Promo, tests::terms};
    use proptest::prelude::*;

    fn day(n: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, n).expect("a day")
    }

    fn line(number: i32, streamer: u128, from: u32, share: u32) -> ContractLine {
        ContractLine {
            line: number,
            streamer_id: StreamerId::from_uuid(ids::Uuid::from_u128(streamer)),
            valid_from: day(from),
            terms: terms(share, 0, 0, Promo::Shared),
        }
    }

    #[test]
    fn first_contracts_may_begin_today_and_later_ones_only_after_all_others_and_today() {
        let plan = |lines: Vec<ContractLine>| plan_import(lines, &[], &[], day(10));
        let both = plan(vec![line(2, 1, 10, 1), line(3, 1, 11, 2)]).expect("the first, and a later one");
        assert_eq!(both.new.len(), 2);
        let faults = plan(vec![line(2, 1, 9, 1), line(3, 2, 10, 1), line(4, 2, 10, 2), line(5, 0, 20, 1)]);
        let told: Vec<_> =
            faults.expect_err("three are wrong").0.iter().map(|f| (f.line, f.column)).collect();
        assert_eq!(told, [(2, "valid_from"), (4, "valid_from"), (5, "streamer_id")]);
        let waiting = [line(2, 1, 20, 1)];
        let after = |from, share| plan_import(vec![line(2, 1, from, share)], &[], &waiting, day(10));
        assert_eq!(after(20, 1).expect("the same").unchanged, 1);
        assert!(after(20, 2).is_err() && after(19, 1).is_err());
        assert_eq!(after(21, 2).expect("after all others").new.len(), 1);
    }

    proptest! {
        #[test]
        fn the_same_file_again_changes_nothing(
            given in prop::collection::btree_map((1_u128..4, 10_u32..28), 0_u32..5, 1..20)
        ) {
            let lines: Vec<ContractLine> =
                given.into_iter().map(|((streamer, from), share)| line(2, streamer, from, share)).collect();
            if let Ok(first) = plan_import(lines.clone(), &[], &[], day(10)) {
                let again = plan_import(lines.clone(), &[], &first.new, day(10)).expect("nothing is wrong with it");
                prop_assert_eq!((again.new.len(), again.unchanged), (0, lines.len()));
            }
        }
    }
}
