//! The command line: what can be asked for, with examples.

pub mod bench;
pub mod breaks;
pub mod close;
pub mod daily;
pub mod money;
pub mod refunds;

pub use bench::{BareWalletArgs, BenchArgs, BenchPart};
pub use breaks::{
    ActionName, AuditCommand, BreakCommand, DeskArgs, ListArgs, OneBreak, ProposeArgs, VerifyArgs,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use ids::PartitionGroup;
use refresh::SetName;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// The money behind live gifts.
#[derive(Debug, Parser)]
#[command(name = "largesse", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run every service in one process, on the embedded database, with the pages
    #[command(after_help = "Examples:
  largesse up                                    pages on http://127.0.0.1:8080, data in ./data
  largesse up --data-dir /tmp/ann --listen 127.0.0.1:9090
  largesse up --database postgres://app@db/largesse --redis redis://cache --amqp amqp://bus")]
    Up(UpArgs),
    /// Run some services in this process, on real servers; the others run elsewhere ([peers] says where)
    #[command(after_help = "Examples:
  largesse serve wallet --config wallet-1.toml
  LARGESSE_PEERS__WALLET='[\"http://10.0.0.5:8080\"]' largesse serve gift --database postgres://app@db/largesse
  largesse serve cashier wallet gift settlement clearing recon --config largesse.toml

Waits for the database, its schemas (run `largesse migrate`), the broker and the wallet's nodes, in whatever order they
start. Lists itself in the database ([routes]), so that processes which name one node of a service find the others.")]
    Serve(ServeArgs),
    /// Bring every schema of a database up to date
    #[command(after_help = "Examples:
  largesse migrate --database postgres://app@db/largesse
  largesse migrate --data-dir ./data")]
    Migrate(MigrateArgs),
    /// Print a bearer token
    #[command(after_help = "Examples:
  largesse token --role viewer --sub ann
  curl -H \"Authorization: Bearer $(largesse token --role finance --sub fin)\" localhost:8080/v1/trial-balance")]
    Token(TokenArgs),
    /// Send a recorded evening: a replay file, or a recorder's XML
    #[command(after_help = "Examples:
  largesse replay loadtest/samples/final-night.jsonl.gz --data-dir ./data
  largesse replay evening.xml --url http://127.0.0.1:8080 --data-dir ./data")]
    Replay(ReplayArgs),
    /// Replay the shipped sample from nothing and prove the books
    #[command(after_help = "Examples:
  largesse demo --data-dir target/demo --json target/demo/report.json")]
    Demo(DemoArgs),
    /// Prove the books from the tables alone; exit 0 only if every invariant holds
    #[command(after_help = "Examples:
  largesse check --data-dir ./data
  largesse check --database postgres://app@db/largesse --json")]
    Check(CheckArgs),
    /// Measure, each figure beside its yardstick in the same run
    #[command(after_help = "Examples:
  largesse bench --out target/bench/report.json
  largesse bench --database postgres://app@db/postgres --only \"256 in flight\"")]
    Bench(BenchArgs),
    /// Look at what would hurt: schemas, clock, server settings, connections, placement of masters
    #[command(
        after_help = "Exit 0 where nothing is refused. In the profile production, what is a warning in development
(fsync off, two masters on one host) is refused.

Examples:
  largesse doctor --database postgres://app@db/largesse --config largesse.toml
  largesse doctor --data-dir ./data"
    )]
    Doctor(DoctorArgs),
    /// Which of the wallet's databases has which groups of partitions, and moves between them under load
    #[command(
        subcommand,
        after_help = "Examples:
  largesse shards list --database postgres://app@db-1/largesse --database postgres://app@db-2/largesse
  largesse shards move --from postgres://app@db-1/largesse --to postgres://app@db-2/largesse --groups 4-7"
    )]
    Shards(ShardsCommand),
    /// Take days out of the wallet's log that nobody can need any more: at once, however long they are
    #[command(
        after_help = "A day goes when its keys are refused as expired (wallet.id_age_max_days), a snapshot \
covers it, every reader is past it, and the period of its entries is closed. It stays whole in the schema \
wallet_retired, where `largesse check` still reads it.

Examples:
  largesse retire --database postgres://app@db/largesse --look
  largesse retire --database postgres://app@db/largesse --config largesse.toml"
    )]
    Retire(RetireArgs),
    /// Show what a process calls: what is declared, or with --url how it is there now
    #[command(after_help = "Exit 1 where something is away.

Examples:
  largesse deps
  largesse deps --url http://127.0.0.1:8080 --data-dir ./data")]
    Deps(DepsArgs),
    /// Show what a running process reads most, and what it serves from memory
    #[command(
        after_help = "Of a room's ranking (rank) and of its count of gifts (count). Every process that runs gift \
has tables of its own; \"all/s\" is what all of them read together.

Examples:
  largesse hotkeys --url http://127.0.0.1:8080 --data-dir ./data
  watch largesse hotkeys --url http://127.0.0.1:8080
  largesse hotkeys --url http://10.0.0.5:8080 --json"
    )]
    Hotkeys(HotkeysArgs),
    /// See who runs which version of the slow-changing tables, and steer that: pin, roll back, approve
    #[command(
        subcommand,
        after_help = "Asks a running process that has gift, or for the set routes any that serves; one speaks for all \
nodes. What is asked is kept in the database, and obeyed within a second or two.

Examples:
  largesse refresh list
  largesse refresh roster --set gift-shelf --url http://10.0.0.5:8080 --data-dir ./data
  largesse refresh pin --set gift-shelf --version 41
  largesse refresh roll-back --set gift-shelf --json"
    )]
    Refresh(RefreshCommand),
    /// Contracts of streamers: in files, approved by another person, in force from their day on
    #[command(
        subcommand,
        after_help = "Examples:
  largesse contract import contracts.csv --sub ann
  largesse contract approve 019a2f00-0000-7000-8000-000000000001 --sub bob
  largesse contract export --out contracts.csv"
    )]
    Contract(money::ContractCommand),
    /// What streamers and agencies earned, day by day, down to the orders
    #[command(
        subcommand,
        after_help = "Examples:
  largesse statement list --from 2026-11-01 --to 2026-11-30
  largesse statement show 019a2f00-0000-7000-8000-000000000001 2026-11-20
  largesse statement list --from 2026-11-01 --to 2026-11-30 --payee agency --csv november.csv
  largesse statement list --from 2026-11-01 --to 2026-11-30 --format xlsx --out november.xlsx"
    )]
    Statement(money::StatementCommand),
    /// Pay streamers and agencies out: request, build, approve, submit, confirm
    #[command(
        subcommand,
        after_help = "Examples:
  largesse payout request 019a2f00-0000-7000-8000-000000000001
  largesse payout build --sub ann
  largesse payout approve 019a2f00-0000-7000-8000-000000000002 --sub bob
  largesse payout submit 019a2f00-0000-7000-8000-000000000002 --out payouts.csv
  largesse payout submit 019a2f00-0000-7000-8000-000000000002 --format pain001 --out payouts.xml
  largesse payout confirm 019a2f00-0000-7000-8000-000000000002 bank.csv"
    )]
    Payout(money::PayoutCommand),
    /// Bills of payment channels and statements of banks: verify, import, list
    #[command(
        subcommand,
        after_help = "A file is imported whole or not at all: its totals, hashes and row counts are verified first, and a broken \
file is refused with its line and column. Ask a process that has recon: pages pass on no large bodies.

Examples:
  largesse bill verify 1900000001_20261120.csv --channel wechat
  largesse bill import 1900000001_20261120.csv --channel wechat
  largesse bill list --day 2026-11-20"
    )]
    Bill(daily::BillCommand),
    /// The daily reconciliation: run, compare, explain; and the rules by which bills are matched
    #[command(
        subcommand,
        after_help = "Examples:
  largesse recon run --day 2026-11-20
  largesse recon rerun RUN
  largesse recon diff RUN-A RUN-B
  largesse recon explain BREAK"
    )]
    Recon(daily::ReconCommand),
    /// Vouchers: look at them, down to the gifts they were made from, and write the books as files
    #[command(
        subcommand,
        after_help = "Examples:
  largesse journal list --from 2026-11-01 --to 2026-11-30 --account 2205.01
  largesse journal show 17-4211
  largesse journal export --from 2026-11-01 --to 2026-11-30 --format xlsx --out november.xlsx
  largesse journal export --from 2026-11-01 --to 2026-11-30 --format beancount --out november.beancount"
    )]
    Journal(close::JournalCommand),
    /// Close accounting days and months: lock softly, see what blocks, close and reopen as two people
    #[command(
        subcommand,
        after_help = "A period is a day (2026-11-20) or a month (2026-11). Closing and reopening take two people: the first \
proposes, the second asks for the same and it is done.

Examples:
  largesse period soft-lock 2026-11 --sub ann
  largesse period checklist 2026-11
  largesse period close 2026-11 --sub ann
  largesse period close 2026-11 --sub bob"
    )]
    Period(close::PeriodCommand),
    /// Give coins of gifts back: of one order, of a file's, of a minor's gifts; one asks, another approves
    #[command(
        subcommand,
        after_help = "Examples:
  largesse refund request ORDER --reason \"never shown\" --sub mia
  largesse refund batch refunds.csv --reason \"the outage of Tuesday\" --sub mia
  largesse refund minor --viewer ann --from 2026-11-01T00:00:00Z --to 2026-11-08T00:00:00Z --reason \"…\" --sub mia
  largesse refund approve CASE --sub ced
  largesse refund show CASE"
    )]
    Refund(refunds::RefundCommand),
    /// Work on what reconciliation found: look, assign, propose, approve, reopen
    #[command(
        subcommand,
        after_help = "A break is closed by two people: one proposes, another approves exactly that.

Examples:
  largesse break list --state open
  largesse break show BREAK
  largesse break assign BREAK --to mia --sub mia
  largesse break propose BREAK --sub mia --action write-off --coins 70 --reason \"less than it costs\"
  largesse break approve BREAK --sub ced --digest 5f1c…"
    )]
    Break(BreakCommand),
    /// The trails of every step of breaks, refunds, periods, payouts, accounts and contracts
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Compute nodes and quotas for a forecast peak, from a load test's result
    #[command(after_help = "Examples:
  largesse capacity --load-test load-test.json --forecast forecast.json
  load-test.json: {\"nodes\":1,\"p99_max_us\":20000,\"steps\":[{\"offered_per_s\":20000,\"served_per_s\":20000,\"p99_us\":4000}]}
  forecast.json:  {\"peak_per_s\":100000,\"margin_percent\":30,\"nodes_away\":1,\"room_percent\":25,\"viewer_per_s\":10,\"tenants\":[]}")]
    Capacity(CapacityArgs),
}

#[derive(Debug, Clone, Args)]
pub struct RetireArgs {
    /// The database of the wallet and of every service that reads its log
    #[arg(long, value_name = "URL")]
    pub database: String,
    /// A configuration file over the defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only say what would go and what keeps the others
    #[arg(long)]
    pub look: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ShardsCommand {
    /// Where each group lies, who writes it, and how many entries it has
    List {
        /// A database of the wallet's; give each of them
        #[arg(long, required = true, value_name = "URL")]
        database: Vec<String>,
    },
    /// Move groups to another database while they are written; a move that was cut off goes on when it is asked for
    /// again, and is taken back by the move the other way
    #[command(
        after_help = "The nodes of the other database have wallet.home = \"moved\", and every process \
that names the wallet's nodes in peers.wallet names them too."
    )]
    Move {
        /// The database that has the groups now
        #[arg(long, value_name = "URL")]
        from: String,
        /// The database that is to have them, migrated, with wallet nodes of its own
        #[arg(long, value_name = "URL")]
        to: String,
        /// Groups of eight partitions, 0 to 7: `3`, `0,2` or `4-7`
        #[arg(long, value_name = "LIST")]
        groups: GroupList,
    },
}

/// Groups of partitions as an operator writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupList(pub Vec<PartitionGroup>);

impl FromStr for GroupList {
    type Err = String;

    fn from_str(text: &str) -> Result<GroupList, String> {
        let number = |word: &str| -> Result<PartitionGroup, String> {
            let number: i16 = word.trim().parse().map_err(|_| format!("\"{word}\" is no group"))?;
            PartitionGroup::try_from(number)
                .map_err(|_| format!("there is no group {number}; they are 0 to 7"))
        };
        let mut groups = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            let range = PartitionGroup::all().filter(|group| (first..=last).contains(group));
            groups.extend(range.filter(|group| !groups.contains(group)).collect::<Vec<_>>());
        }
        if groups.is_empty() { Err(format!("\"{text}\" names no group")) } else { Ok(GroupList(groups)) }
    }
}

#[derive(Debug, Clone, Args)]
pub struct DepsArgs {
    /// A running process to ask
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The data directory whose signing key to use (shared with `up`)
    #[arg(long, default_value = "data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Print what a running process says as JSON
    #[arg(long, requires = "url")]
    pub json: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub enum RefreshCommand {
    /// Every set: its version, who publishes it, how many nodes run it, and what is pinned or held back
    #[command(after_help = "Example:
  largesse refresh list --url http://127.0.0.1:8080 --data-dir ./data")]
    List {
        #[command(flatten)]
        process: ProcessArgs,
    },
    /// One set: what every node runs, how old that is, and which versions can be pinned
    #[command(after_help = "Example:
  largesse refresh roster --set gift-shelf")]
    Roster {
        #[command(flatten)]
        one: SetArgs,
    },
    /// Make every node run one of the versions that are kept, whatever the database says
    #[command(after_help = "Example:
  largesse refresh pin --set gift-shelf --version 41")]
    Pin {
        #[command(flatten)]
        one: SetArgs,
        /// One of the versions that `roster` names
        #[arg(long, value_name = "N")]
        version: i64,
    },
    /// Let every node run the newest version again
    #[command(after_help = "Example:
  largesse refresh unpin --set gift-shelf")]
    Unpin {
        #[command(flatten)]
        one: SetArgs,
    },
    /// Pin the version before the one that is announced
    #[command(after_help = "Example:
  largesse refresh roll-back --set gift-shelf")]
    RollBack {
        #[command(flatten)]
        one: SetArgs,
    },
    /// Let the version that is held back pass the rule about how much may change
    #[command(after_help = "Example:
  largesse refresh approve --set gift-shelf --version 42")]
    Approve {
        #[command(flatten)]
        one: SetArgs,
        /// The version that `roster` says is held back
        #[arg(long, value_name = "N")]
        version: i64,
    },
}

/// A running process, and who asks it.
#[derive(Debug, Clone, Args)]
pub struct ProcessArgs {
    /// A running process that has gift
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub url: String,
    /// The data directory whose signing key to use (shared with `up`)
    #[arg(long, default_value = "data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Who asks, kept beside what is asked: a UUID, or a name that stands for one
    #[arg(long, default_value = "operator", value_name = "NAME")]
    pub sub: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct SetArgs {
    /// The set's name, as `list` has it
    #[arg(long, value_name = "NAME", value_parser = SetName::try_new)]
    pub set: SetName,
    #[command(flatten)]
    pub process: ProcessArgs,
}

#[derive(Debug, Clone, Args)]
pub struct HotkeysArgs {
    /// The running process to ask
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// The data directory whose signing key to use (shared with `up`)
    #[arg(long, default_value = "data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Print the tables as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct CapacityArgs {
    /// What a load test found, as JSON
    #[arg(long, value_name = "FILE")]
    pub load_test: PathBuf,
    /// What is expected, as JSON
    #[arg(long, value_name = "FILE")]
    pub forecast: PathBuf,
    /// Print the plan as JSON
    #[arg(long)]
    pub json: bool,
}

/// Where the data is: a directory with the embedded database, or a real PostgreSQL.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// The data directory: embedded database, secrets, run files
    #[arg(long, default_value = "data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// A real PostgreSQL instead of the embedded one
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// A configuration file over the defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Redis instead of the in-process cache
    #[arg(long, value_name = "URL")]
    pub redis: Option<String>,
    /// RabbitMQ instead of the in-process broker
    #[arg(long, value_name = "URL")]
    pub amqp: Option<String>,
}

/// A service that can run in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServiceName {
    Cashier,
    Wallet,
    Gift,
    Settlement,
    Clearing,
    Recon,
    Console,
}

#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// The services of this process
    #[arg(required = true, value_enum)]
    pub services: Vec<ServiceName>,
    #[command(flatten)]
    pub up: UpArgs,
}

#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Who a token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    Viewer,
    /// Reads, commands the services directly, and makes proposals: finance in one person, for development
    Finance,
    /// Reads, and proposes what is to be done about a break
    FinanceMaker,
    /// Reads, and decides what others have proposed
    FinanceChecker,
    /// Reads, and changes nothing
    Auditor,
    Sre,
}

#[derive(Debug, Clone, Args)]
pub struct TokenArgs {
    #[arg(long, value_enum)]
    pub role: RoleName,
    /// A UUID, or a name that stands for one
    #[arg(long)]
    pub sub: String,
    /// Whose viewer this is, where several brands share the rooms: a UUID, or a name that stands for one
    #[arg(long)]
    pub tenant: Option<String>,
    /// How long the token is good for, in seconds
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS")]
    pub ttl_s: u32,
    /// The data directory whose signing key to use (shared with `up`)
    #[arg(long, default_value = "data", value_name = "DIR")]
    pub data_dir: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// A replay file (JSON Lines, plain or gzip) or a recorder's XML
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub place: PlaceArgs,
    /// A running Largesse to send to; without it, one is started on the data directory. Given more than once, gifts
    /// go through all of these nodes
    #[arg(long, value_name = "URL")]
    pub url: Vec<String>,
    /// Connections that send at once
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub connections: u16,
}

#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where the report goes; an HTML page is written beside it
    #[arg(long, value_name = "FILE")]
    pub json: PathBuf,
    /// A replay file instead of the shipped sample
    #[arg(long, value_name = "FILE")]
    pub sample: Option<PathBuf>,
    /// A configuration file over the defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Connections that send at once
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub connections: u16,
}

#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Another database of the wallet's, where some of its groups lie elsewhere (`largesse shards`); give each of
    /// them. What lies there is copied into temporary tables for the proof
    #[arg(long, requires = "database", value_name = "URL")]
    pub wallet_database: Vec<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// A configuration file over the defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}
