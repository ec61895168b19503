//! The accounts a lane holds in memory. One with entries that no snapshot covers is never evicted, so a cold
//! account is one row away.

use crate::domain::Account;
use contracts::log::Seq;
use foldhash::HashMap;
use ids::{Partition, ViewerId, partition_of};
use std::collections::VecDeque;

#[derive(Debug)]
struct Slot {
    account: Account,
    /// The batch that last changed it: the first change of a batch saves the state before it.
    changed_in: u64,
    /// Whether it has committed entries that its row among the snapshots does not show.
    dirty: bool,
    /// Whether it has committed entries that no kept changes show either.
    uncovered: bool,
    /// Whether it has a row among the snapshots.
    saved: bool,
    /// Whether it was used since eviction last passed by.
    used: bool,
}

/// An account that a snapshot is to cover.
#[derive(Debug)]
pub(super) struct Dirty {
    pub account_id: ViewerId,
    pub account: Account,
    /// Whether it has a row among the snapshots.
    pub saved: bool,
}

#[derive(Debug, Default)]
pub(super) struct Accounts {
    slots: HashMap<ViewerId, Slot>,
    /// Eviction's round, oldest first.
    round: VecDeque<ViewerId>,
    /// Accounts that became dirty since the last snapshot of all began.
    dirty: Vec<ViewerId>,
    /// Accounts that became uncovered since the last snapshot began.
    uncovered: Vec<ViewerId>,
    /// The state before the current batch, of every account it changed.
    before: Vec<(ViewerId, Account)>,
    batch: u64,
}

impl Accounts {
    pub fn contains(&self, account_id: ViewerId) -> bool {
        self.slots.contains_key(&account_id)
    }

    pub fn get(&self, account_id: ViewerId) -> Option<&Account> {
        self.slots.get(&account_id).map(|slot| &slot.account)
    }

    /// Takes a cold account in, as its snapshot has it; one without a snapshot is empty.
    pub fn insert(&mut self, account_id: ViewerId, snapshot: Option<Account>) {
        let saved = snapshot.is_some();
        let account = snapshot.unwrap_or_default();
        let slot = Slot { account, changed_in: 0, dirty: false, uncovered: false, saved, used: true };
        if self.slots.insert(account_id, slot).is_none() {
            self.round.push_back(account_id);
        }
    }

    /// Takes an account in as kept changes have it: newer than its row among the snapshots.
    pub fn insert_changed(&mut self, account_id: ViewerId, account: Account) {
        if !self.contains(account_id) {
            self.insert(account_id, None);
        }
        let Some(slot) = self.slots.get_mut(&account_id) else { return };
        slot.account = account;
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(account_id);
        }
    }

    pub fn begin_batch(&mut self) {
        self.batch += 1;
        self.before.clear();
    }

    /// The account, to be changed by the current batch.
    pub fn change(&mut self, account_id: ViewerId) -> Option<&mut Account> {
        let slot = self.slots.get_mut(&account_id)?;
        if slot.changed_in != self.batch {
            slot.changed_in = self.batch;
            self.before.push((account_id, slot.account.clone()));
        }
        slot.used = true;
        Some(&mut slot.account)
    }

    /// The batch did not happen: every account is again what is committed.
    pub fn undo_batch(&mut self) {
        for (account_id, account) in self.before.drain(..) {
            if let Some(slot) = self.slots.get_mut(&account_id) {
                slot.account = account;
            }
        }
        self.batch += 1;
    }

    /// An entry of the account is committed as `seq`.
    pub fn committed(&mut self, account_id: ViewerId, seq: Seq) {
        if let Some(slot) = self.slots.get_mut(&account_id) {
            slot.account.as_of_seq = slot.account.as_of_seq.max(seq);
            if !slot.dirty {
                slot.dirty = true;
                self.dirty.push(account_id);
            }
            if !slot.uncovered {
                slot.uncovered = true;
                self.uncovered.push(account_id);
            }
        }
    }

    /// The accounts to be written by a snapshot that begins now, each to its row.
    pub fn take_dirty(&mut self) -> Vec<Dirty> {
        self.take_uncovered(); // A row shows more than changes would.
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable(); // Neighbours in the table's index are written together.
        dirty.dedup(); // One that was reloaded while a snapshot was written is here twice.
        let of = |account_id: ViewerId| {
            let slot = self.slots.get(&account_id).filter(|slot| slot.dirty)?;
            Some(Dirty { account_id, account: slot.account.clone(), saved: slot.saved })
        };
        dirty.into_iter().filter_map(of).collect()
    }

    /// The accounts whose changes are to be kept by a snapshot that begins now.
    pub fn take_uncovered(&mut self) -> Vec<Dirty> {
        let uncovered = std::mem::take(&mut self.uncovered);
        let of = |account_id: ViewerId| {
            let slot = self.slots.get_mut(&account_id).filter(|slot| slot.uncovered)?;
            slot.uncovered = false;
            Some(Dirty { account_id, account: slot.account.clone(), saved: slot.saved })
        };
        uncovered.into_iter().filter_map(of).collect()
    }

    /// A snapshot failed: what it was to cover is for the next.
    pub fn not_covered(&mut self, account_id: ViewerId) {
        if let Some(slot) = self.slots.get_mut(&account_id).filter(|slot| slot.dirty && !slot.uncovered) {
            slot.uncovered = true;
            self.uncovered.push(account_id);
        }
    }

    /// The account's row shows it up to `as_of_seq`; `None`: it was not written. An account that has moved on, or
    /// was not written, stays dirty.
    pub fn covered(&mut self, account_id: ViewerId, as_of_seq: Option<Seq>) {
        if let Some(slot) = self.slots.get_mut(&account_id) {
            slot.saved |= as_of_seq.is_some();
            if as_of_seq == Some(slot.account.as_of_seq) {
                slot.dirty = false;
            } else if slot.dirty {
                self.dirty.push(account_id);
            }
        }
    }

    pub fn dirty_len(&self) -> usize {
        self.dirty.len()
    }

    /// Forgets every account of a partition, because it is reloaded or not ours any more.
    pub fn forget(&mut self, partition: Partition) {
        let stays = |id: &ViewerId| partition_of(id.uuid()) != partition;
        self.slots.retain(|id, _| stays(id));
        self.round.retain(stays);
        self.dirty.retain(stays);
        self.uncovered.retain(stays);
        self.before.retain(|(id, _)| stays(id));
    }

    /// Evicts clean accounts not used lately until at most `accounts_max` are left. Looks at each account at
    /// most twice; what cannot go yet waits for the next snapshot.
    pub fn evict_down_to(&mut self, accounts_max: usize) {
        let mut looks = self.round.len().saturating_mul(2);
        while self.slots.len() > accounts_max && looks > 0 {
            looks -= 1;
            let Some(account_id) = self.round.pop_front() else { return };
            match self.slots.get_mut(&account_id) {
                None => {}
                Some(slot) if slot.dirty || slot.used => {
                    slot.used = false;
                    self.round.push_back(account_id);
                }
                Some(_) => {
                    self.slots.remove(&account_id);
                }
            }
        }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Accounts;
    use crate::domain::Account;
    use ids::{ViewerId, partition_of};

    #[test]
    fn an_account_reloaded_while_its_snapshot_was_written_is_written_once() {
        let mut accounts = Accounts::default();
        let ann = ViewerId::now();
        let saved = Account { as_of_seq: 7, ..Account::default() };
        accounts.insert_changed(ann, saved.clone());
        assert_eq!(accounts.take_dirty().len(), 1, "a snapshot begins");
        accounts.forget(partition_of(ann.uuid()));
        accounts.insert_changed(ann, saved);
        accounts.covered(ann, None); // It ends, under an epoch that is over.
        assert_eq!(accounts.take_dirty().len(), 1);
    }
}
