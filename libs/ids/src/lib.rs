//! Every id of the product, the partition it belongs to, and the ids derived from others.
//!
//! Owns the one registry of typed ids: mixed-up ids do not compile, the kind shows in `Debug`, and the wire
//! carries plain UUIDs. Live ids are UUIDv7; ids of shadow runs are UUIDv8, which live tables refuse.

mod derive;
mod group;
mod partition;

pub use derive::{IdTime, derive_id, id_time, lowest_id, named_id, with_version};
pub use group::{GROUP_COUNT, GROUP_LEN, GroupSet, PartitionGroup};
pub use partition::{PARTITION_COUNT, Partition, partition_of};
pub use uuid::Uuid;

/// What is wrong with an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("not a UUID")]
    NotUuid,
    #[error("a UUID of version {0}; a UUIDv7 is needed")]
    NotV7(usize),
    #[error("partition {0} does not exist; there are 64")]
    NoSuchPartition(i64),
    #[error("partition group {0} does not exist; there are 8")]
    NoSuchGroup(i16),
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// A new live id of this instant.
            pub fn now() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, ":{}"), self.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text).map(Self).map_err(|_| IdError::NotUuid)
            }
        }
    )*};
}

ids! {
    /// One viewer's account of coins: the owner whose hash picks the partition of the whole pipeline.
    ViewerId = "viewer";
    /// Who earns.
    StreamerId = "streamer";
    /// Who represents streamers and earns a share.
    AgencyId = "agency";
    /// One live room.
    RoomId = "room";
    /// The client's own key of one act of sending (`Idempotency-Key`).
    SendKey = "key";
    /// One command to the wallet; the same id with the same command gives the same answer for ever.
    RequestId = "request";
    /// One act of sending a gift.
    OrderId = "order";
    /// Coins set aside.
    HoldId = "hold";
    /// One recharge as the viewer asked for it.
    RechargeId = "recharge";
    /// One fact a payment channel told us.
    PaymentId = "payment";
    /// One combo session in a room.
    ComboId = "combo";
    /// One file of contracts, waiting for approval or decided.
    ContractImportId = "contract-import";
    /// Where a payee's money goes.
    PayeeAccountId = "payee-account";
    /// Money a payee asked for.
    PayoutRequestId = "payout-request";
    /// One file of payouts.
    PayoutBatchId = "payout-batch";
    /// One payee's line of a file of payouts: what the bank confirms.
    PayoutLineId = "payout-line";
    /// One difference found by reconciliation.
    BreakId = "break";
    /// One step of an accounting period that somebody of finance asked for.
    PeriodRequestId = "period-request";
}

impl OrderId {
    /// The order of one act of sending: keeps the key's time, hashes (viewer, key), and carries the viewer's
    /// partition, so that an order can be found by its id alone.
    pub fn of(viewer: ViewerId, key: SendKey) -> OrderId {
        let partition = partition_of(viewer.0);
        OrderId(derive_id(key.0, "order", &[viewer.0.as_bytes(), key.0.as_bytes()], partition))
    }

    /// The partition whose logs this order lives in.
    pub fn partition(self) -> Partition {
        derive::carried_partition(self.0)
    }

    /// The wallet's request id of this order's debit: the order's own id.
    pub const fn debit_request(self) -> RequestId {
        RequestId(self.0)
    }

    /// The one refund request an undelivered order can cause: keeps the order's time, hashes its id.
    pub fn refund_request(self) -> RequestId {
        RequestId(derive_id(self.0, "refund", &[self.0.as_bytes()], self.partition()))
    }
}

impl PaymentId {
    /// The wallet's request id of what this payment causes.
    pub fn wallet_request(self) -> RequestId {
        RequestId(derive_id(self.0, "payment", &[self.0.as_bytes()], derive::carried_partition(self.0)))
    }
}
