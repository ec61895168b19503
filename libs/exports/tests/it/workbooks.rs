//! XLSX read back by calamine, and looked at as XML where calamine looks away.

use crate::amounts::units_of;
use crate::book::{NASTY, day};
use crate::is_long;
use calamine::{Cell as Read, Data, Reader, Xlsx};
use exports::{About, Cell, Column, ExportError, Kind, SHEET_ROWS_MAX, TableWriter, Workbook, decimal_text};
use proptest::prelude::*;
use std::io::{Cursor, Read as _};

type Book = Xlsx<Cursor<Vec<u8>>>;

fn about() -> About {
    let made_of = vec![("chart".to_owned(), "sha256:00ff".to_owned())];
    About { title: "Journal of 2026-11".to_owned(), run_id: "run-7".to_owned(), made_of }
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("entry", Kind::Id),
        Column::new("words", Kind::Text),
        Column::totalled("debit", Kind::Money { scale: 8 }),
        Column::totalled("orders", Kind::Count),
        Column::new("day", Kind::Day),
        Column::new("page", Kind::Link),
    ]
}

fn workbook() -> Workbook<Cursor<Vec<u8>>> {
    Workbook::new(Cursor::new(Vec::new()), about())
}

fn open(bytes: Vec<u8>) -> Book {
    Xlsx::new(Cursor::new(bytes)).expect("a workbook")
}

/// The XML of one part of the archive.
fn part(bytes: &[u8], path: &str) -> String {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).expect("an archive");
    let mut text = String::new();
    archive.by_name(path).expect("a part").read_to_string(&mut text).expect("text");
    text
}

/// The rows of a sheet as text; a number as the shortest decimal that is it.
fn rows(book: &mut Book, sheet: &str) -> Vec<Vec<String>> {
    let range = book.worksheet_range(sheet).expect("a sheet");
    range.rows().map(|row| row.iter().map(ToString::to_string).collect()).collect()
}

/// The text between the tags of the cell at `place`.
fn raw_value(xml: &str, place: &str) -> String {
    let cell = xml.split_once(&format!("<c r=\"{place}\"")).expect("the cell").1;
    let cell = cell.split_once("</c>").expect("its end").0;
    let (before, after) = if cell.contains("<v>") { ("<v>", "</v>") } else { ("preserve\">", "</t>") };
    cell.split_once(before).expect("a value").1.split_once(after).expect("its end").0.to_owned()
}

#[test]
fn texts_are_read_as_they_were_written_and_no_text_is_a_formula() {
    let mut book = workbook();
    let mut table = book.table("Journal", &columns()).expect("a table");
    let words =
        [&NASTY[..], &["=1+1", "+1", "@x", "<&>\"", "_x0041_", "plain", "a\u{7}b\u{0}c", "\ttab"]].concat();
    for text in &words {
        let row = [
            Cell::Id("0000000000000000001"),
            Cell::Text(text),
            Cell::Money(150_000_000),
            Cell::Count(3),
            Cell::Day(day(3)),
            Cell::Link("https://example.org/orders?day=3&v=1"),
        ];
        table.push(&row).expect("a row");
    }
    table.finish().expect("a table");
    let bytes = book.finish().expect("a workbook").into_inner();
    let xml = part(&bytes, "xl/worksheets/sheet2.xml");
    assert_eq!(xml.matches("<f>").count(), words.len(), "only links are formulas");
    assert_eq!(
        xml.matches("<f>HYPERLINK(&quot;https://").count() + xml.matches("<f>HYPERLINK(\"https://").count(),
        words.len()
    );
    let mut read = open(bytes);
    let found = rows(&mut read, "Journal");
    for (row, text) in found[1..].iter().zip(&words) {
        assert_eq!(row[0], "0000000000000000001", "an id is text");
        assert_eq!(row[1], **text);
        assert_eq!(row[2], "1.5");
        assert_eq!(row[5], "https://example.org/orders?day=3&v=1");
    }
    let total = found.last().expect("a total");
    let times = i128::try_from(words.len()).expect("small");
    assert_eq!(units_of(&total[2], 8), 150_000_000 * times);
    assert_eq!((total[0].as_str(), total[3].as_str()), ("Total", (3 * times).to_string().as_str()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if is_long() { 500 } else { 40 }))]
    /// What is a number in the sheet is, as a double, the same decimal; everything else is text and counted.
    #[test]
    fn no_amount_changes_by_becoming_a_double(
        amounts in proptest::collection::vec(
            prop_oneof![-1_000_000_i128..1_000_000, any::<i64>().prop_map(i128::from),
                        (-999_999_999_999_999_i128..999_999_999_999_999, 0_u32..6).prop_map(|(d, z)| d * 10_i128.pow(z))],
            1..60),
        scale in prop_oneof![Just(0_u8), Just(2), Just(8)],
    ) {
        let columns = [Column::totalled("amount", Kind::Money { scale })];
        let mut book = workbook();
        let mut table = book.table("Amounts", &columns).expect("a table");
        for units in &amounts {
            table.push(&[Cell::Money(*units)]).expect("a row");
        }
        let written = table.finish().expect("a table");
        let bytes = book.finish().expect("a workbook").into_inner();
        let xml = part(&bytes, "xl/worksheets/sheet2.xml");
        for (row, units) in (2..).zip(&amounts) {
            prop_assert_eq!(raw_value(&xml, &format!("A{row}")), decimal_text(*units, scale));
        }
        let mut read = open(bytes);
        let range = read.worksheet_range("Amounts").expect("a sheet");
        let mut as_text = 0;
        let all = amounts.iter().copied().chain([amounts.iter().sum()]);
        for (cell, units) in range.used_cells().skip(1).zip(all) {
            let text = match cell.2 {
                Data::Float(double) => double.to_string(),
                Data::Int(whole) => whole.to_string(),
                other => { as_text += 1; other.to_string() }
            };
            prop_assert_eq!(units_of(&text, usize::from(scale)), units);
        }
        prop_assert_eq!(as_text, written.amounts_as_text);
    }
}

#[test]
fn fifteen_digits_are_a_number_and_sixteen_are_text() {
    let mut book = workbook();
    let columns = [Column::new("amount", Kind::Money { scale: 8 })];
    let mut table = book.table("Amounts", &columns).expect("a table");
    for units in [999_999_999_999_999, 9_999_999_999_999_999, 9_999_999_999_999_990] {
        table.push(&[Cell::Money(units)]).expect("a row");
    }
    assert_eq!(table.finish().expect("a table").amounts_as_text, 1);
    let xml = part(&book.finish().expect("a workbook").into_inner(), "xl/worksheets/sheet2.xml");
    for (place, is_text) in [("A2", false), ("A3", true), ("A4", false)] {
        let cell = xml.split_once(&format!("<c r=\"{place}\"")).expect("the cell").1;
        assert_eq!(cell.split_once('>').expect("a tag").0.contains("inlineStr"), is_text, "{place}");
    }
}

#[test]
fn a_table_that_fills_a_sheet_goes_on_on_the_next() {
    let (columns, rows_max) = (columns(), 10);
    let mut book = workbook().with_sheet_rows_max(rows_max);
    let mut table = book.table("Journal", &columns).expect("a table");
    for number in 0..20_i64 {
        let id = number.to_string();
        let money = Cell::Money(i128::from(number));
        table
            .push(&[Cell::Id(&id), Cell::Empty, money, Cell::Count(1), Cell::Empty, Cell::Empty])
            .expect("a row");
    }
    table.finish().expect("a table");
    let bytes = book.finish().expect("a workbook").into_inner();
    for number in 2..=4 {
        let xml = part(&bytes, &format!("xl/worksheets/sheet{number}.xml"));
        assert!(
            xml.contains("state=\"frozen\"") && xml.contains("ySplit=\"1\""),
            "sheet {number} has a fixed header"
        );
        assert!(xml.contains("<autoFilter ref=\"A1:F"), "sheet {number} has a filter");
    }
    let mut read = open(bytes);
    assert_eq!(read.sheet_names(), ["Summary", "Journal", "Journal (2)", "Journal (3)", "Parameters"]);
    let mut ids = Vec::new();
    for sheet in ["Journal", "Journal (2)", "Journal (3)"] {
        let found = rows(&mut read, sheet);
        assert!(found.len() <= usize::try_from(rows_max).expect("small"), "{sheet} has {} rows", found.len());
        assert_eq!(found[0][0], "entry");
        ids.extend(found[1..].iter().map(|row| row[0].clone()));
    }
    let mut wanted: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    wanted.push("Total".to_owned());
    assert_eq!(ids, wanted);
}

/// Header and totals count as rows: a sheet that is just full of rows must leave room for the totals.
#[test]
fn no_sheet_grows_past_its_limit_by_its_totals() {
    let columns = [Column::totalled("count", Kind::Count)];
    for (data_rows, sheets_wanted) in [(0, 1), (1, 1), (3, 1), (4, 2), (6, 2), (7, 3)] {
        let mut book = workbook().with_sheet_rows_max(5);
        let mut table = book.table("Journal", &columns).expect("a table");
        for _ in 0..data_rows {
            table.push(&[Cell::Count(1)]).expect("a row");
        }
        table.finish().expect("a table");
        let bytes = book.finish().expect("a workbook").into_inner();
        let sheets = open(bytes.clone()).sheet_names().len() - 2;
        assert_eq!(sheets, sheets_wanted, "{data_rows} rows");
        for number in 2..2 + sheets {
            let xml = part(&bytes, &format!("xl/worksheets/sheet{number}.xml"));
            assert!(xml.matches("<row ").count() <= 5, "{data_rows} rows: sheet {number} is too long");
        }
    }
}

#[test]
fn summary_and_parameters_say_what_the_file_is() {
    let mut book = workbook();
    let mut table = book.table("Journal", &columns()).expect("a table");
    let row =
        [Cell::Id("1"), Cell::Empty, Cell::Money(123_000_000), Cell::Count(2), Cell::Empty, Cell::Empty];
    table.push(&row).expect("a row");
    table.finish().expect("a table");
    let mut read = open(book.finish().expect("a workbook").into_inner());
    let summary = rows(&mut read, "Summary");
    for line in
        [["Journal", "rows", "1"], ["Journal", "total of debit", "1.23"], ["Journal", "total of orders", "2"]]
    {
        assert!(summary.iter().any(|row| row == &line), "{line:?} is not in {summary:?}");
    }
    let parameters = rows(&mut read, "Parameters");
    assert!(parameters.iter().any(|row| row[0] == "run id" && row[2] == "run-7"), "{parameters:?}");
    assert!(parameters.iter().any(|row| row[0] == "chart" && row[2] == "sha256:00ff"), "{parameters:?}");
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let make = || {
        let mut book = workbook();
        let mut table = book.table("Journal", &columns()).expect("a table");
        table.push(&[Cell::Empty; 6]).expect("a row");
        table.finish().expect("a table");
        book.finish().expect("a workbook").into_inner()
    };
    assert_eq!(make(), make());
}

#[test]
fn names_that_a_sheet_cannot_have_and_open_tables_are_refused() {
    let mut book = workbook();
    book.table("Journal", &columns()).expect("a table").finish().expect("a table");
    for bad in ["", "a/b", "it's", "summary", "JOURNAL", "a name of more than twenty-five"] {
        assert!(matches!(book.table(bad, &columns()), Err(ExportError::BadSheetName { .. })), "{bad:?}");
    }
    drop(book.table("Left open", &columns()).expect("a table"));
    assert!(matches!(book.table("Next", &columns()), Err(ExportError::TableNotFinished)));
    assert!(matches!(book.finish(), Err(ExportError::TableNotFinished)));
}

/// Takes a minute: only where long runs are asked for.
#[test]
fn a_table_past_the_formats_own_limit_is_split() {
    if !is_long() {
        return;
    }
    let columns = [Column::totalled("count", Kind::Count)];
    let file = tempfile::tempfile().expect("a file");
    let mut book = Workbook::new(std::io::BufWriter::new(file), about());
    let mut table = book.table("Journal", &columns).expect("a table");
    let rows = i64::from(SHEET_ROWS_MAX) + 5;
    for number in 0..rows {
        table.push(&[Cell::Count(number)]).expect("a row");
    }
    table.finish().expect("a table");
    let file = book.finish().expect("a workbook").into_inner().expect("flushed");
    let mut read: Xlsx<_> = Xlsx::new(std::io::BufReader::new(file)).expect("a workbook");
    let mut last = |sheet: &str| {
        let mut cells = read.worksheet_cells_reader(sheet).expect("a sheet");
        let (mut count, mut place) = (0_u64, (0, 0));
        while let Some(cell) = cells.next_cell().expect("a cell") {
            (count, place) = (count + 1, Read::get_position(&cell));
        }
        (count, place.0 + 1)
    };
    let (first, second) = (last("Journal"), last("Journal (2)"));
    assert_eq!(first, (u64::from(SHEET_ROWS_MAX) - 1, SHEET_ROWS_MAX - 1), "one row is kept for totals");
    // Two headers and the totals are no rows.
    assert_eq!(first.0 + second.0, u64::try_from(rows).expect("positive") + 3);
}
