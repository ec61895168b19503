//! A viewer's money goes back: channels are asked for refunds once per case, their callbacks move the coins, and what
//! the wallet could not take any more is kept as owed.

use crate::app::Cashier;
use crate::config::{Profile, SANDBOX};
use crate::domain::callback::CallbackBody;
use crate::domain::notice::NoticeKind;
use crate::domain::returning::plan_returns;
use crate::domain::signature::Signed;
use crate::store::returns::{self, Receivable};
use chrono::{DateTime, Utc};
use contracts::owner::{
    AskRechargeRefunds, OwnerError, RechargeRefund, RechargeRefunds, ReturnsRecharges, TellsEntries,
};
use ids::Uuid;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often open refunds and withdrawals are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Open refunds, and withdrawals, that one look takes.
const LOOK_MAX: i64 = 200;

/// The cashier as other services ask it.
#[derive(Clone)]
pub struct Owner(pub(crate) Arc<Cashier>);

fn away(error: impl std::fmt::Display) -> OwnerError {
    OwnerError::NoAnswer(error.to_string())
}

impl Cashier {
    /// Asks channels for a viewer's money, once per case: the newest recharges first. Asked again, says how far it is.
    pub(crate) async fn return_recharges(
        &self,
        ask: AskRechargeRefunds,
    ) -> Result<RechargeRefunds, OwnerError> {
        let refused = |slug: &str, detail: &str| OwnerError::Refused {
            slug: slug.to_owned(),
            detail: detail.to_owned(),
        };
        if ask.coins.is_zero() {
            return Err(refused("no-coins", "no coins are to go back"));
        }
        if returns::find_case(&self.db, ask.case_id).await.map_err(away)?.is_none() {
            self.plan(&ask).await.map_err(away)?;
        }
        match returns::find_case(&self.db, ask.case_id).await.map_err(away)? {
            Some((known, money)) if known == ask => Ok(money),
            Some(_) => Err(refused("request-reused", "this case came before with something else")),
            None => Err(away("the case is not known yet")),
        }
    }

    async fn plan(&self, ask: &AskRechargeRefunds) -> Result<(), sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let recharges = returns::lock_refundable_in_tx(&mut tx, &self.db, ask.viewer_id).await?;
        let asked = returns::sum_asked_in_tx(&mut tx, &self.db, &recharges).await?;
        let (planned, left) = plan_returns(recharges, &asked, ask.coins);
        if returns::insert_in_tx(&mut tx, &self.db, ask, (&planned, left)).await? {
            tx.commit().await
        } else {
            tx.rollback().await // Another asked for the same case first.
        }
    }

    /// What viewers owe, by viewer, after one of them.
    pub(crate) async fn list_receivables(
        &self,
        after: Uuid,
        limit: u16,
    ) -> Result<Vec<Receivable>, sqlx::Error> {
        returns::list_receivables(&self.db, after, i64::from(limit)).await
    }

    /// Sends what the sandbox is asked for, hears what channels said, and learns what the wallet took.
    async fn look(&self) -> Result<(), sqlx::Error> {
        for (asked, asked_at) in returns::list_asked(&self.db, LOOK_MAX).await? {
            if asked.channel == SANDBOX && self.config.profile == Profile::Development {
                self.refund_sandbox(&asked, asked_at).await;
            }
            returns::hear(&self.db, asked.refund_id).await?;
        }
        let Some(wallet) = self.wallet.get() else { return Ok(()) };
        for waiting in returns::list_waiting(&self.db, LOOK_MAX).await? {
            let found = wallet.entry_of(waiting.account_id, waiting.payment_id.wallet_request()).await;
            match found {
                Ok(Some(entry)) => {
                    let known = (entry.outcome.slug(), entry.stamp.day, entry.shortfall_coins);
                    returns::save_known(&self.db, waiting.payment_id, known).await?;
                }
                Ok(None) => {} // The wallet has not read it yet.
                Err(error) => tracing::debug!(%error, "the wallet does not say what it took; asked again"),
            }
        }
        Ok(())
    }

    /// The sandbox refunds what it is asked for, by a real signed callback through the front door. What another node
    /// must take, that node sends.
    async fn refund_sandbox(&self, asked: &RechargeRefund, asked_at: DateTime<Utc>) {
        let Some(secret) = self.secrets.get(SANDBOX) else { return };
        let body = CallbackBody {
            channel_payment_id: format!("sandbox-return-{}", asked.refund_id),
            kind: NoticeKind::Refunded,
            recharge_id: asked.recharge_id,
            amount_minor: asked.amount_minor,
            currency: asked.currency.clone(),
            paid_at: asked_at,
            refund_of: Some(asked.channel_payment_id.clone()),
        };
        let Ok(body) = serde_json::to_vec(&body) else { return }; // Plain values always are JSON.
        let now = Utc::now();
        let timestamp = now.timestamp().to_string();
        let signature = secret.sign(&timestamp, &body);
        let signed = Signed { timestamp: Some(&timestamp), signature: Some(&signature), body: &body };
        if let Err(error) = self.take_callback(SANDBOX, signed, now).await {
            tracing::debug!(%error, refund_id = %asked.refund_id, "the sandbox's refund was not taken; sent again");
        }
    }
}

/// Looks at open refunds and withdrawals until `shutdown` turns true.
pub(crate) async fn look_after(cashier: Arc<Cashier>, mut shutdown: watch::Receiver<bool>) {
    while !*shutdown.borrow() {
        if let Err(error) = cashier.look().await {
            tracing::warn!(%error, "money on its way back was not looked at; the next look goes on");
        }
        tokio::select! {
            _ = shutdown.changed() => break,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

impl Owner {
    /// From now on the wallet is asked what it took for refunds.
    pub fn meet_wallet(&self, wallet: Arc<dyn TellsEntries>) {
        let _ = self.0.wallet.set(wallet); // It has met it before.
    }
}

#[async_trait::async_trait]
impl ReturnsRecharges for Owner {
    async fn return_recharges(&self, ask: AskRechargeRefunds) -> Result<RechargeRefunds, OwnerError> {
        self.0.return_recharges(ask).await
    }
}
