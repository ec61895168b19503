//! Draws of a blind box: the same order always draws the same gifts, over the published odds.

use contracts::catalogue::{BlindOutcome, Gift};
use contracts::entry::Reveal;
use hmac::{Hmac, KeyInit, Mac};
use ids::OrderId;
use money::PPM_WHOLE;
use sha2::Sha256;

/// The secret that makes draws unpredictable to viewers and repeatable for us.
#[derive(Clone)]
pub struct DrawSeed(Hmac<Sha256>);

impl DrawSeed {
    /// A seed from any secret bytes.
    pub fn new(secret: &[u8]) -> DrawSeed {
        // HMAC takes a key of any length: the error type exists for other algorithms of the trait.
        let keyed = Hmac::<Sha256>::new_from_slice(secret);
        DrawSeed(keyed.unwrap_or_else(|_| unreachable!("HMAC takes keys of any length")))
    }

    /// The place of draw `index` of an order on a line of 1,000,000 points.
    fn point(&self, order_id: OrderId, index: u32) -> u32 {
        let mut mac = self.0.clone();
        mac.update(order_id.uuid().as_bytes());
        mac.update(&index.to_be_bytes());
        let digest = mac.finalize().into_bytes();
        let mut first = [0_u8; 8];
        first.copy_from_slice(&digest[..8]);
        // Multiply and shift: every point is hit as often as any other, to one part in 2^44.
        let scaled = (u128::from(u64::from_be_bytes(first)) * u128::from(PPM_WHOLE)) >> 64;
        u32::try_from(scaled).unwrap_or(PPM_WHOLE - 1)
    }
}

impl std::fmt::Debug for DrawSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DrawSeed(secret)")
    }
}

/// What `quantity` boxes of one order hold, grouped, in the order of the published odds. Empty for a gift
/// that is no box.
pub fn draw(seed: &DrawSeed, order_id: OrderId, gift: &Gift, quantity: u32) -> Vec<Reveal> {
    let mut counts = vec![0_u32; gift.outcomes.len()];
    if counts.is_empty() {
        return Vec::new();
    }
    for index in 0..quantity {
        let at = outcome_at(&gift.outcomes, seed.point(order_id, index));
        counts[at] += 1;
    }
    let revealed = gift.outcomes.iter().zip(counts).filter(|(_, count)| *count > 0);
    revealed
        .map(|(outcome, count)| Reveal { gift_id: outcome.gift_id, value_coins: outcome.value_coins, count })
        .collect()
}

fn outcome_at(outcomes: &[BlindOutcome], point: u32) -> usize {
    let mut end = 0_u32;
    for (at, outcome) in outcomes.iter().enumerate() {
        end = end.saturating_add(outcome.odds_ppm.get());
        if point < end {
            return at;
        }
    }
    outcomes.len().saturating_sub(1) // Odds sum to a whole, so no point is past the end.
}
