//! A table in memory: shared between versions but for the rows that changed.
//!
//! Rows lie in buckets of about [`BUCKET_ROWS`]; a version that differs in one row copies one bucket and the list of
//! buckets, never the rows. Must not know where rows come from.

use foldhash::fast::FixedState;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

/// Rows of a bucket, on average, when a table has just grown.
const BUCKET_ROWS: usize = 32;

/// Rows of a bucket, on average, at which a table grows.
const BUCKET_ROWS_MAX: usize = 2 * BUCKET_ROWS;

type Bucket<K, V> = HashMap<K, Arc<V>, FixedState>;

/// Rows by key. Clones cost one counter and share everything.
pub struct Table<K, V> {
    buckets: Arc<Vec<Arc<Bucket<K, V>>>>,
    len: usize,
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        Table { buckets: Arc::clone(&self.buckets), len: self.len }
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Table { buckets: Arc::new(vec![Arc::new(Bucket::default())]), len: 0 }
    }
}

impl<K, V> std::fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({} rows)", self.len)
    }
}

impl<K, V> Table<K, V> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every row, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Arc<V>)> {
        self.buckets.iter().flat_map(|bucket| bucket.iter())
    }
}

impl<K: Eq + Hash + Clone, V> Table<K, V> {
    /// The row of a key, in the version that this table is of.
    pub fn get(&self, key: &K) -> Option<&Arc<V>> {
        self.buckets.get(self.place(key))?.get(key)
    }

    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// Puts a row; says whether the key is new.
    pub fn insert(&mut self, key: K, row: V) -> bool {
        let place = self.place(&key);
        let Some(bucket) = Arc::make_mut(&mut self.buckets).get_mut(place) else { return false };
        let is_new = Arc::make_mut(bucket).insert(key, Arc::new(row)).is_none();
        if is_new {
            self.len += 1;
            if self.len > self.buckets.len() * BUCKET_ROWS_MAX {
                self.grow();
            }
        }
        is_new
    }

    /// Takes a row away; says whether it was there.
    pub fn remove(&mut self, key: &K) -> bool {
        let place = self.place(key);
        let Some(bucket) = Arc::make_mut(&mut self.buckets).get_mut(place) else { return false };
        let was_there = Arc::make_mut(bucket).remove(key).is_some();
        if was_there {
            self.len -= 1;
        }
        was_there
    }

    /// The maps below take the low and the top bits of a hash, so buckets take the middle.
    fn place(&self, key: &K) -> usize {
        let hash = FixedState::default().hash_one(key);
        usize::try_from((hash >> 24) & 0xffff_ffff).unwrap_or(0) & (self.buckets.len() - 1)
    }

    fn grow(&mut self) {
        let count = (self.len / BUCKET_ROWS).max(1).next_power_of_two();
        let old = std::mem::replace(&mut self.buckets, Arc::new(Vec::new()));
        let mut fresh: Vec<Arc<Bucket<K, V>>> = (0..count).map(|_| Arc::default()).collect();
        std::mem::swap(Arc::make_mut(&mut self.buckets), &mut fresh);
        for bucket in Arc::unwrap_or_clone(old) {
            for (key, row) in Arc::unwrap_or_clone(bucket) {
                let place = self.place(&key);
                if let Some(bucket) = Arc::make_mut(&mut self.buckets).get_mut(place) {
                    Arc::make_mut(bucket).insert(key, row);
                }
            }
        }
    }
}

/// A table as the rows of the wire see it: JSON in. Implemented by [`Table`]; a set hands out its own.
pub trait RowTable {
    /// Puts a row; says whether its key is new.
    ///
    /// # Errors
    /// Why the JSON is no key or no row of this table.
    fn put_json(&mut self, key: &str, row: &str) -> Result<bool, String>;
    /// Takes a row away; says whether it was there.
    ///
    /// # Errors
    /// Why the JSON is no key of this table.
    fn remove_json(&mut self, key: &str) -> Result<bool, String>;
    /// Rows in it.
    fn rows(&self) -> usize;
}

impl<K, V> RowTable for Table<K, V>
where
    K: DeserializeOwned + Eq + Hash + Clone,
    V: DeserializeOwned,
{
    fn put_json(&mut self, key: &str, row: &str) -> Result<bool, String> {
        let key_read = serde_json::from_str(key).map_err(|error| format!("the key {key}: {error}"))?;
        let row = serde_json::from_str(row).map_err(|error| format!("the row {key}: {error}"))?;
        Ok(self.insert(key_read, row))
    }

    fn remove_json(&mut self, key: &str) -> Result<bool, String> {
        let key_read: K = serde_json::from_str(key).map_err(|error| format!("the key {key}: {error}"))?;
        Ok(self.remove(&key_read))
    }

    fn rows(&self) -> usize {
        self.len
    }
}

/// Tables that change together, and what is derived from them: what a reader sees as one version.
///
/// A clone must be cheap; it is, where every field is a [`Table`] or an `Arc`.
pub trait DataSet: Clone + Default + Send + Sync + 'static {
    /// The table of a name. The rows of a table that this program does not know are passed over, so that a newer
    /// producer can add one.
    fn table_mut(&mut self, name: &str) -> Option<&mut dyn RowTable>;

    /// Called once when the rows of a version are in place, before anybody sees it: derive what is derived here.
    ///
    /// # Errors
    /// Why this version must not be served. The node keeps the one it has and says so.
    fn finish(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// A table is a set of one table, which is named `rows`.
impl<K, V> DataSet for Table<K, V>
where
    K: Eq + Hash + Clone + DeserializeOwned + Send + Sync + 'static,
    V: DeserializeOwned + Send + Sync + 'static,
{
    fn table_mut(&mut self, name: &str) -> Option<&mut dyn RowTable> {
        (name == "rows").then_some(self)
    }
}
