//! Which breaks recon heals by itself, and how much of it an hour.

use super::action::ActionKind;
use super::break_kind::BreakKind;
use serde::{Deserialize, Serialize};

/// One kind of break that is healed, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealingRule {
    pub kind: BreakKind,
    pub action: ActionKind,
}

/// What healing may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Healing {
    /// In seconds since a break was detected: what is late may still come.
    pub after_s: u32,
    /// Breaks an hour.
    pub count_max_per_hour: i64,
    /// Coins an hour.
    pub coins_max_per_hour: i64,
    pub rules: Vec<HealingRule>,
}

/// Healing that cannot work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHealing {
    #[error("a {} cannot be healed by {}", kind.as_str(), action.as_str())]
    DoesNotFit { kind: BreakKind, action: ActionKind },
    #[error("a {} has two healing rules", kind.as_str())]
    Twice { kind: BreakKind },
    #[error("the caps of healing must not be below zero")]
    BelowZero,
}

impl Healing {
    /// Checks that every rule can do what it says.
    ///
    /// # Errors
    /// [`BadHealing`].
    pub fn check(&self) -> Result<(), BadHealing> {
        if self.count_max_per_hour < 0 || self.coins_max_per_hour < 0 {
            return Err(BadHealing::BelowZero);
        }
        for (at, &HealingRule { kind, action }) in self.rules.iter().enumerate() {
            let fits = matches!(
                (kind, action),
                // Coins were taken and nobody knows an order: the viewer is made good. A refund would only be
                // put aside by gift, which knows no such order.
                (BreakKind::MissingOrder, ActionKind::GrantCoins)
                    // The order says that its coins came back, and they did not.
                    | (BreakKind::ExtraReturn, ActionKind::RefundOrder)
                    // Settlement has passed over an order, and makes its item only where none ever was.
                    | (BreakKind::MissingItem | BreakKind::MissingReversal, ActionKind::Resettle)
            );
            if !fits {
                return Err(BadHealing::DoesNotFit { kind, action });
            }
            if self.rules.iter().take(at).any(|rule| rule.kind == kind) {
                return Err(BadHealing::Twice { kind });
            }
        }
        Ok(())
    }

    /// How a kind of break is healed.
    pub fn action_of(&self, kind: BreakKind) -> Option<ActionKind> {
        self.rules.iter().find(|rule| rule.kind == kind).map(|rule| rule.action)
    }
}

/// What stopped healing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    Count,
    Coins,
}

impl Cap {
    pub const fn as_str(self) -> &'static str {
        match self {
            Cap::Count => "count",
            Cap::Coins => "coins",
        }
    }
}

/// Whether `(count, coins)` of the last hour, the one in question among them, are still allowed.
///
/// # Errors
/// The cap that they are over.
pub fn within_caps(healing: &Healing, (count, coins): (i64, i64)) -> Result<(), Cap> {
    if count > healing.count_max_per_hour {
        return Err(Cap::Count);
    }
    if coins > healing.coins_max_per_hour { Err(Cap::Coins) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healing(rules: &[(BreakKind, ActionKind)]) -> Healing {
        let rules = rules.iter().map(|&(kind, action)| HealingRule { kind, action }).collect();
        Healing { after_s: 1, count_max_per_hour: 2, coins_max_per_hour: 10, rules }
    }

    #[test]
    fn a_rule_that_would_stop_a_reader_or_does_nothing_is_refused() {
        let good = (BreakKind::MissingOrder, ActionKind::GrantCoins);
        assert_eq!(healing(&[good]).check(), Ok(()));
        assert_eq!(healing(&[good, good]).check(), Err(BadHealing::Twice { kind: good.0 }));
        for (kind, action) in [
            (BreakKind::MissingOrder, ActionKind::RefundOrder),
            (BreakKind::DigestMismatch, ActionKind::WriteOff),
            (BreakKind::ExtraReturn, ActionKind::Wait),
        ] {
            assert_eq!(healing(&[(kind, action)]).check(), Err(BadHealing::DoesNotFit { kind, action }));
        }
    }

    #[test]
    fn the_caps_themselves_are_allowed_and_one_more_is_not() {
        let healing = healing(&[]);
        assert_eq!(within_caps(&healing, (2, 10)), Ok(()));
        assert_eq!(within_caps(&healing, (3, 10)), Err(Cap::Count));
        assert_eq!(within_caps(&healing, (2, 11)), Err(Cap::Coins));
    }
}
