//! camt.053 in its versions: balances that must be reached, entries that are told.

use crate::rig::{all_told, altered, read, refused, sample};
use bills::{BillError, Format, Proof, Refusal, Unit};

#[test]
fn a_statement_of_version_02_is_what_it_says() {
    let (bill, rows) = read(&sample("camt053-02.xml")).expect("a good statement");
    assert_eq!(bill.format, Format::Camt053);
    assert_eq!(bill.accounts, ["FI0000000000000001"]);
    let told = all_told(&rows);
    assert_eq!(told.len(), 10);
    assert_eq!(told[0], "42 transfer -100012 0 EUR 2009-10-29 ARCH01 ORD-1 - BOOK -");
    assert!(
        told[2].contains(" ARCH03 - - BOOK"),
        "an entry of three payments has no one reference: {}",
        told[2]
    );
    assert!(
        told[3].contains("200000 0 EUR 2009-10-29 ARCH04 - -"),
        "NOTPROVIDED is no reference: {}",
        told[3]
    );
    let totals = bill.totals.values().next().expect("one currency");
    assert_eq!((totals.in_minor, totals.out_minor), (2_307_500, -943_017));
    let proofs: Vec<Proof> = bill.proofs.into_iter().collect();
    assert_eq!(proofs, [Proof::RowCount, Proof::Sums, Proof::OpeningToClosing]);
    assert!(rows[0].raw.starts_with("<Ntry>") && rows[0].raw.ends_with("</Ntry>"), "{}", rows[0].raw);
}

#[test]
fn a_closing_balance_that_leaves_out_a_booked_entry_is_refused_by_how_much() {
    assert_eq!(read(&sample("camt053-04.xml")).expect("a good statement").0.rows, 5);
    match refused(&sample("camt053-04-value-dated.xml")) {
        BillError::Totals(found) => {
            assert_eq!(found.what, "the closing balance");
            assert_eq!((found.stated, found.counted, found.difference()), (21_511_221, 21_664_921, 153_700));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn version_08_is_read_with_three_decimals_a_debit_balance_and_announced_entries_left_out() {
    let (bill, rows) = read(&sample("camt053-08.xml")).expect("a good statement");
    assert_eq!(all_told(&rows).len(), 1, "the announced entry is not lent");
    assert!(all_told(&rows)[0].contains("transfer 1105 0 BHD 2026-10-01 R-1 ORD-1 & co"), "{rows:?}");
    assert_eq!(bill.accounts, ["ACC-8"]);
}

#[test]
fn what_the_summary_states_is_compared() {
    let cases = [
        ("<NbOfNtries>10<", "<NbOfNtries>11<", ("TtlNtries/NbOfNtries", 11, 10, Unit::Rows)),
        ("<Sum>23075.00<", "<Sum>23075.01<", ("TtlCdtNtries/Sum", 2_307_501, 2_307_500, Unit::Minor)),
        ("<Sum>9430.17<", "<Sum>9430.16<", ("TtlDbtNtries/Sum", 943_016, 943_017, Unit::Minor)),
        ("23644.83", "23644.84", ("the closing balance", 2_364_484, 2_364_483, Unit::Minor)),
    ];
    for (from, to, (what, stated, counted, unit)) in cases {
        match refused(&altered("camt053-02.xml", from, to)) {
            BillError::Totals(found) => {
                assert_eq!((found.what.as_ref(), found.stated), (what, stated));
                assert_eq!((found.counted, found.unit), (counted, unit));
            }
            other => panic!("{to}: {other}"),
        }
    }
}

#[test]
fn statements_without_a_balance_to_reach_or_without_anything_are_truncated() {
    for (from, to) in [("CLBD", "CLXX"), ("<Cd>OPBD", "<Cd>OPXX")] {
        let text = String::from_utf8(altered("camt053-04.xml", from, to)).expect("UTF-8");
        assert_eq!(refused(text.as_bytes()).code(), "bill-truncated", "{to}");
    }
    let empty =
        br#"<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt/></Document>"#;
    assert_eq!(refused(empty).code(), "bill-truncated");
    let whole = sample("camt053-04.xml");
    assert_eq!(refused(&whole[..whole.len() - 14]).code(), "bill-truncated");
}

#[test]
fn a_balance_or_entry_in_another_currency_is_refused() {
    let error =
        refused(&altered("camt053-04.xml", r#"<Amt Ccy="CHF">216649.21"#, r#"<Amt Ccy="SEK">216649.21"#));
    assert!(error.to_string().contains("Ccy of CLBD contradicts"), "{error}");
    let error = refused(&altered("camt053-04.xml", r#"<Amt Ccy="CHF">4.50"#, r#"<Amt Ccy="EUR">4.50"#));
    assert!(error.to_string().contains("Amt contradicts"), "{error}");
}

#[test]
fn a_broken_element_is_refused_with_line_column_and_byte() {
    let bytes = altered("camt053-04.xml", ">77.70<", ">77.7O<");
    let error = refused(&bytes);
    let place = error.place().expect("it has one");
    let text = String::from_utf8(bytes).expect("UTF-8");
    let line = text.lines().position(|line| line.contains("77.7O")).expect("it is there") + 1;
    assert_eq!(place.line, u64::try_from(line).expect("small"));
    assert!(place.column > 8 && place.byte.is_some(), "{place}");
    assert!(error.to_string().contains("Amt is not an amount: \"77.7O\""), "{error}");
}

#[test]
fn a_dtd_or_an_entity_is_refused() {
    let head = "<Document ";
    let bytes = altered("camt053-04.xml", head, "<!DOCTYPE a [<!ENTITY b \"c\">]>\n<Document ");
    let error = refused(&bytes);
    assert!(matches!(error, BillError::Refused(Refusal::Dtd(_))), "{error}");
    let error = refused(&altered("camt053-04.xml", "R-1", "&b;"));
    assert!(matches!(error, BillError::Refused(Refusal::Dtd(_))), "{error}");
}

#[test]
fn the_declared_encoding_is_kept_to() {
    let text = String::from_utf8(sample("camt053-04.xml")).expect("UTF-8");
    let latin = text.replace("UTF-8", "ISO-8859-1").replace("R-1", "R-\u{e9}");
    let (bytes, _, _) = encoding_rs::WINDOWS_1252.encode(&latin);
    let (_, rows) = read(&bytes).expect("a good statement");
    assert_eq!(rows[0].channel_ref, "R-\u{e9}");
    let error = refused(
        &text.replace("R-1", "R-\u{e9}").into_bytes().into_iter().filter(|b| *b != 0xc3).collect::<Vec<u8>>(),
    );
    assert_eq!(error.code(), "bill-broken");
}

#[test]
fn prefixed_elements_are_the_same_statement() {
    let text = String::from_utf8(sample("camt053-04.xml")).expect("UTF-8");
    let prefixed = text.replace("</", "</c:").replace("xmlns=", "xmlns:c=");
    let prefixed = regex_free_prefix(&prefixed);
    let (_, rows) = read(prefixed.as_bytes()).expect("the same statement");
    assert_eq!(rows.len(), 5);
}

/// Puts `c:` before the name of each opening tag.
fn regex_free_prefix(text: &str) -> String {
    let mut out = String::new();
    for (index, piece) in text.split('<').enumerate() {
        if index > 0 {
            out.push('<');
            if !piece.starts_with(['/', '?']) {
                out.push_str("c:");
            }
        }
        out.push_str(piece);
    }
    out
}
