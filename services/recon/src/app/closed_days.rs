//! Closed days, looked at again by every daily run: whether they still hold what they were closed with.

use super::commands::{CommandError, Commands};
use super::daily_error::DailyError;
use crate::domain::break_kind::BreakKind;
use crate::domain::report::ClosedDays;
use crate::store::breaks::NewBreak;
use chrono::{Days, NaiveDate};
use contracts::owner::ClosedDay;
use ids::{Uuid, partition_of};
use serde_json::json;

/// Closed days whose vouchers one run reads again: the newest. Of all days before them it looks at the balances;
/// `largesse check` reads every voucher.
pub const CLOSED_DAYS_MAX: usize = 35;

/// What breaks about closed days are about.
pub const CLOSINGS: &str = "clearing.closings";

/// What a look back found.
#[derive(Debug)]
pub struct LookBack {
    pub looked: ClosedDays,
    /// Every closed day from here on was looked at, its vouchers too.
    pub since: NaiveDate,
    pub found: Vec<NewBreak>,
}

/// Looks at the newest closed days up to `day`, one question a day, so that each is soon answered; and at the balances of
/// all before them.
///
/// # Errors
/// [`DailyError::NoAnswer`]: clearing is away; the step is taken again.
pub async fn look_back(commands: &dyn Commands, day: NaiveDate) -> Result<LookBack, DailyError> {
    let next = day.checked_add_days(Days::new(1)).unwrap_or(day);
    let (mut since, mut found) = (next, Vec::new());
    for _ in 0..CLOSED_DAYS_MAX {
        match commands.look_at_closed_day(since).await {
            Ok(Some(ClosedDay { day, is_as_closed })) => {
                if !is_as_closed {
                    found.push(break_of(day, "largesse check names the vouchers"));
                }
                since = day;
            }
            Ok(None) => break,
            Err(CommandError::NotOffered(_) | CommandError::Refused(_)) => {
                return Ok(LookBack { looked: ClosedDays::NotLookedAt, since: next, found: Vec::new() });
            }
            Err(CommandError::NoAnswer(why)) => return Err(DailyError::NoAnswer(why)),
        }
    }
    match commands.list_changed_balances(since).await {
        Ok(days) => found.extend(days.into_iter().map(|day| {
            break_of(
                day,
                "a balance at its end is not as it was asserted; the change is on this day or before",
            )
        })),
        Err(CommandError::NotOffered(_) | CommandError::Refused(_)) => {}
        Err(CommandError::NoAnswer(why)) => return Err(DailyError::NoAnswer(why)),
    }
    Ok(LookBack { looked: ClosedDays::LookedAt, since, found })
}

fn break_of(day: NaiveDate, see: &str) -> NewBreak {
    NewBreak {
        fact_key: format!("{CLOSINGS}/{day}/closed_day_changed"),
        kind: BreakKind::ClosedDayChanged,
        logs: CLOSINGS.to_owned(),
        partition: partition_of(Uuid::nil()),
        minute: None,
        order_id: None,
        coins: 0,
        evidence: json!({ "day": day, "see": see }),
        day: Some(day),
    }
}
