//! The writer of trade bills: what it writes reads back equal, and each planted fault is seen as what it is.

use crate::rig::read;
use bills::wechat::write::{Fault, RefundIds, Total, TradeRow, WriteError, write};
use bills::{BillError, BillRow, Flaw, RowKind};
use chrono::{DateTime, NaiveDateTime};
use money::Micros;
use proptest::prelude::*;

fn at(seconds: i64) -> NaiveDateTime {
    DateTime::from_timestamp(1_600_000_000 + seconds, 0).expect("in range").naive_utc()
}

fn payment(number: u32, amount_minor: i64) -> TradeRow {
    TradeRow {
        at: at(i64::from(number)),
        merchant: "1230000109".to_owned(),
        channel_order: format!("42{number:08}"),
        our_order: format!("ORD-{number}"),
        refund: None,
        amount_minor,
        fee: Micros::new(amount_minor * 6_000),
        goods: "coins, many".to_owned(),
    }
}

fn refund(number: u32, amount_minor: i64) -> TradeRow {
    let ids = RefundIds { channel_refund: format!("50{number:08}"), our_refund: format!("REF-{number}") };
    TradeRow { refund: Some(ids), fee: Micros::new(-6_000), ..payment(number, amount_minor) }
}

fn written(rows: &[TradeRow], faults: &[Fault]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes, rows, faults).expect("the rows fit the layout");
    bytes
}

fn day() -> Vec<TradeRow> {
    vec![payment(1, 600), payment(2, 1), refund(1, 142), payment(3, 99_999)]
}

/// Refs and amounts of what is read, which tell the faults apart.
fn seen(bytes: &[u8]) -> Vec<(String, i64)> {
    let (_, rows) = read(bytes).expect("true to itself");
    rows.iter().map(|row| (row.channel_ref.to_string(), row.amount_minor)).collect()
}

fn is_same(read: &BillRow<'_>, row: &TradeRow) -> bool {
    let (kind, sign, channel, ours) = match &row.refund {
        Some(ids) => (RowKind::Refund, -1, &ids.channel_refund, &ids.our_refund),
        None => (RowKind::Payment, 1, &row.channel_order, &row.our_order),
    };
    let about = row.refund.as_ref().map(|_| row.channel_order.as_str());
    read.kind == kind
        && read.amount_minor == sign * row.amount_minor
        && read.fee == row.fee
        && read.channel_ref == *channel
        && read.our_ref.as_deref() == Some(ours.as_str())
        && read.about_ref.as_deref() == about
        && read.account == row.merchant
        && read.at == (bills::When::Moment { local: row.at, offset_s: bills::CHINA_OFFSET_S })
        && read.raw.contains(&format!("`{},`", row.goods))
}

fn rows() -> impl Strategy<Value = Vec<TradeRow>> {
    let id = "[A-Za-z0-9_-]{1,20}";
    let goods = "[^`\r\n\u{0}]{0,30}";
    let refund = proptest::option::of((id, id));
    let row =
        (0_i64..1_000_000_000, (id, id, id), refund, 0_i64..10_000_000_000, -99_999_i64..1_000_000, goods);
    let row = row.prop_map(
        |(seconds, (merchant, channel_order, our_order), refund, amount_minor, steps, goods)| TradeRow {
            at: at(seconds),
            merchant,
            channel_order,
            our_order,
            refund: refund.map(|(channel_refund, our_refund)| RefundIds { channel_refund, our_refund }),
            amount_minor,
            fee: Micros::new(steps * 1_000),
            goods,
        },
    );
    proptest::collection::vec(row, 0..20)
}

proptest! {
    #[test]
    fn what_is_written_reads_back_equal(rows in rows()) {
        let (bill, read) = read(&written(&rows, &[])).expect("a good bill");
        prop_assert_eq!(read.len(), rows.len());
        for (read, row) in read.iter().zip(&rows) {
            prop_assert!(is_same(read, row), "{:?} is not {:?}", read, row);
        }
        let sum: i64 = rows.iter().map(|row| row.amount_minor * if row.refund.is_some() { -1 } else { 1 }).sum();
        let net: i64 = bill.totals.values().map(bills::Totals::net_minor).sum();
        prop_assert_eq!(net, sum);
    }
}

#[test]
fn faults_that_leave_the_bill_true_to_itself_are_read_as_they_were_planted() {
    let day = day();
    let whole = seen(&written(&day, &[]));
    let without = seen(&written(&day, &[Fault::MissingRow { row: 1 }]));
    assert_eq!(without, [&whole[..1], &whole[2..]].concat());
    let extra = seen(&written(&day, &[Fault::ExtraRow { extra: payment(9, 5) }]));
    assert_eq!(extra[4], ("4200000009".to_owned(), 5));
    let off = seen(&written(&day, &[Fault::AmountOff { row: 0, by_minor: 7 }]));
    assert_eq!((off[0].1, &off[1..]), (607, &whole[1..]));
    let twice = seen(&written(&day, &[Fault::DuplicatedRow { row: 3 }]));
    assert_eq!(twice[3], twice[4]);
    let (_, rows) = read(&written(&day, &[Fault::RefundWithoutPayment { row: 0 }])).expect("true to itself");
    assert_eq!(rows[4].kind, RowKind::Refund);
    assert_eq!(rows[4].about_ref.as_deref(), Some("4200000001-unpaid"));
}

#[test]
fn faults_of_the_file_are_refused_as_what_they_are() {
    let day = day();
    let refused = |fault: Fault| read(&written(&day, &[fault])).expect_err("broken");
    match refused(Fault::WrongStatus { row: 1 }) {
        BillError::Broken { flaw: Flaw::Contradiction, place, field, .. } => {
            assert_eq!((place.line, place.column, field.as_ref()), (3, 10, "交易状态"));
        }
        other => panic!("{other}"),
    }
    let totals = [
        (Total::Rows, "总交易单数", 1),
        (Total::Due, "应结订单总金额", 1),
        (Total::Refunded, "退款总金额", 1),
        (Total::Fee, "手续费总金额", 1_000),
    ];
    for (total, name, step) in totals {
        match refused(Fault::WrongTotal { total, by: 3 }) {
            BillError::Totals(found) => {
                assert_eq!((found.what.as_ref(), found.difference()), (name, -3 * step));
            }
            other => panic!("{other}"),
        }
    }
    for bytes in [30, 60, 300, 900] {
        let error = refused(Fault::Truncated { bytes });
        assert!(!matches!(error, BillError::Io(_)), "{error}");
    }
}

#[test]
fn faults_are_plain_records() {
    let faults = vec![
        Fault::AmountOff { row: 0, by_minor: -1 },
        Fault::WrongTotal { total: Total::Fee, by: 2 },
        Fault::ExtraRow { extra: refund(8, 3) },
    ];
    let text = serde_json::to_string(&faults).expect("serialises");
    assert!(text.contains(r#"{"fault":"amount-off","row":0,"by_minor":-1}"#), "{text}");
    assert_eq!(serde_json::from_str::<Vec<Fault>>(&text).expect("reads back"), faults);
}

#[test]
fn rows_that_the_layout_cannot_hold_are_not_written() {
    let cases = [
        TradeRow { goods: "a`b".to_owned(), ..payment(1, 1) },
        TradeRow { our_order: "a\nb".to_owned(), ..payment(1, 1) },
        payment(1, -1),
        TradeRow { fee: Micros::new(1), ..payment(1, 1) },
    ];
    for row in cases {
        let error = write(&mut Vec::new(), &[row], &[]).expect_err("cannot be written");
        assert!(matches!(error, WriteError::Row { row: 0, .. }), "{error}");
    }
    let error = write(&mut Vec::new(), &day(), &[Fault::MissingRow { row: 4 }]).expect_err("no such row");
    assert!(matches!(error, WriteError::NoSuchRow { row: 4, rows: 4 }), "{error}");
}
