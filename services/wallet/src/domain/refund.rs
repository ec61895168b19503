//! Coins go back: of an order to the viewer, of a recharge to the payment channel.

use super::funds;
use super::step::{Change, Draft, bad};
use contracts::entry::{Entry, EntryKind, Funds, FundsDelta, Outcome};
use contracts::wallet::{Act, Command, RefundAmount, WalletError};
use ids::{OrderId, PaymentId, RequestId, ViewerId, id_time};
use money::Coins;

/// What an accepted entry was, as later commands refer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginKind {
    /// A debit or a capture: an order.
    Spend,
    Recharge,
    Hold,
    /// Something nothing refers to.
    Other,
}

impl OriginKind {
    pub fn of(kind: EntryKind) -> OriginKind {
        match kind {
            EntryKind::Debit | EntryKind::HoldCapture => OriginKind::Spend,
            EntryKind::Recharge => OriginKind::Recharge,
            EntryKind::HoldPlace => OriginKind::Hold,
            EntryKind::Bonus
            | EntryKind::Compensation
            | EntryKind::HoldRelease
            | EntryKind::HoldExpire
            | EntryKind::Refund
            | EntryKind::Withdraw
            | EntryKind::Expire
            | EntryKind::Freeze
            | EntryKind::Unfreeze => OriginKind::Other,
        }
    }
}

/// The accepted entry a command refers to, and what has gone back of it so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub account_id: ViewerId,
    pub kind: OriginKind,
    /// Spent by an order, or credited by a recharge.
    pub funds: Funds,
    /// Refunded of the order; or asked back of the recharge, shortfalls included.
    pub returned: Funds,
}

impl Origin {
    /// The origin that an accepted entry becomes; `None` for a refusal.
    pub fn of(entry: &Entry) -> Option<Origin> {
        if !entry.is_accepted() {
            return None;
        }
        let kind = OriginKind::of(entry.kind);
        let funds = match kind {
            OriginKind::Spend => entry.spent(),
            OriginKind::Recharge => funds::moved(Funds::default(), entry.available).ok()?,
            OriginKind::Hold | OriginKind::Other => Funds::default(),
        };
        Some(Origin { account_id: entry.account_id, kind, funds, returned: Funds::default() })
    }

    /// Counts an accepted refund or withdrawal of this origin.
    ///
    /// # Errors
    /// What was returned no longer fits its type: the log contradicts itself.
    pub fn count(&mut self, entry: &Entry) -> Result<(), money::MoneyError> {
        let returned = FundsDelta {
            paid_coins: entry.available.paid_coins.saturating_abs() + entry.shortfall_coins.get(),
            promo_coins: entry.available.promo_coins.saturating_abs(),
        };
        self.returned = funds::moved(self.returned, returned)?;
        Ok(())
    }

    /// Whether refunds (or else withdrawals) count against this origin.
    pub fn is_returned_by(&self, kind: EntryKind) -> bool {
        match self.kind {
            OriginKind::Spend => kind == EntryKind::Refund,
            OriginKind::Recharge => kind == EntryKind::Withdraw,
            OriginKind::Hold | OriginKind::Other => false,
        }
    }

    pub(super) fn is_hold_of(&self, account_id: ViewerId) -> bool {
        self.kind == OriginKind::Hold && self.account_id == account_id
    }

    /// What has not gone back yet.
    fn left(&self) -> Funds {
        funds::minus(self.funds, self.returned).unwrap_or_default()
    }
}

/// The request id of the entry a command refers to, if it refers to one that an account may not hold.
pub fn origin_request(command: &Command) -> Option<RequestId> {
    match &command.act {
        Act::Refund { order_id, .. } => Some(order_id.debit_request()),
        Act::Withdraw { payment_id, .. } => Some(payment_id.wallet_request()),
        Act::HoldCapture { hold_id, .. } | Act::HoldRelease { hold_id } => {
            Some(RequestId::from_uuid(hold_id.uuid()))
        }
        Act::Recharge { .. }
        | Act::Bonus { .. }
        | Act::Compensation { .. }
        | Act::Debit { .. }
        | Act::HoldPlace { .. }
        | Act::Expire { .. }
        | Act::Freeze
        | Act::Unfreeze => None,
    }
}

/// Gives back coins of one order, to the funds they came from. Of a part, paid coins come back first and
/// promotional ones last: the viewer's own money before the platform's present.
pub(super) fn refund(
    draft: Draft<'_>,
    order_id: OrderId,
    amount: RefundAmount,
) -> Result<Entry, WalletError> {
    const KIND: EntryKind = EntryKind::Refund;
    if amount == RefundAmount::Coins(Coins::ZERO) {
        return Err(bad("a refund of no coins".to_owned()));
    }
    check_not_before(&draft, order_id.debit_request())?;
    let draft = draft.of_origin(order_id.uuid());
    let origin = match draft.context.origin {
        Some(origin) if origin.kind == OriginKind::Spend && origin.account_id == draft.account_id => origin,
        _ => return Ok(draft.refuse(KIND, Outcome::NoSuchOrigin)),
    };
    let left = origin.left();
    let back = match amount {
        RefundAmount::AllLeft => (funds::total(left) > 0).then_some(left),
        RefundAmount::Coins(coins) => funds::take_paid_first(left, coins),
    };
    Ok(match back {
        None => draft.refuse(KIND, Outcome::OverRefund),
        Some(back) => draft.accept(KIND, Change { available: funds::gain(back), ..Change::default() }),
    })
}

/// Takes back unspent paid coins of one recharge, because the payment channel gave the money back. What is
/// not there becomes a shortfall. Frozen accounts are no exception: the money is already gone.
pub(super) fn withdraw(draft: Draft<'_>, payment_id: PaymentId, coins: Coins) -> Result<Entry, WalletError> {
    const KIND: EntryKind = EntryKind::Withdraw;
    if coins.is_zero() {
        return Err(bad("a withdrawal of no coins".to_owned()));
    }
    let draft = draft.of_origin(payment_id.uuid());
    let origin = match draft.context.origin {
        Some(origin) if origin.kind == OriginKind::Recharge && origin.account_id == draft.account_id => {
            origin
        }
        _ => return Ok(draft.refuse(KIND, Outcome::NoSuchOrigin)),
    };
    if coins > origin.left().paid_coins {
        return Ok(draft.refuse(KIND, Outcome::OverRefund));
    }
    let taken = draft.account.available.paid_coins.min(coins);
    let change = Change {
        available: FundsDelta { paid_coins: -taken.get(), promo_coins: 0 },
        shortfall_coins: coins.checked_sub(taken).unwrap_or_default(),
        ..Change::default()
    };
    Ok(draft.accept(KIND, change))
}

/// Milliseconds by which an id may be older than what it refers to: clocks differ.
const BEFORE_MAX_MS: i64 = 24 * 3_600 * 1_000;

/// What went back of an order is looked up from the day before the order on; an older id would hide there.
fn check_not_before(draft: &Draft<'_>, origin: RequestId) -> Result<(), WalletError> {
    let id_ms = id_time(draft.request_id.uuid()).unix_ms;
    if id_ms < id_time(origin.uuid()).unix_ms.saturating_sub(BEFORE_MAX_MS) {
        return Err(bad("the request id is older than what it refers to".to_owned()));
    }
    Ok(())
}
