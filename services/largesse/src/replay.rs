//! `largesse replay`: sends a recorded evening to a running Largesse, or to one started for it.

use crate::catch_up::Who;
use crate::cli::ReplayArgs;
use crate::compose::{Plan, Stack, telemetry_of};
use crate::config::Config;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::secrets::Secrets;
use edge::{Role, TokenKeys};
use ids::{Uuid, ViewerId};
use loadtest::progress::{LagSource, Progress};
use loadtest::{Replay, ReplaySettings, Replayer, Summary, TokenMinter};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How long a run's tokens are good for: longer than any run.
const TOKEN_TTL: Duration = Duration::from_secs(24 * 3_600);

/// How long the services may take to catch up after the last gift.
pub const CATCH_UP_MAX: Duration = Duration::from_secs(120);

struct Minter(TokenKeys);

impl Minter {
    fn mint(&self, role: Role, sub: Uuid) -> String {
        // A token that cannot be made is refused by the server, which names the line it came with.
        self.0.mint(role, sub, TOKEN_TTL).unwrap_or_default()
    }
}

impl TokenMinter for Minter {
    fn viewer(&self, viewer: ViewerId) -> String {
        self.mint(Role::Viewer, viewer.uuid())
    }

    fn sre(&self) -> String {
        self.mint(Role::Sre, Uuid::now_v7())
    }
}

/// Validates the file whole, then sends it.
pub async fn run(args: ReplayArgs) -> Result<ExitCode, Failure> {
    let replay = Replay::open(&args.file).map_err(|error| Failure::Replay(Box::new(error)))?;
    let summary = match args.url.split_first() {
        Some((url, more_urls)) => {
            let secrets = Secrets::open(&args.place.data_dir)?;
            let tokens = secrets.token_keys()?;
            let lag: LagSource = Arc::new(|| None); // Another process knows, and shows it at /metrics.
            let run_file = run_file(&args.place.data_dir, &args.file);
            let (url, more_urls) = (url.clone(), more_urls.to_vec());
            let sending = Sending { url, more_urls, run_file, connections: args.connections, tokens };
            sending.send(replay, lag).await?
        }
        None => {
            let directory = Directory::open(&args.place.data_dir)?;
            let secrets = Secrets::open(directory.path())?;
            let mut config = Config::load(None)?;
            config.http.listen = ([127, 0, 0, 1], 0).into();
            config.database.url = args.place.database.clone().unwrap_or_default();
            let telemetry = telemetry_of(&config)?;
            let stack =
                Stack::start(&config, &Plan::whole(), &directory, &secrets, &telemetry.metrics()).await?;
            let run_file = run_file(directory.path(), &args.file);
            let sending = Sending::to(&stack, run_file, args.connections);
            let summary = sending.send(replay, stack.lag_source()).await?;
            stack.catch_up(Who::Everybody, CATCH_UP_MAX).await?;
            stack.shutdown().await;
            summary
        }
    };
    println!(
        "{} gifts taken ({} of them before), {} refused, {} coins; {} sent again, none more than {} times",
        summary.accepted,
        summary.replayed,
        summary.refused,
        summary.charged_coins,
        summary.retries,
        summary.tries_max
    );
    Ok(ExitCode::SUCCESS)
}

/// Where a run remembers when it began: one file per replayed file.
fn run_file(data_dir: &Path, file: &Path) -> std::path::PathBuf {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    data_dir.join(format!("run-{name}.json"))
}

/// Where and how a file is sent.
pub struct Sending {
    pub url: String,
    pub more_urls: Vec<String>,
    pub run_file: std::path::PathBuf,
    pub connections: u16,
    pub tokens: TokenKeys,
}

impl Sending {
    /// To a stack of this process.
    pub fn to(stack: &Stack, run_file: std::path::PathBuf, connections: u16) -> Sending {
        let url = format!("http://{}", stack.address());
        Sending { url, more_urls: Vec::new(), run_file, connections, tokens: stack.tokens().clone() }
    }

    /// Validates against the server's catalogue, then sends everything.
    pub async fn send(self, replay: Replay, lag: LagSource) -> Result<Summary, Failure> {
        let failed = |error: loadtest::SendError| Failure::Replay(Box::new(error));
        let mut settings = ReplaySettings::new(self.url, self.run_file);
        settings.more_urls = self.more_urls;
        settings.connections = usize::from(self.connections.max(1));
        let replayer = Replayer::try_new(settings, Arc::new(Minter(self.tokens))).map_err(failed)?;
        let catalogue = replayer.catalogue().await.map_err(failed)?;
        let valid = replay.validate(&catalogue).map_err(|error| Failure::Replay(Box::new(error)))?;
        replayer.run(&Arc::new(valid), &Progress::shown(lag)).await.map_err(failed)
    }
}
