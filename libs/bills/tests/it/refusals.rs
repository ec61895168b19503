//! Files that are known and not imported: by name, with what to export instead.

use crate::rig::{archive, by, gbk, read, refused, refused_with, sample};
use bills::{BillError, Expect, Format, Intake, Refusal};
use std::io::Cursor;

fn refusal(bytes: &[u8]) -> Refusal {
    match refused(bytes) {
        BillError::Refused(refusal) => refusal,
        other => panic!("{other}"),
    }
}

#[test]
fn personal_exports_are_refused_by_name_with_what_to_export_instead() {
    let wechat = refusal(&sample("personal-wechat.csv"));
    assert_eq!((&wechat, wechat.code()), (&Refusal::WechatPersonal, "bill-wechat-personal"));
    assert!(wechat.to_string().contains("merchant platform"), "{wechat}");
    let alipay = refusal(&gbk("personal-alipay.csv"));
    assert_eq!((&alipay, alipay.code()), (&Refusal::AlipayPersonal, "bill-alipay-personal"));
    // Also without their prefaces, by their columns.
    let text = String::from_utf8(sample("personal-wechat.csv")).expect("UTF-8");
    let table: Vec<&str> = text.lines().skip(3).collect();
    assert_eq!(refusal(table.join("\n").as_bytes()), Refusal::WechatPersonal);
    // And within an archive, and for a profile.
    assert_eq!(refusal(&archive(&[("a.csv", &gbk("personal-alipay.csv"))])), Refusal::AlipayPersonal);
    let intake = by(crate::profile::bank_profile());
    assert_eq!(refused_with(&intake, &sample("personal-wechat.csv")).code(), "bill-wechat-personal");
}

#[test]
fn messages_that_are_no_statements_are_refused_by_name() {
    for (file, name) in [
        ("camt052.xml", "camt.052.001.04"),
        ("camt054.xml", "camt.054.001.04"),
        ("camt055.xml", "camt.055.001.09"),
    ] {
        let refusal = refusal(&sample(file));
        assert_eq!(refusal, Refusal::Iso20022(name.to_owned()));
        assert!(refusal.to_string().contains("camt.053 instead"), "{refusal}");
    }
    let text = String::from_utf8(sample("camt053-04.xml")).expect("UTF-8");
    for version in ["01", "09", "12"] {
        let other = text.replace("camt.053.001.04", &format!("camt.053.001.{version}"));
        assert_eq!(refusal(other.as_bytes()).code(), "bill-other-iso20022");
    }
    for version in ["02", "03", "05", "06", "07", "08"] {
        let other = text.replace("camt.053.001.04", &format!("camt.053.001.{version}"));
        assert_eq!(read(other.as_bytes()).map(|(bill, _)| bill.rows).ok(), Some(5), "version {version}");
    }
}

#[test]
fn tables_of_stripe_that_move_no_balance_are_refused_by_name() {
    let cases = [
        ("id,amount,balance_transaction_id,payment_intent_id", "charges"),
        ("id,amount,balance_transaction,evidence_details_due_by", "disputes"),
        ("balance_transaction_id,index,amount,currency", "fees"),
        ("id,amount,balance_transaction_id,charge_id,receipt_number", "refunds"),
        ("id,amount,balance_transaction_id,destination_payment", "transfers"),
    ];
    for (header, name) in cases {
        assert_eq!(refusal(format!("{header}\n1,2,3,4\n").as_bytes()), Refusal::StripeTable(name));
    }
}

#[test]
fn unknown_files_are_refused_with_what_they_begin_with() {
    let cases: [&[u8]; 6] =
        [b"", b"hello", b"a,b\n1,2\n", b"<html></html>", b"\x00\xff\xfe\x01", b"%PDF-1.7"];
    for bytes in cases {
        let refusal = refusal(bytes);
        assert_eq!(refusal.code(), "bill-unknown-format", "{refusal}");
    }
    assert_eq!(refusal(b"hello"), Refusal::Unknown("hello".to_owned()));
    assert_eq!(refusal(&archive(&[("a.txt", b"hello")])), Refusal::EmptyArchive);
    assert_eq!(refusal(&gbk("alipay-trade-summary.csv")), Refusal::AlipaySummaryOnly);
}

#[test]
fn detection_reads_no_rows_and_no_names() {
    let cases = [
        (sample("wechat-trade-all.csv"), Format::WechatTrade),
        (sample("wechat-fund.csv"), Format::WechatFund),
        (gbk("alipay-trade.csv"), Format::AlipayTrade),
        (gbk("alipay-fund.csv"), Format::AlipayFund),
        (archive(&[("x", &gbk("alipay-trade.csv"))]), Format::AlipayTrade),
        (sample("stripe-balance-report.csv"), Format::StripeBalance),
        (sample("stripe-payouts-copy.csv"), Format::StripePayouts),
        (sample("camt053-08.xml"), Format::Camt053),
        (sample("mt940.txt"), Format::Mt940),
        (packed(&sample("wechat-trade-all.csv")), Format::WechatTrade),
    ];
    for (bytes, format) in cases {
        assert_eq!(Intake::default().detect(Cursor::new(bytes)).expect("known"), format);
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn a_packed_bill_is_the_same_bill_with_the_same_digest() {
    let plain = sample("wechat-trade-all.csv");
    let (one, rows) = read(&plain).expect("a good bill");
    let (other, same) = read(&packed(&plain)).expect("the same bill");
    assert_eq!((one, rows), (other, same));
}

#[test]
fn what_the_channel_stated_about_the_file_is_verified() {
    let bytes = sample("wechat-trade-all.csv");
    let (bill, _) = read(&bytes).expect("a good bill");
    let sha1: [u8; 20] = <sha1::Sha1 as sha1::Digest>::digest(&bytes).into();
    let expecting = |expect: Expect| Intake { expect, ..Intake::default() };
    let good = Expect { sha1: Some(sha1), sha256: Some(bill.sha256), rows: Some(3) };
    let (checked, _) =
        crate::rig::read_with(&expecting(good), &packed(&bytes)).expect("the hash is of what it unpacks to");
    assert!(checked.proofs.contains(&bills::Proof::Hash));
    let cases = [
        (Expect { sha1: Some([7; 20]), ..Expect::default() }, "bill-hash-mismatch"),
        (Expect { sha256: Some([7; 32]), ..Expect::default() }, "bill-hash-mismatch"),
        (Expect { rows: Some(4), ..Expect::default() }, "bill-totals-mismatch"),
    ];
    for (expect, code) in cases {
        assert_eq!(refused_with(&expecting(expect), &bytes).code(), code);
    }
}

#[test]
fn a_visitor_can_stop() {
    let error = Intake::default()
        .read(Cursor::new(sample("wechat-trade-all.csv")), &mut |_| std::ops::ControlFlow::Break(()))
        .expect_err("stopped");
    assert_eq!((error.code(), error.place().expect("it has one").line), ("bill-stopped", 2));
}
