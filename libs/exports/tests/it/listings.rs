//! Journal and trial balance as tables: rows say what the entries said, and sums prove them.

use crate::amounts::units_of;
use crate::book::{Book, book, chart, cny, coin, day};
use exports::{
    CsvTable, Entry, ExportError, JournalListing, Moved, Posting, TrialBalanceListing, TrialLine, Written,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn journal(book: &Book) -> (Vec<u8>, Written) {
    let listing = JournalListing::try_new(&book.chart, &book.commodities).expect("a chart");
    let mut table = CsvTable::try_new(Vec::new(), &listing.columns()).expect("columns");
    book.each(|entry| listing.push(&mut table, entry).expect("an entry"));
    table.finish().expect("a file")
}

/// Rows by heading.
fn rows(bytes: &[u8]) -> Vec<BTreeMap<String, String>> {
    let text = std::str::from_utf8(bytes).expect("UTF-8").trim_start_matches('\u{feff}');
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(|row| row.expect("a row")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn the_journals_rows_sum_to_every_accounts_balance(book in book(1..40)) {
        let (bytes, written) = journal(&book);
        let mut sums: BTreeMap<(String, usize), i128> = BTreeMap::new();
        for row in rows(&bytes) {
            for (place, (code, scale)) in [("cny", 8), ("coin", 0)].into_iter().enumerate() {
                let side = |word: &str| match row[&format!("{word}_{code}")].as_str() {
                    "" => 0,
                    text => units_of(text, scale),
                };
                *sums.entry((row["account"].clone(), place)).or_default() += side("debit") - side("credit");
            }
        }
        sums.retain(|_, units| *units != 0);
        let wanted = book.sums(day(30)).into_iter().filter(|(_, units)| *units != 0);
        let wanted: BTreeMap<_, _> =
            wanted.map(|((account, place), units)| ((book.chart[account].code.clone(), place), units)).collect();
        prop_assert_eq!(sums, wanted);
        let totals: Vec<i128> = written.totals.iter().flatten().copied().collect();
        prop_assert_eq!((totals[0], totals[2]), (totals[1], totals[3]), "debits are credits");
    }
}

#[test]
fn an_entry_that_does_not_balance_is_no_row() {
    let (chart, commodities) = (chart(), [cny(), coin()]);
    let listing = JournalListing::try_new(&chart, &commodities).expect("a chart");
    let push = |postings: &[Posting<'_>], id: &str| {
        let mut table = CsvTable::try_new(Vec::new(), &listing.columns()).expect("columns");
        let entry = Entry {
            id,
            posted_day: day(1),
            day: day(1),
            rule: "r",
            source: "s",
            from_seq: 1,
            to_seq: 1,
            row_count: 1,
            coins: 1,
            postings,
        };
        let error = listing.push(&mut table, &entry).expect_err("it is refused");
        assert_eq!(table.finish().expect("a file").1.rows, 0);
        error
    };
    let line = |account, place: usize, units| Posting { account, commodity: &commodities[place], units };
    // Zero in sum, but of different things.
    let mixed = [line("1122", 0, 5), line("6001", 1, -5)];
    assert!(matches!(push(&mixed, "1"), ExportError::NotBalanced { .. }));
    assert!(matches!(push(&[line("1122", 0, 5)], "1"), ExportError::NotBalanced { .. }));
    let good = [line("1122", 0, 5), line("6001", 0, -5)];
    assert!(matches!(push(&good, "1) x"), ExportError::BadEntryId(_)));
    let unknown = [line("9999", 0, 5), line("6001", 0, -5)];
    assert!(matches!(push(&unknown, "1"), ExportError::UnknownAccount(code) if code == "9999"));
}

#[test]
fn the_trial_balances_total_is_zero_where_the_books_are_whole() {
    let (chart, commodities) = (chart(), [cny()]);
    let listing = TrialBalanceListing::new(&commodities);
    let mut table = CsvTable::try_new(Vec::new(), &listing.columns()).expect("columns");
    for (at, account) in chart[..2].iter().enumerate() {
        let moved = Moved { debit_units: 500, credit_units: 500 };
        let moved =
            if at == 0 { Moved { debit_units: 507, ..moved } } else { Moved { credit_units: 507, ..moved } };
        listing.push(&mut table, &TrialLine { account, moved: &[moved] }).expect("a line");
    }
    let (bytes, written) = table.finish().expect("a file");
    assert_eq!(written.totals[3..], [Some(1007), Some(1007), Some(0)]);
    let rows = rows(&bytes);
    assert_eq!((rows[0]["account"].as_str(), rows[0]["balance_cny"].as_str()), ("1122", "0.00000007"));
    assert_eq!(rows[1]["balance_cny"], "-0.00000007");
    let mut table = CsvTable::try_new(Vec::new(), &listing.columns()).expect("columns");
    let wrong = TrialLine { account: &chart[0], moved: &[] };
    assert!(matches!(listing.push(&mut table, &wrong), Err(ExportError::RowLength { .. })));
}
