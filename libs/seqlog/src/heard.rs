//! When the bus last said anything, group by group: every writer publishes its marks once a second, so a silent group
//! means that its queue no longer reaches this reader, however well the others do.

use ids::{GroupSet, Partition, PartitionGroup};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What was heard of each group.
#[derive(Debug, Default)]
pub struct Heard(BTreeMap<PartitionGroup, Instant>);

impl Heard {
    /// Something was said about a partition.
    pub fn note(&mut self, partition: Partition) {
        self.0.insert(partition.group(), Instant::now());
    }

    /// What was said is no longer good, as where new partitions are read: what was published about them went to
    /// whoever read them before.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// Those of `groups` that have been silent for longer than `limit`. They are to be asked about, and count as
    /// heard from now on.
    pub fn take_silent(&mut self, groups: GroupSet, limit: Duration) -> GroupSet {
        let now = Instant::now();
        let is_silent = |group: &PartitionGroup| self.0.get(group).is_none_or(|at| now - *at > limit);
        let silent: GroupSet =
            PartitionGroup::all().filter(|g| groups.contains(*g)).filter(is_silent).collect();
        self.0
            .extend(PartitionGroup::all().filter(|group| silent.contains(*group)).map(|group| (group, now)));
        silent
    }
}

#[cfg(test)]
mod tests {
    use super::Heard;
    use ids::{GroupSet, Partition};
    use std::time::Duration;

    #[test]
    fn a_group_is_silent_however_much_the_others_say() {
        let [here, there] = [0, 63].map(|number| Partition::try_new(number).expect("it exists"));
        let groups: GroupSet = [here.group(), there.group()].into_iter().collect();
        let mut heard = Heard::default();
        assert_eq!(heard.take_silent(groups, Duration::ZERO), groups, "nothing was heard of either");
        heard.note(here);
        assert!(heard.take_silent(groups, Duration::from_secs(60)).is_empty());
        std::thread::sleep(Duration::from_millis(30));
        heard.note(here);
        let silent = heard.take_silent(groups, Duration::from_millis(20));
        assert!(silent.contains(there.group()) && !silent.contains(here.group()));
        assert!(heard.take_silent(groups, Duration::from_millis(20)).is_empty(), "asked a moment ago");
        heard.forget();
        assert_eq!(heard.take_silent(groups, Duration::from_secs(60)), groups);
    }
}
