//! What an entry does to an account: the only way an account changes.

use super::account::{Account, DaySpend, Hold};
use super::funds;
use contracts::entry::{Entry, EntryKind, Funds};
use contracts::wallet::AccountState;
use ids::{HoldId, RequestId};
use money::Coins;

/// Why an entry cannot follow the account's state: the log was tampered with, or a row is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    #[error("the balances after the entry of {0} are not the balances before it and its change")]
    BalanceBroken(RequestId),
    #[error("the entry of {0} ends a hold that is not there, or places one that is")]
    HoldBroken(RequestId),
}

/// Moves an account over one entry. Checks the entry against the state first: on an error nothing changed.
///
/// # Errors
/// [`ApplyError`] when the entry does not follow from this state.
pub fn apply(account: &mut Account, entry: &Entry) -> Result<(), ApplyError> {
    let available = funds::moved(account.available, entry.available).ok();
    let held = funds::moved(account.held, entry.held).ok();
    if available != Some(entry.after) || held != Some(entry.held_after) {
        return Err(ApplyError::BalanceBroken(entry.request_id));
    }
    if entry.is_accepted() {
        apply_holds(account, entry)?;
        apply_state(account, entry);
        apply_spend(account, entry);
    }
    account.available = entry.after;
    account.held = entry.held_after;
    account.as_of_seq = account.as_of_seq.max(entry.stamp.seq);
    Ok(())
}

fn apply_holds(account: &mut Account, entry: &Entry) -> Result<(), ApplyError> {
    let broken = ApplyError::HoldBroken(entry.request_id);
    match entry.kind {
        EntryKind::HoldPlace => {
            let expires_at_ms = entry.expires_at_ms.ok_or(broken)?;
            let coins = |delta: i64| Coins::try_new(delta).map_err(|_| broken);
            let held = Funds {
                paid_coins: coins(entry.held.paid_coins)?,
                promo_coins: coins(entry.held.promo_coins)?,
            };
            let hold_id = HoldId::from_uuid(entry.request_id.uuid());
            let before = account.holds.insert(hold_id, Hold { funds: held, expires_at_ms });
            if before.is_some() { Err(broken) } else { Ok(()) }
        }
        EntryKind::HoldCapture | EntryKind::HoldRelease | EntryKind::HoldExpire => {
            let hold_id = HoldId::from_uuid(entry.origin_id.ok_or(broken)?);
            account.holds.remove(&hold_id).map(|_| ()).ok_or(broken)
        }
        EntryKind::Recharge
        | EntryKind::Bonus
        | EntryKind::Compensation
        | EntryKind::Debit
        | EntryKind::Refund
        | EntryKind::Withdraw
        | EntryKind::Expire
        | EntryKind::Freeze
        | EntryKind::Unfreeze => Ok(()),
    }
}

fn apply_state(account: &mut Account, entry: &Entry) {
    match entry.kind {
        EntryKind::Freeze => account.state = AccountState::Frozen,
        EntryKind::Unfreeze => account.state = AccountState::Open,
        EntryKind::Recharge
        | EntryKind::Bonus
        | EntryKind::Compensation
        | EntryKind::Debit
        | EntryKind::HoldPlace
        | EntryKind::HoldCapture
        | EntryKind::HoldRelease
        | EntryKind::HoldExpire
        | EntryKind::Refund
        | EntryKind::Withdraw
        | EntryKind::Expire => {}
    }
}

/// A refund does not give the day's limit back: the limit bounds how much changes hands in a day.
fn apply_spend(account: &mut Account, entry: &Entry) {
    if entry.kind.is_spend() {
        let day = entry.stamp.day;
        let coins = account.spend.on(day).saturating_add(funds::total(entry.spent()));
        account.spend = DaySpend { day: Some(day), coins };
    }
}
