//! What rows of each log say to their neighbours.

use contracts::digest::{Fact, Pair, facts_of_entry, facts_of_item, facts_of_order};
use contracts::entry::Entry;
use contracts::item::Item;
use contracts::log::{LogName, LogRow};
use contracts::order::Order;

/// One side of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The log that the other derives from.
    Before,
    After,
}

impl Side {
    /// The number in the column `side`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            Side::Before => 1,
            Side::After => 2,
        }
    }
}

/// The logs of a pair: before, after.
pub const fn logs_of(pair: Pair) -> (LogName, LogName) {
    match pair {
        Pair::EntriesOrders => (LogName::Entries, LogName::Orders),
        Pair::OrdersItems => (LogName::Orders, LogName::Items),
    }
}

/// The name of a pair in metrics, breaks and answers.
pub const fn name_of(pair: Pair) -> &'static str {
    match pair {
        Pair::EntriesOrders => "entries_orders",
        Pair::OrdersItems => "orders_items",
    }
}

/// A row that states facts.
pub trait Saying: LogRow {
    fn facts(&self) -> Vec<Fact>;

    /// The side on which this log stands in a pair.
    fn side(pair: Pair) -> Side {
        if logs_of(pair).0 == Self::LOG { Side::Before } else { Side::After }
    }
}

impl Saying for Entry {
    fn facts(&self) -> Vec<Fact> {
        facts_of_entry(self).into_iter().collect()
    }
}

impl Saying for Order {
    fn facts(&self) -> Vec<Fact> {
        facts_of_order(self).collect()
    }
}

impl Saying for Item {
    fn facts(&self) -> Vec<Fact> {
        vec![facts_of_item(self)]
    }
}
