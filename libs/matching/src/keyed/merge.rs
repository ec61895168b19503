//! One partition that fits into memory: both sides sorted by (hash, place), merged, groups of one key resolved.

use super::KeyedError;
use super::difference::{Difference, FoundRow, Kind, differing};
use super::row::Record;
use crate::Side;
use siphasher::sip::SipHasher13;
use std::collections::BTreeMap;

/// Bytes that a row takes in the index beside its record.
pub(super) const INDEX_BYTES: u64 = 16;

/// A row's hash, and where its record begins.
type Place = (u64, u32);

/// One side of the partition: records one after another, and their index.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) bytes: Vec<u8>,
    index: Vec<Place>,
}

impl Sorted {
    /// Takes note of every record in `bytes`, in the order of their hashes.
    ///
    /// # Errors
    /// [`KeyedError::SpillDamaged`] where the bytes are not records.
    pub(super) fn sort(&mut self, rows: u64, hasher: &SipHasher13) -> Result<(), KeyedError> {
        self.index.clear();
        self.index.reserve_exact(usize::try_from(rows).unwrap_or(0));
        let mut at = 0;
        while at < self.bytes.len() {
            let (record, next) = Record::read(&self.bytes, at).ok_or(KeyedError::SpillDamaged)?;
            let key = record.key().ok_or(KeyedError::SpillDamaged)?;
            let place = u32::try_from(at).map_err(|_| KeyedError::SpillDamaged)?;
            self.index.push((hasher.hash(key), place));
            at = next;
        }
        self.index.sort_unstable();
        Ok(())
    }

    fn record(&self, (_, place): Place) -> Result<Record<'_>, KeyedError> {
        let at = usize::try_from(place).map_err(|_| KeyedError::SpillDamaged)?;
        Record::read(&self.bytes, at).map(|(record, _)| record).ok_or(KeyedError::SpillDamaged)
    }

    fn records(&self, run: &[Place]) -> Result<Vec<Record<'_>>, KeyedError> {
        run.iter().map(|place| self.record(*place)).collect()
    }

    /// How many rows from `from` on have the hash.
    fn run(&self, from: usize, hash: u64) -> usize {
        self.index.iter().skip(from).take_while(|(other, _)| *other == hash).count()
    }
}

/// Compares a partition; gives differences by (hash, key), and returns how many pairs are equal.
///
/// # Errors
/// [`KeyedError::SpillDamaged`], and what `give` says.
pub(super) fn merge(
    left: &Sorted,
    right: &Sorted,
    give: &mut dyn FnMut(Difference) -> Result<(), KeyedError>,
) -> Result<u64, KeyedError> {
    let (mut l, mut r, mut matched) = (0, 0, 0);
    loop {
        let hash = match (left.index.get(l), right.index.get(r)) {
            (None, None) => return Ok(matched),
            (Some(only), None) | (None, Some(only)) => only.0,
            (Some(one), Some(other)) => one.0.min(other.0),
        };
        let (left_len, right_len) = (left.run(l, hash), right.run(r, hash));
        let (left_run, right_run) = (&left.index[l..l + left_len], &right.index[r..r + right_len]);
        (l, r) = (l + left_len, r + right_len);
        if let ([one], [other]) = (left_run, right_run)
            && left.record(*one)?.body == right.record(*other)?.body
        {
            matched += 1;
            continue;
        }
        matched += resolve_run(&left.records(left_run)?, &right.records(right_run)?, give)?;
    }
}

/// Rows of both sides with one key.
type Group<'a> = (Vec<Record<'a>>, Vec<Record<'a>>);

/// Rows of one hash: usually one key's, but a hash proves nothing.
fn resolve_run(
    left: &[Record<'_>],
    right: &[Record<'_>],
    give: &mut dyn FnMut(Difference) -> Result<(), KeyedError>,
) -> Result<u64, KeyedError> {
    let mut groups: BTreeMap<&[u8], Group<'_>> = BTreeMap::new();
    for record in left {
        groups.entry(record.key().ok_or(KeyedError::SpillDamaged)?).or_default().0.push(*record);
    }
    for record in right {
        groups.entry(record.key().ok_or(KeyedError::SpillDamaged)?).or_default().1.push(*record);
    }
    let mut matched = 0;
    for (mut left, mut right) in groups.into_values() {
        left.sort_unstable_by_key(|record| (record.body, record.number));
        right.sort_unstable_by_key(|record| (record.body, record.number));
        matched += resolve(&left, &right, give)?;
    }
    Ok(matched)
}

/// Rows of one key, sorted on each side.
fn resolve(
    left: &[Record<'_>],
    right: &[Record<'_>],
    give: &mut dyn FnMut(Difference) -> Result<(), KeyedError>,
) -> Result<u64, KeyedError> {
    if let ([one], [other]) = (left, right) {
        return pair(one, other, give);
    }
    if let Some((l, r)) = first_equal(left, right) {
        alone(Side::Left, Kind::DuplicateLeft, left.iter().take(l).chain(left.iter().skip(l + 1)), give)?;
        alone(Side::Right, Kind::DuplicateRight, right.iter().take(r).chain(right.iter().skip(r + 1)), give)?;
        return Ok(1);
    }
    match (left, right) {
        (left, []) => {
            alone(Side::Left, Kind::OnlyLeft, left.iter().take(1), give)?;
            alone(Side::Left, Kind::DuplicateLeft, left.iter().skip(1), give)?;
        }
        ([], right) => {
            alone(Side::Right, Kind::OnlyRight, right.iter().take(1), give)?;
            alone(Side::Right, Kind::DuplicateRight, right.iter().skip(1), give)?;
        }
        (left, right) => {
            alone(Side::Left, Kind::Ambiguous, left.iter(), give)?;
            alone(Side::Right, Kind::Ambiguous, right.iter(), give)?;
        }
    }
    Ok(0)
}

fn pair(
    left: &Record<'_>,
    right: &Record<'_>,
    give: &mut dyn FnMut(Difference) -> Result<(), KeyedError>,
) -> Result<u64, KeyedError> {
    let damaged = || KeyedError::SpillDamaged;
    let fields = differing(&left.row().ok_or_else(damaged)?, &right.row().ok_or_else(damaged)?);
    let Some(kind) = Kind::of_fields(&fields) else { return Ok(1) };
    give(Difference { kind, left: Some(found(left)?), right: Some(found(right)?), invalid: None })?;
    Ok(0)
}

fn found(record: &Record<'_>) -> Result<FoundRow, KeyedError> {
    let row = record.row().ok_or(KeyedError::SpillDamaged)?;
    Ok(FoundRow { number: record.number, row: row.to_owned() })
}

/// The first pair of rows that are equal in every byte, in two sorted lists.
fn first_equal(left: &[Record<'_>], right: &[Record<'_>]) -> Option<(usize, usize)> {
    let (mut l, mut r) = (0, 0);
    while let (Some(one), Some(other)) = (left.get(l), right.get(r)) {
        match one.body.cmp(other.body) {
            std::cmp::Ordering::Equal => return Some((l, r)),
            std::cmp::Ordering::Less => l += 1,
            std::cmp::Ordering::Greater => r += 1,
        }
    }
    None
}

fn alone<'a, 'b: 'a>(
    side: Side,
    kind: Kind,
    records: impl Iterator<Item = &'a Record<'b>>,
    give: &mut dyn FnMut(Difference) -> Result<(), KeyedError>,
) -> Result<(), KeyedError> {
    for record in records {
        let row = Some(found(record)?);
        let (left, right) = match side {
            Side::Left => (row, None),
            Side::Right => (None, row),
        };
        give(Difference { kind, left, right, invalid: None })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Difference, Kind, Record, resolve_run};
    use crate::keyed::row::{RowBuf, Sized};

    fn bytes(rows: &[(&str, i64)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, (key, amount_minor)) in (1..).zip(rows) {
            let row =
                RowBuf { key: key.as_bytes().to_vec(), amount_minor: *amount_minor, ..RowBuf::default() };
            Sized::try_new(number, row.as_row()).expect("a short row").append_to(&mut bytes);
        }
        bytes
    }

    fn records(bytes: &[u8]) -> Vec<Record<'_>> {
        let mut at = 0;
        let next = || Record::read(bytes, at).map(|(record, next)| (at = next, record).1);
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn different_keys_that_share_a_hash_are_not_taken_for_one() {
        // As if all had the same hash: what a collision in 64 bits would look like.
        let (left, right) = (bytes(&[("a", 1), ("b", 2), ("c", 3)]), bytes(&[("b", 2), ("d", 3), ("a", 9)]));
        let mut found = Vec::new();
        let mut give = |difference: Difference| {
            found.push((difference.kind, difference.key().map(<[u8]>::to_vec)));
            Ok(())
        };
        let matched = resolve_run(&records(&left), &records(&right), &mut give).expect("whole records");
        assert_eq!(matched, 1);
        let key = |text: &str| Some(text.as_bytes().to_vec());
        let expected =
            [(Kind::AmountDiffers, key("a")), (Kind::OnlyLeft, key("c")), (Kind::OnlyRight, key("d"))];
        assert_eq!(found, expected);
    }
}
