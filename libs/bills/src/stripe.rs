//! Stripe's balance transactions and payouts, as its reports write them or as a warehouse copies its tables.
//!
//! **The two differ by a factor of 100**: reports are in major units (`gross`), copies of tables in minor units
//! (`amount`, as the API has it). Which it is, the header tells. The columns that mark it are all read by name,
//! as the requester selects and orders them. Times of copies and of `…_utc` columns are UTC; other times of
//! reports are in the account's zone, which the file does not tell, so only their day is given.

use crate::amount::{Style, minor, whole};
use crate::bill::{Proof, Sink};
use crate::error::{BillError, Flaw, Place, Unit, agree};
use crate::header::Header;
use crate::source::Digested;
use crate::table::Table;
use crate::time::moment;
use crate::{BillRow, Currency, Intake, RowKind, When};
use encoding_rs::UTF_8;
use money::{MICROS_PER_MINOR, Micros};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read;

/// What amounts are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amounts {
    Major,
    Minor,
}

/// Stripe counts these in hundredths although ISO 4217 gives them no decimals; a copy of a table in them cannot
/// be read without guessing.
const AMBIGUOUS: [&str; 2] = ["ISK", "UGX"];

struct Columns {
    amounts: Amounts,
    id: usize,
    amount: usize,
    fee: Option<usize>,
    net: Option<usize>,
    currency: usize,
    kind: Option<usize>,
    source: Option<usize>,
    status: Option<usize>,
    payout: Option<usize>,
    order: Option<usize>,
    account: Option<usize>,
    at_utc: Option<usize>,
    at_local: Option<usize>,
}

impl Columns {
    fn of(header: &Header, intake: &Intake, ids: &[&str]) -> Result<Columns, BillError> {
        let gross = header.find(&["gross"])?;
        let amounts = if gross.is_some() { Amounts::Major } else { Amounts::Minor };
        let created = header.find(&["created"])?;
        let (at_utc, at_local) = match amounts {
            Amounts::Minor => (created, None),
            Amounts::Major => (
                header.find(&["created_utc", "effective_at_utc"])?,
                created.or(header.find(&["effective_at"])?),
            ),
        };
        if at_utc.or(at_local).is_none() {
            header.get(&["created"])?;
        }
        let order = format!("payment_metadata[{}]", intake.stripe_order_key);
        Ok(Columns {
            amounts,
            id: header.get(ids)?,
            amount: header.get(&["gross", "amount"])?,
            fee: header.find(&["fee"])?,
            net: header.find(&["net"])?,
            currency: header.get(&["currency"])?,
            kind: header.find(&["reporting_category", "type"])?,
            source: header.find(&["source_id", "source"])?,
            status: header.find(&["status", "payout_status"])?,
            payout: header.find(&["automatic_payout_id", "payout_id"])?,
            order: header.find(&[order.as_str()])?,
            account: header.find(&["connected_account_id", "connected_account"])?,
            at_utc,
            at_local,
        })
    }
}

/// One row taken apart.
struct Taken<'a> {
    amount_minor: i64,
    fee_minor: i64,
    net_minor: Option<i64>,
    currency: Currency,
    at: When,
    header: &'a Header,
    columns: &'a Columns,
    fields: &'a [Cow<'a, str>],
    line: u64,
}

impl<'a> Taken<'a> {
    fn of(
        header: &'a Header,
        columns: &'a Columns,
        fields: &'a [Cow<'a, str>],
        line: u64,
    ) -> Result<Taken<'a>, BillError> {
        let field = |index: usize| fields.get(index).map_or("", |field| field.trim());
        let broken = |index: usize, flaw| header.broken(line, index, flaw, field(index));
        let currency = Currency::find(field(columns.currency));
        let currency = currency.ok_or_else(|| broken(columns.currency, Flaw::NotACurrency))?;
        if columns.amounts == Amounts::Minor && AMBIGUOUS.contains(&currency.code()) {
            return Err(broken(columns.currency, Flaw::Contradiction));
        }
        let amount = |index: usize| {
            let read = match columns.amounts {
                Amounts::Major => minor(field(index), currency, Style::PLAIN),
                Amounts::Minor => whole(field(index)),
            };
            read.map_err(|flaw| broken(index, flaw))
        };
        let at = match (columns.at_utc, columns.at_local) {
            (Some(index), _) => {
                let local = moment(field(index)).map_err(|flaw| broken(index, flaw))?;
                When::Moment { local, offset_s: 0 }
            }
            (None, Some(index)) => {
                let local = moment(field(index)).map_err(|flaw| broken(index, flaw))?;
                When::Day(local.date())
            }
            (None, None) => return Err(BillError::broken(Place::line(line), "created", Flaw::Missing, "")),
        };
        Ok(Taken {
            amount_minor: amount(columns.amount)?,
            fee_minor: columns.fee.map(amount).transpose()?.unwrap_or(0),
            net_minor: columns.net.map(amount).transpose()?,
            currency,
            at,
            header,
            columns,
            fields,
            line,
        })
    }

    fn field(&self, index: Option<usize>) -> &'a str {
        index.and_then(|index| self.fields.get(index)).map_or("", |field| field.trim())
    }

    fn broken(&self, index: usize, flaw: Flaw) -> BillError {
        self.header.broken(self.line, index, flaw, self.field(Some(index)))
    }

    /// Gross less fee must be net.
    fn check_net(&self) -> Result<(), BillError> {
        let (Some(net), Some(column)) = (self.net_minor, self.columns.net) else { return Ok(()) };
        let counted = self.amount_minor.checked_sub(self.fee_minor);
        let counted = counted.ok_or_else(|| self.broken(column, Flaw::TooLarge))?;
        agree("net", Place::field(self.line, column), (net, counted), Unit::Minor)
    }

    fn row(&self, kind: RowKind, raw: &'a str) -> Result<BillRow<'a>, BillError> {
        let fee = self.fee_minor.checked_mul(MICROS_PER_MINOR);
        let fee = fee.ok_or_else(|| self.broken(self.columns.fee.unwrap_or(0), Flaw::TooLarge))?;
        let (order, source) = (self.field(self.columns.order), self.field(self.columns.source));
        Ok(BillRow {
            line: self.line,
            kind,
            account: Cow::Borrowed(self.field(self.columns.account)),
            channel_ref: Cow::Borrowed(self.field(Some(self.columns.id))),
            our_ref: (!order.is_empty()).then_some(Cow::Borrowed(order)),
            about_ref: (!source.is_empty()).then_some(Cow::Borrowed(source)),
            status: Cow::Borrowed(self.field(self.columns.status)),
            amount_minor: self.amount_minor,
            fee: Micros::new(fee),
            currency: self.currency,
            at: self.at,
            balance_minor: None,
            raw: Cow::Borrowed(raw),
        })
    }
}

fn kind_of(word: &str) -> RowKind {
    match word {
        "charge" | "payment" => RowKind::Payment,
        "refund" | "payment_refund" | "partial_capture_reversal" => RowKind::Refund,
        "fee" | "stripe_fee" | "network_cost" | "application_fee" => RowKind::Fee,
        payout if payout.starts_with("payout") => RowKind::Payout,
        dispute if dispute.starts_with("dispute") => RowKind::Dispute,
        transfer if transfer.starts_with("transfer") => RowKind::Transfer,
        other => RowKind::Other(Cow::Owned(other.to_owned())),
    }
}

fn header<R: Read>(table: &mut Table<R>, intake: &Intake) -> Result<Header, BillError> {
    let Some(line) = table.next()? else {
        return Err(BillError::Truncated { place: Place::line(1), awaited: "its header".into() });
    };
    let fields = table.fields()?;
    Header::of(line, fields.iter().map(|field| &**field), &intake.limits)
}

/// What a payout's rows brought, in minor units, and the payout's own row.
#[derive(Default)]
struct Batch {
    brought: i128,
    taken: Option<(i128, Place)>,
    rows: u64,
}

/// Reads balance transactions.
pub(crate) fn read_balance<R: Read>(
    bytes: R,
    intake: &Intake,
    sink: &mut Sink<'_>,
) -> Result<Digested, BillError> {
    let mut table = Table::new(bytes, intake, b',', UTF_8);
    let header = header(&mut table, intake)?;
    let columns = Columns::of(&header, intake, &["balance_transaction_id", "id"])?;
    header.get(&["net"])?;
    let mut batches: HashMap<String, Batch> = HashMap::new();
    while let Some(line) = table.next()? {
        let fields = table.fields()?;
        let raw = table.raw(&fields);
        header.check_width(line, table.width(), &raw)?;
        let taken = Taken::of(&header, &columns, &fields, line)?;
        taken.check_net()?;
        let kind = kind_of(taken.field(columns.kind));
        let payout = taken.field(columns.payout);
        if !payout.is_empty() {
            if batches.len() >= intake.limits.names_max && !batches.contains_key(payout) {
                let at_most = u64::try_from(intake.limits.names_max).unwrap_or(u64::MAX);
                return Err(BillError::TooMuch { place: Place::line(line), limit: "names_max", at_most });
            }
            let net = i128::from(taken.net_minor.unwrap_or(0));
            let batch = batches.entry(payout.to_owned()).or_default();
            if kind == RowKind::Payout {
                let place = Place::field(line, columns.net.unwrap_or(0));
                batch.taken = Some((batch.taken.map_or(0, |(before, _)| before) + net, place));
            } else {
                batch.brought += net;
                batch.rows += 1;
            }
        }
        sink.row(&taken.row(kind, &raw)?)?;
    }
    sink.proved(Proof::GrossFeeNet);
    check_batches(&batches, sink)?;
    table.finish()
}

/// A payout takes what its rows brought, wherever the file has both. In the order of the file, so that the same
/// file always gives the same error.
fn check_batches(batches: &HashMap<String, Batch>, sink: &mut Sink<'_>) -> Result<(), BillError> {
    let whole = batches.iter().filter_map(|(id, batch)| {
        let (taken, place) = batch.taken?;
        (batch.rows > 0).then_some((place, id, taken, batch.brought))
    });
    let mut whole: Vec<_> = whole.collect();
    whole.sort_by_key(|(place, ..)| place.line);
    for (place, id, taken, brought) in whole {
        let narrow = |wide: i128| i64::try_from(wide);
        let (Ok(taken), Ok(brought)) = (narrow(-taken), narrow(brought)) else {
            return Err(BillError::Overflow { place, what: format!("the payout {id}").into() });
        };
        agree(format!("the payout {id}"), place, (taken, brought), Unit::Minor)?;
        sink.proved(Proof::PayoutsToZero);
    }
    Ok(())
}

/// Reads payouts. Copies of the table write what reaches the bank as positive, which leaves the balance, so the
/// sign turns; reports write the balance's side already. Nothing in these files proves their sums.
pub(crate) fn read_payouts<R: Read>(
    bytes: R,
    intake: &Intake,
    sink: &mut Sink<'_>,
) -> Result<Digested, BillError> {
    let mut table = Table::new(bytes, intake, b',', UTF_8);
    let header = header(&mut table, intake)?;
    let columns = Columns::of(&header, intake, &["payout_id", "id"])?;
    while let Some(line) = table.next()? {
        let fields = table.fields()?;
        let raw = table.raw(&fields);
        header.check_width(line, table.width(), &raw)?;
        let mut taken = Taken::of(&header, &columns, &fields, line)?;
        taken.check_net()?;
        if columns.amounts == Amounts::Minor {
            let turned = taken.amount_minor.checked_neg();
            taken.amount_minor = turned.ok_or_else(|| taken.broken(columns.amount, Flaw::TooLarge))?;
        }
        sink.row(&taken.row(RowKind::Payout, &raw)?)?;
    }
    if columns.net.is_some() {
        sink.proved(Proof::GrossFeeNet);
    }
    table.finish()
}
