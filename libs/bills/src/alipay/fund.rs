//! The fund bill (账务明细): every movement of the merchant's balance, with the balance behind it.

use super::CURRENCY;
use super::detail::{Detail, Stated, read_header, read_rows};
use crate::amount::{Style, minor};
use crate::balance::Chain;
use crate::bill::{Proof, Sink};
use crate::error::{BillError, Flaw, Place, Unit, agree};
use crate::fields::Row;
use crate::header::Header;
use crate::lines::Lines;
use crate::source::Digested;
use crate::time::china;
use crate::{BillRow, Limits, RowKind};
use money::Micros;
use std::borrow::Cow;
use std::io::Read;

struct Columns {
    movement: usize,
    business: usize,
    our_order: usize,
    at: usize,
    received: usize,
    paid: usize,
    balance: usize,
    kind: usize,
}

/// Rows and their sum on one side; the sum of what was paid is kept from zero up.
#[derive(Default)]
struct Side {
    rows: i64,
    minor: i64,
    stated: bool,
}

struct Fund {
    header: Header,
    columns: Columns,
    account: String,
    chain: Chain,
    received: Side,
    paid: Side,
}

pub(crate) fn read<R: Read>(
    mut lines: Lines<R>,
    limits: &Limits,
    sink: &mut Sink<'_>,
) -> Result<Digested, BillError> {
    let mut account = String::new();
    let header = read_header(&mut lines, limits, sink, &mut account)?;
    let columns = Columns {
        movement: header.get(&["账务流水号"])?,
        business: header.get(&["业务流水号"])?,
        our_order: header.get(&["商户订单号"])?,
        at: header.get(&["发生时间"])?,
        received: header.get(&["收入金额(+元)"])?,
        paid: header.get(&["支出金额(-元)"])?,
        balance: header.get(&["账户余额(元)"])?,
        kind: header.get(&["业务类型"])?,
    };
    let mut fund = Fund {
        header: header.clone(),
        columns,
        account,
        chain: Chain::default(),
        received: Side::default(),
        paid: Side::default(),
    };
    read_rows(lines, &header, sink, &mut fund)
}

fn kind_of(word: &str) -> RowKind {
    match word {
        "在线支付" | "交易付款" | "交易" => RowKind::Payment,
        "交易退款" | "退款" => RowKind::Refund,
        "提现" => RowKind::Payout,
        "转账" => RowKind::Transfer,
        fee if fee.contains("收费") || fee.contains("手续费") || fee.contains("服务费") => {
            RowKind::Fee
        }
        other => RowKind::Other(Cow::Owned(other.to_owned())),
    }
}

impl Fund {
    /// An amount; an empty field is zero, as only one side of a row is filled.
    fn minor(&self, row: Row<'_>, index: usize) -> Result<i64, BillError> {
        let text = row.field(Some(index)).trim();
        if text.is_empty() && index != self.columns.balance {
            return Ok(0);
        }
        minor(text, CURRENCY, Style::PLAIN).map_err(|flaw| self.header.broken(row.line, index, flaw, text))
    }
}

impl Detail for Fund {
    fn row(&mut self, row: Row<'_>, sink: &mut Sink<'_>) -> Result<(), BillError> {
        let columns = &self.columns;
        let field = |index: usize| row.field(Some(index)).trim();
        let broken = |index: usize, flaw| self.header.broken(row.line, index, flaw, field(index));
        let received = self.minor(row, columns.received)?;
        // The column's name has the sign; whether its values do too differs between files seen in print.
        let paid = self.minor(row, columns.paid)?;
        let paid = paid.checked_abs().ok_or_else(|| broken(columns.paid, Flaw::TooLarge))?;
        if received < 0 || (received > 0 && paid > 0) {
            return Err(broken(columns.received, Flaw::Contradiction));
        }
        let amount_minor = received - paid; // One of the two is zero.
        let balance = self.minor(row, columns.balance)?;
        let place = Place::field(row.line, columns.balance);
        self.chain.link(place, "账户余额（元）", amount_minor, balance)?;
        let side = if paid > 0 { &mut self.paid } else { &mut self.received };
        side.rows += 1;
        let overflow = BillError::Overflow { place, what: "amounts".into() };
        side.minor = side.minor.checked_add(received.max(paid)).ok_or(overflow)?;
        let (business, our_order) = (field(columns.business), field(columns.our_order));
        let read = BillRow {
            line: row.line,
            kind: kind_of(field(columns.kind)),
            account: Cow::Borrowed(&self.account),
            channel_ref: Cow::Borrowed(field(columns.movement)),
            our_ref: (!our_order.is_empty()).then_some(Cow::Borrowed(our_order)),
            about_ref: (!business.is_empty()).then_some(Cow::Borrowed(business)),
            status: Cow::Borrowed(""),
            amount_minor,
            fee: Micros::ZERO,
            currency: CURRENCY,
            at: china(field(columns.at)).map_err(|flaw| broken(columns.at, flaw))?,
            balance_minor: Some(balance),
            raw: Cow::Borrowed(row.text),
        };
        sink.row(&read)
    }

    fn stated(&mut self, stated: &Stated) -> Result<(), BillError> {
        let side = match stated.label.as_str() {
            "收入" => &mut self.received,
            "支出" => &mut self.paid,
            other => return Err(BillError::broken(stated.place, "合计", Flaw::UnknownWord, other)),
        };
        if std::mem::replace(&mut side.stated, true) {
            return Err(BillError::broken(stated.place, "合计", Flaw::Twice, &stated.label));
        }
        agree(format!("{}合计", stated.label), stated.place, (stated.rows, side.rows), Unit::Rows)?;
        let [(_, sum)] = stated.sums.as_slice() else {
            return Err(BillError::broken(stated.place, "合计", Flaw::Malformed, &stated.label));
        };
        let sum = sum.checked_abs().unwrap_or(i64::MAX);
        agree(format!("{}合计", stated.label), stated.place, (sum, side.minor), Unit::Minor)
    }

    fn end(&self, place: Place, sink: &mut Sink<'_>) -> Result<(), BillError> {
        if !(self.received.stated && self.paid.stated) {
            return Err(BillError::Truncated { place, awaited: "支出合计 and 收入合计".into() });
        }
        for proof in [Proof::RowCount, Proof::Sums, Proof::RunningBalance] {
            sink.proved(proof);
        }
        Ok(())
    }
}
