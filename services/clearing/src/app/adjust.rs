//! Vouchers that reconciliation asks for, with two people's names or by a match with a bank's statement: checked, and
//! posted by the one writer of the partition's vouchers, in one transaction with the answer.

use super::post_vouchers::Writer;
use crate::config::ChannelAccounts;
use crate::store::adjustments::{By, New};
use crate::store::{account_days, adjustments, closings, periods};
use chrono::{NaiveDate, Utc};
use contracts::digest::body_hash;
use contracts::log::{LogName, Stamp, minute_of};
use contracts::owner::{Adjust, Adjusted, Adjusts, CHANNEL_SETTLEMENT, ClosedDay, OwnerError, SettleChannel};
use contracts::voucher::{Posting, Voucher};
use ids::{Partition, RequestId};
use money::Micros;
use pg::Db;
use seqlog::{AppendError, RolledBack};
use sqlx::PgConnection;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Lines one adjusting voucher may have.
const LINES_MAX: usize = 100;
/// Vouchers that one transaction posts.
const BATCH_MAX: i64 = 100;
/// How long a command waits for the partition's writer before its outcome counts as unknown.
const WAIT_MAX: Duration = Duration::from_millis(1_500);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Clearing as other services ask it.
#[derive(Clone)]
pub struct Owner {
    pub(crate) db: Db,
    /// The accounts of the chart in force.
    pub(crate) accounts: Arc<BTreeSet<String>>,
    /// ISO 4217.
    pub(crate) currency: String,
    pub(crate) channels: ChannelAccounts,
    /// How long looking at one closed day may take: it reads every voucher of the day.
    pub(crate) seal_within: Duration,
}

fn away(error: impl std::fmt::Display) -> OwnerError {
    OwnerError::NoAnswer(error.to_string())
}

fn refused(slug: &str, detail: impl Into<String>) -> OwnerError {
    OwnerError::Refused { slug: slug.to_owned(), detail: detail.into() }
}

impl Owner {
    fn check_people(ask: &Adjust) -> Result<(), OwnerError> {
        if ask.maker_id == ask.checker_id {
            return Err(refused(
                "maker-is-checker",
                "an adjustment is proposed by one and approved by another",
            ));
        }
        Ok(())
    }

    /// The voucher of a channel's payment to us: off what the channel owed, to the bank, and the rest is its fee.
    fn lines_of(&self, ask: &SettleChannel) -> Result<Vec<Posting>, OwnerError> {
        if ask.currency != self.currency {
            let detail = format!("the statement is in {}, the books are in {}", ask.currency, self.currency);
            return Err(refused("other-currency", detail));
        }
        let too_large = |_| refused("amount-too-large", "an amount is out of range");
        let (gross, net) = (Micros::of_minor(ask.gross_minor), Micros::of_minor(ask.net_minor));
        let (gross, net) = (gross.map_err(too_large)?, net.map_err(too_large)?);
        let fee = gross.checked_sub(net).map_err(too_large)?;
        let owed = gross.checked_neg().map_err(too_large)?;
        let ChannelAccounts { receivable, bank, fee: fees } = &self.channels;
        let lines = [(bank, net), (fees, fee), (receivable, owed)].into_iter();
        lines
            .filter_map(|(account, micro)| line_of(account, micro).transpose())
            .collect::<Result<_, _>>()
            .map_err(too_large)
    }

    fn check(&self, ask: &New<'_>) -> Result<(), OwnerError> {
        if ask.reason.trim().is_empty() {
            return Err(refused("reason-missing", "an adjustment says why"));
        }
        if !is_balanced(ask.lines) {
            return Err(refused(
                "voucher-unbalanced",
                "the lines do not balance, or are too few or too many",
            ));
        }
        match ask.lines.iter().find(|line| !self.accounts.contains(&line.account)) {
            Some(line) => {
                Err(refused("no-such-account", format!("the chart has no account {}", line.account)))
            }
            None => Ok(()),
        }
    }

    async fn is_known(&self, request_id: RequestId) -> Result<bool, OwnerError> {
        Ok(adjustments::find(&self.db, request_id).await.map_err(away)?.is_some())
    }

    async fn keep(&self, new: &New<'_>) -> Result<(), OwnerError> {
        self.check(new)?;
        match adjustments::insert_if_new(&self.db, new).await {
            Err(error) if pg::is_constraint(&error) => Err(refused("adjustment-refused", error.to_string())),
            inserted => inserted.map_err(away),
        }
    }

    /// Waits for the partition's writer to post what is kept.
    async fn posted(&self, request_id: RequestId, hash: i64) -> Result<Adjusted, OwnerError> {
        let began = tokio::time::Instant::now();
        loop {
            match adjustments::find(&self.db, request_id).await.map_err(away)? {
                Some(known) if known.body_hash != hash => {
                    return Err(refused("request-reused", "this id came before with another voucher"));
                }
                Some(adjustments::Known { posted: Some(posted), .. }) => return Ok(posted),
                Some(_) | None if began.elapsed() >= WAIT_MAX => {
                    return Err(away("the partition's writer has not posted it yet"));
                }
                Some(_) | None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }
}

/// An amount on the side that its sign says; nothing for zero.
fn line_of(account: &str, micro: Micros) -> Result<Option<Posting>, money::MoneyError> {
    let zero = Micros::ZERO;
    let (debit, credit) = match micro.cmp(&zero) {
        Ordering::Less => (zero, micro.checked_neg()?),
        Ordering::Equal => return Ok(None),
        Ordering::Greater => (micro, zero),
    };
    Ok(Some(Posting { account: account.to_owned(), debit, credit }))
}

/// One side above zero in each line, and as much on the one as on the other.
fn is_balanced(lines: &[Posting]) -> bool {
    let one_sided = |line: &Posting| {
        (line.debit > Micros::ZERO && line.credit == Micros::ZERO)
            || (line.debit == Micros::ZERO && line.credit > Micros::ZERO)
    };
    let sum: i128 =
        lines.iter().map(|line| i128::from(line.debit.get()) - i128::from(line.credit.get())).sum();
    (2..=LINES_MAX).contains(&lines.len()) && lines.iter().all(one_sided) && sum == 0
}

#[async_trait::async_trait]
impl Adjusts for Owner {
    async fn adjust(&self, ask: Adjust) -> Result<Adjusted, OwnerError> {
        let hash = body_hash(&ask);
        if !self.is_known(ask.request_id).await? {
            Owner::check_people(&ask)?;
            let Adjust { break_id, maker_id, checker_id, .. } = ask;
            let new = New {
                request_id: ask.request_id,
                body_hash: hash,
                rule: ask.purpose.rule(),
                by: By::People { break_id, maker_id, checker_id },
                day: ask.day,
                reason: &ask.reason,
                lines: &ask.lines,
            };
            self.keep(&new).await?;
        }
        self.posted(ask.request_id, hash).await
    }

    async fn settle_channel(&self, ask: SettleChannel) -> Result<Adjusted, OwnerError> {
        let hash = body_hash(&ask);
        if !self.is_known(ask.request_id).await? {
            let lines = self.lines_of(&ask)?;
            let new = New {
                request_id: ask.request_id,
                body_hash: hash,
                rule: CHANNEL_SETTLEMENT,
                by: By::Match(ask.match_id),
                day: ask.day,
                reason: &ask.reason,
                lines: &lines,
            };
            self.keep(&new).await?;
        }
        self.posted(ask.request_id, hash).await
    }

    async fn find_adjusted(&self, request_id: RequestId) -> Result<Option<Adjusted>, OwnerError> {
        let known = adjustments::find(&self.db, request_id).await.map_err(away)?;
        Ok(known.and_then(|known| known.posted))
    }

    async fn look_at_closed_day(&self, before: NaiveDate) -> Result<Option<ClosedDay>, OwnerError> {
        let looked = closings::look_at_closed(&self.db, before, (1, self.seal_within)).await;
        Ok(looked.map_err(away)?.pop())
    }

    async fn list_changed_balances(&self, before: NaiveDate) -> Result<Vec<NaiveDate>, OwnerError> {
        closings::list_changed_balances(&self.db, before, self.seal_within).await.map_err(away)
    }
}

impl Writer {
    /// Posts what was asked for in the partitions this node writes.
    ///
    /// # Errors
    /// Whatever the database says; called again, it goes on.
    pub async fn post_adjustments(&mut self) -> Result<(), sqlx::Error> {
        self.settle().await?;
        let held: Vec<Partition> = self.appender.partitions().collect();
        if held.is_empty() || !adjustments::is_any_due(&self.db, &held).await? {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        match self.post_adjustments_in_tx(&mut tx, &held).await {
            Ok(()) => match tx.commit().await {
                Ok(()) => {
                    self.committed();
                    Ok(())
                }
                Err(error) => {
                    self.rolled_back(&held, RolledBack::Unknown).await;
                    Err(error)
                }
            },
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                self.rolled_back(&held, RolledBack::Certainly).await;
                match error {
                    AppendError::Deposed(lost) => {
                        self.appender.drop_partitions(&lost);
                        Ok(())
                    }
                    AppendError::Db(error) => Err(error),
                }
            }
        }
    }

    async fn post_adjustments_in_tx(
        &mut self,
        tx: &mut PgConnection,
        held: &[Partition],
    ) -> Result<(), AppendError> {
        let due = adjustments::list_due_in_tx(tx, &self.db, held, BATCH_MAX).await?;
        let clock = Utc::now();
        let mut vouchers = Vec::new();
        for one in &due {
            let posted_day = periods::lock_adjustment_day_in_tx(tx, &self.db, one.day).await?;
            let now = self.appender.head(one.partition).map_or(clock, |head| head.now(clock));
            let stamp = Stamp {
                partition: one.partition,
                seq: 0,
                epoch: 0,
                decided_at: now,
                minute: minute_of(now),
                day: one.day,
                origin_seq: one.adjustment_no,
            };
            vouchers.push(Voucher {
                stamp,
                rule: one.rule.clone(),
                source: LogName::Vouchers,
                from_seq: one.adjustment_no,
                to_seq: one.adjustment_no,
                posted_day,
                row_count: 1,
                coins: 0,
                postings: one.postings.clone(),
            });
        }
        account_days::add_in_tx(tx, &self.db, &vouchers).await?;
        self.appender.append(tx, vouchers).await?;
        let rows = self.appender.planned().iter().flat_map(|(_, rows)| rows);
        let posted = rows.filter_map(|voucher| {
            let of = due.iter().find(|one| one.adjustment_no == voucher.from_seq)?;
            Some((of.request_id, voucher.stamp.seq, voucher.posted_day))
        });
        let posted: Vec<_> = posted.collect();
        Ok(adjustments::end_in_tx(tx, &self.db, &posted).await?)
    }
}
