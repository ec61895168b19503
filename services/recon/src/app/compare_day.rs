//! One partition's day, row by row: entries with orders, orders with items, rows with vouchers, payments with credits,
//! accounts from opening to closing, sub-ledgers with control accounts, and all of it with what was read before.
//!
//! Reads the logs' own tables through their sources, each once or twice, a page at a time. Writes nothing: what it
//! finds is stored with the step that asked for it.

use super::daily_error::{DailyError, FINDINGS_MAX};
use super::day_rows::{DayRows, Gap};
use super::sources::Sources;
use crate::domain::break_kind::BreakKind;
use crate::domain::controls::{FaceValue, Flows, face_value};
use crate::domain::covering::{Covered, Covering, VOUCHERS_MAX};
use crate::domain::credits::Credits;
use crate::domain::day::DayBounds;
use crate::domain::effect::{Effective, VoucherRules};
use crate::domain::pair_walk::PairWalk;
use crate::domain::report::LogsResult;
use crate::domain::roll_forward::{ACCOUNTS_MAX, RollForward};
use crate::domain::saying::Saying;
use crate::domain::voucher_check::VoucherRange;
use crate::store::breaks::NewBreak;
use chrono::{DateTime, Utc};
use contracts::digest::Pair;
use contracts::entry::Entry;
use contracts::item::Item;
use contracts::log::{LogName, Minute, Seq, minute_of};
use contracts::payment::Payment;
use contracts::payout::{Payout, PayoutKind};
use ids::Partition;
use pg::Db;
use serde_json::json;
use std::collections::BTreeMap;

/// What the comparison of a day needs.
pub struct DayCheck<'a> {
    pub db: &'a Db,
    pub sources: &'a Sources,
    pub rules: &'a VoucherRules,
    pub face_values: &'a [FaceValue],
    pub bounds: DayBounds,
    /// Whether the day is over, and so all logs must be closed behind it.
    pub is_over: bool,
    /// Up to which minute (exclusive) each pair's digests are final.
    pub compared: BTreeMap<(Pair, Partition), Minute>,
}

/// What one partition's day came to, beside its figures.
pub struct DayOfPartition {
    pub result: LogsResult,
    pub found: Vec<NewBreak>,
    pub payments: Vec<Payment>,
    /// Those that the bank has answered.
    pub payouts: Vec<Payout>,
    pub roll: RollForward,
}

/// Everything that is gathered while rows go by.
pub struct Gathered<'a> {
    pub check: &'a DayCheck<'a>,
    pub partition: Partition,
    pub cut: Minute,
    pub micros_per_coin: i64,
    pub flows: Flows,
    pub roll: RollForward,
    pub credits: Credits,
    pub entries: Covering,
    pub items: Covering,
    rows: BTreeMap<String, i64>,
    pub found: Vec<NewBreak>,
}

impl DayCheck<'_> {
    /// Reads a partition's day.
    ///
    /// # Errors
    /// [`DailyError`]; nothing was written.
    pub async fn run(&self, partition: Partition) -> Result<DayOfPartition, DailyError> {
        let (bounds, sources) = (self.bounds, self.sources);
        let micros_per_coin =
            face_value(self.face_values, bounds.day).ok_or(DailyError::NoFaceValue(bounds.day))?;
        let entries = DayRows::begin(&*sources.entries, partition, bounds.from).await?;
        let orders = DayRows::begin(&*sources.orders, partition, bounds.from).await?;
        let items = DayRows::begin(&*sources.items, partition, bounds.from).await?;
        let cut = self.cut(
            partition,
            &[
                (LogName::Entries, entries.closed_until),
                (LogName::Orders, orders.closed_until),
                (LogName::Items, items.closed_until),
            ],
        )?;
        let mut flows = Flows::default();
        let (of_entries, of_items) = self.vouchers(partition, &mut flows).await?;
        let mut gathered = Gathered {
            check: self,
            partition,
            cut,
            micros_per_coin,
            flows,
            roll: RollForward::default(),
            credits: Credits::new(bounds.day),
            entries: of_entries.0,
            items: of_items,
            rows: BTreeMap::new(),
            found: Vec::new(),
        };
        let payments = gathered.payments(of_entries.1.payments).await?;
        let payouts = gathered.payouts(of_entries.1.payouts).await?;
        let closed_of_entries = minute_of(entries.closed_until);
        let first = gathered.entries_and_orders(entries, orders).await?;
        let second = gathered.orders_and_items(items, first.after_last).await?;
        let mut result = gathered.compare_with_kept([&first, &second]).await?;
        gathered.differences_of_pairs([&first, &second]).await?;
        gathered.differences_of_sums(closed_of_entries, &mut result);
        let Gathered { roll, found, rows, .. } = gathered;
        if found.len() > FINDINGS_MAX {
            return Err(DailyError::TooMany { what: "differences in one partition", max: FINDINGS_MAX });
        }
        result.rows = rows;
        result.is_whole = self.is_over;
        Ok(DayOfPartition { result, found, payments, payouts, roll })
    }

    /// The first minute that is not closed in all logs. A day that is over must be closed whole.
    fn cut(&self, partition: Partition, closed: &[(LogName, DateTime<Utc>)]) -> Result<Minute, DailyError> {
        let (from, before) = self.bounds.minutes();
        let mut cut = before;
        for (log, until) in closed {
            let minute = minute_of(*until);
            if self.is_over && minute < before {
                return Err(DailyError::NotClosed { log: *log, partition });
            }
            cut = cut.min(minute);
        }
        Ok(cut.max(from))
    }

    /// The day's vouchers, by the log they were made from; their postings go into the flows of control accounts.
    async fn vouchers(
        &self,
        partition: Partition,
        flows: &mut Flows,
    ) -> Result<((Covering, Reach), Covering), DailyError> {
        let mut vouchers = DayRows::begin(&*self.sources.vouchers, partition, self.bounds.from).await?;
        if self.is_over {
            self.cut(partition, &[(LogName::Vouchers, vouchers.closed_until)])?;
        }
        let (mut of_entries, mut of_items, mut reach) = (Vec::new(), Vec::new(), Reach::default());
        while let Some(voucher) = vouchers.next().await? {
            if voucher.stamp.decided_at >= self.bounds.late() {
                break;
            }
            if voucher.stamp.day != self.bounds.day {
                continue;
            }
            let list = match voucher.source {
                LogName::Entries => &mut of_entries,
                LogName::Items => &mut of_items,
                LogName::Payments => {
                    reach.payments = reach.payments.max(voucher.to_seq);
                    flows.voucher(&voucher);
                    continue;
                }
                LogName::Payouts => {
                    reach.payouts = reach.payouts.max(voucher.to_seq);
                    flows.voucher(&voucher);
                    continue;
                }
                // No log derives vouchers from these; a person's own voucher is no row's.
                LogName::Orders | LogName::Vouchers => continue,
            };
            flows.voucher(&voucher);
            list.push(VoucherRange {
                voucher_seq: voucher.stamp.seq,
                rule: voucher.rule,
                day: voucher.stamp.day,
                from_seq: voucher.from_seq,
                to_seq: voucher.to_seq,
                row_count: voucher.row_count,
                coins: voucher.coins,
            });
            if list.len() > VOUCHERS_MAX {
                return Err(DailyError::TooMany { what: "vouchers in one partition", max: VOUCHERS_MAX });
            }
        }
        let (entries, items) = (Covering::of(of_entries), Covering::of(of_items));
        Ok(match self.is_over {
            true => ((entries.complete(), reach), items.complete()),
            false => ((entries, reach), items),
        })
    }
}

/// Up to which rows the vouchers of logs without rules of their own reach.
#[derive(Default)]
struct Reach {
    payments: Seq,
    payouts: Seq,
}

impl Gathered<'_> {
    pub fn bounds(&self) -> DayBounds {
        self.check.bounds
    }

    /// Whether a row's vouchers must be there: all of a day that is over, else as far as vouchers have come.
    fn is_posted(&self, seq: Seq, reach: Seq) -> bool {
        self.check.is_over || seq <= reach
    }

    async fn payments(&mut self, reach: Seq) -> Result<Vec<Payment>, DailyError> {
        let (source, from) = (&*self.check.sources.payments, self.bounds().payments_from());
        let mut rows = DayRows::begin(source, self.partition, from).await?;
        self.check.cut(self.partition, &[(LogName::Payments, rows.closed_until)])?;
        let mut of_day = Vec::new();
        while let Some(payment) = rows.next().await? {
            if payment.stamp.decided_at >= self.bounds().before {
                break;
            }
            if payment.stamp.day == self.bounds().day {
                if self.is_posted(payment.stamp.seq, reach) {
                    self.flows.payment(&payment);
                }
                of_day.push(payment.clone());
                if of_day.len() > ACCOUNTS_MAX {
                    return Err(DailyError::TooMany { what: "payments in one partition", max: ACCOUNTS_MAX });
                }
            }
            self.credits.expect(payment);
        }
        self.rows_of(LogName::Payments, of_day.len());
        self.gaps(LogName::Payments, &rows.gaps);
        Ok(of_day)
    }

    async fn payouts(&mut self, reach: Seq) -> Result<Vec<Payout>, DailyError> {
        let source = &*self.check.sources.payouts;
        let mut rows = DayRows::begin(source, self.partition, self.bounds().from).await?;
        let (mut count, mut answered) = (0, Vec::new());
        while let Some(payout) = rows.next().await? {
            if payout.stamp.decided_at >= self.bounds().before {
                break;
            }
            if self.is_posted(payout.stamp.seq, reach) {
                self.flows.payout(&payout);
            }
            count += 1;
            if matches!(payout.kind, PayoutKind::Paid | PayoutKind::Rejected) {
                answered.push(payout);
                if answered.len() > ACCOUNTS_MAX {
                    return Err(DailyError::TooMany { what: "payouts in one partition", max: ACCOUNTS_MAX });
                }
            }
        }
        self.rows_of(LogName::Payouts, count);
        self.gaps(LogName::Payouts, &rows.gaps);
        Ok(answered)
    }

    async fn entries_and_orders(
        &mut self,
        mut entries: DayRows<'_, Entry>,
        mut orders: DayRows<'_, contracts::order::Order>,
    ) -> Result<PairWalk, DailyError> {
        let bounds = self.bounds();
        let mut walk = PairWalk::new(Pair::EntriesOrders);
        let (mut of_entries, mut of_orders) = (0, 0);
        while let Some(order) = orders.next().await? {
            let decided_at = order.stamp.decided_at;
            if decided_at >= bounds.before {
                while self.next_entry(&mut entries, &mut walk, &mut of_entries).await? {}
                if walk.is_settled() || decided_at >= bounds.late() {
                    break;
                }
            }
            if order.stamp.day != bounds.day {
                continue;
            }
            of_orders += 1;
            if order.stamp.minute >= self.cut {
                continue;
            }
            while entries.at() < order.stamp.origin_seq
                && self.next_entry(&mut entries, &mut walk, &mut of_entries).await?
            {}
            for fact in order.facts().into_iter().filter(|fact| fact.pair == Pair::EntriesOrders) {
                walk.after(&order, fact);
            }
        }
        while self.next_entry(&mut entries, &mut walk, &mut of_entries).await? {}
        walk.finish();
        self.rows_of(LogName::Entries, of_entries);
        self.rows_of(LogName::Orders, of_orders);
        self.gaps(LogName::Entries, &entries.gaps);
        self.gaps(LogName::Orders, &orders.gaps);
        Ok(walk)
    }

    /// Takes in the next entry; `false` where there are no more of the day and the hour after it.
    async fn next_entry(
        &mut self,
        entries: &mut DayRows<'_, Entry>,
        walk: &mut PairWalk,
        count: &mut usize,
    ) -> Result<bool, DailyError> {
        let Some(entry) = entries.next().await? else { return Ok(false) };
        let bounds = self.bounds();
        if entry.stamp.decided_at >= bounds.credits_until() {
            return Ok(false);
        }
        self.credits.add(&entry);
        if entry.stamp.day != bounds.day {
            return Ok(true);
        }
        *count += 1;
        self.roll.add(&entry);
        self.found.extend(self.owed(&entry));
        if self.roll.accounts.len() > ACCOUNTS_MAX {
            return Err(DailyError::TooMany { what: "accounts in one partition", max: ACCOUNTS_MAX });
        }
        if let Some(effect) = entry.effect() {
            let rule = self.check.rules.rule_of(LogName::Entries, effect.kind).unwrap_or("none");
            if self.entries.add(rule, &effect) == Covered::Yes {
                self.flows.entry(&entry, self.micros_per_coin);
            }
        }
        if entry.stamp.minute < self.cut {
            for fact in entry.facts() {
                walk.before(&entry, fact)?;
            }
        }
        Ok(true)
    }

    /// What a viewer owes by an entry: coins that were spent before their money was taken back.
    fn owed(&self, entry: &Entry) -> Option<NewBreak> {
        if entry.shortfall_coins.is_zero() || !entry.is_accepted() {
            return None;
        }
        let taken = entry.available.paid_coins.saturating_add(entry.held.paid_coins).saturating_neg();
        Some(NewBreak {
            fact_key: format!("wallet.entries/{}/viewer_owes/{}", self.partition, entry.stamp.seq),
            kind: BreakKind::ViewerOwes,
            logs: LogName::Entries.as_str().to_owned(),
            coins: entry.shortfall_coins.get(),
            evidence: json!({
                "account_id": entry.account_id, "seq": entry.stamp.seq, "request_id": entry.request_id,
                "taken_coins": taken, "shortfall_coins": entry.shortfall_coins,
            }),
            ..self.blank()
        })
    }

    async fn orders_and_items(
        &mut self,
        mut items: DayRows<'_, Item>,
        last_order: Seq,
    ) -> Result<PairWalk, DailyError> {
        let bounds = self.bounds();
        let mut orders = DayRows::begin(&*self.check.sources.orders, self.partition, bounds.from).await?;
        let mut walk = PairWalk::new(Pair::OrdersItems);
        let mut count = 0;
        while let Some(item) = items.next().await? {
            let decided_at = item.stamp.decided_at;
            if decided_at >= bounds.before {
                while self.next_order(&mut orders, &mut walk, last_order).await? {}
                if walk.is_settled() || decided_at >= bounds.late() {
                    break;
                }
            }
            if item.stamp.day != bounds.day {
                continue;
            }
            count += 1;
            if let Some(effect) = item.effect() {
                let rule = self.check.rules.rule_of(LogName::Items, effect.kind).unwrap_or("none");
                if self.items.add(rule, &effect) == Covered::Yes {
                    self.flows.item(&item);
                }
            }
            if item.stamp.minute >= self.cut {
                continue;
            }
            while orders.at() < item.stamp.origin_seq
                && self.next_order(&mut orders, &mut walk, last_order).await?
            {}
            for fact in item.facts() {
                walk.after(&item, fact);
            }
        }
        while self.next_order(&mut orders, &mut walk, last_order).await? {}
        walk.finish();
        self.rows_of(LogName::Items, count);
        self.gaps(LogName::Items, &items.gaps);
        Ok(walk)
    }

    async fn next_order(
        &mut self,
        orders: &mut DayRows<'_, contracts::order::Order>,
        walk: &mut PairWalk,
        last: Seq,
    ) -> Result<bool, DailyError> {
        if orders.at() >= last {
            return Ok(false);
        }
        let Some(order) = orders.next().await? else { return Ok(false) };
        if order.stamp.day == self.bounds().day && order.stamp.minute < self.cut {
            for fact in order.facts().into_iter().filter(|fact| fact.pair == Pair::OrdersItems) {
                walk.before(&order, fact)?;
            }
        }
        Ok(true)
    }

    fn rows_of(&mut self, log: LogName, count: usize) {
        self.rows.insert(log.as_str().to_owned(), i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn gaps(&mut self, log: LogName, gaps: &[Gap]) {
        for (first, last) in gaps {
            self.found.push(NewBreak {
                fact_key: format!("{log}/{}/missing_row/{first}/{last}", self.partition),
                kind: BreakKind::MissingRow,
                logs: log.as_str().to_owned(),
                evidence: json!({ "log": log, "first_seq": first, "last_seq": last }),
                ..self.blank()
            });
        }
    }
}
