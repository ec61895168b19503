//! The coin liability, day by day: what it was, what came and went by which kind of act, and what it is.

use crate::app::post_vouchers::Terminology;
use crate::domain::rules::Rule;
use crate::store::roll_forward::{list_day_sums, list_moved, list_openings};
use chrono::NaiveDate;
use contracts::class::{Classed, ErrorClass};
use contracts::log::LogName;
use money::{Micros, MoneyError};
use pg::Db;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The most days one roll-forward has.
pub const ROLL_DAYS_MAX: usize = 92;

/// What a rule does to coins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Credited,
    Spent,
    Returned,
    Withdrawn,
    Expired,
    Other,
}

/// What coins were worth, in millionths of a minor currency unit; each flow above zero in its own direction:
/// closing = opening + credited − spent + returned − withdrawn − expired + other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Roll {
    pub opening_micro: Micros,
    /// Recharges, bonuses and compensations.
    pub credited_micro: Micros,
    /// Gifts.
    pub spent_micro: Micros,
    /// Gifts given back.
    pub returned_micro: Micros,
    /// Taken back for channel refunds.
    pub withdrawn_micro: Micros,
    pub expired_micro: Micros,
    /// By rules of other kinds, adjustments among them; below zero where it went.
    pub other_micro: Micros,
    pub closing_micro: Micros,
}

/// One account's day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountRoll {
    pub account: String,
    pub name: String,
    #[serde(flatten)]
    pub roll: Roll,
    /// What the rules moved less what the trial balance says: zero, or the books are broken.
    pub difference_micro: Micros,
}

/// One day of the coin liability: all its accounts together, and each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DayRoll {
    pub day: NaiveDate,
    #[serde(flatten)]
    pub total: Roll,
    pub accounts: Vec<AccountRoll>,
}

/// Why there is no roll-forward.
#[derive(Debug, thiserror::Error)]
pub enum RollError {
    #[error("a sum does not fit")]
    Money(#[from] MoneyError),
    #[error("the database failed")]
    Db(#[from] sqlx::Error),
}

impl Classed for RollError {
    fn class(&self) -> ErrorClass {
        match self {
            RollError::Money(_) => ErrorClass::Bug,
            RollError::Db(_) => ErrorClass::Transient,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            RollError::Money(_) => "books-unreadable",
            RollError::Db(_) => "database-unavailable",
        }
    }
}

/// Rolls `accounts` forward over some days. The days are at most [`ROLL_DAYS_MAX`]: that is the caller's to see to.
///
/// # Errors
/// [`RollError`].
pub async fn roll_forward(
    db: &Db,
    terminology: &Terminology,
    accounts: &[String],
    days: (NaiveDate, NaiveDate),
) -> Result<Vec<DayRoll>, RollError> {
    let db = db.reading();
    let mut holds: BTreeMap<String, Micros> = BTreeMap::new();
    for (account, opening) in list_openings(&db, accounts, days.0).await? {
        holds.insert(account, Micros::new(opening));
    }
    let mut moved: BTreeMap<(NaiveDate, String), Vec<(Flow, Micros)>> = BTreeMap::new();
    for (day, account, rule, amount) in list_moved(&db, accounts, days).await? {
        let rules = terminology.policy.rules.rules();
        let flow = rules.iter().find(|known| known.name == rule).map_or(Flow::Other, flow_of);
        moved.entry((day, account)).or_default().push((flow, Micros::new(amount)));
    }
    let sums: BTreeMap<(NaiveDate, String), i64> = list_day_sums(&db, accounts, days)
        .await?
        .into_iter()
        .map(|(day, account, sum)| ((day, account), sum))
        .collect();
    let name_of = |code: &str| {
        let chart = &terminology.policy.accounts;
        chart.iter().find(|known| known.code == code).map(|known| known.name.clone()).unwrap_or_default()
    };
    let mut rolled = Vec::new();
    for day in days.0.iter_days().take_while(|day| *day <= days.1) {
        let (mut total, mut of_day) = (Roll::default(), Vec::new());
        for account in accounts {
            let key = (day, account.clone());
            let opening = holds.get(account).copied().unwrap_or_default();
            let roll = roll_of(opening, moved.get(&key).map(Vec::as_slice).unwrap_or_default())?;
            let by_rules = roll.closing_micro.checked_sub(opening)?;
            let stated = Micros::new(sums.get(&key).copied().unwrap_or_default());
            holds.insert(account.clone(), roll.closing_micro);
            total = total.plus(&roll)?;
            let difference_micro = by_rules.checked_sub(stated)?;
            of_day.push(AccountRoll {
                account: account.clone(),
                name: name_of(account),
                roll,
                difference_micro,
            });
        }
        rolled.push(DayRoll { day, total, accounts: of_day });
    }
    Ok(rolled)
}

fn roll_of(opening_micro: Micros, moved: &[(Flow, Micros)]) -> Result<Roll, MoneyError> {
    let mut roll = Roll { opening_micro, closing_micro: opening_micro, ..Roll::default() };
    for (flow, amount) in moved {
        roll.closing_micro = roll.closing_micro.checked_add(*amount)?;
        let (place, amount) = match flow {
            Flow::Credited => (&mut roll.credited_micro, *amount),
            Flow::Returned => (&mut roll.returned_micro, *amount),
            Flow::Other => (&mut roll.other_micro, *amount),
            Flow::Spent => (&mut roll.spent_micro, amount.checked_neg()?),
            Flow::Withdrawn => (&mut roll.withdrawn_micro, amount.checked_neg()?),
            Flow::Expired => (&mut roll.expired_micro, amount.checked_neg()?),
        };
        *place = place.checked_add(amount)?;
    }
    Ok(roll)
}

impl Roll {
    fn plus(&self, other: &Roll) -> Result<Roll, MoneyError> {
        Ok(Roll {
            opening_micro: self.opening_micro.checked_add(other.opening_micro)?,
            credited_micro: self.credited_micro.checked_add(other.credited_micro)?,
            spent_micro: self.spent_micro.checked_add(other.spent_micro)?,
            returned_micro: self.returned_micro.checked_add(other.returned_micro)?,
            withdrawn_micro: self.withdrawn_micro.checked_add(other.withdrawn_micro)?,
            expired_micro: self.expired_micro.checked_add(other.expired_micro)?,
            other_micro: self.other_micro.checked_add(other.other_micro)?,
            closing_micro: self.closing_micro.checked_add(other.closing_micro)?,
        })
    }
}

/// What a rule does to coins, by the kinds of entries it posts: names of rules are the installation's own.
fn flow_of(rule: &Rule) -> Flow {
    if rule.source != LogName::Entries {
        return Flow::Other;
    }
    let flow = |kind: &String| match kind.as_str() {
        "recharge" | "bonus" | "compensation" => Flow::Credited,
        "debit" | "hold_capture" => Flow::Spent,
        "refund" => Flow::Returned,
        "withdraw" => Flow::Withdrawn,
        "expire" => Flow::Expired,
        _ => Flow::Other,
    };
    let mut flows = rule.kinds.iter().map(flow);
    let first = flows.next().unwrap_or(Flow::Other);
    if flows.all(|flow| flow == first) { first } else { Flow::Other }
}
