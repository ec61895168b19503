//! MT940: fields, lines, and balances that must be reached.

use crate::rig::{all_told, altered, read, refused, sample};
use bills::{BillError, Format, Proof};

#[test]
fn statements_are_what_they_say() {
    let (bill, rows) = read(&sample("mt940.txt")).expect("good statements");
    assert_eq!(bill.format, Format::Mt940);
    assert_eq!(bill.accounts, ["DE00123456780000000001", "DE00123456780000000002"]);
    assert_eq!(
        all_told(&rows),
        [
            "6 transfer 2307500 0 EUR 2019-07-25 BANK-1 ORD-1 - NTRF -",
            "10 transfer -940017 0 EUR 2019-07-25 BANK-2 - - NTRF -",
            "11 fee -3000 0 EUR 2019-07-25 BANK-3 FEE - NCHG -",
        ]
    );
    assert!(rows[0].raw.ends_with("coins of the day\n?21second line"), "{}", rows[0].raw);
    assert!(bill.proofs.contains(&Proof::OpeningToClosing));
}

#[test]
fn a_closing_balance_that_is_not_reached_is_refused_by_how_much() {
    match refused(&altered("mt940.txt", ":61:1907250725C23075,00", ":61:1907250725C23075,01")) {
        BillError::Totals(found) => assert_eq!(found.difference(), 1),
        other => panic!("{other}"),
    }
}

#[test]
fn reversals_turn_the_sign() {
    let bytes = altered("mt940.txt", "D30,NCHG", "RC30,NCHG");
    let (_, rows) = read(&bytes).expect("a credit taken back is a debit");
    assert_eq!(rows[2].amount_minor, -3_000);
}

#[test]
fn entry_days_belong_to_the_year_next_to_the_value_day() {
    let bytes = altered("mt940.txt", ":61:1907250725C23075,00", ":61:2001021231C23075,00");
    let (_, rows) = read(&bytes).expect("a good statement");
    assert!(all_told(&rows)[0].contains("2019-12-31"), "{}", all_told(&rows)[0]);
}

#[test]
fn pages_must_follow_each_other() {
    let page = |number: u32, opening: &str, closing: &str| {
        format!(":20:P\n:25:ACC\n:28C:1/{number}\n{opening}\n:61:190725C1,NTRFX\n{closing}\n-\n")
    };
    let good = page(1, ":60F:C190725EUR0,", ":62M:C190725EUR1,")
        + &page(2, ":60M:C190725EUR1,", ":62F:C190725EUR2,");
    assert_eq!(read(good.as_bytes()).expect("two pages").0.rows, 2);
    let gap = page(1, ":60F:C190725EUR0,", ":62M:C190725EUR1,")
        + &page(2, ":60M:C190725EUR2,", ":62F:C190725EUR3,");
    assert!(matches!(refused(gap.as_bytes()), BillError::Totals(_)));
    let open = page(1, ":60F:C190725EUR0,", ":62M:C190725EUR1,");
    assert_eq!(refused(open.as_bytes()).code(), "bill-truncated");
}

#[test]
fn broken_fields_are_refused_with_line_and_column() {
    let cases = [
        ("C23075,00NTRF", "X23075,00NTRF", "line 6, column 15: the direction is none of the words"),
        ("C23075,00NTRF", "C23075.00NTRF", "line 6, column 16: the amount is not an amount"),
        (":61:190725D30", ":61:191325D30", "line 11, column 5: the value day is not a time"),
        (":62F:C190725EUR", ":62F:C190725USD", "the currency contradicts"),
        (":28C:00120", ":99X:00120", "line 4, column 6: the tag is none of the words"),
        (":60F:C190724EUR10000,00\n", "", "line 5, column 5: the field stands where it may not"),
        (":25:DE00123456780000000001\n", "", "ends before the account"),
        (":62F:C190725EUR23644,83\n", "", "ends before the closing balance"),
    ];
    for (from, to, expected) in cases {
        let error = refused(&altered("mt940.txt", from, to)).to_string();
        assert!(error.contains(expected), "{from} -> {to}: {error}");
    }
}
