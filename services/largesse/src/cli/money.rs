//! What finance can ask for: contracts, statements and payouts.

use clap::{Args, Subcommand, ValueEnum};
use ids::{ContractImportId, PayeeAccountId, PayoutBatchId, PayoutLineId, PayoutRequestId, StreamerId, Uuid};
use std::path::PathBuf;

/// How a process is asked by somebody of finance.
#[derive(Debug, Clone, Args)]
pub struct FinanceArgs {
    /// A running process that has settlement, or passes its routes on
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub url: String,
    /// The data directory whose signing key to use (shared with `up`)
    #[arg(long, default_value = "data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Who asks: a UUID, or a name that stands for one. What one made, another approves
    #[arg(long, default_value = "finance", value_name = "NAME")]
    pub sub: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Whom money is paid to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum PayeeName {
    #[default]
    Streamer,
    Agency,
}

impl PayeeName {
    pub const fn as_str(self) -> &'static str {
        match self {
            PayeeName::Streamer => "streamer",
            PayeeName::Agency => "agency",
        }
    }
}

/// A file of statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatementFormat {
    Csv,
    Xlsx,
    /// The lines under them: a streamer and version of a contract each
    LinesCsv,
}

/// A file of payouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PayoutFormat {
    Csv,
    Pain001,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ContractCommand {
    /// Read contracts from CSV; all of the file waits for another person's approval, or nothing of it
    Import {
        /// Columns streamer_id, valid_from, agency_id, streamer_ppm, agency_ppm, platform_ppm, tax_ppm, promo
        file: PathBuf,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Put an import in force
    Approve {
        import: ContractImportId,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Refuse an import
    Refuse {
        import: ContractImportId,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Imports, newest first
    Imports {
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Versions that are in force, or will be
    List {
        /// Only this streamer's
        #[arg(long, value_name = "ID")]
        streamer: Option<StreamerId>,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Write every streamer's versions as CSV, in the columns that `import` reads
    Export {
        /// Where to; standard output where it is missing
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        finance: FinanceArgs,
    },
}

#[derive(Debug, Clone, Subcommand)]
pub enum StatementCommand {
    /// Final statements of some days
    List {
        /// From this day (2026-01-31) to that one, both included
        #[arg(long, value_name = "DAY")]
        from: String,
        #[arg(long, value_name = "DAY")]
        to: String,
        #[arg(long, value_enum, default_value = "streamer")]
        payee: PayeeName,
        /// Only this payee's
        #[arg(long, value_name = "ID")]
        payee_id: Option<Uuid>,
        /// Write CSV there instead
        #[arg(long, value_name = "FILE", conflicts_with = "format")]
        csv: Option<PathBuf>,
        /// Write a file of this format to --out instead; a workbook also has the lines, which open their orders, and lines-csv has them alone
        #[arg(long, value_enum, requires = "out")]
        format: Option<StatementFormat>,
        #[arg(long, value_name = "FILE", requires = "format")]
        out: Option<PathBuf>,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// One payee's day with its lines, one for each streamer and version of a contract
    Show {
        payee_id: Uuid,
        day: String,
        #[arg(long, value_enum, default_value = "streamer")]
        payee: PayeeName,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// The orders of one line, at most 500
    Orders {
        payee_id: Uuid,
        day: String,
        #[arg(long, value_enum, default_value = "streamer")]
        payee: PayeeName,
        /// The line, as `show` names it
        #[arg(long, value_name = "ID")]
        streamer: StreamerId,
        #[arg(long, value_name = "N", allow_negative_numbers = true)]
        version: i32,
        #[command(flatten)]
        finance: FinanceArgs,
    },
}

/// One proposal about withholding.
#[derive(Debug, Clone, Args)]
pub struct OneProposal {
    /// The proposal's id, as `propose` and `list` have it
    #[arg(value_name = "PROPOSAL")]
    pub proposal: Uuid,
    #[command(flatten)]
    pub finance: FinanceArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum WithholdingCommand {
    /// Rules in force, or to be, and proposals, newest first
    List {
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Propose a rule (TOML or JSON) from a day to come on; another person approves it
    #[command(after_help = "The file, flat or cumulative:
  payee = \"streamer\"
  valid_from = \"2027-01-01\"
  name = \"as the tax office announced\"
  [method.cumulative]
  cost_ppm = 200000
  allowance_minor = 500000
  brackets = [
    { above_minor = 0, rate_ppm = 30000, quick_minor = 0 },
    { above_minor = 3600000, rate_ppm = 100000, quick_minor = 252000 },
  ]

Example:
  largesse payout withholding propose 2027.toml --reason \"announcement 1 of 2027\" --sub mia")]
    Propose {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// A UUID of your own, so that asking again changes nothing; a new one where it is missing
        #[arg(long, value_name = "ID")]
        id: Option<Uuid>,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Put a proposed rule in force from its day on (another person than the one who proposed it)
    Approve(OneProposal),
    /// Refuse a proposed rule
    Refuse(OneProposal),
}

#[derive(Debug, Clone, Subcommand)]
pub enum PayoutCommand {
    /// What is withheld for payees' income tax: rules with the days they begin on
    #[command(subcommand)]
    Withholding(WithholdingCommand),
    /// Where a payee's money stands
    Payee {
        payee_id: Uuid,
        #[arg(long, value_enum, default_value = "streamer")]
        payee: PayeeName,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Give the account that a payee's money goes to; another person approves it
    Account {
        payee_id: Uuid,
        #[arg(long, value_enum, default_value = "streamer")]
        payee: PayeeName,
        #[arg(long, value_name = "NAME")]
        holder: String,
        #[arg(long, value_name = "NUMBER")]
        account_no: String,
        /// BIC, or the clearing code of the country
        #[arg(long, value_name = "CODE")]
        bank_code: String,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Put an account in force
    ApproveAccount {
        account: PayeeAccountId,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Ask for available money
    Request {
        payee_id: Uuid,
        #[arg(long, value_enum, default_value = "streamer")]
        payee: PayeeName,
        /// In minor units; everything that is available where it is missing
        #[arg(long, value_name = "N")]
        amount_minor: Option<i64>,
        /// The request's id, to ask the same again after a lost answer
        #[arg(long, value_name = "ID")]
        id: Option<PayoutRequestId>,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Take a request back that is in no batch
    Cancel {
        request: PayoutRequestId,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Make a batch of all that was asked for
    Build {
        /// The batch's id, to ask the same again after a lost answer
        #[arg(long, value_name = "ID")]
        id: Option<PayoutBatchId>,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Batches, newest first
    List {
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// One batch with its lines
    Show {
        batch: PayoutBatchId,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Approve a batch that another person built
    Approve {
        batch: PayoutBatchId,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Discard a batch that was not submitted
    Discard {
        batch: PayoutBatchId,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Hand a batch's file out: its money counts as being at the bank. Again, it is the same file
    Submit {
        batch: PayoutBatchId,
        /// Where the file goes
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Which file: CSV, or the bank's own payment order (ISO 20022 pain.001)
        #[arg(long, value_enum, default_value = "csv")]
        format: PayoutFormat,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Record what the bank says: a file, or one line
    #[command(
        after_help = "The file is CSV with the columns line_id, outcome (paid or rejected) and reason."
    )]
    Confirm {
        batch: PayoutBatchId,
        #[arg(required_unless_present = "id", conflicts_with = "id")]
        file: Option<PathBuf>,
        /// One line
        #[arg(long, value_name = "ID")]
        id: Option<PayoutLineId>,
        /// Why it was rejected; a line without it was paid
        #[arg(long, value_name = "TEXT", requires = "id")]
        rejected: Option<String>,
        #[command(flatten)]
        finance: FinanceArgs,
    },
}
