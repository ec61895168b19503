//! The second member of a trade bill's archive, 业务明细(汇总): the same sums per shop and in all.

use super::{CURRENCY, Sums};
use crate::Limits;
use crate::amount::{Style, minor, whole};
use crate::error::{BillError, Flaw, Place, Unit, agree};
use crate::fields::{Row, cut};
use crate::header::Header;
use crate::lines::Lines;
use std::io::Read;

/// Names of the columns that are compared, in the order of [`counted`].
const COMPARED: [(&str, Unit); 4] = [
    ("交易订单总笔数", Unit::Rows),
    ("退款订单总笔数", Unit::Rows),
    ("订单金额(元)", Unit::Minor),
    ("商家实收(元)", Unit::Minor),
];

fn counted(sums: &Sums) -> [Option<i64>; 4] {
    let received = sums.payments.received_minor.checked_add(sums.refunds.received_minor);
    [Some(sums.payments.rows), Some(sums.refunds.rows), Some(sums.ordered_minor), received]
}

/// Compares the summary with the details: its row 合计, or the sum of its rows where it has none.
pub(crate) fn verify<R: Read>(mut lines: Lines<R>, limits: &Limits, sums: &Sums) -> Result<(), BillError> {
    let mut header: Option<Header> = None;
    let mut added = [0_i64; COMPARED.len()];
    let mut whole_row: Option<[i64; COMPARED.len()]> = None;
    let mut ranges = Vec::new();
    let mut last = Place::line(1);
    while let Some((line, text)) = lines.next()? {
        if text.starts_with('#') || text.trim().is_empty() {
            continue;
        }
        let Some(header) = &header else {
            header = Some(Header::of(line, text.split(','), limits)?);
            continue;
        };
        cut(&text, &mut ranges);
        header.check_width(line, ranges.len(), &text)?;
        let row = Row { line, text: &text, ranges: &ranges };
        last = Place::line(line);
        let amounts = amounts(header, row)?;
        if row.field(Some(0)).trim() == "合计" {
            whole_row = Some(amounts);
            continue;
        }
        for (sum, amount) in added.iter_mut().zip(amounts) {
            let overflow = BillError::Overflow { place: last, what: "the summary".into() };
            *sum = sum.checked_add(amount).ok_or(overflow)?;
        }
    }
    let stated = whole_row.unwrap_or(added);
    for (((name, unit), stated), counted) in COMPARED.into_iter().zip(stated).zip(counted(sums)) {
        let overflow = BillError::Overflow { place: last, what: "the details".into() };
        agree(format!("the summary's {name}"), last, (stated, counted.ok_or(overflow)?), unit)?;
    }
    lines.finish().map(|_| ())
}

fn amounts(header: &Header, row: Row<'_>) -> Result<[i64; COMPARED.len()], BillError> {
    let mut amounts = [0; COMPARED.len()];
    for (amount, (name, unit)) in amounts.iter_mut().zip(COMPARED) {
        let index = header.get(&[name])?;
        let text = row.field(Some(index)).trim();
        let read = match unit {
            Unit::Rows => whole(text),
            Unit::Minor | Unit::Micros => minor(text, CURRENCY, Style::PLAIN),
        };
        *amount = read.map_err(|flaw: Flaw| header.broken(row.line, index, flaw, text))?;
    }
    Ok(amounts)
}
