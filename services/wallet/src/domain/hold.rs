//! Coins set aside: placed, then captured, released or expired, exactly one of the three.

use super::account::Account;
use super::act;
use super::funds;
use super::step::{Change, Draft, StepContext, bad};
use contracts::entry::{Entry, EntryKind, GiftSend, Outcome};
use contracts::wallet::{AccountState, WalletError};
use ids::{HoldId, RequestId, ViewerId, derive_id, partition_of};
use money::Coins;
use std::sync::Arc;

/// Sets coins aside, promotional first. The hold's id is the request's id.
pub(super) fn place(draft: Draft<'_>, coins: Coins, expires_at_ms: i64) -> Result<Entry, WalletError> {
    let lasts_ms = expires_at_ms.saturating_sub(draft.context.now_ms());
    if coins.is_zero() {
        return Err(bad("a hold of no coins".to_owned()));
    }
    if !(1..=draft.context.rules.hold_age_max_ms).contains(&lasts_ms) {
        return Err(bad(format!("a hold lasts 1 to {} ms", draft.context.rules.hold_age_max_ms)));
    }
    let hold_id = draft.request_id.uuid();
    let draft = draft.of_origin(hold_id).until(expires_at_ms);
    if let Some(outcome) = act::refusal_to_spend(&draft, coins) {
        return Ok(draft.refuse(EntryKind::HoldPlace, outcome));
    }
    Ok(match funds::take_promo_first(draft.account.available, coins) {
        None => draft.refuse(EntryKind::HoldPlace, Outcome::NotEnoughCoins),
        Some(taken) => {
            let change =
                Change { available: funds::loss(taken), held: funds::gain(taken), ..Change::default() };
            draft.accept(EntryKind::HoldPlace, change)
        }
    })
}

/// Spends what is held, promotional first; the rest goes back. The day's limit was checked when the hold was
/// placed and counts the capture from now on.
pub(super) fn capture(
    draft: Draft<'_>,
    hold_id: HoldId,
    charge_coins: Coins,
    send: &Arc<GiftSend>,
) -> Result<Entry, WalletError> {
    const KIND: EntryKind = EntryKind::HoldCapture;
    act::check_charge(charge_coins, send)?;
    let draft = draft.of_origin(hold_id.uuid()).sending(send);
    let Some(hold) = draft.account.holds.get(&hold_id).copied() else {
        let outcome = outcome_of_no_hold(&draft);
        return Ok(draft.refuse(KIND, outcome));
    };
    if hold.expires_at_ms <= draft.context.now_ms() {
        return Ok(draft.refuse(KIND, Outcome::HoldEnded)); // The timer will give the coins back.
    }
    if draft.account.state == AccountState::Frozen {
        return Ok(draft.refuse(KIND, Outcome::Frozen));
    }
    let taken = funds::take_promo_first(hold.funds, charge_coins);
    let Some(rest) = taken.and_then(|taken| funds::minus(hold.funds, taken)) else {
        return Ok(draft.refuse(KIND, Outcome::NotEnoughCoins));
    };
    let change = Change { available: funds::gain(rest), held: funds::loss(hold.funds), ..Change::default() };
    Ok(draft.accept(KIND, change))
}

/// Gives back what is held. A hold past its time may still be released: the coins go the same way.
pub(super) fn release(draft: Draft<'_>, hold_id: HoldId) -> Result<Entry, WalletError> {
    let draft = draft.of_origin(hold_id.uuid());
    Ok(match draft.account.holds.get(&hold_id).copied() {
        Some(hold) => give_back(draft, EntryKind::HoldRelease, hold.funds),
        None => {
            let outcome = outcome_of_no_hold(&draft);
            draft.refuse(EntryKind::HoldRelease, outcome)
        }
    })
}

/// A hold that is not there has ended if it was ever placed; otherwise there is no such thing.
fn outcome_of_no_hold(draft: &Draft<'_>) -> Outcome {
    match draft.context.origin {
        Some(origin) if origin.is_hold_of(draft.account_id) => Outcome::HoldEnded,
        _ => Outcome::NoSuchOrigin,
    }
}

fn give_back(draft: Draft<'_>, kind: EntryKind, held: contracts::entry::Funds) -> Entry {
    let change = Change { available: funds::gain(held), held: funds::loss(held), ..Change::default() };
    draft.accept(kind, change)
}

/// The request id of a hold's expiry: one per hold, so that it expires once.
pub fn expire_request(account_id: ViewerId, hold_id: HoldId) -> RequestId {
    let partition = partition_of(account_id.uuid());
    RequestId::from_uuid(derive_id(hold_id.uuid(), "hold-expire", &[hold_id.uuid().as_bytes()], partition))
}

/// The entry that ends a hold past its time; `None` while it still runs, or when it ended otherwise.
pub fn expire_hold(
    account: &Account,
    context: &StepContext<'_>,
    account_id: ViewerId,
    hold_id: HoldId,
) -> Option<Entry> {
    let hold = account.holds.get(&hold_id)?;
    if hold.expires_at_ms > context.now_ms() {
        return None;
    }
    let ids = (account_id, expire_request(account_id, hold_id), 0);
    let draft = Draft::internal(account, context, ids).of_origin(hold_id.uuid());
    Some(give_back(draft, EntryKind::HoldExpire, hold.funds))
}
