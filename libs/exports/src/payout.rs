//! Payments to payees: what a payment is, what of it is checked, and the payment list as a table.

use crate::{Cell, Column, Commodity, ExportError, Kind, TableWriter};

/// The most payments of one file: what banks take in one upload.
pub const PAYMENTS_PER_FILE_MAX: u64 = 100_000;

/// The largest number of digits of an amount or a control sum in a payment file.
const AMOUNT_MINOR_MAX: i64 = 999_999_999_999_999_999;

/// An account at a bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountNumber {
    /// Without spaces, letters large; its check digits are checked.
    Iban(String),
    /// Any other: 1 to 34 letters and digits.
    Other(String),
}

impl AccountNumber {
    pub(crate) fn text(&self) -> &str {
        match self {
            AccountNumber::Iban(text) | AccountNumber::Other(text) => text,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            AccountNumber::Iban(_) => "iban",
            AccountNumber::Other(_) => "other",
        }
    }

    /// Refuses a number that is not whole. It is never cut or mended.
    ///
    /// # Errors
    /// [`ExportError::FieldTooLong`], [`ExportError::BadField`].
    pub fn check(&self) -> Result<(), ExportError> {
        let text = self.text();
        if text.chars().count() > 34 {
            return Err(ExportError::FieldTooLong { field: "account", found: text.chars().count(), max: 34 });
        }
        let is_good = match self {
            AccountNumber::Iban(text) => is_iban(text),
            AccountNumber::Other(text) => {
                !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
            }
        };
        if is_good { Ok(()) } else { Err(ExportError::BadField { field: "account", found: text.to_owned() }) }
    }
}

/// Which bank an account is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bank {
    Bic(String),
    /// A member of a clearing system: `CNAPS` and the bank's number there.
    Member {
        system: String,
        number: String,
    },
    /// The bank finds it by the account.
    NotSaid,
}

impl Bank {
    fn text(&self) -> &str {
        match self {
            Bank::Bic(bic) => bic,
            Bank::Member { number, .. } => number,
            Bank::NotSaid => "",
        }
    }

    /// Refuses what no bank has.
    ///
    /// # Errors
    /// [`ExportError::BadField`].
    pub fn check(&self) -> Result<(), ExportError> {
        let plain = |text: &str, max: usize| {
            (1..=max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let (field, found, is_good) = match self {
            Bank::Bic(bic) => ("BIC", bic, is_bic(bic)),
            Bank::Member { system, number } if plain(system, 5) => {
                ("clearing member", number, plain(number, 35))
            }
            Bank::Member { system, .. } => ("clearing system", system, false),
            Bank::NotSaid => return Ok(()),
        };
        if is_good { Ok(()) } else { Err(ExportError::BadField { field, found: found.clone() }) }
    }
}

/// Who pays or is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    pub name: String,
    pub account: AccountNumber,
    pub bank: Bank,
}

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment<'a> {
    /// Comes back in the bank's confirmation: 1 to 35 characters, so a UUID without its hyphens.
    pub end_to_end_id: &'a str,
    pub payee_id: &'a str,
    pub creditor: &'a Party,
    /// Above zero.
    pub amount_minor: i64,
    /// What the payee reads on the bank's statement; may be empty.
    pub remittance: &'a str,
}

/// How many payments a file has, and their sum: stated before the first of them is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaymentTotals {
    pub count: u64,
    pub sum_minor: i64,
}

impl PaymentTotals {
    /// Adds one payment.
    ///
    /// # Errors
    /// [`ExportError::PaymentNotPositive`], [`ExportError::PaymentCount`], [`ExportError::AmountTooLarge`].
    pub fn add(&mut self, payment: &Payment<'_>) -> Result<(), ExportError> {
        if payment.amount_minor <= 0 {
            return Err(ExportError::PaymentNotPositive(payment.end_to_end_id.to_owned()));
        }
        let too_large = || ExportError::AmountTooLarge {
            place: format!("payment {}", payment.end_to_end_id),
            max: i128::from(AMOUNT_MINOR_MAX),
        };
        let sum = self.sum_minor.checked_add(payment.amount_minor);
        self.sum_minor = sum.filter(|sum| *sum <= AMOUNT_MINOR_MAX).ok_or_else(too_large)?;
        self.count += 1;
        self.check_count()
    }

    pub(crate) fn check_count(&self) -> Result<(), ExportError> {
        if (1..=PAYMENTS_PER_FILE_MAX).contains(&self.count) {
            return Ok(());
        }
        Err(ExportError::PaymentCount { payments: self.count, max: PAYMENTS_PER_FILE_MAX })
    }
}

/// The payment list as a table, in a currency whose units are minor units.
pub fn payment_columns(currency: &Commodity) -> Vec<Column> {
    let amount = format!("amount_{}", currency.code().to_lowercase());
    vec![
        Column::new("end_to_end_id", Kind::Id),
        Column::new("payee_id", Kind::Id),
        Column::new("creditor_name", Kind::Text),
        Column::new("account_kind", Kind::Text),
        Column::new("account", Kind::Id),
        Column::new("bank", Kind::Id),
        Column::totalled(amount, Kind::Money { scale: currency.places() }),
        Column::new("remittance", Kind::Text),
    ]
}

/// Writes one payment.
///
/// # Errors
/// What [`AccountNumber::check`], [`Bank::check`] or the table says; [`ExportError::PaymentNotPositive`].
pub fn push_payment(table: &mut impl TableWriter, payment: &Payment<'_>) -> Result<(), ExportError> {
    let creditor = payment.creditor;
    creditor.account.check()?;
    creditor.bank.check()?;
    PaymentTotals::default().add(payment)?;
    table.push(&[
        Cell::Id(payment.end_to_end_id),
        Cell::Id(payment.payee_id),
        Cell::Text(&creditor.name),
        Cell::Text(creditor.account.word()),
        Cell::Id(creditor.account.text()),
        Cell::Id(creditor.bank.text()),
        Cell::Money(i128::from(payment.amount_minor)),
        Cell::Text(payment.remittance),
    ])
}

/// Country, check digits, and a remainder of 1 by 97 (ISO 13616).
fn is_iban(text: &str) -> bool {
    let bytes = text.as_bytes();
    let has_shape = (15..=34).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..4].iter().all(u8::is_ascii_digit);
    if !has_shape {
        return false;
    }
    let remainder = bytes[4..].iter().chain(&bytes[..4]).fold(0_u32, |so_far, byte| {
        if byte.is_ascii_digit() {
            (so_far * 10 + u32::from(byte - b'0')) % 97
        } else {
            (so_far * 100 + u32::from(byte - b'A') + 10) % 97
        }
    });
    remainder == 1
}

/// Eight or eleven characters: bank, country, place, branch (ISO 9362).
fn is_bic(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    matches!(bytes.len(), 8 | 11)
        && bytes[..6].iter().all(u8::is_ascii_uppercase)
        && bytes[6..].iter().all(plain)
}
