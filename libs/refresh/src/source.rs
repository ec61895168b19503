//! Where a set comes from: the one place that asks the database, and how its rows are handed over.

use crate::Versioned;
use serde::Serialize;
use std::collections::BTreeMap;

/// The longest key or row, as JSON, in bytes.
pub const ROW_BYTES_MAX: usize = 256 * 1024;

/// The largest set, in bytes of JSON. The elected producer holds about four times as much while it publishes.
pub const SET_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Why a source could not be read. What was known stays known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot could not be loaded: {reason}")]
pub struct LoadError {
    pub reason: String,
}

impl LoadError {
    pub fn new(reason: impl std::fmt::Display) -> LoadError {
        LoadError { reason: reason.to_string() }
    }
}

impl From<BadRow> for LoadError {
    fn from(error: BadRow) -> LoadError {
        LoadError::new(error)
    }
}

/// Where a snapshot comes from.
#[async_trait::async_trait]
pub trait SnapshotSource<T>: Send + Sync {
    /// The current value if it is newer than `known_version`, `None` if not.
    ///
    /// All of it must be of one moment: one statement, or one transaction that repeats its reads. The version is
    /// read first or with it, never after. Called by one node of all, and cancelled at its time limit.
    async fn load(&self, known_version: i64) -> Result<Option<Versioned<T>>, LoadError>;
}

/// Why a row was refused; the set is refused with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRow {
    #[error("a table's name is 1 to 63 characters of a-z, 0-9 and _, not {0:?}")]
    TableName(String),
    #[error("the table {table} has the key {key} twice")]
    DuplicateKey { table: String, key: String },
    #[error("a row of the table {table} is not JSON of ours: {reason}")]
    NotJson { table: String, reason: String },
    #[error("the row {key} of the table {table} has {len} bytes, and {ROW_BYTES_MAX} are the most")]
    TooLong { table: String, key: String, len: usize },
    #[error("the set has more than {SET_BYTES_MAX} bytes")]
    SetTooLarge,
}

/// One table as JSON texts: rows by key.
pub(crate) type RawTable = BTreeMap<String, String>;

/// The rows of all tables of a set, at one moment.
///
/// Keys and rows are kept as JSON: a program of the next version, with one more field, reads what this one wrote.
/// The same row must give the same text each time, so hash maps have no place in rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    pub(crate) tables: BTreeMap<String, RawTable>,
    bytes: usize,
}

impl Rows {
    pub fn new() -> Rows {
        Rows::default()
    }

    /// Names a table, so that it is known also when it has no row.
    ///
    /// # Errors
    /// [`BadRow::TableName`].
    pub fn table(&mut self, table: &str) -> Result<(), BadRow> {
        self.raw_table(table).map(drop)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`BadRow`]; the load must fail then.
    pub fn put<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        table: &str,
        key: &K,
        row: &V,
    ) -> Result<(), BadRow> {
        let failed =
            |e: serde_json::Error| BadRow::NotJson { table: table.to_owned(), reason: e.to_string() };
        let key = serde_json::to_string(key).map_err(failed)?;
        let row = serde_json::to_string(row).map_err(failed)?;
        self.put_raw(table, key, row)
    }

    /// Adds a row that is JSON already, without line breaks or tabs between its parts.
    pub(crate) fn put_raw(&mut self, table: &str, key: String, row: String) -> Result<(), BadRow> {
        let len = key.len().max(row.len());
        if len > ROW_BYTES_MAX {
            let key = key.chars().take(64).collect();
            return Err(BadRow::TooLong { table: table.to_owned(), key, len });
        }
        self.bytes = self.bytes.saturating_add(table.len() + key.len() + row.len() + 3);
        if self.bytes > SET_BYTES_MAX {
            return Err(BadRow::SetTooLarge);
        }
        let rows = self.raw_table(table)?;
        match rows.entry(key) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(row);
                Ok(())
            }
            std::collections::btree_map::Entry::Occupied(taken) => {
                Err(BadRow::DuplicateKey { table: table.to_owned(), key: taken.key().clone() })
            }
        }
    }

    fn raw_table(&mut self, table: &str) -> Result<&mut RawTable, BadRow> {
        if !self.tables.contains_key(table) {
            let fits = (1..=63).contains(&table.len());
            let is_safe = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            if !fits || !table.bytes().all(is_safe) {
                return Err(BadRow::TableName(table.chars().take(64).collect()));
            }
        }
        Ok(self.tables.entry(table.to_owned()).or_default())
    }

    /// Bytes of all rows as they travel.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rows of each table.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.tables.iter().map(|(table, rows)| (table.clone(), rows.len())).collect()
    }
}
