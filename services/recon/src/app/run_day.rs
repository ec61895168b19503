//! The daily run: its steps in order, each done once, whatever ends the program between two of them.
//!
//! A step reads first, outside any transaction; what it keeps for later days is kept under constraints that make
//! keeping it again no change; what it found and that it is done commit together.

use super::act_on_break::Desk;
use super::closed_days::{CLOSINGS, look_back};
use super::compare_day::{DayCheck, DayOfPartition};
use super::compare_minutes::report as say_found;
use super::daily_error::DailyError;
use super::match_bills::BillMatching;
use super::run_desk::{Left, Standing};
use crate::domain::bill_findings::logs_of;
use crate::domain::bill_line::{BillScope, PayoutSettings, WithdrawalSettings, movements_of};
use crate::domain::break_kind::BreakKind;
use crate::domain::break_state::{BreakState, BreakStep};
use crate::domain::controls::{FaceValue, face_value};
use crate::domain::day::DayBounds;
use crate::domain::effect::VoucherRules;
use crate::domain::report::{BillsResult, FindingLine, LogsResult, report};
use crate::domain::roll_forward::RollForward;
use crate::store::breaks::{BreakView, ClosedWhy, NewBreak};
use crate::store::day_lines::{self, Closings};
use crate::store::found_breaks::{self, OpenOf};
use crate::store::marks;
use crate::store::matches;
use crate::store::payout_lines;
use crate::store::runs::{self, Run, RunState, Step, StepKind};
use chrono::{Days, NaiveDate, Utc};
use contracts::log::{AccountingZone, LogName};
use ids::{Partition, Uuid, ViewerId, named_id, partition_of};
use pg::Db;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Open breaks of earlier runs that one step looks at.
const OPEN_MAX: i64 = 10_000;

/// Payments that are gone and named by one step.
const GONE_MAX: i64 = 1_000;

/// Who asks for runs by the schedule.
pub const SCHEDULE: &str = "recon";

/// What daily runs need.
#[derive(Clone)]
pub struct Daily {
    pub db: Db,
    pub desk: Desk,
    pub rules: Arc<VoucherRules>,
    pub zone: AccountingZone,
    pub face_values: Vec<FaceValue>,
    pub lag_days: u16,
    pub payouts: PayoutSettings,
    pub withdrawals: Arc<[WithdrawalSettings]>,
    pub expected_statements: Arc<[String]>,
}

/// A step that was computed and is to be stored.
pub struct Computed {
    step: Step,
    rows: i64,
    result: Value,
    found: Vec<NewBreak>,
}

impl Daily {
    /// Asks for a run of a day, once per id.
    ///
    /// # Errors
    /// [`DailyError::DayOutOfRange`], [`DailyError::RunReused`], and whatever the database says.
    pub async fn ask(&self, run_id: Uuid, day: NaiveDate, by: &str) -> Result<Run, DailyError> {
        let today = self.zone.day_of(Utc::now());
        if day > today || DayBounds::of(day, self.zone).is_none() {
            return Err(DailyError::DayOutOfRange);
        }
        runs::insert(&self.db, run_id, day, by).await?;
        let run = runs::find(&self.db, run_id).await?.ok_or(DailyError::NoSuchRun(run_id))?;
        if run.day == day { Ok(run) } else { Err(DailyError::RunReused) }
    }

    /// The run of the schedule for a day: one, however often it is asked for.
    ///
    /// # Errors
    /// As [`Daily::ask`].
    pub async fn ask_by_schedule(&self, day: NaiveDate) -> Result<Run, DailyError> {
        self.ask(named_id("recon-run", &format!("schedule/{day}")), day, SCHEDULE).await
    }

    /// The matching of a day's bills.
    ///
    /// # Errors
    /// [`DailyError::DayOutOfRange`], [`DailyError::NoFaceValue`].
    pub fn matching(&self, day: NaiveDate) -> Result<BillMatching<'_>, DailyError> {
        if DayBounds::of(day, self.zone).is_none() {
            return Err(DailyError::DayOutOfRange);
        }
        let micros_per_coin = face_value(&self.face_values, day).ok_or(DailyError::NoFaceValue(day))?;
        Ok(BillMatching {
            db: &self.db,
            day,
            lag_days: self.lag_days,
            micros_per_coin,
            payout_bank: &self.payouts.bank,
            withdrawals: &self.withdrawals,
            expected_statements: &self.expected_statements,
        })
    }

    /// Computes the next step of a run; `None` where all are done. Writes only what is kept for later days.
    ///
    /// # Errors
    /// [`DailyError`]; the step is to be taken.
    pub async fn compute(&self, run: &Run) -> Result<Option<Computed>, DailyError> {
        if run.state == RunState::Queued {
            runs::start(&self.db, run.run_id, Utc::now()).await?;
        }
        let Some(step) = runs::find_next_step(&self.db, run.run_id).await? else { return Ok(None) };
        let bounds = DayBounds::of(run.day, self.zone).ok_or(DailyError::DayOutOfRange)?;
        match step.kind {
            StepKind::Logs(partition) => self.logs(step, bounds, partition).await.map(Some),
            StepKind::Bills => self.bills(step, run.day).await.map(Some),
        }
    }

    /// Stores a step: its breaks, and that it is done.
    ///
    /// # Errors
    /// Whatever the database says; the step is to be taken.
    pub async fn store(&self, run: &Run, computed: Computed) -> Result<(), DailyError> {
        let Computed { step, rows, result, found } = computed;
        let now = Utc::now();
        let mut tx = self.db.begin().await?;
        let of = (run.run_id, step.step_no);
        if !runs::end_step_in_tx(&mut tx, &self.db, of, (rows, &result)).await? {
            return Ok(tx.rollback().await?); // Another node was first.
        }
        let severities = &self.desk.severities;
        let new = found_breaks::record_in_tx(&mut tx, &self.db, &found, severities, now).await?;
        tx.commit().await?;
        let partition = match step.kind {
            StepKind::Logs(partition) => partition,
            StepKind::Bills => partition_of(Uuid::nil()),
        };
        say_found(&new, "daily", partition);
        Ok(())
    }

    /// Makes the report of a run whose steps are all done.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn finish(&self, run: &Run) -> Result<(), DailyError> {
        let logs: Vec<LogsResult> = read_results(&self.db, run.run_id, "logs").await?;
        let bills: Vec<BillsResult> = read_results(&self.db, run.run_id, "bills").await?;
        let text = report(run.day, &logs, &bills.into_iter().next().unwrap_or_default());
        let sha256: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        runs::finish(&self.db, run.run_id, (&text, sha256), Utc::now()).await?;
        metrics::counter!("largesse_recon_runs_total", "outcome" => "done").increment(1);
        tracing::info!(run_id = %run.run_id, day = %run.day, "a day is reconciled");
        Ok(())
    }

    async fn logs(
        &self,
        step: Step,
        bounds: DayBounds,
        partition: Partition,
    ) -> Result<Computed, DailyError> {
        let check = DayCheck {
            db: &self.db,
            sources: &self.desk.sources,
            rules: &self.rules,
            face_values: &self.face_values,
            bounds,
            is_over: bounds.before <= Utc::now(),
            compared: marks::list_progress(&self.db).await?,
        };
        let is_over = check.is_over;
        let DayOfPartition { mut result, mut found, payments, payouts, roll } = check.run(partition).await?;
        let moved: Vec<_> =
            payouts.iter().flat_map(|payout| movements_of(payout, &self.payouts.currency)).collect();
        payout_lines::keep(&self.db, &moved).await?;
        let lines: Vec<_> = payments
            .iter()
            .map(|payment| (payment.payment_id.uuid(), day_lines::line_of(payment, self.zone)))
            .collect();
        for (now, before) in day_lines::keep_payments(&self.db, &lines).await? {
            found.push(payment_changed(
                bounds.day,
                partition,
                &now.payment_id,
                json!({ "ours": now, "was": before }),
            ));
        }
        let here: Vec<Uuid> = lines.iter().map(|(id, _)| *id).collect();
        for gone in day_lines::list_gone(&self.db, (partition, bounds.day), &here, GONE_MAX).await? {
            let evidence = json!({ "ours": null, "was": gone });
            found.push(payment_changed(bounds.day, partition, &gone.payment_id, evidence));
        }
        found.extend(self.openings((partition, bounds.day), &roll, &mut result).await?);
        if is_over {
            day_lines::keep_closings(&self.db, (partition, bounds.day), &roll.accounts).await?;
        }
        self.clear((bounds.day, bounds.day), OpenOf::Partition(partition), |fact, _| {
            !found.iter().any(|found| found.fact_key == fact)
        })
        .await?;
        result.findings = lines_of(&found);
        let rows = result.rows.values().sum();
        Ok(Computed { step, rows, result: as_value(&result)?, found })
    }

    /// Compares what accounts opened with to what an earlier day closed with, and what they closed with to what an
    /// earlier run of this day kept.
    async fn openings(
        &self,
        (partition, day): (Partition, NaiveDate),
        roll: &RollForward,
        result: &mut LogsResult,
    ) -> Result<Vec<NewBreak>, DailyError> {
        let accounts: Vec<ViewerId> = roll.accounts.keys().copied().collect();
        let before = day_lines::list_closings(&self.db, Closings::Before, &accounts, day).await?;
        let kept = day_lines::list_closings(&self.db, Closings::Of, &accounts, day).await?;
        let mut found = Vec::new();
        let mut push = |account: ViewerId, what: &str, coins: i64, evidence: Value| {
            found.push(NewBreak {
                fact_key: format!("wallet.entries/{partition}/balance_mismatch/{day}/{account}/{what}"),
                kind: BreakKind::BalanceMismatch,
                logs: LogName::Entries.as_str().to_owned(),
                partition,
                minute: None,
                order_id: None,
                coins,
                evidence,
                day: Some(day),
            });
        };
        for (account, of_day) in &roll.accounts {
            let evidence = |then: &Value| {
                json!({ "account_id": account, "seq": of_day.first_seq, "opening": of_day.opening,
                        "closing": of_day.closing, "kept": then })
            };
            match before.get(account) {
                // Days in between may not have been run: then the newest closing says nothing of this opening.
                Some(closing) if closing.last_seq == of_day.before_seq => {
                    result.openings_proven += 1;
                    if closing.balances != of_day.opening {
                        let coins = closing.balances.distance(of_day.opening);
                        push(*account, "opening", coins, evidence(&json!(closing.balances)));
                    }
                }
                None if of_day.before_seq == 0 => {
                    result.openings_proven += 1;
                    let coins = of_day.opening.distance(Default::default());
                    if coins != 0 {
                        push(*account, "opening", coins, evidence(&Value::Null));
                    }
                }
                Some(_) | None => result.openings_taken += 1,
            }
            if let Some(closing) = kept.get(account)
                && (closing.balances, closing.last_seq) != (of_day.closing, of_day.last_seq)
            {
                let coins = closing.balances.distance(of_day.closing);
                push(*account, "closing", coins, evidence(&json!(closing.balances)));
            }
        }
        Ok(found)
    }

    async fn bills(&self, step: Step, day: NaiveDate) -> Result<Computed, DailyError> {
        let matching = self.matching(day)?;
        let (mut result, mut found, mut rows) = (BillsResult::default(), Vec::new(), 0);
        for (place, files) in matching.places().await? {
            let matched = matching.run(&place, &files).await?;
            matches::replace(&self.db, (place.0, &place.1, day), &matched.matches).await?;
            if place.0 == BillScope::Bank {
                matching.keep_settlements(&place.1, &matched.paid).await?;
            }
            let logs = logs_of(place.0, &place.1);
            let first = day.checked_sub_days(Days::new(u64::from(self.lag_days))).unwrap_or(day);
            let is_found: BTreeSet<&str> =
                matched.found.iter().map(|found| found.fact_key.as_str()).collect();
            self.clear((first, day), OpenOf::Channel(&logs), |fact, open| {
                let is_matched = rows_in(&open.evidence).iter().all(|row| matched.matched_rows.contains(row));
                match open.day == Some(day) {
                    true => !is_found.contains(fact),
                    false if let Some(is_explained) = matched.fees.explain(fact, open.day) => is_explained,
                    false => open.kind != BreakKind::MissingBill && is_matched,
                }
            })
            .await?;
            rows += matched.result.ours_count.saturating_add(matched.result.theirs_count);
            result.channels.push(matched.result);
            found.extend(matched.found);
        }
        matching.keep_fees().await?;
        let back = look_back(&*self.desk.commands, day).await?;
        result.closed_days = back.looked;
        self.clear((back.since, day), OpenOf::Channel(CLOSINGS), |fact, _| {
            !back.found.iter().any(|changed| changed.fact_key == fact)
        })
        .await?;
        found.extend(back.found);
        if found.len() > super::daily_error::FINDINGS_MAX {
            let max = super::daily_error::FINDINGS_MAX;
            return Err(DailyError::TooMany { what: "differences with bills", max });
        }
        result.findings = lines_of(&found);
        Ok(Computed { step, rows, result: as_value(&result)?, found })
    }

    /// Closes breaks of earlier runs that are no differences any more.
    async fn clear(
        &self,
        days: (NaiveDate, NaiveDate),
        of: OpenOf<'_>,
        is_gone: impl Fn(&str, &BreakView) -> bool,
    ) -> Result<(), DailyError> {
        for (fact, open) in found_breaks::list_open(&self.db, days, of, OPEN_MAX).await? {
            if !is_gone(&fact, &open) {
                continue;
            }
            let step = if open.state == BreakState::Posted { BreakStep::Close } else { BreakStep::Clear };
            let left = Left { closed: Some(ClosedWhy::LogsAgree), ..Left::default() };
            let body = json!({ "why": ClosedWhy::LogsAgree });
            // Not taken where somebody takes another step at this moment: the next run looks again.
            match self.desk.step(Standing::from(&open), step, left, body).await {
                Ok(_) => tracing::info!(break_id = %open.break_id, "a daily run found a break gone"),
                Err(error) => tracing::warn!(break_id = %open.break_id, %error, "a break was not cleared"),
            }
        }
        Ok(())
    }
}

/// The ids of the rows that a break about bills is about.
fn rows_in(evidence: &Value) -> Vec<String> {
    let ids = |side: &str, id: &'static str| {
        let rows = evidence.get(side).and_then(Value::as_array).cloned().unwrap_or_default();
        rows.into_iter().filter_map(move |row| row.get(id).and_then(Value::as_str).map(str::to_owned))
    };
    ids("ours", "payment_id").chain(ids("theirs", "row_id")).collect()
}

fn payment_changed(day: NaiveDate, partition: Partition, payment_id: &str, evidence: Value) -> NewBreak {
    NewBreak {
        fact_key: format!("cashier.payments/{partition}/payment_changed/{payment_id}"),
        kind: BreakKind::PaymentChanged,
        logs: LogName::Payments.as_str().to_owned(),
        partition,
        minute: None,
        order_id: None,
        coins: evidence.pointer("/was/paid_coins").and_then(Value::as_i64).unwrap_or_default(),
        evidence,
        day: Some(day),
    }
}

fn lines_of(found: &[NewBreak]) -> Vec<FindingLine> {
    let line = |found: &NewBreak| FindingLine {
        kind: found.kind.as_str().to_owned(),
        fact: found.fact_key.clone(),
        coins: found.coins,
        order_id: found.order_id,
        evidence: found.evidence.clone(),
    };
    found.iter().map(line).collect()
}

fn as_value<T: Serialize>(value: &T) -> Result<Value, DailyError> {
    serde_json::to_value(value).map_err(|error| DailyError::Db(sqlx::Error::Decode(error.into())))
}

/// What a run's steps of a kind found.
///
/// # Errors
/// Whatever the database says.
pub async fn read_results<T: DeserializeOwned>(
    db: &Db,
    run_id: Uuid,
    kind: &'static str,
) -> Result<Vec<T>, DailyError> {
    let results = runs::list_results(db, run_id, kind).await?;
    let read = results.into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
    read.map_err(|error| DailyError::Db(sqlx::Error::Decode(error.into())))
}
