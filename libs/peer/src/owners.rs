//! The services that own something, in other processes: any node of theirs answers, because what they are asked for is
//! kept in their database before it is done.

use crate::calls::{Call, Calls, Optional};
use crate::declared::OWNERS;
use crate::handles::Handles;
use crate::nodes::Nodes;
use chrono::NaiveDate;
use contracts::entry::Entry;
use contracts::item::Item;
use contracts::owner::{
    Adjust, Adjusted, Adjusts, AskRechargeRefunds, BeforeDay, ClosedDay, FindItems, FindRequest, OwnerError,
    RechargeRefunds, Resettle, Resettled, Resettles, ReturnsRecharges, SettleChannel, TellsEntries,
    TellsShares, paths,
};
use guard::deps::DeclareError;
use ids::{OrderId, RequestId, ViewerId};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One owning service behind its nodes.
pub struct RemoteOwner {
    nodes: Handles<Optional>,
}

impl RemoteOwner {
    /// Needs a runtime where the list of nodes can change.
    ///
    /// # Errors
    /// [`DeclareError`]: more nodes than a registry takes.
    pub fn try_new(calls: &Calls, nodes: impl Into<Nodes>) -> Result<RemoteOwner, DeclareError> {
        let calls = calls.clone();
        let nodes = Handles::follow(nodes.into().changes(), move |url| calls.optional(&OWNERS, url))?;
        Ok(RemoteOwner { nodes })
    }

    /// Asks one node after another until one answers. Asking twice is asking once: every command has an id.
    async fn ask<T: DeserializeOwned>(&self, path: &str, question: &impl Serialize) -> Result<T, OwnerError> {
        let body = serde_json::to_vec(question).map_err(|error| OwnerError::NoAnswer(error.to_string()))?;
        self.first_answer::<Result<T, OwnerError>>(|| Call::post(path, body.clone())).await?
    }

    /// What the first node says that says something.
    async fn first_answer<'a, T: DeserializeOwned>(
        &self,
        call: impl Fn() -> Call<'a>,
    ) -> Result<T, OwnerError> {
        let mut reasons = Vec::new();
        for (_, node) in self.nodes.all().iter() {
            let reason = match node.send(call()).await {
                Ok(reply) if reply.status.is_success() => match serde_json::from_slice(&reply.body) {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error.to_string(),
                },
                Ok(reply) => crate::owner_map::said(&reply),
                Err(error) => error.to_string(),
            };
            reasons.push(format!("{}: {reason}", node.url));
        }
        Err(OwnerError::NoAnswer(reasons.join("; ")))
    }
}

/// What the wallet's nodes answer is no command's answer: there is an entry, or there is none.
#[async_trait::async_trait]
impl TellsEntries for RemoteOwner {
    async fn entry_of(
        &self,
        account_id: ViewerId,
        request_id: RequestId,
    ) -> Result<Option<Entry>, OwnerError> {
        let path = format!("/internal/wallet/accounts/{account_id}/entries/{request_id}");
        self.first_answer(|| Call::get(&path)).await
    }
}

#[async_trait::async_trait]
impl ReturnsRecharges for RemoteOwner {
    async fn return_recharges(&self, ask: AskRechargeRefunds) -> Result<RechargeRefunds, OwnerError> {
        self.ask(paths::RETURN_RECHARGES, &ask).await
    }
}

#[async_trait::async_trait]
impl TellsShares for RemoteOwner {
    async fn items_of(&self, orders: Vec<OrderId>) -> Result<Vec<Item>, OwnerError> {
        self.ask(paths::ITEMS, &FindItems { orders }).await
    }
}

#[async_trait::async_trait]
impl Resettles for RemoteOwner {
    async fn resettle(&self, ask: Resettle) -> Result<Resettled, OwnerError> {
        self.ask(paths::RESETTLE, &ask).await
    }

    async fn find_resettled(&self, request_id: RequestId) -> Result<Option<Resettled>, OwnerError> {
        self.ask(paths::FIND_RESETTLED, &FindRequest { request_id }).await
    }
}

#[async_trait::async_trait]
impl Adjusts for RemoteOwner {
    async fn adjust(&self, ask: Adjust) -> Result<Adjusted, OwnerError> {
        self.ask(paths::ADJUST, &ask).await
    }

    async fn find_adjusted(&self, request_id: RequestId) -> Result<Option<Adjusted>, OwnerError> {
        self.ask(paths::FIND_ADJUSTED, &FindRequest { request_id }).await
    }

    async fn settle_channel(&self, ask: SettleChannel) -> Result<Adjusted, OwnerError> {
        self.ask(paths::SETTLE_CHANNEL, &ask).await
    }

    async fn look_at_closed_day(&self, before: NaiveDate) -> Result<Option<ClosedDay>, OwnerError> {
        self.ask(paths::CLOSED_DAY, &BeforeDay { before }).await
    }

    async fn list_changed_balances(&self, before: NaiveDate) -> Result<Vec<NaiveDate>, OwnerError> {
        self.ask(paths::CHANGED_BALANCES, &BeforeDay { before }).await
    }
}
