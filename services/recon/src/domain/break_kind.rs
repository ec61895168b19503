//! What kinds of difference there are.

use contracts::digest::FactKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A kind of difference, as finance filters by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakKind {
    /// Coins were spent and there is no order.
    MissingOrder,
    /// There is an order and no coins were spent.
    ExtraOrder,
    DuplicateOrder,
    /// Coins came back and the order does not say so.
    MissingReturn,
    ExtraReturn,
    DuplicateReturn,
    /// An order was delivered and not settled.
    MissingItem,
    ExtraItem,
    DuplicateItem,
    /// A delivered order was refunded and its item not reversed.
    MissingReversal,
    ExtraReversal,
    DuplicateReversal,
    /// Both logs have it, with different coins.
    AmountMismatch,
    /// The rows agree now, and what was read of them before does not: a row changed after the fact.
    DigestMismatch,
    /// Rows that move money are in no voucher.
    MissingVoucher,
    ExtraVoucher,
    /// A voucher's count or coins differ from the rows of its range.
    VoucherMismatch,
    /// Two vouchers of a rule cover the same rows.
    VoucherOverlap,
    /// A log's rows are numbered without gaps, and some are not there any more.
    MissingRow,
    /// Two logs agree on the coins and not on whose they are or what they were for.
    RowMismatch,
    /// An entry does not follow from the one before it of its account, or a day does not open as the last one closed.
    BalanceMismatch,
    /// A channel's payment is not what it was when the daily run first read it.
    PaymentChanged,
    /// Money came or went, and no coins did.
    MissingCredit,
    /// Coins came or went as if money had.
    ExtraCredit,
    /// A control account is not its sub-ledger.
    ControlMismatch,
    /// A channel took or gave money on a day, and its bill of that day is not here; or the statement of a bank that sends
    /// one for every day is not.
    MissingBill,
    /// The channel has it and we do not: money above the books.
    LongMoney,
    /// We have it and the channel does not: money below the books.
    ShortMoney,
    /// The channel gave money back for a payment, and we know of no refund.
    UnknownRefund,
    /// Ours and the channel's have one reference, and different amounts; or two files of a channel state different fees.
    BillAmountMismatch,
    /// The channel tells one movement more than once.
    DuplicateBillRow,
    /// More than one match is possible, so none was taken.
    AmbiguousMatch,
    /// A payout counts as paid, and no statement of the bank shows it.
    UnpaidPayout,
    /// Money left by the bank, and no payout of ours that was paid says so.
    UnknownPayout,
    /// A viewer had spent coins whose money was taken back, and owes them.
    ViewerOwes,
    /// A closed day does not hold what it was closed with: its vouchers or its balances were changed behind the program.
    ClosedDayChanged,
}

/// How one side differs from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// Only the log before has it.
    Missing,
    /// Only the log after has it.
    Extra,
    /// The log after has it once more.
    Duplicate,
    Amount,
}

impl BreakKind {
    /// Whether something was changed, or taken away, after it was written: nothing of ours does that.
    pub const fn is_tampering(self) -> bool {
        matches!(
            self,
            BreakKind::DigestMismatch
                | BreakKind::MissingRow
                | BreakKind::PaymentChanged
                | BreakKind::ClosedDayChanged
        )
    }

    /// Whether our own logs and the world outside differ, and not two of our own.
    pub const fn is_of_money_outside(self) -> bool {
        matches!(
            self,
            BreakKind::LongMoney
                | BreakKind::ShortMoney
                | BreakKind::UnknownRefund
                | BreakKind::UnknownPayout
                | BreakKind::BillAmountMismatch
        )
    }

    /// The kind of a difference in facts of a kind.
    pub const fn of(fact: FactKind, difference: Difference) -> BreakKind {
        match (fact, difference) {
            (
                FactKind::Spent | FactKind::Returned | FactKind::Settled | FactKind::Reversed,
                Difference::Amount,
            ) => BreakKind::AmountMismatch,
            (FactKind::Spent, Difference::Missing) => BreakKind::MissingOrder,
            (FactKind::Spent, Difference::Extra) => BreakKind::ExtraOrder,
            (FactKind::Spent, Difference::Duplicate) => BreakKind::DuplicateOrder,
            (FactKind::Returned, Difference::Missing) => BreakKind::MissingReturn,
            (FactKind::Returned, Difference::Extra) => BreakKind::ExtraReturn,
            (FactKind::Returned, Difference::Duplicate) => BreakKind::DuplicateReturn,
            (FactKind::Settled, Difference::Missing) => BreakKind::MissingItem,
            (FactKind::Settled, Difference::Extra) => BreakKind::ExtraItem,
            (FactKind::Settled, Difference::Duplicate) => BreakKind::DuplicateItem,
            (FactKind::Reversed, Difference::Missing) => BreakKind::MissingReversal,
            (FactKind::Reversed, Difference::Extra) => BreakKind::ExtraReversal,
            (FactKind::Reversed, Difference::Duplicate) => BreakKind::DuplicateReversal,
        }
    }

    /// The name on the wire and in the column `kind`.
    pub const fn as_str(self) -> &'static str {
        match self {
            BreakKind::MissingOrder => "missing_order",
            BreakKind::ExtraOrder => "extra_order",
            BreakKind::DuplicateOrder => "duplicate_order",
            BreakKind::MissingReturn => "missing_return",
            BreakKind::ExtraReturn => "extra_return",
            BreakKind::DuplicateReturn => "duplicate_return",
            BreakKind::MissingItem => "missing_item",
            BreakKind::ExtraItem => "extra_item",
            BreakKind::DuplicateItem => "duplicate_item",
            BreakKind::MissingReversal => "missing_reversal",
            BreakKind::ExtraReversal => "extra_reversal",
            BreakKind::DuplicateReversal => "duplicate_reversal",
            BreakKind::AmountMismatch => "amount_mismatch",
            BreakKind::DigestMismatch => "digest_mismatch",
            BreakKind::MissingVoucher => "missing_voucher",
            BreakKind::ExtraVoucher => "extra_voucher",
            BreakKind::VoucherMismatch => "voucher_mismatch",
            BreakKind::VoucherOverlap => "voucher_overlap",
            BreakKind::MissingRow => "missing_row",
            BreakKind::RowMismatch => "row_mismatch",
            BreakKind::BalanceMismatch => "balance_mismatch",
            BreakKind::PaymentChanged => "payment_changed",
            BreakKind::MissingCredit => "missing_credit",
            BreakKind::ExtraCredit => "extra_credit",
            BreakKind::ControlMismatch => "control_mismatch",
            BreakKind::MissingBill => "missing_bill",
            BreakKind::LongMoney => "long_money",
            BreakKind::ShortMoney => "short_money",
            BreakKind::UnknownRefund => "unknown_refund",
            BreakKind::BillAmountMismatch => "bill_amount_mismatch",
            BreakKind::DuplicateBillRow => "duplicate_bill_row",
            BreakKind::AmbiguousMatch => "ambiguous_match",
            BreakKind::UnpaidPayout => "unpaid_payout",
            BreakKind::UnknownPayout => "unknown_payout",
            BreakKind::ViewerOwes => "viewer_owes",
            BreakKind::ClosedDayChanged => "closed_day_changed",
        }
    }
}
