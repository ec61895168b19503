//! Why a refund case was not made, decided or found.

use crate::domain::refund_case::{CaseState, NotRefundable, REASON_LEN_MAX};

use contracts::class::{Classed, ErrorClass};
use contracts::sheet::Faults;
use contracts::wallet::WalletError;

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum RefundCaseError {
    #[error("the id of a refund is a UUIDv7 of the caller's")]
    IdNotV7,
    #[error("this id came before with something else")]
    RequestReused,
    #[error("a reason has 1 to {REASON_LEN_MAX} characters")]
    BadReason,
    #[error("an amount is above zero, or left out for all that is left")]
    BadAmount,
    #[error(transparent)]
    NotRefundable(#[from] NotRefundable),
    #[error("the file was refused: {0}")]
    BadFile(#[from] Faults),
    #[error("a period begins before it ends, and has ended")]
    BadPeriod,
    #[error("the viewer sent no gift in this time of which anything is left")]
    NoGifts,
    #[error("the viewer sent more than {0} gifts in this time; take a shorter one")]
    TooManyGifts(usize),
    #[error("there is no such case")]
    NoSuchCase,
    #[error("a case is decided by another person than the one who made it")]
    OwnCase,
    #[error("the case is {0:?}")]
    Decided(CaseState),
    #[error("the wallet did not answer")]
    Wallet(#[from] WalletError),
    #[error("the database failed")]
    Db(#[source] sqlx::Error),
}

impl From<sqlx::Error> for RefundCaseError {
    fn from(error: sqlx::Error) -> RefundCaseError {
        RefundCaseError::Db(error)
    }
}

impl Classed for RefundCaseError {
    fn class(&self) -> ErrorClass {
        match self {
            RefundCaseError::IdNotV7
            | RefundCaseError::BadReason
            | RefundCaseError::BadAmount
            | RefundCaseError::BadFile(_)
            | RefundCaseError::BadPeriod
            | RefundCaseError::NoGifts
            | RefundCaseError::TooManyGifts(_) => ErrorClass::Rejected,
            RefundCaseError::RequestReused | RefundCaseError::Decided(_) => ErrorClass::Conflict,
            RefundCaseError::NoSuchCase => ErrorClass::NotFound,
            RefundCaseError::OwnCase => ErrorClass::Denied,
            RefundCaseError::NotRefundable(error) => error.class(),
            RefundCaseError::Wallet(error) => error.class(),
            RefundCaseError::Db(_) => ErrorClass::Transient,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            RefundCaseError::IdNotV7 => "id-not-v7",
            RefundCaseError::RequestReused => "request-reused",
            RefundCaseError::BadReason => "bad-reason",
            RefundCaseError::BadAmount => "bad-amount",
            RefundCaseError::NotRefundable(error) => error.slug(),
            RefundCaseError::BadFile(_) => "refunds-refused",
            RefundCaseError::BadPeriod => "bad-period",
            RefundCaseError::NoGifts => "no-gifts",
            RefundCaseError::TooManyGifts(_) => "too-many-gifts",
            RefundCaseError::NoSuchCase => "no-such-case",
            RefundCaseError::OwnCase => "maker-is-checker",
            RefundCaseError::Decided(_) => "case-decided",
            RefundCaseError::Wallet(error) => error.slug(),
            RefundCaseError::Db(_) => "database-unavailable",
        }
    }
}
