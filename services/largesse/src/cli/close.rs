//! What finance can ask of the books: the journal, files of it, and the closing of periods.

use crate::cli::money::FinanceArgs;
use clap::{Args, Subcommand, ValueEnum};
use ids::PeriodRequestId;
use std::path::PathBuf;

#[derive(Debug, Clone, Subcommand)]
pub enum JournalCommand {
    /// Vouchers by the day whose books they stand in
    #[command(after_help = "Example:
  largesse journal list --from 2026-11-20 --to 2026-11-20 --account 2205.01")]
    List {
        /// From this day (2026-01-31) to that one, both included
        #[arg(long, value_name = "DAY")]
        from: String,
        #[arg(long, value_name = "DAY")]
        to: String,
        /// Only vouchers that name this account
        #[arg(long, value_name = "CODE")]
        account: Option<String>,
        /// Only vouchers after this place, as the page before says
        #[arg(long, value_name = "PLACE")]
        after: Option<String>,
        /// At most so many, from 1 to 500
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: u16,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// One voucher: its lines, and the rows it was made from, with the orders of gifts
    #[command(after_help = "Example:
  largesse journal show 17-4211 --json")]
    Show {
        /// Partition and seq, as `list` has it
        voucher: String,
        /// Only rows after this seq, as the page before says
        #[arg(long, value_name = "SEQ")]
        after: Option<i64>,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Write the journal of some days, or a trial balance, as a file
    #[command(after_help = "Examples:
  largesse journal export --from 2026-11-01 --to 2026-11-30 --format hledger --out november.journal
  largesse journal export --book trial-balance --to 2026-11-30 --format csv --out november.csv")]
    Export {
        #[arg(long, value_enum, default_value = "journal")]
        book: BookName,
        /// From this day; a trial balance without it is of everything up to --to
        #[arg(long, value_name = "DAY", required_if_eq("book", "journal"))]
        from: Option<String>,
        #[arg(long, value_name = "DAY")]
        to: String,
        #[arg(long, value_enum)]
        format: BookFormat,
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// The coin liability, day by day: opening, credited, spent, returned, withdrawn, closing
    #[command(after_help = "Example:
  largesse journal roll-forward --from 2026-11-01 --to 2026-11-30")]
    RollForward {
        /// From this day to that one, both included; at most 92
        #[arg(long, value_name = "DAY")]
        from: String,
        #[arg(long, value_name = "DAY")]
        to: String,
        #[command(flatten)]
        finance: FinanceArgs,
    },
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BookName {
    Journal,
    TrialBalance,
}

/// In which format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BookFormat {
    Csv,
    Xlsx,
    Parquet,
    Beancount,
    Hledger,
}

#[derive(Debug, Clone, Subcommand)]
pub enum PeriodCommand {
    /// Accounting days, newest first, and steps that wait for another person
    #[command(after_help = "Example:
  largesse period list --limit 31")]
    List {
        /// Only days before this one
        #[arg(long, value_name = "DAY")]
        before: Option<String>,
        /// At most so many, from 1 to 500
        #[arg(long, default_value_t = 31, value_name = "N")]
        limit: u16,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// What must hold before a period is closed, line by line; exit 1 where something blocks
    #[command(after_help = "Example:
  largesse period checklist 2026-11-20")]
    Checklist {
        /// A day (2026-11-20) or a month (2026-11)
        period: String,
        #[command(flatten)]
        finance: FinanceArgs,
    },
    /// Let only adjustments by finance in; what comes late stands in the first open day
    #[command(after_help = "Example:
  largesse period soft-lock 2026-11-20 --sub ann")]
    SoftLock(StepArgs),
    /// Close a period that is locked and whose checklist passes: propose it, or agree to it as another person
    #[command(after_help = "Example:
  largesse period close 2026-11-20 --sub ann
  largesse period close 2026-11-20 --sub bob")]
    Close(StepArgs),
    /// Reopen a period for a reason: propose it, or agree to it as another person
    #[command(after_help = "Example:
  largesse period reopen 2026-11-20 --reason \"a bill came again\" --sub ann
  largesse period reopen 2026-11-20 --sub bob")]
    Reopen(StepArgs),
}

#[derive(Debug, Clone, Args)]
pub struct StepArgs {
    /// A day (2026-11-20) or a month (2026-11)
    pub period: String,
    /// Why; proposing to reopen needs it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The request's id, to ask the same again after a lost answer
    #[arg(long, value_name = "ID")]
    pub id: Option<PeriodRequestId>,
    #[command(flatten)]
    pub finance: FinanceArgs,
}
