//! CSV files as sides of a comparison.

use matching::csv_rows::{AmountFormat, Columns, ColumnsError, CsvError, CsvRows};
use matching::keyed::{Kind, Settings, compare};
use std::ops::ControlFlow;

const OURS: &str = "key,account,amount_minor,currency,status,day\n\
    o1,s1,1250,CNY,paid,2026-02-27\n\
    \"o,2\",s1,999,CNY,paid,2026-02-27\n\
    o3,s2,1,CNY,paid,2026-02-28\n";

fn kinds(left: &str, right: &str, right_columns: &Columns) -> Vec<(Kind, Option<String>)> {
    let left = CsvRows::try_new(left.as_bytes(), &Columns::default()).expect("a header");
    let right = CsvRows::try_new(right.as_bytes(), right_columns).expect("a header");
    let mut found = Vec::new();
    let go_on = |_| ControlFlow::Continue(());
    let mut sink = |difference: matching::keyed::Difference| {
        let reason = difference.invalid.as_ref().map(|invalid| invalid.reason.clone());
        let key = difference.key().map(|key| String::from_utf8_lossy(key).into_owned());
        found.push((difference.kind, reason.or(key)));
    };
    compare(left, right, &Settings::new(std::env::temp_dir()), &go_on, &mut sink).expect("compared");
    found
}

#[test]
fn columns_are_found_by_name_and_major_units_become_minor_ones() {
    let theirs = "no,sum,cur,when,state,who,extra\n\
        \"o,2\",9.99,CNY,2026-02-27,paid,s1,\n\
        o3,0.02,CNY,2026-02-28,paid,s2,\n\
        o1,12.5,CNY,2026-02-27,paid,s1,x\n";
    let columns = Columns {
        key: "no".to_owned(),
        account: Some("who".to_owned()),
        amount: "sum".to_owned(),
        amounts: AmountFormat::Major { digits: 2 },
        currency: "cur".to_owned(),
        status: Some("state".to_owned()),
        day: "when".to_owned(),
    };
    assert_eq!(kinds(OURS, theirs, &columns), [(Kind::AmountDiffers, Some("o3".to_owned()))]);
}

#[test]
fn rows_that_cannot_be_read_are_told_with_their_reasons() {
    let torn = "key,account,amount_minor,currency,status,day\n\
        o1,s1,12.50,CNY,paid,2026-02-27\n\
        \"o,2\",s1,999,CNY,paid\n\
        o3,s2,1,CNY,paid,2026-02-30\n\
        ,s2,1,CNY,paid,2026-02-28\n";
    let found = kinds(torn, torn, &Columns::default());
    let reasons: Vec<&str> = found.iter().filter_map(|(_, reason)| reason.as_deref()).take(4).collect();
    let expected = ["\"12.50\" is no amount", "5 fields instead of 6", "\"2026-02-30\" is no day", "no key"];
    assert_eq!(reasons, expected);
    assert_eq!(found.len(), 8);
}

#[test]
fn a_header_that_lacks_a_column_or_has_it_twice_is_refused() {
    let refused = |text: &str| match CsvRows::try_new(text.as_bytes(), &Columns::default()) {
        Err(CsvError::Columns(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(""), ColumnsError::Missing { name: "key".to_owned() });
    let twice = "key,account,amount_minor,currency,status,day,key\n";
    assert_eq!(refused(twice), ColumnsError::Twice { name: "key".to_owned() });
}
