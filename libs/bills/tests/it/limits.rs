//! Every ceiling holds, by its name: no file takes more memory or time than it may.

use crate::rig::{archive, gbk, refused_with, sample};
use bills::{BillError, Intake, Limits};

fn limited(limits: Limits) -> Intake {
    Intake { limits, ..Intake::default() }
}

fn passed(intake: &Intake, bytes: &[u8]) -> &'static str {
    match refused_with(intake, bytes) {
        BillError::TooMuch { limit, .. } => limit,
        other => panic!("{other}"),
    }
}

#[test]
fn bytes_rows_and_fields_are_capped_by_name() {
    let trade = sample("wechat-trade-all.csv");
    let defaults = Limits::default();
    assert_eq!(passed(&limited(Limits { file_bytes_max: 100, ..defaults }), &trade), "file_bytes_max");
    assert_eq!(passed(&limited(Limits { row_bytes_max: 100, ..defaults }), &trade), "row_bytes_max");
    assert_eq!(passed(&limited(Limits { rows_max: 2, ..defaults }), &trade), "rows_max");
    let stripe = sample("stripe-balance-report.csv");
    assert_eq!(passed(&limited(Limits { row_bytes_max: 100, ..defaults }), &stripe), "row_bytes_max");
    assert_eq!(passed(&limited(Limits { file_bytes_max: 100, ..defaults }), &stripe), "file_bytes_max");
    let two = Limits { names_max: 1, ..defaults };
    assert_eq!(passed(&limited(two), &sample("mt940.txt")), "names_max");
}

#[test]
fn a_row_without_end_is_not_gathered() {
    let mut bytes = sample("wechat-trade-all.csv");
    bytes.truncate(700);
    bytes.extend(std::iter::repeat_n(b'9', 4 << 20));
    assert_eq!(passed(&Intake::default(), &bytes), "row_bytes_max");
    let mut bytes = sample("stripe-balance-report.csv");
    bytes.extend_from_slice(b"po_1,\"");
    bytes.extend(std::iter::repeat_n(b'\n', 4 << 20));
    assert_eq!(passed(&Intake::default(), &bytes), "row_bytes_max");
}

#[test]
fn documents_are_capped_in_size_and_depth() {
    let camt = sample("camt053-04.xml");
    assert_eq!(
        passed(&limited(Limits { document_bytes_max: 100, ..Limits::default() }), &camt),
        "document_bytes_max"
    );
    let text = String::from_utf8(camt).expect("UTF-8");
    let deep = text.replace("<GrpHdr>", &format!("{}<GrpHdr>", "<a>".repeat(100_000)));
    assert_eq!(passed(&Intake::default(), deep.as_bytes()), "xml_depth_max");
}

#[test]
fn archives_are_capped_in_members_and_in_what_they_unpack_to() {
    let detail = gbk("alipay-trade.csv");
    let names: Vec<String> = (0..70).map(|index| format!("{index}.txt")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
    assert_eq!(passed(&Intake::default(), &archive(&members)), "members_max");
    // Rows of nothing: 60 MiB that pack to 60 KiB.
    let mut bomb = detail[..detail.windows(8).position(|w| w == b"20190916").expect("a row")].to_vec();
    bomb.extend(std::iter::repeat_n(b'\n', 60 << 20));
    let error = refused_with(&Intake::default(), &archive(&[("a", &bomb)]));
    assert!(matches!(error, BillError::TooMuch { limit: "unpack_ratio_max", .. }), "{error}");
}
