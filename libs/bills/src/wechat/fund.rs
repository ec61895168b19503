//! The fund bill (资金账单): every movement of one of the merchant's balances, with the balance behind it.
//! *Layout only*: no real file was at hand.

use crate::amount::{Style, minor, whole};
use crate::balance::Chain;
use crate::bill::{Proof, Sink, as_i64};
use crate::error::{BillError, Flaw, Place, Unit, agree};
use crate::fields::Row;
use crate::header::Header;
use crate::lines::Lines;
use crate::source::Digested;
use crate::time::china;
use crate::{BillRow, Currency, Limits, RowKind};
use money::Micros;
use std::borrow::Cow;
use std::io::Read;

/// Fund bills are kept in yuan; no column says so.
const CURRENCY: Currency = Currency::CNY;

struct Columns {
    at: usize,
    business: usize,
    movement: usize,
    kind: usize,
    direction: usize,
    amount: usize,
    balance: usize,
    voucher: Option<usize>,
    note: Option<usize>,
}

/// Rows and their sum on one side.
#[derive(Default)]
struct Side {
    rows: i64,
    minor: i64,
}

struct Fund<'s, 'v> {
    header: Header,
    columns: Columns,
    chain: Chain,
    received: Side,
    paid: Side,
    sink: &'s mut Sink<'v>,
}

pub(crate) fn read<R: Read>(
    mut lines: Lines<R>,
    limits: &Limits,
    sink: &mut Sink<'_>,
) -> Result<Digested, BillError> {
    let header = super::read_header(&mut lines, limits)?;
    let columns = Columns {
        at: header.get(&["记账时间"])?,
        business: header.get(&["微信支付业务单号"])?,
        movement: header.get(&["资金流水单号"])?,
        kind: header.get(&["业务类型"])?,
        direction: header.get(&["收支类型"])?,
        amount: header.get(&["收支金额(元)"])?,
        balance: header.get(&["账户结余(元)"])?,
        voucher: header.find(&["业务凭证号"])?,
        note: header.find(&["备注"])?,
    };
    let mut fund = Fund {
        header: header.clone(),
        columns,
        chain: Chain::default(),
        received: Side::default(),
        paid: Side::default(),
        sink,
    };
    super::read_table(lines, &header, limits, &mut fund)
}

/// What the channel's word for the business means here.
fn kind_of(word: &str) -> RowKind {
    match word {
        "交易" => RowKind::Payment,
        "退款" => RowKind::Refund,
        "提现" => RowKind::Payout,
        fee if fee.contains("手续费") => RowKind::Fee,
        other => RowKind::Other(Cow::Owned(other.to_owned())),
    }
}

/// What of a refund's movement is a fee given back, in minor units, zero or more. A refund leaves the balance less the
/// payment's fee, and only the note says so: `退款总金额1.42元;含手续费0.01元`. A note that says anything else, or other
/// sums than the row's own, says nothing of a fee.
fn fee_given_back(note: &str, amount_minor: i64) -> i64 {
    let sums = || {
        let (total, rest) = note.strip_prefix("退款总金额")?.split_once('元')?;
        let fee = rest.trim_start_matches([';', '；']).strip_prefix("含手续费")?.strip_suffix('元')?;
        let read = |text: &str| minor(text.trim(), CURRENCY, Style::PLAIN).ok();
        Some((read(total)?, read(fee)?))
    };
    let is_whole = |(total, fee): &(i64, i64)| *fee >= 0 && total.checked_sub(*fee) == Some(amount_minor);
    sums().filter(is_whole).map_or(0, |(_, fee)| fee)
}

impl Fund<'_, '_> {
    fn broken(&self, row: Row<'_>, index: usize, flaw: Flaw) -> BillError {
        self.header.broken(row.line, index, flaw, row.field(Some(index)))
    }

    fn minor(&self, row: Row<'_>, index: usize) -> Result<i64, BillError> {
        minor(row.field(Some(index)), CURRENCY, Style::PLAIN).map_err(|flaw| self.broken(row, index, flaw))
    }
}

impl super::Table for Fund<'_, '_> {
    const TOTALS_BEGIN: &'static str = "资金流水总笔数";

    fn row(&mut self, row: Row<'_>) -> Result<(), BillError> {
        let columns = &self.columns;
        let amount = self.minor(row, columns.amount)?;
        if amount < 0 {
            return Err(self.broken(row, columns.amount, Flaw::Contradiction));
        }
        let amount_minor = match row.field(Some(columns.direction)) {
            "收入" => amount,
            "支出" => -amount, // Not negative, so it has an opposite.
            _ => return Err(self.broken(row, columns.direction, Flaw::UnknownWord)),
        };
        let balance = self.minor(row, columns.balance)?;
        let place = Place::field(row.line, columns.balance);
        self.chain.link(place, "账户结余(元)", amount_minor, balance)?;
        let at = china(row.field(Some(columns.at))).map_err(|flaw| self.broken(row, columns.at, flaw))?;
        let voucher = row.field(columns.voucher);
        let kind = kind_of(row.field(Some(columns.kind)));
        let given_back = match kind {
            RowKind::Refund if amount_minor < 0 => fee_given_back(row.field(columns.note), amount),
            _ => 0,
        };
        let overflow = || BillError::Overflow { place, what: "amounts".into() };
        let read = BillRow {
            line: row.line,
            kind,
            account: Cow::Borrowed(""),
            channel_ref: Cow::Borrowed(row.field(Some(columns.movement))),
            our_ref: (!voucher.is_empty()).then_some(Cow::Borrowed(voucher)),
            about_ref: Some(Cow::Borrowed(row.field(Some(columns.business)))),
            status: Cow::Borrowed(row.field(Some(columns.direction))),
            amount_minor: amount_minor.checked_sub(given_back).ok_or_else(overflow)?,
            fee: Micros::of_minor(-given_back).map_err(|_| overflow())?,
            currency: CURRENCY,
            at,
            balance_minor: Some(balance),
            raw: Cow::Borrowed(row.text),
        };
        let side = if amount_minor < 0 || row.field(Some(columns.direction)) == "支出" {
            &mut self.paid
        } else {
            &mut self.received
        };
        side.rows += 1;
        side.minor = side.minor.checked_add(amount).ok_or_else(overflow)?;
        self.sink.row(&read)
    }

    fn totals(&mut self, header: &Header, row: Row<'_>) -> Result<(), BillError> {
        for (index, name) in header.names() {
            let text = row.field(Some(index));
            let broken = |flaw| header.broken(row.line, index, flaw, text);
            let (stated, counted, unit) = match name {
                "资金流水总笔数" => (whole(text), as_i64(self.sink.rows), Unit::Rows),
                "收入笔数" => (whole(text), self.received.rows, Unit::Rows),
                "支出笔数" => (whole(text), self.paid.rows, Unit::Rows),
                "收入金额" => (minor(text, CURRENCY, Style::PLAIN), self.received.minor, Unit::Minor),
                "支出金额" => (minor(text, CURRENCY, Style::PLAIN), self.paid.minor, Unit::Minor),
                _ => return Err(broken(Flaw::UnknownWord)),
            };
            let stated = stated.map_err(broken)?;
            agree(name.to_owned(), Place::field(row.line, index), (stated, counted), unit)?;
        }
        for needed in ["资金流水总笔数", "收入金额", "支出金额"] {
            header.get(&[needed])?;
        }
        for proof in [Proof::RowCount, Proof::Sums, Proof::RunningBalance] {
            self.sink.proved(proof);
        }
        Ok(())
    }
}
