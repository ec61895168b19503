//! Differences as a CSV file: the same differences give the same bytes.

use crate::day;
use crate::keyed::{Difference, Field, FoundRow};
use std::io::{self, Write};

const HEADER: &[u8] =
    b"kind,key,left_row,right_row,left_account,right_account,left_amount_minor,right_amount_minor,\
left_currency,right_currency,left_status,right_status,left_day,right_day,fields,reason\n";

/// Writes differences in their order, with a header. Texts that a spreadsheet would run as a formula come with an
/// apostrophe before them.
///
/// # Errors
/// Whatever the writer says.
pub fn write_differences<'a>(
    differences: impl IntoIterator<Item = &'a Difference>,
    writer: &mut impl Write,
) -> io::Result<()> {
    writer.write_all(HEADER)?;
    let mut line = Vec::new();
    for difference in differences {
        line.clear();
        write_line(difference, &mut line);
        writer.write_all(&line)?;
    }
    Ok(())
}

fn write_line(difference: &Difference, line: &mut Vec<u8>) {
    let (left, right) = (difference.left.as_ref(), difference.right.as_ref());
    line.extend_from_slice(difference.kind.name().as_bytes());
    push_text(difference.key().unwrap_or_default(), line);
    let number = |found: Option<&FoundRow>| found.map(|found| found.number.to_string()).unwrap_or_default();
    match &difference.invalid {
        Some(invalid) => push_pair(&invalid.number.to_string(), "", line),
        None => push_pair(&number(left), &number(right), line),
    }
    let texts: [fn(&FoundRow) -> &[u8]; 3] =
        [|found| &found.row.account, |found| &found.row.currency, |found| &found.row.status];
    let push_texts = |text: fn(&FoundRow) -> &[u8], line: &mut Vec<u8>| {
        for found in [left, right] {
            push_text(found.map(text).unwrap_or_default(), line);
        }
    };
    push_texts(texts[0], line);
    let amount = |found: Option<&FoundRow>| found.map(|found| found.row.amount_minor.to_string());
    push_pair(&amount(left).unwrap_or_default(), &amount(right).unwrap_or_default(), line);
    push_texts(texts[1], line);
    push_texts(texts[2], line);
    let day = |found: Option<&FoundRow>| found.map(|found| day::format(found.row.day)).unwrap_or_default();
    push_pair(&day(left), &day(right), line);
    let fields: Vec<&str> = difference.fields().into_iter().map(name).collect();
    line.push(b',');
    line.extend_from_slice(fields.join(" ").as_bytes());
    let reason = difference.invalid.as_ref().map(|invalid| invalid.reason.as_bytes());
    push_text(reason.unwrap_or_default(), line);
    line.push(b'\n');
}

fn name(field: Field) -> &'static str {
    match field {
        Field::Account => "account",
        Field::Amount => "amount",
        Field::Currency => "currency",
        Field::Status => "status",
        Field::Day => "day",
    }
}

/// Two numbers, which need no quotes.
fn push_pair(left: &str, right: &str, line: &mut Vec<u8>) {
    for number in [left, right] {
        line.push(b',');
        line.extend_from_slice(number.as_bytes());
    }
}

fn push_text(text: &[u8], line: &mut Vec<u8>) {
    line.push(b',');
    let formula = matches!(text.first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r'));
    let quoted = text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'));
    if quoted {
        line.push(b'"');
    }
    if formula {
        line.push(b'\'');
    }
    for byte in text {
        if *byte == b'"' {
            line.push(b'"');
        }
        line.push(*byte);
    }
    if quoted {
        line.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::write_differences;
    use crate::keyed::{Difference, FoundRow, InvalidRow, Kind, RowBuf};

    #[test]
    fn differences_are_lines_that_a_spreadsheet_reads_and_does_not_run() {
        let row = |amount_minor| RowBuf {
            key: b"=cmd,\"1\"".to_vec(),
            account: b"s-1".to_vec(),
            amount_minor,
            currency: b"CNY".to_vec(),
            status: b"paid".to_vec(),
            day: 20_000,
        };
        let found = |number, amount_minor| Some(FoundRow { number, row: row(amount_minor) });
        let pair =
            Difference { kind: Kind::AmountDiffers, left: found(3, -5), right: found(9, 6), invalid: None };
        let invalid = InvalidRow { number: 4, reason: "no key".to_owned() };
        let bad = Difference { kind: Kind::InvalidLeft, left: None, right: None, invalid: Some(invalid) };
        let mut written = Vec::new();
        write_differences([&pair, &bad], &mut written).expect("memory takes it");
        let written = String::from_utf8(written).expect("text");
        let lines: Vec<&str> = written.lines().skip(1).collect();
        let expected = [
            "amount-differs,\"'=cmd,\"\"1\"\"\",3,9,s-1,s-1,-5,6,CNY,CNY,paid,paid,2024-10-04,2024-10-04,amount,",
            "invalid-left,,4,,,,,,,,,,,,,no key",
        ];
        assert_eq!(lines, expected);
        let columns = written.lines().next().map(|header| header.split(',').count());
        assert_eq!(columns, Some(lines[1].split(',').count()));
    }
}
