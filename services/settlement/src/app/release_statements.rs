//! Statements out of their hold become money that payees can ask for; what refunds took back does so at once.

use crate::domain::payee_money::{MoneyEvent, PayeeKey};
use crate::error::PayoutError;
use crate::store::payees::Payees;
use crate::store::statements::{list_releasable_in_tx, mark_released_in_tx};
use chrono::{Days, NaiveDate};
use pg::Db;

/// Releases everything whose hold has ended by `today`. Returns how many statements.
///
/// Negative statements do not wait: what is owed to us comes off before more is paid out.
///
/// # Errors
/// [`PayoutError`]; what was committed stays, and the next call goes on.
pub(crate) async fn release_statements(
    db: &Db,
    today: NaiveDate,
    (hold_days, per_batch): (u32, u32),
) -> Result<u64, PayoutError> {
    let Some(last) = today.checked_sub_days(Days::new(u64::from(hold_days))) else { return Ok(0) };
    let mut released = 0;
    loop {
        let count = release_batch(db, last, per_batch).await?;
        released += count;
        if count < u64::from(per_batch) {
            return Ok(released);
        }
    }
}

async fn release_batch(db: &Db, last: NaiveDate, limit: u32) -> Result<u64, PayoutError> {
    let mut tx = db.begin().await?;
    let released = async {
        let due = list_releasable_in_tx(&mut tx, db, last, i64::from(limit)).await?;
        let keys: Vec<PayeeKey> = due.iter().map(|(key, ..)| *key).collect();
        let mut payees = Payees::lock_in_tx(&mut tx, db, &keys).await?;
        for (key, day, payable_minor) in &due {
            if *payable_minor != 0 {
                let event = MoneyEvent::Release { payable_minor: *payable_minor };
                payees.apply(*key, event, &day.to_string())?;
            }
        }
        payees.store_in_tx(&mut tx, db).await?;
        mark_released_in_tx(&mut tx, db, &due).await?;
        Ok::<_, PayoutError>(due.len())
    };
    match released.await {
        Ok(count) => {
            tx.commit().await?;
            Ok(u64::try_from(count).unwrap_or(u64::MAX))
        }
        Err(error) => {
            let _ = tx.rollback().await; // A lost connection rolls back by itself.
            Err(error)
        }
    }
}
