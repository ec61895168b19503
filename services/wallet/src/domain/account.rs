//! One account as its entries made it, and the rules that bound it.

use chrono::NaiveDate;
use contracts::entry::Funds;
use contracts::log::Seq;
use contracts::wallet::{AccountState, AccountView};
use ids::{HoldId, ViewerId};
use money::{COINS_MAX, Coins};
use std::collections::BTreeMap;

/// One account. The default is an account nobody has touched: empty and open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Coins that can be spent now.
    pub available: Funds,
    /// Coins set aside: always the sum of `holds`.
    pub held: Funds,
    pub holds: BTreeMap<HoldId, Hold>,
    pub state: AccountState,
    pub spend: DaySpend,
    /// The last entry this state includes, of the account's partition.
    pub as_of_seq: Seq,
}

/// Coins set aside for one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    pub funds: Funds,
    pub expires_at_ms: i64,
}

/// What was spent on the last accounting day on which anything was: the other days' sums are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DaySpend {
    pub day: Option<NaiveDate>,
    pub coins: i64,
}

impl DaySpend {
    /// Coins spent on `day`.
    pub fn on(&self, day: NaiveDate) -> i64 {
        if self.day == Some(day) { self.coins } else { 0 }
    }
}

impl Account {
    /// The account as others see it.
    pub fn view(&self, account_id: ViewerId) -> AccountView {
        AccountView {
            account_id,
            available: self.available,
            held: self.held,
            state: self.state,
            as_of_seq: self.as_of_seq,
        }
    }
}

/// How old a request id may be by default: 400 days, in milliseconds.
pub const ID_AGE_MAX_MS_DEFAULT: i64 = 400 * 24 * 3_600 * 1_000;

/// The bounds that [`super::step`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Coins an account may spend in one accounting day; coins on hold count until they are released.
    pub day_limit_coins: Coins,
    /// The longest a hold may last.
    pub hold_age_max_ms: i64,
    /// How far in the future a request id's own time may be.
    pub id_ahead_max_ms: i64,
    /// How far in the past a request id's own time may be.
    pub id_age_max_ms: i64,
    /// The UUID version of this lane's ids.
    pub id_version: u8,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            day_limit_coins: Coins::try_new(COINS_MAX).unwrap_or_default(),
            hold_age_max_ms: 7 * 24 * 3_600 * 1_000,
            id_ahead_max_ms: 120_000,
            id_age_max_ms: ID_AGE_MAX_MS_DEFAULT,
            id_version: 7,
        }
    }
}
