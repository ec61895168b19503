//! A rule of withholding is proposed by one person and put in force, from a day to come, by another.

use crate::app::import_contracts::Decision;
use crate::app::tell::Approved;
use crate::app::{Settlement, tell};
use crate::domain::withholding_terms::WithholdingTerms;
use crate::error::WithholdingError;
use crate::store::withholding_proposals::{self, ProposalState, WithholdingProposal, WithholdingRuleView};
use chrono::{NaiveDate, Utc};
use ids::Uuid;
use pg::Db;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

/// The most rules, and the most proposals, that one answer lists.
const LIST_MAX: i64 = 200;

/// The longest reason, in bytes.
const REASON_LEN_MAX: usize = 4_000;

/// What somebody wants withheld.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposeWithholding {
    /// A UUID of the caller's own: proposing again under it changes nothing.
    pub proposal_id: Uuid,
    pub reason: String,
    pub rule: WithholdingTerms,
}

impl Settlement {
    /// Keeps a rule that waits for another person. The same id again is the same proposal.
    ///
    /// # Errors
    /// [`WithholdingError`]; nothing is kept then.
    pub(crate) async fn propose_withholding(
        &self,
        ask: &ProposeWithholding,
        created_by: &str,
        today: NaiveDate,
    ) -> Result<WithholdingProposal, WithholdingError> {
        if let Some(known) = withholding_proposals::find(&self.db, ask.proposal_id).await? {
            let is_same = (&known.rule, &known.reason) == (&ask.rule, &ask.reason);
            return if is_same { Ok(known) } else { Err(WithholdingError::ProposalReused) };
        }
        ask.rule.check()?;
        if ask.reason.trim().is_empty() || ask.reason.len() > REASON_LEN_MAX {
            return Err(WithholdingError::Reason);
        }
        check_day(&ask.rule, today)?;
        let mut tx = self.db.begin().await?;
        let kept = async {
            let (of, by) = ((ask.proposal_id, &ask.rule), (ask.reason.as_str(), created_by));
            withholding_proposals::insert_in_tx(&mut tx, &self.db, of, by).await?;
            let told = tell::withholding_proposed(ask.proposal_id, &ask.rule, created_by);
            trail::append_in_tx(&mut tx, &self.db, vec![told], Utc::now()).await
        };
        match kept.await {
            Ok(_) => tx.commit().await?,
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                return Err(WithholdingError::of_sql(error));
            }
        }
        let kept = withholding_proposals::find(&self.db, ask.proposal_id).await?;
        kept.ok_or(WithholdingError::NoSuchProposal)
    }

    /// Puts a proposed rule in force, or refuses it. Deciding the same again changes nothing.
    ///
    /// # Errors
    /// [`WithholdingError`]: whoever proposed it cannot approve it, nor anybody once its day has come.
    pub(crate) async fn decide_withholding(
        &self,
        proposal_id: Uuid,
        decision: Decision,
        decided_by: &str,
        today: NaiveDate,
    ) -> Result<WithholdingProposal, WithholdingError> {
        let mut tx = self.db.begin().await?;
        match decide_in_tx(&mut tx, &self.db, (proposal_id, decision), decided_by, today).await {
            Ok(()) => tx.commit().await?,
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                return Err(error);
            }
        }
        let decided = withholding_proposals::find(&self.db, proposal_id).await?;
        decided.ok_or(WithholdingError::NoSuchProposal)
    }

    /// Rules by kind of payee, and proposals, the newest first.
    ///
    /// # Errors
    /// [`WithholdingError::Unavailable`].
    pub(crate) async fn list_withholding(
        &self,
    ) -> Result<(Vec<WithholdingRuleView>, Vec<WithholdingProposal>), WithholdingError> {
        let rules = withholding_proposals::list_rules(&self.db, LIST_MAX).await?;
        Ok((rules, withholding_proposals::list(&self.db, LIST_MAX).await?))
    }
}

/// Batches of today may be built already.
fn check_day(rule: &WithholdingTerms, today: NaiveDate) -> Result<(), WithholdingError> {
    if rule.valid_from > today { Ok(()) } else { Err(WithholdingError::NotToCome(rule.valid_from)) }
}

async fn decide_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (proposal_id, decision): (Uuid, Decision),
    decided_by: &str,
    today: NaiveDate,
) -> Result<(), WithholdingError> {
    let found = withholding_proposals::lock_in_tx(tx, db, proposal_id).await?;
    let found = found.ok_or(WithholdingError::NoSuchProposal)?;
    let rule_id = match (found.state, decision) {
        (ProposalState::Approved, Decision::Approve) | (ProposalState::Refused, Decision::Refuse) => {
            return Ok(());
        }
        (ProposalState::Approved, Decision::Refuse) | (ProposalState::Refused, Decision::Approve) => {
            return Err(WithholdingError::Decided);
        }
        (ProposalState::Waiting, Decision::Refuse) => None,
        (ProposalState::Waiting, Decision::Approve) => {
            if found.created_by == decided_by {
                return Err(WithholdingError::OwnProposal);
            }
            check_day(&found.rule, today)?;
            found.rule.check()?; // What is in the table was not always put there by this program.
            let new = withholding_proposals::insert_rule_in_tx(tx, db, &found.rule).await;
            Some(new.map_err(WithholdingError::of_sql)?)
        }
    };
    withholding_proposals::decide_in_tx(tx, db, (proposal_id, rule_id), decided_by).await?;
    let is_approved = if rule_id.is_some() { Approved::Yes } else { Approved::No };
    let told = tell::withholding_decided(proposal_id, is_approved, decided_by);
    trail::append_in_tx(tx, db, vec![told], Utc::now()).await?;
    Ok(())
}
