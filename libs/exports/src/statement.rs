//! Statements of streamers and agencies as tables: each line names its contract version and opens its orders.

use crate::amount::bounded;
use crate::{Cell, Column, Commodity, ExportError, Kind, TableWriter};
use chrono::NaiveDate;

/// Who earned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payee {
    Streamer,
    Agency,
}

impl Payee {
    fn word(self) -> &'static str {
        match self {
            Payee::Streamer => "streamer",
            Payee::Agency => "agency",
        }
    }
}

/// What one streamer's orders of one day earned a payee under one version of the contract. Amounts are in the
/// currency's units (millionths of a minor unit, for a commodity of eight places).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementLine<'a> {
    pub payee: Payee,
    pub payee_id: &'a str,
    pub payee_name: &'a str,
    /// Whose orders; on a streamer's own statement the payee.
    pub streamer_id: &'a str,
    pub day: NaiveDate,
    pub contract_version: i64,
    pub settled_count: i64,
    pub reversed_count: i64,
    pub gross_units: i128,
    pub share_units: i128,
    /// What refunds took back: zero or below.
    pub clawback_units: i128,
    /// The page that lists the orders of this line.
    pub orders_link: &'a str,
}

pub fn statement_columns(currency: &Commodity) -> Vec<Column> {
    let money = |word: &str| amount(word, currency, currency.places());
    vec![
        Column::new("payee_kind", Kind::Text),
        Column::new("payee_id", Kind::Id),
        Column::new("payee_name", Kind::Text),
        Column::new("streamer_id", Kind::Id),
        Column::new("day", Kind::Day),
        Column::new("contract_version", Kind::Count),
        Column::totalled("settled_orders", Kind::Count),
        Column::totalled("reversed_orders", Kind::Count),
        money("gross"),
        money("share"),
        money("clawback"),
        money("net"),
        Column::new("orders", Kind::Link),
    ]
}

/// Writes one line.
///
/// # Errors
/// [`ExportError::AmountTooLarge`], [`ExportError::BadLink`], or what the table says.
pub fn push_statement_line(
    table: &mut impl TableWriter,
    line: &StatementLine<'_>,
) -> Result<(), ExportError> {
    let net =
        bounded(line.share_units.checked_add(line.clawback_units), || format!("net of {}", line.payee_id))?;
    table.push(&[
        Cell::Text(line.payee.word()),
        Cell::Id(line.payee_id),
        Cell::Text(line.payee_name),
        Cell::Id(line.streamer_id),
        Cell::Day(line.day),
        Cell::Count(line.contract_version),
        Cell::Count(line.settled_count),
        Cell::Count(line.reversed_count),
        Cell::Money(line.gross_units),
        Cell::Money(line.share_units),
        Cell::Money(line.clawback_units),
        Cell::Money(net),
        Cell::Link(line.orders_link),
    ])
}

/// What a payee is due for one day: the day's net, rounded once, and what is carried on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earned<'a> {
    pub payee: Payee,
    pub payee_id: &'a str,
    pub payee_name: &'a str,
    pub day: NaiveDate,
    pub carry_in_units: i128,
    /// Share and clawback of all lines of the day.
    pub net_units: i128,
    /// In minor units: two decimal places.
    pub payable_minor: i64,
    pub carry_out_units: i128,
}

/// Decimal places of a minor unit.
const MINOR_PLACES: u8 = 2;

pub fn earned_columns(currency: &Commodity) -> Vec<Column> {
    let money = |word: &str| amount(word, currency, currency.places());
    let untotalled = |word: &str| Column::new(money(word).name(), Kind::Money { scale: currency.places() });
    vec![
        Column::new("payee_kind", Kind::Text),
        Column::new("payee_id", Kind::Id),
        Column::new("payee_name", Kind::Text),
        Column::new("day", Kind::Day),
        untotalled("carry_in"),
        money("net"),
        amount("payable", currency, MINOR_PLACES),
        untotalled("carry_out"),
    ]
}

/// Writes one payee's day. Refuses a line that loses a fraction.
///
/// # Errors
/// [`ExportError::CarryLost`] where carry in and net are not payable and carry out, or what the table says.
pub fn push_earned(
    table: &mut impl TableWriter,
    earned: &Earned<'_>,
    currency: &Commodity,
) -> Result<(), ExportError> {
    let units_per_minor = 10_i128.pow(u32::from(currency.places().saturating_sub(MINOR_PLACES)));
    let had = earned.carry_in_units.checked_add(earned.net_units);
    let given = i128::from(earned.payable_minor).checked_mul(units_per_minor);
    let given = given.and_then(|given| given.checked_add(earned.carry_out_units));
    if had.is_none() || had != given {
        return Err(ExportError::CarryLost { payee: earned.payee_id.to_owned(), day: earned.day });
    }
    table.push(&[
        Cell::Text(earned.payee.word()),
        Cell::Id(earned.payee_id),
        Cell::Text(earned.payee_name),
        Cell::Day(earned.day),
        Cell::Money(earned.carry_in_units),
        Cell::Money(earned.net_units),
        Cell::Money(i128::from(earned.payable_minor)),
        Cell::Money(earned.carry_out_units),
    ])
}

fn amount(word: &str, currency: &Commodity, scale: u8) -> Column {
    Column::totalled(format!("{word}_{}", currency.code().to_lowercase()), Kind::Money { scale })
}
