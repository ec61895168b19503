//! Workbooks by a profile: cells as they are stored, never through floating point.

use crate::rig::{all_told, archive, by, read_with, refused, refused_with};
use bills::{AmountColumns, ColumnProfile, DateStyle, Decimals};

pub fn profile() -> ColumnProfile {
    let mut profile = crate::profile::bank_profile();
    profile.skip_rows = 0;
    profile.columns.amount = AmountColumns::InPositive { column: "Amount".to_owned() };
    profile.columns.kind = None;
    profile.kinds = Vec::new();
    profile.footer = None;
    profile.dates = DateStyle { format: "%Y-%m-%d".to_owned(), offset: "+08:00".to_owned() };
    profile.decimals = Decimals { point: ',', grouping: None, strip: String::new() };
    profile
}

/// A workbook of one sheet with these rows.
fn workbook(rows: &str, texts: &[&str]) -> Vec<u8> {
    let texts: String = texts.iter().map(|text| format!("<si><t>{text}</t></si>")).collect();
    let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
    let strings = format!("<sst>{texts}</sst>");
    let book =
        r#"<workbook xmlns:r="r"><sheets><sheet name="Day" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
    let links = r#"<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>"#;
    archive(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", links.as_bytes()),
        ("xl/sharedStrings.xml", strings.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

const TEXTS: [&str; 7] = ["Booked", "Reference", "Amount", "Balance", "B-1", "2019-07-26", "-0,44"];

fn header() -> &'static str {
    r#"<row r="2"><c r="A2" t="s"><v>0</v></c><c r="B2" t="s"><v>1</v></c><c r="C2" t="s"><v>2</v></c><c r="E2" t="s"><v>3</v></c></row>"#
}

fn good() -> String {
    format!(
        r#"{}<row r="3"><c r="A3"><v>43671.354166666664</v></c><c r="B3" t="s"><v>4</v></c><c r="C3"><v>16.030000000000001</v></c><c r="E3"><v>1.0160299999999999E2</v></c></row><row r="5"><c r="A5" t="s"><v>5</v></c><c r="B5" t="inlineStr"><is><t>B</t><t>-2</t></is></c><c r="C5" t="s"><v>6</v></c><c r="E5"><v>101.16</v></c></row>"#,
        header()
    )
    .replace("1.0160299999999999E2", "1.016E2")
}

/// A workbook that a bank might send, with its balance after each row.
pub fn sample() -> Vec<u8> {
    workbook(&good(), &TEXTS)
}

#[test]
fn numbers_are_the_digits_that_the_workbook_shows_and_days_are_days() {
    let (bill, rows) = read_with(&by(profile()), &workbook(&good(), &TEXTS)).expect("a good workbook");
    assert_eq!(
        all_told(&rows),
        [
            "3 credit 1603 0 EUR 2019-07-25T08:30:00+3600 B-1 - - - 10160".replace("+3600", "+28800"),
            "5 debit -44 0 EUR 2019-07-26 B-2 - - - 10116".to_owned(),
        ]
    );
    assert_eq!(bill.rows, 2);
}

#[test]
fn a_workbook_needs_a_profile_and_its_named_sheet() {
    let bytes = workbook(&good(), &TEXTS);
    assert_eq!(refused(&bytes).code(), "bill-workbook-without-profile");
    let mut other = profile();
    other.sheet = Some("Night".to_owned());
    let error = refused_with(&by(other), &bytes);
    assert!(error.to_string().contains("the sheet is missing: \"Night\""), "{error}");
    let mut named = profile();
    named.sheet = Some("Day".to_owned());
    assert!(read_with(&by(named), &bytes).is_ok());
}

#[test]
fn broken_cells_are_refused_with_row_and_column() {
    let cases = [
        ("<v>16.030000000000001</v>", "<v>16.031</v>", "line 3, column 3: Amount has more decimals"),
        ("<v>16.030000000000001</v>", "<v>1e400</v>", "line 3, column 3: Amount is not an amount"),
        (r#"<c r="C3">"#, r#"<c r="C3" t="e">"#, "line 3, column 3: the cell is not well-formed"),
        (r#"<c r="B3" t="s"><v>4<"#, r#"<c r="B3" t="s"><v>99<"#, "line 3, column 2: the cell is missing"),
        (r#"<c r="B3""#, r#"<c r="A3""#, "line 3: the cell stands where it may not"),
        ("<v>43671.354166666664</v>", "<v>99999999</v>", "line 3, column 1: Booked is not a time"),
        ("<v>101.16</v>", "<v>101.17</v>", "the balance is stated as 10117 at line 5, column 5"),
    ];
    for (from, to, expected) in cases {
        let rows = good();
        assert!(rows.contains(from), "{from}");
        let error = refused_with(&by(profile()), &workbook(&rows.replacen(from, to, 1), &TEXTS)).to_string();
        assert!(error.contains(expected), "{from} -> {to}: {error}");
    }
}

#[test]
fn personal_exports_are_refused_in_workbooks_too() {
    let bytes = workbook(&good(), &["微信支付账单明细", "Reference", "Amount", "Balance", "a", "b", "c"]);
    assert_eq!(refused(&bytes).code(), "bill-wechat-personal");
    assert_eq!(refused_with(&by(profile()), &bytes).code(), "bill-wechat-personal");
}
