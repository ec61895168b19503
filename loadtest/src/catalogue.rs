//! The catalogue as the server publishes it: what a file's charges are checked against.

use crate::error::FieldProblem;
use contracts::catalogue::{Gift, GiftId, GiftKind, Shelf, charge_coins};
use serde::Deserialize;
use std::collections::HashMap;

/// Gifts by id, of one version.
#[derive(Clone, Debug)]
pub struct Catalogue {
    pub version: i64,
    gifts: HashMap<GiftId, Gift>,
}

/// `GET /v1/gifts`, and the catalogue file too.
#[derive(Deserialize)]
struct Listed {
    version: i64,
    gifts: Vec<Gift>,
}

impl Catalogue {
    pub fn new(version: i64, gifts: Vec<Gift>) -> Catalogue {
        Catalogue { version, gifts: gifts.into_iter().map(|gift| (gift.gift_id, gift)).collect() }
    }

    /// Reads the body of `GET /v1/gifts`.
    ///
    /// # Errors
    /// Where the body is not a catalogue.
    pub fn from_json(body: &[u8]) -> Result<Catalogue, serde_json::Error> {
        serde_json::from_slice::<Listed>(body).map(|listed| Catalogue::new(listed.version, listed.gifts))
    }

    pub fn find(&self, gift_id: GiftId) -> Option<&Gift> {
        self.gifts.get(&gift_id)
    }

    /// In no particular order.
    pub fn gifts(&self) -> impl Iterator<Item = &Gift> {
        self.gifts.values()
    }

    /// The same catalogue with more gifts on its shelf: what it will be once they are created.
    ///
    /// # Errors
    /// [`FieldProblem::DerivedIdTaken`] where an id already means another gift.
    pub fn with(mut self, gifts: &[Gift]) -> Result<Catalogue, FieldProblem> {
        for gift in gifts {
            match self.gifts.get(&gift.gift_id) {
                Some(known) if known != gift => return Err(FieldProblem::DerivedIdTaken(gift.gift_id)),
                Some(_) => {}
                None => {
                    self.gifts.insert(gift.gift_id, gift.clone());
                }
            }
        }
        Ok(self)
    }

    /// What the server charges for a gold gift.
    pub(crate) fn gold_charge(&self, gift_id: GiftId, num: u32) -> Result<i64, FieldProblem> {
        let gift = self.on_shelf(gift_id)?;
        if gift.kind == GiftKind::Free {
            return Err(FieldProblem::GoldForFree);
        }
        charge_coins(gift, num).map(money::Coins::get).map_err(|_| FieldProblem::ChargeOverflow)
    }

    /// Checks that silver may send this gift.
    pub(crate) fn check_silver(&self, gift_id: GiftId) -> Result<(), FieldProblem> {
        match self.on_shelf(gift_id)?.kind {
            GiftKind::Free => Ok(()),
            GiftKind::Paid | GiftKind::BlindBox | GiftKind::Guard | GiftKind::PaidMessage => {
                Err(FieldProblem::SilverForPaid(gift_id))
            }
        }
    }

    fn on_shelf(&self, gift_id: GiftId) -> Result<&Gift, FieldProblem> {
        let gift = self.gifts.get(&gift_id).ok_or(FieldProblem::UnknownGift(gift_id))?;
        match gift.shelf {
            Shelf::On => Ok(gift),
            Shelf::Off => Err(FieldProblem::OffShelf(gift_id)),
        }
    }
}
