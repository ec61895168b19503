//! The trial balance: what every account moved, and that it sums to zero.

use crate::domain::chart::Side;
use crate::store::account_days;
use chrono::NaiveDate;
use contracts::class::{Classed, ErrorClass};
use money::{Micros, MoneyError};
use pg::Db;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The books as of the end of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrialBalance {
    /// Up to and including this accounting day; everything posted where it is missing.
    pub day: Option<NaiveDate>,
    pub accounts: Vec<AccountBalance>,
    pub total_debit_micro: Micros,
    pub total_credit_micro: Micros,
    /// Debits less credits over all accounts: zero, or the books are broken.
    pub difference_micro: Micros,
}

/// One account of the trial balance. Amounts are millionths of a minor currency unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountBalance {
    pub account: String,
    pub name: String,
    /// The side on which the account grows.
    pub side: Side,
    pub debit_micro: Micros,
    pub credit_micro: Micros,
    /// On the account's own side; below zero where it stands on the other.
    pub balance_micro: Micros,
}

/// Why there is no trial balance.
#[derive(Debug, thiserror::Error)]
pub enum TrialBalanceError {
    #[error("the database failed")]
    Db(#[from] sqlx::Error),
    #[error("a sum does not fit")]
    Money(#[from] MoneyError),
    #[error("account {0} has a side that is not known")]
    UnknownSide(String),
}

impl Classed for TrialBalanceError {
    fn class(&self) -> ErrorClass {
        match self {
            TrialBalanceError::Db(_) => ErrorClass::Transient,
            TrialBalanceError::Money(_) | TrialBalanceError::UnknownSide(_) => ErrorClass::Bug,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            TrialBalanceError::Db(_) => "database-unavailable",
            TrialBalanceError::Money(_) | TrialBalanceError::UnknownSide(_) => "books-unreadable",
        }
    }
}

/// Sums every account of the chart up to and including `day` (none: everything posted). One statement.
///
/// # Errors
/// [`TrialBalanceError`]; nothing is changed by reading.
pub async fn read_trial_balance(db: &Db, day: Option<NaiveDate>) -> Result<TrialBalance, TrialBalanceError> {
    let mut accounts = Vec::new();
    let (mut total_debit_micro, mut total_credit_micro) = (Micros::ZERO, Micros::ZERO);
    for (account, name, side, debit, credit) in account_days::list_sums(&db.reading(), day).await? {
        let (debit_micro, credit_micro) = (Micros::new(debit), Micros::new(credit));
        let side = Side::of_code(side).ok_or_else(|| TrialBalanceError::UnknownSide(account.clone()))?;
        let balance_micro = match side {
            Side::Debit => debit_micro.checked_sub(credit_micro)?,
            Side::Credit => credit_micro.checked_sub(debit_micro)?,
        };
        total_debit_micro = total_debit_micro.checked_add(debit_micro)?;
        total_credit_micro = total_credit_micro.checked_add(credit_micro)?;
        accounts.push(AccountBalance { account, name, side, debit_micro, credit_micro, balance_micro });
    }
    let difference_micro = total_debit_micro.checked_sub(total_credit_micro)?;
    Ok(TrialBalance { day, accounts, total_debit_micro, total_credit_micro, difference_micro })
}
