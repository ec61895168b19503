//! Accounting days and their locks.

use chrono::NaiveDate;
use std::collections::BTreeMap;

/// Whether a day takes vouchers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodState {
    Open,
    /// Closed to people; the logs still post what belongs to the day.
    Soft,
    /// Closed to everything: what comes late stands in the first day after it that is not.
    Hard,
}

impl PeriodState {
    pub const ALL: [PeriodState; 3] = [PeriodState::Open, PeriodState::Soft, PeriodState::Hard];

    /// The number in the column `state`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            PeriodState::Open => 1,
            PeriodState::Soft => 2,
            PeriodState::Hard => 3,
        }
    }

    /// The state of a stored code.
    pub fn of_code(code: i16) -> Option<PeriodState> {
        PeriodState::ALL.into_iter().find(|state| state.code() == code)
    }
}

/// The day whose books a row of `day` stands in, or the day whose state must be known to say so.
pub fn posting_day(
    day: NaiveDate,
    states: &BTreeMap<NaiveDate, PeriodState>,
) -> Result<NaiveDate, NaiveDate> {
    let mut candidate = day;
    loop {
        match states.get(&candidate) {
            Some(PeriodState::Open) => return Ok(candidate),
            Some(PeriodState::Soft) if candidate == day => return Ok(candidate),
            Some(PeriodState::Soft | PeriodState::Hard) => {
                candidate = candidate.succ_opt().unwrap_or(NaiveDate::MAX);
            }
            None => return Err(candidate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_row_stands_in_the_first_open_day() {
        let day = |number| NaiveDate::from_ymd_opt(2026, 3, number).expect("a day of March");
        let states = BTreeMap::from([
            (day(1), PeriodState::Hard),
            (day(2), PeriodState::Soft),
            (day(3), PeriodState::Open),
        ]);
        assert_eq!(posting_day(day(1), &states), Ok(day(3)));
        assert_eq!(posting_day(day(2), &states), Ok(day(2)));
        assert_eq!(posting_day(day(4), &states), Err(day(4)));
    }
}
