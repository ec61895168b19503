//! What one partition's day differs in, as breaks: by the same keys at every run, and by those of the comparison of
//! minutes where it is the same difference.

use super::compare_day::Gathered;
use super::compare_minutes::{CompareError, breaks_of_minute};
use super::compare_vouchers;
use super::daily_error::DailyError;
use super::sources::read_range;
use crate::domain::break_kind::BreakKind;
use crate::domain::credits::{CreditFinding, Credits};
use crate::domain::pair_walk::{Contradiction, PairWalk};
use crate::domain::report::{LogsResult, PairFigures};
use crate::domain::saying::{Saying, Side, name_of};
use crate::store::breaks::NewBreak;
use crate::store::digests::{self, Fold};
use contracts::digest::{Digest, Pair};
use contracts::log::{LogName, Minute, Seq};
use contracts::payment::PaymentKind;
use ids::{OrderId, Partition};
use seqlog::{LogSource, PullError};
use serde_json::{Value, json};

/// Differing minutes of one pair whose rows are read again for evidence.
const MINUTES_MAX: usize = 500;

/// Kept digests of one pair's day: a row a minute and side.
const DIGESTS_MAX: i64 = 2 * 1_500;

/// Orders of a changed minute that a break names.
const ORDERS_SHOWN_MAX: usize = 20;

async fn orders_in<R: Saying>(
    source: &dyn LogSource<R>,
    (pair, partition, minute): (Pair, Partition, Minute),
    range: (Seq, Seq),
) -> Result<Vec<OrderId>, PullError> {
    let of = |row: &R, orders: &mut Vec<OrderId>| {
        if row.stamp().minute == minute {
            let said = row.facts().into_iter().filter(|fact| fact.pair == pair);
            orders.extend(said.map(|fact| fact.order_id));
        }
    };
    read_range(source, partition, range, of).await
}

impl Gathered<'_> {
    /// A break of this day and partition about nothing yet.
    pub fn blank(&self) -> NewBreak {
        NewBreak {
            fact_key: String::new(),
            kind: BreakKind::RowMismatch,
            logs: String::new(),
            partition: self.partition,
            minute: None,
            order_id: None,
            coins: 0,
            evidence: Value::Null,
            day: Some(self.bounds().day),
        }
    }

    /// The minutes of a pair whose kept digests are not what the rows give now: these rows were changed since.
    pub async fn compare_with_kept(&mut self, walks: [&PairWalk; 2]) -> Result<LogsResult, DailyError> {
        let mut result = LogsResult { partition: self.partition.number(), ..LogsResult::default() };
        for (pair, walk) in Pair::ALL.into_iter().zip(walks) {
            let figures = PairFigures {
                matched: walk.matched,
                before: spelled(walk.whole(Side::Before)),
                after: spelled(walk.whole(Side::After)),
            };
            result.pairs.insert(name_of(pair).to_owned(), figures);
            let final_before = self.check.compared.get(&(pair, self.partition)).copied().unwrap_or(0);
            let minutes = (self.bounds().minutes().0, self.cut.min(final_before));
            if minutes.0 >= minutes.1 {
                continue;
            }
            let place = (pair, self.partition);
            for (minute, side, kept) in digests::list(self.check.db, place, minutes, DIGESTS_MAX).await? {
                if kept.digest == walk.digest(minute, side) {
                    result.minutes_proven += 1;
                } else if walk.digest(minute, Side::Before) == walk.digest(minute, Side::After) {
                    let digests = (kept.digest, walk.digest(minute, side));
                    let orders = self.orders_of(pair, (minute, side), walk).await?;
                    self.found.push(self.changed(place, (minute, side), digests, orders));
                }
            }
        }
        Ok(result)
    }

    fn changed(
        &self,
        (pair, partition): (Pair, Partition),
        (minute, side): (Minute, Side),
        (then, now): (Digest, Digest),
        orders: Vec<OrderId>,
    ) -> NewBreak {
        let (logs, code) = (name_of(pair), side.code());
        NewBreak {
            fact_key: format!("{logs}/{partition}/{minute}/digest_mismatch/{code}"),
            kind: BreakKind::DigestMismatch,
            logs: logs.to_owned(),
            coins: then.coins.wrapping_sub(now.coins).saturating_abs(),
            evidence: json!({ "minute": minute, "side": code, "then": then, "now": now, "orders": orders }),
            ..self.blank()
        }
    }

    /// The first orders of a side's minute: the changed row is one of the minute's.
    async fn orders_of(
        &self,
        pair: Pair,
        (minute, side): (Minute, Side),
        walk: &PairWalk,
    ) -> Result<Vec<OrderId>, DailyError> {
        let Some(fold) = walk.folds.get(&(minute, side)) else { return Ok(Vec::new()) };
        let (place, range) = ((pair, self.partition, minute), (fold.first_seq, fold.last_seq));
        let sources = self.check.sources;
        let mut orders = match (pair, side) {
            (Pair::EntriesOrders, Side::Before) => orders_in(&*sources.entries, place, range).await?,
            (Pair::EntriesOrders, Side::After) | (Pair::OrdersItems, Side::Before) => {
                orders_in(&*sources.orders, place, range).await?
            }
            (Pair::OrdersItems, Side::After) => orders_in(&*sources.items, place, range).await?,
        };
        orders.truncate(ORDERS_SHOWN_MAX);
        Ok(orders)
    }

    /// Names every row that differs, by the same keys as the comparison of minutes.
    pub async fn differences_of_pairs(&mut self, walks: [&PairWalk; 2]) -> Result<(), DailyError> {
        for (pair, walk) in Pair::ALL.into_iter().zip(walks) {
            if walk.minutes.len() > MINUTES_MAX {
                return Err(DailyError::TooMany {
                    what: "differing minutes in one partition",
                    max: MINUTES_MAX,
                });
            }
            for minute in &walk.minutes {
                let sides = [Side::Before, Side::After].map(|side| {
                    let fold = walk.folds.get(&(*minute, side))?;
                    Some(Fold { digest: fold.digest, first_seq: fold.first_seq, last_seq: fold.last_seq })
                });
                if walk.digest(*minute, Side::Before) == walk.digest(*minute, Side::After) {
                    continue;
                }
                let place = (pair, self.partition);
                let found = breaks_of_minute(self.check.sources, place, *minute, sides).await;
                let found = found.map_err(|error| match error {
                    CompareError::Db(error) => DailyError::Db(error),
                    CompareError::Pull(error) => DailyError::Pull(error),
                })?;
                let day = Some(self.bounds().day);
                self.found.extend(found.into_iter().map(|found| NewBreak { minute: None, day, ..found }));
            }
            for of in &walk.contradictions {
                let differs = |minute| walk.digest(minute, Side::Before) != walk.digest(minute, Side::After);
                // What differs in coins is named above.
                if of.columns != ["origin_seq"] || !differs(of.minute) {
                    self.found.push(self.contradiction(pair, of));
                }
            }
        }
        Ok(())
    }

    fn contradiction(&self, pair: Pair, of: &Contradiction) -> NewBreak {
        let (logs, columns) = (name_of(pair), of.columns.join(","));
        let seqs = [of.before_seq, of.after_seq].map(Option::unwrap_or_default);
        NewBreak {
            fact_key: format!(
                "{logs}/{}/row_mismatch/{}/{}/{}/{columns}",
                self.partition, of.order_id, seqs[0], seqs[1]
            ),
            kind: BreakKind::RowMismatch,
            logs: logs.to_owned(),
            order_id: Some(of.order_id),
            coins: of.coins,
            evidence: json!({
                "columns": of.columns, "minute": of.minute,
                "before": of.before_seq.map(|seq| json!({ "seq": seq })),
                "after": of.after_seq.map(|seq| json!({ "seq": seq })),
            }),
            ..self.blank()
        }
    }

    /// Vouchers, control accounts, credits and chains of entries.
    pub fn differences_of_sums(&mut self, closed_of_entries: Minute, result: &mut LogsResult) {
        let day = self.bounds().day;
        let vouchers = [(LogName::Entries, &self.entries), (LogName::Items, &self.items)];
        let mut found = Vec::new();
        for (log, covering) in vouchers {
            for finding in covering.findings(day) {
                let place = (log, self.partition);
                found.push(NewBreak { day: Some(day), ..compare_vouchers::break_of(place, &finding) });
            }
        }
        for (account, flow) in self.flows.each() {
            let (sub, control) = (flow.sub_ledger_micro, flow.control_micro);
            result.flows.insert(account.to_owned(), (sub.to_string(), control.to_string()));
            if sub != control {
                let coins =
                    (sub - control).unsigned_abs() / u128::from(self.micros_per_coin.unsigned_abs().max(1));
                found.push(NewBreak {
                    fact_key: format!("control/{account}/{}/{day}", self.partition),
                    kind: BreakKind::ControlMismatch,
                    logs: "control".to_owned(),
                    coins: i64::try_from(coins).unwrap_or(i64::MAX),
                    evidence: json!({
                        "account": account, "sub_ledger_micro": sub.to_string(),
                        "control_micro": control.to_string(),
                    }),
                    ..self.blank()
                });
            }
        }
        let credits = std::mem::replace(&mut self.credits, Credits::new(day));
        result.credits = credits.matched;
        let (findings, pending) = credits.finish(closed_of_entries);
        result.credits_pending = pending;
        found.extend(findings.iter().map(|finding| self.credit(finding)));
        for fault in &self.roll.faults {
            found.push(NewBreak {
                fact_key: format!("wallet.entries/{}/balance_mismatch/{}", self.partition, fault.seq),
                kind: BreakKind::BalanceMismatch,
                logs: LogName::Entries.as_str().to_owned(),
                order_id: fault.order_id,
                coins: fault.expected.distance(fault.found),
                evidence: json!(fault),
                ..self.blank()
            });
        }
        let totals = self.roll.totals();
        result.opening_coins = totals.opening.to_string();
        result.moved_coins = totals.moved.to_string();
        result.closing_coins = totals.closing.to_string();
        result.accounts = i64::try_from(self.roll.accounts.len()).unwrap_or(i64::MAX);
        self.found.extend(found);
    }

    fn credit(&self, finding: &CreditFinding) -> NewBreak {
        let (kind, coins, evidence, id) = match finding {
            CreditFinding::Missing { payment, refused } => (
                BreakKind::MissingCredit,
                payment.paid_coins.get(),
                json!({ "ours": payment, "refused": refused }),
                payment.payment_id.uuid(),
            ),
            CreditFinding::Extra { entry } => (
                BreakKind::ExtraCredit,
                entry.available.paid_coins.saturating_abs(),
                json!({ "entry": entry }),
                entry.request_id.uuid(),
            ),
            CreditFinding::Differs { payment, entry } => {
                let moved = entry.available.paid_coins;
                let due = match payment.kind {
                    PaymentKind::Recharge => payment.paid_coins.get(),
                    PaymentKind::ChannelRefund => -payment.paid_coins.get(),
                };
                let by = moved.saturating_sub(due).saturating_abs();
                let evidence = json!({ "ours": payment, "entry": entry });
                (BreakKind::AmountMismatch, by, evidence, payment.payment_id.uuid())
            }
        };
        NewBreak {
            fact_key: format!("payments_entries/{}/{}/{id}", self.partition, kind.as_str()),
            kind,
            logs: "payments_entries".to_owned(),
            coins,
            evidence,
            ..self.blank()
        }
    }
}

fn spelled(digest: Digest) -> String {
    format!("{}/{}/{:016x}{:016x}", digest.row_count, digest.coins, digest.hash_high, digest.hash_low)
}
