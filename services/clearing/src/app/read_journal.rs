//! The journal for people: vouchers page by page, and one voucher down to the rows, and so the gifts, it was made from.

use crate::app::keep_partitions::Sources;
use crate::app::post_vouchers::Terminology;
use crate::domain::movement::{Accountable, Component};
use crate::store::adjustments::{self, AskedView};
use crate::store::journal::{self, After};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::class::{Classed, ErrorClass};
use contracts::entry::{Entry, EntryKind};
use contracts::item::Item;
use contracts::log::{LogName, Seq};
use contracts::payment::Payment;
use contracts::payout::Payout;
use contracts::voucher::Voucher;
use ids::{OrderId, Partition, Uuid};
use money::Micros;
use pg::Db;
use seqlog::{LogSource, PULL_ROWS_MAX, PullError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Rows of a source that one answer looks through at most.
const ROWS_LOOKED_AT_MAX: i64 = 20_000;

/// A voucher's name: its partition and seq, `17-4211`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoucherName {
    pub partition: Partition,
    pub seq: Seq,
}

impl std::fmt::Display for VoucherName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.partition, self.seq)
    }
}

impl std::str::FromStr for VoucherName {
    type Err = JournalError;

    fn from_str(text: &str) -> Result<VoucherName, JournalError> {
        let parts = text.split_once('-').and_then(|(partition, seq)| {
            let partition = Partition::try_new(partition.parse().ok()?).ok()?;
            Some(VoucherName { partition, seq: seq.parse().ok().filter(|seq| *seq >= 1)? })
        });
        parts.filter(|name| name.to_string() == text).ok_or(JournalError::NoSuchVoucher)
    }
}

/// One line of a voucher. Exactly one side is above zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineView {
    pub account: String,
    pub name: String,
    pub debit_micro: Micros,
    pub credit_micro: Micros,
}

/// One voucher. Amounts are millionths of a minor currency unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VoucherView {
    /// Partition and seq: `17-4211`.
    pub voucher_id: String,
    /// The day whose books it stands in.
    pub posted_day: NaiveDate,
    /// The accounting day of what it was made from: an earlier one where it came late.
    pub day: NaiveDate,
    pub rule: String,
    pub source: LogName,
    /// The range of the source's rows in the same partition, both ends included.
    pub from_seq: Seq,
    pub to_seq: Seq,
    /// Rows of the range that the rule applied to, and their coins.
    pub row_count: i64,
    pub coins: i64,
    pub decided_at: DateTime<Utc>,
    /// The sum of each side.
    pub amount_micro: Micros,
    pub postings: Vec<LineView>,
}

/// What a row moves of one component, at face value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartView {
    pub component: String,
    pub amount_micro: Micros,
}

/// A row that a voucher was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceRow {
    pub seq: Seq,
    pub kind: String,
    pub coins: i64,
    /// The gift's order, where the row is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// Whose row it is: a viewer, a streamer or an agency.
    pub owner_id: Uuid,
    /// What else names it: the payment's id, the request's, or what a payout refers to.
    pub reference: String,
    pub parts: Vec<PartView>,
}

/// One voucher with the rows it was made from, page by page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VoucherDetail {
    pub voucher: VoucherView,
    /// By whose word it was posted, where no row of a log stands behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<AskedView>,
    pub rows: Vec<SourceRow>,
    /// Ask for the next rows with this; missing on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Seq>,
}

/// Why the journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("there is no such voucher")]
    NoSuchVoucher,
    #[error("a voucher's amount does not fit")]
    Money(#[from] money::MoneyError),
    #[error("the rows of the voucher cannot be read now")]
    Rows(#[from] PullError),
    #[error("the database failed")]
    Db(#[from] sqlx::Error),
}

impl Classed for JournalError {
    fn class(&self) -> ErrorClass {
        match self {
            JournalError::NoSuchVoucher => ErrorClass::NotFound,
            JournalError::Money(_) => ErrorClass::Bug,
            JournalError::Rows(_) | JournalError::Db(_) => ErrorClass::Transient,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            JournalError::NoSuchVoucher => "no-such-voucher",
            JournalError::Money(_) => "books-unreadable",
            JournalError::Rows(_) => "rows-unavailable",
            JournalError::Db(_) => "database-unavailable",
        }
    }
}

/// What the journal is read with.
#[derive(Clone)]
pub struct Reading {
    pub db: Db,
    pub sources: Sources,
    pub terminology: std::sync::Arc<Terminology>,
}

impl Reading {
    /// Vouchers of some days after a place, in the journal's order; of one account where one is named.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn list(
        &self,
        days: (NaiveDate, NaiveDate),
        after: After,
        account: Option<&str>,
        limit: i64,
    ) -> Result<Vec<VoucherView>, JournalError> {
        let vouchers = journal::list(&self.db.reading(), days, after, account, limit).await?;
        vouchers.into_iter().map(|voucher| self.view(voucher)).collect()
    }

    /// One voucher, with at most `limit` of its rows after `after`.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn detail(
        &self,
        name: VoucherName,
        after: Seq,
        limit: usize,
    ) -> Result<VoucherDetail, JournalError> {
        let found = journal::find(&self.db.reading(), name.partition, name.seq).await?;
        let voucher = found.ok_or(JournalError::NoSuchVoucher)?;
        let sources = &self.sources;
        let (rows, next) = match voucher.source {
            LogName::Payments => self.rows(&*sources.payments, &voucher, after, limit).await?,
            LogName::Entries => self.rows(&*sources.entries, &voucher, after, limit).await?,
            LogName::Items => self.rows(&*sources.items, &voucher, after, limit).await?,
            LogName::Payouts => self.rows(&*sources.payouts, &voucher, after, limit).await?,
            LogName::Orders | LogName::Vouchers => (Vec::new(), None),
        };
        let asked = match voucher.source {
            LogName::Vouchers => {
                let place = (name.partition, name.seq);
                adjustments::find_of_voucher(&self.db.reading(), place, voucher.from_seq).await?
            }
            _ => None,
        };
        Ok(VoucherDetail { voucher: self.view(voucher)?, asked, rows, next })
    }

    fn view(&self, voucher: Voucher) -> Result<VoucherView, JournalError> {
        let name = VoucherName { partition: voucher.stamp.partition, seq: voucher.stamp.seq };
        let debits = voucher.postings.iter().map(|line| line.debit);
        let amount_micro = debits.into_iter().try_fold(Micros::ZERO, Micros::checked_add)?;
        let chart = &self.terminology.policy.accounts;
        let name_of = |code: &str| {
            chart.iter().find(|known| known.code == code).map(|known| known.name.clone()).unwrap_or_default()
        };
        let line = |line: contracts::voucher::Posting| LineView {
            name: name_of(&line.account),
            account: line.account,
            debit_micro: line.debit,
            credit_micro: line.credit,
        };
        Ok(VoucherView {
            voucher_id: name.to_string(),
            posted_day: voucher.posted_day,
            day: voucher.stamp.day,
            rule: voucher.rule,
            source: voucher.source,
            from_seq: voucher.from_seq,
            to_seq: voucher.to_seq,
            row_count: voucher.row_count,
            coins: voucher.coins,
            decided_at: voucher.stamp.decided_at,
            amount_micro,
            postings: voucher.postings.into_iter().map(line).collect(),
        })
    }

    /// Rows of the voucher's range that its rule applied to on its day.
    async fn rows<R: Named>(
        &self,
        source: &dyn LogSource<R>,
        voucher: &Voucher,
        after: Seq,
        limit: usize,
    ) -> Result<(Vec<SourceRow>, Option<Seq>), JournalError> {
        let mut found = Vec::new();
        let mut last = after.max(voucher.from_seq - 1);
        let stop = last.saturating_add(ROWS_LOOKED_AT_MAX).min(voucher.to_seq);
        while last < stop {
            let page_len = (stop - last).min(PULL_ROWS_MAX);
            let page = source.read_after(voucher.stamp.partition, last, page_len).await?;
            let Some(end) = page.rows.last().map(|row| row.stamp().seq) else { break };
            for row in page.rows.iter().take_while(|row| row.stamp().seq <= voucher.to_seq) {
                if let Some(row) = self.row_of(row, voucher) {
                    found.push(row);
                }
                last = row.stamp().seq;
                if found.len() == limit {
                    return Ok((found, Some(last).filter(|last| *last < voucher.to_seq)));
                }
            }
            last = end;
        }
        Ok((found, Some(last).filter(|last| *last < voucher.to_seq)))
    }

    fn row_of<R: Named>(&self, row: &R, voucher: &Voucher) -> Option<SourceRow> {
        let Terminology { policy, terms } = &*self.terminology;
        // A row that cannot be posted has no voucher, so it is none of this one's.
        let movement = row.movement(terms).ok().flatten()?;
        let rule = policy.rules.rule_of(&movement).ok()?;
        if rule.name != voucher.rule || row.stamp().day != voucher.stamp.day {
            return None;
        }
        let part = |(component, amount): &(Component, Micros)| PartView {
            component: component.as_str().to_owned(),
            amount_micro: *amount,
        };
        let parts = movement.amounts.iter().map(part).collect();
        Some(SourceRow {
            seq: row.stamp().seq,
            kind: row.kind_name(),
            coins: movement.coins.get(),
            order_id: row.order(),
            owner_id: row.owner(),
            reference: row.reference(),
            parts,
        })
    }
}

/// A source's row as people name it.
trait Named: Accountable {
    fn kind_name(&self) -> String;
    fn order(&self) -> Option<OrderId>;
    fn owner(&self) -> Uuid;
    fn reference(&self) -> String;
}

/// The name of a kind on the wire.
fn word<K: Serialize>(kind: K) -> String {
    serde_json::to_value(kind).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

impl Named for Payment {
    fn kind_name(&self) -> String {
        word(self.kind)
    }

    fn order(&self) -> Option<OrderId> {
        None
    }

    fn owner(&self) -> Uuid {
        self.account_id.uuid()
    }

    fn reference(&self) -> String {
        format!("{} of {}", self.channel_payment_id, self.channel)
    }
}

impl Named for Entry {
    fn kind_name(&self) -> String {
        word(self.kind)
    }

    fn order(&self) -> Option<OrderId> {
        match self.kind {
            kind if kind.is_spend() => Some(OrderId::from_uuid(self.request_id.uuid())),
            EntryKind::Refund => self.origin_id.map(OrderId::from_uuid),
            _ => None,
        }
    }

    fn owner(&self) -> Uuid {
        self.account_id.uuid()
    }

    fn reference(&self) -> String {
        self.request_id.to_string()
    }
}

impl Named for Item {
    fn kind_name(&self) -> String {
        word(self.kind)
    }

    fn order(&self) -> Option<OrderId> {
        Some(self.order_id)
    }

    fn owner(&self) -> Uuid {
        self.streamer_id.uuid()
    }

    fn reference(&self) -> String {
        format!("contract version {}", self.contract_version)
    }
}

impl Named for Payout {
    fn kind_name(&self) -> String {
        word(self.kind)
    }

    fn order(&self) -> Option<OrderId> {
        None
    }

    fn owner(&self) -> Uuid {
        self.payee_id
    }

    fn reference(&self) -> String {
        self.reference.clone()
    }
}
