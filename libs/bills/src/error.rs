//! Why a file was refused: always which rule, where, and what stood there. Owns the stable codes.

use crate::refuse::Refusal;
use std::borrow::Cow;

/// Characters of a field that an error quotes.
pub const CLIP_CHARS: usize = 60;

/// Where in a file. Lines and columns count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The line; in a workbook, the sheet's row.
    pub line: u64,
    /// In a table (CSV, XLSX) the field's number as a spreadsheet counts it; in XML and MT940 the character
    /// within the line; 0 where the whole line is meant.
    pub column: u64,
    /// In XML, bytes before the place.
    pub byte: Option<u64>,
}

impl Place {
    pub(crate) const fn line(line: u64) -> Place {
        Place { line, column: 0, byte: None }
    }

    /// A field of a table, its index counted from 0.
    pub(crate) fn field(line: u64, index: usize) -> Place {
        Place { line, column: u64::try_from(index).map_or(u64::MAX, |index| index + 1), byte: None }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}", self.line)?;
        if self.column > 0 {
            write!(f, ", column {}", self.column)?;
        }
        self.byte.map_or(Ok(()), |byte| write!(f, ", byte {byte}"))
    }
}

/// What is wrong with a field or a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("is not an amount")]
    NotAnAmount,
    #[error("has more decimals than its currency")]
    TooFine,
    #[error("does not fit 64 bits")]
    TooLarge,
    #[error("is not a whole number")]
    NotANumber,
    #[error("is not a time")]
    NotATime,
    #[error("is not a currency of ISO 4217")]
    NotACurrency,
    #[error("is none of the words this column may hold")]
    UnknownWord,
    #[error("is empty")]
    Empty,
    #[error("is not text in the file's encoding")]
    NotText,
    #[error("has another number of fields than the header")]
    FieldCount,
    #[error("contradicts another field of its row")]
    Contradiction,
    #[error("stands where it may not")]
    Misplaced,
    #[error("is missing")]
    Missing,
    #[error("stands there twice")]
    Twice,
    #[error("is not well-formed")]
    Malformed,
    #[error("does not begin with a backtick")]
    NoBacktick,
}

/// A number that the file states about itself and its rows do not bear out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What was compared: a column of the totals, a balance, a row count.
    pub what: Cow<'static, str>,
    /// Where the stated number stands.
    pub place: Place,
    /// What the file states.
    pub stated: i64,
    /// What its rows give.
    pub counted: i64,
    /// What both are counted in.
    pub unit: Unit,
}

impl Mismatch {
    /// By how much: what the rows give less what is stated. Wide, as the two may be at opposite ends.
    pub fn difference(&self) -> i128 {
        i128::from(self.counted) - i128::from(self.stated)
    }
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Mismatch { what, place, stated, counted, unit } = self;
        let by = self.difference();
        write!(f, "{what} is stated as {stated} at {place} and the rows give {counted}: off by {by} {unit}")
    }
}

/// What a compared number is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Rows,
    /// The smallest unit of the currency: fen, cents.
    Minor,
    /// Millionths of the smallest unit.
    Micros,
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unit::Rows => "rows",
            Unit::Minor => "minor units",
            Unit::Micros => "millionths of a minor unit",
        })
    }
}

/// Why nothing of a file may be imported.
#[derive(Debug, thiserror::Error)]
pub enum BillError {
    /// The reader failed; the file itself may be good.
    #[error("the file could not be read")]
    Io(#[source] std::io::Error),
    /// The file is well known, and not what is imported here; or it is not known at all.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A field, a line or an element is broken.
    #[error("{place}: {field} {flaw}: {found:?}")]
    Broken { place: Place, field: Cow<'static, str>, flaw: Flaw, found: String },
    /// The file ends before its end: no totals, an open element, a statement without closing balance.
    #[error("{place}: the file ends before {awaited}")]
    Truncated { place: Place, awaited: Cow<'static, str> },
    /// The rows do not give what the file states about itself.
    #[error("{0}")]
    Totals(Mismatch),
    /// Sums do not fit 64 bits; no real bill comes near.
    #[error("{place}: the sum of {what} does not fit 64 bits")]
    Overflow { place: Place, what: Cow<'static, str> },
    /// A ceiling of [`crate::Limits`] was passed.
    #[error("{place}: the file passes {limit} = {at_most}")]
    TooMuch { place: Place, limit: &'static str, at_most: u64 },
    /// The bytes are not those whose hash was expected: another file, or one damaged on its way.
    #[error("{algorithm} is {found}, expected was {expected}")]
    Hash { algorithm: &'static str, expected: String, found: String },
    /// A saved column profile contradicts itself.
    #[error("the profile {name:?} is not valid: {reason}")]
    Profile { name: String, reason: String },
    /// The visitor asked to stop.
    #[error("{0}: the visitor stopped")]
    Stopped(Place),
}

impl BillError {
    /// A stable name for machines; the words above may change, these do not.
    pub fn code(&self) -> &'static str {
        match self {
            BillError::Io(_) => "bill-unreadable",
            BillError::Refused(refusal) => refusal.code(),
            BillError::Broken { .. } => "bill-broken",
            BillError::Truncated { .. } => "bill-truncated",
            BillError::Totals(_) => "bill-totals-mismatch",
            BillError::Overflow { .. } => "bill-sum-overflow",
            BillError::TooMuch { .. } => "bill-limit-passed",
            BillError::Hash { .. } => "bill-hash-mismatch",
            BillError::Profile { .. } => "bill-profile-invalid",
            BillError::Stopped(_) => "bill-stopped",
        }
    }

    /// Where, for errors that have a place.
    pub fn place(&self) -> Option<Place> {
        match self {
            BillError::Broken { place, .. }
            | BillError::Truncated { place, .. }
            | BillError::Overflow { place, .. }
            | BillError::TooMuch { place, .. }
            | BillError::Stopped(place) => Some(*place),
            BillError::Totals(mismatch) => Some(mismatch.place),
            BillError::Refused(refusal) => refusal.place(),
            BillError::Io(_) | BillError::Hash { .. } | BillError::Profile { .. } => None,
        }
    }

    pub(crate) fn broken(
        place: Place,
        field: impl Into<Cow<'static, str>>,
        flaw: Flaw,
        found: &str,
    ) -> BillError {
        BillError::Broken { place, field: field.into(), flaw, found: clip(found) }
    }
}

/// The first characters of what stood there: an error is for people and logs, not a second copy of the file.
pub(crate) fn clip(found: &str) -> String {
    let mut kept: String = found.chars().take(CLIP_CHARS).collect();
    if kept.len() < found.len() {
        kept.push('…');
    }
    kept
}

/// Compares what is stated with what the rows give.
pub(crate) fn agree(
    what: impl Into<Cow<'static, str>>,
    place: Place,
    (stated, counted): (i64, i64),
    unit: Unit,
) -> Result<(), BillError> {
    if stated == counted {
        return Ok(());
    }
    Err(BillError::Totals(Mismatch { what: what.into(), place, stated, counted, unit }))
}
