//! Services that start later than those that ask them, in one process: the wallet reads the cashier's log and settlement
//! reads gift's, so the cashier and gift are there first.

use contracts::entry::Entry;
use contracts::item::Item;
use contracts::owner::{OwnerError, TellsEntries, TellsShares};
use contracts::wallet::Wallet;
use ids::{OrderId, RequestId, ViewerId};
use std::sync::{Arc, OnceLock};

/// The wallet of this process, for the cashier.
pub struct WalletEntries(pub Arc<dyn Wallet>);

#[async_trait::async_trait]
impl TellsEntries for WalletEntries {
    async fn entry_of(
        &self,
        account_id: ViewerId,
        request_id: RequestId,
    ) -> Result<Option<Entry>, OwnerError> {
        let found = self.0.find_entry(account_id, request_id).await;
        found.map_err(|error| OwnerError::NoAnswer(error.to_string()))
    }
}

/// Settlement, once it runs.
#[derive(Clone, Default)]
pub struct LateShares(Arc<OnceLock<Arc<dyn TellsShares>>>);

impl LateShares {
    pub fn meet(&self, settlement: Arc<dyn TellsShares>) {
        let _ = self.0.set(settlement); // It has met it before.
    }
}

#[async_trait::async_trait]
impl TellsShares for LateShares {
    async fn items_of(&self, orders: Vec<OrderId>) -> Result<Vec<Item>, OwnerError> {
        match self.0.get() {
            Some(settlement) => settlement.items_of(orders).await,
            None => Err(OwnerError::NoAnswer("this process reaches no settlement".to_owned())),
        }
    }
}
