//! Which partitions of one log this process writes now, and under which epochs: told by appenders, read by whoever
//! routes to them. Must not decide anything.

use contracts::log::Epoch;
use ids::{GroupSet, Partition};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// The partitions held, by all appenders that were given this handle. Cheap to clone and to read.
#[derive(Clone, Debug, Default)]
pub struct Holdings(Arc<watch::Sender<BTreeMap<Partition, Epoch>>>);

impl Holdings {
    /// What is held, in partition order.
    pub fn list(&self) -> Vec<(Partition, Epoch)> {
        self.0.borrow().iter().map(|(partition, epoch)| (*partition, *epoch)).collect()
    }

    /// The partitions held.
    pub fn partitions(&self) -> Vec<Partition> {
        self.0.borrow().keys().copied().collect()
    }

    /// The groups of which at least one partition is held.
    pub fn groups(&self) -> GroupSet {
        self.0.borrow().keys().map(|partition| partition.group()).collect()
    }

    pub fn holds(&self, partition: Partition) -> bool {
        self.0.borrow().contains_key(&partition)
    }

    /// Hears of every change.
    pub fn watch(&self) -> watch::Receiver<BTreeMap<Partition, Epoch>> {
        self.0.subscribe()
    }

    pub(crate) fn put(&self, partition: Partition, epoch: Epoch) {
        self.0.send_if_modified(|held| held.insert(partition, epoch) != Some(epoch));
    }

    pub(crate) fn remove(&self, partition: Partition) {
        self.0.send_if_modified(|held| held.remove(&partition).is_some());
    }
}
