//! Two unsorted CSV files that agree, but for 1,000 differences of ten kinds, and the truth about these.

use crate::{Failure, Found, Ground};
use std::fs::File;
use std::io::{BufWriter, Write};

/// Differences that are planted.
pub const PLANTED: u64 = 1_000;
/// A prime far from every power of two: steps of it visit each row once, in no order.
const LEFT_STEP: u64 = 7_368_787;
const RIGHT_STEP: u64 = 9_999_991;

pub const KINDS: [&str; 10] = [
    "only-left",
    "only-right",
    "account-differs",
    "amount-differs",
    "currency-differs",
    "status-differs",
    "day-differs",
    "several-differ",
    "duplicate-left",
    "duplicate-right",
];

struct Row {
    key: String,
    account: u64,
    amount_minor: i64,
    currency: &'static str,
    status: &'static str,
    day: u64,
}

fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn row(number: u64) -> Row {
    let (high, low) = (mixed(number), mixed(number ^ (1 << 40)));
    Row {
        key: format!(
            "{:08x}-{:04x}-7{:03x}-8{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        ),
        account: mixed(number ^ (1 << 41)) % 1_000_000,
        amount_minor: i64::try_from(mixed(number ^ (1 << 42)) % 1_000_000).unwrap_or(0) + 1,
        currency: "CNY",
        status: if low.is_multiple_of(50) { "refunded" } else { "paid" },
        day: 1 + high % 28,
    }
}

/// The kind planted with a row, if one is.
fn planted(number: u64, rows: u64) -> Option<&'static str> {
    let apart = rows / PLANTED;
    let (index, rest) = (number / apart, number % apart);
    (rest == 0 && index < PLANTED).then(|| KINDS[usize::try_from(index % 10).unwrap_or(0)])
}

/// Writes `left.csv` and `right.csv`, and gives the truth.
///
/// # Errors
/// No room, or fewer rows than differences.
pub fn plant(ground: &Ground) -> Result<Found, Failure> {
    if ground.rows < PLANTED || [LEFT_STEP, RIGHT_STEP].iter().any(|step| ground.rows.is_multiple_of(*step)) {
        return Err("rows: at least 1,000, and no multiple of the steps".into());
    }
    write_side(ground, "left.csv", LEFT_STEP, ["only-right", "duplicate-left"], false)?;
    write_side(ground, "right.csv", RIGHT_STEP, ["only-left", "duplicate-right"], true)?;
    let truth = |number| planted(number, ground.rows).map(|kind| (kind.to_owned(), row(number).key));
    Ok((0..ground.rows).filter_map(truth).collect())
}

fn write_side(
    ground: &Ground,
    name: &str,
    step: u64,
    [absent, twice]: [&str; 2],
    changed: bool,
) -> Result<(), Failure> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(ground.file(name))?);
    writeln!(file, "key,account,amount_minor,currency,status,day")?;
    let mut number = 0;
    for _ in 0..ground.rows {
        number = (number + step) % ground.rows;
        let kind = planted(number, ground.rows);
        if kind != Some(absent) {
            write_row(&mut file, row(number), kind.filter(|_| changed))?;
        }
        // The second copy lies half a file away from the first.
        let far = (number + ground.rows / 2) % ground.rows;
        if planted(far, ground.rows) == Some(twice) {
            write_row(&mut file, row(far), None)?;
        }
    }
    file.flush()?;
    Ok(())
}

fn write_row(file: &mut impl Write, mut row: Row, kind: Option<&str>) -> Result<(), Failure> {
    match kind {
        Some("account-differs") => row.account += 1,
        Some("amount-differs") => row.amount_minor += 1,
        Some("currency-differs") => row.currency = "USD",
        Some("status-differs") => row.status = "failed",
        Some("day-differs") => row.day = row.day % 28 + 1,
        Some("several-differ") => {
            row.amount_minor = -row.amount_minor;
            row.status = "failed";
        }
        _ => {}
    }
    let Row { key, account, amount_minor, currency, status, day } = row;
    writeln!(file, "{key},s{account},{amount_minor},{currency},{status},2026-02-{day:02}")?;
    Ok(())
}
