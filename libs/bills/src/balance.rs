//! Running balances: whether each row's balance follows from its neighbour's, oldest or newest row first.

use crate::error::{BillError, Place, Unit, agree};

/// Follows the balances of one account down a file. Which row comes first is found by what fits; a file of
/// one row fits both ways.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain {
    last: Option<(i64, i64)>,
    /// Whether the order was found to be newest first; `None` until something told.
    newest_first: Option<NewestFirst>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NewestFirst {
    Yes,
    No,
}

impl Chain {
    pub fn link(&mut self, place: Place, what: &str, amount: i64, balance: i64) -> Result<(), BillError> {
        let Some((last_amount, last_balance)) = self.last.replace((amount, balance)) else { return Ok(()) };
        let overflow = || BillError::Overflow { place, what: what.to_owned().into() };
        // Oldest first: this balance is the last one and this amount. Newest first: it is the last balance
        // without the last amount.
        let upward = last_balance.checked_add(amount).ok_or_else(overflow)?;
        let downward = last_balance.checked_sub(last_amount).ok_or_else(overflow)?;
        let (fits_up, fits_down) = (balance == upward, balance == downward);
        let expected = match (self.newest_first, fits_up, fits_down) {
            (None, true, true) => return Ok(()),
            (None, true, false) => {
                self.newest_first = Some(NewestFirst::No);
                return Ok(());
            }
            (None, false, true) => {
                self.newest_first = Some(NewestFirst::Yes);
                return Ok(());
            }
            (None | Some(NewestFirst::No), ..) => upward,
            (Some(NewestFirst::Yes), ..) => downward,
        };
        agree(what.to_owned(), place, (balance, expected), Unit::Minor)
    }
}
