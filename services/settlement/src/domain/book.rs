//! Everything needed to settle: contracts and face values, in memory, known by their content.

use crate::domain::book_digest::BookDigest;
use crate::domain::contract::{Agreed, DEFAULT_STREAMER};
use chrono::NaiveDate;
use ids::StreamerId;
use money::Micros;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What one coin is worth from a day on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaceValue {
    /// ISO 4217.
    pub currency: String,
    pub valid_from: NaiveDate,
    pub micros_per_coin: Micros,
}

/// A snapshot of contracts and face values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    digest: BookDigest,
    /// By streamer, oldest version first.
    contracts: HashMap<StreamerId, Vec<Agreed>>,
    /// By currency, oldest first.
    face_values: HashMap<String, Vec<(NaiveDate, Micros)>>,
}

impl Book {
    /// A snapshot; the order of the rows does not matter.
    pub fn new(
        contracts: impl IntoIterator<Item = Agreed>,
        face_values: impl IntoIterator<Item = FaceValue>,
    ) -> Book {
        let mut book = Book::default();
        for contract in contracts {
            book.digest.add_contract(&contract);
            book.contracts.entry(contract.streamer_id).or_default().push(contract);
        }
        for versions in book.contracts.values_mut() {
            versions.sort_by_key(|contract| (contract.valid_from, contract.version.unsigned_abs()));
        }
        for FaceValue { currency, valid_from, micros_per_coin } in face_values {
            book.digest.add_face_value(&currency, valid_from, micros_per_coin);
            book.face_values.entry(currency).or_default().push((valid_from, micros_per_coin));
        }
        for values in book.face_values.values_mut() {
            values.sort_unstable_by_key(|(day, _)| *day);
        }
        book
    }

    /// Which contracts and face values these are.
    pub fn digest(&self) -> BookDigest {
        self.digest
    }

    /// Every version of every contract, in no order.
    pub fn contracts(&self) -> impl Iterator<Item = &Agreed> {
        self.contracts.values().flatten()
    }

    /// Every face value, in no order.
    pub fn face_values(&self) -> impl Iterator<Item = FaceValue> {
        let of = |(currency, values): (&String, &Vec<(NaiveDate, Micros)>)| -> Vec<FaceValue> {
            let value = |(valid_from, micros_per_coin): &(NaiveDate, Micros)| FaceValue {
                currency: currency.clone(),
                valid_from: *valid_from,
                micros_per_coin: *micros_per_coin,
            };
            values.iter().map(value).collect()
        };
        self.face_values.iter().flat_map(of)
    }

    /// The contract in force: the streamer's own, or else the default.
    pub fn in_force(&self, streamer: StreamerId, day: NaiveDate) -> Option<&Agreed> {
        let newest = |owner| {
            let versions: &Vec<Agreed> = self.contracts.get(&owner)?;
            versions.iter().rev().find(|contract| contract.valid_from <= day)
        };
        newest(streamer).or_else(|| newest(DEFAULT_STREAMER))
    }

    /// One version of a contract, in force or not.
    pub fn of_version(&self, streamer: StreamerId, version: i32) -> Option<&Agreed> {
        let owner = if version < 0 { DEFAULT_STREAMER } else { streamer };
        self.contracts.get(&owner)?.iter().find(|contract| contract.version == version)
    }

    /// The face value in force on a day.
    pub fn face_value(&self, currency: &str, day: NaiveDate) -> Option<Micros> {
        let values = self.face_values.get(currency)?;
        values.iter().rev().find(|(from, _)| *from <= day).map(|(_, micros)| *micros)
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
        let contract = |streamer_id, version, valid_from| Agreed {
            streamer_id,
            version,
            valid_from,
            terms: terms(500_000, 0, 60_000, Promo::Shared),
        };
        let value = |currency: &str, valid_from, micros| FaceValue {
            currency: currency.to_owned(),
            valid_from,
            micros_per_coin: Micros::new(micros),
        };
        let book = Book::new(
            vec![
                contract(streamer, 2, day(20)),
                contract(streamer, 1, day(10)),
                contract(DEFAULT_STREAMER, -2, day(5)),
                contract(DEFAULT_STREAMER, -1, day(1)),
            ],
            vec![value("CNY", day(8), 2), value("CNY", day(1), 1), value("JPY", day(1), 9)],
        );
        let version = |n| book.in_force(streamer, day(n)).map(|contract| contract.version);
        assert_eq!([1, 4, 5, 9, 10, 19, 20, 31].map(version), [-1, -1, -2, -2, 1, 1, 2, 2].map(Some));
        assert_eq!([7, 8].map(|n| book.face_value("CNY", day(n))), [1, 2].map(|n| Some(Micros::new(n))));
        assert_eq!(book.of_version(streamer, -1).map(|c| c.valid_from), Some(day(1)));
        assert_eq!(book.of_version(streamer, 3), None);
    }
}
