//! The trade bill (业务明细): payments and refunds; refunds are negative, ids end with a tab.

use super::CURRENCY;
use super::detail::{Detail, Stated, read_header, read_rows};
use crate::amount::{Style, micros, minor};
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

/// What the rows of one kind sum to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub payments: Side,
    pub refunds: Side,
    pub ordered_minor: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Side {
    pub rows: i64,
    pub received_minor: i64,
    pub discount_minor: i64,
}

struct Columns {
    channel_order: usize,
    our_order: usize,
    kind: usize,
    created: usize,
    finished: usize,
    ordered: usize,
    received: usize,
    discount: usize,
    request: usize,
    fee: usize,
}

struct Trade {
    header: Header,
    columns: Columns,
    account: String,
    sums: Sums,
    payments_stated: bool,
    refunds_stated: bool,
}

pub(crate) fn read<R: Read>(
    mut lines: Lines<R>,
    limits: &Limits,
    sink: &mut Sink<'_>,
) -> Result<(Digested, Sums), BillError> {
    let mut account = String::new();
    let header = read_header(&mut lines, limits, sink, &mut account)?;
    let columns = Columns {
        channel_order: header.get(&["支付宝交易号"])?,
        our_order: header.get(&["商户订单号"])?,
        kind: header.get(&["业务类型"])?,
        created: header.get(&["创建时间"])?,
        finished: header.get(&["完成时间"])?,
        ordered: header.get(&["订单金额(元)"])?,
        received: header.get(&["商家实收(元)"])?,
        discount: header.get(&["商家优惠(元)"])?,
        request: header.get(&["退款批次号/请求号"])?,
        fee: header.get(&["服务费(元)"])?,
    };
    let mut trade = Trade {
        header: header.clone(),
        columns,
        account,
        sums: Sums::default(),
        payments_stated: false,
        refunds_stated: false,
    };
    let read = read_rows(lines, &header, sink, &mut trade)?;
    Ok((read, trade.sums))
}

impl Trade {
    fn minor(&self, row: Row<'_>, index: usize) -> Result<i64, BillError> {
        let text = row.field(Some(index)).trim();
        minor(text, CURRENCY, Style::PLAIN).map_err(|flaw| self.header.broken(row.line, index, flaw, text))
    }
}

impl Detail for Trade {
    fn row(&mut self, row: Row<'_>, sink: &mut Sink<'_>) -> Result<(), BillError> {
        let columns = &self.columns;
        let field = |index: usize| row.field(Some(index)).trim();
        let broken = |index: usize, flaw| self.header.broken(row.line, index, flaw, field(index));
        let amount_minor = self.minor(row, columns.received)?;
        let (ordered, discount) = (self.minor(row, columns.ordered)?, self.minor(row, columns.discount)?);
        let fee = match field(columns.fee) {
            "" => Micros::ZERO,
            text => micros(text, CURRENCY, Style::PLAIN).map_err(|flaw| broken(columns.fee, flaw))?,
        };
        let (kind, side) = match field(columns.kind) {
            "交易" if amount_minor >= 0 => (RowKind::Payment, &mut self.sums.payments),
            "退款" if amount_minor <= 0 => (RowKind::Refund, &mut self.sums.refunds),
            "交易" | "退款" => return Err(broken(columns.received, Flaw::Contradiction)),
            _ => return Err(broken(columns.kind, Flaw::UnknownWord)),
        };
        let overflow = || BillError::Overflow { place: Place::line(row.line), what: "a column".into() };
        side.rows += 1;
        side.received_minor = side.received_minor.checked_add(amount_minor).ok_or_else(overflow)?;
        side.discount_minor = side.discount_minor.checked_add(discount).ok_or_else(overflow)?;
        self.sums.ordered_minor = self.sums.ordered_minor.checked_add(ordered).ok_or_else(overflow)?;
        // An order that is open still has no end.
        let at_column = if field(columns.finished).is_empty() { columns.created } else { columns.finished };
        let is_refund = kind == RowKind::Refund;
        let our_ref = field(if is_refund { columns.request } else { columns.our_order });
        let channel_order = field(columns.channel_order);
        let read = BillRow {
            line: row.line,
            account: Cow::Borrowed(&self.account),
            channel_ref: Cow::Borrowed(channel_order),
            our_ref: (!our_ref.is_empty()).then_some(Cow::Borrowed(our_ref)),
            // Alipay gives a refund no id of its own.
            about_ref: is_refund.then_some(Cow::Borrowed(channel_order)),
            status: Cow::Borrowed(field(columns.kind)),
            kind,
            amount_minor,
            fee,
            currency: CURRENCY,
            at: china(field(at_column)).map_err(|flaw| broken(at_column, flaw))?,
            balance_minor: None,
            raw: Cow::Borrowed(row.text),
        };
        sink.row(&read)
    }

    fn stated(&mut self, stated: &Stated) -> Result<(), BillError> {
        let (side, seen) = match stated.label.as_str() {
            "交易" => (self.sums.payments, &mut self.payments_stated),
            "退款" => (self.sums.refunds, &mut self.refunds_stated),
            other => return Err(BillError::broken(stated.place, "合计", Flaw::UnknownWord, other)),
        };
        if std::mem::replace(seen, true) {
            return Err(BillError::broken(stated.place, "合计", Flaw::Twice, &stated.label));
        }
        agree(format!("{}合计", stated.label), stated.place, (stated.rows, side.rows), Unit::Rows)?;
        if !stated.sums.iter().any(|(name, _)| name.starts_with("商家实收")) {
            return Err(BillError::broken(stated.place, "商家实收", Flaw::Missing, &stated.label));
        }
        for (name, sum) in &stated.sums {
            let counted = match name.as_str() {
                "商家实收" | "商家实收退款" => side.received_minor,
                "商家优惠" | "商家优惠退款" => side.discount_minor,
                other => return Err(BillError::broken(stated.place, "合计", Flaw::UnknownWord, other)),
            };
            agree(name.clone(), stated.place, (*sum, counted), Unit::Minor)?;
        }
        Ok(())
    }

    fn end(&self, place: Place, sink: &mut Sink<'_>) -> Result<(), BillError> {
        if !(self.payments_stated && self.refunds_stated) {
            return Err(BillError::Truncated { place, awaited: "交易合计 and 退款合计".into() });
        }
        sink.proved(Proof::RowCount);
        sink.proved(Proof::Sums);
        Ok(())
    }
}
