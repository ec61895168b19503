//! What can be asked for about refunds: of one order, of a file's, of a minor's gifts.

use super::money::FinanceArgs;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use ids::{OrderId, Uuid};
use std::path::PathBuf;

/// What a case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum RefundKind {
    /// One order
    #[default]
    Order,
    /// A file of orders
    Batch,
    /// A minor's gifts of a time
    Minor,
}

impl RefundKind {
    pub const ALL: [RefundKind; 3] = [RefundKind::Order, RefundKind::Batch, RefundKind::Minor];

    /// Where a process takes them.
    pub const fn path(self) -> &'static str {
        match self {
            RefundKind::Order => "/v1/finance/refunds",
            RefundKind::Batch => "/v1/finance/refund-batches",
            RefundKind::Minor => "/v1/finance/minor-cases",
        }
    }
}

/// How far a case is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RefundState {
    Waiting,
    Approved,
    Refused,
    Done,
}

impl RefundState {
    pub const fn as_str(self) -> &'static str {
        match self {
            RefundState::Waiting => "waiting",
            RefundState::Approved => "approved",
            RefundState::Refused => "refused",
            RefundState::Done => "done",
        }
    }
}

/// One case.
#[derive(Debug, Clone, Args)]
pub struct OneRefund {
    /// The case's id, as `request`, `batch`, `minor` and `list` have it
    #[arg(value_name = "CASE")]
    pub case: Uuid,
    #[command(flatten)]
    pub finance: FinanceArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum RefundCommand {
    /// Ask for the refund of one order, in part or of all that is left; another person approves it
    #[command(after_help = "Examples:
  largesse refund request ORDER --reason \"never shown\" --sub mia
  largesse refund request ORDER --coins 120 --reason \"half of it was shown\" --sub mia")]
    Request {
        /// The order's id
        #[arg(value_name = "ORDER")]
        order: OrderId,
        /// So many coins; all that is left where it is missing
        #[arg(long, value_name = "N")]
        coins: Option<i64>,
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// A UUIDv7 of your own, so that asking again changes nothing; a new one where it is missing
        #[arg(long, value_name = "ID")]
        id: Option<Uuid>,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Ask for the refunds of a CSV file, all of them or none; another person approves them
    #[command(after_help = "Columns: order_id, amount_coins (empty: all that is left), reason.

Example:
  largesse refund batch refunds.csv --reason \"the outage of Tuesday\" --sub mia")]
    Batch {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// A UUIDv7 of your own, so that sending again changes nothing; a new one where it is missing
        #[arg(long, value_name = "ID")]
        id: Option<Uuid>,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Make the case of a minor's gifts of a time: the gifts go back, and then the money they were paid with
    #[command(after_help = "Example:
  largesse refund minor --viewer ann --from 2026-11-01T00:00:00+08:00 --to 2026-11-08T00:00:00+08:00 \\
    --reason \"a guardian wrote\" --sub mia")]
    Minor {
        /// Whose gifts: a UUID, or a name that stands for one
        #[arg(long, value_name = "NAME")]
        viewer: String,
        /// The first instant that counts
        #[arg(long, value_name = "TIME")]
        from: DateTime<Utc>,
        /// The first instant that does not
        #[arg(long, value_name = "TIME")]
        to: DateTime<Utc>,
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// A UUIDv7 of your own, so that asking again changes nothing; a new one where it is missing
        #[arg(long, value_name = "ID")]
        id: Option<Uuid>,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Approve a case (another person than the one who made it): from then on it is done
    #[command(after_help = "Example:
  largesse refund approve CASE --sub ced")]
    Approve(OneRefund),
    /// Refuse a case (another person than the one who made it)
    Refuse(OneRefund),
    /// Cases, newest first
    #[command(after_help = "Examples:
  largesse refund list --state waiting
  largesse refund list --kind minor --json")]
    List {
        #[arg(long, value_enum, default_value = "order")]
        kind: RefundKind,
        #[arg(long, value_enum)]
        state: Option<RefundState>,
        /// Only before this case, for the next page
        #[arg(long, value_name = "CASE")]
        before: Option<Uuid>,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// One case: each line's outcome; of a minor's, whose earnings go back and how far the money is
    #[command(after_help = "Example:
  largesse refund show CASE")]
    Show {
        #[command(flatten)]
        one: OneRefund,
        /// Only lines after this one, for the next page
        #[arg(long, value_name = "N")]
        after: Option<i32>,
    },
    /// What viewers owe: coins that were spent before a channel took their money back
    Receivables {
        #[command(flatten)]
        finance: FinanceArgs,
    },
}
