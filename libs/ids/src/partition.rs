//! The 64 partitions every log has, for ever.

use crate::{IdError, Uuid};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// How many partitions every log has. For ever: growth moves partitions, it never rehashes.
pub const PARTITION_COUNT: u8 = 64;

/// One of the 64 pipelines.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(try_from = "i64", into = "i64")]
pub struct Partition(u8);

impl Partition {
    /// Makes a partition number.
    ///
    /// # Errors
    /// [`IdError::NoSuchPartition`] outside 0 to 63.
    pub fn try_new(number: i64) -> Result<Partition, IdError> {
        u8::try_from(number)
            .ok()
            .filter(|number| *number < PARTITION_COUNT)
            .map(Partition)
            .ok_or(IdError::NoSuchPartition(number))
    }

    /// All of them, in the order in which their heads lock.
    pub fn all() -> impl DoubleEndedIterator<Item = Partition> {
        (0..PARTITION_COUNT).map(Partition)
    }

    /// The number as its SMALLINT column holds it.
    pub fn number(self) -> i16 {
        i16::from(self.0)
    }

    /// The number as an index.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(crate) const fn raw(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_low_bits(bits: u8) -> Partition {
        Partition(bits & (PARTITION_COUNT - 1))
    }
}

impl From<Partition> for i64 {
    fn from(partition: Partition) -> i64 {
        i64::from(partition.0)
    }
}

impl TryFrom<i64> for Partition {
    type Error = IdError;
    fn try_from(number: i64) -> Result<Partition, IdError> {
        Partition::try_new(number)
    }
}

impl TryFrom<i16> for Partition {
    type Error = IdError;
    fn try_from(number: i16) -> Result<Partition, IdError> {
        Partition::try_new(i64::from(number))
    }
}

impl std::fmt::Display for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The partition an owner's id belongs to: SipHash-1-3 of its 16 bytes with a zero key, the low six bits.
/// Part of the stored format: it must never change.
pub fn partition_of(owner: Uuid) -> Partition {
    let mut hasher = SipHasher13::new();
    hasher.write(owner.as_bytes());
    Partition::from_low_bits(hasher.finish().to_le_bytes()[0])
}
