//! Proof of showing: gift nodes tell the owner of an order's partition what the room saw.

use ids::OrderId;
use serde::{Deserialize, Serialize};

/// What a node says of one order it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// The effect went out to the room.
    Shown,
    /// It did not, and this node will not try again.
    Failed,
}

/// One report, resent until acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowReport {
    pub order_id: OrderId,
    pub shown: Shown,
}

/// The owner of order partitions, as gift nodes see it.
#[async_trait::async_trait]
pub trait ShowReports: Send + Sync {
    /// Hands over reports; returns the orders that are decided and durable. What is not among them must be
    /// sent again. Idempotent.
    async fn report(&self, reports: Vec<ShowReport>) -> Vec<OrderId>;
}
