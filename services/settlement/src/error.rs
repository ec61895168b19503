//! Why settlement has no answer, or a refusal. Each error knows its class and its stable slug.

use crate::domain::contract::TermsError;
use crate::domain::payee_money::MoveError;
use crate::domain::payout::{BatchState, LineState};
use crate::domain::withholding_terms::BadTerms;
use chrono::NaiveDate;
use contracts::class::{Classed, ErrorClass};
use contracts::sheet::Faults;
use money::MoneyError;

/// Why a contract did not come, or is not in force.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    #[error(transparent)]
    Terms(#[from] TermsError),
    #[error("the file was refused: {0}")]
    BadFile(Faults),
    #[error("there is no such import")]
    NoSuchImport,
    #[error("an import is approved by another person than the one who made it")]
    OwnImport,
    #[error("this import has been decided the other way")]
    Decided,
    #[error("somebody else changed these contracts at the same time; look again")]
    Raced,
    #[error("the database cannot be reached")]
    Unavailable(#[source] sqlx::Error),
}

impl ContractError {
    /// A constraint that says no is somebody who came first.
    pub(crate) fn of_sql(error: sqlx::Error) -> ContractError {
        if pg::is_constraint(&error) { ContractError::Raced } else { ContractError::Unavailable(error) }
    }
}

impl From<sqlx::Error> for ContractError {
    fn from(error: sqlx::Error) -> ContractError {
        ContractError::of_sql(error)
    }
}

impl From<Faults> for ContractError {
    fn from(faults: Faults) -> ContractError {
        ContractError::BadFile(faults)
    }
}

impl Classed for ContractError {
    fn class(&self) -> ErrorClass {
        match self {
            ContractError::Terms(_) | ContractError::BadFile(_) => ErrorClass::Rejected,
            ContractError::NoSuchImport => ErrorClass::NotFound,
            ContractError::OwnImport => ErrorClass::Denied,
            ContractError::Decided | ContractError::Raced => ErrorClass::Conflict,
            ContractError::Unavailable(_) => ErrorClass::Transient,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            ContractError::Terms(TermsError::SharesNotWhole) => "shares-not-whole",
            ContractError::Terms(TermsError::AgencyMissing) => "agency-missing",
            ContractError::Terms(TermsError::TaxNotBorne { .. }) => "tax-not-borne",
            ContractError::BadFile(_) => "contracts-refused",
            ContractError::NoSuchImport => "no-such-import",
            ContractError::OwnImport => "maker-is-checker",
            ContractError::Decided => "import-decided",
            ContractError::Raced => "contracts-changed",
            ContractError::Unavailable(_) => "settlement-unavailable",
        }
    }
}

/// Why money is not paid out, or not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum PayoutError {
    #[error("{available_minor} are available")]
    NotEnough { available_minor: i64 },
    #[error("a payout is of {minimum_minor} at least; {available_minor} are available")]
    BelowMinimum { minimum_minor: i64, available_minor: i64 },
    #[error("the payee has no approved account to pay to")]
    AccountMissing,
    #[error("this id came before with something else")]
    RequestReused,
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("nothing that was asked for can be paid out now")]
    NothingToPayOut,
    #[error("no rule says what is withheld of this payee's kind on {0}")]
    RuleMissing(NaiveDate),
    #[error("what one made, another approves")]
    OwnWork,
    #[error("the batch is {0:?}")]
    WrongState(BatchState),
    #[error("the request is in a batch already")]
    InBatch,
    #[error("line {line} is {state:?} already")]
    LineEnded { line: i32, state: LineState },
    #[error("line {0} is rejected without a reason")]
    ReasonMissing(i32),
    #[error("a field is empty, too long, or begins like a formula")]
    BadAccount,
    #[error("payees' money is not where it should be")]
    Moved(#[source] MoveError),
    #[error("the sums do not fit")]
    Money(#[from] MoneyError),
    #[error("the database cannot be reached")]
    Unavailable(#[source] sqlx::Error),
}

impl From<sqlx::Error> for PayoutError {
    fn from(error: sqlx::Error) -> PayoutError {
        PayoutError::Unavailable(error)
    }
}

impl From<MoveError> for PayoutError {
    fn from(error: MoveError) -> PayoutError {
        match error {
            MoveError::NotEnough { available_minor } => PayoutError::NotEnough { available_minor },
            MoveError::Money(error) => PayoutError::Money(error),
            MoveError::Elsewhere => PayoutError::Moved(error),
        }
    }
}

impl Classed for PayoutError {
    fn class(&self) -> ErrorClass {
        match self {
            PayoutError::NotEnough { .. }
            | PayoutError::BelowMinimum { .. }
            | PayoutError::AccountMissing
            | PayoutError::NothingToPayOut
            | PayoutError::RuleMissing(_)
            | PayoutError::ReasonMissing(_)
            | PayoutError::BadAccount => ErrorClass::Rejected,
            PayoutError::NotFound(_) => ErrorClass::NotFound,
            PayoutError::OwnWork => ErrorClass::Denied,
            PayoutError::RequestReused
            | PayoutError::WrongState(_)
            | PayoutError::InBatch
            | PayoutError::LineEnded { .. } => ErrorClass::Conflict,
            PayoutError::Moved(_) | PayoutError::Money(_) => ErrorClass::Bug,
            PayoutError::Unavailable(_) => ErrorClass::Transient,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            PayoutError::NotEnough { .. } => "not-enough-available",
            PayoutError::BelowMinimum { .. } => "below-payout-minimum",
            PayoutError::AccountMissing => "payee-account-missing",
            PayoutError::RequestReused => "request-reused",
            PayoutError::NotFound(_) => "not-found",
            PayoutError::NothingToPayOut => "nothing-to-pay-out",
            PayoutError::RuleMissing(_) => "withholding-rule-missing",
            PayoutError::OwnWork => "maker-is-checker",
            PayoutError::WrongState(_) => "batch-state",
            PayoutError::InBatch => "request-in-batch",
            PayoutError::LineEnded { .. } => "line-ended-otherwise",
            PayoutError::ReasonMissing(_) => "reason-missing",
            PayoutError::BadAccount => "bad-payee-account",
            PayoutError::Moved(_) => "payee-money-elsewhere",
            PayoutError::Money(_) => "sums-do-not-fit",
            PayoutError::Unavailable(_) => "settlement-unavailable",
        }
    }
}

/// Why there is no statement.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    #[error("more than {0} statements are asked for at once")]
    TooMany(i64),
    #[error("the sums do not fit")]
    Money(#[from] MoneyError),
    #[error("the database cannot be reached")]
    Unavailable(#[from] sqlx::Error),
}

impl Classed for StatementError {
    fn class(&self) -> ErrorClass {
        match self {
            StatementError::TooMany(_) => ErrorClass::Rejected,
            StatementError::Money(_) => ErrorClass::Bug,
            StatementError::Unavailable(_) => ErrorClass::Transient,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            StatementError::TooMany(_) => "too-many-statements",
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
    #[error("the contracts cannot be published")]
    Producer(#[from] refresh::ProducerError),
    #[error("the contracts cannot be followed")]
    Consumer(#[from] refresh::ConsumerError),
    #[error("the name of the contracts' set is not one of a set")]
    SetName(#[from] refresh::BadSetName),
}

/// Why a rule of withholding was not taken or decided.
#[derive(Debug, thiserror::Error)]
pub enum WithholdingError {
    #[error("this cannot be withheld by: {0}")]
    BadTerms(#[from] BadTerms),
    #[error("{0} has begun already; a rule begins on a day to come")]
    NotToCome(NaiveDate),
    #[error("say why, in at most 4,000 bytes")]
    Reason,
    #[error("a rule for this kind of payee begins on that day already, or waits for approval")]
    DayTaken,
    #[error("this id came before with something else")]
    ProposalReused,
    #[error("there is no such proposal")]
    NoSuchProposal,
    #[error("what one proposed, another approves")]
    OwnProposal,
    #[error("the proposal was decided otherwise")]
    Decided,
    #[error("the database cannot be reached")]
    Unavailable(#[from] sqlx::Error),
}

impl WithholdingError {
    /// A day that is taken, where a constraint says so.
    pub(crate) fn of_sql(error: sqlx::Error) -> WithholdingError {
        let constraint = error.as_database_error().and_then(sqlx::error::DatabaseError::constraint);
        match constraint {
            Some("withholding_proposals_one_undecided" | "withholding_rules_do_not_overlap") => {
                WithholdingError::DayTaken
            }
            Some("withholding_proposals_pkey") => WithholdingError::ProposalReused,
            _ => WithholdingError::Unavailable(error),
        }
    }
}

impl Classed for WithholdingError {
    fn class(&self) -> ErrorClass {
        match self {
            WithholdingError::BadTerms(_) | WithholdingError::NotToCome(_) | WithholdingError::Reason => {
                ErrorClass::Rejected
            }
            WithholdingError::DayTaken | WithholdingError::ProposalReused | WithholdingError::Decided => {
                ErrorClass::Conflict
            }
            WithholdingError::NoSuchProposal => ErrorClass::NotFound,
            WithholdingError::OwnProposal => ErrorClass::Denied,
            WithholdingError::Unavailable(_) => ErrorClass::Transient,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            WithholdingError::BadTerms(_) => "withholding-rule-refused",
            WithholdingError::NotToCome(_) => "day-not-to-come",
            WithholdingError::Reason => "reason-missing",
            WithholdingError::DayTaken => "rule-day-taken",
            WithholdingError::ProposalReused => "proposal-reused",
            WithholdingError::NoSuchProposal => "no-such-proposal",
            WithholdingError::OwnProposal => "maker-is-checker",
            WithholdingError::Decided => "proposal-decided",
            WithholdingError::Unavailable(_) => "settlement-unavailable",
        }
    }
}
