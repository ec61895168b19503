//! Proof of showing: gift nodes tell the owner of an order's partition what the room saw.

use ids::{OrderId, Partition};
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

/// Reports on their way to another process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reports {
    pub reports: Vec<ShowReport>,
}

/// The most reports one request may carry.
pub const REPORTS_MAX: usize = 512;

/// The orders among those reported that are decided and durable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durable {
    pub durable: Vec<OrderId>,
}

/// The owner of order partitions, as gift nodes see it.
#[async_trait::async_trait]
pub trait ShowReports: Send + Sync {
    /// Hands over reports; returns the orders that are decided and durable. What is not among them must be
    /// sent again. Idempotent.
    async fn report(&self, reports: Vec<ShowReport>) -> Vec<OrderId>;

    /// Whether a report of this partition's orders reaches its owner now, as far as is known without asking.
    fn reaches(&self, partition: Partition) -> bool;
}
