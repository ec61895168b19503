//! Ids derived from other ids: the same inputs give the same id, so a retry cannot make a second one.

use crate::{Partition, Uuid};
use chrono::{DateTime, NaiveDate, Utc};
use sha2::{Digest, Sha256};

/// The time an id carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdTime {
    pub unix_ms: i64,
}

impl IdTime {
    /// The UTC day of the id's own time: the key of the wallet's day partitions.
    pub fn day(self) -> NaiveDate {
        DateTime::<Utc>::from_timestamp_millis(self.unix_ms).unwrap_or_default().date_naive()
    }
}

/// The time in the first 48 bits of a UUIDv7 (or of a v8 made by this crate).
pub fn id_time(id: Uuid) -> IdTime {
    let mut bytes = [0_u8; 8];
    bytes[2..].copy_from_slice(&id.as_bytes()[..6]);
    IdTime { unix_ms: i64::from_be_bytes(bytes) }
}

/// The lowest id of a millisecond: every id of it, or of a later one, sorts after.
pub fn lowest_id(unix_ms: i64) -> Uuid {
    let mut bytes = [0_u8; 16];
    bytes[..6].copy_from_slice(&unix_ms.max(0).to_be_bytes()[2..]);
    Uuid::from_bytes(bytes)
}

/// An id that keeps the time and the version of `from`, hashes `what` and `parts`, and carries `partition`
/// in six of its bits. Two derivations collide with a probability of 2^-68 per pair of one millisecond.
pub fn derive_id(from: Uuid, what: &str, parts: &[&[u8]], partition: Partition) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(what.as_bytes());
    for part in parts {
        hash.update([0]); // Ids have one length, so a separator is enough to keep parts apart.
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut bytes = [0_u8; 16];
    bytes[..6].copy_from_slice(&from.as_bytes()[..6]);
    bytes[6..].copy_from_slice(&digest[..10]);
    bytes[7] = (bytes[7] & 0b1100_0000) | partition.raw();
    let version = if from.get_version_num() == 8 { 8 } else { 7 };
    stamp(bytes, version)
}

/// The partition that [`derive_id`] put into an id.
pub(crate) fn carried_partition(id: Uuid) -> Partition {
    Partition::from_low_bits(id.as_bytes()[7])
}

/// A stable id for a name, for viewers, rooms and streamers of samples and development. Its time is zero.
pub fn named_id(kind: &str, name: &str) -> Uuid {
    let digest = Sha256::new()
        .chain_update(kind.as_bytes())
        .chain_update([0])
        .chain_update(name.as_bytes())
        .finalize();
    let mut bytes = [0_u8; 16];
    bytes[6..].copy_from_slice(&digest[..10]);
    stamp(bytes, 7)
}

/// The same id with the version of a lane: 7 for live traffic, 8 for a shadow run.
pub fn with_version(id: Uuid, version: u8) -> Uuid {
    stamp(id.into_bytes(), version)
}

fn stamp(mut bytes: [u8; 16], version: u8) -> Uuid {
    bytes[6] = (bytes[6] & 0x0f) | (version << 4);
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use crate::{OrderId, Partition, SendKey, ViewerId, id_time, partition_of};

    #[test]
    fn an_order_id_keeps_the_keys_time_and_the_viewers_partition() {
        for _ in 0..200 {
            let (viewer, key) = (ViewerId::now(), SendKey::now());
            let order = OrderId::of(viewer, key);
            assert_eq!(order, OrderId::of(viewer, key));
            assert_eq!(id_time(order.uuid()), id_time(key.uuid()));
            assert_eq!(order.partition(), partition_of(viewer.uuid()));
            assert_eq!(order.uuid().get_version_num(), 7);
            assert_ne!(order.refund_request().uuid(), order.uuid());
            assert_ne!(order, OrderId::of(ViewerId::now(), key));
        }
    }

    #[test]
    fn partitions_of_many_owners_are_even() {
        let mut counts = [0_u32; 64];
        for _ in 0..64_000 {
            counts[partition_of(ViewerId::now().uuid()).index()] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
        assert_eq!(Partition::all().count(), 64);
    }
}
