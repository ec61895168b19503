//! Credits, debits and the running out of promotional coins.

use super::funds;
use super::step::{Change, Draft, bad};
use contracts::catalogue::QUANTITY_MAX;
use contracts::entry::{Entry, EntryKind, Funds, FundsDelta, GiftSend, Outcome};
use contracts::wallet::{AccountState, Verdict, WalletError};
use money::Coins;
use std::sync::Arc;

/// The most revealed gifts one send may list.
const REVEALS_LEN_MAX: usize = 256;
/// The longest name of a gift node, in bytes.
const NODE_LEN_MAX: usize = 128;

/// Coins come in. Frozen accounts accept them: freezing stops spending, not receiving.
pub(super) fn credit(draft: Draft<'_>, kind: EntryKind, funds: Funds) -> Result<Entry, WalletError> {
    if funds::total(funds) == 0 {
        return Err(bad("a credit of no coins".to_owned()));
    }
    Ok(draft.accept(kind, Change { available: funds::gain(funds), ..Change::default() }))
}

/// A gift is paid for: promotional coins first, then paid.
pub(super) fn debit(
    draft: Draft<'_>,
    charge_coins: Coins,
    send: &Arc<GiftSend>,
    verdict: Verdict,
) -> Result<Entry, WalletError> {
    check_charge(charge_coins, send)?;
    let draft = draft.sending(send);
    let refused = match verdict {
        Verdict::RoomClosed => Some(Outcome::RoomClosed),
        Verdict::GiftOffShelf => Some(Outcome::GiftOffShelf),
        Verdict::Allow => refusal_to_spend(&draft, charge_coins),
    };
    if let Some(outcome) = refused {
        return Ok(draft.refuse(EntryKind::Debit, outcome));
    }
    Ok(match funds::take_promo_first(draft.account.available, charge_coins) {
        None => draft.refuse(EntryKind::Debit, Outcome::NotEnoughCoins),
        Some(taken) => {
            draft.accept(EntryKind::Debit, Change { available: funds::loss(taken), ..Change::default() })
        }
    })
}

/// Why an account may not spend `coins` now, its balance apart. Coins on hold count as spent until they are
/// released, so the captures of a day can never pass its limit.
pub(super) fn refusal_to_spend(draft: &Draft<'_>, coins: Coins) -> Option<Outcome> {
    let account = draft.account;
    if account.state == AccountState::Frozen {
        return Some(Outcome::Frozen);
    }
    let spent = account.spend.on(draft.context.stamp.day).saturating_add(funds::total(account.held));
    let limit = draft.context.rules.day_limit_coins.get();
    (spent.saturating_add(coins.get()) > limit).then_some(Outcome::OverDayLimit)
}

pub(super) fn check_charge(charge_coins: Coins, send: &GiftSend) -> Result<(), WalletError> {
    if charge_coins.is_zero() {
        return Err(bad("a charge of no coins".to_owned()));
    }
    if !(1..=QUANTITY_MAX).contains(&send.quantity) {
        return Err(bad(format!("a quantity is 1 to {QUANTITY_MAX}")));
    }
    if send.node.len() > NODE_LEN_MAX || send.node.contains('\0') {
        return Err(bad(format!("a node's name is at most {NODE_LEN_MAX} bytes, none of them zero")));
    }
    if send.reveals.len() > REVEALS_LEN_MAX {
        return Err(bad(format!("a send reveals at most {REVEALS_LEN_MAX} gifts")));
    }
    Ok(())
}

/// Promotional coins run out: at most what is there, and nothing is an answer too.
pub(super) fn expire(draft: Draft<'_>, coins: Coins) -> Result<Entry, WalletError> {
    if coins.is_zero() {
        return Err(bad("an expiry of no coins".to_owned()));
    }
    let gone = draft.account.available.promo_coins.min(coins);
    let available = FundsDelta { paid_coins: 0, promo_coins: -gone.get() };
    Ok(draft.accept(EntryKind::Expire, Change { available, ..Change::default() }))
}
