//! Gifts over HTTP on a real PostgreSQL, one a request: gift and wallet in one process, in two, and everything on.
//! Beside an echo of the same request under the same load.

use super::children::{BareWallet, Children};
use super::echo::Echo;
use super::figure::{Figure, Report, Sample};
use super::load::{self, CONNECTIONS, Pace, Target};
use super::peak::{self, Peak};
use super::server::{Bed, OTHER_RUNS_MAX};
use super::writes::{Counters, WriteCost};
use super::{bare, bare_two};
use super::{is_wanted, prove, wanted};
use crate::catch_up::Who;
use crate::cli::{BenchArgs, ServiceName};
use crate::compose::{Plan, Schemas, Stack};
use crate::config::Config;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::replay::CATCH_UP_MAX;
use crate::secrets::Secrets;
use clap::ValueEnum as _;
use contracts::catalogue::{Room, RoomState};
use contracts::lane::Lane;
use contracts::wallet::{Act, Command};
use edge::{Role, TokenKeys};
use ids::{RequestId, RoomId, StreamerId, Uuid, ViewerId};
use money::Coins;
use pg::PoolSettings;
use reqwest::header::HeaderValue;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Viewers who send, each rich enough for any run.
const VIEWERS: usize = 1_000;
/// What each of them has. A day's books of a group of partitions hold CNY 92,000 million; theirs is a thousandth of it.
const RICH_COINS: i64 = 1_000_000_000;
/// A gift of the default catalogue that costs coins.
const GIFT: u32 = 1_101;
/// Rooms of the figures that are not about rooms, and of the one that is.
const ROOMS: usize = 80;
const MANY_ROOMS: usize = 10_000;
/// Rooms that are opened at the same time: every one raises the same version.
const ROOMS_AT_ONCE: usize = 64;
/// How long tokens are good for: longer than any run.
const TOKEN_TTL: Duration = Duration::from_secs(24 * 3_600);
/// How often is looked whether orders are level.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The load under which latencies are compared, and under which the pipeline must keep up, in percent.
const USUAL_LOAD: u64 = 70;
const PIPELINE_LOAD: u64 = 85;
/// How long the figure about recon loads: its work comes in turns of seconds.
const COMPARED_SECONDS: u64 = 15;

/// How long after its end a minute of a partition was compared, of 99 in a hundred, in milliseconds.
const COMPARED_AFTER: &str = "
SELECT percentile_disc(0.99) WITHIN GROUP
    (ORDER BY (extract(epoch FROM compared_at) * 1000)::bigint - (minute::bigint + 1) * 60000)
FROM recon.minutes WHERE compared_at > now() - make_interval(secs => $1)";

const ONE_PROCESS: &str = "gifts/s over HTTP, gift and wallet in one process";
const CEILING: &str = "gifts/s over HTTP, beside the ceiling of their rows";
const TWO_PROCESSES: &str = "gifts/s over HTTP, gift and wallet in two processes";
const CEILING_OF_TWO: &str = "gifts/s over HTTP, two processes, beside the ceiling of their rows";
const HOT_ROOM: &str = "gifts/s over HTTP, all to one room";
const PIPELINE: &str = "gifts/s accepted, ordered, settled and booked, every service on";
const RECON: &str = "gifts/s ordered, settled and booked, while recon compares";

/// What was found beside the figures where the pipeline was among them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Pipeline {
    pub writes: WriteCost,
    /// How long after its end a minute was compared, of 99 in a hundred; none where no minute ended during a run.
    pub recon_lag_p99_ms: Option<i64>,
    /// For `largesse capacity`.
    #[serde(skip)]
    pub peak: Peak,
}

/// What the figures share.
pub struct HttpBench<'a> {
    pub args: &'a BenchArgs,
    pub bed: &'a Bed,
    pub folder: &'a Path,
    pub metrics: &'a telemetry::Metrics,
}

impl HttpBench<'_> {
    /// Every figure asked for; what else the pipeline told where it was among them.
    pub async fn measure(&self, report: &mut Report) -> Result<Option<Pipeline>, Failure> {
        if wanted(self.args, ONE_PROCESS) || is_wanted(self.args, CEILING) {
            for figure in self.beside_echo(ONE_PROCESS, Processes::One, 500).await? {
                report.add(figure)?;
            }
        }
        if wanted(self.args, TWO_PROCESSES) || is_wanted(self.args, CEILING_OF_TWO) {
            match &self.args.amqp {
                Some(amqp) => {
                    let two = Processes::Two { amqp };
                    for figure in self.beside_echo(TWO_PROCESSES, two, 400).await? {
                        report.add(figure)?;
                    }
                }
                None => println!("skipped: {TWO_PROCESSES}: it needs --amqp"),
            }
        }
        if wanted(self.args, HOT_ROOM) {
            report.add(self.hot_room().await?)?;
        }
        if wanted(self.args, RECON) {
            report.add(self.recon_cost().await?)?;
        }
        if !wanted(self.args, PIPELINE) {
            return Ok(None);
        }
        let (figure, median) = self.pipeline().await?;
        report.add(figure)?;
        Ok(median)
    }

    fn seconds(&self) -> u64 {
        u64::from(self.args.seconds)
    }

    /// What there is to gain: an echo that does nothing but insert the same rows, in as many processes. At best, and
    /// at the usual load.
    async fn bare(&self, target: &Target, processes: Processes<'_>) -> Result<(Sample, Sample), Failure> {
        let place = self.prepare(ROOMS).await?; // Thrown away after: its rows are nobody's.
        let lane_count = Config::load(None)?.wallet.lane_count;
        let connections_max = u32::try_from(lane_count + 1).unwrap_or(u32::MAX);
        let settings = PoolSettings { connections_max, ..PoolSettings::default() };
        let pool = pg::connect(&place.database, settings).await?;
        let (bare, behind) = match processes {
            Processes::One => (bare::start(&pool, lane_count).await?, None),
            Processes::Two { .. } => {
                let behind = BareWallet::start(&place.folder, &place.database).await?;
                (bare_two::start(&pool, &behind).await?, Some(behind))
            }
        };
        let closed = bare.load(target, Pace::Closed, self.seconds()).await?;
        let usual = bare.load(target, at(closed, USUAL_LOAD), self.seconds()).await?;
        bare.stop().await;
        if let Some(behind) = behind {
            behind.stop().await?;
        }
        pool.close().await;
        Ok((closed, usual))
    }

    /// The rate beside the echo's, and the latency of each at 70 % of its own rate; beside the ceiling of its rows, too.
    async fn beside_echo(
        &self,
        what: &str,
        processes: Processes<'_>,
        target_milli: u64,
    ) -> Result<Vec<Figure>, Failure> {
        let (mut ours, mut ours_usual, mut echoes, mut echoes_usual) = (vec![], vec![], vec![], vec![]);
        let (mut ceilings, mut ceilings_usual) = (vec![], vec![]);
        for run in 0..self.args.runs {
            let place = self.prepare(ROOMS).await?;
            let (target, running) = self.start(&place, processes).await?;
            let closed = load::run(&target, Pace::Closed, self.seconds()).await?;
            ours.push(closed);
            place.orders_level().await?;
            ours_usual.push(load::run(&target, at(closed, USUAL_LOAD), self.seconds()).await?);
            running.stop().await?;
            self.prove(&place).await?;
            let echo = Echo::start().await?;
            let closed = echo.load(&target, Pace::Closed, self.seconds()).await?;
            echoes.push(closed);
            echoes_usual.push(echo.load(&target, at(closed, USUAL_LOAD), self.seconds()).await?);
            echo.stop().await;
            if run < OTHER_RUNS_MAX {
                let (closed, usual) = self.bare(&target, processes).await?;
                ceilings.push(closed);
                ceilings_usual.push(usual);
            }
        }
        let yardstick = format!("an echo of the same request, {CONNECTIONS} connections");
        let usual = |of: &str| format!("{of}, at {USUAL_LOAD} % of that");
        let (ceiling, bare) = match processes {
            Processes::One => (CEILING, "an echo that inserts the same two rows"),
            Processes::Two { .. } => {
                (CEILING_OF_TWO, "an echo that inserts the same two rows, one of them elsewhere")
            }
        };
        Ok(vec![
            Figure::new(what, &yardstick, &ours, &echoes).with_target(target_milli),
            Figure::new(&usual(what), &yardstick, &ours_usual, &echoes_usual),
            Figure::new(ceiling, bare, &ours, &ceilings),
            Figure::new(&usual(ceiling), bare, &ours_usual, &ceilings_usual),
        ])
    }

    /// Everything to one room, beside the same over 10,000 rooms.
    async fn hot_room(&self) -> Result<Figure, Failure> {
        let (mut hot, mut spread) = (Vec::new(), Vec::new());
        let place = self.prepare(MANY_ROOMS).await?; // Once: opening so many rooms takes longer than a run.
        for run in 0..self.args.runs {
            let (target, running) = self.start(&place, Processes::One).await?;
            let one_room = Target { rooms: target.rooms[..1].into(), ..target.clone() };
            let mut sides = [(&target, &mut spread), (&one_room, &mut hot)];
            if run % 2 == 1 {
                sides.reverse(); // Who goes first must not decide.
            }
            for (target, samples) in sides {
                samples.push(load::run(target, Pace::Closed, self.seconds()).await?);
            }
            running.stop().await?;
            self.prove(&place).await?;
        }
        let yardstick = format!("spread over {MANY_ROOMS} rooms");
        Ok(Figure::new(HOT_ROOM, &yardstick, &hot, &spread).with_target(950))
    }

    /// The way to the books with the near-real-time comparison, beside the same without it. Both are waited for until
    /// all is booked; the comparison may end a moment later, and says how much.
    async fn recon_cost(&self) -> Result<Figure, Failure> {
        let everything = ServiceName::value_variants();
        let without: Vec<ServiceName> =
            everything.iter().copied().filter(|name| *name != ServiceName::Recon).collect();
        let (mut compared, mut alone) = (Vec::new(), Vec::new());
        for run in 0..self.args.runs {
            let mut sides = [(everything, &mut compared), (without.as_slice(), &mut alone)];
            if run % 2 == 1 {
                sides.reverse(); // Who goes first must not decide.
            }
            for (services, samples) in sides {
                let place = self.prepare(ROOMS).await?;
                let stack = self.stack(&place, &Plan { services, schemas: Schemas::Migrated }).await?;
                let target = place.target(&format!("http://{}", stack.address()));
                let done =
                    Done::measure(&stack, &target, (Pace::Closed, COMPARED_SECONDS), Who::Booking).await?;
                samples.push(done.sample);
                let level = Instant::now();
                stack.catch_up(Who::Everybody, CATCH_UP_MAX).await?;
                println!("everybody was level {} ms after all was booked", millis(level));
                // Where recon ran all is read, and the books are proven as they stand; else it has to read them first.
                let is_read = services.contains(&ServiceName::Recon);
                if is_read {
                    prove(stack.pool()).await?;
                }
                stack.shutdown().await;
                if !is_read {
                    self.prove(&place).await?;
                }
            }
        }
        Ok(Figure::new(RECON, "the same without recon", &compared, &alone).with_target(950))
    }

    /// Everything on, most of what it accepts at best, and the time until all of it is booked and compared.
    async fn pipeline(&self) -> Result<(Figure, Option<Pipeline>), Failure> {
        let (mut through, mut accepted, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.args.runs {
            let place = self.prepare(ROOMS).await?;
            let stack = self.stack(&place, &Plan::whole()).await?;
            let target = place.target(&format!("http://{}", stack.address()));
            let peak = peak::find(&target, self.seconds()).await?;
            stack.catch_up(Who::Everybody, CATCH_UP_MAX).await?;
            let before = Counters::read(stack.pool()).await?;
            let began = Instant::now();
            let pace = at(peak.accepted, PIPELINE_LOAD);
            let pace = (pace, self.args.pipeline_seconds.into());
            let done = Done::measure(&stack, &target, pace, Who::Everybody).await?;
            let recon_lag_p99_ms = compared_after(stack.pool(), began).await?;
            let writes = Counters::read(stack.pool()).await?.since(&before, done.sent);
            prove(stack.pool()).await?;
            stack.shutdown().await;
            through.push(done.sample);
            accepted.push(peak.accepted);
            told.push(Pipeline { writes, recon_lag_p99_ms, peak });
        }
        let yardstick =
            format!("accepted at best within {}; the load is {PIPELINE_LOAD} % of it", peak::PROMISE);
        told.sort_unstable();
        let median = told.get(told.len() / 2).cloned();
        Ok((Figure::new(PIPELINE, &yardstick, &through, &accepted).with_target(800), median))
    }

    async fn stack(&self, place: &Place, plan: &Plan<'_>) -> Result<Stack, Failure> {
        let directory = Directory::open(&place.folder)?;
        let mut config = Config::load(None)?;
        config.http.listen = ([127, 0, 0, 1], 0).into();
        config.database.url = place.database.clone();
        config.recon.daily_run_at = String::new(); // Once a day, and not during a figure.
        let stack = Stack::start(&config, plan, &directory, &place.secrets, self.metrics).await?;
        stack.open();
        Ok(stack)
    }

    /// A fresh database with rooms and rich viewers.
    async fn prepare(&self, rooms: usize) -> Result<Place, Failure> {
        let database = self.bed.fresh_url().await?;
        let folder = self.folder.join("http");
        std::fs::create_dir_all(&folder).map_err(|source| Failure::File { path: folder.clone(), source })?;
        let secrets = Secrets::open(&folder)?;
        let tokens = secrets.token_keys()?;
        let viewers: Vec<ViewerId> = (0..VIEWERS).map(|_| ViewerId::now()).collect();
        let rooms = (0..rooms).map(|_| RoomId::now()).collect();
        let place = Place { database, folder, secrets, tokens, viewers, rooms };
        let plan = Plan { services: &[ServiceName::Gift, ServiceName::Wallet], schemas: Schemas::Migrated };
        let stack = self.stack(&place, &plan).await?;
        place.enrich(&stack).await?;
        place.open_rooms(&stack).await?;
        stack.shutdown().await;
        Ok(place)
    }

    async fn start(&self, place: &Place, processes: Processes<'_>) -> Result<(Target, Running), Failure> {
        match processes {
            Processes::One => {
                let services = &[ServiceName::Gift, ServiceName::Wallet];
                let plan = Plan { services, schemas: Schemas::Awaited };
                let stack = self.stack(place, &plan).await?;
                let target = place.target(&format!("http://{}", stack.address()));
                Ok((target, Running::Here(Box::new(stack))))
            }
            Processes::Two { amqp } => {
                let children = Children::start(&place.folder, &place.database, amqp).await?;
                Ok((place.target(children.gift_url()), Running::Children(Box::new(children))))
            }
        }
    }

    /// Starts everything on what a run left, lets it catch up, and proves the books.
    async fn prove(&self, place: &Place) -> Result<(), Failure> {
        let plan = Plan { schemas: Schemas::Awaited, ..Plan::whole() };
        let stack = self.stack(place, &plan).await?;
        stack.catch_up(Who::Everybody, CATCH_UP_MAX).await?;
        let proven = prove(stack.pool()).await;
        stack.shutdown().await;
        proven
    }
}

/// A load that was accepted, and carried on until readers had it all.
struct Done {
    /// The latency is the load's; the rate counts until the last reader was done.
    sample: Sample,
    /// Gifts accepted.
    sent: u64,
}

impl Done {
    async fn measure(
        stack: &Stack,
        target: &Target,
        (pace, seconds): (Pace, u64),
        who: Who,
    ) -> Result<Done, Failure> {
        let began = Instant::now();
        let (load, sent) = load::run_counting(target, pace, seconds).await?;
        stack.catch_up(who, CATCH_UP_MAX).await?;
        let per_second = sent.saturating_mul(1_000) / millis(began);
        Ok(Done { sample: Sample { per_second, ..load }, sent })
    }
}

/// Of the minutes that ended since `began`.
async fn compared_after(pool: &sqlx::PgPool, began: Instant) -> Result<Option<i64>, Failure> {
    let since = began.elapsed().as_secs_f64();
    let found = sqlx::query_scalar(COMPARED_AFTER).bind(since).fetch_one(pool).await;
    found.map_err(|error| Failure::Bench(Box::new(error)))
}

fn at(peak: Sample, percent: u64) -> Pace {
    Pace::PerSecond((peak.per_second * percent / 100).max(1))
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
}

/// How gift and wallet run.
#[derive(Clone, Copy, Debug)]
enum Processes<'a> {
    One,
    Two { amqp: &'a str },
}

enum Running {
    Here(Box<Stack>),
    Children(Box<Children>),
}

impl Running {
    async fn stop(self) -> Result<(), Failure> {
        match self {
            Running::Here(stack) => stack.shutdown().await,
            Running::Children(children) => children.stop().await?,
        }
        Ok(())
    }
}

/// A database and who is in it.
struct Place {
    database: String,
    folder: PathBuf,
    secrets: Secrets,
    tokens: TokenKeys,
    viewers: Vec<ViewerId>,
    rooms: Vec<RoomId>,
}

impl Place {
    fn target(&self, base: &str) -> Target {
        let token = |viewer: &ViewerId| self.tokens.mint(Role::Viewer, viewer.uuid(), TOKEN_TTL).ok();
        let header = |token: String| HeaderValue::from_str(&format!("Bearer {token}")).ok();
        Target {
            url: format!("{base}/v1/gift-orders").into(),
            viewers: self.viewers.iter().filter_map(token).filter_map(header).collect(),
            rooms: self.rooms.as_slice().into(),
            gift_id: GIFT,
        }
    }

    /// Gives every viewer coins that no run can spend. Given, not bought: no payment channel is part of this.
    async fn enrich(&self, stack: &Stack) -> Result<(), Failure> {
        let Some(wallet) = &stack.running().wallet else { return Ok(()) };
        let coins = Coins::try_new(RICH_COINS).map_err(|error| Failure::Bench(Box::new(error)))?;
        let bonus = |account_id: &ViewerId| Command {
            request_id: RequestId::now(),
            account_id: *account_id,
            body_hash: 0,
            act: Act::Bonus { coins },
        };
        let wallet = wallet.handle();
        for answer in wallet.submit_all(self.viewers.iter().map(bonus).collect()).await {
            answer.map_err(|error| Failure::Bench(Box::new(error)))?;
        }
        Ok(())
    }

    /// Waits until what was accepted is ordered: what one load left behind is not part of the next one's latency.
    async fn orders_level(&self) -> Result<(), Failure> {
        let failed = |error: books::BooksError| Failure::Bench(Box::new(error));
        let pool = pg::connect(&self.database, PoolSettings::default()).await?;
        let books = books::BooksDb::new(pool.clone(), &Lane::Live);
        let began = Instant::now();
        loop {
            let gaps = books::catch_up_gaps(&books).await.map_err(failed)?;
            let behind: i64 =
                gaps.iter().filter(|gap| gap.reader == gift::READER_NAME).map(|gap| gap.lag_rows).sum();
            if behind == 0 {
                break;
            }
            if began.elapsed() >= CATCH_UP_MAX {
                let behind = format!("{} is {behind} rows behind", gift::READER_NAME);
                return Err(Failure::NotCaughtUp { seconds: CATCH_UP_MAX.as_secs(), behind });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        println!("what was accepted was ordered {} ms after the load", millis(began));
        pool.close().await;
        Ok(())
    }

    async fn open_rooms(&self, stack: &Stack) -> Result<(), Failure> {
        let failed = |error: reqwest::Error| Failure::Bench(Box::new(error));
        let token = self.tokens.mint(Role::Sre, Uuid::now_v7(), TOKEN_TTL).map_err(Failure::Token)?;
        let (client, url) = (reqwest::Client::new(), format!("http://{}/v1/rooms", stack.address()));
        let open = async |room_id: &RoomId| {
            let streamer_id = StreamerId::from_uuid(room_id.uuid());
            let room =
                Room { room_id: *room_id, streamer_id, title: "Bench".to_owned(), state: RoomState::Live };
            client.post(&url).bearer_auth(&token).json(&room).send().await?.error_for_status()
        };
        for rooms in self.rooms.chunks(ROOMS_AT_ONCE) {
            futures::future::try_join_all(rooms.iter().map(open)).await.map_err(failed)?;
        }
        Ok(())
    }
}
