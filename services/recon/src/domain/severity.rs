//! How bad a break is, by its coins and its age, and by when it should be closed.

use crate::domain::break_kind::BreakKind;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How bad a break is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    pub const ALL: [Severity; 4] = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    /// The number in the column `severity`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            Severity::Low => 1,
            Severity::Medium => 2,
            Severity::High => 3,
            Severity::Critical => 4,
        }
    }

    /// The severity of a stored code.
    pub fn of_code(code: i16) -> Option<Severity> {
        Severity::ALL.into_iter().find(|severity| severity.code() == code)
    }

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

/// From when on a break has a severity, and how long it may then stay open. Coins **or** age make it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeverityRule {
    pub severity: Severity,
    /// In coins.
    pub coins_min: i64,
    /// In hours since it was detected.
    pub age_h_min: u32,
    /// In hours since it has this severity.
    pub due_h: u32,
}

/// The rules of all severities, the worst first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Severities(Vec<SeverityRule>);

/// Rules that leave a break without a severity, or contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSeverities {
    #[error("severity {0:?} must have exactly one rule")]
    NotOne(Severity),
    #[error("severity low must begin at 0 coins and 0 hours: every break has one")]
    LowIsNotZero,
    #[error("severity {0:?} must begin at more coins and hours than the milder one")]
    NotAbove(Severity),
    #[error("severity {0:?} must be due after at least an hour, and no later than the milder one")]
    BadDue(Severity),
}

/// A severity and when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    pub severity: Severity,
    pub due_at: DateTime<Utc>,
}

impl Severities {
    /// The rules, checked.
    ///
    /// # Errors
    /// [`BadSeverities`].
    pub fn try_new(rules: &[SeverityRule]) -> Result<Severities, BadSeverities> {
        let mut sorted: Vec<SeverityRule> = rules.to_vec();
        sorted.sort_by_key(|rule| std::cmp::Reverse(rule.severity));
        for severity in Severity::ALL {
            if sorted.iter().filter(|rule| rule.severity == severity).count() != 1 {
                return Err(BadSeverities::NotOne(severity));
            }
        }
        if sorted.last().is_none_or(|low| (low.coins_min, low.age_h_min) != (0, 0)) {
            return Err(BadSeverities::LowIsNotZero);
        }
        for pair in sorted.windows(2) {
            let [worse, milder] = pair else { continue };
            if worse.coins_min <= milder.coins_min || worse.age_h_min <= milder.age_h_min {
                return Err(BadSeverities::NotAbove(worse.severity));
            }
            if worse.due_h == 0 || worse.due_h > milder.due_h {
                return Err(BadSeverities::BadDue(worse.severity));
            }
        }
        Ok(Severities(sorted))
    }

    fn rule(&self, coins: i64, age: TimeDelta) -> Option<&SeverityRule> {
        let fits = |rule: &&SeverityRule| {
            coins >= rule.coins_min || age >= TimeDelta::hours(i64::from(rule.age_h_min))
        };
        // Low fits everything, and is never asked for its age.
        self.0.iter().find(|rule| rule.severity == Severity::Low || fits(rule))
    }

    /// How bad a break of `coins` is when it is detected: what changed after it was written is critical, however little
    /// it is about.
    pub fn judge_new(&self, kind: BreakKind, coins: i64, now: DateTime<Utc>) -> Judged {
        let rule = match kind.is_tampering() {
            true => self.0.iter().find(|rule| rule.severity == Severity::Critical),
            false => self.rule(coins, TimeDelta::zero()),
        };
        match rule {
            Some(rule) => {
                let due_at = now + TimeDelta::hours(i64::from(rule.due_h));
                Judged { severity: rule.severity, due_at }
            }
            None => Judged { severity: Severity::Critical, due_at: now }, // No rules: somebody must look.
        }
    }

    /// What has become worse of a break since `known`: `None` where nothing has. What is due never moves back.
    pub fn judge_again(
        &self,
        (coins, detected_at): (i64, DateTime<Utc>),
        known: Judged,
        now: DateTime<Utc>,
    ) -> Option<Judged> {
        let rule = self.rule(coins, now - detected_at)?;
        let due_at = known.due_at.min(now + TimeDelta::hours(i64::from(rule.due_h)));
        (rule.severity > known.severity).then_some(Judged { severity: rule.severity, due_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Vec<SeverityRule> {
        let rule =
            |severity, coins_min, age_h_min, due_h| SeverityRule { severity, coins_min, age_h_min, due_h };
        vec![
            rule(Severity::Low, 0, 0, 168),
            rule(Severity::Critical, 1_000, 120, 24),
            rule(Severity::Medium, 10, 24, 120),
            rule(Severity::High, 100, 72, 72),
        ]
    }

    #[test]
    fn coins_or_age_make_a_break_bad_and_its_due_time_only_comes_nearer() {
        const SMALL: BreakKind = BreakKind::AmountMismatch;
        let severities = Severities::try_new(&rules()).expect("good");
        let found = DateTime::UNIX_EPOCH;
        let hours = TimeDelta::hours;
        assert_eq!(
            severities.judge_new(SMALL, 9, found),
            Judged { severity: Severity::Low, due_at: found + hours(168) }
        );
        assert_eq!(severities.judge_new(SMALL, 100, found).severity, Severity::High);
        assert_eq!(severities.judge_new(SMALL, i64::MAX, found).severity, Severity::Critical);
        let changed = severities.judge_new(BreakKind::ClosedDayChanged, 0, found);
        assert_eq!(changed, Judged { severity: Severity::Critical, due_at: found + hours(24) });
        let low = severities.judge_new(SMALL, 9, found);
        assert_eq!(severities.judge_again((9, found), low, found + hours(23)), None);
        let later = severities.judge_again((9, found), low, found + hours(24)).expect("a day is medium");
        assert_eq!(later, Judged { severity: Severity::Medium, due_at: found + hours(144) });
        let late =
            severities.judge_again((9, found), later, found + hours(130)).expect("five days are critical");
        assert_eq!(late, Judged { severity: Severity::Critical, due_at: found + hours(144) });
    }

    #[test]
    fn rules_that_leave_a_hole_or_contradict_each_other_are_refused() {
        let mut missing = rules();
        missing.pop();
        assert_eq!(Severities::try_new(&missing), Err(BadSeverities::NotOne(Severity::High)));
        let mut high_low = rules();
        high_low[0].coins_min = 1;
        assert_eq!(Severities::try_new(&high_low), Err(BadSeverities::LowIsNotZero));
        let mut same = rules();
        same[1].coins_min = 100;
        assert_eq!(Severities::try_new(&same), Err(BadSeverities::NotAbove(Severity::Critical)));
        let mut slow = rules();
        slow[1].due_h = 100;
        assert_eq!(Severities::try_new(&slow), Err(BadSeverities::BadDue(Severity::Critical)));
    }
}
