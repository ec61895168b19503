//! A stack of separate processes on real servers, with an evening's gifts coming in.

use crate::place::{COMMAND_LIMIT, Place, binary, short_evening, text};
use chaos::{Cluster, ClusterSettings, STACK, Victim};
use sqlx::{Connection, PgConnection};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};
use testkit::Fsync;

/// How long everything may take to be ready; RabbitMQ on two busy cores needs a good part of it.
pub const READY_WITHIN: Duration = Duration::from_secs(180);
/// How long readers may take to catch up after the last gift.
const CLOSE_WITHIN: Duration = Duration::from_secs(90);

const DEBITS: &str = "SELECT count(*) FROM wallet.entries WHERE send IS NOT NULL AND outcome = 0";
/// A few viewers of the shipped evening recharge too little.
const POOR: &str = "SELECT count(*) FROM wallet.entries WHERE send IS NOT NULL AND outcome = 1";

/// What a replay says at its end.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    taken: i64,
    refused: i64,
}

impl Told {
    fn read(stdout: &str) -> Told {
        let before = |words: &str| {
            let number = stdout.split(words).next().and_then(|text| text.rsplit(' ').next());
            number.and_then(|number| number.trim().parse().ok()).unwrap_or_else(|| panic!("{stdout}"))
        };
        // The first number of the line has nothing but a line's end before it.
        let text = stdout.trim_end().rsplit('\n').next().unwrap_or_default();
        let taken = text.split(" gifts taken").next().and_then(|number| number.trim().parse().ok());
        Told { taken: taken.unwrap_or_else(|| panic!("{stdout}")), refused: before(" refused") }
    }
}

/// A stack and those who send gifts to it.
pub struct Evening {
    place: Place,
    gifts: usize,
    cluster: Option<Cluster>,
    replays: Vec<Victim>,
    // Last: logs and data are removed when nothing uses them.
    _folder: tempfile::TempDir,
}

impl Evening {
    /// Starts the whole stack and waits until every process is ready; `servers_folder` where it is not to be one of
    /// its own.
    pub async fn prepare(gifts: usize, servers_folder: Option<&Path>) -> Evening {
        let open = std::fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().permissions(open).tempdir().expect("a folder");
        let settings = ClusterSettings {
            binary: binary().to_owned(),
            folder: folder.path().to_owned(),
            servers_folder: servers_folder.unwrap_or(folder.path()).to_owned(),
            fsync: Fsync::Off,
            roles: STACK.to_vec(),
            more: String::new(),
        };
        let place = Place::new();
        short_evening(&place.file("evening.jsonl"), gifts);
        let started = tokio::task::spawn_blocking(move || {
            let cluster = Cluster::start(settings)?;
            cluster.wait_ready(READY_WITHIN)?;
            Ok::<_, chaos::ChaosError>(cluster)
        });
        let cluster = started.await.expect("it does not panic").unwrap_or_else(|error| panic!("{error}"));
        Evening { place, gifts, cluster: Some(cluster), replays: Vec::new(), _folder: folder }
    }

    /// As [`Evening::prepare`]; then the gifts begin, and this returns when a tenth of them is charged.
    pub async fn begin(gifts: usize) -> Evening {
        let mut evening = Evening::prepare(gifts, None).await;
        evening.send();
        evening.wait_for_debits(i64::try_from(gifts / 10).expect("a small number")).await;
        evening
    }

    /// Lets one more client send the whole evening to both gift nodes, gift by gift under the same keys.
    pub fn send(&mut self) {
        let evening = self.place.file("evening.jsonl");
        let url = |name| self.cluster().process(name).expect("it is in the stack").url();
        let (one, two, data_dir) = (url("gift-1"), url("gift-2"), self.cluster().data_dir());
        let words = ["replay", text(&evening), "--url", &one, "--url", &two, "--data-dir", text(&data_dir)];
        let replay = self.place.start(&[&words[..], &["--connections", "16"]].concat(), &[]);
        self.replays.push(replay);
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

    /// A connection of its own, if the database takes one now.
    pub async fn connect(&self) -> Option<PgConnection> {
        let connecting = PgConnection::connect(self.cluster().database());
        tokio::time::timeout(Duration::from_secs(5), connecting).await.ok()?.ok()
    }

    pub async fn count(&self, sql: &'static str) -> Option<i64> {
        let mut connection = self.connect().await?;
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.ok()
    }

    pub fn gifts(&self) -> usize {
        self.gifts
    }

    /// Gifts the wallet has decided, one way or the other.
    pub async fn decided(&self) -> Option<i64> {
        self.count("SELECT count(*) FROM wallet.entries WHERE send IS NOT NULL").await
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

    /// Waits until the next gift is decided, or all are, and says how long that took.
    pub async fn recovery(&self) -> Duration {
        let all = i64::try_from(self.gifts).expect("a small number");
        let began = Instant::now();
        let mut first = None;
        loop {
            if let Some(now) = self.decided().await
                && (now >= all || now > *first.get_or_insert(now))
            {
                return began.elapsed();
            }
            assert!(began.elapsed() < COMMAND_LIMIT, "the evening does not go on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Every gift has been sent: all who sent were told the same, no acknowledged gift is lost, none is charged
    /// twice, and the books close.
    pub async fn end(mut self, what: &str) {
        let mut told = Vec::new();
        for replay in std::mem::take(&mut self.replays) {
            let ended = replay.finish(COMMAND_LIMIT).await.expect("the replay ends");
            assert!(ended.status.success(), "{}\n{}", ended.stdout, ended.stderr);
            told.push(Told::read(&ended.stdout));
        }
        let began = Instant::now();
        loop {
            let ended = self.place.run(&["check", "--database", self.cluster().database()], &[]).await;
            if ended.status.success() {
                break;
            }
            assert!(began.elapsed() < CLOSE_WITHIN, "{}\n{}\n{}", ended.stdout, ended.stderr, self.logs());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let closed_after = began.elapsed();
        let (taken, refused) = (self.count(DEBITS).await.expect("a count"), self.count(POOR).await);
        for one in &told {
            assert_eq!(one.taken + one.refused, i64::try_from(self.gifts).expect("a small number"));
            assert_eq!((one.taken, Some(one.refused)), (taken, refused), "acknowledged, and charged once");
        }
        let refunded =
            self.count("SELECT count(*) FROM gift.orders WHERE kind = 3").await.unwrap_or_default();
        println!(
            "{what}: {taken} gifts, {refunded} of them refunded; books closed {closed_after:?} after the last"
        );
        self.act(|cluster| {
            cluster.terminate_all();
            Ok(())
        })
        .await;
    }
}
