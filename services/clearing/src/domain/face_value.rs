//! What one paid coin is worth, by day.

use chrono::NaiveDate;
use money::Micros;
use serde::{Deserialize, Serialize};

/// The worth of a coin from a day on, until the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaceValue {
    pub from_day: NaiveDate,
    pub micros_per_coin: Micros,
}

/// The dated table, sorted by day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FaceValues(Vec<FaceValue>);

impl FaceValues {
    /// The table of some rows in any order; `None` where two rows share a day or a worth is not above zero.
    pub fn try_new(mut rows: Vec<FaceValue>) -> Option<FaceValues> {
        rows.sort_by_key(|row| row.from_day);
        let distinct = rows.windows(2).all(|pair| pair[0].from_day != pair[1].from_day);
        let positive = rows.iter().all(|row| row.micros_per_coin > Micros::ZERO);
        (distinct && positive && !rows.is_empty()).then_some(FaceValues(rows))
    }

    /// The worth of a coin on a day; `None` before the first row.
    pub fn on(&self, day: NaiveDate) -> Option<Micros> {
        self.0.iter().rev().find(|row| row.from_day <= day).map(|row| row.micros_per_coin)
    }

    pub fn rows(&self) -> &[FaceValue] {
        &self.0
    }
}
