//! Another person approves a refund case, or refuses it. The approval carries the intent: every line's request id is
//! committed with it, so that a crash costs sending the same again.

use super::ask_refund_case::RefundDesk;
use super::refund_case_error::RefundCaseError;
use super::tell_refund_case::decided;
use crate::domain::refund_case::{CaseKind, CaseState};
use crate::store::refund_cases::{self, CaseView};
use crate::store::refund_lines;
use chrono::Utc;
use ids::{OrderId, RequestId, Uuid, derive_id, with_version};
use sqlx::PgConnection;

/// How a case is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Approve,
    Refuse,
}

impl RefundDesk {
    /// Decides a waiting case. The same person deciding the same again changes nothing.
    ///
    /// # Errors
    /// [`RefundCaseError`]: whoever made it cannot decide it, and what is decided the other way stays so.
    pub async fn decide_case(
        &self,
        (kind, case_id): (CaseKind, Uuid),
        decision: Decision,
        by: Uuid,
    ) -> Result<CaseView, RefundCaseError> {
        let mut tx = self.db.begin().await?;
        match self.decide_in_tx(&mut tx, (kind, case_id), decision, by).await {
            Ok(()) => tx.commit().await?,
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                return Err(error);
            }
        }
        refund_cases::find(&self.db, case_id).await?.ok_or(RefundCaseError::NoSuchCase)
    }

    async fn decide_in_tx(
        &self,
        tx: &mut PgConnection,
        (kind, case_id): (CaseKind, Uuid),
        decision: Decision,
        by: Uuid,
    ) -> Result<(), RefundCaseError> {
        let found = refund_cases::lock_in_tx(tx, &self.db, case_id).await?;
        let found = found.filter(|found| found.kind == kind).ok_or(RefundCaseError::NoSuchCase)?;
        match (found.state, decision) {
            (CaseState::Waiting, _) if found.made_by == by => Err(RefundCaseError::OwnCase),
            (CaseState::Waiting, Decision::Refuse) => {
                refund_cases::decide_in_tx(tx, &self.db, (case_id, CaseState::Refused), by).await?;
                let told = decided(case_id, decision, by, &[]);
                trail::append_in_tx(tx, &self.db, vec![told], Utc::now()).await?;
                Ok(())
            }
            (CaseState::Waiting, Decision::Approve) => {
                refund_cases::decide_in_tx(tx, &self.db, (case_id, CaseState::Approved), by).await?;
                let orders = refund_lines::list_orders_in_tx(tx, &self.db, case_id).await?;
                let approved = with_version(Uuid::now_v7(), self.db.lane().id_version());
                let requests: Vec<(i32, RequestId)> = orders
                    .into_iter()
                    .map(|(line, order_id)| (line, request_of(approved, case_id, order_id)))
                    .collect();
                refund_lines::intend_in_tx(tx, &self.db, case_id, &requests).await?;
                let told = decided(case_id, decision, by, &requests);
                trail::append_in_tx(tx, &self.db, vec![told], Utc::now()).await?;
                Ok(())
            }
            (CaseState::Approved | CaseState::Done, Decision::Approve)
            | (CaseState::Refused, Decision::Refuse)
                if found.decided_by == Some(by) =>
            {
                Ok(())
            }
            (CaseState::Approved | CaseState::Done | CaseState::Refused, _) => {
                Err(RefundCaseError::Decided(found.state))
            }
        }
    }
}

/// The wallet's request id of one line: with the time of the approval, because the wallet refuses ids of old days.
fn request_of(approved: Uuid, case_id: Uuid, order_id: OrderId) -> RequestId {
    let order = order_id.uuid();
    let parts: [&[u8]; 2] = [case_id.as_bytes(), order.as_bytes()];
    RequestId::from_uuid(derive_id(approved, "refund-line", &parts, order_id.partition()))
}
