//! CSV read back by the crate that others read it with.

use crate::amounts::units_of;
use crate::book::{NASTY, day};
use exports::{Cell, Column, CsvTable, ExportError, Kind, TableWriter, UNITS_MAX};

fn columns() -> Vec<Column> {
    vec![
        Column::new("entry", Kind::Id),
        Column::new("words", Kind::Text),
        Column::totalled("debit", Kind::Money { scale: 8 }),
        Column::new("day", Kind::Day),
    ]
}

fn read(bytes: &[u8]) -> Vec<Vec<String>> {
    let text =
        std::str::from_utf8(bytes).expect("UTF-8").strip_prefix('\u{feff}').expect("a byte order mark");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let fields =
        |row: Result<csv::StringRecord, csv::Error>| row.expect("a row").iter().map(str::to_owned).collect();
    reader.records().map(fields).collect()
}

#[test]
fn what_was_written_is_read_and_nothing_is_a_formula() {
    let mut table = CsvTable::try_new(Vec::new(), &columns()).expect("columns");
    let words = [
        &NASTY[..],
        &["=1+1", "+1", "-1", "@sum", "\tx", "\rx", "\nx", "＝1", "－1", "'quoted", " =1", "plain", ""],
    ]
    .concat();
    for (number, text) in (1_i128..).zip(&words) {
        let row = [Cell::Id("-007"), Cell::Text(text), Cell::Money(-number), Cell::Day(day(3))];
        table.push(&row).expect("a row");
    }
    let (bytes, written) = table.finish().expect("a file");
    let rows = read(&bytes);
    assert_eq!(rows[0], ["entry", "words", "debit", "day"]);
    assert_eq!(rows.len(), words.len() + 1);
    let mut total = 0;
    for (row, text) in rows[1..].iter().zip(&words) {
        assert_eq!(row[0], "'-007");
        let first = row[1].trim_start_matches(' ').chars().next();
        assert!(!first.is_some_and(|first| "=+-@\t\r\n＝＋－＠".contains(first)), "{row:?} computes");
        assert_eq!(row[1].strip_prefix('\'').unwrap_or(&row[1]), *text);
        assert_eq!(row[3], "2026-11-03");
        total += units_of(&row[2], 8);
    }
    assert_eq!(written.totals, [None, None, Some(total), None]);
    assert_eq!(written.rows, u64::try_from(words.len()).expect("small"));
}

#[test]
fn rows_that_do_not_fit_are_refused_by_their_number() {
    let push = |row: &[Cell<'_>]| {
        let mut table = CsvTable::try_new(Vec::new(), &columns()).expect("columns");
        table.push(&[Cell::Empty; 4]).expect("empty cells fit");
        table.push(row).expect_err("it does not fit")
    };
    assert!(matches!(push(&[Cell::Empty; 3]), ExportError::RowLength { row: 2, wanted: 4, found: 3 }));
    let wrong = [Cell::Text("x"), Cell::Empty, Cell::Empty, Cell::Empty];
    assert!(matches!(push(&wrong), ExportError::CellKind { row: 2, .. }));
    let large = [Cell::Empty, Cell::Empty, Cell::Money(UNITS_MAX + 1), Cell::Empty];
    assert!(matches!(push(&large), ExportError::AmountTooLarge { .. }));
    let long = "x".repeat(32_768);
    let long = [Cell::Empty, Cell::Text(&long), Cell::Empty, Cell::Empty];
    assert!(matches!(push(&long), ExportError::TextTooLong { row: 2, .. }));
}

#[test]
fn a_total_that_does_not_fit_is_refused() {
    let mut table = CsvTable::try_new(Vec::new(), &columns()).expect("columns");
    let row = [Cell::Empty, Cell::Empty, Cell::Money(UNITS_MAX), Cell::Empty];
    table.push(&row).expect("the largest amount");
    assert!(matches!(table.push(&row), Err(ExportError::AmountTooLarge { .. })));
}

#[test]
fn links_that_are_not_plain_addresses_are_refused() {
    let columns = [Column::new("orders", Kind::Link)];
    for bad in [
        "javascript:alert(1)",
        "https://a\",\"b",
        "https://a b",
        "https://ü",
        "/orders",
        &"https://a".repeat(40),
    ] {
        let mut table = CsvTable::try_new(Vec::new(), &columns).expect("columns");
        assert!(matches!(table.push(&[Cell::Link(bad)]), Err(ExportError::BadLink { .. })), "{bad}");
    }
}

#[test]
fn columns_without_names_of_their_own_are_refused() {
    let twice = [Column::new("a", Kind::Text), Column::new("A", Kind::Text)];
    for bad in [&twice[..], &[], &[Column::new("", Kind::Text)]] {
        assert!(matches!(CsvTable::try_new(Vec::new(), bad), Err(ExportError::BadColumns { .. })));
    }
}
