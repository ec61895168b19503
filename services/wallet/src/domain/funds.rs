//! Sums over the two funds. Each says what happens when it does not fit; nothing wraps.

use contracts::entry::{Funds, FundsDelta};
use money::{Coins, MoneyError};

/// Coins of both funds together. Cannot overflow: each is at most 10^15.
pub(super) fn total(funds: Funds) -> i64 {
    funds.paid_coins.get() + funds.promo_coins.get()
}

pub(super) fn plus(left: Funds, right: Funds) -> Result<Funds, MoneyError> {
    Ok(Funds {
        paid_coins: left.paid_coins.checked_add(right.paid_coins)?,
        promo_coins: left.promo_coins.checked_add(right.promo_coins)?,
    })
}

/// `None` means "not enough" in one of the funds.
pub(super) fn minus(left: Funds, right: Funds) -> Option<Funds> {
    Some(Funds {
        paid_coins: left.paid_coins.checked_sub(right.paid_coins)?,
        promo_coins: left.promo_coins.checked_sub(right.promo_coins)?,
    })
}

/// Adds a signed change.
pub(super) fn moved(funds: Funds, delta: FundsDelta) -> Result<Funds, MoneyError> {
    let sum = |coins: Coins, change: i64| {
        coins.get().checked_add(change).ok_or(MoneyError::Overflow).and_then(Coins::try_new)
    };
    Ok(Funds {
        paid_coins: sum(funds.paid_coins, delta.paid_coins)?,
        promo_coins: sum(funds.promo_coins, delta.promo_coins)?,
    })
}

/// The part of `from` that pays `charge`: promotional coins first, then paid. `None`: not enough.
pub(super) fn take_promo_first(from: Funds, charge: Coins) -> Option<Funds> {
    let promo_coins = from.promo_coins.min(charge);
    let paid_coins = charge.checked_sub(promo_coins)?;
    (paid_coins <= from.paid_coins).then_some(Funds { paid_coins, promo_coins })
}

/// The part of `from` that gives back `amount`: paid coins first, promotional last. `None`: not enough.
pub(super) fn take_paid_first(from: Funds, amount: Coins) -> Option<Funds> {
    let paid_coins = from.paid_coins.min(amount);
    let promo_coins = amount.checked_sub(paid_coins)?;
    (promo_coins <= from.promo_coins).then_some(Funds { paid_coins, promo_coins })
}

pub(super) fn gain(funds: Funds) -> FundsDelta {
    FundsDelta { paid_coins: funds.paid_coins.get(), promo_coins: funds.promo_coins.get() }
}

pub(super) fn loss(funds: Funds) -> FundsDelta {
    FundsDelta { paid_coins: -funds.paid_coins.get(), promo_coins: -funds.promo_coins.get() }
}
