//! Invariant under test: a sheet is read whole or not at all, and what is wrong is named by line and column.

use contracts::sheet::{FAULTS_MAX, Fault, Faults, Layout};
use proptest::prelude::*;

const SWEETS: Layout<2> = Layout { columns: ["name", "count"], lines_max: 3, line_is: "sweet" };

/// Names and counts, or what is wrong.
fn read(text: &str) -> Result<Vec<(String, u8)>, Faults> {
    SWEETS.read(text, |line, [name, count]| {
        let count = count.parse().map_err(|_| {
            let reason = format!("{count:?} is no count");
            vec![Fault { line, column: "count", reason }]
        })?;
        Ok((name.to_owned(), count))
    })
}

fn said(text: &str) -> String {
    read(text).expect_err("it is refused").to_string()
}

#[test]
fn columns_stand_in_any_order_and_what_spreadsheets_add_is_no_fault() {
    let expected = vec![("plum, dried".to_owned(), 3), ("fig".to_owned(), 4)];
    assert_eq!(read("name,count\n\"plum, dried\",3\nfig,4\n"), Ok(expected.clone()));
    assert_eq!(read("\u{feff}count, name\r\n 3 ,\"plum, dried\"\r\n4,fig"), Ok(expected));
}

#[test]
fn a_header_is_refused_by_the_column_that_is_wrong() {
    assert_eq!(said("name\nfig\n"), "line 1, count: the column is missing");
    assert_eq!(said("name,count,colour\n"), "line 1: there is no column \"colour\"; there are name, count");
    assert_eq!(said("name,count,name\n"), "line 1: a column is there twice");
    assert_eq!(said(""), "line 1, name: the column is missing");
}

#[test]
fn every_bad_line_is_named_and_no_good_one_is_read() {
    let text = "name,count\nfig,x\nplum,2\nquince\n";
    assert_eq!(said(text), "line 2, count: \"x\" is no count; line 4: it has another number of fields");
}

#[test]
fn a_sheet_without_lines_and_one_with_too_many_are_refused() {
    assert_eq!(said("name,count\n"), "line 1: the file has no sweet");
    assert_eq!(said("name,count\na,1\nb,2\nc,3\nd,4\ne,5\n"), "line 5: a file has at most 3 sweets");
}

#[test]
fn a_refusal_names_some_faults_and_counts_the_others() {
    let fault = |line| Fault { line, column: "", reason: "bad".to_owned() };
    let faults: Vec<Fault> = (1..).take(FAULTS_MAX + 2).map(fault).collect();
    let said = Faults(faults).to_string();
    assert!(said.starts_with("line 1: bad; line 2: bad;"), "{said}");
    assert!(said.ends_with("line 20: bad; and 2 more"), "{said}");
}

proptest! {
    #[test]
    fn whatever_a_file_holds_it_is_read_whole_or_refused_with_a_line(text in "(name,count\n)?[a-z0-9,\"\r\n\u{feff}é]{0,60}") {
        match read(&text) {
            Ok(sweets) => prop_assert!((1..=3).contains(&sweets.len())),
            Err(faults) => prop_assert!(faults.0.iter().all(|fault| fault.line >= 1) && !faults.0.is_empty()),
        }
    }
}
