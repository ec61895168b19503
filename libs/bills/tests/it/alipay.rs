//! Alipay merchant bills, GBK, alone and in archives of two members.

use crate::rig::{all_told, altered, archive, gbk, read, refused, sample};
use bills::{BillError, Currency, Format, Proof, Unit};

fn gbk_of(bytes: &[u8]) -> Vec<u8> {
    encoding_rs::GBK.encode(std::str::from_utf8(bytes).expect("UTF-8")).0.into_owned()
}

#[test]
fn the_trade_bill_is_what_it_says() {
    let (bill, rows) = read(&gbk("alipay-trade.csv")).expect("a good bill");
    assert_eq!(bill.format, Format::AlipayTrade);
    assert_eq!(bill.accounts, ["20880000000000000156"]);
    assert_eq!(
        all_told(&rows),
        [
            "6 payment 950 6000000 CNY 2019-09-16T16:58:58+28800 2019091622000001 ORD-1 - 交易 -",
            "7 payment 1 0 CNY 2019-09-16T18:43:34+28800 2019091622000002 ORD-2 - 交易 -",
            "8 refund -200 -1000000 CNY 2019-09-16T19:00:05+28800 2019091622000001 REF-1 2019091622000001 退款 -",
        ]
    );
    let (from, to) = bill.covers.expect("the preface states it");
    // The preface ends at midnight: the last day is the one before.
    assert_eq!((from.to_string(), to.to_string()), ("2019-09-16".into(), "2019-09-16".into()));
    assert_eq!(bill.proofs.into_iter().collect::<Vec<_>>(), [Proof::RowCount, Proof::Sums]);
}

#[test]
fn an_archive_gives_the_same_rows_whichever_member_comes_first() {
    let (detail, summary) = (gbk("alipay-trade.csv"), gbk("alipay-trade-summary.csv"));
    let (alone, rows) = read(&detail).expect("a good bill");
    let orders: [[(&str, &[u8]); 2]; 2] = [
        [("业务明细.csv", &detail), ("业务明细(汇总).csv", &summary)],
        [("b.csv", &summary), ("a.csv", &detail)],
    ];
    for members in orders {
        let (bill, same) = read(&archive(&members)).expect("a good archive");
        assert_eq!(all_told(&rows), all_told(&same));
        assert!(bill.proofs.contains(&Proof::Summary));
        assert_eq!(bill.sha256, alone.sha256, "packed again, it is the same bill");
    }
}

#[test]
fn a_summary_that_says_otherwise_blocks_the_archive() {
    let detail = gbk("alipay-trade.csv");
    let summary = gbk_of(&altered("alipay-trade-summary.csv", "8.01,7.51", "8.01,7.52"));
    let error = refused(&archive(&[("1", &detail), ("2", &summary)]));
    match error {
        BillError::Totals(found) => {
            assert_eq!((found.stated, found.counted, found.unit), (752, 751, Unit::Minor));
            assert!(found.what.contains("商家实收"), "{}", found.what);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn totals_that_its_rows_do_not_give_are_refused() {
    let cases = [
        ("#交易合计：2笔，商家实收共9.51元", "#交易合计：3笔，商家实收共9.51元", (3, 2)),
        ("商家实收共9.51元", "商家实收共9.50元", (950, 951)),
        ("商家优惠共0.50元", "商家优惠共0.40元", (40, 50)),
        ("商家实收退款共-2.00元", "商家实收退款共-2.01元", (-201, -200)),
        ("-2.00,-2.00", "-2.00,-2.50", (-200, -250)),
    ];
    for (from, to, (stated, counted)) in cases {
        match refused(&gbk_of(&altered("alipay-trade.csv", from, to))) {
            BillError::Totals(found) => assert_eq!((found.stated, found.counted), (stated, counted), "{to}"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_bill_without_its_tail_is_truncated() {
    for tail in [
        "#退款合计：1笔，商家实收退款共-2.00元，商家优惠退款共0.00元\n",
        "#交易合计：2笔，商家实收共9.51元，商家优惠共0.50元\n",
    ] {
        let error = refused(&gbk_of(&altered("alipay-trade.csv", tail, "")));
        assert_eq!(error.code(), "bill-truncated");
    }
}

#[test]
fn a_row_behind_the_end_or_a_positive_refund_is_refused() {
    let end = "#导出时间";
    let error = refused(&gbk_of(&altered("alipay-trade.csv", end, "1,2,3\n#导出时间")));
    assert!(error.to_string().contains("stands where it may not"), "{error}");
    let error = refused(&gbk_of(&altered("alipay-trade.csv", "-2.00,-2.00", "2.00,2.00")));
    assert!(error.to_string().contains("line 8, column 13: 商家实收(元) contradicts"), "{error}");
}

#[test]
fn the_fund_bill_is_followed_newest_first_and_oldest_first() {
    let (bill, rows) = read(&gbk("alipay-fund.csv")).expect("a good bill");
    assert_eq!(bill.format, Format::AlipayFund);
    assert_eq!(
        all_told(&rows),
        [
            "6 payment 227400 0 CNY 2012-12-29T21:02:06+28800 54632446537371 ORD-3 2012122923922029 - 1453233",
            "7 fee -236 0 CNY 2012-12-29T20:31:32+28800 54629090595411 ORD-2 2012122948927762 - 1225833",
            "8 payment 111100 0 CNY 2012-12-29T20:24:45+28800 54628332402591 ORD-1 2012122926087002 - 1226069",
        ]
    );
    assert!(bill.proofs.contains(&Proof::RunningBalance));
    assert_eq!(bill.totals[&Currency::CNY].out_minor, -236);
    let text = String::from_utf8(sample("alipay-fund.csv")).expect("UTF-8");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.swap(5, 7);
    let (_, turned) = read(&gbk_of(lines.join("\n").as_bytes())).expect("oldest first is as good");
    assert_eq!(turned[0].balance_minor, Some(1_226_069));
    match refused(&gbk_of(&altered("alipay-fund.csv", "12258.33", "12258.34"))) {
        BillError::Totals(found) => assert_eq!(found.what, "账户余额（元）"),
        other => panic!("{other}"),
    }
}
