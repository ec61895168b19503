//! A writer of the trade bill (ALL, 27 columns), for sandboxes and tests: what it writes reads back equal.
//! [`Fault`]s can be planted, as data.

use crate::amount::{Style, scaled};
use chrono::NaiveDateTime;
use money::Micros;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};

/// The columns, in WeChat Pay's order.
const HEADER: &str = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,\
                      付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,\
                      退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注";

/// The totals' columns.
const TOTALS: &str =
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额";

/// Millionths of a fen in the last of a fee's five decimals.
const FEE_STEP: i64 = 1_000;

/// Why a bill was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("the bill could not be written")]
    Io(#[from] io::Error),
    #[error("row {row} cannot be written: its {field} {why}")]
    Row { row: usize, field: &'static str, why: &'static str },
    #[error("a fault names row {row}, and the bill has {rows}")]
    NoSuchRow { row: usize, rows: usize },
}

/// One row of a trade bill, in yuan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TradeRow {
    /// China Standard Time.
    pub at: NaiveDateTime,
    pub merchant: String,
    /// The channel's id of the payment.
    pub channel_order: String,
    /// Our id of the payment.
    pub our_order: String,
    /// For a refund: the channel's and our id of it.
    pub refund: Option<RefundIds>,
    /// In fen, from zero: what is paid, or what is refunded.
    pub amount_minor: i64,
    /// Positive where we pay it; whole steps of 0.00001 yuan.
    pub fee: Micros,
    pub goods: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundIds {
    pub channel_refund: String,
    pub our_refund: String,
}

/// Something wrong that a bill is written with. Rows count from 0 in the list as it was given. All but the last
/// three leave the bill true to itself, so that it is read, and found to differ from the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// A row that happened is not in the bill.
    MissingRow { row: usize },
    /// A row that never happened is.
    ExtraRow { extra: TradeRow },
    /// A row's amount is off by so many fen.
    AmountOff { row: usize, by_minor: i64 },
    /// A row stands there twice.
    DuplicatedRow { row: usize },
    /// A refund of an order that was never paid: made from a row, its orders' ids ending in `-unpaid`.
    RefundWithoutPayment { row: usize },
    /// A payment is told as a refund, or the other way round, its amounts as they were: refused by the reader.
    WrongStatus { row: usize },
    /// A total is off by so many of its smallest units (rows, fen, 0.00001 yuan of fees).
    WrongTotal { total: Total, by: i64 },
    /// The last bytes are missing.
    Truncated { bytes: usize },
}

/// The totals that can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Total {
    Rows,
    Due,
    Refunded,
    Fee,
}

/// A row and the state that is written with it.
struct Line {
    row: TradeRow,
    state: &'static str,
}

impl Line {
    fn of(row: TradeRow) -> Line {
        let state = if row.refund.is_some() { "REFUND" } else { "SUCCESS" };
        Line { row, state }
    }
}

#[derive(Default)]
struct Sums {
    rows: i64,
    due: i64,
    refunded: i64,
    fee_steps: i64,
}

/// Writes a bill, with faults planted.
///
/// # Errors
/// [`WriteError`]: a row that the layout cannot hold, a fault about a row that is not there, or the writer.
pub fn write(out: &mut impl Write, rows: &[TradeRow], faults: &[Fault]) -> Result<(), WriteError> {
    let cut: usize =
        faults.iter().map(|fault| if let Fault::Truncated { bytes } = fault { *bytes } else { 0 }).sum();
    if cut == 0 {
        return write_whole(out, rows, faults);
    }
    let mut whole = Vec::new();
    write_whole(&mut whole, rows, faults)?;
    out.write_all(&whole[..whole.len().saturating_sub(cut)])?;
    Ok(())
}

fn write_whole(out: &mut impl Write, rows: &[TradeRow], faults: &[Fault]) -> Result<(), WriteError> {
    let lines = planted(rows, faults)?;
    writeln!(out, "{HEADER}")?;
    let mut sums = Sums::default();
    for (index, line) in lines.iter().enumerate() {
        check(index, &line.row)?;
        write_row(out, line)?;
        sums.add(index, &line.row)?;
    }
    for fault in faults {
        if let Fault::WrongTotal { total, by } = fault {
            let total = match total {
                Total::Rows => &mut sums.rows,
                Total::Due => &mut sums.due,
                Total::Refunded => &mut sums.refunded,
                Total::Fee => &mut sums.fee_steps,
            };
            *total = total.saturating_add(*by);
        }
    }
    writeln!(out, "{TOTALS}")?;
    let (due, refunded) = (decimal(sums.due, 2), decimal(sums.refunded, 2));
    let fee = decimal(sums.fee_steps, 5);
    writeln!(out, "`{},`{due},`{refunded},`0.00,`{fee},`{due},`{refunded}", sums.rows)?;
    Ok(())
}

impl Sums {
    fn add(&mut self, index: usize, row: &TradeRow) -> Result<(), WriteError> {
        let too_large = || WriteError::Row { row: index, field: "amount", why: "does not fit the totals" };
        let side = if row.refund.is_some() { &mut self.refunded } else { &mut self.due };
        *side = side.checked_add(row.amount_minor).ok_or_else(too_large)?;
        self.fee_steps = self.fee_steps.checked_add(row.fee.get() / FEE_STEP).ok_or_else(too_large)?;
        self.rows += 1;
        Ok(())
    }
}

/// The rows as they are to be written.
fn planted(rows: &[TradeRow], faults: &[Fault]) -> Result<Vec<Line>, WriteError> {
    let mut lines: Vec<Vec<Line>> = rows.iter().map(|row| vec![Line::of(row.clone())]).collect();
    let rows_len = rows.len();
    let mut extra = Vec::new();
    for fault in faults {
        let named = match fault {
            Fault::MissingRow { row }
            | Fault::AmountOff { row, .. }
            | Fault::DuplicatedRow { row }
            | Fault::RefundWithoutPayment { row }
            | Fault::WrongStatus { row } => Some(*row),
            Fault::ExtraRow { .. } | Fault::WrongTotal { .. } | Fault::Truncated { .. } => None,
        };
        let Some(row) = named else {
            if let Fault::ExtraRow { extra: row } = fault {
                extra.push(Line::of(row.clone()));
            }
            continue;
        };
        let place = lines.get_mut(row).ok_or(WriteError::NoSuchRow { row, rows: rows_len })?;
        match fault {
            Fault::MissingRow { .. } => place.clear(),
            Fault::DuplicatedRow { .. } => place.push(Line::of(rows[row].clone())),
            Fault::RefundWithoutPayment { .. } => extra.push(Line::of(unpaid_refund(&rows[row]))),
            Fault::AmountOff { by_minor, .. } => {
                for line in place {
                    line.row.amount_minor = line.row.amount_minor.saturating_add(*by_minor);
                }
            }
            Fault::WrongStatus { .. } => {
                for line in place {
                    line.state = if line.state == "REFUND" { "SUCCESS" } else { "REFUND" };
                }
            }
            Fault::ExtraRow { .. } | Fault::WrongTotal { .. } | Fault::Truncated { .. } => {}
        }
    }
    Ok(lines.into_iter().flatten().chain(extra).collect())
}

fn unpaid_refund(row: &TradeRow) -> TradeRow {
    let name = |id: &str| format!("{id}-unpaid");
    TradeRow {
        channel_order: name(&row.channel_order),
        our_order: name(&row.our_order),
        refund: Some(RefundIds {
            channel_refund: format!("R{}", name(&row.channel_order)),
            our_refund: format!("R{}", name(&row.our_order)),
        }),
        fee: Micros::ZERO,
        ..row.clone()
    }
}

/// Whether the layout can hold a row: it has no way to quote anything.
fn check(index: usize, row: &TradeRow) -> Result<(), WriteError> {
    let refuse = |field, why| Err(WriteError::Row { row: index, field, why });
    let refund = row.refund.as_ref();
    let texts = [
        ("merchant", row.merchant.as_str()),
        ("channel_order", &row.channel_order),
        ("our_order", &row.our_order),
        ("goods", &row.goods),
        ("channel_refund", refund.map_or("", |ids| &ids.channel_refund)),
        ("our_refund", refund.map_or("", |ids| &ids.our_refund)),
    ];
    for (field, text) in texts {
        if text.contains(['\n', '\r', '`']) {
            return refuse(field, "holds a backtick or the end of a line");
        }
    }
    if row.amount_minor < 0 {
        return refuse("amount", "is below zero");
    }
    if row.fee.get() % FEE_STEP != 0 {
        return refuse("fee", "has more than five decimals");
    }
    Ok(())
}

fn write_row(out: &mut impl Write, line: &Line) -> io::Result<()> {
    let Line { row, state } = line;
    let amount = decimal(row.amount_minor, 2);
    let (due, refunded) = match row.refund {
        Some(_) => ("0.00", amount.as_str()),
        None => (amount.as_str(), "0.00"),
    };
    let (channel_refund, our_refund, refund_type, refund_state) = match &row.refund {
        Some(ids) => (ids.channel_refund.as_str(), ids.our_refund.as_str(), "ORIGINAL", "SUCCESS"),
        None => ("0", "0", "", ""),
    };
    let at = row.at.format("%Y-%m-%d %H:%M:%S");
    let TradeRow { merchant, channel_order, our_order, goods, .. } = row;
    write!(out, "`{at},`wxsandbox,`{merchant},`0,`,`{channel_order},`{our_order},`payer,`JSAPI,`{state},")?;
    write!(out, "`OTHERS,`CNY,`{due},`0.00,`{channel_refund},`{our_refund},`{refunded},`0.00,")?;
    let fee = decimal(row.fee.get() / FEE_STEP, 5);
    writeln!(out, "`{refund_type},`{refund_state},`{goods},`,`{fee},`0.60%,`{due},`{refunded},`")
}

/// An integer of `places` decimals as text.
fn decimal(scaled_value: i64, places: usize) -> String {
    let sign = if scaled_value < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", scaled_value.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let text = format!("{sign}{whole}.{fraction}");
    debug_assert!(
        u8::try_from(places).is_ok_and(|places| scaled(&text, places, Style::PLAIN) == Ok(scaled_value))
    );
    text
}
