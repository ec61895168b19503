//! Which columns of a file make a row, and how its amounts are written.

/// The names of columns. Files map by name, never by place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    pub key: String,
    /// `None`: rows have no account, which then cannot differ.
    pub account: Option<String>,
    pub amount: String,
    pub amounts: AmountFormat,
    pub currency: String,
    pub status: Option<String>,
    /// Days as `YYYY-MM-DD`.
    pub day: String,
}

impl Default for Columns {
    /// `key, account, amount_minor, currency, status, day`, amounts as integers of minor units.
    fn default() -> Columns {
        Columns {
            key: "key".to_owned(),
            account: Some("account".to_owned()),
            amount: "amount_minor".to_owned(),
            amounts: AmountFormat::Minor,
            currency: "currency".to_owned(),
            status: Some("status".to_owned()),
            day: "day".to_owned(),
        }
    }
}

/// How amounts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmountFormat {
    /// An integer of minor units: `-1250`.
    Minor,
    /// Major units with a point and at most so many digits after it, not more than 8: `-12.50` or `-12.5` with 2.
    Major { digits: u8 },
}

impl AmountFormat {
    /// Reads an amount in minor units, exactly. `None`: it is none, has digits below the minor unit that are not
    /// zero, or does not fit.
    pub fn parse(self, text: &[u8]) -> Option<i64> {
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        let size = match self {
            AmountFormat::Minor => magnitude(0, digits)?,
            AmountFormat::Major { digits: places } => {
                let point = memchr::memchr(b'.', digits).unwrap_or(digits.len());
                let (whole, fraction) = digits.split_at(point);
                let whole = magnitude(0, whole)?;
                let places = usize::from(places.min(8));
                let fraction = fraction.strip_prefix(b".");
                let fraction = fraction.map_or(Some(&b""[..]), |text| (!text.is_empty()).then_some(text))?;
                let (kept, cut) = fraction.split_at(fraction.len().min(places));
                if cut.iter().any(|digit| *digit != b'0') {
                    return None;
                }
                let mut size = if kept.is_empty() { whole } else { magnitude(whole, kept)? };
                for _ in kept.len()..places {
                    size = size.checked_mul(10)?;
                }
                size
            }
        };
        // Counted downwards, because the lowest amount has no opposite.
        if negative { Some(size) } else { size.checked_neg() }
    }
}

/// Appends decimal digits to a number that is counted below zero.
fn magnitude(start: i64, digits: &[u8]) -> Option<i64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(start, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_sub(digit)
    })
}

/// A header that lacks what a row needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnsError {
    #[error("there is no column {name:?}")]
    Missing { name: String },
    #[error("two columns are called {name:?}")]
    Twice { name: String },
}

/// Where the columns are in a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) fields: usize,
    pub(super) key: usize,
    pub(super) account: Option<usize>,
    pub(super) amount: usize,
    pub(super) currency: usize,
    pub(super) status: Option<usize>,
    pub(super) day: usize,
}

impl Columns {
    pub(super) fn find(&self, header: &[Vec<u8>]) -> Result<Places, ColumnsError> {
        let place = |name: &String| {
            let mut found = (0..).zip(header).filter(|(_, field)| field.as_slice() == name.as_bytes());
            match (found.next(), found.next()) {
                (Some((place, _)), None) => Ok(place),
                (None, _) => Err(ColumnsError::Missing { name: name.clone() }),
                (Some(_), Some(_)) => Err(ColumnsError::Twice { name: name.clone() }),
            }
        };
        Ok(Places {
            fields: header.len(),
            key: place(&self.key)?,
            account: self.account.as_ref().map(place).transpose()?,
            amount: place(&self.amount)?,
            currency: place(&self.currency)?,
            status: self.status.as_ref().map(place).transpose()?,
            day: place(&self.day)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::AmountFormat;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_amount_is_read_back_exactly(amount: i64) {
            prop_assert_eq!(AmountFormat::Minor.parse(amount.to_string().as_bytes()), Some(amount));
            let (sign, size) = (if amount < 0 { "-" } else { "" }, amount.unsigned_abs());
            let major = format!("{sign}{}.{:02}", size / 100, size % 100);
            prop_assert_eq!(AmountFormat::Major { digits: 2 }.parse(major.as_bytes()), Some(amount));
        }
    }

    #[test]
    fn what_is_no_exact_amount_is_not_read() {
        let major = AmountFormat::Major { digits: 2 };
        let good: [(&[u8], i64); 5] =
            [(b"12.5", 1250), (b"12", 1200), (b"-0.01", -1), (b"0.60000", 60), (b"007.00", 700)];
        for (text, amount) in good {
            assert_eq!(major.parse(text), Some(amount), "{}", String::from_utf8_lossy(text));
        }
        let bad: [&[u8]; 11] = [
            b"",
            b"-",
            b".5",
            b"1.",
            b"0.001",
            b"1e3",
            b"1,000",
            b"+5",
            b" 5",
            b"1.2.3",
            b"92233720368547758.08",
        ];
        for text in bad {
            assert_eq!(major.parse(text), None, "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(AmountFormat::Minor.parse(b"9223372036854775808"), None);
        assert_eq!(AmountFormat::Minor.parse(b"12.5"), None);
    }
}
