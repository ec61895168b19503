//! What can be done about a break, and what fits which kind.

use super::break_kind::BreakKind;
use super::canonical::{Hash, hash_of};
use super::receivable::ReceivableEnd;
use contracts::entry::Funds;
use ids::{BreakId, OrderId, Uuid, ViewerId};
use money::Coins;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Lines one adjusting voucher may have.
pub const VOUCHER_LINES_MAX: usize = 100;

/// One line of an adjusting voucher: a debit or a credit of one account, in millionths of a minor unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoucherLine {
    pub account: String,
    pub debit_micro: i64,
    pub credit_micro: i64,
}

/// What is to be done, by whose command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// The wallet gives coins to make good.
    GrantCoins { viewer_id: ViewerId, funds: Funds },
    /// The wallet gives back all that is left of an order. Once, whoever else asks for it.
    RefundOrder {
        order_id: OrderId,
        /// Whose order it is. Recon fills it in from the order's row.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        viewer_id: Option<ViewerId>,
    },
    /// Settlement makes the item of a delivered order, or of its refund, that it has not.
    Resettle {
        order_id: OrderId,
        /// The order's row of `gift.orders`. Recon fills it in from the break.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order_seq: Option<i64>,
    },
    /// Clearing posts a balanced voucher.
    AdjustVoucher { lines: Vec<VoucherLine> },
    /// Clearing takes what a viewer owes off the books; after a won dispute the wallet gives the coins back that were
    /// taken.
    SettleReceivable {
        end: ReceivableEnd,
        /// Recon fills in whose it is, the voucher, and the coins to give back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        viewer_id: Option<ViewerId>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lines: Vec<VoucherLine>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        coins: Option<Coins>,
    },
    /// The difference is accepted, and clearing posts what it is worth to gain or loss. `coins` repeats what the break
    /// says.
    WriteOff {
        coins: Coins,
        /// Recon fills in the voucher; it has no line where no account holds anything of the difference.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lines: Vec<VoucherLine>,
    },
    /// Nothing for so many days.
    Wait { days: u16 },
}

/// The kinds of action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    GrantCoins,
    RefundOrder,
    Resettle,
    AdjustVoucher,
    SettleReceivable,
    WriteOff,
    Wait,
}

impl ActionKind {
    /// The name on the wire and in the column `action`.
    pub const fn as_str(self) -> &'static str {
        match self {
            ActionKind::GrantCoins => "grant_coins",
            ActionKind::RefundOrder => "refund_order",
            ActionKind::Resettle => "resettle",
            ActionKind::AdjustVoucher => "adjust_voucher",
            ActionKind::SettleReceivable => "settle_receivable",
            ActionKind::WriteOff => "write_off",
            ActionKind::Wait => "wait",
        }
    }

    /// Whether a command of another service always does it. Writing off is one only where it posts a voucher.
    pub const fn is_command(self) -> bool {
        match self {
            ActionKind::GrantCoins
            | ActionKind::RefundOrder
            | ActionKind::Resettle
            | ActionKind::AdjustVoucher
            | ActionKind::SettleReceivable => true,
            ActionKind::WriteOff | ActionKind::Wait => false,
        }
    }
}

/// Who agreed on an action, and on which break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    pub break_id: BreakId,
    pub kind: BreakKind,
    pub maker_id: Uuid,
    /// `None` where a healing rule stands for the checker.
    pub checker_id: Option<Uuid>,
    pub reason: String,
}

/// What people may propose at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub write_off_coins_max: i64,
    pub grant_coins_max: i64,
    pub wait_days_max: u16,
}

/// Why an action cannot be proposed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionRefused {
    #[error("at most {max} coins are written off; this break is about {coins}")]
    WriteOffTooLarge { coins: i64, max: i64 },
    #[error("the break is about {of_break} coins, and the write-off says {coins}")]
    WriteOffDiffers { coins: i64, of_break: i64 },
    #[error("from 1 to {max} coins are granted at once")]
    GrantOutOfRange { max: i64 },
    #[error("from 1 to {max} days can be waited")]
    WaitOutOfRange { max: u16 },
    #[error("the voucher's lines do not balance, or there are none or more than {VOUCHER_LINES_MAX}")]
    VoucherUnbalanced,
    #[error("{} does nothing for a break that is a {}", action.as_str(), kind.as_str())]
    DoesNotFit { action: ActionKind, kind: BreakKind },
    #[error("the order is not the break's own")]
    OtherOrder,
    #[error("a fund bill is evidence only: {} would post what the channel's own break posts", action.as_str())]
    EvidenceOnly { action: ActionKind },
}

/// What an action is measured against.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub kind: BreakKind,
    /// The two logs compared, or the scope and channel of a bill.
    pub logs: &'a str,
    pub coins: i64,
    pub order_id: Option<OrderId>,
}

impl Action {
    pub const fn kind(&self) -> ActionKind {
        match self {
            Action::GrantCoins { .. } => ActionKind::GrantCoins,
            Action::RefundOrder { .. } => ActionKind::RefundOrder,
            Action::Resettle { .. } => ActionKind::Resettle,
            Action::AdjustVoucher { .. } => ActionKind::AdjustVoucher,
            Action::SettleReceivable { .. } => ActionKind::SettleReceivable,
            Action::WriteOff { .. } => ActionKind::WriteOff,
            Action::Wait { .. } => ActionKind::Wait,
        }
    }

    /// Checks what can be said without asking anybody.
    ///
    /// # Errors
    /// [`ActionRefused`].
    pub fn check(&self, subject: Subject<'_>, limits: Limits) -> Result<(), ActionRefused> {
        if is_of_funds(subject.logs) && self.kind().is_command() {
            return Err(ActionRefused::EvidenceOnly { action: self.kind() });
        }
        match self {
            Action::GrantCoins { funds, .. } => {
                let max = limits.grant_coins_max;
                let coins = funds.paid_coins.get().saturating_add(funds.promo_coins.get());
                let fits = (1..=max).contains(&coins);
                fits.then_some(()).ok_or(ActionRefused::GrantOutOfRange { max })
            }
            Action::RefundOrder { order_id, .. } | Action::Resettle { order_id, .. } => {
                if subject.order_id != Some(*order_id) {
                    return Err(ActionRefused::OtherOrder);
                }
                let (action, kind) = (self.kind(), subject.kind);
                let fits = match action {
                    // Coins that the order says came back, and the wallet never gave. A refund of an order that
                    // gift does not know would only be put aside there.
                    ActionKind::RefundOrder => kind == BreakKind::ExtraReturn,
                    _ => matches!(kind, BreakKind::MissingItem | BreakKind::MissingReversal),
                };
                fits.then_some(()).ok_or(ActionRefused::DoesNotFit { action, kind })
            }
            Action::AdjustVoucher { lines } => {
                is_balanced(lines).then_some(()).ok_or(ActionRefused::VoucherUnbalanced)
            }
            Action::SettleReceivable { end, .. } => {
                let (action, kind) = (self.kind(), subject.kind);
                if kind != BreakKind::ViewerOwes {
                    return Err(ActionRefused::DoesNotFit { action, kind });
                }
                let max = limits.write_off_coins_max;
                if *end == ReceivableEnd::WrittenOff && subject.coins > max {
                    return Err(ActionRefused::WriteOffTooLarge { coins: subject.coins, max });
                }
                Ok(())
            }
            // What a viewer owes stands in the books: only a voucher takes it off.
            Action::WriteOff { .. } if subject.kind == BreakKind::ViewerOwes => {
                Err(ActionRefused::DoesNotFit { action: self.kind(), kind: subject.kind })
            }
            Action::WriteOff { coins, .. } => {
                let (coins, max) = (coins.get(), limits.write_off_coins_max);
                if subject.coins > max {
                    return Err(ActionRefused::WriteOffTooLarge { coins: subject.coins, max });
                }
                let differs = ActionRefused::WriteOffDiffers { coins, of_break: subject.coins };
                (coins == subject.coins).then_some(()).ok_or(differs)
            }
            Action::Wait { days } => {
                let max = limits.wait_days_max;
                (1..=max).contains(days).then_some(()).ok_or(ActionRefused::WaitOutOfRange { max })
            }
        }
    }
}

/// Whether a break is about a fund bill. It is evidence: what the channel's trades and the bank show is what is posted,
/// and posting a second time for the same payment would be money twice.
pub fn is_of_funds(logs: &str) -> bool {
    logs.starts_with("funds.")
}

fn is_balanced(lines: &[VoucherLine]) -> bool {
    let one_sided = |line: &VoucherLine| {
        (line.debit_micro > 0 && line.credit_micro == 0) || (line.debit_micro == 0 && line.credit_micro > 0)
    };
    let sum =
        lines.iter().map(|line| i128::from(line.debit_micro) - i128::from(line.credit_micro)).sum::<i128>();
    (2..=VOUCHER_LINES_MAX).contains(&lines.len()) && lines.iter().all(one_sided) && sum == 0
}

/// What a checker binds the decision to: everything that was proposed.
pub fn proposal_digest(
    (proposal_id, break_id, maker_id): (Uuid, BreakId, Uuid),
    parameters: &serde_json::Value,
    reason: &str,
) -> Hash {
    let said = serde_json::json!({
        "proposal_id": proposal_id, "break_id": break_id, "maker_id": maker_id, "parameters": parameters,
        "reason": reason,
    });
    hash_of(b"proposal", &said)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { write_off_coins_max: 100, grant_coins_max: 50, wait_days_max: 3 };

    fn check(action: &Action, kind: BreakKind, coins: i64) -> Result<(), ActionRefused> {
        action.check(Subject { kind, logs: "x", coins, order_id: None }, LIMITS)
    }

    fn coins(coins: i64) -> Coins {
        Coins::try_new(coins).expect("in range")
    }

    #[test]
    fn a_write_off_is_the_whole_difference_and_under_its_limit() {
        let off = |said: i64, of_break| {
            check(&Action::WriteOff { coins: coins(said), lines: vec![] }, BreakKind::ExtraItem, of_break)
        };
        assert_eq!(off(100, 100), Ok(()));
        assert_eq!(off(101, 101), Err(ActionRefused::WriteOffTooLarge { coins: 101, max: 100 }));
        assert_eq!(off(1, 101), Err(ActionRefused::WriteOffTooLarge { coins: 101, max: 100 }));
        assert_eq!(off(99, 100), Err(ActionRefused::WriteOffDiffers { coins: 99, of_break: 100 }));
    }

    #[test]
    fn grants_and_waits_have_limits_and_vouchers_balance() {
        let grant = |said| {
            let funds = Funds { paid_coins: coins(said), promo_coins: Coins::ZERO };
            Action::GrantCoins { viewer_id: ViewerId::now(), funds }
        };
        assert_eq!(check(&grant(50), BreakKind::MissingOrder, 1), Ok(()));
        for bad in [0, 51] {
            let refused = Err(ActionRefused::GrantOutOfRange { max: 50 });
            assert_eq!(check(&grant(bad), BreakKind::MissingOrder, 1), refused);
        }
        for (days, fits) in [(0, false), (1, true), (3, true), (4, false)] {
            assert_eq!(check(&Action::Wait { days }, BreakKind::MissingItem, 1).is_ok(), fits);
        }
        let line =
            |debit_micro, credit_micro| VoucherLine { account: "1002".into(), debit_micro, credit_micro };
        let adjust = |lines: &[VoucherLine]| {
            check(&Action::AdjustVoucher { lines: lines.to_vec() }, BreakKind::MissingVoucher, 1)
        };
        assert_eq!(adjust(&[line(5, 0), line(0, 2), line(0, 3)]), Ok(()));
        for bad in [&[line(5, 0), line(0, 4)][..], &[], &[line(5, 5), line(1, 0), line(0, 1)]] {
            assert_eq!(adjust(bad), Err(ActionRefused::VoucherUnbalanced), "{bad:?}");
        }
    }

    #[test]
    fn a_refund_fits_only_what_the_order_says_came_back() {
        let order_id = OrderId::now();
        let refund = Action::RefundOrder { order_id, viewer_id: None };
        let of = |kind, order_id| refund.check(Subject { kind, logs: "x", coins: 5, order_id }, LIMITS);
        assert_eq!(of(BreakKind::ExtraReturn, Some(order_id)), Ok(()));
        assert_eq!(of(BreakKind::ExtraReturn, Some(OrderId::now())), Err(ActionRefused::OtherOrder));
        let kind = BreakKind::MissingOrder;
        let refused = ActionRefused::DoesNotFit { action: ActionKind::RefundOrder, kind };
        assert_eq!(of(kind, Some(order_id)), Err(refused), "gift would put it aside");
    }

    #[test]
    fn resettling_fits_only_a_missing_item_of_the_breaks_own_order() {
        let order_id = OrderId::now();
        let again = Action::Resettle { order_id, order_seq: None };
        let of = |kind, order_id| again.check(Subject { kind, logs: "x", coins: 5, order_id }, LIMITS);
        assert_eq!(of(BreakKind::MissingItem, Some(order_id)), Ok(()));
        assert_eq!(of(BreakKind::MissingReversal, Some(order_id)), Ok(()));
        assert_eq!(of(BreakKind::MissingItem, Some(OrderId::now())), Err(ActionRefused::OtherOrder));
        let kind = BreakKind::ExtraItem;
        let refused = ActionRefused::DoesNotFit { action: ActionKind::Resettle, kind };
        assert_eq!(of(kind, Some(order_id)), Err(refused));
    }

    #[test]
    fn what_a_viewer_owes_leaves_the_books_by_its_own_action_and_is_written_off_under_the_limit() {
        let end = |end| Action::SettleReceivable { end, viewer_id: None, lines: vec![], coins: None };
        let owes = BreakKind::ViewerOwes;
        assert_eq!(check(&end(ReceivableEnd::Paid), owes, 5_000), Ok(()));
        assert_eq!(check(&end(ReceivableEnd::DisputeWon), owes, 5_000), Ok(()));
        assert_eq!(check(&end(ReceivableEnd::WrittenOff), owes, 100), Ok(()));
        let large = Err(ActionRefused::WriteOffTooLarge { coins: 101, max: 100 });
        assert_eq!(check(&end(ReceivableEnd::WrittenOff), owes, 101), large);
        let kind = BreakKind::ShortMoney;
        let refused = ActionRefused::DoesNotFit { action: ActionKind::SettleReceivable, kind };
        assert_eq!(check(&end(ReceivableEnd::Paid), kind, 5), Err(refused));
        let refused = ActionRefused::DoesNotFit { action: ActionKind::WriteOff, kind: owes };
        assert_eq!(
            check(&Action::WriteOff { coins: coins(5), lines: vec![] }, owes, 5),
            Err(refused),
            "1221 would keep it"
        );
    }

    #[test]
    fn the_digest_covers_everything_that_is_proposed() {
        let (proposal, found, maker) =
            (Uuid::from_u128(1), BreakId::from_uuid(Uuid::from_u128(2)), Uuid::from_u128(3));
        let (of, off) = ((proposal, found, maker), serde_json::json!({"action": "write_off", "coins": 5}));
        let digest = proposal_digest(of, &off, "small");
        assert_eq!(digest, proposal_digest(of, &off, "small"));
        let more = serde_json::json!({"action": "write_off", "coins": 6});
        assert_ne!(digest, proposal_digest(of, &more, "small"));
        assert_ne!(digest, proposal_digest(of, &off, "smal"));
        assert_ne!(digest, proposal_digest((proposal, found, proposal), &off, "small"));
    }
}
