//! The checklist of closing a period: what must be over, read, compared, imported and zero, each line with its figure.

use crate::app::close_facts::{DayRange, ReconFacts, UnknownFact};
use crate::app::close_period::Closing;
use crate::app::read_trial_balance::{TrialBalanceError, read_trial_balance};
use crate::domain::checklist::{CheckLine, Checklist, OFFENDERS_MAX};
use crate::domain::period::PeriodState;
use crate::domain::span::Span;
use crate::store::{journal, periods};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use contracts::log::AccountingZone;
use ids::PARTITION_COUNT;
use money::Micros;

/// The instant an accounting day begins at.
pub fn begin_of(zone: AccountingZone, day: NaiveDate) -> DateTime<Utc> {
    let minutes_east = i64::from(i32::from(zone));
    day.and_time(NaiveTime::MIN).and_utc() - TimeDelta::minutes(minutes_east)
}

/// The first instant after an accounting day.
pub fn end_of(zone: AccountingZone, day: NaiveDate) -> DateTime<Utc> {
    begin_of(zone, day.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX))
}

impl Closing {
    /// How every condition of closing a period stands at this moment.
    ///
    /// # Errors
    /// [`TrialBalanceError`], [`sqlx::Error`] in it: clearing's own tables could not be read. What others cannot say is
    /// no error but a line that blocks.
    pub async fn checklist(&self, span: &Span) -> Result<Checklist, TrialBalanceError> {
        let (begins_at, ends_at) = (begin_of(self.zone, span.first), end_of(self.zone, span.last));
        let range = DayRange { first: span.first, last: span.last, begins_at, ends_at };
        let recon = self.facts.recon(range).await;
        let lines = vec![
            are_over(&range, Utc::now()),
            self.are_soft_locked(span).await?,
            self.earlier_are_closed(span).await?,
            self.books_are_past(&range).await?,
            are_compared(&recon, &range),
            are_run(&recon, span),
            no_critical_break(&recon),
            self.channel_files(span).await,
            self.trial_balance(span).await?,
        ];
        Ok(Checklist::new(span, lines))
    }

    async fn are_soft_locked(&self, span: &Span) -> Result<CheckLine, TrialBalanceError> {
        let known = periods::list_states(&self.db, (span.first, span.last)).await?;
        let state = |day: NaiveDate| {
            known.iter().find(|(known, _)| *known == day).map_or(PeriodState::Open, |(_, state)| *state)
        };
        let days: Vec<NaiveDate> = span.days().collect();
        let open = |day: &&NaiveDate| matches!(state(**day), PeriodState::Open | PeriodState::Reopened);
        let detail: Vec<String> =
            days.iter().filter(open).map(|day| format!("{day} is {}", state(*day).as_str())).collect();
        let figure = format!("{} of {} days are locked", days.len() - detail.len(), days.len());
        Ok(CheckLine::without_offenders("days-are-soft-locked", figure, detail))
    }

    async fn earlier_are_closed(&self, span: &Span) -> Result<CheckLine, TrialBalanceError> {
        let limit = i64::try_from(OFFENDERS_MAX).unwrap_or(i64::MAX);
        let mut connection = self.db.pool().acquire().await?;
        let open =
            periods::list_earlier_not_closed_in_tx(&mut connection, &self.db, span.first, limit).await?;
        let detail: Vec<String> =
            open.iter().map(|(day, state)| format!("{day} is {}", state.as_str())).collect();
        let figure = match detail.len() {
            0 => "no day before is open".to_owned(),
            days => format!("{days} or more days before are not closed"),
        };
        Ok(CheckLine::without_offenders("earlier-days-are-closed", figure, detail))
    }

    /// Every row of every log that was decided before the end of the days is in a voucher.
    async fn books_are_past(&self, range: &DayRange) -> Result<CheckLine, TrialBalanceError> {
        let name = "books-have-read-past-the-end";
        let posted = journal::list_posted_until(&self.db).await?;
        let slowest = posted.iter().map(|(_, until)| *until).min();
        if posted.len() < usize::from(PARTITION_COUNT) {
            let why = format!("{} of {PARTITION_COUNT} partitions have a writer", posted.len());
            return Ok(CheckLine::unknown(name, why));
        }
        let behind: Vec<String> = posted
            .iter()
            .filter(|(_, until)| *until < range.ends_at)
            .map(|(partition, until)| format!("partition {partition} is posted until {}", instant(*until)))
            .collect();
        let figure = match slowest {
            Some(slowest) => {
                format!("posted until {}, the end is {}", instant(slowest), instant(range.ends_at))
            }
            None => "nothing is posted".to_owned(),
        };
        Ok(CheckLine::without_offenders(name, figure, behind))
    }

    async fn channel_files(&self, span: &Span) -> CheckLine {
        let name = "every-channel-file-is-there";
        let (bills, statements) = (&self.settings.expected_bills, &self.settings.expected_statements);
        let (mut missing, mut there, mut expected) = (Vec::new(), 0_usize, 0_usize);
        for day in span.days() {
            if bills.is_empty() && statements.is_empty() {
                break;
            }
            let imported = match self.facts.imported_files(day).await {
                Ok(imported) => imported,
                Err(UnknownFact(why)) => return CheckLine::unknown(name, why),
            };
            let bills = bills.iter().map(|name| (name, "", imported.channels.contains(name)));
            let statements =
                statements.iter().map(|name| (name, "the statement of ", imported.banks.contains(name)));
            for (name, what, is_there) in bills.chain(statements) {
                expected += 1;
                if is_there {
                    there += 1;
                } else {
                    missing.push(format!("{what}{name} of {day}"));
                }
            }
        }
        CheckLine::without_offenders(name, format!("{there} of {expected} are imported"), missing)
    }

    async fn trial_balance(&self, span: &Span) -> Result<CheckLine, TrialBalanceError> {
        let balance = read_trial_balance(&self.db, Some(span.last)).await?;
        let (debit, credit) = (balance.total_debit_micro.get(), balance.total_credit_micro.get());
        let difference = balance.difference_micro;
        let figure = format!("debits {debit} − credits {credit} = {}", difference.get());
        let wrong = (difference != Micros::ZERO).then(|| format!("the difference is {}", difference.get()));
        Ok(CheckLine::without_offenders("trial-balance-is-zero", figure, wrong.into_iter().collect()))
    }
}

fn are_over(range: &DayRange, now: DateTime<Utc>) -> CheckLine {
    let over = now >= range.ends_at;
    let figure = format!("{} {}", if over { "ended" } else { "ends" }, instant(range.ends_at));
    let detail = (!over).then(|| format!("{} is not over", range.last)).into_iter().collect();
    CheckLine::without_offenders("days-are-over", figure, detail)
}

fn are_compared(recon: &Result<ReconFacts, UnknownFact>, range: &DayRange) -> CheckLine {
    let name = "minutes-are-compared-past-the-end";
    match recon {
        Err(UnknownFact(why)) => CheckLine::unknown(name, why.clone()),
        Ok(ReconFacts { compared_until: None, .. }) => {
            CheckLine::unknown(name, "recon has not compared every pair of logs yet".to_owned())
        }
        Ok(ReconFacts { compared_until: Some(until), .. }) => {
            let behind = *until < range.ends_at;
            let detail = behind.then(|| "minutes of these days are not compared".to_owned());
            let figure = format!("compared until {}", instant(*until));
            CheckLine::without_offenders(name, figure, detail.into_iter().collect())
        }
    }
}

fn are_run(recon: &Result<ReconFacts, UnknownFact>, span: &Span) -> CheckLine {
    let name = "daily-runs-are-done";
    let facts = match recon {
        Err(UnknownFact(why)) => return CheckLine::unknown(name, why.clone()),
        Ok(facts) => facts,
    };
    let (days, left) = (span.days().count(), facts.days_not_run.len());
    let not_run = |day: &NaiveDate| format!("no run of {day} is done since its last file came in");
    let detail = facts.days_not_run.iter().map(not_run).collect();
    let figure = format!("{} of {days} days have a run", days.saturating_sub(left));
    CheckLine::without_offenders(name, figure, detail)
}

fn no_critical_break(recon: &Result<ReconFacts, UnknownFact>) -> CheckLine {
    let name = "no-critical-break-is-open";
    let facts = match recon {
        Err(UnknownFact(why)) => return CheckLine::unknown(name, why.clone()),
        Ok(facts) => facts,
    };
    let mut detail: Vec<String> = facts.critical.iter().map(|id| format!("break {id}")).collect();
    if detail.is_empty() && facts.critical_breaks > 0 {
        detail.push(format!("{} breaks", facts.critical_breaks));
    }
    let figure = format!("{} critical of {} open", facts.critical_breaks, facts.open_breaks);
    CheckLine::without_offenders(name, figure, detail)
}

fn instant(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::{begin_of, end_of};
    use contracts::log::AccountingZone;

    #[test]
    fn a_day_begins_and_ends_in_the_accounting_zone() {
        let zone = AccountingZone::default();
        let day = chrono::NaiveDate::from_ymd_opt(2026, 3, 1).expect("a day");
        assert_eq!(begin_of(zone, day).to_rfc3339(), "2026-02-28T16:00:00+00:00");
        assert_eq!(zone.day_of(end_of(zone, day)), day.succ_opt().expect("a day"));
        assert_eq!(zone.day_of(end_of(zone, day) - chrono::TimeDelta::seconds(1)), day);
    }
}
