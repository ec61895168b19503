//! What writing a break off takes off the books, or puts on them: the voucher that ends the difference.
//!
//! Inside our walls each pair of logs meets in a clearing account, and a row that the other side lacks stands there for
//! ever; outside, the channel's receivable or the bank is more, or less, than our books say. Which account stands for
//! what is stated here again, as for control accounts.

use super::action::{VoucherLine, is_of_funds};
use super::break_kind::BreakKind;
use contracts::digest::FactKind;
use money::MICROS_PER_MINOR;
use serde_json::Value;
use std::cmp::Ordering;

/// The bank that payouts leave and channels pay into.
const BANK: &str = "1002.01";
/// What channels owe us.
const CHANNELS: &str = "1122";
/// Gifts between wallet and settlement.
const GIFTS: &str = "2206";
/// Recharges between cashier and wallet.
const RECHARGES: &str = "2207";
/// Channels' refunds between wallet and cashier.
const REFUNDS: &str = "2242";
/// What is gained.
const GAIN: &str = "6301";
/// What is lost.
const LOSS: &str = "6711";

/// What of a break its write-off depends on.
#[derive(Clone, Copy, Debug)]
pub struct Difference<'a> {
    pub kind: BreakKind,
    /// The two logs compared, or the scope and channel of a bill.
    pub logs: &'a str,
    pub coins: i64,
    pub evidence: &'a Value,
    /// What one coin is worth on the break's day.
    pub micros_per_coin: i64,
}

/// The voucher's lines in millionths of a minor unit, empty where no account holds anything of the difference; `None`
/// where a write-off does not end it.
pub fn lines_of(of: Difference<'_>) -> Option<Vec<VoucherLine>> {
    // The channel's trades and the bank show the same money, and their breaks post it.
    if is_of_funds(of.logs) {
        return Some(Vec::new());
    }
    match of.kind {
        // More was credited to clearing than debited, so that we hold what nobody is owed.
        BreakKind::MissingOrder
        | BreakKind::MissingItem
        | BreakKind::ExtraReturn
        | BreakKind::DuplicateReturn
        | BreakKind::ExtraReversal
        | BreakKind::DuplicateReversal => gain(GIFTS, coins(of)?),
        BreakKind::ExtraOrder
        | BreakKind::DuplicateOrder
        | BreakKind::ExtraItem
        | BreakKind::DuplicateItem
        | BreakKind::MissingReturn
        | BreakKind::MissingReversal => loss(GIFTS, coins(of)?),
        BreakKind::AmountMismatch => gifts_differ(of),
        BreakKind::MissingCredit => credit_is_missing(of.evidence.get("ours")?),
        BreakKind::LongMoney if is_bank(of) => gain(BANK, money(of)?),
        BreakKind::LongMoney => gain(CHANNELS, money(of)?),
        BreakKind::ShortMoney | BreakKind::UnknownRefund => loss(CHANNELS, money(of)?),
        BreakKind::UnknownPayout => loss(BANK, money(of)?),
        BreakKind::BillAmountMismatch => bill_differs(of),
        // Rows changed, files and candidates: no account holds anything of them.
        BreakKind::DigestMismatch
        | BreakKind::MissingRow
        | BreakKind::RowMismatch
        | BreakKind::BalanceMismatch
        | BreakKind::PaymentChanged
        | BreakKind::MissingBill
        | BreakKind::DuplicateBillRow
        | BreakKind::AmbiguousMatch
        | BreakKind::ClosedDayChanged => Some(Vec::new()),
        // The books do not say what our own logs say: a repair does it. What a payee or viewer is owed or owes has its
        // own end. What coins without money are worth is not in the break.
        BreakKind::MissingVoucher
        | BreakKind::ExtraVoucher
        | BreakKind::VoucherMismatch
        | BreakKind::VoucherOverlap
        | BreakKind::ControlMismatch
        | BreakKind::ExtraCredit
        | BreakKind::UnpaidPayout
        | BreakKind::ViewerOwes => None,
    }
}

fn is_bank(of: Difference<'_>) -> bool {
    of.logs.starts_with("bank.")
}

fn coins(of: Difference<'_>) -> Option<i64> {
    of.coins.checked_mul(of.micros_per_coin)
}

fn micro_of(minor: i64) -> Option<i64> {
    minor.checked_mul(MICROS_PER_MINOR)
}

/// The money of the finding itself: its coins are rounded down.
fn money(of: Difference<'_>) -> Option<i64> {
    micro_of(of.evidence.get("amount_minor")?.as_i64()?)
}

/// Both logs have it, with other coins: more of what was spent or settled before than after is a gain; of what came
/// back, a loss.
fn gifts_differ(of: Difference<'_>) -> Option<Vec<VoucherLine>> {
    let fact: FactKind = serde_json::from_value(of.evidence.get("fact")?.clone()).ok()?;
    let of_side = |side: &str| {
        let said = of.evidence.get(side)?;
        said.get("paid_coins")?.as_i64()?.checked_add(said.get("promo_coins")?.as_i64()?)
    };
    let more = of_side("before")?.checked_sub(of_side("after")?)?;
    let more = match fact {
        FactKind::Spent | FactKind::Settled => more,
        FactKind::Returned | FactKind::Reversed => more.checked_neg()?,
    };
    signed((GIFTS, GIFTS), more.checked_mul(of.micros_per_coin)?)
}

/// Money came, or went back, and no coins did.
fn credit_is_missing(payment: &Value) -> Option<Vec<VoucherLine>> {
    let micro = micro_of(payment.get("amount_minor")?.as_i64()?)?;
    match payment.get("kind")?.as_str()? {
        "recharge" => gain(RECHARGES, micro),
        "channel_refund" => loss(REFUNDS, micro),
        _ => None,
    }
}

fn bill_differs(of: Difference<'_>) -> Option<Vec<VoucherLine>> {
    let first = |side: &str| of.evidence.get(side)?.get(0);
    let amount = |side: &str| first(side)?.get("amount_minor")?.as_i64();
    let more = amount("theirs")?.checked_sub(amount("ours")?)?;
    let is_payout = first("ours")?.get("payout").is_some_and(|payout| !payout.is_null());
    let accounts = match (is_payout, is_bank(of)) {
        (true, _) => (BANK, BANK),
        (false, true) => (BANK, CHANNELS),
        (false, false) => (CHANNELS, CHANNELS),
    };
    signed(accounts, micro_of(more)?)
}

/// A gain on the first account, or a loss on the second.
fn signed((more, less): (&str, &str), micro: i64) -> Option<Vec<VoucherLine>> {
    match micro.cmp(&0) {
        Ordering::Less => loss(less, micro.checked_neg()?),
        Ordering::Equal => Some(Vec::new()),
        Ordering::Greater => gain(more, micro),
    }
}

fn gain(account: &str, micro: i64) -> Option<Vec<VoucherLine>> {
    lines((account, GAIN), micro)
}

fn loss(account: &str, micro: i64) -> Option<Vec<VoucherLine>> {
    lines((LOSS, account), micro)
}

fn lines((debit, credit): (&str, &str), micro: i64) -> Option<Vec<VoucherLine>> {
    let line = |account: &str, (debit_micro, credit_micro): (i64, i64)| VoucherLine {
        account: account.to_owned(),
        debit_micro,
        credit_micro,
    };
    match micro.cmp(&0) {
        Ordering::Less => None,
        Ordering::Equal => Some(Vec::new()),
        Ordering::Greater => Some(vec![line(debit, (micro, 0)), line(credit, (0, micro))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(kind: BreakKind, logs: &str, evidence: &Value) -> Option<Vec<(String, i64)>> {
        let of = Difference { kind, logs, coins: 70, evidence, micros_per_coin: 100_000 };
        let lines = lines_of(of)?;
        let net = lines.into_iter().map(|line| (line.account, line.debit_micro - line.credit_micro));
        let net: Vec<(String, i64)> = net.collect();
        assert_eq!(net.iter().map(|(_, micro)| micro).sum::<i64>(), 0, "{kind:?} {net:?}");
        Some(net)
    }

    fn voucher(debit: &str, credit: &str, micro: i64) -> Option<Vec<(String, i64)>> {
        Some(vec![(debit.to_owned(), micro), (credit.to_owned(), -micro)])
    }

    #[test]
    fn what_clearing_holds_is_taken_off_it_in_the_direction_of_the_pair() {
        let none = json!({});
        for kind in [BreakKind::MissingOrder, BreakKind::MissingItem, BreakKind::ExtraReturn] {
            assert_eq!(said(kind, "entries_orders", &none), voucher("2206", "6301", 7_000_000), "{kind:?}");
        }
        for kind in [BreakKind::ExtraOrder, BreakKind::ExtraItem, BreakKind::MissingReversal] {
            assert_eq!(said(kind, "entries_orders", &none), voucher("6711", "2206", 7_000_000), "{kind:?}");
        }
        let differs = |fact: &str, before: i64, after: i64| {
            let of = |coins: i64| json!({ "paid_coins": coins, "promo_coins": 1, "seq": 1 });
            json!({ "fact": fact, "before": of(before), "after": of(after) })
        };
        let of = |evidence: &Value| said(BreakKind::AmountMismatch, "orders_items", evidence);
        assert_eq!(of(&differs("settled", 9, 7)), voucher("2206", "6301", 200_000));
        assert_eq!(of(&differs("settled", 7, 9)), voucher("6711", "2206", 200_000));
        assert_eq!(of(&differs("reversed", 9, 7)), voucher("6711", "2206", 200_000));
        assert_eq!(of(&json!({ "ours": {}, "entry": {} })), None, "coins and money are not one amount");
    }

    #[test]
    fn money_outside_is_written_off_by_its_own_amount_and_not_by_rounded_coins() {
        let of = |kind, logs, amount: i64| said(kind, logs, &json!({ "amount_minor": amount }));
        let (short, long) = (BreakKind::ShortMoney, BreakKind::LongMoney);
        assert_eq!(of(short, "channel.sandbox", 3), voucher("6711", "1122", 3_000_000));
        assert_eq!(of(long, "channel.sandbox", 3), voucher("1122", "6301", 3_000_000));
        assert_eq!(of(long, "bank.sandbox", 3), voucher("1002.01", "6301", 3_000_000));
        assert_eq!(of(BreakKind::UnknownPayout, "bank.x", 3), voucher("6711", "1002.01", 3_000_000));
        let side = |amount: i64, payout: Value| json!([{ "amount_minor": amount, "payout": payout }]);
        let differs = |ours: i64, theirs: i64, payout: Value| json!({ "amount_minor": 1, "ours": side(ours, payout), "theirs": side(theirs, Value::Null) });
        let bill = BreakKind::BillAmountMismatch;
        let channel = |ours, theirs| said(bill, "channel.x", &differs(ours, theirs, Value::Null));
        assert_eq!(channel(10, 9), voucher("6711", "1122", 1_000_000));
        assert_eq!(channel(9, 10), voucher("1122", "6301", 1_000_000));
        assert_eq!(channel(9, 9), Some(vec![]), "the days differ, and the money does not");
        let payout = said(bill, "bank.x", &differs(-9, -10, json!("paid")));
        assert_eq!(payout, voucher("6711", "1002.01", 1_000_000), "the bank took more than we told it");
        let recharge = json!({ "ours": { "amount_minor": 2, "kind": "recharge" } });
        assert_eq!(said(BreakKind::MissingCredit, "p", &recharge), voucher("2207", "6301", 2_000_000));
        let refund = json!({ "ours": { "amount_minor": 2, "kind": "channel_refund" } });
        assert_eq!(said(BreakKind::MissingCredit, "p", &refund), voucher("6711", "2242", 2_000_000));
    }

    #[test]
    fn a_fund_bills_difference_is_accepted_without_a_voucher() {
        let said_so = json!({ "amount_minor": 3, "difference_minor": 3 });
        for kind in [BreakKind::ShortMoney, BreakKind::LongMoney, BreakKind::BillAmountMismatch] {
            assert_eq!(said(kind, "funds.sandbox", &said_so), Some(vec![]), "{kind:?}");
        }
    }

    #[test]
    fn what_no_account_holds_posts_nothing_and_what_has_its_own_end_is_not_written_off() {
        let none = json!({});
        for kind in [BreakKind::DigestMismatch, BreakKind::AmbiguousMatch, BreakKind::MissingBill] {
            assert_eq!(said(kind, "x", &none), Some(vec![]), "{kind:?}");
        }
        for kind in [BreakKind::MissingVoucher, BreakKind::ControlMismatch, BreakKind::UnpaidPayout] {
            assert_eq!(said(kind, "x", &none), None, "{kind:?}");
        }
        assert_eq!(said(BreakKind::ShortMoney, "x", &none), None, "the break does not say how much");
        let huge = json!({ "amount_minor": i64::MAX });
        assert_eq!(said(BreakKind::ShortMoney, "x", &huge), None, "it does not fit");
    }
}
