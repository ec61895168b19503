//! How long finance waits for each page of the desk on a long system, beside the same page on an empty one, and on one
//! small system whose pages are full: an empty page asks less and shows nothing.
//!
//! A page's time is that of its HTML, which the server draws whole: no script asks for anything on opening. Scripts and
//! styles are not counted: browsers keep them. Both systems stand still meanwhile, and are asked one after the other. Who
//! asks has a finance role.

mod desk;
mod past;

use super::figure::{Opening, PageFigure, Report};
use super::is_wanted;
use super::server::Bed;
use crate::catch_up::Who;
use crate::cli::BenchArgs;
use crate::compose::{Plan, Stack};
use crate::config::Config;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::replay::CATCH_UP_MAX;
use crate::secrets::Secrets;
use desk::{Page, Subjects};
use edge::Role;
use sqlx::PgPool;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use wallet::bench::Past;

/// Openings before the first that counts: by then every connection has its statements planned for good.
const WARM_UPS: u16 = 60;
/// What the small system has: a thousandth of the entries, and more breaks than a page shows.
const SMALL: past::Size =
    past::Size { accounts: 10_000, entries_per_account: 5, breaks: 200, streamers: 200 };
/// Openings that count, at least.
const RUNS_MIN: u16 = 5;
/// How long tokens are good for: longer than any run.
const TOKEN_TTL: Duration = Duration::from_secs(24 * 3_600);

/// What the pages' figures share.
pub struct PageBench<'a> {
    pub args: &'a BenchArgs,
    pub bed: &'a Bed,
    pub folder: &'a Path,
    pub metrics: &'a telemetry::Metrics,
}

impl PageBench<'_> {
    /// Whether any page was asked for.
    pub fn is_any_wanted(&self) -> bool {
        !self.wanted_of(&Subjects::strangers()).is_empty()
    }

    fn wanted_of(&self, subjects: &Subjects) -> Vec<Page> {
        let is_wanted = |page: &Page| is_wanted(self.args, &format!("page {}", page.name));
        desk::pages(subjects).into_iter().filter(is_wanted).collect()
    }

    /// Seeds what the wallet's log of `past` would have left, and opens every page on both systems. `slow` and `url` are
    /// of the same database.
    ///
    /// # Errors
    /// [`Failure`]; nothing fails because it is slow.
    pub async fn measure(
        &self,
        (slow, url): (&PgPool, &str),
        past: Past,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let (began, entries) = (Instant::now(), past.accounts * past.entries_per_account);
        let size = past::Size {
            accounts: past.accounts,
            entries_per_account: past.entries_per_account,
            breaks: past::BREAKS,
            streamers: past::STREAMERS,
        };
        past::seed(slow, size).await?;
        let bytes: i64 =
            sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(slow).await?;
        println!(
            "what finance reads of {entries} entries, {} breaks: {} MB with them, seeded in {} s",
            past::BREAKS,
            bytes / 1_000_000,
            began.elapsed().as_secs()
        );
        let mut on_empty = BTreeMap::new();
        let empty = self.open_system("empty", &self.bed.fresh_url().await?).await?;
        for page in self.wanted_of(&Subjects::strangers()) {
            on_empty.insert(page.name, self.openings(&empty, &page).await?);
        }
        empty.stack.shutdown().await;
        let mut on_small = self.openings_of_small().await?;
        let full = self.open_system("full", url).await?;
        for page in self.wanted_of(&Subjects::find(slow).await?) {
            let openings = self.openings(&full, &page).await?;
            let beside = on_empty.remove(page.name).unwrap_or_default();
            let small = on_small.remove(page.name).unwrap_or_default();
            report.add_page(PageFigure::new(page.name, entries, openings, (small, beside)))?;
        }
        full.stack.shutdown().await;
        Ok(())
    }

    /// Every page on a system that has just enough to fill it.
    async fn openings_of_small(&self) -> Result<BTreeMap<&'static str, Vec<Opening>>, Failure> {
        let url = self.bed.fresh_url().await?;
        let slow = pg::connect(&url, crate::check::proofs()).await?;
        let past::Size { accounts, entries_per_account, .. } = SMALL;
        super::large::seed(&slow, Past { accounts, entries_per_account }).await?;
        past::seed(&slow, SMALL).await?;
        let mut found = BTreeMap::new();
        let small = self.open_system("small", &url).await?;
        for page in self.wanted_of(&Subjects::find(&slow).await?) {
            found.insert(page.name, self.openings(&small, &page).await?);
        }
        small.stack.shutdown().await;
        slow.close().await;
        Ok(found)
    }

    /// Everything on one database, with nothing to do.
    async fn open_system(&self, name: &str, url: &str) -> Result<System, Failure> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).map_err(|source| Failure::File { path: folder.clone(), source })?;
        let (directory, secrets) = (Directory::open(&folder)?, Secrets::open(&folder)?);
        let config = quiet(url)?;
        let stack = Stack::start(&config, &Plan::whole(), &directory, &secrets, self.metrics).await?;
        stack.open();
        stack.catch_up(Who::Everybody, CATCH_UP_MAX).await?;
        let role = Role::FinanceMaker;
        let token =
            stack.tokens().mint(role, role.person_named("bench"), TOKEN_TTL).map_err(Failure::Token)?;
        let base = format!("http://{}", stack.address());
        Ok(System { stack, client: reqwest::Client::new(), base, token })
    }

    async fn openings(&self, system: &System, page: &Page) -> Result<Vec<Opening>, Failure> {
        let mut openings = Vec::new();
        for run in 0..self.args.runs.max(RUNS_MIN) + WARM_UPS {
            let opening = system.open(page).await.map_err(|error| Failure::Bench(Box::new(error)))?;
            if run >= WARM_UPS {
                openings.push(opening);
            }
        }
        Ok(openings)
    }
}

/// Settings under which nothing happens to seeded breaks and days by itself.
fn quiet(url: &str) -> Result<Config, Failure> {
    let mut config = Config::load(None)?;
    config.http.listen = ([127, 0, 0, 1], 0).into();
    config.database.url = url.to_owned();
    config.recon.daily_run_at = String::new();
    config.recon.open_after_s = u32::MAX;
    config.recon.recheck_every_s = u32::MAX;
    config.recon.healing.rules.clear();
    Ok(config)
}

/// A running system, and somebody of finance.
struct System {
    stack: Stack,
    client: reqwest::Client,
    base: String,
    token: String,
}

/// What a page says of a part that is not there.
const NOT_THERE: [&str; 2] = ["class=\"state missing\"", "class=\"state error\""];

impl System {
    /// Opens a page, and reads all of it, as a browser does.
    async fn open(&self, page: &Page) -> Result<Opening, reqwest::Error> {
        let began = Instant::now();
        let asked = self.client.get(format!("{}{}", self.base, page.path)).bearer_auth(&self.token).send();
        let answer = asked.await?;
        let status = answer.status();
        let text = answer.text().await?;
        let took = began.elapsed();
        let is_refused = !status.is_success() || NOT_THERE.iter().any(|part| text.contains(part));
        Ok(Opening { took, refused: is_refused.then(|| format!("{} {status}", page.path)) })
    }
}
