//! What one service asks of the service that owns something, in this process or another: each command is done once
//! under its id, and asked for again until there is an answer.

use crate::entry::Entry;
use crate::item::Item;
use crate::log::Seq;
use crate::voucher::Posting;
use chrono::NaiveDate;
use ids::{BreakId, OrderId, Partition, RechargeId, RequestId, Uuid, ViewerId};
use money::Coins;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Orders that one question about shares may name.
pub const SHARE_ORDERS_MAX: usize = 1_000;

/// Why an owner has not done it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerError {
    /// For good: asking again changes nothing.
    #[error("{slug}: {detail}")]
    Refused { slug: String, detail: String },
    /// It may or may not be done; asked again under the same id.
    #[error("no answer yet: {0}")]
    NoAnswer(String),
}

/// Asks the cashier to send a viewer's money back through its channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskRechargeRefunds {
    pub case_id: Uuid,
    pub viewer_id: ViewerId,
    /// What came back to the wallet and was paid for.
    pub coins: Coins,
}

/// How far one channel's refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RechargeRefundState {
    /// The channel is to send the money back, and has not said so.
    Asked,
    /// The channel has said so: the coins are taken back.
    Done,
    /// The channel's word was refused.
    Refused,
}

/// The money of one recharge on its way back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RechargeRefund {
    pub refund_id: Uuid,
    pub recharge_id: RechargeId,
    pub channel: String,
    /// The channel's id of the payment to be refunded.
    pub channel_payment_id: String,
    pub amount_minor: i64,
    pub currency: String,
    pub coins: Coins,
    pub state: RechargeRefundState,
}

/// The money of one case on its way back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RechargeRefunds {
    pub refunds: Vec<RechargeRefund>,
    /// Coins that no recharge of the viewer has left to refund: they stay in the wallet.
    pub left_coins: Coins,
}

impl RechargeRefunds {
    /// Whether every channel has answered.
    pub fn is_done(&self) -> bool {
        self.refunds.iter().all(|refund| refund.state != RechargeRefundState::Asked)
    }
}

/// The cashier's side of a minor's case.
#[async_trait::async_trait]
pub trait ReturnsRecharges: Send + Sync {
    /// Asks for the money once per case; asked again, says how far it is.
    async fn return_recharges(&self, ask: AskRechargeRefunds) -> Result<RechargeRefunds, OwnerError>;
}

/// Asks the wallet what it decided, where waiting for it stops nothing.
#[async_trait::async_trait]
pub trait TellsEntries: Send + Sync {
    /// The entry of a request id, if it was decided.
    async fn entry_of(
        &self,
        account_id: ViewerId,
        request_id: RequestId,
    ) -> Result<Option<Entry>, OwnerError>;
}

/// Asks settlement what orders earned whom.
#[async_trait::async_trait]
pub trait TellsShares: Send + Sync {
    /// Every item of some orders, at most [`SHARE_ORDERS_MAX`] of them.
    async fn items_of(&self, orders: Vec<OrderId>) -> Result<Vec<Item>, OwnerError>;
}

/// Makes the item of one row of `gift.orders` that settlement has none of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resettle {
    pub request_id: RequestId,
    pub order_id: OrderId,
    /// The row of the order's partition of `gift.orders`.
    pub order_seq: Seq,
}

/// The item that is there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Resettled {
    pub request_id: RequestId,
    pub order_id: OrderId,
    pub partition: Partition,
    /// Its row of `settlement.items`.
    pub item_seq: Seq,
}

/// Settlement's side of a break.
#[async_trait::async_trait]
pub trait Resettles: Send + Sync {
    async fn resettle(&self, ask: Resettle) -> Result<Resettled, OwnerError>;
    async fn find_resettled(&self, request_id: RequestId) -> Result<Option<Resettled>, OwnerError>;
}

/// What an adjusting voucher is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdjustPurpose {
    /// The books did not say what our own logs say: afterwards they do.
    Repair,
    /// Our logs and the world outside differ: the books say so, beside what the logs say.
    Difference,
}

impl AdjustPurpose {
    /// The rule that the voucher names.
    pub const fn rule(self) -> &'static str {
        match self {
            AdjustPurpose::Repair => "clearing.repair",
            AdjustPurpose::Difference => "clearing.adjust",
        }
    }
}

/// Posts a balanced voucher for a named difference, proposed by one person and approved by another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adjust {
    pub request_id: RequestId,
    pub break_id: BreakId,
    pub purpose: AdjustPurpose,
    /// The accounting day it belongs to; it stands in the first open one from there on.
    pub day: NaiveDate,
    pub maker_id: Uuid,
    pub checker_id: Uuid,
    pub reason: String,
    pub lines: Vec<Posting>,
}

/// The rule that vouchers of channels' payments to us name.
pub const CHANNEL_SETTLEMENT: &str = "clearing.channel_settlement";

/// Posts what a channel has paid to us: a bank's statement shows the money of some payments, less what the channel kept.
/// The match was made by rules that two people agreed on; taken back, it is posted with both amounts below zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettleChannel {
    pub request_id: RequestId,
    /// The match of reconciliation that it follows from.
    pub match_id: Uuid,
    /// The accounting day of the statement's line; it stands in the first open one from there on.
    pub day: NaiveDate,
    /// ISO 4217.
    pub currency: String,
    /// What the payments sum to, in minor units; below zero where refunds are more.
    pub gross_minor: i64,
    /// What the bank shows, in minor units. The rest is the channel's fee.
    pub net_minor: i64,
    pub reason: String,
}

/// The voucher that was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Adjusted {
    pub request_id: RequestId,
    pub partition: Partition,
    /// Its row of `clearing.vouchers`.
    pub voucher_seq: Seq,
    pub posted_day: NaiveDate,
}

/// A closed day, looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedDay {
    pub day: NaiveDate,
    /// Whether its vouchers and what each account held at its end are what it was closed with.
    pub is_as_closed: bool,
}

/// Clearing's side of reconciliation.
#[async_trait::async_trait]
pub trait Adjusts: Send + Sync {
    async fn adjust(&self, ask: Adjust) -> Result<Adjusted, OwnerError>;
    async fn find_adjusted(&self, request_id: RequestId) -> Result<Option<Adjusted>, OwnerError>;
    async fn settle_channel(&self, ask: SettleChannel) -> Result<Adjusted, OwnerError>;
    /// Looks at the newest closed day before a day; `None` where none is closed.
    async fn look_at_closed_day(&self, before: NaiveDate) -> Result<Option<ClosedDay>, OwnerError>;
    /// Closed days before a day at whose end some account holds another balance than it was closed with: the oldest, at
    /// most [`CHANGED_DAYS_MAX`]. Every closed day is looked at; vouchers are not read.
    async fn list_changed_balances(&self, before: NaiveDate) -> Result<Vec<NaiveDate>, OwnerError>;
}

/// Days that one list of changed balances names: what changed on one day changes the balances of all days after it.
pub const CHANGED_DAYS_MAX: u32 = 31;

/// Names a day, as it travels between two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeforeDay {
    pub before: NaiveDate,
}

/// Names an earlier command, as it travels between two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindRequest {
    pub request_id: RequestId,
}

/// Names orders, as they travel between two processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindItems {
    pub orders: Vec<OrderId>,
}

/// Where the owners' commands are asked for between two processes, by an internal token.
pub mod paths {
    pub const RETURN_RECHARGES: &str = "/internal/cashier/recharge-refunds";
    pub const ITEMS: &str = "/internal/settlement/items";
    pub const RESETTLE: &str = "/internal/settlement/resettlements";
    pub const FIND_RESETTLED: &str = "/internal/settlement/resettlements/find";
    pub const ADJUST: &str = "/internal/clearing/adjustments";
    pub const FIND_ADJUSTED: &str = "/internal/clearing/adjustments/find";
    pub const SETTLE_CHANNEL: &str = "/internal/clearing/channel-settlements";
    pub const CLOSED_DAY: &str = "/internal/clearing/closed-days/look";
    pub const CHANGED_BALANCES: &str = "/internal/clearing/closed-days/changed-balances";
}
