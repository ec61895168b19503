//! Rows of bills and payments as lines to be matched, and what a file is to be matched with.

use chrono::NaiveDate;
use contracts::payout::{Payout, PayoutKind};
use ids::Uuid;
use matching::passes::Line;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a file is about, and so what its rows are matched with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BillScope {
    /// Trades of a channel: each payment and refund.
    Channel,
    /// A bank's statement: what channels paid out to us, in sums.
    Bank,
    /// Movements of a channel's balance: second evidence of each payment and refund, beside its trades.
    Funds,
}

impl BillScope {
    pub const ALL: [BillScope; 3] = [BillScope::Channel, BillScope::Bank, BillScope::Funds];

    /// The number in columns `scope`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            BillScope::Channel => 1,
            BillScope::Bank => 2,
            BillScope::Funds => 3,
        }
    }

    /// The scope of a stored code.
    pub fn of_code(code: i16) -> Option<BillScope> {
        BillScope::ALL.into_iter().find(|scope| scope.code() == code)
    }

    /// The name on the wire, in the report and before a channel's name in a break's `logs`.
    pub const fn as_str(self) -> &'static str {
        match self {
            BillScope::Channel => "channel",
            BillScope::Bank => "bank",
            BillScope::Funds => "funds",
        }
    }

    /// What a format's files are about, where nobody says otherwise.
    pub fn of_format(label: &str) -> BillScope {
        match label {
            "camt-053" | "mt940" => BillScope::Bank,
            "wechat-fund" | "alipay-fund" | "stripe-payouts" => BillScope::Funds,
            _ => BillScope::Channel,
        }
    }
}

/// Whether a file of a format names each payment of its days, so that one which is not in it is missing. Stripe's
/// payouts name sums only.
pub fn names_payments(format: &str) -> bool {
    format != "stripe-payouts"
}

/// Whether a file's fees are movements of the balance that we have with the channel. Stripe's balance is trades and balance
/// in one.
pub fn takes_fees(scope: BillScope, format: &str) -> bool {
    match scope {
        BillScope::Channel => format == "stripe-balance",
        BillScope::Funds => names_payments(format),
        BillScope::Bank => false,
    }
}

/// A channel whose money reaches a bank by withdrawals from the balance that we have with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawalSettings {
    pub channel: String,
    /// The name under which statements of the account come in that withdrawals arrive at.
    pub bank: String,
    /// Payments, withdrawals and fees of days before this one are not concerned; from the first day where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_day: Option<NaiveDate>,
}

impl WithdrawalSettings {
    /// Whether a channel's money of a day is withdrawn.
    pub fn covers(&self, channel: &str, day: NaiveDate) -> bool {
        self.channel == channel && self.from_day.is_none_or(|from| from <= day)
    }
}

/// Where payouts are looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayoutSettings {
    /// The name under which statements of the account that payouts leave come in.
    pub bank: String,
    /// ISO 4217.
    pub currency: String,
}

/// What became of a payout at the bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PayoutOutcome {
    /// Its statement shows it.
    Paid,
    /// Its statement shows it leaving and coming back, or neither.
    SentBack,
}

impl PayoutOutcome {
    /// The number in the column `outcome`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            PayoutOutcome::Paid => 1,
            PayoutOutcome::SentBack => 2,
        }
    }

    /// The outcome of a stored code.
    pub const fn of_code(code: i16) -> Option<PayoutOutcome> {
        match code {
            1 => Some(PayoutOutcome::Paid),
            2 => Some(PayoutOutcome::SentBack),
            _ => None,
        }
    }
}

/// A payment, a movement of a payout, or a withdrawal from a channel's balance, as the daily run keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OurLine {
    pub payment_id: String,
    pub partition: i16,
    pub seq: i64,
    pub day: NaiveDate,
    pub paid_day: NaiveDate,
    pub channel: String,
    pub channel_payment_id: String,
    pub account_id: String,
    /// Minor units; positive where money came to us.
    pub amount_minor: i64,
    pub currency: String,
    pub paid_coins: i64,
    pub promo_coins: i64,
    /// Of a movement of a payout: `payment_id` names it, `channel_payment_id` is the id that its payment order gave it,
    /// and `account_id` the payee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payout: Option<PayoutOutcome>,
    /// Of a withdrawal: `payment_id` is its row in the fund bill and `channel_payment_id` its number. It is in no log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_withdrawal: bool,
}

/// The movements that a bank's statement must show, or may, of one row of `settlement.payouts`; none of a row that is
/// neither paid nor sent back, or names no line.
pub fn movements_of(payout: &Payout, currency: &str) -> Vec<OurLine> {
    let Ok(line_id) = Uuid::try_parse(&payout.reference) else { return Vec::new() };
    // What was in flight is so no more: below zero by what the bank was to pay.
    let net = payout.moved.in_flight_minor;
    let line = |name: &str, amount_minor: i64, outcome: PayoutOutcome| OurLine {
        payment_id: format!("{line_id}/{name}"),
        partition: payout.stamp.partition.number(),
        seq: payout.stamp.seq,
        day: payout.stamp.day,
        paid_day: payout.stamp.day,
        channel: String::new(),
        channel_payment_id: line_id.simple().to_string(),
        account_id: payout.payee_id.to_string(),
        amount_minor,
        currency: currency.to_owned(),
        paid_coins: 0,
        promo_coins: 0,
        payout: Some(outcome),
        is_withdrawal: false,
    };
    match payout.kind {
        PayoutKind::Paid => vec![line("paid", net, PayoutOutcome::Paid)],
        PayoutKind::Rejected => vec![
            line("out", net, PayoutOutcome::SentBack),
            line("back", net.saturating_neg(), PayoutOutcome::SentBack),
        ],
        PayoutKind::Released | PayoutKind::Requested | PayoutKind::Cancelled | PayoutKind::Submitted => {
            Vec::new()
        }
    }
}

/// A bill's row as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TheirLine {
    /// The bill and the row's number in it: `<bill>:<row>`.
    pub row_id: String,
    pub scope: BillScope,
    pub channel: String,
    pub day: NaiveDate,
    pub line: i64,
    pub kind: String,
    pub account: String,
    pub channel_ref: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub our_ref: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about_ref: Option<String>,
    pub status: String,
    /// Minor units; positive where money comes to us.
    pub amount_minor: i64,
    /// Millionths of a minor unit that the channel keeps.
    pub fee_micro: i64,
    pub currency: String,
    /// The row as it stands in the file.
    pub raw: String,
}

/// Days since 1970.
fn day_number(day: NaiveDate) -> i32 {
    let days = day.signed_duration_since(NaiveDate::default()).num_days();
    i32::try_from(days).unwrap_or(i32::MAX) // Every day that a column holds fits.
}

/// What the payments of a channel's day are paid to us under.
pub fn batch_of(channel: &str, day: NaiveDate) -> String {
    format!("{channel}-{day}")
}

impl OurLine {
    pub fn line(&self) -> Line {
        if self.payout.is_some() {
            return Line {
                id: self.payment_id.clone(),
                amount_minor: self.amount_minor,
                currency: self.currency.clone(),
                day: day_number(self.paid_day),
                second_reference: Some(self.channel_payment_id.clone()),
                ..Line::default()
            };
        }
        // A bank may give a withdrawal's number as its own reference, or as the one that it was given.
        let number = Some(self.channel_payment_id.clone());
        Line {
            id: self.payment_id.clone(),
            amount_minor: self.amount_minor,
            currency: self.currency.clone(),
            day: day_number(self.paid_day),
            second_reference: number.clone().filter(|_| self.is_withdrawal),
            reference: number,
            batch: (!self.is_withdrawal).then(|| batch_of(&self.channel, self.paid_day)),
            account: None,
        }
    }
}

impl TheirLine {
    /// Whether rows of this kind are matched with payments at all. A bank's are, whatever it calls them.
    pub fn is_movement(&self) -> bool {
        self.scope == BillScope::Bank || matches!(self.kind.as_str(), "payment" | "refund")
    }

    /// What the channel calls the payment or refund. A balance's movement has a number of its own beside it.
    pub fn reference(&self) -> &str {
        let about =
            self.about_ref.as_deref().filter(|about| self.scope == BillScope::Funds && !about.is_empty());
        about.unwrap_or(&self.channel_ref)
    }

    /// What we called it. A bank may give the id of a payout back with hyphens or in capitals.
    pub fn our_reference(&self) -> Option<String> {
        let our_ref = self.our_ref.clone()?;
        if self.scope != BillScope::Bank {
            return Some(our_ref);
        }
        Some(Uuid::try_parse(our_ref.trim()).map_or(our_ref, |id| id.simple().to_string()))
    }

    pub fn line(&self) -> Line {
        let batch = (self.scope == BillScope::Bank).then(|| self.our_ref.clone()).flatten();
        Line {
            id: self.row_id.clone(),
            amount_minor: self.amount_minor,
            currency: self.currency.clone(),
            day: day_number(self.day),
            reference: Some(self.reference().to_owned()),
            second_reference: self.our_reference(),
            batch,
            account: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_from_1970() {
        assert_eq!(day_number(NaiveDate::from_ymd_opt(1970, 3, 1).expect("a day")), 59);
    }
}
