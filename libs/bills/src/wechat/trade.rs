//! The trade bill (交易账单): ALL with 27 columns, SUCCESS, REFUND, and the older layout with 24.

use crate::amount::{Style, micros, minor, whole};
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

/// Where the columns stand. Those that only some layouts have are optional.
struct Columns {
    at: usize,
    merchant: usize,
    channel_order: usize,
    our_order: usize,
    state: usize,
    currency: usize,
    due: usize,
    fee: usize,
    channel_refund: Option<usize>,
    our_refund: Option<usize>,
    refund: Option<usize>,
    coupon_refund: Option<usize>,
    ordered: Option<usize>,
    requested: Option<usize>,
}

const COUPON_REFUND: [&str; 3] = ["充值券退款金额", "代金券或立减优惠退款金额", "企业红包退款金额"];

impl Columns {
    fn of(header: &Header) -> Result<Columns, BillError> {
        Ok(Columns {
            at: header.get(&["交易时间"])?,
            merchant: header.get(&["商户号"])?,
            channel_order: header.get(&["微信订单号"])?,
            our_order: header.get(&["商户订单号"])?,
            state: header.get(&["交易状态"])?,
            currency: header.get(&["货币种类"])?,
            due: header.get(&["应结订单金额", "总金额"])?,
            fee: header.get(&["手续费"])?,
            channel_refund: header.find(&["微信退款单号"])?,
            our_refund: header.find(&["商户退款单号"])?,
            refund: header.find(&["退款金额"])?,
            coupon_refund: header.find(&COUPON_REFUND)?,
            ordered: header.find(&["订单金额"])?,
            requested: header.find(&["申请退款金额"])?,
        })
    }
}

/// The sums that the totals row states, in minor units; the fee in millionths.
#[derive(Default)]
struct Sums {
    due: i64,
    refund: i64,
    coupon_refund: i64,
    ordered: i64,
    requested: i64,
    fee: Micros,
}

struct Trade<'s, 'v> {
    header: Header,
    columns: Columns,
    currency: Option<Currency>,
    sums: Sums,
    sink: &'s mut Sink<'v>,
}

pub(crate) fn read<R: Read>(
    mut lines: Lines<R>,
    limits: &Limits,
    sink: &mut Sink<'_>,
) -> Result<Digested, BillError> {
    let header = super::read_header(&mut lines, limits)?;
    let columns = Columns::of(&header)?;
    let mut trade = Trade { header: header.clone(), columns, currency: None, sums: Sums::default(), sink };
    super::read_table(lines, &header, limits, &mut trade)
}

impl Trade<'_, '_> {
    fn broken(&self, row: Row<'_>, index: usize, flaw: Flaw) -> BillError {
        self.header.broken(row.line, index, flaw, row.field(Some(index)))
    }

    /// An amount of a column that may be missing: then it is zero, as in a layout without refunds.
    fn minor(&self, row: Row<'_>, index: Option<usize>, currency: Currency) -> Result<i64, BillError> {
        let Some(index) = index else { return Ok(0) };
        minor(row.field(Some(index)), currency, Style::PLAIN).map_err(|flaw| self.broken(row, index, flaw))
    }

    /// One bill has one currency: its totals name none.
    fn currency(&mut self, row: Row<'_>) -> Result<Currency, BillError> {
        let index = self.columns.currency;
        let text = row.field(Some(index));
        if let Some(currency) = self.currency
            && currency.code() == text
        {
            return Ok(currency);
        }
        let found = Currency::find(text).ok_or_else(|| self.broken(row, index, Flaw::NotACurrency))?;
        match self.currency.replace(found) {
            Some(before) if before != found => Err(self.broken(row, index, Flaw::Contradiction)),
            _ => Ok(found),
        }
    }

    fn kind(&self, row: Row<'_>, amount_minor: i64) -> Result<RowKind, BillError> {
        let index = self.columns.state;
        let kind = match row.field(Some(index)) {
            "SUCCESS" => RowKind::Payment,
            // REVOKED is a payment taken back before it was settled.
            "REFUND" | "REVOKED" => RowKind::Refund,
            _ => return Err(self.broken(row, index, Flaw::UnknownWord)),
        };
        let contradicts = match kind {
            RowKind::Payment => amount_minor < 0,
            _ => amount_minor > 0,
        };
        if contradicts { Err(self.broken(row, index, Flaw::Contradiction)) } else { Ok(kind) }
    }

    fn add(&mut self, row: Row<'_>, of: &Sums) -> Result<(), BillError> {
        let sums = &mut self.sums;
        let pairs = [
            (&mut sums.due, of.due),
            (&mut sums.refund, of.refund),
            (&mut sums.coupon_refund, of.coupon_refund),
            (&mut sums.ordered, of.ordered),
            (&mut sums.requested, of.requested),
        ];
        let overflow = || BillError::Overflow { place: Place::line(row.line), what: "a column".into() };
        for (sum, amount) in pairs {
            *sum = sum.checked_add(amount).ok_or_else(overflow)?;
        }
        sums.fee = sums.fee.checked_add(of.fee).map_err(|_| overflow())?;
        Ok(())
    }
}

impl super::Table for Trade<'_, '_> {
    const TOTALS_BEGIN: &'static str = "总交易单数";

    fn row(&mut self, row: Row<'_>) -> Result<(), BillError> {
        let currency = self.currency(row)?;
        let columns = &self.columns;
        let fee = micros(row.field(Some(columns.fee)), currency, Style::PLAIN)
            .map_err(|flaw| self.broken(row, columns.fee, flaw))?;
        let of = Sums {
            due: self.minor(row, Some(columns.due), currency)?,
            refund: self.minor(row, columns.refund, currency)?,
            coupon_refund: self.minor(row, columns.coupon_refund, currency)?,
            ordered: self.minor(row, columns.ordered, currency)?,
            requested: self.minor(row, columns.requested, currency)?,
            fee,
        };
        let amount_minor =
            of.due.checked_sub(of.refund).ok_or_else(|| self.broken(row, columns.due, Flaw::TooLarge))?;
        let kind = self.kind(row, amount_minor)?;
        let (channel_order, our_order) =
            (row.field(Some(columns.channel_order)), row.field(Some(columns.our_order)));
        let about_refund = kind == RowKind::Refund && columns.channel_refund.is_some();
        let (channel_ref, our_ref) = match about_refund {
            true => (row.field(columns.channel_refund), row.field(columns.our_refund)),
            false => (channel_order, our_order),
        };
        let at = china(row.field(Some(columns.at))).map_err(|flaw| self.broken(row, columns.at, flaw))?;
        let read = BillRow {
            line: row.line,
            account: Cow::Borrowed(row.field(Some(columns.merchant))),
            channel_ref: Cow::Borrowed(channel_ref),
            our_ref: (!our_ref.is_empty()).then_some(Cow::Borrowed(our_ref)),
            about_ref: (kind == RowKind::Refund).then_some(Cow::Borrowed(channel_order)),
            status: Cow::Borrowed(row.field(Some(columns.state))),
            kind,
            amount_minor,
            fee,
            currency,
            at,
            balance_minor: None,
            raw: Cow::Borrowed(row.text),
        };
        self.add(row, &of)?;
        self.sink.row(&read)
    }

    fn totals(&mut self, header: &Header, row: Row<'_>) -> Result<(), BillError> {
        let currency = self.currency.unwrap_or(Currency::CNY);
        for (index, name) in header.names() {
            let text = row.field(Some(index));
            let place = Place::field(row.line, index);
            let broken = |flaw| header.broken(row.line, index, flaw, text);
            let sums = &self.sums;
            let counted = match name {
                "总交易单数" => {
                    let stated = whole(text).map_err(broken)?;
                    agree(name.to_owned(), place, (stated, as_i64(self.sink.rows)), Unit::Rows)?;
                    continue;
                }
                "手续费总金额" => {
                    let stated = micros(text, currency, Style::PLAIN).map_err(broken)?;
                    agree(name.to_owned(), place, (stated.get(), sums.fee.get()), Unit::Micros)?;
                    continue;
                }
                "应结订单总金额" | "总交易额" => sums.due,
                "退款总金额" | "总退款金额" => sums.refund,
                "充值券退款总金额" | "总代金券或立减优惠退款金额" | "总企业红包退款金额" => {
                    sums.coupon_refund
                }
                "订单总金额" => sums.ordered,
                "申请退款总金额" => sums.requested,
                // A total that cannot be verified must not pass for one that was.
                _ => return Err(broken(Flaw::UnknownWord)),
            };
            let stated = minor(text, currency, Style::PLAIN).map_err(broken)?;
            agree(name.to_owned(), place, (stated, counted), Unit::Minor)?;
        }
        header.get(&["总交易单数"])?;
        header.get(&["应结订单总金额", "总交易额"])?;
        header.get(&["退款总金额", "总退款金额"])?;
        header.get(&["手续费总金额"])?;
        self.sink.proved(Proof::RowCount);
        self.sink.proved(Proof::Sums);
        Ok(())
    }
}
