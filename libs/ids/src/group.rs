//! Partition groups: what a node owns, and what a queue carries. Eight groups of eight consecutive partitions.

use crate::{IdError, PARTITION_COUNT, Partition};

/// How many partitions make one group.
pub const GROUP_LEN: u8 = 8;

/// How many groups there are.
pub const GROUP_COUNT: u8 = PARTITION_COUNT / GROUP_LEN;

/// Eight consecutive partitions, which one node owns together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionGroup(u8);

impl PartitionGroup {
    /// All of them, in order.
    pub fn all() -> impl DoubleEndedIterator<Item = PartitionGroup> {
        (0..GROUP_COUNT).map(PartitionGroup)
    }

    /// Its partitions, in the order in which their heads lock.
    pub fn partitions(self) -> impl DoubleEndedIterator<Item = Partition> {
        Partition::all().filter(move |partition| partition.group() == self)
    }

    /// The number as its SMALLINT column holds it.
    pub fn number(self) -> i16 {
        i16::from(self.0)
    }

    /// The number as an index.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl Partition {
    /// The group it belongs to.
    pub fn group(self) -> PartitionGroup {
        PartitionGroup(self.raw() / GROUP_LEN)
    }

    /// Its place among the group's eight, from 1, as SQL counts.
    pub fn slot(self) -> i32 {
        i32::from(self.raw() % GROUP_LEN) + 1
    }
}

impl TryFrom<i16> for PartitionGroup {
    type Error = IdError;
    fn try_from(number: i16) -> Result<PartitionGroup, IdError> {
        u8::try_from(number)
            .ok()
            .filter(|number| *number < GROUP_COUNT)
            .map(PartitionGroup)
            .ok_or(IdError::NoSuchGroup(number))
    }
}

impl std::fmt::Display for PartitionGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Some of the groups.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct GroupSet(u8);

impl GroupSet {
    pub const EMPTY: GroupSet = GroupSet(0);
    pub const ALL: GroupSet = GroupSet(u8::MAX);

    pub fn contains(self, group: PartitionGroup) -> bool {
        self.0 & Self::bit(group) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn len(self) -> usize {
        usize::try_from(self.0.count_ones()).unwrap_or(0) // At most eight.
    }

    pub fn insert(&mut self, group: PartitionGroup) {
        self.0 |= Self::bit(group);
    }

    pub fn remove(&mut self, group: PartitionGroup) {
        self.0 &= !Self::bit(group);
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: GroupSet) -> GroupSet {
        GroupSet(self.0 & other.0)
    }

    /// What is in this and not in the other.
    #[must_use]
    pub fn without(self, other: GroupSet) -> GroupSet {
        GroupSet(self.0 & !other.0)
    }

    /// In order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = PartitionGroup> {
        PartitionGroup::all().filter(move |group| self.contains(*group))
    }

    fn bit(group: PartitionGroup) -> u8 {
        1 << group.0
    }
}

impl FromIterator<PartitionGroup> for GroupSet {
    fn from_iter<I: IntoIterator<Item = PartitionGroup>>(groups: I) -> GroupSet {
        let mut set = GroupSet::EMPTY;
        groups.into_iter().for_each(|group| set.insert(group));
        set
    }
}

impl std::fmt::Debug for GroupSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(PartitionGroup::number)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{GROUP_COUNT, GROUP_LEN, GroupSet, PartitionGroup};
    use crate::{PARTITION_COUNT, Partition};

    #[test]
    fn every_partition_is_in_exactly_one_group_of_eight_neighbours() {
        assert_eq!(u32::from(GROUP_COUNT) * u32::from(GROUP_LEN), u32::from(PARTITION_COUNT));
        let listed: Vec<Partition> = PartitionGroup::all().flat_map(PartitionGroup::partitions).collect();
        assert_eq!(listed, Partition::all().collect::<Vec<_>>());
        assert!(PartitionGroup::all().all(|group| group.partitions().count() == usize::from(GROUP_LEN)));
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let mut set: GroupSet = PartitionGroup::all().filter(|group| group.index() % 2 == 0).collect();
        assert_eq!(set.len(), 4);
        set.remove(PartitionGroup::try_from(0).expect("it exists"));
        assert_eq!(set.iter().map(PartitionGroup::number).collect::<Vec<_>>(), [2, 4, 6]);
        assert_eq!(GroupSet::ALL.without(set).len(), 5);
        assert!(PartitionGroup::try_from(8).is_err());
    }
}
