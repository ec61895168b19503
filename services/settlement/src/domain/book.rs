//! Everything needed to settle, as of one version: contracts and face values, in memory.

use crate::domain::contract::{Contract, DEFAULT_STREAMER};
use chrono::NaiveDate;
use ids::StreamerId;
use money::Micros;
use std::collections::HashMap;

/// A snapshot of contracts and face values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    pub version: i64,
    /// By streamer, oldest version first.
    contracts: HashMap<StreamerId, Vec<Contract>>,
    /// Oldest first.
    face_values: Vec<(NaiveDate, Micros)>,
}

impl Book {
    /// A snapshot; the order of the rows does not matter.
    pub fn new(version: i64, contracts: Vec<Contract>, mut face_values: Vec<(NaiveDate, Micros)>) -> Book {
        let mut by_streamer: HashMap<StreamerId, Vec<Contract>> = HashMap::new();
        for contract in contracts {
            by_streamer.entry(contract.streamer_id).or_default().push(contract);
        }
        for versions in by_streamer.values_mut() {
            versions.sort_by_key(|contract| (contract.valid_from, contract.version.unsigned_abs()));
        }
        face_values.sort_unstable_by_key(|(day, _)| *day);
        Book { version, contracts: by_streamer, face_values }
    }

    /// The contract in force: the streamer's own, or else the default.
    pub fn in_force(&self, streamer: StreamerId, day: NaiveDate) -> Option<&Contract> {
        let newest = |owner| {
            let versions: &Vec<Contract> = self.contracts.get(&owner)?;
            versions.iter().rev().find(|contract| contract.valid_from <= day)
        };
        newest(streamer).or_else(|| newest(DEFAULT_STREAMER))
    }

    /// One version of a contract, in force or not.
    pub fn of_version(&self, streamer: StreamerId, version: i32) -> Option<&Contract> {
        let owner = if version < 0 { DEFAULT_STREAMER } else { streamer };
        self.contracts.get(&owner)?.iter().find(|contract| contract.version == version)
    }

    /// The face value in force on a day.
    pub fn face_value(&self, day: NaiveDate) -> Option<Micros> {
        self.face_values.iter().rev().find(|(from, _)| *from <= day).map(|(_, micros)| *micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contract::{Promo, tests::terms};

    fn day(n: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, n).expect("a day")
    }

    #[test]
    fn the_contract_of_the_day_is_in_force_and_the_default_fills_the_rest() {
        let streamer = StreamerId::now();
        let contract = |streamer_id, version, valid_from| Contract {
            streamer_id,
            version,
            valid_from,
            terms: terms(500_000, 0, 60_000, Promo::Shared),
            created_by: "test".to_owned(),
            approved_by: "another".to_owned(),
        };
        let book = Book::new(
            1,
            vec![
                contract(streamer, 2, day(20)),
                contract(streamer, 1, day(10)),
                contract(DEFAULT_STREAMER, -2, day(5)),
                contract(DEFAULT_STREAMER, -1, day(1)),
            ],
            vec![(day(8), Micros::new(2)), (day(1), Micros::new(1))],
        );
        let version = |n| book.in_force(streamer, day(n)).map(|contract| contract.version);
        assert_eq!([1, 4, 5, 9, 10, 19, 20, 31].map(version), [-1, -1, -2, -2, 1, 1, 2, 2].map(Some));
        assert_eq!([7, 8].map(|n| book.face_value(day(n))), [1, 2].map(|n| Some(Micros::new(n))));
        assert_eq!(book.of_version(streamer, -1).map(|c| c.valid_from), Some(day(1)));
        assert_eq!(book.of_version(streamer, 3), None);
    }
}
