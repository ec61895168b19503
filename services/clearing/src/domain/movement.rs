//! What one row of a source log moves: amounts of fiat by component, above zero whichever way they go.
//!
//! The only place that knows what a payment, an entry, an item and a payout mean; the direction is the rule's.

use super::face_value::FaceValues;
use contracts::entry::{Entry, EntryKind};
use contracts::item::{Item, ItemKind};
use contracts::log::{LogName, LogRow};
use contracts::payment::{Payment, PaymentKind};
use contracts::payout::{PayeeClass, Payout, PayoutKind};
use money::{Coins, Micros, MoneyError};
use serde::Deserialize;
use serde::de::value::{Error as ValueError, StrDeserializer};

/// A kind of row of a source log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKind {
    Payment(PaymentKind),
    Entry(EntryKind),
    Item(ItemKind),
    Payout(PayoutKind),
}

impl RowKind {
    /// The kind named `kind` of `source`, as the rules spell it.
    pub fn parse(source: LogName, kind: &str) -> Option<RowKind> {
        let text = StrDeserializer::<ValueError>::new(kind);
        match source {
            LogName::Payments => PaymentKind::deserialize(text).ok().map(RowKind::Payment),
            LogName::Entries => EntryKind::deserialize(text).ok().map(RowKind::Entry),
            LogName::Items => ItemKind::deserialize(text).ok().map(RowKind::Item),
            LogName::Payouts => PayoutKind::deserialize(text).ok().map(RowKind::Payout),
            LogName::Orders | LogName::Vouchers => None,
        }
    }

    /// Every kind that can move money, and so must have a rule.
    pub fn all_that_move() -> impl Iterator<Item = RowKind> {
        let payments = PaymentKind::ALL.into_iter().map(RowKind::Payment);
        let entries =
            EntryKind::ALL.into_iter().filter(|kind| direction(*kind).is_some()).map(RowKind::Entry);
        let payouts = PayoutKind::ALL.into_iter().filter(|kind| *kind != PayoutKind::Requested);
        let items = ItemKind::ALL.into_iter().map(RowKind::Item);
        payments.chain(entries).chain(items).chain(payouts.map(RowKind::Payout))
    }
}

/// A part of what a row moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Component {
    /// A payment's fiat.
    Amount,
    /// An entry's coins, at face value.
    Paid,
    Promo,
    Shortfall,
    /// An item's parts.
    PaidNetOfTax,
    Tax,
    GrossPromo,
    Streamer,
    Agency,
    /// Of a payout: what leaves the pending money of a streamer or an agency, for themselves or for what they owe.
    StreamerAvailable,
    StreamerOffset,
    AgencyAvailable,
    AgencyOffset,
    /// Of a payout: what the bank is to pay, the tax withheld, and what comes back for what is owed.
    Net,
    Withheld,
    Offset,
}

impl Component {
    /// The log whose rows have this component.
    pub const fn source(self) -> LogName {
        match self {
            Component::Amount => LogName::Payments,
            Component::Paid | Component::Promo | Component::Shortfall => LogName::Entries,
            Component::PaidNetOfTax
            | Component::Tax
            | Component::GrossPromo
            | Component::Streamer
            | Component::Agency => LogName::Items,
            Component::StreamerAvailable
            | Component::StreamerOffset
            | Component::AgencyAvailable
            | Component::AgencyOffset
            | Component::Net
            | Component::Withheld
            | Component::Offset => LogName::Payouts,
        }
    }

    /// The name in rule files and in the column `component`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Component::Amount => "amount",
            Component::Paid => "paid",
            Component::Promo => "promo",
            Component::Shortfall => "shortfall",
            Component::PaidNetOfTax => "paid_net_of_tax",
            Component::Tax => "tax",
            Component::GrossPromo => "gross_promo",
            Component::Streamer => "streamer",
            Component::Agency => "agency",
            Component::StreamerAvailable => "streamer_available",
            Component::StreamerOffset => "streamer_offset",
            Component::AgencyAvailable => "agency_available",
            Component::AgencyOffset => "agency_offset",
            Component::Net => "net",
            Component::Withheld => "withheld",
            Component::Offset => "offset",
        }
    }
}

/// What a row moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    pub kind: RowKind,
    pub coins: Coins,
    /// Only what is not zero; an item's parts may be below.
    pub amounts: Vec<(Component, Micros)>,
}

/// Why a row cannot be posted. It stops its partition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRow {
    #[error("no face value is in force on {0}")]
    NoFaceValue(chrono::NaiveDate),
    #[error("the currency is {0}, the books are in {1}")]
    OtherCurrency(String, String),
    #[error("coins move the wrong way for this kind")]
    WrongWay,
    #[error("an item's parts do not sum to its gross")]
    UnevenItem,
    #[error("a payout's parts do not sum to what was released")]
    UnevenPayout,
    #[error("no rule posts the {0} of this kind")]
    NoRule(&'static str),
    #[error("an amount is out of range")]
    Money(#[from] MoneyError),
}

/// What movements depend on besides the row.
#[derive(Clone, Debug)]
pub struct Terms {
    pub currency: String,
    pub face_values: FaceValues,
}

/// A row that clearing posts.
pub trait Accountable: LogRow {
    /// What the row moves; `None` where it moves nothing.
    ///
    /// # Errors
    /// [`BadRow`]: the row contradicts itself or the terms.
    fn movement(&self, terms: &Terms) -> Result<Option<Movement>, BadRow>;
}

fn movement(kind: RowKind, coins: Coins, amounts: &[(Component, Micros)]) -> Option<Movement> {
    let amounts: Vec<_> = amounts.iter().copied().filter(|(_, amount)| *amount != Micros::ZERO).collect();
    (!amounts.is_empty()).then_some(Movement { kind, coins, amounts })
}

impl Accountable for Payment {
    fn movement(&self, terms: &Terms) -> Result<Option<Movement>, BadRow> {
        if self.currency != terms.currency {
            return Err(BadRow::OtherCurrency(self.currency.clone(), terms.currency.clone()));
        }
        if self.amount_minor < 0 {
            return Err(BadRow::WrongWay);
        }
        let amount = Micros::of_minor(self.amount_minor)?;
        Ok(movement(RowKind::Payment(self.kind), self.paid_coins, &[(Component::Amount, amount)]))
    }
}

/// Which way an account's coins go by an accepted entry of a kind; `None` where they stay.
const fn direction(kind: EntryKind) -> Option<Direction> {
    match kind {
        EntryKind::Recharge | EntryKind::Bonus | EntryKind::Compensation | EntryKind::Refund => {
            Some(Direction::In)
        }
        EntryKind::Debit | EntryKind::HoldCapture | EntryKind::Withdraw | EntryKind::Expire => {
            Some(Direction::Out)
        }
        EntryKind::HoldPlace
        | EntryKind::HoldRelease
        | EntryKind::HoldExpire
        | EntryKind::Freeze
        | EntryKind::Unfreeze => None,
    }
}

#[derive(Clone, Copy)]
enum Direction {
    In,
    Out,
}

impl Accountable for Entry {
    fn movement(&self, terms: &Terms) -> Result<Option<Movement>, BadRow> {
        let overflow = BadRow::Money(MoneyError::Overflow);
        let total = |available: i64, held: i64| available.checked_add(held).ok_or(overflow.clone());
        let paid = total(self.available.paid_coins, self.held.paid_coins)?;
        let promo = total(self.available.promo_coins, self.held.promo_coins)?;
        if paid == 0 && promo == 0 && self.shortfall_coins.is_zero() {
            return Ok(None);
        }
        let towards = match direction(self.kind).filter(|_| self.is_accepted()) {
            Some(Direction::In) => 1,
            Some(Direction::Out) => -1,
            None => return Err(BadRow::WrongWay),
        };
        let coins = |delta: i64| Coins::try_new(delta.saturating_mul(towards)).map_err(|_| BadRow::WrongWay);
        let (paid, promo) = (coins(paid)?, coins(promo)?);
        let day = self.stamp.day;
        let face_value = terms.face_values.on(day).ok_or(BadRow::NoFaceValue(day))?;
        let amounts = [
            (Component::Paid, Micros::of_coins(paid, face_value)?),
            (Component::Promo, Micros::of_coins(promo, face_value)?),
            (Component::Shortfall, Micros::of_coins(self.shortfall_coins, face_value)?),
        ];
        Ok(movement(RowKind::Entry(self.kind), paid.checked_add(promo)?, &amounts))
    }
}

impl Accountable for Item {
    fn movement(&self, _terms: &Terms) -> Result<Option<Movement>, BadRow> {
        let upright = |amount: Micros| match self.kind {
            ItemKind::Settled => Ok(amount),
            ItemKind::Reversed => amount.checked_neg(),
        };
        let (gross_paid, gross_promo) = (upright(self.gross_paid)?, upright(self.gross_promo)?);
        let (streamer, agency) = (upright(self.streamer)?, upright(self.agency)?);
        let (platform, tax) = (upright(self.platform)?, upright(self.tax)?);
        // Parts of a partial reversal may be off by a micro either way; the gross may not.
        if gross_paid < Micros::ZERO || gross_promo < Micros::ZERO {
            return Err(BadRow::WrongWay);
        }
        let parts = streamer.checked_add(agency)?.checked_add(platform)?.checked_add(tax)?;
        if parts != gross_paid.checked_add(gross_promo)? {
            return Err(BadRow::UnevenItem);
        }
        let amounts = [
            (Component::PaidNetOfTax, gross_paid.checked_sub(tax)?),
            (Component::Tax, tax),
            (Component::GrossPromo, gross_promo),
            (Component::Streamer, streamer),
            (Component::Agency, agency),
        ];
        let coins = self.paid_coins.checked_add(self.promo_coins)?;
        Ok(movement(RowKind::Item(self.kind), coins, &amounts))
    }
}

impl Accountable for Payout {
    fn movement(&self, _terms: &Terms) -> Result<Option<Movement>, BadRow> {
        let moved = self.moved;
        let kept = [
            moved.available_minor,
            moved.requested_minor,
            moved.in_flight_minor,
            moved.paid_minor,
            moved.withheld_minor,
        ];
        let kept: i128 = kept.into_iter().map(i128::from).sum();
        if i128::from(moved.released_minor) != kept - i128::from(moved.receivable_minor) {
            return Err(BadRow::UnevenPayout);
        }
        let amount = |minor: i64| Micros::of_minor(minor);
        let (net, withheld) = (amount(moved.in_flight_minor)?, amount(moved.withheld_minor)?);
        // A receivable that shrinks is money that goes towards what is owed.
        let offset = amount(moved.receivable_minor)?.checked_neg()?;
        let amounts = match self.kind {
            PayoutKind::Released => {
                let available = amount(moved.available_minor)?;
                match self.payee {
                    PayeeClass::Streamer => {
                        vec![(Component::StreamerAvailable, available), (Component::StreamerOffset, offset)]
                    }
                    PayeeClass::Agency => {
                        vec![(Component::AgencyAvailable, available), (Component::AgencyOffset, offset)]
                    }
                }
            }
            PayoutKind::Requested => Vec::new(),
            PayoutKind::Cancelled => vec![(Component::Offset, offset)],
            PayoutKind::Submitted => vec![(Component::Net, net), (Component::Withheld, withheld)],
            PayoutKind::Paid => vec![(Component::Net, net.checked_neg()?)],
            PayoutKind::Rejected => vec![
                (Component::Net, net.checked_neg()?),
                (Component::Withheld, withheld.checked_neg()?),
                (Component::Offset, offset),
            ],
        };
        Ok(movement(RowKind::Payout(self.kind), Coins::ZERO, &amounts))
    }
}
