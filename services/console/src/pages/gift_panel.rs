//! The gift panel: what can be sent, for how much, and how many.

use super::frame::{coin, grouped};
use contracts::catalogue::{Gift, GiftKind, QUANTITY_MAX, Shelf};
use maud::{Markup, html};

/// Quantities offered with one press.
const QUANTITIES: [u32; 6] = [1, 10, 66, 188, 520, 1_314];

/// The panel. Gifts on the shelf, cheapest first; a radio group, so arrow keys move through it.
pub(crate) fn gift_panel(gifts: &[Gift]) -> Markup {
    let mut shown: Vec<&Gift> = gifts.iter().filter(|gift| gift.shelf == Shelf::On).collect();
    shown.sort_by_key(|gift| (gift.price_coins, gift.gift_id));
    let first = shown.iter().find(|gift| !gift.price_coins.is_zero()).map(|gift| gift.gift_id);
    html! {
        form #gift-form .panel aria-label="Send a gift" {
            fieldset .gifts {
                legend .visually-hidden { "Gift" }
                @for gift in shown { (card(gift, first == Some(gift.gift_id))) }
            }
            div .send-bar {
                fieldset .segments.quantities {
                    legend .visually-hidden { "Quantity" }
                    @for quantity in QUANTITIES {
                        label {
                            input type="radio" name="quantity" value=(quantity) checked[quantity == 1];
                            span { (quantity) }
                        }
                    }
                    label .own-quantity {
                        span .visually-hidden { "Another quantity" }
                        input type="number" #own-quantity min="1" max=(QUANTITY_MAX) step="1" placeholder="Other"
                            inputmode="numeric";
                    }
                }
                button .quiet type="button" #show-odds hidden { "Odds" }
                button .primary.send type="submit" #send {
                    span #send-what { "Send" }
                    span .send-charge { (coin()) span #send-charge {} }
                }
                button .combo type="button" #combo hidden {
                    span .combo-ring aria-hidden="true" {}
                    span .combo-word { "Combo" }
                    span .combo-count #combo-count {}
                }
            }
            p .error role="alert" #send-error {}
            p .pending role="status" #send-pending {}
        }
    }
}

fn card(gift: &Gift, is_first: bool) -> Markup {
    html! {
        label .gift {
            input type="radio" name="gift" value=(gift.gift_id) checked[is_first];
            span .gift-card {
                @if let Some(label) = discount_label(gift) { span .tag.discount { (label) } }
                @else if let Some(label) = kind_label(gift.kind) { span .tag { (label) } }
                span .glyph aria-hidden="true" { (gift.glyph) }
                span .gift-name { (gift.name) }
                span .gift-price {
                    @if gift.price_coins.is_zero() { "Free" }
                    @else {
                        span { (coin()) (grouped(gift.price_coins.get())) }
                        @if gift.price_coins < gift.list_price_coins {
                            s { span .visually-hidden { "instead of " } (grouped(gift.list_price_coins.get())) }
                        }
                    }
                }
            }
        }
    }
}

fn kind_label(kind: GiftKind) -> Option<&'static str> {
    match kind {
        GiftKind::Paid | GiftKind::Free => None,
        GiftKind::BlindBox => Some("Blind box"),
        GiftKind::Guard => Some("Guard"),
        GiftKind::PaidMessage => Some("Message"),
    }
}

/// How much less than on the label, in whole per cent rounded down: never promises more than is given.
fn discount_label(gift: &Gift) -> Option<String> {
    let (label, price) = (gift.list_price_coins.get(), gift.price_coins.get());
    let saved = label.checked_sub(price).filter(|saved| *saved > 0 && price > 0)?;
    let percent = saved.checked_mul(100)?.checked_div(label).filter(|percent| *percent > 0)?;
    Some(format!("−{percent} %"))
}
