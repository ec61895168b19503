//! Commands to the wallet and its answers.

use crate::class::{Classed, ErrorClass};
use crate::entry::{Entry, Funds, GiftSend, Outcome};
use crate::log::Seq;
use ids::{HoldId, OrderId, PaymentId, RequestId, ViewerId};
use money::Coins;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// The most commands one request to the wallet may carry.
pub const COMMANDS_MAX: usize = 512;

/// One command. The wallet decides each id once, for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    pub request_id: RequestId,
    pub account_id: ViewerId,
    /// Hash of what the *client* sent under this id (not of what the server added): another hash under a known
    /// id is [`WalletError::RequestReused`]. See [`crate::digest::body_hash`].
    pub body_hash: i64,
    pub act: Act,
}

/// Commands for one wallet node, as they travel between two processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commands {
    pub commands: Vec<Command>,
}

/// One answer per command, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    pub answers: Vec<Result<Answer, WalletError>>,
}

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Coins bought: to the paid fund, with the platform's bonus to the promotional one.
    Recharge {
        paid_coins: Coins,
        promo_coins: Coins,
    },
    /// Coins given by the platform, to the promotional fund.
    Bonus {
        coins: Coins,
    },
    /// Coins given to make good; the fund is the caller's choice.
    Compensation {
        funds: Funds,
    },
    /// A gift: promotional coins first, then paid. `verdict` is gift's own and is pinned when it refuses.
    Debit {
        charge_coins: Coins,
        send: Arc<GiftSend>,
        verdict: Verdict,
    },
    /// Sets coins aside until captured, released or expired. The hold's id is the request's id.
    HoldPlace {
        coins: Coins,
        expires_at_ms: i64,
    },
    /// Spends what is held, at most `charge_coins`; the rest goes back.
    HoldCapture {
        hold_id: HoldId,
        charge_coins: Coins,
        send: Arc<GiftSend>,
    },
    HoldRelease {
        hold_id: HoldId,
    },
    /// Gives back coins of one order: all that is left of it, or an amount, to the funds they came from.
    Refund {
        order_id: OrderId,
        amount: RefundAmount,
    },
    /// Takes back unspent paid coins of one recharge; what is not there is a shortfall, a receivable.
    Withdraw {
        payment_id: PaymentId,
        coins: Coins,
    },
    /// Promotional coins run out: at most what is there.
    Expire {
        coins: Coins,
    },
    Freeze,
    Unfreeze,
}

/// How much of an order to give back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundAmount {
    AllLeft,
    Coins(Coins),
}

/// Gift's own verdict on a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Allow,
    RoomClosed,
    GiftOffShelf,
}

/// What the wallet decided. Built from the durable entry, never from anything newer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub entry: Entry,
    pub replay: Replay,
}

/// Whether an answer is the first or the same again. A replayed debit shows nothing in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Replay {
    First,
    Replayed,
    /// The same again, behind an attempt of this very caller whose answer was lost: nobody can say which of the
    /// two was the first, so the caller finds out whether the effect was shown. Made by the caller's own side;
    /// on the wire it is a replay.
    #[serde(rename = "replayed", skip_deserializing)]
    Doubted,
}

impl Answer {
    pub fn outcome(&self) -> Outcome {
        self.entry.outcome
    }
}

/// One account as committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    pub account_id: ViewerId,
    pub available: Funds,
    pub held: Funds,
    pub state: AccountState,
    /// The last entry this view includes, of the account's partition.
    pub as_of_seq: Seq,
}

/// Whether an account may spend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    #[default]
    Open,
    Frozen,
}

/// Why a command has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WalletError {
    #[error("this request id came before with another body")]
    RequestReused,
    #[error("the outcome is not known yet; ask again with the same id")]
    OutcomeUnknown,
    #[error("this node does not own the account's shard now")]
    ShardMoved,
    #[error("the wallet has more work than it takes; try again")]
    Overloaded,
    #[error("the wallet could not be reached: {0}")]
    Unavailable(String),
    #[error("the command is wrong: {0}")]
    BadCommand(String),
}

impl Classed for WalletError {
    fn class(&self) -> ErrorClass {
        match self {
            WalletError::RequestReused => ErrorClass::Conflict,
            WalletError::OutcomeUnknown => ErrorClass::Unknown,
            WalletError::ShardMoved | WalletError::Overloaded | WalletError::Unavailable(_) => {
                ErrorClass::Transient
            }
            WalletError::BadCommand(_) => ErrorClass::Rejected,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            WalletError::RequestReused => "request-reused",
            WalletError::OutcomeUnknown => "outcome-unknown",
            WalletError::ShardMoved => "shard-moved",
            WalletError::Overloaded => "overloaded",
            WalletError::Unavailable(_) => "wallet-unavailable",
            WalletError::BadCommand(_) => "bad-command",
        }
    }
}

/// The wallet as other services see it: a function call in one process, one HTTP request between two.
#[async_trait::async_trait]
pub trait Wallet: Send + Sync {
    /// Decides one command, once per request id; answers after the entry is durable.
    async fn submit(&self, command: Command) -> Result<Answer, WalletError>;

    /// The account as committed; an account never touched is empty, not missing.
    async fn account(&self, account_id: ViewerId) -> Result<AccountView, WalletError>;

    /// The entry of a request id, if it was decided.
    async fn find_entry(
        &self,
        account_id: ViewerId,
        request_id: RequestId,
    ) -> Result<Option<Entry>, WalletError>;

    /// An account's entries, newest first, before the entry `before_seq` of the same account (none: from the
    /// newest); at most `limit`, at most 200.
    async fn list_entries(
        &self,
        account_id: ViewerId,
        before_seq: Option<Seq>,
        limit: u16,
    ) -> Result<Vec<Entry>, WalletError>;
}
