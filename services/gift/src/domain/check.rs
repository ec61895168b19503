//! What a send, a catalogue entry and a room must look like before anything is done with them.

use contracts::catalogue::{Gift, GiftKind, QUANTITY_MAX, Room, charge_coins};
use contracts::class::{Classed, ErrorClass};
use money::PPM_WHOLE;

/// The longest name of a gift and title of a room, in characters.
pub const NAME_CHARS_MAX: usize = 64;
/// The longest glyph, in characters: one shown sign may need several.
pub const GLYPH_CHARS_MAX: usize = 16;
/// The most outcomes of one blind box.
pub const OUTCOMES_MAX: usize = 64;

/// Why a request was refused before it reached the wallet. Never pinned to its key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    #[error("quantity must be from 1 to {QUANTITY_MAX}")]
    BadQuantity,
    #[error("the charge of {quantity} of gift {gift_id} does not fit")]
    ChargeTooLarge { gift_id: u32, quantity: u32 },
    #[error("{field}: {reason}")]
    BadField { field: &'static str, reason: String },
}

impl Classed for CheckError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Rejected
    }

    fn slug(&self) -> &'static str {
        match self {
            CheckError::BadQuantity => "bad-quantity",
            CheckError::ChargeTooLarge { .. } => "charge-too-large",
            CheckError::BadField { .. } => "bad-field",
        }
    }
}

/// Checks a quantity.
///
/// # Errors
/// [`CheckError::BadQuantity`].
pub fn check_quantity(quantity: u32) -> Result<(), CheckError> {
    if (1..=QUANTITY_MAX).contains(&quantity) { Ok(()) } else { Err(CheckError::BadQuantity) }
}

/// Checks a catalogue entry as finance and viewers rely on it.
///
/// # Errors
/// [`CheckError::BadField`], naming the field.
pub fn check_gift(gift: &Gift) -> Result<(), CheckError> {
    if gift.gift_id == 0 {
        return Err(bad("gift_id", "must be above 0"));
    }
    check_text("name", &gift.name, NAME_CHARS_MAX)?;
    check_text("glyph", &gift.glyph, GLYPH_CHARS_MAX)?;
    if gift.price_coins > gift.list_price_coins {
        return Err(bad("price_coins", "must not be above list_price_coins"));
    }
    match gift.kind {
        GiftKind::Free if !gift.price_coins.is_zero() => {
            return Err(bad("price_coins", "a free gift costs 0"));
        }
        GiftKind::Free => {}
        GiftKind::Paid | GiftKind::BlindBox | GiftKind::Guard | GiftKind::PaidMessage => {
            if gift.price_coins.is_zero() {
                return Err(bad("price_coins", "must be above 0; only a free gift costs 0"));
            }
        }
    }
    if charge_coins(gift, QUANTITY_MAX).is_err() {
        return Err(bad("price_coins", "is so high that a full quantity would not fit"));
    }
    check_outcomes(gift)
}

fn check_outcomes(gift: &Gift) -> Result<(), CheckError> {
    if gift.kind != GiftKind::BlindBox {
        return if gift.outcomes.is_empty() {
            Ok(())
        } else {
            Err(bad("outcomes", "only a blind box has them"))
        };
    }
    if !(1..=OUTCOMES_MAX).contains(&gift.outcomes.len()) {
        return Err(bad("outcomes", "a blind box has 1 to 64 of them"));
    }
    let sum: u64 = gift.outcomes.iter().map(|outcome| u64::from(outcome.odds_ppm.get())).sum();
    if sum != u64::from(PPM_WHOLE) {
        return Err(bad("outcomes", &format!("odds_ppm sum to {sum}; they must sum to 1,000,000")));
    }
    if gift.outcomes.iter().any(|outcome| outcome.odds_ppm.get() == 0) {
        return Err(bad("outcomes", "every published outcome can happen: odds_ppm must be above 0"));
    }
    Ok(())
}

/// Checks a room.
///
/// # Errors
/// [`CheckError::BadField`], naming the field.
pub fn check_room(room: &Room) -> Result<(), CheckError> {
    check_text("title", &room.title, NAME_CHARS_MAX)
}

fn check_text(field: &'static str, text: &str, chars_max: usize) -> Result<(), CheckError> {
    let chars = text.chars().count();
    if chars == 0 || chars > chars_max {
        return Err(bad(field, &format!("must have 1 to {chars_max} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(bad(field, "must have no control characters"));
    }
    Ok(())
}

fn bad(field: &'static str, reason: &str) -> CheckError {
    CheckError::BadField { field, reason: reason.to_owned() }
}
