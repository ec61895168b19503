//! Statements name their contract's version, open their orders, and lose no fraction.

use crate::book::{cny, day};
use exports::{
    CsvTable, Earned, ExportError, Payee, StatementLine, Workbook, earned_columns, push_earned,
    push_statement_line, statement_columns,
};
use std::io::Cursor;

fn line() -> StatementLine<'static> {
    StatementLine {
        payee: Payee::Agency,
        payee_id: "01970000000070008000000000000001",
        payee_name: "星光文化",
        streamer_id: "01970000000070008000000000000002",
        day: day(3),
        contract_version: 7,
        settled_count: 12,
        reversed_count: 1,
        gross_units: 12_000_000_000,
        share_units: 1_200_000_000,
        clawback_units: -100_000_000,
        orders_link: "https://example.org/statements/3/orders?contract=7",
    }
}

#[test]
fn each_line_names_its_contract_version_and_opens_its_orders() {
    let mut table = CsvTable::try_new(Vec::new(), &statement_columns(&cny())).expect("columns");
    push_statement_line(&mut table, &line()).expect("a line");
    let (bytes, written) = table.finish().expect("a file");
    let text = std::str::from_utf8(&bytes).expect("UTF-8").trim_start_matches('\u{feff}');
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let row: std::collections::BTreeMap<String, String> =
        reader.deserialize().next().expect("a row").expect("a row");
    for (column, value) in [
        ("payee_kind", "agency"),
        ("payee_name", "星光文化"),
        ("contract_version", "7"),
        ("settled_orders", "12"),
        ("reversed_orders", "1"),
        ("gross_cny", "120.00"),
        ("share_cny", "12.00"),
        ("clawback_cny", "-1.00"),
        ("net_cny", "11.00"),
        ("orders", "https://example.org/statements/3/orders?contract=7"),
    ] {
        assert_eq!(row[column], value, "{column}");
    }
    assert_eq!(written.totals[11], Some(1_100_000_000));
    let mut book = Workbook::new(Cursor::new(Vec::new()), exports::About::default());
    let mut table = book.table("Statement", &statement_columns(&cny())).expect("a table");
    push_statement_line(&mut table, &line()).expect("a line");
    table.finish().expect("a table");
    assert!(!book.finish().expect("a workbook").into_inner().is_empty());
}

#[test]
fn a_day_that_loses_a_fraction_is_refused() {
    let earned = |payable_minor, carry_out_units| {
        let mut table = CsvTable::try_new(Vec::new(), &earned_columns(&cny())).expect("columns");
        let earned = Earned {
            payee: Payee::Streamer,
            payee_id: "1",
            payee_name: "安",
            day: day(3),
            carry_in_units: 999_999,
            net_units: 5_000_002,
            payable_minor,
            carry_out_units,
        };
        push_earned(&mut table, &earned, &cny())
    };
    earned(6, 1).expect("nothing is lost");
    for (payable, carry) in [(6, 0), (5, 1), (6, 2)] {
        assert!(matches!(earned(payable, carry), Err(ExportError::CarryLost { .. })), "{payable} {carry}");
    }
}
