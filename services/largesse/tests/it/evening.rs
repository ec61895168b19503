//! A stack of separate processes on real servers, with an evening's gifts coming in.

use crate::place::{COMMAND_LIMIT, Place, binary, short_evening, text};
use chaos::{Cluster, ClusterSettings, Role, STACK};
use sqlx::{Connection, PgConnection};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testkit::{Fsync, Kind};
use tokio::task::JoinHandle;

/// How long everything may take to be ready; RabbitMQ on two busy cores needs a good part of it.
pub const READY_WITHIN: Duration = Duration::from_secs(180);
/// How long readers may take to catch up after the last gift.
const CLOSE_WITHIN: Duration = Duration::from_secs(90);

/// Whether this is `make test-long`.
pub fn is_long() -> bool {
    std::env::var_os("LARGESSE_TEST_LONG").is_some()
}

/// Gifts of one evening; as many evenings follow each other as it takes.
fn gifts() -> usize {
    if is_long() { 6_000 } else { 2_000 }
}

// What lies in a database by its own word: an old copy of a group that moved on does not count.
const DEBITS: &str = "SELECT count(*) FROM wallet.entries JOIN wallet.log_heads USING (partition)
    WHERE send IS NOT NULL AND outcome = 0";
/// A few viewers of the shipped evening recharge too little.
const POOR: &str = "SELECT count(*) FROM wallet.entries JOIN wallet.log_heads USING (partition)
    WHERE send IS NOT NULL AND outcome = 1";

/// What a replay says at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    taken: i64,
    refused: i64,
    /// The most often that one gift was sent.
    pub tries_max: i64,
}

impl Told {
    /// What was told of both.
    fn and(self, other: Told) -> Told {
        let tries_max = self.tries_max.max(other.tries_max);
        Told { taken: self.taken + other.taken, refused: self.refused + other.refused, tries_max }
    }

    /// Reads "N gifts taken (M of them before), K refused, … none more than T times".
    fn read(stdout: &str) -> Told {
        let words: Vec<&str> = stdout.lines().last().unwrap_or_default().split(' ').collect();
        let before = |word: &str| {
            let at = words.iter().position(|one| one.starts_with(word)).filter(|at| *at > 0);
            at.and_then(|at| words[at - 1].parse().ok()).unwrap_or_else(|| panic!("{stdout}"))
        };
        Told { taken: before("gifts"), refused: before("refused"), tries_max: before("times") }
    }
}

/// A stack and those who send gifts to it.
pub struct Evening {
    place: Arc<Place>,
    cluster: Option<Cluster>,
    stop: Arc<AtomicBool>,
    sending: Option<JoinHandle<(Told, usize)>>,
    /// Evenings sent before, and what was told of them.
    sent: usize,
    told: Told,
    // Last: logs and data are removed when nothing uses them.
    _folder: tempfile::TempDir,
}

impl Evening {
    /// Starts the whole stack and waits until every process is ready; `servers_folder` where it is not to be one of
    /// its own.
    pub async fn prepare(servers_folder: Option<&Path>) -> Evening {
        Evening::start(servers_folder, STACK.to_vec(), Vec::new()).await
    }

    /// As [`Evening::prepare`], of other roles than the usual ones.
    pub async fn of_roles(roles: Vec<Role>) -> Evening {
        Evening::start(None, roles, Vec::new()).await
    }

    /// As [`Evening::prepare`], where some processes have clocks of their own, off by so much, as faketime writes it.
    pub async fn with_clocks(clocks: &[(&'static str, &'static str)]) -> Evening {
        Evening::start(None, STACK.to_vec(), clocks.to_vec()).await
    }

    async fn start(
        servers_folder: Option<&Path>,
        roles: Vec<Role>,
        clocks: Vec<(&'static str, &'static str)>,
    ) -> Evening {
        let open = std::fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().permissions(open).tempdir().expect("a folder");
        let settings = ClusterSettings {
            binary: binary().to_owned(),
            folder: folder.path().to_owned(),
            servers_folder: servers_folder.unwrap_or(folder.path()).to_owned(),
            fsync: Fsync::Off,
            roles,
            more: String::new(),
            clocks,
        };
        let began = Instant::now();
        let started = tokio::task::spawn_blocking(move || {
            let cluster = Cluster::start(settings)?;
            cluster.wait_ready(READY_WITHIN)?;
            Ok::<_, chaos::ChaosError>(cluster)
        });
        let cluster = started.await.expect("it does not panic").unwrap_or_else(|error| panic!("{error}"));
        let (place, stop) = (Arc::new(Place::new()), Arc::default());
        println!(
            "servers and {} processes were ready after {:?}",
            cluster.processes().len(),
            began.elapsed()
        );
        let (sent, told) = (0, Told::default());
        Evening { place, cluster: Some(cluster), stop, sending: None, sent, told, _folder: folder }
    }

    /// As [`Evening::prepare`]; then gifts come in until [`Evening::end`], from so many clients that all send the
    /// same ones. Returns when some are charged.
    pub async fn begin(clients: usize) -> Evening {
        let mut evening = Evening::prepare(None).await;
        evening.send(clients).await;
        evening
    }

    /// Lets gifts come in, to both gift nodes, until [`Evening::rest`] or [`Evening::end`].
    pub async fn send(&mut self, clients: usize) {
        let url = |name| self.cluster().process(name).expect("it is in the stack").url();
        let sender = Sender {
            place: Arc::clone(&self.place),
            urls: [url("gift-1"), url("gift-2")],
            data_dir: self.cluster().data_dir(),
            database: self.cluster().database().to_owned(),
            clients,
            first: self.sent,
            stop: Arc::clone(&self.stop),
        };
        let before = self.count(DEBITS).await.unwrap_or_default();
        self.sending = Some(tokio::spawn(sender.run()));
        let first = i64::try_from(gifts() / 10).expect("a small number");
        let waited = self.wait_for_debits(before + first).await;
        println!("{first} gifts came after {waited:?}");
    }

    /// How each process's log ends.
    fn logs(&self) -> String {
        let of = |process: &chaos::Process| format!("--- {}\n{}\n", process.role.name, process.log_tail());
        self.cluster().processes().iter().map(of).collect()
    }

    pub fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().expect("only an act takes it, and gives it back")
    }

    /// Does something to the stack that takes its time.
    pub async fn act<T: Send + 'static>(
        &mut self,
        act: impl FnOnce(&mut Cluster) -> Result<T, chaos::ChaosError> + Send + 'static,
    ) -> T {
        let mut cluster = self.cluster.take().expect("one act at a time");
        let acted = tokio::task::spawn_blocking(move || (act(&mut cluster), cluster));
        let (outcome, cluster) = acted.await.expect("it does not panic");
        self.cluster = Some(cluster);
        outcome.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The broker's URL.
    pub async fn amqp(&mut self) -> String {
        self.act(|cluster| Ok(cluster.server(Kind::RabbitMq)?.url().to_owned())).await
    }

    pub async fn connect(&self) -> Option<PgConnection> {
        connect(self.cluster().database()).await
    }

    pub async fn count(&self, sql: &'static str) -> Option<i64> {
        count(self.cluster().database(), sql).await
    }

    /// The sum over the wallet's databases.
    async fn count_everywhere(&self, sql: &'static str) -> i64 {
        let mut sum = 0;
        for database in self.cluster().databases() {
            sum += count(database, sql).await.expect("the databases answer");
        }
        sum
    }

    /// Commands the wallet has decided: gifts, and the recharges before them.
    pub async fn decided(&self) -> Option<i64> {
        self.count("SELECT count(*) FROM wallet.entries").await
    }

    /// Waits until so many gifts are charged; says how long that took.
    pub async fn wait_for_debits(&self, wanted: i64) -> Duration {
        let began = Instant::now();
        while self.count(DEBITS).await.is_none_or(|debits| debits < wanted) {
            assert!(began.elapsed() < COMMAND_LIMIT, "the evening does not go on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        began.elapsed()
    }

    /// Waits until the next command is decided, and says how long that took.
    pub async fn recovery(&self) -> Duration {
        let began = Instant::now();
        let mut first = None;
        loop {
            if let Some(now) = self.decided().await
                && now > *first.get_or_insert(now)
            {
                return began.elapsed();
            }
            assert!(began.elapsed() < COMMAND_LIMIT, "the evening does not go on\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// No more gifts come for now. All who sent were told the same; says what.
    pub async fn rest(&mut self) -> Told {
        let began = Instant::now();
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.sending.take().expect("gifts came in").await;
        let (told, evenings) = sent.unwrap_or_else(|error| panic!("{error}\n{}", self.logs()));
        (self.told, self.sent) = (self.told.and(told), self.sent + evenings);
        self.stop.store(false, Ordering::Relaxed);
        println!("the last gifts came {:?} after the stop", began.elapsed());
        told
    }

    /// No more gifts come. No acknowledged gift is lost, none is charged twice, and the books close.
    pub async fn end(mut self, what: &str) {
        if self.sending.is_some() {
            self.rest().await;
        }
        let told = self.told;
        let began = Instant::now();
        loop {
            let databases = self.cluster().databases();
            let elsewhere = databases[1..].iter().flat_map(|database| ["--wallet-database", database]);
            let words: Vec<&str> =
                ["check", "--database", databases[0]].into_iter().chain(elsewhere).collect();
            let ended = self.place.run(&words, &[]).await;
            if ended.status.success() {
                break;
            }
            assert!(began.elapsed() < CLOSE_WITHIN, "{}\n{}\n{}", ended.stdout, ended.stderr, self.logs());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let closed_after = began.elapsed();
        let charged = (self.count_everywhere(DEBITS).await, self.count_everywhere(POOR).await);
        assert_eq!((told.taken, told.refused), charged, "acknowledged, and charged once");
        let refunded =
            self.count("SELECT count(*) FROM gift.orders WHERE kind = 3").await.unwrap_or_default();
        println!(
            "{what}: {} gifts, {refunded} of them refunded; books closed {closed_after:?} after the last",
            told.taken
        );
        self.act(|cluster| {
            cluster.terminate_all();
            Ok(())
        })
        .await;
    }
}

/// A connection of its own, if the database takes one now.
async fn connect(database: &str) -> Option<PgConnection> {
    tokio::time::timeout(Duration::from_secs(5), PgConnection::connect(database)).await.ok()?.ok()
}

async fn count(database: &str, sql: &'static str) -> Option<i64> {
    let mut connection = connect(database).await?;
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.ok()
}

/// Sends evening after evening.
struct Sender {
    place: Arc<Place>,
    urls: [String; 2],
    data_dir: PathBuf,
    database: String,
    clients: usize,
    /// The number of the first evening: each is another run, with keys of its own.
    first: usize,
    stop: Arc<AtomicBool>,
}

impl Sender {
    /// What was told of all evenings, and how many there were.
    async fn run(self) -> (Told, usize) {
        let (mut sum, mut evenings) = (Told::default(), 0);
        while evenings == 0 || !self.stop.load(Ordering::Relaxed) {
            let told = self.evening(&format!("evening-{}.jsonl", self.first + evenings)).await;
            assert_eq!(told.taken + told.refused, i64::try_from(gifts()).expect("a small number"));
            (sum, evenings) = (sum.and(told), evenings + 1);
        }
        (sum, evenings)
    }

    /// Gifts charged before an evening begins. The database may be away just now, and an evening that began without
    /// knowing would wait for a gift that has come already.
    async fn debits_so_far(&self) -> i64 {
        let began = Instant::now();
        loop {
            if let Some(debits) = count(&self.database, DEBITS).await {
                return debits;
            }
            assert!(began.elapsed() < COMMAND_LIMIT, "the database does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// One file, sent by every client: the same gifts under the same keys, which follow from when the run began.
    async fn evening(&self, name: &str) -> Told {
        let file = self.place.file(name);
        short_evening(&file, gifts());
        let [one, two] = &self.urls;
        let words = ["replay", text(&file), "--url", one, "--url", two, "--data-dir", text(&self.data_dir)];
        let words = [&words[..], &["--connections", "16"]].concat();
        let before = self.debits_so_far().await;
        let mut replays = vec![self.place.start(&words, &[])];
        // The others come when gifts do: a client waits for the balances that it has paid for, and another that
        // spends them meanwhile would confuse it.
        let began = Instant::now();
        while self.clients > 1 && began.elapsed() < COMMAND_LIMIT {
            let now = count(&self.database, DEBITS).await;
            if now.is_some_and(|now| now > before) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        replays.extend((1..self.clients).map(|_| self.place.start(&words, &[])));
        let mut told = Vec::new();
        for replay in replays {
            let ended = replay.finish(COMMAND_LIMIT).await.expect("the replay ends");
            assert!(ended.status.success(), "{}\n{}", ended.stdout, ended.stderr);
            told.push(Told::read(&ended.stdout));
        }
        let tries_max = told.iter().map(|one| one.tries_max).max().unwrap_or_default();
        told.iter_mut().for_each(|one| one.tries_max = tries_max);
        assert!(told.iter().all(|one| *one == told[0]), "clients were told different things: {told:?}");
        told[0]
    }
}
