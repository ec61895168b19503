//! Rows as blobs: parts of a snapshot, its manifest, and deltas. Pure.
//!
//! A row is a line, `table TAB key TAB row`; a delta's removed row is `table TAB key`. JSON texts hold neither tabs
//! nor line breaks of their own, so a blob can be read by eye. A row's part follows from its key alone: a version
//! that differs in one row differs in one part, and parts are named by their digest, so all others are shared.

use crate::digest::Digest;
use crate::source::{BadRow, Rows};
use crate::table::DataSet;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use std::collections::BTreeMap;
use std::hash::Hasher;

/// The form of blobs. A reader refuses another one.
pub(crate) const FORMAT: u32 = 1;

/// Bytes of a part, about.
const PART_BYTES: usize = 64 * 1024;

/// Parts of the largest set.
const PARTS_MAX: usize = 8 * 1024;

/// Bytes of the largest delta; what is larger travels as a snapshot.
pub(crate) const DELTA_BYTES_MAX: usize = 512 * 1024;

/// Rows of each table, or changed rows of each table.
pub(crate) type Counts = BTreeMap<String, usize>;

/// What a snapshot consists of. Its digest is the digest of the version's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub format: u32,
    pub tables: Counts,
    pub parts: Vec<Digest>,
}

/// The first line of a delta.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeltaHead {
    pub format: u32,
    pub from: Digest,
    pub to: Digest,
    /// Rows of each table afterwards.
    pub tables: Counts,
}

/// Why a blob cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadBlob {
    #[error("a blob is of format {0}, and this program reads {FORMAT}")]
    Format(u32),
    #[error("a blob is not text of ours: {0}")]
    Malformed(String),
    #[error("{0}")]
    Row(String),
    #[error("the table {table} has {found} rows, and {told} were announced")]
    Count { table: String, told: usize, found: usize },
    #[error("a delta begins at another version")]
    OtherBeginning,
    #[error(transparent)]
    Rows(#[from] BadRow),
}

/// A version as blobs. The last is the manifest.
pub(crate) struct Encoded {
    pub manifest: Digest,
    pub parts: usize,
    pub blobs: Vec<(Digest, Bytes)>,
}

/// How many parts a set of some size has. A count that was right stays while it is not far off: another count makes
/// every part another one.
pub(crate) fn part_count(bytes: usize, known: Option<usize>) -> usize {
    if let Some(known) = known
        && known * PART_BYTES / 4 <= bytes
        && bytes <= known * PART_BYTES * 2
    {
        return known;
    }
    (bytes / PART_BYTES).max(1).next_power_of_two().min(PARTS_MAX)
}

fn part_of(table: &str, key: &str, parts: usize) -> usize {
    let mut hasher = SipHasher13::new();
    hasher.write(table.as_bytes());
    hasher.write_u8(0);
    hasher.write(key.as_bytes());
    let parts = u64::try_from(parts).unwrap_or(u64::MAX);
    usize::try_from(hasher.finish() % parts.max(1)).unwrap_or(0)
}

fn push_line(text: &mut String, table: &str, key: &str, row: Option<&str>) {
    text.push_str(table);
    text.push('\t');
    text.push_str(key);
    if let Some(row) = row {
        text.push('\t');
        text.push_str(row);
    }
    text.push('\n');
}

/// The blobs of a version in `parts` parts.
pub(crate) fn encode(rows: &Rows, parts: usize) -> Result<Encoded, BadBlob> {
    let mut texts = vec![String::new(); parts.max(1)];
    for (table, raw) in &rows.tables {
        for (key, row) in raw {
            if let Some(text) = texts.get_mut(part_of(table, key, parts)) {
                push_line(text, table, key, Some(row));
            }
        }
    }
    let mut blobs: Vec<(Digest, Bytes)> =
        texts.into_iter().map(|text| (Digest::of(text.as_bytes()), Bytes::from(text))).collect();
    let digests = blobs.iter().map(|(digest, _)| *digest).collect();
    let manifest = Manifest { format: FORMAT, tables: rows.counts(), parts: digests };
    let text = to_json(&manifest)?;
    let digest = Digest::of(&text);
    blobs.push((digest, text));
    Ok(Encoded { manifest: digest, parts, blobs })
}

/// What differs between two versions: the lines of a delta, and how many rows of each table changed.
pub(crate) fn diff(before: &Rows, after: &Rows) -> (String, Counts) {
    let (mut text, mut changed) = (String::new(), Counts::new());
    let empty = BTreeMap::new();
    for table in before.tables.keys().chain(after.tables.keys().filter(|t| !before.tables.contains_key(*t))) {
        let old = before.tables.get(table).unwrap_or(&empty);
        let new = after.tables.get(table).unwrap_or(&empty);
        let mut count = 0;
        for key in old.keys().filter(|key| !new.contains_key(*key)) {
            push_line(&mut text, table, key, None);
            count += 1;
        }
        for (key, row) in new.iter().filter(|(key, row)| old.get(*key) != Some(row)) {
            push_line(&mut text, table, key, Some(row));
            count += 1;
        }
        if count > 0 {
            changed.insert(table.clone(), count);
        }
    }
    (text, changed)
}

/// A delta as a blob, or `None` where a snapshot is the better way.
pub(crate) fn encode_delta(head: &DeltaHead, lines: &str) -> Result<Option<(Digest, Bytes)>, BadBlob> {
    if lines.len() > DELTA_BYTES_MAX {
        return Ok(None);
    }
    let mut blob = to_json(head)?.to_vec();
    blob.push(b'\n');
    blob.extend_from_slice(lines.as_bytes());
    Ok(Some((Digest::of(&blob), Bytes::from(blob))))
}

/// Reads a manifest.
pub(crate) fn read_manifest(blob: &[u8]) -> Result<Manifest, BadBlob> {
    let manifest: Manifest = from_json(blob)?;
    if manifest.format == FORMAT { Ok(manifest) } else { Err(BadBlob::Format(manifest.format)) }
}

/// Reads a delta: its head, and its lines.
pub(crate) fn read_delta(blob: &[u8]) -> Result<(DeltaHead, &str), BadBlob> {
    let text = as_text(blob)?;
    let (head, lines) = text.split_once('\n').ok_or(BadBlob::Malformed("no first line".to_owned()))?;
    let head: DeltaHead = from_json(head.as_bytes())?;
    if head.format == FORMAT { Ok((head, lines)) } else { Err(BadBlob::Format(head.format)) }
}

pub(crate) fn as_text(blob: &[u8]) -> Result<&str, BadBlob> {
    std::str::from_utf8(blob).map_err(|error| BadBlob::Malformed(error.to_string()))
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<Bytes, BadBlob> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| BadBlob::Malformed(error.to_string()))
}

pub(crate) fn from_json<T: for<'a> Deserialize<'a>>(blob: &[u8]) -> Result<T, BadBlob> {
    serde_json::from_slice(blob).map_err(|error| BadBlob::Malformed(error.to_string()))
}

/// One line: table, key, and the row unless it was taken away.
fn read_line(line: &str) -> Result<(&str, &str, Option<&str>), BadBlob> {
    let mut fields = line.split('\t');
    match (fields.next(), fields.next(), fields.next(), fields.next()) {
        (Some(table), Some(key), row, None) => Ok((table, key, row)),
        _ => Err(BadBlob::Malformed("a line is not table, key, row".to_owned())),
    }
}

/// Puts lines into a set; gives how many rows of each table it was told. The set is unfit for use after an error.
pub(crate) fn apply<D: DataSet>(set: &mut D, lines: &str) -> Result<Counts, BadBlob> {
    let mut told = Counts::new();
    for line in lines.lines() {
        let (table, key, row) = read_line(line)?;
        match told.get_mut(table) {
            Some(count) => *count += 1,
            None => {
                told.insert(table.to_owned(), 1);
            }
        }
        let Some(known) = set.table_mut(table) else { continue };
        let done = match row {
            Some(row) => known.put_json(key, row),
            None => known.remove_json(key),
        };
        done.map_err(|reason| BadBlob::Row(format!("table {table}, {reason}")))?;
    }
    Ok(told)
}

/// Compares the rows of each table with what was told.
pub(crate) fn check_counts<D: DataSet>(set: &mut D, told: &Counts) -> Result<(), BadBlob> {
    for (table, told) in told {
        let Some(found) = set.table_mut(table).map(|known| known.rows()) else { continue };
        if found != *told {
            return Err(BadBlob::Count { table: table.clone(), told: *told, found });
        }
    }
    Ok(())
}

/// The rows of a version from its manifest and parts, for the producer.
pub(crate) fn decode(manifest: &Manifest, parts: &[Bytes]) -> Result<Rows, BadBlob> {
    let mut rows = Rows::new();
    for table in manifest.tables.keys() {
        rows.table(table)?;
    }
    for part in parts {
        for line in as_text(part)?.lines() {
            let (table, key, Some(row)) = read_line(line)? else {
                return Err(BadBlob::Malformed("a snapshot takes a row away".to_owned()));
            };
            rows.put_raw(table, key.to_owned(), row.to_owned())?;
        }
    }
    for (table, told) in &manifest.tables {
        let found = rows.tables.get(table).map_or(0, BTreeMap::len);
        if found != *told {
            return Err(BadBlob::Count { table: table.clone(), told: *told, found });
        }
    }
    Ok(rows)
}
