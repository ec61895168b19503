//! Statements: final ones are stored when their day is closed in every partition; others are previews.

use crate::app::Settlement;
use crate::domain::earning::{Earning, Payee};
use crate::domain::statement::{Statement, state};
use crate::error::StatementError;
use crate::store::{book, earnings, statements};
use chrono::NaiveDate;
use contracts::log::AccountingZone;
use contracts::payout::PayeeClass;
use ids::Uuid;
use money::{MICROS_PER_MINOR, Micros};
use pg::Db;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether a statement can still change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatementStatus {
    Final,
    Preview,
}

impl Settlement {
    /// One payee's day.
    ///
    /// # Errors
    /// [`StatementError`].
    pub(crate) async fn statement(
        &self,
        payee: Payee,
        day: NaiveDate,
    ) -> Result<(Statement, StatementStatus), StatementError> {
        // A day's statements are stored after its sealing, so this order never calls a growing day final.
        let sealed_day = book::read_state(&self.db).await?.sealed_day;
        if let Some(stored) = statements::find_statement(&self.db, payee, day).await? {
            return Ok((stored, StatementStatus::Final));
        }
        let earning = earnings::find_of_day(&self.db, payee, day).await?;
        let before = statements::find_carry(&self.db, payee, day).await?;
        let (since, carry) = before.map_or((None, Micros::ZERO), |(since, carry)| (Some(since), carry));
        let unstated = earnings::net_between(&self.db, payee, since, day).await?;
        // Days in between will be rounded one by one; what they carry in the end is the rest of their sum.
        let carry_in = carry.checked_add(unstated)?.get().rem_euclid(MICROS_PER_MINOR);
        let is_final = earning.is_none() && day <= sealed_day;
        let statement = state(earning.unwrap_or_default(), Micros::new(carry_in))?;
        Ok((statement, if is_final { StatementStatus::Final } else { StatementStatus::Preview }))
    }
}

/// Seals every day that is closed in all partitions, then makes the statements of each, oldest first. Stopping
/// anywhere loses nothing: what is stored is the same the next time. Returns how many days were finished.
///
/// # Errors
/// [`StatementError`]; the next call goes on.
pub(crate) async fn finalise_closed_days(
    db: &Db,
    zone: AccountingZone,
    statements_per_batch: u32,
) -> Result<u32, StatementError> {
    let Some(closed_until) = statements::find_closed_until(db).await? else { return Ok(0) };
    // Rows decided from `closed_until` on may still come, so its own day is open.
    let Some(last) = zone.day_of(closed_until).pred_opt() else { return Ok(0) };
    if book::read_state(db).await?.sealed_day < last {
        book::seal(db, last).await?;
    }
    let mut finished = 0;
    while let Some(day) = statements::find_next_day(db, last).await? {
        let mut after = (0, Uuid::nil());
        while let Some(next) = finalise_payees(db, day, after, statements_per_batch).await? {
            after = next;
        }
        statements::finish_day(db, day).await?;
        metrics::counter!("largesse_settlement_days_finalised_total").increment(1);
        tracing::info!(%day, "the statements of this day are final");
        finished += 1;
    }
    Ok(finished)
}

/// Makes one transaction's worth of statements; answers the last payee, or `None` when all are done.
async fn finalise_payees(
    db: &Db,
    day: NaiveDate,
    after: (i16, Uuid),
    limit: u32,
) -> Result<Option<(i16, Uuid)>, StatementError> {
    let mut tx = db.begin().await?;
    let made = async {
        let payees = statements::list_payees_in_tx(&mut tx, db, day, after, i64::from(limit)).await?;
        let stated =
            payees.into_iter().map(|(payee, earning, carry_in)| Ok((payee, state(earning, carry_in)?)));
        let stated: Vec<(Payee, Statement)> = stated.collect::<Result<_, StatementError>>()?;
        statements::insert_in_tx(&mut tx, db, day, &stated).await?;
        Ok::<_, StatementError>(stated.last().map(|(payee, _)| (payee.kind.code(), payee.id)))
    };
    match made.await {
        Ok(last) => {
            tx.commit().await?;
            Ok(last)
        }
        Err(error) => {
            let _ = tx.rollback().await; // A lost connection rolls back by itself.
            Err(error)
        }
    }
}

/// A statement as finance sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StatementView {
    pub payee: PayeeClass,
    pub payee_id: Uuid,
    pub day: NaiveDate,
    pub status: StatementStatus,
    /// Value of the orders settled.
    pub gross_micro: Micros,
    /// The payee's part of it.
    pub share_micro: Micros,
    /// What refunds took back of the payee's part.
    pub clawback_micro: Micros,
    pub settled_count: i64,
    pub reversed_count: i64,
    pub carry_in_micro: Micros,
    /// `carry_in + share + clawback`, in whole minor units towards minus infinity.
    pub payable_minor: i64,
    pub carry_out_micro: Micros,
}

impl StatementView {
    pub(crate) fn new(
        (payee, payee_id): (PayeeClass, Uuid),
        day: NaiveDate,
        (statement, status): (Statement, StatementStatus),
    ) -> StatementView {
        let Earning { gross, share, clawback, settled_count, reversed_count } = statement.earning;
        StatementView {
            payee,
            payee_id,
            day,
            status,
            gross_micro: gross,
            share_micro: share,
            clawback_micro: clawback,
            settled_count,
            reversed_count,
            carry_in_micro: statement.carry_in,
            payable_minor: statement.payable_minor,
            carry_out_micro: statement.carry_out,
        }
    }
}
