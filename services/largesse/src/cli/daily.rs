//! What can be asked of files of channels and banks, of daily runs, and of matching rules.

use super::DeskArgs;
use chrono::NaiveDate;
use clap::{Args, Subcommand, ValueEnum};
use ids::Uuid;
use std::path::PathBuf;

/// What a file is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScopeName {
    /// Trades of a payment channel
    Channel,
    /// A bank's statement
    Bank,
    /// Movements of a channel's balance, such as a fund bill
    Funds,
}

impl ScopeName {
    pub const fn as_str(self) -> &'static str {
        match self {
            ScopeName::Channel => "channel",
            ScopeName::Bank => "bank",
            ScopeName::Funds => "funds",
        }
    }
}

/// A file to be handed in.
#[derive(Debug, Clone, Args)]
pub struct FileArgs {
    /// The file, as the channel or bank gave it: plain, gzip or ZIP
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Whose file it is: a payment channel's name, as payments have it
    #[arg(long, value_name = "NAME")]
    pub channel: String,
    /// What the file must be, such as `wechat-trade` or `camt-053`; found out where it is missing
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// The saved column profile to read a CSV or XLSX by
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// What the file is about, where its format does not say
    #[arg(long, value_enum)]
    pub scope: Option<ScopeName>,
    /// SHA-1 of the unpacked file, as WeChat Pay tells it beside the download: refused where it is another
    #[arg(long, value_name = "HEX")]
    pub sha1: Option<String>,
    /// SHA-256 of the unpacked file: refused where it is another
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<String>,
    /// How many rows the file has: refused where it has others
    #[arg(long, value_name = "N")]
    pub rows: Option<u64>,
    #[command(flatten)]
    pub desk: DeskArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum BillCommand {
    /// Import a file, whole or not at all; the same file twice is refused
    #[command(after_help = "Examples:
  largesse bill import 1900000001_20261120.csv --channel wechat
  largesse bill import 1900000001_20261120.csv --channel wechat --sha1 b8b8b8… --rows 4211
  largesse bill import statement.xml --channel wechat --format camt-053
  largesse bill import november.xlsx --channel icbc --profile icbc --scope bank")]
    Import(FileArgs),
    /// Read a file to its end and say what it is; changes nothing
    #[command(after_help = "Examples:
  largesse bill verify 1900000001_20261120.csv --channel wechat")]
    Verify(FileArgs),
    /// Imported files, newest first
    #[command(after_help = "Examples:
  largesse bill list --day 2026-11-20
  largesse bill list --json")]
    List {
        /// Only files that cover this day
        #[arg(long, value_name = "DAY")]
        day: Option<NaiveDate>,
        /// Only files before this one, for the next page
        #[arg(long, value_name = "BILL")]
        before: Option<Uuid>,
        #[command(flatten)]
        desk: DeskArgs,
    },
    /// The sandbox channel's bill of a day, in the WeChat merchant layout (development only)
    #[command(after_help = "A file of faults is a JSON list, rows counted from 0 in the bill without faults:
  [{\"fault\":\"missing-row\",\"row\":0},{\"fault\":\"amount-off\",\"row\":1,\"by_minor\":5}]

Examples:
  largesse bill sandbox --day 2026-11-20 --out sandbox.csv
  largesse bill sandbox --day 2026-11-20 --out sandbox.csv --faults faults.json")]
    Sandbox {
        #[arg(long, value_name = "DAY")]
        day: NaiveDate,
        /// Where the bill goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// What is to be wrong with it
        #[arg(long, value_name = "FILE")]
        faults: Option<PathBuf>,
        #[command(flatten)]
        desk: DeskArgs,
    },
    /// Saved column profiles: which column of a CSV or XLSX is what
    Profiles {
        #[command(flatten)]
        desk: DeskArgs,
    },
    /// Save a column profile (TOML or JSON) as its name's next version
    #[command(after_help = "Example:
  largesse bill save-profile icbc.toml --sub mia")]
    SaveProfile {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        desk: DeskArgs,
    },
}

#[derive(Debug, Clone, Subcommand)]
pub enum ReconCommand {
    /// Reconcile a day row by row, with its bills; shows how far it is, and then what differs
    #[command(after_help = "Examples:
  largesse recon run --day 2026-11-20
  largesse recon run --day 2026-11-20 --no-wait --json")]
    Run {
        #[arg(long, value_name = "DAY")]
        day: NaiveDate,
        /// Only ask for it
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        desk: DeskArgs,
    },
    /// Run the day of an earlier run again; says whether its report is the same
    #[command(after_help = "Example:
  largesse recon rerun 019a2f00-0000-7000-8000-000000000001")]
    Rerun {
        #[arg(value_name = "RUN")]
        run: Uuid,
        #[command(flatten)]
        desk: DeskArgs,
    },
    /// Runs, newest first
    List {
        /// Only of this day
        #[arg(long, value_name = "DAY")]
        day: Option<NaiveDate>,
        #[command(flatten)]
        desk: DeskArgs,
    },
    /// The report of a run: the same bytes for the same books
    Report {
        #[arg(value_name = "RUN")]
        run: Uuid,
        /// Where it goes; standard output where it is missing
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        desk: DeskArgs,
    },
    /// What changed from one run's report to another's; exit 1 where something did
    #[command(after_help = "Example:
  largesse recon diff RUN-A RUN-B")]
    Diff {
        #[arg(value_name = "RUN")]
        a: Uuid,
        #[arg(value_name = "RUN")]
        b: Uuid,
        #[command(flatten)]
        desk: DeskArgs,
    },
    /// Both sides of a break, a payment or a bill's row, and why they are matched or not
    #[command(after_help = "Examples:
  largesse recon explain BREAK
  largesse recon explain PAYMENT
  largesse recon explain BILL:ROW
  largesse recon explain PAYOUT-LINE/paid")]
    Explain {
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        desk: DeskArgs,
    },
    /// A day in figures: files, match rates, what is open
    Today {
        #[arg(long, value_name = "DAY")]
        day: NaiveDate,
        #[command(flatten)]
        desk: DeskArgs,
    },
    /// What channels have paid to us, by the banks' statements: each with what the channel kept and its voucher
    #[command(after_help = "Examples:
  largesse recon settlements --day 2026-11-20
  largesse recon settlements --waiting --json")]
    Settlements {
        /// Only what the run of this day matched
        #[arg(long, value_name = "DAY")]
        day: Option<NaiveDate>,
        /// Only of this channel
        #[arg(long, value_name = "NAME")]
        channel: Option<String>,
        /// Only those that have no voucher yet
        #[arg(long)]
        waiting: bool,
        /// Only those before this number, for the next page
        #[arg(long, value_name = "NUMBER")]
        before: Option<i64>,
        #[command(flatten)]
        desk: DeskArgs,
    },
    /// Rules of matching: versions, proposed by one person and decided by another
    #[command(subcommand)]
    Rules(RulesCommand),
}

/// One version of one scope's rules.
#[derive(Debug, Clone, Args)]
pub struct OneVersion {
    #[arg(value_name = "VERSION")]
    pub version: i32,
    /// Whose rules
    #[arg(long, value_enum, default_value = "channel")]
    pub scope: ScopeName,
    #[command(flatten)]
    pub desk: DeskArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum RulesCommand {
    /// Every version
    List {
        #[command(flatten)]
        desk: DeskArgs,
    },
    /// Propose the next version (as finance-maker)
    #[command(after_help = "Example:
  largesse recon rules propose rules.json --scope channel --reason \"refunds come four days late\" --sub mia")]
    Propose {
        /// The rules as JSON, with the next version's number in them
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Whose rules
        #[arg(long, value_enum, default_value = "channel")]
        scope: ScopeName,
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        desk: DeskArgs,
    },
    /// What a version would have done with a past day's lines
    DryRun {
        #[command(flatten)]
        one: OneVersion,
        #[arg(long, value_name = "DAY")]
        day: NaiveDate,
    },
    /// Put a proposed version in force (as finance-checker, another person)
    Approve {
        #[command(flatten)]
        one: OneVersion,
    },
    /// Reject a proposed version (as finance-checker, another person)
    Reject {
        #[command(flatten)]
        one: OneVersion,
    },
}
