//! Amounts as integers and as decimal text, and nothing between: no float is ever made of one.

use crate::ExportError;
use std::fmt::Write;

/// The largest amount or sum, in units: 27 digits. What reads plain-text books in Python counts in 28.
pub const UNITS_MAX: i128 = 999_999_999_999_999_999_999_999_999;

/// The most decimal places of a column or commodity. Millionths of a minor unit have eight.
pub const SCALE_MAX: u8 = 12;

/// Digits of a decimal that a spreadsheet's number holds exactly, whatever they are.
const SHEET_DIGITS_MAX: u32 = 15;

/// Decimal places that stay even where they are zero.
const PLACES_MIN: usize = 2;

/// The decimal text of `units` at `scale` places, exact: `-1234.5` at two places or more is `-1234.50`. Zeros past
/// the second place are left out.
pub fn decimal_text(units: i128, scale: u8) -> String {
    let mut text = String::new();
    push_decimal(&mut text, units, scale);
    text
}

/// Appends what [`decimal_text`] says.
pub(crate) fn push_decimal(text: &mut String, units: i128, scale: u8) {
    let scale = usize::from(scale);
    if units < 0 {
        text.push('-');
    }
    let start = text.len();
    // Writing to a string cannot fail.
    let _ = write!(text, "{:0width$}", units.unsigned_abs(), width = scale + 1);
    if scale == 0 {
        return;
    }
    let point = text.len() - scale;
    debug_assert!(point > start, "one digit stands before the point");
    let kept = point + PLACES_MIN.min(scale);
    while text.len() > kept && text.ends_with('0') {
        text.pop();
    }
    text.insert(point, '.');
}

/// Whether a spreadsheet's number holds this amount exactly, digit for digit.
pub(crate) fn fits_a_sheet_number(units: i128) -> bool {
    let mut digits = units.unsigned_abs();
    while digits != 0 && digits.is_multiple_of(10) {
        digits /= 10;
    }
    digits < 10_u128.pow(SHEET_DIGITS_MAX)
}

/// The amount, if it is within [`UNITS_MAX`] of zero.
pub(crate) fn bounded(units: Option<i128>, place: impl FnOnce() -> String) -> Result<i128, ExportError> {
    match units {
        Some(units) if units.unsigned_abs() <= UNITS_MAX.unsigned_abs() => Ok(units),
        _ => Err(ExportError::AmountTooLarge { place: place(), max: UNITS_MAX }),
    }
}
