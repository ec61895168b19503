//! Makes a batch of what was asked for: one line a payee, tax withheld by the rule of the day, nothing changes later.

use crate::app::{Settlement, tell};
use crate::domain::payee_money::PayeeKey;
use crate::domain::payout::{Batch, BatchState, Line, LineState, hash_lines};
use crate::domain::withholding::{WithholdingRule, YearSoFar, withhold};
use crate::error::PayoutError;
use crate::store::payees::Payees;
use crate::store::payout_requests::PayoutRequest;
use crate::store::withholding::OfYear;
use crate::store::{payee_accounts, payout_batches, payout_requests, withholding};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use contracts::payout::PayeeClass;
use ids::{PayoutBatchId, PayoutLineId, Uuid};
use money::MoneyError;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A payee who asked and is in no line, and why. The request stays open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Skipped {
    pub payee: PayeeClass,
    pub payee_id: Uuid,
    pub reason: String,
}

/// A batch as built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BuiltBatch {
    #[serde(flatten)]
    pub batch: Batch,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
}

/// Who builds, and when.
pub(crate) struct Building<'a> {
    pub batch_id: PayoutBatchId,
    pub by: &'a str,
    pub now: DateTime<Utc>,
}

impl Settlement {
    /// Makes a batch of all open requests, up to the limit of lines; once per id.
    ///
    /// # Errors
    /// [`PayoutError::NothingToPayOut`]; [`PayoutError::RuleMissing`].
    pub(crate) async fn build_batch(&self, building: Building<'_>) -> Result<BuiltBatch, PayoutError> {
        if let Some(batch) = payout_batches::find_batch(&self.db, building.batch_id).await? {
            return Ok(BuiltBatch { batch, skipped: Vec::new() });
        }
        let mut tx = self.db.begin().await?;
        match self.build_in_tx(&mut tx, &building).await {
            Ok(built) => {
                tx.commit().await?;
                Ok(built)
            }
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                Err(error)
            }
        }
    }

    async fn build_in_tx(
        &self,
        tx: &mut PgConnection,
        building: &Building<'_>,
    ) -> Result<BuiltBatch, PayoutError> {
        let db = &self.db;
        let day = self.zone.day_of(building.now);
        let limit = i64::from(self.payouts.batch_lines_max);
        let keys = payout_requests::list_payees_in_tx(tx, db, limit).await?;
        // From here on nobody else builds, cancels or pays for these payees.
        let _payees = Payees::lock_in_tx(tx, db, &keys).await?;
        let requests = payout_requests::list_open_in_tx(tx, db, &keys).await?;
        let rules = withholding::rules_in_tx(tx, db, day).await?;
        let years = withholding::year_in_tx(tx, db, &keys, day).await?;
        let accounts = payee_accounts::in_force_in_tx(tx, db, &keys).await?;
        let (mut lines, mut put, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        for (key, of_payee) in by_payee(&requests) {
            let rule = rules.get(&key.class).ok_or(PayoutError::RuleMissing(day))?;
            let gross = of_payee.iter().try_fold(0_i64, |sum, request| sum.checked_add(request.amount_minor));
            let gross = gross.ok_or(MoneyError::Overflow)?;
            let so_far = so_far(years.get(&key), day);
            let mut skip = |reason: &str| {
                skipped.push(Skipped { payee: key.class, payee_id: key.id, reason: reason.to_owned() });
            };
            let Some(account) = accounts.get(&key) else {
                skip("there is no approved account to pay to");
                continue;
            };
            let tax = withhold(&rule.method, so_far, gross)?;
            if tax >= gross {
                skip("the tax takes all of it");
                continue;
            }
            let number = i32::try_from(lines.len()).unwrap_or(i32::MAX).saturating_add(1);
            lines.push((line_of(number, (key, rule), (gross, tax), account), account.account_id.uuid()));
            put.extend(of_payee.iter().map(|request| request.request_id.uuid()));
        }
        let batch = self.batch_of(building, day, &lines)?;
        payout_batches::insert_in_tx(tx, db, &batch, &lines).await?;
        payout_requests::put_in_batch_in_tx(tx, db, building.batch_id, &put).await?;
        trail::append_in_tx(tx, db, vec![tell::built(&batch)], Utc::now()).await?;
        Ok(BuiltBatch { batch, skipped })
    }

    fn batch_of(
        &self,
        building: &Building<'_>,
        day: NaiveDate,
        lines: &[(Line, Uuid)],
    ) -> Result<Batch, PayoutError> {
        if lines.is_empty() {
            return Err(PayoutError::NothingToPayOut);
        }
        let sum = |of: fn(&Line) -> i64| {
            let sum = lines.iter().try_fold(0_i64, |sum, (line, _)| sum.checked_add(of(line)));
            sum.ok_or(MoneyError::Overflow)
        };
        Ok(Batch {
            batch_id: building.batch_id,
            state: BatchState::Built,
            day,
            currency: self.currency.clone(),
            line_count: i32::try_from(lines.len()).unwrap_or(i32::MAX),
            gross_minor: sum(|line| line.gross_minor)?,
            tax_minor: sum(|line| line.tax_minor)?,
            net_minor: sum(|line| line.net_minor)?,
            lines_hash: hash_lines(lines.iter().map(|(line, _)| line)),
            built_by: building.by.to_owned(),
            built_at: building.now,
            approved_by: None,
            submitted_by: None,
        })
    }
}

fn by_payee(requests: &[PayoutRequest]) -> BTreeMap<PayeeKey, Vec<&PayoutRequest>> {
    let mut by_payee: BTreeMap<PayeeKey, Vec<&PayoutRequest>> = BTreeMap::new();
    for request in requests {
        by_payee.entry(request.key()).or_default().push(request);
    }
    by_payee
}

fn so_far(year: Option<&OfYear>, day: NaiveDate) -> YearSoFar {
    match year {
        None => YearSoFar { months: 1, ..YearSoFar::default() },
        Some((gross_minor, tax_minor, first)) => YearSoFar {
            gross_minor: *gross_minor,
            tax_minor: *tax_minor,
            months: day.month().saturating_sub(first.month()) + 1,
        },
    }
}

fn line_of(
    line: i32,
    (key, rule): (PayeeKey, &WithholdingRule),
    (gross_minor, tax_minor): (i64, i64),
    account: &payee_accounts::PayeeAccount,
) -> Line {
    Line {
        line,
        line_id: PayoutLineId::now(),
        state: LineState::Built,
        payee: key.class,
        payee_id: key.id,
        gross_minor,
        tax_minor,
        net_minor: gross_minor - tax_minor,
        rule_id: rule.rule_id,
        holder: account.holder.clone(),
        account_no: account.account_no.clone(),
        bank_code: account.bank_code.clone(),
        reason: None,
    }
}
