//! Refunds as CSV: order, amount, reason. Reads a whole file or none of it, and names line and column of what is wrong.

use contracts::sheet::{Fault, Faults, Layout};
use ids::OrderId;
use money::Coins;
use std::collections::HashMap;

/// The columns. Read in any order.
pub const COLUMNS: [&str; 3] = ["order_id", "amount_coins", "reason"];

/// The most refunds one file has.
pub const LINES_MAX: usize = 10_000;

/// The longest reason of a line, in characters.
const REASON_LEN_MAX: usize = 500;

/// One refund of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLine {
    /// Where it stands: the header is line 1.
    pub line: i32,
    pub order_id: OrderId,
    /// Missing: all that is left.
    pub amount_coins: Option<Coins>,
    pub reason: String,
}

/// Reads a file. Whether the orders are there is not known here.
///
/// # Errors
/// [`Faults`]: everything that cannot be read.
pub fn read_refunds(text: &str) -> Result<Vec<FileLine>, Faults> {
    let layout = Layout { columns: COLUMNS, lines_max: LINES_MAX, line_is: "refund" };
    let mut seen: HashMap<OrderId, i32> = HashMap::new();
    layout.read(text, |number, texts| {
        let line = read_line(number, texts)?;
        match seen.insert(line.order_id, number) {
            None => Ok(line),
            Some(first) => {
                let reason = format!("the order is in line {first} already");
                Err(vec![Fault { line: number, column: "order_id", reason }])
            }
        }
    })
}

fn read_line(line: i32, [order, amount, reason]: [&str; 3]) -> Result<FileLine, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut fault = |column, reason: String| faults.push(Fault { line, column, reason });
    let order_id: Option<OrderId> =
        order.parse().map_err(|_| fault("order_id", format!("{order:?} is not an id"))).ok();
    let amount_coins = match amount {
        "" => Some(None),
        given => match given.parse::<i64>().ok().and_then(|coins| Coins::try_new(coins).ok()) {
            Some(coins) if !coins.is_zero() => Some(Some(coins)),
            Some(_) | None => {
                fault("amount_coins", format!("{given:?} is not a number of coins above zero"));
                None
            }
        },
    };
    if reason.is_empty() || reason.chars().count() > REASON_LEN_MAX {
        fault("reason", format!("a reason has 1 to {REASON_LEN_MAX} characters"));
    }
    match (order_id, amount_coins) {
        (Some(order_id), Some(amount_coins)) if faults.is_empty() => {
            Ok(FileLine { line, order_id, amount_coins, reason: reason.to_owned() })
        }
        (_, _) => Err(faults),
    }
}

#[cfg(test)]
mod tests {
    use super::{FileLine, read_refunds};

    const FILE: &str = "order_id,amount_coins,reason\n\
        01980000-0000-7000-8000-000000000001,120,\"shown, but late\"\n\
        01980000-0000-7000-8000-000000000002,,sent twice by mistake\n";

    /// What every accepted line keeps, whatever happened to the file: an amount above zero, a reason, an order of its own.
    fn keep_their_promises(lines: &[FileLine]) -> bool {
        let orders: std::collections::BTreeSet<_> = lines.iter().map(|line| line.order_id).collect();
        let is_good = |line: &FileLine| {
            line.amount_coins.is_none_or(|coins| coins.get() > 0) && !line.reason.is_empty()
        };
        orders.len() == lines.len() && lines.iter().all(is_good)
    }

    #[test]
    fn a_damaged_file_is_refused_by_its_line_or_keeps_its_promises() {
        let whole = read_refunds(FILE).expect("it can be read");
        assert_eq!(whole.len(), 2);
        for at in 0..FILE.len() {
            if let Ok(lines) = read_refunds(&FILE[..at]) {
                let orders = |lines: &[FileLine]| lines.iter().map(|line| line.order_id).collect::<Vec<_>>();
                assert_eq!(orders(&lines), orders(&whole)[..lines.len()], "cut at {at}");
                assert!(keep_their_promises(&lines), "cut at {at}: {lines:?}");
            }
            for mask in [0x01, 0x04, 0x20, 0x80] {
                let mut damaged = FILE.as_bytes().to_vec();
                damaged[at] ^= mask;
                match read_refunds(&String::from_utf8_lossy(&damaged)) {
                    Ok(lines) => assert!(keep_their_promises(&lines), "byte {at}: {lines:?}"),
                    Err(faults) => {
                        let is_in_file = |line| (1..=4).contains(&line);
                        assert!(faults.0.iter().all(|fault| is_in_file(fault.line)), "byte {at}: {faults}");
                    }
                }
            }
        }
    }
}
