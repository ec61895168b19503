//! The sandbox channel's own word about a day: a bill of its payments in the WeChat merchant layout, with faults
//! planted where a test asks for them. For development, as the sandbox is.

use crate::app::Cashier;
use crate::config::SANDBOX;
use crate::store::sandbox_rows::{self, BilledPayment};
use bills::CHINA_OFFSET_S;
use bills::wechat::write::{Fault, RefundIds, TradeRow, WriteError, write};
use chrono::{Days, NaiveDate, NaiveTime, TimeDelta};
use contracts::class::{Classed, ErrorClass};
use money::Micros;
use serde::{Deserialize, Serialize};

/// Rows of one bill.
const ROWS_MAX: i64 = 100_000;

/// Faults of one bill.
const FAULTS_MAX: usize = 1_000;

/// What the sandbox keeps of a payment, in millionths of it: 0.60 %.
const FEE_PPM: i64 = 6_000;

/// Whose account the sandbox's rows are.
const MERCHANT: &str = "1900000001";

/// Which bill is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxBill {
    /// On the channel's own calendar, China Standard Time.
    pub day: NaiveDate,
    /// What is to be wrong with it.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

/// Why there is no bill.
#[derive(Debug, thiserror::Error)]
pub enum SandboxBillError {
    #[error("a bill has at most {ROWS_MAX} rows, and {FAULTS_MAX} faults")]
    TooLarge,
    #[error("the day is none that a bill can be of")]
    NoSuchDay,
    #[error(transparent)]
    Unwritable(#[from] WriteError),
    #[error("the database cannot be reached")]
    Unavailable(#[from] sqlx::Error),
}

impl Classed for SandboxBillError {
    fn class(&self) -> ErrorClass {
        match self {
            SandboxBillError::TooLarge | SandboxBillError::NoSuchDay | SandboxBillError::Unwritable(_) => {
                ErrorClass::Rejected
            }
            SandboxBillError::Unavailable(_) => ErrorClass::Transient,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            SandboxBillError::TooLarge => "sandbox-bill-too-large",
            SandboxBillError::NoSuchDay => "day-out-of-range",
            SandboxBillError::Unwritable(_) => "sandbox-bill-unwritable",
            SandboxBillError::Unavailable(_) => "cashier-unavailable",
        }
    }
}

impl Cashier {
    /// Writes the sandbox's bill of a day, in the order of payments' times and ids.
    ///
    /// # Errors
    /// [`SandboxBillError`].
    pub(crate) async fn write_sandbox_bill(&self, asked: &SandboxBill) -> Result<Vec<u8>, SandboxBillError> {
        if asked.faults.len() > FAULTS_MAX {
            return Err(SandboxBillError::TooLarge);
        }
        let next = asked.day.checked_add_days(Days::new(1)).ok_or(SandboxBillError::NoSuchDay)?;
        let midnight = |day: NaiveDate| {
            let ahead = TimeDelta::seconds(i64::from(CHINA_OFFSET_S));
            day.and_time(NaiveTime::MIN).and_utc().checked_sub_signed(ahead)
        };
        let (from, before) = midnight(asked.day).zip(midnight(next)).ok_or(SandboxBillError::NoSuchDay)?;
        let payments = sandbox_rows::list(&self.db, SANDBOX, (from, before), ROWS_MAX + 1).await?;
        if i64::try_from(payments.len()).is_ok_and(|len| len > ROWS_MAX) {
            return Err(SandboxBillError::TooLarge);
        }
        let rows: Vec<TradeRow> = payments.into_iter().map(trade_row).collect();
        let mut file = Vec::new();
        write(&mut file, &rows, &asked.faults)?;
        Ok(file)
    }
}

fn trade_row(payment: BilledPayment) -> TradeRow {
    let local = payment.paid_at.naive_utc() + TimeDelta::seconds(i64::from(CHINA_OFFSET_S));
    // The amount's millionths times parts of a million, divided by a million: exact.
    let fee = payment.amount_minor.saturating_mul(FEE_PPM);
    let refund = payment.refunded.as_ref().map(|_| RefundIds {
        channel_refund: payment.channel_payment_id.clone(),
        our_refund: payment.payment_id.to_string(),
    });
    TradeRow {
        at: local,
        merchant: MERCHANT.to_owned(),
        channel_order: payment.refunded.unwrap_or(payment.channel_payment_id),
        our_order: payment.recharge_id.map(|id| id.to_string()).unwrap_or_default(),
        fee: Micros::new(if refund.is_some() { fee.saturating_neg() } else { fee }),
        refund,
        amount_minor: payment.amount_minor,
        goods: "coins".to_owned(),
    }
}
