//! The names of everything on the broker, in one place: exchanges, queues, keys and headers. Part of the wire.
//!
//! Each log has one durable direct exchange, whose routing keys are the numbers of the partition groups. Each reader
//! has one quorum queue per group, so that the node that owns a group hears it and no other does. What a reader
//! refuses goes to the log's dead-letter exchange, with the reason in a header.

use crate::lane::Lane;
use ids::PartitionGroup;

/// Why a message was refused, in words.
pub const REASON_HEADER: &str = "x-largesse-reason";
/// Whose queues it was refused from: their name without the group.
pub const QUEUE_HEADER: &str = "x-largesse-queue";

/// The exchange of one log in one lane and one bus generation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exchange(String);

impl Exchange {
    /// The exchange of `log` (`wallet.entries.g1`, or `shadow_run1_wallet.entries.g1`).
    pub fn new(lane: &Lane, log: &str, generation: u32) -> Exchange {
        Exchange(format!("{}{log}.g{generation}", lane.prefix()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The queue of one reader and one group (`wallet.entries.g1.settlement.items.3`).
    pub fn queue(&self, reader: &str, group: PartitionGroup) -> String {
        format!("{}.{reader}.{group}", self.0)
    }

    /// Where refused messages go: an exchange, and the queue behind it, of one name.
    pub fn dead_letters(&self) -> String {
        format!("{}.dead", self.0)
    }
}

/// The routing key of a group.
pub fn routing_key(group: PartitionGroup) -> String {
    group.to_string()
}

#[cfg(test)]
mod tests {
    use super::{Exchange, routing_key};
    use crate::lane::{Lane, RunName};
    use ids::PartitionGroup;

    #[test]
    fn the_names_on_the_broker_stay_what_they_are() {
        let exchange = Exchange::new(&Lane::Live, "wallet.entries", 1);
        let group = PartitionGroup::try_from(3).expect("it exists");
        assert_eq!(exchange.as_str(), "wallet.entries.g1");
        assert_eq!(exchange.queue("settlement.items", group), "wallet.entries.g1.settlement.items.3");
        assert_eq!(exchange.dead_letters(), "wallet.entries.g1.dead");
        assert_eq!(routing_key(group), "3");
        let run = RunName::try_from("run1".to_owned()).expect("a name");
        assert_eq!(
            Exchange::new(&Lane::Shadow(run), "gift.orders", 2).as_str(),
            "shadow_run1_gift.orders.g2"
        );
    }
}
