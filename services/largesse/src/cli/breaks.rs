//! What can be asked of breaks and of their trail.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::str::FromStr;
use trail::Anchor;

/// A running process that has recon or passes on to it, and who asks.
#[derive(Debug, Clone, Args)]
pub struct DeskArgs {
    /// A running process that has recon, or pages
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub url: String,
    /// The data directory whose signing key to use (shared with `up`)
    #[arg(long, default_value = "data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Who asks: a UUID, or a name that stands for one. Whoever proposed cannot approve
    #[arg(long, default_value = "operator", value_name = "NAME")]
    pub sub: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// One break, and who works on it.
#[derive(Debug, Clone, Args)]
pub struct OneBreak {
    /// The break's id, as `list` has it
    #[arg(value_name = "BREAK")]
    pub break_id: ids::BreakId,
    #[command(flatten)]
    pub desk: DeskArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum BreakCommand {
    /// Breaks, newest first
    #[command(after_help = "Examples:
  largesse break list --state open --severity high
  largesse break list --overdue --json")]
    List(ListArgs),
    /// One break: both sides' evidence, comments, proposals and its history
    Show {
        #[command(flatten)]
        one: OneBreak,
    },
    /// Give an open break to somebody
    Assign {
        #[command(flatten)]
        one: OneBreak,
        /// Who is to have it: a UUID, or a name that stands for one
        #[arg(long, value_name = "NAME")]
        to: String,
    },
    /// Say something about a break
    Comment {
        #[command(flatten)]
        one: OneBreak,
        #[arg(long, value_name = "TEXT")]
        text: String,
    },
    /// Propose what is to be done (as finance-maker); `show` then has the digest that another person approves
    #[command(after_help = "Examples:
  largesse break propose BREAK --sub mia --action grant-coins --viewer ann --paid-coins 70 --reason \"never shown\"
  largesse break propose BREAK --sub mia --action refund-order --reason \"the order says it came back\"
  largesse break propose BREAK --sub mia --action write-off --coins 70 --reason \"less than it costs\"
  largesse break propose BREAK --sub mia --action settle-receivable --end paid --reason \"the viewer paid\"
  largesse break propose BREAK --sub mia --action wait --days 3 --reason \"the channel answers on Monday\"
  largesse break propose BREAK --sub mia --action adjust-voucher --line 6711:5000:0 --line 6601:0:5000 --reason \"…\"")]
    Propose(ProposeArgs),
    /// Approve exactly what was proposed (as finance-checker, another person)
    #[command(after_help = "Example:
  largesse break approve BREAK --sub ced --digest 5f1c…")]
    Approve {
        #[command(flatten)]
        one: OneBreak,
        /// The proposal's digest, as `show` has it
        #[arg(long, value_name = "HEX")]
        digest: String,
    },
    /// Reject what was proposed (as finance-checker, another person)
    Reject {
        #[command(flatten)]
        one: OneBreak,
        /// The proposal's digest, as `show` has it
        #[arg(long, value_name = "HEX")]
        digest: String,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Open a new break about the fact of a closed one
    Reopen {
        #[command(flatten)]
        one: OneBreak,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub desk: DeskArgs,
    /// Only in this state, such as `open` or `proposed`
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    /// Only of this kind, such as `missing_order`
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// Only of this severity or worse: low, medium, high, critical
    #[arg(long, value_name = "SEVERITY")]
    pub severity: Option<String>,
    /// Only those that should be closed by now
    #[arg(long)]
    pub overdue: bool,
    /// Only before this number, for the next page
    #[arg(long, value_name = "N")]
    pub before: Option<i64>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub limit: u16,
}

/// What can be proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ActionName {
    /// The wallet gives coins to make good
    GrantCoins,
    /// The wallet gives back what is left of the break's order
    RefundOrder,
    /// Settlement settles the break's order
    Resettle,
    /// Clearing posts a balanced voucher
    AdjustVoucher,
    /// Clearing takes what a viewer owes off the books
    SettleReceivable,
    /// The difference is accepted; clearing posts what it is worth to gain (6301) or loss (6711)
    WriteOff,
    /// Nothing for some days
    Wait,
}

#[derive(Debug, Clone, Args)]
pub struct ProposeArgs {
    #[command(flatten)]
    pub one: OneBreak,
    #[arg(long, value_enum)]
    pub action: ActionName,
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Who gets the coins: a UUID, or a name that stands for one
    #[arg(long, value_name = "NAME", required_if_eq("action", "grant-coins"))]
    pub viewer: Option<String>,
    /// Paid coins to grant
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub paid_coins: i64,
    /// Promotional coins to grant
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub promo_coins: i64,
    /// Coins to write off: what the break says
    #[arg(long, value_name = "N", required_if_eq("action", "write-off"))]
    pub coins: Option<i64>,
    /// How a viewer's debt ends
    #[arg(long, value_enum, required_if_eq("action", "settle-receivable"))]
    pub end: Option<EndName>,
    /// Days to wait
    #[arg(long, value_name = "N", required_if_eq("action", "wait"))]
    pub days: Option<u16>,
    /// A line of the voucher, in millionths of a minor unit
    #[arg(long, value_name = "ACCOUNT:DEBIT:CREDIT", required_if_eq("action", "adjust-voucher"))]
    pub line: Vec<Line>,
}

/// How a viewer's debt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EndName {
    /// The viewer paid the whole of it to our bank
    Paid,
    /// Nobody will pay it
    WrittenOff,
    /// The channel gives the money back; the viewer gets back the coins that were taken
    DisputeWon,
}

impl EndName {
    pub const fn end(self) -> recon::ReceivableEnd {
        match self {
            EndName::Paid => recon::ReceivableEnd::Paid,
            EndName::WrittenOff => recon::ReceivableEnd::WrittenOff,
            EndName::DisputeWon => recon::ReceivableEnd::DisputeWon,
        }
    }
}

/// A voucher's line as an operator writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(pub recon::VoucherLine);

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Line, String> {
        let wrong = || format!("\"{text}\" is no line: ACCOUNT:DEBIT:CREDIT");
        let mut parts = text.split(':');
        let (Some(account), Some(debit), Some(credit), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let micro = |text: &str| text.parse().map_err(|_| wrong());
        let (debit_micro, credit_micro) = (micro(debit)?, micro(credit)?);
        Ok(Line(recon::VoucherLine { account: account.to_owned(), debit_micro, credit_micro }))
    }
}

#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// Verify every trail: chains, anchors, and that breaks, refunds, periods, payouts, accounts and contracts stand as
    /// their steps say; exit 0 only if all of it holds
    #[command(
        after_help = "Prints each trail's end as TRAIL=SEQ:HASH. Keep them where nobody who can write to the database \
can: given as anchors later, they also prove that no tail was cut off and that nothing was written anew.

Examples:
  largesse audit verify --database postgres://auditor@db/largesse
  largesse audit verify --url http://127.0.0.1:8080 --anchor breaks=4711:5f1c…"
    )]
    Verify(VerifyArgs),
}

#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// The database of all services, read without any other process
    #[arg(long, value_name = "URL", conflicts_with = "url")]
    pub database: Option<String>,
    /// A running process that has all services, or pages
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub url: String,
    /// The data directory whose signing key to use (shared with `up`)
    #[arg(long, default_value = "data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Only this trail
    #[arg(long, value_enum)]
    pub trail: Option<TrailName>,
    /// A row known from elsewhere, as an earlier run has it; one without a name is of breaks
    #[arg(long = "anchor", value_name = "TRAIL=SEQ:HASH")]
    pub anchors: Vec<NamedAnchor>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The trails there are, each in the schema of the service that decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TrailName {
    Breaks,
    Refunds,
    Periods,
    Payouts,
}

impl TrailName {
    pub const ALL: [TrailName; 4] =
        [TrailName::Breaks, TrailName::Refunds, TrailName::Periods, TrailName::Payouts];

    pub const fn as_str(self) -> &'static str {
        match self {
            TrailName::Breaks => "breaks",
            TrailName::Refunds => "refunds",
            TrailName::Periods => "periods",
            TrailName::Payouts => "payouts",
        }
    }
}

/// An anchor and the trail that it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedAnchor {
    pub trail: TrailName,
    pub anchor: Anchor,
}

impl FromStr for NamedAnchor {
    type Err = String;

    fn from_str(text: &str) -> Result<NamedAnchor, String> {
        let (name, anchor) = text.split_once('=').unwrap_or(("breaks", text));
        let trail = TrailName::ALL.into_iter().find(|trail| trail.as_str() == name);
        let trail = trail.ok_or_else(|| format!("there is no trail {name:?}"))?;
        Ok(NamedAnchor { trail, anchor: anchor.parse().map_err(|error| format!("{error}"))? })
    }
}
