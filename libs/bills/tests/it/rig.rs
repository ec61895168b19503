//! Reads samples and tells their rows in a line each.

use bills::{Bill, BillError, BillRow, ColumnProfile, Intake, When};
use std::io::{Cursor, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use zip::write::SimpleFileOptions;

/// A file of `tests/samples`.
pub fn sample(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A sample as the channel writes it: GBK.
pub fn gbk(name: &str) -> Vec<u8> {
    let text = String::from_utf8(sample(name)).expect("samples are UTF-8");
    encoding_rs::GBK.encode(&text).0.into_owned()
}

/// A sample with one text replaced by another; the text must be there.
pub fn altered(name: &str, from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(sample(name)).expect("samples are UTF-8");
    assert!(text.contains(from), "{name} does not hold {from:?}");
    text.replacen(from, to, 1).into_bytes()
}

pub fn read(bytes: &[u8]) -> Result<(Bill, Vec<BillRow<'static>>), BillError> {
    read_with(&Intake::default(), bytes)
}

pub fn read_with(intake: &Intake, bytes: &[u8]) -> Result<(Bill, Vec<BillRow<'static>>), BillError> {
    let mut rows = Vec::new();
    let bill = intake.read(Cursor::new(bytes), &mut |row| {
        rows.push(row.clone().into_owned());
        ControlFlow::Continue(())
    })?;
    Ok((bill, rows))
}

pub fn refused(bytes: &[u8]) -> BillError {
    refused_with(&Intake::default(), bytes)
}

pub fn refused_with(intake: &Intake, bytes: &[u8]) -> BillError {
    match read_with(intake, bytes) {
        Ok((bill, _)) => panic!("accepted: {bill:?}"),
        Err(error) => error,
    }
}

/// `line kind amount fee currency when channel_ref our_ref about_ref status balance`, a dash for what is not
/// there.
pub fn told(row: &BillRow<'_>) -> String {
    let when = match row.at {
        When::Day(day) => day.to_string(),
        When::Moment { local, offset_s } => format!("{}{:+}", local.format("%Y-%m-%dT%H:%M:%S"), offset_s),
    };
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let balance = row.balance_minor.map_or("-".to_owned(), |balance| balance.to_string());
    format!(
        "{} {} {} {} {} {when} {} {} {} {} {balance}",
        row.line,
        row.kind.name(),
        row.amount_minor,
        row.fee.get(),
        row.currency,
        or_dash(&row.channel_ref),
        or_dash(row.our_ref.as_deref().unwrap_or("")),
        or_dash(row.about_ref.as_deref().unwrap_or("")),
        or_dash(&row.status),
    )
}

pub fn all_told(rows: &[BillRow<'_>]) -> Vec<String> {
    rows.iter().map(told).collect()
}

/// An archive of these members, in this order.
pub fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default()).expect("a member begins");
        writer.write_all(bytes).expect("a member is written");
    }
    writer.finish().expect("an archive ends").into_inner()
}

pub fn by(profile: ColumnProfile) -> Intake {
    Intake { profile: Some(Arc::new(profile)), ..Intake::default() }
}
