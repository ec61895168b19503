//! Decimal text to integers, exactly, digit by digit. Nothing here is ever a floating-point number.

use crate::error::Flaw;
use crate::{Currency, RowKind};
use money::Micros;

/// Decimals that a millionth of a minor unit adds to the currency's own.
const MICRO_DECIMALS: u8 = 6;

/// How a file writes amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub point: u8,
    /// What may stand between thousands.
    pub grouping: Option<u8>,
}

impl Style {
    pub const PLAIN: Style = Style { point: b'.', grouping: None };
    pub const COMMA: Style = Style { point: b',', grouping: None };
}

/// Reads `text` as an integer of `decimals` decimals. More decimals are allowed only as zeros.
pub(crate) fn scaled(text: &str, decimals: u8, style: Style) -> Result<i64, Flaw> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    // Summed below zero, where there is room for one more.
    let mut sum: i64 = 0;
    let mut seen = 0_u32;
    let mut after_point: Option<u8> = None;
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                seen += 1;
                match after_point {
                    Some(places) if places >= decimals => {
                        if byte != b'0' {
                            return Err(Flaw::TooFine);
                        }
                        continue;
                    }
                    Some(places) => after_point = Some(places + 1),
                    None => {}
                }
                sum = push(sum, byte - b'0')?;
            }
            byte if byte == style.point && after_point.is_none() && seen > 0 => after_point = Some(0),
            byte if Some(byte) == style.grouping && after_point.is_none() && seen > 0 => {}
            _ => return Err(Flaw::NotAnAmount),
        }
    }
    if seen == 0 {
        return Err(if text.is_empty() { Flaw::Empty } else { Flaw::NotAnAmount });
    }
    for _ in after_point.unwrap_or(0)..decimals {
        sum = push(sum, 0)?;
    }
    if negative { Ok(sum) } else { sum.checked_neg().ok_or(Flaw::TooLarge) }
}

fn push(sum: i64, digit: u8) -> Result<i64, Flaw> {
    sum.checked_mul(10).and_then(|sum| sum.checked_sub(i64::from(digit))).ok_or(Flaw::TooLarge)
}

/// An amount in major units (`6.00` yuan) as minor units (600 fen).
pub(crate) fn minor(text: &str, currency: Currency, style: Style) -> Result<i64, Flaw> {
    scaled(text, currency.decimals(), style)
}

/// An amount in major units as millionths of a minor unit: `0.04000` yuan is 4 fen is 4,000,000.
pub(crate) fn micros(text: &str, currency: Currency, style: Style) -> Result<Micros, Flaw> {
    scaled(text, currency.decimals() + MICRO_DECIMALS, style).map(Micros::new)
}

/// A whole number.
pub(crate) fn whole(text: &str) -> Result<i64, Flaw> {
    scaled(text, 0, Style { point: 0, grouping: None }).map_err(|flaw| match flaw {
        Flaw::NotAnAmount | Flaw::TooFine => Flaw::NotANumber,
        other => other,
    })
}

/// The kind by the sign, where a file tells nothing else.
pub(crate) fn kind_by_sign(amount_minor: i64) -> RowKind {
    RowKind::Other(if amount_minor < 0 { "debit".into() } else { "credit".into() })
}

/// Significant digits that a workbook keeps; what it writes behind them is noise of its own arithmetic.
const WORKBOOK_DIGITS: usize = 15;

/// Places that a workbook's exponent may move the point.
const EXPONENT_MAX: i32 = 30;

/// A number as a workbook stores it (`16.030000000000001`, `1.5E-2`) as a plain decimal, rounded half up to the
/// 15 digits that the workbook itself shows. Works on the digits, so nothing is rounded twice.
pub(crate) fn plain_decimal(text: &str) -> Result<String, Flaw> {
    let (mantissa, exponent) = text.split_once(['E', 'e']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().map_err(|_| Flaw::NotAnAmount)?;
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_sane = exponent.abs() <= EXPONENT_MAX && whole.len() + fraction.len() <= 64;
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || !is_sane {
        return Err(Flaw::NotAnAmount);
    }
    let digits: String = format!("{whole}{fraction}");
    let leading = digits.len() - digits.trim_start_matches('0').len();
    let mut point = i32::try_from(whole.len()).map_err(|_| Flaw::TooLarge)? + exponent;
    let mut kept: Vec<u8> = digits.bytes().collect();
    if kept.len() - leading > WORKBOOK_DIGITS {
        let next = kept.get(leading + WORKBOOK_DIGITS).copied();
        kept.truncate(leading + WORKBOOK_DIGITS);
        if next >= Some(b'5') {
            carry(&mut kept, &mut point);
        }
    }
    Ok(format!("{sign}{}", with_point(&kept, point)))
}

/// Adds one to the last digit.
fn carry(digits: &mut Vec<u8>, point: &mut i32) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
    *point += 1;
}

/// Digits with a point behind the `point`-th, filled with zeros where it lies outside.
fn with_point(digits: &[u8], point: i32) -> String {
    let len = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let before = usize::try_from(-point.min(0)).unwrap_or(0);
    let behind = usize::try_from((point - len).max(0)).unwrap_or(0);
    let all: String = std::iter::repeat_n('0', before)
        .chain(digits.iter().map(|digit| char::from(*digit)))
        .chain(std::iter::repeat_n('0', behind))
        .collect();
    let (whole, fraction) = all.split_at(usize::try_from(point.max(0)).unwrap_or(0));
    let whole = if whole.is_empty() { "0" } else { whole };
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}
