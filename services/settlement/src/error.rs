//! Why settlement has no answer, or a refusal. Each error knows its class and its stable slug.

use crate::domain::contract::TermsError;
use chrono::NaiveDate;
use contracts::class::{Classed, ErrorClass};
use money::MoneyError;

/// Why a contract was not made.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    #[error(transparent)]
    Terms(#[from] TermsError),
    #[error("a contract begins on {today} at the earliest")]
    BeginsInThePast { today: NaiveDate },
    #[error("version {version} of this contract begins on {valid_from}; a new one begins later")]
    Overlaps { version: i32, valid_from: NaiveDate },
    #[error("the default contract is a setting")]
    DefaultIsASetting,
    #[error("the database cannot be reached")]
    Unavailable(#[from] sqlx::Error),
}

impl Classed for ContractError {
    fn class(&self) -> ErrorClass {
        match self {
            ContractError::Terms(_)
            | ContractError::BeginsInThePast { .. }
            | ContractError::DefaultIsASetting => ErrorClass::Rejected,
            ContractError::Overlaps { .. } => ErrorClass::Conflict,
            ContractError::Unavailable(_) => ErrorClass::Transient,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            ContractError::Terms(TermsError::SharesNotWhole) => "shares-not-whole",
            ContractError::Terms(TermsError::AgencyMissing) => "agency-missing",
            ContractError::Terms(TermsError::TaxNotBorne { .. }) => "tax-not-borne",
            ContractError::BeginsInThePast { .. } => "contract-begins-in-the-past",
            ContractError::Overlaps { .. } => "contract-overlaps",
            ContractError::DefaultIsASetting => "default-contract-is-a-setting",
            ContractError::Unavailable(_) => "settlement-unavailable",
        }
    }
}

/// Why there is no statement.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    #[error("the sums do not fit")]
    Money(#[from] MoneyError),
    #[error("the database cannot be reached")]
    Unavailable(#[from] sqlx::Error),
}

impl Classed for StatementError {
    fn class(&self) -> ErrorClass {
        match self {
            StatementError::Money(_) => ErrorClass::Bug,
            StatementError::Unavailable(_) => ErrorClass::Transient,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            StatementError::Money(_) => "sums-do-not-fit",
            StatementError::Unavailable(_) => "settlement-unavailable",
        }
    }
}

/// Why settlement did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Node(#[from] seqlog::JoinError),
    #[error("the setting {0} must be above zero")]
    BadSetting(&'static str),
    #[error("the default contract cannot be kept")]
    BadDefaultContract(#[from] TermsError),
    #[error("the database cannot be used")]
    Db(#[from] sqlx::Error),
}
