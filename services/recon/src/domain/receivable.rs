//! What a viewer owes for coins that were spent before their money was taken back, and how that ends in the books.
//!
//! Which account stands for what is stated here again, as for control accounts.

use super::action::VoucherLine;
use money::Coins;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What viewers owe us.
const OWED: &str = "1221";
/// The bank that a viewer pays into.
const BANK: &str = "1002.01";
/// What channels owe us.
const CHANNELS: &str = "1122";
/// Where coins that we give come from: a won dispute's coins are given back as any other grant.
const GRANTS: &str = "6601";
/// What is lost.
const LOSS: &str = "6711";

/// How a receivable ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceivableEnd {
    /// The viewer has paid the whole of it to our bank.
    Paid,
    /// Nobody will pay it.
    WrittenOff,
    /// The channel gives the money of the chargeback back; the viewer gets back the coins that were taken for it.
    DisputeWon,
}

/// What was taken from a viewer for one refund or chargeback, and what could not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    pub taken: Coins,
    pub shortfall: Coins,
}

/// The voucher of an end, in millionths of a minor unit at the face value of the day of the withdrawal; `None` where
/// amounts do not fit.
pub fn lines_of(end: ReceivableEnd, of: Withdrawn, micros_per_coin: i64) -> Option<Vec<VoucherLine>> {
    let value = |coins: Coins| coins.get().checked_mul(micros_per_coin);
    let (owed, taken) = (value(of.shortfall)?, value(of.taken)?);
    let debit = |account: &str, micro: i64| line(account, (micro, 0));
    let credit = |account: &str, micro: i64| line(account, (0, micro));
    Some(match end {
        ReceivableEnd::Paid => vec![debit(BANK, owed), credit(OWED, owed)],
        ReceivableEnd::WrittenOff => vec![debit(LOSS, owed), credit(OWED, owed)],
        ReceivableEnd::DisputeWon => {
            let mut lines = vec![debit(CHANNELS, owed.checked_add(taken)?), credit(OWED, owed)];
            if taken > 0 {
                lines.push(credit(GRANTS, taken));
            }
            lines
        }
    })
}

fn line(account: &str, (debit_micro, credit_micro): (i64, i64)) -> VoucherLine {
    VoucherLine { account: account.to_owned(), debit_micro, credit_micro }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coins(coins: i64) -> Coins {
        Coins::try_new(coins).expect("in range")
    }

    #[test]
    fn each_end_takes_the_whole_debt_off_and_balances() {
        let of = Withdrawn { taken: coins(30), shortfall: coins(70) };
        let said = |end| {
            let lines = lines_of(end, of, 100_000).expect("fits");
            let sum: i64 = lines.iter().map(|line| line.debit_micro - line.credit_micro).sum();
            assert_eq!(sum, 0, "{lines:?}");
            lines
                .into_iter()
                .map(|line| (line.account, line.debit_micro - line.credit_micro))
                .collect::<Vec<_>>()
        };
        let owned = |lines: &[(&str, i64)]| {
            lines.iter().map(|(account, micro)| ((*account).to_owned(), *micro)).collect::<Vec<_>>()
        };
        assert_eq!(said(ReceivableEnd::Paid), owned(&[("1002.01", 7_000_000), ("1221", -7_000_000)]));
        assert_eq!(said(ReceivableEnd::WrittenOff), owned(&[("6711", 7_000_000), ("1221", -7_000_000)]));
        let won = owned(&[("1122", 10_000_000), ("1221", -7_000_000), ("6601", -3_000_000)]);
        assert_eq!(said(ReceivableEnd::DisputeWon), won);
        let all = Withdrawn { taken: Coins::ZERO, shortfall: coins(70) };
        assert_eq!(lines_of(ReceivableEnd::DisputeWon, all, 1).expect("fits").len(), 2);
        assert_eq!(lines_of(ReceivableEnd::Paid, of, i64::MAX), None);
    }
}
