//! A whole stack: private servers, a process per role, and the faults one may do to them.
//!
//! Everything started here ends with this value, and also when the process that holds it is killed.

use crate::layout::{Database, Role, Urls, config_of};
use crate::process::Process;
use crate::{ChaosError, StackFile, StackProcess};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use testkit::{Fsync, Kind, Server, Watchdog, free_port, start_all_in};

/// How long a process may take to end after SIGTERM.
pub const END_WITHIN: Duration = Duration::from_secs(30);

/// What a stack is made of.
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// The binary under test.
    pub binary: PathBuf,
    /// Where logs go, and processes have their data. Logs stay.
    pub folder: PathBuf,
    /// Where servers live.
    pub servers_folder: PathBuf,
    pub fsync: Fsync,
    pub roles: Vec<Role>,
    /// More configuration for every process (TOML sections that the stack does not write itself).
    pub more: String,
    /// Processes whose clocks are wrong or will be, and by how much at first, as faketime writes it (`+10m`).
    pub clocks: Vec<(&'static str, &'static str)>,
}

/// A running stack.
pub struct Cluster {
    folder: PathBuf,
    binary: PathBuf,
    urls: Urls,
    processes: Vec<Process>,
    // Dropped in this order: processes end before the servers that they use.
    watchdog: Watchdog,
    servers: Vec<Server>,
}

impl Cluster {
    /// Starts servers, migrates, and starts every process; does not wait for them.
    ///
    /// # Errors
    /// [`ChaosError`]; what had started is stopped again.
    pub fn start(settings: ClusterSettings) -> Result<Cluster, ChaosError> {
        let ClusterSettings { binary, folder, servers_folder, fsync, roles, more, clocks } = settings;
        make_folder(&folder.join("logs"))?;
        let servers = start_all_in(&Kind::ALL, fsync, Some(&servers_folder))?;
        let url = |kind| servers.iter().find(|server| server.kind() == kind).map(Server::url);
        let needs_second = roles.iter().any(|role| role.database == Database::Second);
        let second = needs_second.then(|| Server::start_in(Kind::Postgres, fsync, Some(&servers_folder)));
        let second = second.transpose()?;
        let urls = Urls {
            second_database: second.as_ref().map(|server| server.url().to_owned()),
            database: url(Kind::Postgres).unwrap_or_default().to_owned(),
            redis: url(Kind::Redis).unwrap_or_default().to_owned(),
            amqp: url(Kind::RabbitMq).unwrap_or_default().to_owned(),
        };
        let watchdog = Watchdog::start(Some(&folder))?;
        let mut placed = Vec::new();
        for role in roles {
            placed.push((role, SocketAddr::from(([127, 0, 0, 1], free_port()?))));
        }
        let servers = servers.into_iter().chain(second).collect();
        let mut cluster = Cluster { folder, binary, urls, processes: Vec::new(), watchdog, servers };
        cluster.write_secrets(&placed)?;
        for (role, address) in &placed {
            let text = config_of(*role, &placed, &cluster.urls, &more);
            let mut process = cluster.place(*role, *address, &text.unwrap_or_default())?;
            if let Some((_, by)) = clocks.iter().find(|(name, _)| *name == role.name) {
                process.set_clock(by)?;
            }
            cluster.processes.push(process);
        }
        // Processes first, then the schemas: the order must not matter, and this is the harder one.
        for process in &mut cluster.processes {
            process.start(&cluster.watchdog)?;
        }
        for database in cluster.databases() {
            cluster.run(&["migrate", "--database", database])?;
        }
        Ok(cluster)
    }

    /// One set of secrets for all: tokens of one are good at every other.
    fn write_secrets(&self, placed: &[(Role, SocketAddr)]) -> Result<(), ChaosError> {
        let first = self.data_dir();
        make_folder(&first)?;
        self.run(&["token", "--role", "sre", "--sub", "stack", "--data-dir", &first.to_string_lossy()])?;
        let secrets = first.join("secrets.toml");
        for (role, _) in placed {
            let folder = self.watchdog.dir().join(role.name);
            make_folder(&folder)?;
            let copy = folder.join("secrets.toml");
            let failed = |source| ChaosError::File { path: copy.clone(), source };
            fs::copy(&secrets, &copy).map_err(failed)?;
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        }
        Ok(())
    }

    fn place(&self, role: Role, address: SocketAddr, config: &str) -> Result<Process, ChaosError> {
        let data_dir = self.watchdog.dir().join(role.name);
        let path = data_dir.join("largesse.toml");
        fs::write(&path, config).map_err(|source| ChaosError::File { path: path.clone(), source })?;
        let log = self.folder.join("logs").join(format!("{}.log", role.name));
        let binary = self.binary.clone();
        Ok(Process { role, address, log, data_dir, binary, config: path, clock: None, running: None })
    }

    /// Runs the binary to its end; gives what it printed.
    ///
    /// # Errors
    /// [`ChaosError::Failed`] with what it printed.
    pub fn run(&self, words: &[&str]) -> Result<String, ChaosError> {
        let command = format!("{} {}", self.binary.display(), words.join(" "));
        let ended = Command::new(&self.binary).args(words).output();
        let ended = ended.map_err(|source| ChaosError::Spawn { program: command.clone(), source })?;
        if ended.status.success() {
            return Ok(String::from_utf8_lossy(&ended.stdout).into_owned());
        }
        let output = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
        Err(ChaosError::Failed { command, output })
    }

    /// A data directory with the stack's secrets that no process holds: for `token` and `replay`.
    pub fn data_dir(&self) -> PathBuf {
        self.watchdog.dir().join("outside")
    }

    pub fn database(&self) -> &str {
        &self.urls.database
    }

    /// Every database, the shared one first.
    pub fn databases(&self) -> Vec<&str> {
        [Some(&self.urls.database), self.urls.second_database.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect()
    }

    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// A private server, to be crashed and started again by the experiment.
    ///
    /// # Errors
    /// [`ChaosError::NoSuchProcess`].
    pub fn server(&mut self, kind: Kind) -> Result<&mut Server, ChaosError> {
        let found = self.servers.iter_mut().find(|server| server.kind() == kind);
        found.ok_or_else(|| ChaosError::NoSuchProcess(kind.to_string()))
    }

    /// A process by its name.
    ///
    /// # Errors
    /// [`ChaosError::NoSuchProcess`].
    pub fn process(&self, name: &str) -> Result<&Process, ChaosError> {
        let found = self.processes.iter().find(|process| process.role.name == name);
        found.ok_or_else(|| ChaosError::NoSuchProcess(name.to_owned()))
    }

    /// Waits until every process is ready.
    ///
    /// # Errors
    /// [`ChaosError::Ended`], [`ChaosError::NotReady`], each with the end of its log.
    pub fn wait_ready(&self, limit: Duration) -> Result<(), ChaosError> {
        self.processes.iter().try_for_each(|process| process.wait_ready(&self.watchdog, limit))
    }

    /// Waits until one process is ready.
    ///
    /// # Errors
    /// As [`Cluster::wait_ready`].
    pub fn wait_ready_of(&self, name: &str, limit: Duration) -> Result<(), ChaosError> {
        self.process(name)?.wait_ready(&self.watchdog, limit)
    }

    /// SIGKILL, at once; returns when the process is gone.
    ///
    /// # Errors
    /// [`ChaosError::NoSuchProcess`], [`ChaosError::Ended`] when it was not running.
    pub fn kill(&self, name: &str) -> Result<(), ChaosError> {
        self.signal(name, "KILL")?;
        self.process(name)?.wait_ended(&self.watchdog, END_WITHIN)
    }

    /// SIGSTOP: the process sleeps, with everything it holds.
    ///
    /// # Errors
    /// As [`Cluster::kill`].
    pub fn pause(&self, name: &str) -> Result<(), ChaosError> {
        self.signal(name, "STOP")
    }

    /// SIGCONT: a sleeping process goes on where it was.
    ///
    /// # Errors
    /// As [`Cluster::kill`].
    pub fn wake(&self, name: &str) -> Result<(), ChaosError> {
        self.signal(name, "CONT")
    }

    /// Lets the clock of a process jump, to so much off the right time; it has one of its own from its start on. Noticed
    /// within [`CLOCK_READ_EVERY_S`](crate::CLOCK_READ_EVERY_S).
    ///
    /// # Errors
    /// [`ChaosError::NoSuchProcess`], [`ChaosError::NoClock`], [`ChaosError::File`].
    pub fn move_clock(&mut self, name: &str, by: &str) -> Result<(), ChaosError> {
        let found = self.processes.iter_mut().find(|process| process.role.name == name);
        let process = found.ok_or_else(|| ChaosError::NoSuchProcess(name.to_owned()))?;
        if process.clock.is_none() {
            return Err(ChaosError::NoClock(name.to_owned()));
        }
        process.set_clock(by)
    }

    /// SIGTERM; returns when the process has drained and ended.
    ///
    /// # Errors
    /// As [`Cluster::kill`]; [`ChaosError::StillRunning`].
    pub fn terminate(&self, name: &str) -> Result<(), ChaosError> {
        self.signal(name, "TERM")?;
        self.process(name)?.wait_ended(&self.watchdog, END_WITHIN)
    }

    /// Starts a process that has ended again, as it was.
    ///
    /// # Errors
    /// [`ChaosError`].
    pub fn start_again(&mut self, name: &str) -> Result<(), ChaosError> {
        let found = self.processes.iter_mut().find(|process| process.role.name == name);
        found.ok_or_else(|| ChaosError::NoSuchProcess(name.to_owned()))?.start(&self.watchdog)
    }

    fn signal(&self, name: &str, signal: &str) -> Result<(), ChaosError> {
        let process = self.process(name)?;
        if process.signal(signal) {
            return Ok(());
        }
        Err(ChaosError::Ended { name: name.to_owned(), log: crate::layout::log_tail(&process.log) })
    }

    /// Ends every process in an orderly way; the servers end with the value.
    pub fn terminate_all(&self) {
        // All at once: each hands over or lets go by itself, and none waits for another.
        let told: Vec<_> = self.processes.iter().filter(|process| process.signal("TERM")).collect();
        for process in told {
            let _ = process.wait_ended(&self.watchdog, END_WITHIN); // The watchdog ends what still runs.
        }
    }

    /// What other commands may know of this stack.
    pub fn describe(&self) -> StackFile {
        let own = std::process::id();
        let processes = self.processes.iter().map(StackProcess::of).collect();
        let servers = self.servers.iter().map(|server| (server.kind().to_string(), server.url().to_owned()));
        StackFile {
            keeper: own,
            keeper_born: crate::born_at(own),
            data_dir: self.data_dir(),
            processes,
            servers: servers.collect(),
        }
    }
}

fn make_folder(path: &Path) -> Result<(), ChaosError> {
    fs::create_dir_all(path).map_err(|source| ChaosError::File { path: path.to_owned(), source })
}
