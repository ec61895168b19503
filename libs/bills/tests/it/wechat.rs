//! WeChat Pay merchant bills: what the samples are, to the last millionth of a fen, and what is refused.

use crate::rig::{all_told, altered, read, refused, sample};
use bills::{BillError, Currency, Flaw, Format, Proof, RowKind, Unit};

#[test]
fn the_trade_bill_of_27_columns_is_what_it_says() {
    let (bill, rows) = read(&sample("wechat-trade-all.csv")).expect("a good bill");
    assert_eq!(bill.format, Format::WechatTrade);
    assert_eq!(bill.accounts, ["1230000109"]);
    assert_eq!(
        all_told(&rows),
        [
            "2 payment 600 4000000 CNY 2019-07-25T08:35:41+28800 4200000001 ORD-1 - SUCCESS -",
            "3 payment 1 6000 CNY 2019-07-25T09:12:03+28800 4200000002 ORD-2 - SUCCESS -",
            "4 refund -142 -852000 CNY 2019-07-25T21:40:59+28800 5030000001 REF-1 4200000001 REFUND -",
        ]
    );
    let totals = bill.totals[&Currency::CNY];
    assert_eq!((totals.rows, totals.in_minor, totals.out_minor, totals.net_minor()), (3, 601, -142, 459));
    assert_eq!(totals.fee.get(), 3_154_000);
    assert_eq!(bill.proofs.into_iter().collect::<Vec<_>>(), [Proof::RowCount, Proof::Sums]);
    let (from, to) = bill.covers.expect("it has rows");
    assert_eq!((from.to_string(), to.to_string()), ("2019-07-25".into(), "2019-07-25".into()));
}

#[test]
fn a_comma_and_quotation_marks_in_a_product_end_no_field() {
    let (_, rows) = read(&sample("wechat-trade-all.csv")).expect("a good bill");
    assert!(rows[0].raw.contains("`coins, 600,`"), "{}", rows[0].raw);
    assert!(rows[1].raw.contains("`\"coins\" 1,`"), "{}", rows[1].raw);
}

#[test]
fn older_layouts_and_full_width_colons_are_read_by_name() {
    let (bill, rows) = read(&sample("wechat-trade-24.csv")).expect("a good bill");
    assert_eq!(bill.totals[&Currency::CNY].in_minor, 2);
    assert_eq!(all_told(&rows)[0], "2 payment 1 0 CNY 2014-11-10T16:33:45+28800 1001 ORD-1 - SUCCESS -");
    let (bill, rows) = read(&sample("wechat-trade-success.csv")).expect("a good bill");
    assert_eq!((bill.rows, rows[0].kind.clone(), rows[0].fee.get()), (1, RowKind::Payment, 2_000_000));
}

#[test]
fn columns_in_another_order_give_the_same_rows() {
    let text = String::from_utf8(sample("wechat-trade-success.csv")).expect("UTF-8");
    let turned: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(index, line)| match index {
            // The totals keep their order: only the columns of rows turn.
            0 | 1 => line.split(',').rev().collect::<Vec<_>>().join(","),
            _ => line.to_owned(),
        })
        .collect();
    let (_, one) = read(text.as_bytes()).expect("a good bill");
    let (_, other) = read(turned.join("\n").as_bytes()).expect("the same bill");
    assert_eq!(all_told(&one), all_told(&other));
}

/// The mismatch of a bill that was altered: what, stated, counted, unit.
fn mismatch(name: &str, from: &str, to: &str) -> (String, i64, i64, Unit) {
    match refused(&altered(name, from, to)) {
        BillError::Totals(found) => (found.what.into_owned(), found.stated, found.counted, found.unit),
        other => panic!("{other}"),
    }
}

#[test]
fn every_total_that_its_rows_do_not_give_is_refused_by_how_much() {
    let cases = [
        ("`3,`6.01,`1.42", "`4,`6.01,`1.42", ("总交易单数", 4, 3, Unit::Rows)),
        ("`3,`6.01,`1.42", "`3,`6.02,`1.42", ("应结订单总金额", 602, 601, Unit::Minor)),
        ("`3,`6.01,`1.42", "`3,`6.01,`1.40", ("退款总金额", 140, 142, Unit::Minor)),
        ("`0.00,`0.03154,", "`0.01,`0.03154,", ("充值券退款总金额", 1, 0, Unit::Minor)),
        ("`0.03154,`6.01", "`0.03155,`6.01", ("手续费总金额", 3_155_000, 3_154_000, Unit::Micros)),
        ("`0.03154,`6.01", "`0.03154,`6.00", ("订单总金额", 600, 601, Unit::Minor)),
        ("`6.01,`1.42\n", "`6.01,`1.43\n", ("申请退款总金额", 143, 142, Unit::Minor)),
    ];
    for (from, to, (what, stated, counted, unit)) in cases {
        let found = mismatch("wechat-trade-all.csv", from, to);
        assert_eq!(found, (what.to_owned(), stated, counted, unit));
    }
    let error = refused(&altered("wechat-trade-all.csv", "`3,`6.01,`1.42", "`3,`6.02,`1.42"));
    assert_eq!(error.code(), "bill-totals-mismatch");
    let told = error.to_string();
    assert!(told.contains("line 6, column 2") && told.contains("off by -1 minor units"), "{told}");
}

#[test]
fn a_broken_field_is_refused_with_line_column_name_and_what_stood_there() {
    let cases = [
        (
            "`6.00,`0.00,`0,`0",
            "`6.0O,`0.00,`0,`0",
            "line 2, column 13: 应结订单金额 is not an amount: \"6.0O\"",
        ),
        ("`0.04000", "`0.040001234", "line 2, column 23: 手续费 has more decimals than its currency"),
        ("`SUCCESS,`CFT", "`USERPAYING,`CFT", "line 3, column 10: 交易状态 is none of the words"),
        ("`CFT,`CNY", "`CFT,`RMB", "line 3, column 12: 货币种类 is not a currency of ISO 4217"),
        ("`CFT,`CNY", "`CFT,`USD", "line 3, column 12: 货币种类 contradicts"),
        ("`2019-07-25 21:40:59", "`2019-07-32 21:40:59", "line 4, column 1: 交易时间 is not a time"),
        ("`2019-07-25 21:40:59", "`2019-07-25 21:40", "line 4, column 1: 交易时间 is not a time"),
        (
            "`PSBC_DEBIT,`CNY,`6.00",
            "`PSBC_DEBIT,`6.00",
            "line 2, column 27: the row has another number of fields",
        ),
        ("`2019-07-25 09", "2019-07-25 09", "line 3: the row does not begin with a backtick"),
        ("`6.00,`0.00,`0,`0", "`92233720368547758.08,`0.00,`0,`0", "does not fit 64 bits"),
        (
            "总交易单数,应结订单总金额",
            "总交易单数,奖金总金额",
            "line 6, column 2: 奖金总金额 is none of the words",
        ),
        ("商户订单号,", "商户单号,", "the column is missing: \"商户订单号\""),
        ("商品名称", "商户订单号", "line 1, column 21: the column stands there twice: \"商户订单号\""),
        ("`SUCCESS,`PSBC_DEBIT", "`REFUND,`PSBC_DEBIT", "line 2, column 10: 交易状态 contradicts"),
    ];
    for (from, to, expected) in cases {
        let error = refused(&altered("wechat-trade-all.csv", from, to)).to_string();
        assert!(error.contains(expected), "{from} -> {to}: {error}");
    }
}

#[test]
fn a_bill_cut_off_before_its_totals_is_truncated_wherever_it_is_cut() {
    let whole = sample("wechat-trade-all.csv");
    let header_end = whole.iter().position(|byte| *byte == b'\n').expect("it has lines");
    for len in header_end..whole.len() - 2 {
        assert!(read(&whole[..len]).is_err(), "accepted after {len} of {} bytes", whole.len());
    }
    let without_totals = String::from_utf8(whole).expect("UTF-8");
    let rows: Vec<&str> = without_totals.lines().take(4).collect();
    let error = refused(rows.join("\n").as_bytes());
    assert_eq!((error.code(), error.place().expect("it has one").line), ("bill-truncated", 5));
}

#[test]
fn what_follows_the_totals_is_refused() {
    let mut bytes = sample("wechat-trade-all.csv");
    bytes.extend_from_slice(b"\n\n");
    assert!(read(&bytes).is_ok(), "empty lines are nothing");
    bytes.extend_from_slice(b"`2019\n");
    let error = refused(&bytes);
    assert!(matches!(error, BillError::Broken { flaw: Flaw::Misplaced, .. }), "{error}");
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_change_nothing() {
    let plain = sample("wechat-trade-all.csv");
    let mut marked = b"\xef\xbb\xbf".to_vec();
    marked.extend(String::from_utf8(plain.clone()).expect("UTF-8").replace('\n', "\r\n").into_bytes());
    let (one, rows) = read(&plain).expect("a good bill");
    let (other, same) = read(&marked).expect("the same bill");
    assert_eq!(all_told(&rows), all_told(&same));
    assert_eq!(one.totals, other.totals);
    assert_ne!(one.sha256, other.sha256, "the bytes differ, so their digests do");
}

#[test]
fn the_fund_bill_is_what_it_says_and_its_balance_is_followed() {
    let (bill, rows) = read(&sample("wechat-fund.csv")).expect("a good bill");
    assert_eq!(bill.format, Format::WechatFund);
    assert_eq!(
        all_told(&rows),
        [
            "2 payment 600 0 CNY 2021-02-01T13:00:00+28800 9000000001 ORD-1 4200000001 收入 10600",
            "3 fee -4 0 CNY 2021-02-01T13:00:00+28800 9000000002 ORD-1 4200000001 支出 10596",
            "4 refund -142 0 CNY 2021-02-01T13:54:01+28800 9000000003 REF-1 5030000001 支出 10454",
            "5 payout -10000 0 CNY 2021-02-01T23:30:00+28800 9000000004 W-1 8000000001 支出 454",
        ]
    );
    assert!(bill.proofs.contains(&Proof::RunningBalance));
    let note = "含手续费0.00元";
    for (said, told) in [
        // A refund is told before the fee that came back with it.
        ("退款总金额1.43元;含手续费0.01元", "-143 -1000000"),
        // Other sums than the row's own are no fee's.
        ("退款总金额1.42元;含手续费0.01元", "-142 0"),
        ("wrong size", "-142 0"),
    ] {
        let text = String::from_utf8(sample("wechat-fund.csv")).expect("UTF-8");
        let text = text.replace(&format!("退款总金额1.42元;{note}"), said);
        let (_, rows) = read(text.as_bytes()).expect("a good bill");
        let row = &all_told(&rows)[2];
        assert!(row.starts_with(&format!("4 refund {told} CNY")), "{said}: {row}");
    }
    assert_eq!(
        mismatch("wechat-fund.csv", "`104.54", "`104.55"),
        ("账户结余(元)".to_owned(), 10_455, 10_454, Unit::Minor)
    );
    assert_eq!(
        mismatch("wechat-fund.csv", "`3,`101.46", "`3,`101.45"),
        ("支出金额".to_owned(), 10_145, 10_146, Unit::Minor)
    );
    assert_eq!(
        mismatch("wechat-fund.csv", "`1,`6.00,`3,", "`2,`6.00,`3,"),
        ("收入笔数".to_owned(), 2, 1, Unit::Rows)
    );
}
