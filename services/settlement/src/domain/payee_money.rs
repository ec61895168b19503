//! Where a payee's money stands, and how each event moves it. What was released is always in exactly one place.

use contracts::payout::{PayeeClass, PayeeMove, PayoutKind};
use ids::{Partition, Uuid, partition_of};
use money::MoneyError;

/// One payee that money is paid out to. The order of keys is the order in which rows lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayeeKey {
    pub class: PayeeClass,
    pub id: Uuid,
}

impl PayeeKey {
    /// The partition of the log of payouts that the payee's moves are in.
    pub fn partition(self) -> Partition {
        partition_of(self.id)
    }
}

/// Where a payee's money stands, in minor units. None but what was released is ever below zero, and
/// `released = available + requested + in_flight + paid + withheld - receivable`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PayeeMoney {
    pub released: i64,
    pub available: i64,
    pub requested: i64,
    pub in_flight: i64,
    pub paid: i64,
    pub withheld: i64,
    pub receivable: i64,
}

/// What happens to a payee's money. Amounts are above zero, but for a statement's, which may be below, and tax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoneyEvent {
    /// A statement is out of its hold; below zero, refunds took back more than the day earned.
    Release {
        payable_minor: i64,
    },
    Request {
        amount_minor: i64,
    },
    Cancel {
        amount_minor: i64,
    },
    Submit {
        net_minor: i64,
        tax_minor: i64,
    },
    Pay {
        net_minor: i64,
    },
    Reject {
        net_minor: i64,
        tax_minor: i64,
    },
}

impl MoneyEvent {
    pub const fn kind(self) -> PayoutKind {
        match self {
            MoneyEvent::Release { .. } => PayoutKind::Released,
            MoneyEvent::Request { .. } => PayoutKind::Requested,
            MoneyEvent::Cancel { .. } => PayoutKind::Cancelled,
            MoneyEvent::Submit { .. } => PayoutKind::Submitted,
            MoneyEvent::Pay { .. } => PayoutKind::Paid,
            MoneyEvent::Reject { .. } => PayoutKind::Rejected,
        }
    }
}

/// Why money does not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    #[error("{available_minor} are available")]
    NotEnough { available_minor: i64 },
    #[error("an amount is out of range")]
    Money(#[from] MoneyError),
    #[error("the money is not where it should be")]
    Elsewhere,
}

impl PayeeMoney {
    /// What an event moves.
    ///
    /// # Errors
    /// [`MoveError::NotEnough`]: more was asked for than is available. [`MoveError::Elsewhere`]: a bug, because what
    /// comes after a request only moves what the request took.
    pub fn moves(self, event: MoneyEvent) -> Result<PayeeMove, MoveError> {
        let stay = PayeeMove::default();
        match event {
            MoneyEvent::Release { payable_minor } => {
                Ok(PayeeMove { released_minor: payable_minor, ..self.moves_into_hand(payable_minor)? })
            }
            MoneyEvent::Request { amount_minor } if amount_minor > self.available => {
                Err(MoveError::NotEnough { available_minor: self.available })
            }
            MoneyEvent::Request { amount_minor } => Ok(PayeeMove {
                available_minor: negative(amount_minor)?,
                requested_minor: amount_minor,
                ..stay
            }),
            MoneyEvent::Cancel { amount_minor } => {
                let back = self.moves_into_hand(amount_minor)?;
                Ok(PayeeMove { requested_minor: negative(amount_minor)?, ..back })
            }
            MoneyEvent::Submit { net_minor, tax_minor } => Ok(PayeeMove {
                requested_minor: negative(sum(net_minor, tax_minor)?)?,
                in_flight_minor: net_minor,
                withheld_minor: tax_minor,
                ..stay
            }),
            MoneyEvent::Pay { net_minor } => {
                Ok(PayeeMove { in_flight_minor: negative(net_minor)?, paid_minor: net_minor, ..stay })
            }
            MoneyEvent::Reject { net_minor, tax_minor } => Ok(PayeeMove {
                in_flight_minor: negative(net_minor)?,
                withheld_minor: negative(tax_minor)?,
                ..self.moves_into_hand(sum(net_minor, tax_minor)?)?
            }),
        }
    }

    /// What comes to the payee pays first what the payee owes; what goes takes first what is available.
    fn moves_into_hand(self, amount: i64) -> Result<PayeeMove, MoneyError> {
        let (available_minor, receivable_minor) = if amount >= 0 {
            let offset = amount.min(self.receivable);
            (amount - offset, negative(offset)?)
        } else {
            let wanted = negative(amount)?;
            let taken = wanted.min(self.available);
            (negative(taken)?, wanted - taken)
        };
        Ok(PayeeMove { available_minor, receivable_minor, ..PayeeMove::default() })
    }

    /// The money after a move.
    ///
    /// # Errors
    /// [`MoveError::Elsewhere`]: something would be below zero.
    pub fn after(self, moved: PayeeMove) -> Result<PayeeMoney, MoveError> {
        let after = PayeeMoney {
            released: sum(self.released, moved.released_minor)?,
            available: sum(self.available, moved.available_minor)?,
            requested: sum(self.requested, moved.requested_minor)?,
            in_flight: sum(self.in_flight, moved.in_flight_minor)?,
            paid: sum(self.paid, moved.paid_minor)?,
            withheld: sum(self.withheld, moved.withheld_minor)?,
            receivable: sum(self.receivable, moved.receivable_minor)?,
        };
        let places =
            [after.available, after.requested, after.in_flight, after.paid, after.withheld, after.receivable];
        if places.into_iter().any(i64::is_negative) { Err(MoveError::Elsewhere) } else { Ok(after) }
    }
}

fn sum(a: i64, b: i64) -> Result<i64, MoneyError> {
    a.checked_add(b).ok_or(MoneyError::Overflow)
}

fn negative(amount: i64) -> Result<i64, MoneyError> {
    amount.checked_neg().ok_or(MoneyError::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Act {
        Release(i64),
        Request(u8),
        Cancel,
        Submit(u8),
        End(bool),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            4 => (-20_000_i64..20_000).prop_map(Act::Release),
            2 => (1_u8..=100).prop_map(Act::Request),
            1 => Just(Act::Cancel),
            2 => (0_u8..45).prop_map(Act::Submit),
            2 => any::<bool>().prop_map(Act::End),
        ]
    }

    proptest! {
        /// Against a plain model: a sum released, requests and payments in lists, and the rest computed from them.
        #[test]
        fn what_was_released_is_in_exactly_one_place(acts in prop::collection::vec(act(), 1..80)) {
            let mut money = PayeeMoney::default();
            let (mut released, mut requests, mut flying, mut paid) = (0_i64, Vec::new(), Vec::new(), (0, 0));
            for act in acts {
                let event = match act {
                    Act::Release(payable_minor) => {
                        released += payable_minor;
                        MoneyEvent::Release { payable_minor }
                    }
                    Act::Request(percent) => {
                        let amount_minor = money.available * i64::from(percent) / 100;
                        if amount_minor == 0 { continue }
                        requests.push(amount_minor);
                        MoneyEvent::Request { amount_minor }
                    }
                    Act::Cancel => {
                        let Some(amount_minor) = requests.pop() else { continue };
                        MoneyEvent::Cancel { amount_minor }
                    }
                    Act::Submit(percent) => {
                        let Some(gross) = requests.pop() else { continue };
                        let tax_minor = gross * i64::from(percent) / 100;
                        flying.push((gross - tax_minor, tax_minor));
                        MoneyEvent::Submit { net_minor: gross - tax_minor, tax_minor }
                    }
                    Act::End(is_paid) => {
                        let Some((net_minor, tax_minor)) = flying.pop() else { continue };
                        if is_paid {
                            paid = (paid.0 + net_minor, paid.1 + tax_minor);
                            MoneyEvent::Pay { net_minor }
                        } else {
                            MoneyEvent::Reject { net_minor, tax_minor }
                        }
                    }
                };
                let moved = money.moves(event).expect("only what is there moves");
                money = money.after(moved).expect("nothing falls below zero");
                let (requested, net): (i64, i64) = (requests.iter().sum(), flying.iter().map(|line| line.0).sum());
                let tax: i64 = flying.iter().map(|line| line.1).sum();
                let hand = released - requested - net - tax - paid.0 - paid.1;
                let expected = PayeeMoney {
                    released,
                    available: hand.max(0),
                    requested,
                    in_flight: net,
                    paid: paid.0,
                    withheld: tax + paid.1,
                    receivable: (-hand).max(0),
                };
                prop_assert_eq!(money, expected);
            }
        }
    }

    #[test]
    fn more_than_is_available_cannot_be_requested_and_what_is_elsewhere_cannot_move() {
        let money = PayeeMoney { released: 10, available: 10, ..PayeeMoney::default() };
        let over = money.moves(MoneyEvent::Request { amount_minor: 11 });
        assert_eq!(over, Err(MoveError::NotEnough { available_minor: 10 }));
        let moved = money.moves(MoneyEvent::Pay { net_minor: 1 }).expect("computed");
        assert_eq!(money.after(moved), Err(MoveError::Elsewhere));
    }
}
