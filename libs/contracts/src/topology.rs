//! Everything on the broker, in one place: the names of exchanges, queues, keys and headers, and what queues are. Part of
//! the wire: a broker refuses a queue that two programs declare differently.
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

/// Messages the broker may send a reader ahead of its acknowledgements.
pub const PREFETCH_MESSAGES: u16 = 256;

/// What a queue is declared with beside being durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    Word(&'static str),
    Number(i64),
    Flag,
}

/// A reader's queue of one group: kept by a majority of brokers, read by one consumer at a time, and bounded in messages
/// and bytes, past which the oldest is dropped (readers pull gaps). One that nobody has used for a week, of an old
/// generation or an ended shadow run, is deleted by the broker.
pub const READER_QUEUE: [(&str, Argument); 6] = [
    ("x-queue-type", Argument::Word("quorum")),
    ("x-overflow", Argument::Word("drop-head")),
    ("x-max-length", Argument::Number(4_096)),
    ("x-max-length-bytes", Argument::Number(256 << 20)),
    ("x-expires", Argument::Number(7 * 24 * 3_600_000)),
    ("x-single-active-consumer", Argument::Flag),
];

/// A log's queue of dead letters: bounded in messages, past which the oldest is dropped.
pub const DEAD_LETTER_QUEUE: [(&str, Argument); 3] = [
    ("x-queue-type", Argument::Word("quorum")),
    ("x-overflow", Argument::Word("drop-head")),
    ("x-max-length", Argument::Number(10_000)),
];

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
    use super::{Argument, DEAD_LETTER_QUEUE, Exchange, PREFETCH_MESSAGES, READER_QUEUE, routing_key};
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

    /// A broker that has these queues refuses others of the same names.
    #[test]
    fn the_queues_on_the_broker_stay_what_they_are() {
        let said = |arguments: &[(&str, Argument)]| -> Vec<String> {
            arguments.iter().map(|(name, argument)| format!("{name}: {argument:?}")).collect()
        };
        assert_eq!(PREFETCH_MESSAGES, 256);
        assert_eq!(
            said(&READER_QUEUE),
            [
                "x-queue-type: Word(\"quorum\")",
                "x-overflow: Word(\"drop-head\")",
                "x-max-length: Number(4096)",
                "x-max-length-bytes: Number(268435456)",
                "x-expires: Number(604800000)",
                "x-single-active-consumer: Flag",
            ]
        );
        assert_eq!(
            said(&DEAD_LETTER_QUEUE),
            [
                "x-queue-type: Word(\"quorum\")",
                "x-overflow: Word(\"drop-head\")",
                "x-max-length: Number(10000)"
            ]
        );
    }
}
