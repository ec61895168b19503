//! A batch's way: another person approves it, its file goes to the bank, and the bank says line by line what it did.
//! Every step again changes nothing.

use crate::app::{Settlement, tell};
use crate::domain::payee_money::{MoneyEvent, PayeeKey};
use crate::domain::payout::{Batch, BatchState, BatchStep, Line, LineState, Outcome, PayoutFile};
use crate::error::PayoutError;
use crate::store::payees::Payees;
use crate::store::{payout_batches, payout_requests};
use chrono::Utc;
use ids::{PayoutBatchId, PayoutLineId};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The most lines one confirmation names.
pub const CONFIRM_LINES_MAX: usize = 1_000;

/// The most batches one list answers.
pub const BATCHES_PAGE_MAX: u16 = 200;

/// What the bank says of one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    pub line_id: PayoutLineId,
    pub outcome: Outcome,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a confirmation changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Confirmed {
    pub paid: usize,
    pub rejected: usize,
    /// The bank had said so before.
    pub unchanged: usize,
    pub batch: Batch,
}

impl Settlement {
    /// Takes one step of a batch and answers the batch with its lines.
    ///
    /// # Errors
    /// [`PayoutError::OwnWork`]: whoever built it cannot approve it. [`PayoutError::WrongState`].
    pub(crate) async fn pass_batch(
        &self,
        batch_id: PayoutBatchId,
        step: BatchStep,
        by: &str,
    ) -> Result<PayoutFile, PayoutError> {
        let mut tx = self.db.begin().await?;
        match self.pass_in_tx(&mut tx, batch_id, step, by).await {
            Ok(file) => {
                tx.commit().await?;
                Ok(file)
            }
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                Err(error)
            }
        }
    }

    async fn pass_in_tx(
        &self,
        tx: &mut PgConnection,
        batch_id: PayoutBatchId,
        step: BatchStep,
        by: &str,
    ) -> Result<PayoutFile, PayoutError> {
        let batch = payout_batches::lock_batch_in_tx(tx, &self.db, batch_id).await?;
        let batch = batch.ok_or(PayoutError::NotFound("batch"))?;
        let from = batch.state;
        let to = from.after(step).ok_or(PayoutError::WrongState(from))?;
        if from == to {
            return self.file_in_tx(tx, batch_id).await;
        }
        match step {
            BatchStep::Approve if batch.built_by == by => return Err(PayoutError::OwnWork),
            BatchStep::Approve | BatchStep::Confirm => {}
            BatchStep::Submit => self.submit_in_tx(tx, batch_id).await?,
            BatchStep::Discard => {
                let states = (LineState::Built, LineState::Discarded);
                payout_batches::move_lines_in_tx(tx, &self.db, batch_id, states).await?;
                payout_requests::reopen_in_tx(tx, &self.db, batch_id).await?;
            }
        }
        payout_batches::move_batch_in_tx(tx, &self.db, batch_id, (from, to), by).await?;
        trail::append_in_tx(tx, &self.db, vec![tell::passed(batch_id, step, by)], Utc::now()).await?;
        self.file_in_tx(tx, batch_id).await
    }

    /// The money of every line is at the bank from here on.
    async fn submit_in_tx(&self, tx: &mut PgConnection, batch_id: PayoutBatchId) -> Result<(), PayoutError> {
        let lines = payout_batches::list_lines_in_tx(tx, &self.db, batch_id).await?;
        let keys: Vec<PayeeKey> = lines.iter().map(key_of).collect();
        let mut payees = Payees::lock_in_tx(tx, &self.db, &keys).await?;
        for line in &lines {
            let event = MoneyEvent::Submit { net_minor: line.net_minor, tax_minor: line.tax_minor };
            payees.apply(key_of(line), event, &line.line_id.to_string())?;
        }
        payees.store_in_tx(tx, &self.db).await?;
        let states = (LineState::Built, LineState::Submitted);
        payout_batches::move_lines_in_tx(tx, &self.db, batch_id, states).await?;
        Ok(())
    }

    async fn file_in_tx(
        &self,
        tx: &mut PgConnection,
        batch_id: PayoutBatchId,
    ) -> Result<PayoutFile, PayoutError> {
        let batch = payout_batches::lock_batch_in_tx(tx, &self.db, batch_id).await?;
        let batch = batch.ok_or(PayoutError::NotFound("batch"))?;
        Ok(PayoutFile { lines: payout_batches::list_lines_in_tx(tx, &self.db, batch_id).await?, batch })
    }

    /// One batch as it is now, with its lines after one of them, at most `limit`.
    ///
    /// # Errors
    /// [`PayoutError::NotFound`].
    pub(crate) async fn batch_page(
        &self,
        batch_id: PayoutBatchId,
        after: i32,
        limit: i64,
    ) -> Result<PayoutFile, PayoutError> {
        let batch = payout_batches::find_batch(&self.db, batch_id).await?;
        let batch = batch.ok_or(PayoutError::NotFound("batch"))?;
        Ok(PayoutFile {
            lines: payout_batches::list_lines_after(&self.db, batch_id, after, limit).await?,
            batch,
        })
    }

    /// One batch with all its lines, as it is now.
    async fn batch(&self, batch_id: PayoutBatchId) -> Result<PayoutFile, PayoutError> {
        let mut tx = self.db.begin().await?;
        let file = self.file_in_tx(&mut tx, batch_id).await;
        let _ = tx.rollback().await; // Nothing was written.
        file
    }

    /// The file of a batch that was submitted.
    ///
    /// # Errors
    /// [`PayoutError::WrongState`] before it was; [`PayoutError::NotFound`].
    pub(crate) async fn submitted(&self, batch_id: PayoutBatchId) -> Result<PayoutFile, PayoutError> {
        let file = self.batch(batch_id).await?;
        match file.batch.state {
            BatchState::Submitted | BatchState::Confirmed => Ok(file),
            state @ (BatchState::Built | BatchState::Approved | BatchState::Discarded) => {
                Err(PayoutError::WrongState(state))
            }
        }
    }

    /// Batches in one state, or in any, newest first, before one of them.
    ///
    /// # Errors
    /// [`PayoutError`].
    pub(crate) async fn list_batches(
        &self,
        state: Option<BatchState>,
        before: Option<PayoutBatchId>,
    ) -> Result<Vec<Batch>, PayoutError> {
        Ok(payout_batches::list_batches(&self.db, state, before, i64::from(BATCHES_PAGE_MAX)).await?)
    }

    /// Records what the bank says of some lines: all of it, or nothing where one cannot be.
    ///
    /// # Errors
    /// [`PayoutError::NotFound`]: no such batch, or a line that is not its. [`PayoutError::LineEnded`]: the bank said
    /// otherwise before. [`PayoutError::WrongState`].
    pub(crate) async fn confirm_lines(
        &self,
        batch_id: PayoutBatchId,
        words: &[Confirmation],
        by: &str,
    ) -> Result<Confirmed, PayoutError> {
        let mut tx = self.db.begin().await?;
        match self.confirm_in_tx(&mut tx, batch_id, words, by).await {
            Ok(confirmed) => {
                tx.commit().await?;
                Ok(confirmed)
            }
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                Err(error)
            }
        }
    }

    async fn confirm_in_tx(
        &self,
        tx: &mut PgConnection,
        batch_id: PayoutBatchId,
        words: &[Confirmation],
        by: &str,
    ) -> Result<Confirmed, PayoutError> {
        let batch = payout_batches::lock_batch_in_tx(tx, &self.db, batch_id).await?;
        let batch = batch.ok_or(PayoutError::NotFound("batch"))?;
        if batch.state.after(BatchStep::Confirm).is_none() {
            return Err(PayoutError::WrongState(batch.state));
        }
        let lines = payout_batches::list_lines_in_tx(tx, &self.db, batch_id).await?;
        let mut lines: BTreeMap<PayoutLineId, Line> =
            lines.into_iter().map(|line| (line.line_id, line)).collect();
        let (mut ended, mut unchanged) = (Vec::new(), 0);
        for word in words {
            let line = lines.get_mut(&word.line_id).ok_or(PayoutError::NotFound("line"))?;
            let ended_before = PayoutError::LineEnded { line: line.line, state: line.state };
            let state = line.state.after(word.outcome).ok_or(ended_before)?;
            if state == line.state {
                unchanged += 1;
                continue;
            }
            let reason = word.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
            if state == LineState::Rejected && reason.is_none() {
                return Err(PayoutError::ReasonMissing(line.line));
            }
            line.state = state;
            line.reason = reason.filter(|_| state == LineState::Rejected).map(str::to_owned);
            ended.push(line.clone());
        }
        self.end_in_tx(tx, batch_id, &ended).await?;
        let mut told = Vec::new();
        if !ended.is_empty() {
            told.push(tell::lines_ended(batch_id, &ended, by));
        }
        if batch.state == BatchState::Submitted
            && !payout_batches::is_any_line_open_in_tx(tx, &self.db, batch_id).await?
        {
            let states = (BatchState::Submitted, BatchState::Confirmed);
            payout_batches::move_batch_in_tx(tx, &self.db, batch_id, states, by).await?;
            told.push(tell::passed(batch_id, BatchStep::Confirm, by));
        }
        trail::append_in_tx(tx, &self.db, told, Utc::now()).await?;
        let batch = payout_batches::lock_batch_in_tx(tx, &self.db, batch_id).await?;
        let batch = batch.ok_or(PayoutError::NotFound("batch"))?;
        let paid = ended.iter().filter(|line| line.state == LineState::Paid).count();
        Ok(Confirmed { paid, rejected: ended.len() - paid, unchanged, batch })
    }

    async fn end_in_tx(
        &self,
        tx: &mut PgConnection,
        batch_id: PayoutBatchId,
        ended: &[Line],
    ) -> Result<(), PayoutError> {
        let keys: Vec<PayeeKey> = ended.iter().map(key_of).collect();
        let mut payees = Payees::lock_in_tx(tx, &self.db, &keys).await?;
        for line in ended {
            let (net_minor, tax_minor) = (line.net_minor, line.tax_minor);
            let event = match line.state {
                LineState::Rejected => MoneyEvent::Reject { net_minor, tax_minor },
                LineState::Built | LineState::Submitted | LineState::Paid | LineState::Discarded => {
                    MoneyEvent::Pay { net_minor }
                }
            };
            payees.apply(key_of(line), event, &line.line_id.to_string())?;
        }
        payees.store_in_tx(tx, &self.db).await?;
        let rows: Vec<_> = ended.iter().map(|line| (line.line, line.state, line.reason.clone())).collect();
        payout_batches::end_lines_in_tx(tx, &self.db, batch_id, &rows).await?;
        Ok(())
    }
}

fn key_of(line: &Line) -> PayeeKey {
    PayeeKey { class: line.payee, id: line.payee_id }
}
