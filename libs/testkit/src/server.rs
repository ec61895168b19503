//! What the private servers have in common: a kind, a URL, a start with a bound, an orderly end.

use crate::watchdog::{StopSignal, Watchdog};
use crate::{TestkitError, postgres, rabbitmq, redis};
use std::fmt;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// How long one server may take to start. RabbitMQ on two busy cores needs a good part of it.
const READY_WITHIN: Duration = Duration::from_secs(90);
const POLL_EVERY: Duration = Duration::from_millis(50);
/// Another process can take a free port before the server does; then it starts over with another one.
const ATTEMPTS_MAX: u32 = 3;
/// How much of a log an error shows.
const LOG_TAIL_LEN: usize = 3_000;

/// A server testkit can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Postgres,
    Redis,
    RabbitMq,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Postgres, Kind::Redis, Kind::RabbitMq];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Postgres => "postgres",
            Kind::Redis => "redis",
            Kind::RabbitMq => "rabbitmq",
        }
    }

    /// The environment variable that carries the server's URL to test processes.
    pub fn variable(self) -> &'static str {
        match self {
            Kind::Postgres => "LARGESSE_TEST_DATABASE_URL",
            Kind::Redis => "LARGESSE_TEST_REDIS_URL",
            Kind::RabbitMq => "LARGESSE_TEST_AMQP_URL",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = TestkitError;
    fn from_str(name: &str) -> Result<Kind, TestkitError> {
        let found = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| TestkitError::UnknownKind(name.to_owned()))
    }
}

/// Whether PostgreSQL waits for the disk: figures need it, tests do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    On,
    Off,
}

/// How a server's process starts, the first time and every time after.
pub(crate) struct Program {
    pub url: String,
    pub command: Box<dyn Fn() -> Command + Send + Sync>,
    /// How it is asked to stop at the end.
    pub stop: StopSignal,
    /// The signal under which it ends at once, with nothing put in order.
    pub crash: &'static str,
    pub answers: Box<dyn Fn() -> bool + Send + Sync>,
}

/// One private server. Dropping it stops it and removes its folder.
pub struct Server {
    kind: Kind,
    program: Program,
    process: u32,
    watchdog: Watchdog,
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("Server");
        fields.field("kind", &self.kind).field("process", &self.process).finish_non_exhaustive()
    }
}

/// How long a crash may take.
const CRASH_WITHIN: Duration = Duration::from_secs(10);

impl Server {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// [`TestkitError::Missing`] when it is not installed; [`TestkitError::NotReady`] or
    /// [`TestkitError::Ended`], with the end of its log, when it did not come up. Nothing is left running.
    pub fn start(kind: Kind, fsync: Fsync) -> Result<Server, TestkitError> {
        Server::start_in(kind, fsync, None)
    }

    /// As [`Server::start`], with its folder in `parent`, which every user must be able to reach.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_in(kind: Kind, fsync: Fsync, parent: Option<&Path>) -> Result<Server, TestkitError> {
        let mut attempt = 1;
        loop {
            let watchdog = Watchdog::start(parent)?;
            let program = match kind {
                Kind::Postgres => postgres::prepare(&watchdog, fsync),
                Kind::Redis => redis::prepare(&watchdog),
                Kind::RabbitMq => rabbitmq::prepare(&watchdog),
            }?;
            match run(kind, &program, &watchdog) {
                Ok(process) => return Ok(Server { kind, program, process, watchdog }),
                Err(TestkitError::Ended { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn url(&self) -> &str {
        &self.program.url
    }

    /// Ends the server at once, with nothing put in order. What it had made durable stays in its folder.
    ///
    /// # Errors
    /// [`TestkitError::Failed`] when it does not end.
    pub fn crash(&self) -> Result<(), TestkitError> {
        self.watchdog.end(self.process, self.program.crash, CRASH_WITHIN)
    }

    /// Loses everything a crashed RabbitMQ had kept: queues, exchanges, messages.
    ///
    /// # Errors
    /// [`TestkitError::Io`].
    pub fn lose_queues(&self) -> Result<(), TestkitError> {
        let kept = self.dir().join("rabbitmq/mnesia");
        std::fs::remove_dir_all(&kept).map_err(TestkitError::io(format!("remove {}", kept.display())))
    }

    /// Starts a crashed server again, in its folder and at its address, and waits until it answers.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_again(&mut self) -> Result<(), TestkitError> {
        self.process = run(self.kind, &self.program, &self.watchdog)?;
        Ok(())
    }

    /// The server's folder, removed with it.
    pub fn dir(&self) -> &Path {
        self.watchdog.dir()
    }
}

/// Starts a server's process and waits until it answers.
fn run(kind: Kind, program: &Program, watchdog: &Watchdog) -> Result<u32, TestkitError> {
    let mut command = (program.command)();
    log_to(watchdog, &mut command)?;
    let process = watchdog.spawn(&mut command, program.stop)?;
    wait_ready(watchdog, kind.name(), process, &program.answers)?;
    Ok(process)
}

/// Starts several servers at the same time.
///
/// # Errors
/// The first failure; what had started is stopped again.
pub fn start_all(kinds: &[Kind], fsync: Fsync) -> Result<Vec<Server>, TestkitError> {
    start_all_in(kinds, fsync, None)
}

/// As [`start_all`], with their folders in `parent`.
///
/// # Errors
/// As [`start_all`].
pub fn start_all_in(
    kinds: &[Kind],
    fsync: Fsync,
    parent: Option<&Path>,
) -> Result<Vec<Server>, TestkitError> {
    std::thread::scope(|scope| {
        let start = |kind| scope.spawn(move || Server::start_in(kind, fsync, parent));
        let starting: Vec<_> = kinds.iter().map(|&kind| (kind, start(kind))).collect();
        let joined = starting.into_iter().map(|(kind, thread)| match thread.join() {
            Ok(started) => started,
            Err(_) => Err(TestkitError::Panicked(kind)),
        });
        // Every thread is joined before the first failure is reported.
        joined.collect::<Vec<_>>().into_iter().collect()
    })
}

/// Polls until `answers`, the process ends, or the bound passes.
pub(crate) fn wait_ready(
    watchdog: &Watchdog,
    kind: &'static str,
    process: u32,
    answers: impl Fn() -> bool,
) -> Result<(), TestkitError> {
    let began = Instant::now();
    loop {
        // Asked first: on a port that somebody else took, an answer would not be ours.
        if watchdog.has_ended(process) {
            return Err(TestkitError::Ended { kind, log: log_tail(watchdog.dir()) });
        }
        if answers() {
            return Ok(());
        }
        if began.elapsed() > READY_WITHIN {
            return Err(TestkitError::NotReady { kind, waited: READY_WITHIN, log: log_tail(watchdog.dir()) });
        }
        std::thread::sleep(POLL_EVERY);
    }
}

/// Whether a server on `port` answers `question` with something that begins with `answer`.
pub(crate) fn says(port: u16, question: &[u8], answer: &[u8]) -> bool {
    let ask = || -> std::io::Result<bool> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(question)?;
        let mut heard = vec![0; answer.len()];
        stream.read_exact(&mut heard)?;
        Ok(heard == answer)
    };
    ask().unwrap_or(false)
}

/// A command that runs as `user` when we are root (PostgreSQL and RabbitMQ refuse or dislike root), with a
/// clean environment, so that no setting of the machine's own servers reaches ours.
pub(crate) fn command_as(user: &str, program: &str) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        let (uid, gid) = (format!("--reuid={user}"), format!("--regid={user}"));
        command.args([uid.as_str(), gid.as_str(), "--clear-groups", "--", program]);
        command
    } else {
        Command::new(program)
    };
    let path =
        std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin".into());
    command.env_clear().env("PATH", path).env("LANG", "C.UTF-8");
    command
}

/// Makes a folder that belongs to `user`.
pub(crate) fn own_folder(user: &str, folder: &Path) -> Result<(), TestkitError> {
    let mut command = Command::new("install");
    command.args(["-d", "-m", "0700"]);
    if is_root() {
        command.args(["-o", user, "-g", user]);
    }
    run_to_end(command.arg(folder))
}

/// Runs a short command; what it printed is in the error.
pub(crate) fn run_to_end(command: &mut Command) -> Result<(), TestkitError> {
    let named = format!("{command:?}");
    let output = command.output().map_err(TestkitError::io(format!("run {named}")))?;
    if output.status.success() {
        return Ok(());
    }
    let printed = [output.stdout, output.stderr].concat();
    Err(TestkitError::Failed { command: named, output: String::from_utf8_lossy(&printed).into_owned() })
}

/// A log file in the server's folder, for both of a process's outputs.
pub(crate) fn log_to(watchdog: &Watchdog, command: &mut Command) -> Result<(), TestkitError> {
    let path = watchdog.dir().join("server.log");
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    let file = opened.map_err(TestkitError::io("make a log file"))?;
    let again = file.try_clone().map_err(TestkitError::io("share a log file"))?;
    command.stdout(file).stderr(again);
    Ok(())
}

fn log_tail(dir: &Path) -> String {
    let text = std::fs::read_to_string(dir.join("server.log")).unwrap_or_default();
    let start = text.len().saturating_sub(LOG_TAIL_LEN);
    let start = (start..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text[start..].to_owned()
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
