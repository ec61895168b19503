//! One row of money, and how it lies in memory and in the spill: so that equal rows are equal bytes.

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 1_024;
/// The longest account, currency or status, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// Bytes before a record's body: its length (u16) and its row number (u64).
const FRAME_BYTES: usize = 10;
/// Bytes of a body before its texts: four lengths (u16, u8, u8, u8), day (i32), amount (i64).
const HEAD_BYTES: usize = 17;

/// A row, borrowed from whoever reads it. `amount_minor` is in minor units; `day` counts from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row<'a> {
    /// What names the row on both sides, [`KEY_BYTES_MAX`] at most.
    pub key: &'a [u8],
    /// Whose money it is; may be empty. [`NAME_BYTES_MAX`] at most, as currency and status.
    pub account: &'a [u8],
    pub amount_minor: i64,
    pub currency: &'a [u8],
    pub status: &'a [u8],
    pub day: i32,
}

/// A row that owns its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowBuf {
    pub key: Vec<u8>,
    pub account: Vec<u8>,
    pub amount_minor: i64,
    pub currency: Vec<u8>,
    pub status: Vec<u8>,
    pub day: i32,
}

impl RowBuf {
    pub fn as_row(&self) -> Row<'_> {
        Row {
            key: &self.key,
            account: &self.account,
            amount_minor: self.amount_minor,
            currency: &self.currency,
            status: &self.status,
            day: self.day,
        }
    }
}

impl Row<'_> {
    pub fn to_owned(self) -> RowBuf {
        RowBuf {
            key: self.key.to_vec(),
            account: self.account.to_vec(),
            amount_minor: self.amount_minor,
            currency: self.currency.to_vec(),
            status: self.status.to_vec(),
            day: self.day,
        }
    }
}

/// A text of the row is longer than a row may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {field} is longer than {max} bytes")]
pub struct RowTooLong {
    pub field: &'static str,
    pub max: usize,
}

/// A row's lengths, checked: what may be appended without another look.
pub(super) struct Sized<'a> {
    row: Row<'a>,
    frame: [u8; FRAME_BYTES + HEAD_BYTES],
    pub(super) bytes: usize,
}

impl<'a> Sized<'a> {
    /// Measures a row.
    ///
    /// # Errors
    /// [`RowTooLong`] names the text that does not fit.
    pub(super) fn try_new(number: u64, row: Row<'a>) -> Result<Sized<'a>, RowTooLong> {
        if row.key.len() > KEY_BYTES_MAX {
            return Err(RowTooLong { field: "key", max: KEY_BYTES_MAX });
        }
        let name_len = |field, name: &[u8]| {
            u8::try_from(name.len()).map_err(|_| RowTooLong { field, max: NAME_BYTES_MAX })
        };
        let lens = [
            name_len("account", row.account)?,
            name_len("currency", row.currency)?,
            name_len("status", row.status)?,
        ];
        let body = HEAD_BYTES + row.key.len() + row.account.len() + row.currency.len() + row.status.len();
        let too_long = |_| RowTooLong { field: "row", max: usize::from(u16::MAX) };
        let body_len = u16::try_from(body).map_err(too_long)?;
        let key_len = u16::try_from(row.key.len()).map_err(too_long)?;
        let mut frame = [0; FRAME_BYTES + HEAD_BYTES];
        frame[..2].copy_from_slice(&body_len.to_le_bytes());
        frame[2..10].copy_from_slice(&number.to_le_bytes());
        frame[10..12].copy_from_slice(&key_len.to_le_bytes());
        frame[12..15].copy_from_slice(&lens);
        frame[15..19].copy_from_slice(&row.day.to_le_bytes());
        frame[19..27].copy_from_slice(&row.amount_minor.to_le_bytes());
        Ok(Sized { row, frame, bytes: FRAME_BYTES + body })
    }

    pub(super) fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.frame);
        for text in [self.row.key, self.row.account, self.row.currency, self.row.status] {
            bytes.extend_from_slice(text);
        }
    }
}

/// A row as it lies in a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) number: u64,
    /// Everything that makes the row what it is, without where it came from.
    pub(super) body: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record that begins at `at`, and where the next one begins. `None`: there is no whole record there.
    pub(super) fn read(bytes: &'a [u8], at: usize) -> Option<(Record<'a>, usize)> {
        let frame: &[u8; FRAME_BYTES] = bytes.get(at..)?.first_chunk()?;
        let (len, number) = frame.split_first_chunk::<2>()?;
        let number = u64::from_le_bytes(*number.first_chunk()?);
        let start = at + FRAME_BYTES;
        let end = start + usize::from(u16::from_le_bytes(*len));
        Some((Record { number, body: bytes.get(start..end)? }, end))
    }

    pub(super) fn key(&self) -> Option<&'a [u8]> {
        let len = usize::from(u16::from_le_bytes(*self.body.first_chunk()?));
        self.body.get(HEAD_BYTES..HEAD_BYTES + len)
    }

    pub(super) fn row(&self) -> Option<Row<'a>> {
        let head: &[u8; HEAD_BYTES] = self.body.first_chunk()?;
        let (lens, amounts) = head.get(2..)?.split_first_chunk::<3>()?;
        let (day, amount) = amounts.split_first_chunk::<4>()?;
        let key = self.key()?;
        let rest = self.body.get(HEAD_BYTES + key.len()..)?;
        let (account, rest) = rest.split_at_checked(usize::from(lens[0]))?;
        let (currency, rest) = rest.split_at_checked(usize::from(lens[1]))?;
        let (status, rest) = rest.split_at_checked(usize::from(lens[2]))?;
        let row = Row {
            key,
            account,
            amount_minor: i64::from_le_bytes(*amount.first_chunk()?),
            currency,
            status,
            day: i32::from_le_bytes(*day),
        };
        rest.is_empty().then_some(row)
    }
}

/// How many bytes a record with so long a body takes.
pub(super) const fn record_bytes(body_len: usize) -> usize {
    FRAME_BYTES + body_len
}

#[cfg(test)]
mod tests {
    use super::{KEY_BYTES_MAX, NAME_BYTES_MAX, Record, RowBuf, Sized};
    use proptest::prelude::*;

    prop_compose! {
        fn any_row()(
            key in prop::collection::vec(any::<u8>(), 0..40), account in prop::collection::vec(any::<u8>(), 0..9),
            amount_minor: i64, currency in prop::collection::vec(any::<u8>(), 0..4),
            status in prop::collection::vec(any::<u8>(), 0..9), day: i32,
        ) -> RowBuf {
            RowBuf { key, account, amount_minor, currency, status, day }
        }
    }

    proptest! {
        #[test]
        fn a_row_comes_back_as_it_was_and_only_equal_rows_have_equal_bytes(one in any_row(), other in any_row()) {
            let mut bytes = Vec::new();
            for (number, row) in (7..).zip([&one, &other]) {
                let sized = Sized::try_new(number, row.as_row()).expect("short texts");
                let before = bytes.len();
                sized.append_to(&mut bytes);
                prop_assert_eq!(bytes.len() - before, sized.bytes);
            }
            let (first, next) = Record::read(&bytes, 0).expect("a record");
            let (second, end) = Record::read(&bytes, next).expect("a record");
            prop_assert_eq!((first.number, second.number, end), (7, 8, bytes.len()));
            prop_assert_eq!(first.row(), Some(one.as_row()));
            prop_assert_eq!(second.row(), Some(other.as_row()));
            prop_assert_eq!(first.body == second.body, one == other);
            prop_assert!(Record::read(&bytes[..end - 1], next).is_none());
        }
    }

    #[test]
    fn texts_at_their_limit_fit_and_one_byte_more_is_refused_by_name() {
        let row = RowBuf {
            key: vec![1; KEY_BYTES_MAX],
            account: vec![2; NAME_BYTES_MAX],
            currency: vec![3; NAME_BYTES_MAX],
            status: vec![4; NAME_BYTES_MAX],
            ..RowBuf::default()
        };
        assert!(Sized::try_new(1, row.as_row()).is_ok());
        let refused = |row: RowBuf| Sized::try_new(1, row.as_row()).err().map(|error| error.field);
        assert_eq!(refused(RowBuf { key: vec![1; KEY_BYTES_MAX + 1], ..row.clone() }), Some("key"));
        assert_eq!(refused(RowBuf { status: vec![1; NAME_BYTES_MAX + 1], ..row }), Some("status"));
    }
}
