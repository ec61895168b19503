//! Files that people have at hand and the project may not ship: read from the folder that
//! `LARGESSE_TEST_STATEMENTS` names, each with what it must give; then truncated and flipped.

use crate::rig::read;
use bills::{BillError, Totals};
use std::path::{Path, PathBuf};

/// Names, and what reading them gives: rows and net in minor units, or a code and by how much totals are off.
enum Gives {
    Rows(u64, i64),
    Code(&'static str),
    OffBy(&'static str, i128),
}

fn expected(name: &str) -> Option<Gives> {
    use Gives::{Code, OffBy, Rows};
    Some(match name {
        // Published samples whose totals are of other days than their rows.
        "pay_bill_result_all_content.csv" => OffBy("总交易单数", -47),
        "pay_bill_result_success_content.csv" => OffBy("总交易单数", -30),
        "pay_bill_result_all_content_1.csv" => Rows(2, 2),
        "balance_transaction_data.csv" => Rows(9, 21_111_559),
        "payout_data.csv" => Rows(15, -21_471_524),
        "charge_data.csv"
        | "dispute_data.csv"
        | "fee_data.csv"
        | "payout_balance_transaction_data.csv"
        | "refund_data.csv"
        | "transfer_data.csv" => Code("bill-other-stripe-table"),
        "example-wechat-records.csv" | "example-wechat-records.xlsx" => Code("bill-wechat-personal"),
        "example-alipay-records.csv" => Code("bill-alipay-personal"),
        "FI_camt_053_sample.xml.xml" => Rows(10, 1_364_483),
        "camt.053_P_CH2909000000250094239_1110092698_0_2020112503071366.xml" => {
            OffBy("the closing balance", 153_700)
        }
        "camt053.v2.all-balance-types.xml" => OffBy("the closing balance", 582),
        "camt053.v2.with-account-name.xml" | "camt053.v2.wrong.xml" => Code("bill-truncated"),
        "valid_camt_v09.json" => Code("bill-unknown-format"),
        "valid_camt_v09.xml" => Code("bill-other-iso20022"),
        name if name.starts_with("camt053.") => Code("bill-broken"), // Balances in four currencies.
        name if name.contains("052") || name.contains("054") => Code("bill-other-iso20022"),
        _ => return None,
    })
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the folder is readable").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn net(totals: impl Iterator<Item = Totals>) -> i64 {
    totals.map(|totals| totals.net_minor()).sum()
}

fn check(path: &Path, bytes: &[u8]) {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let answer = read(bytes);
    match (expected(&name), &answer) {
        (Some(Gives::Rows(rows, minor)), Ok((bill, _))) => {
            assert_eq!((bill.rows, net(bill.totals.values().copied())), (rows, minor), "{name}");
        }
        (Some(Gives::Code(code)), Err(error)) => assert_eq!(error.code(), code, "{name}: {error}"),
        (Some(Gives::OffBy(what, by)), Err(BillError::Totals(found))) => {
            assert_eq!((found.what.as_ref(), found.difference()), (what, by), "{name}");
        }
        (None, _) => println!("{name}: not pinned; gives {answer:?}"),
        (Some(_), other) => panic!("{name}: {other:?}"),
    }
}

/// Truncations and flips, spread over the file: an answer each, and never other sums where sums are stated.
fn damage(path: &Path, bytes: &[u8]) {
    let whole = read(bytes).ok().map(|(bill, _)| bill);
    let sums_stated = whole.as_ref().is_some_and(|bill| {
        bill.proofs.contains(&bills::Proof::Sums) || bill.proofs.contains(&bills::Proof::OpeningToClosing)
    });
    let step = (bytes.len() / 1_000).max(1);
    for at in (0..bytes.len()).step_by(step) {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 0x01;
        for damaged in [&bytes[..at], &flipped] {
            let Ok((bill, _)) = read(damaged) else { continue };
            let Some(whole) = whole.as_ref().filter(|_| sums_stated) else { continue };
            let nets = [&bill, whole].map(|bill| net(bill.totals.values().copied()));
            assert_eq!(nets[0], nets[1], "{} at byte {at}", path.display());
        }
    }
}

#[test]
#[ignore = "needs a folder of statements, which LARGESSE_TEST_STATEMENTS names"]
fn every_file_at_hand_gives_what_it_must() {
    let folder =
        std::env::var_os("LARGESSE_TEST_STATEMENTS").expect("LARGESSE_TEST_STATEMENTS names a folder");
    let files = files(Path::new(&folder));
    assert!(!files.is_empty(), "{} holds no files", Path::new(&folder).display());
    for path in files {
        let bytes = std::fs::read(&path).expect("the file is readable");
        check(&path, &bytes);
        damage(&path, &bytes);
    }
}
