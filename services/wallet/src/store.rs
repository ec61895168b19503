//! The only SQL of the wallet. Joins transactions (`*_in_tx`) and never begins one, except to make a day table.

mod accounts;
mod changes;
mod days;
mod entries;
mod lookups;
mod moves;
mod retired;
mod row;

pub(crate) use accounts::{
    SnapshotRow, list_holds, load_accounts, snapshot_heads, write_accounts, write_snapshot_heads,
};
pub(crate) use changes::{list_changes, write_changes};
pub(crate) use days::Days;
pub use entries::EntriesTable;
pub(crate) use lookups::{
    KnownRequest, RequestKey, SeqKey, find_previous, find_requests, list_account_entries, list_by_seq,
    list_known_since, load_origins, read_tail,
};
pub(crate) use moves::{copy_accounts, copy_entries, find_last_seq, list_days};
pub use retired::DayPart;
pub(crate) use retired::{count_uncovered, detach, list_parts};
