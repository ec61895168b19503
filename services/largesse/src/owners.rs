//! What recon may have done by the services that own the data: the wallet's grants and refunds.
//!
//! Settlement and clearing offer no command yet; recon refuses such proposals by name.

use contracts::digest::body_hash;
use contracts::entry::Entry;
use contracts::log::LogName;
use contracts::wallet::{Act, Command, RefundAmount, Wallet, WalletError};
use ids::{RequestId, ViewerId};
use recon::{Action, ActionKind, CommandError, Commands};
use serde_json::{Value, json};
use std::sync::Arc;

/// The owning services, as far as this process reaches them.
pub struct OwnerCommands {
    wallet: Option<Arc<dyn Wallet>>,
}

impl OwnerCommands {
    /// The commands of the wallet, in this process or others; without it there are none.
    pub fn new(wallet: Option<Arc<dyn Wallet>>) -> OwnerCommands {
        OwnerCommands { wallet }
    }

    fn wallet(&self, kind: ActionKind) -> Result<&Arc<dyn Wallet>, CommandError> {
        self.wallet.as_ref().ok_or(CommandError::NotOffered(kind))
    }
}

/// What the wallet is to do. A refund is the very request that gift sends for the order, so it happens once, whoever
/// asks for it.
fn wallet_act(action: &Action) -> Result<(ViewerId, Act), CommandError> {
    match action {
        Action::GrantCoins { viewer_id, funds } => Ok((*viewer_id, Act::Compensation { funds: *funds })),
        Action::RefundOrder { order_id, viewer_id: Some(viewer_id) } => {
            Ok((*viewer_id, Act::Refund { order_id: *order_id, amount: RefundAmount::AllLeft }))
        }
        Action::RefundOrder { viewer_id: None, .. } => {
            Err(CommandError::Refused("the proposal does not say whose order it is".to_owned()))
        }
        Action::Resettle { .. }
        | Action::AdjustVoucher { .. }
        | Action::WriteOff { .. }
        | Action::Wait { .. } => Err(CommandError::NotOffered(action.kind())),
    }
}

/// The entry as a proof: where it is, and what it moved.
fn proof(entry: &Entry) -> Value {
    json!({
        "log": LogName::Entries.as_str(), "partition": entry.stamp.partition, "seq": entry.stamp.seq,
        "request_id": entry.request_id, "account_id": entry.account_id, "kind": entry.kind,
        "moved": entry.available, "decided_at": entry.stamp.decided_at,
    })
}

fn failed(error: WalletError) -> CommandError {
    match error {
        WalletError::RequestReused | WalletError::BadCommand(_) => CommandError::Refused(error.to_string()),
        WalletError::OutcomeUnknown
        | WalletError::ShardMoved
        | WalletError::Overloaded
        | WalletError::Unavailable(_) => CommandError::NoAnswer(error.to_string()),
    }
}

#[async_trait::async_trait]
impl Commands for OwnerCommands {
    fn offers(&self, kind: ActionKind) -> bool {
        match kind {
            ActionKind::GrantCoins | ActionKind::RefundOrder => self.wallet.is_some(),
            ActionKind::Resettle | ActionKind::AdjustVoucher | ActionKind::WriteOff | ActionKind::Wait => {
                false
            }
        }
    }

    async fn run(&self, request_id: RequestId, action: &Action) -> Result<Value, CommandError> {
        let wallet = self.wallet(action.kind())?;
        let (account_id, act) = wallet_act(action)?;
        let command = Command { request_id, account_id, body_hash: body_hash(&act), act };
        let entry = wallet.submit(command).await.map_err(failed)?.entry;
        if !entry.is_accepted() {
            return Err(CommandError::Refused(entry.outcome.slug().to_owned()));
        }
        Ok(proof(&entry))
    }

    async fn find_proof(
        &self,
        request_id: RequestId,
        action: &Action,
    ) -> Result<Option<Value>, CommandError> {
        let wallet = self.wallet(action.kind())?;
        let (account_id, _) = wallet_act(action)?;
        let entry = wallet.find_entry(account_id, request_id).await.map_err(failed)?;
        Ok(entry.filter(Entry::is_accepted).map(|entry| proof(&entry)))
    }
}
