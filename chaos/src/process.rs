//! One process of a stack: started, killed, stopped, woken, ended, started again.

use crate::layout::{Role, log_tail};
use crate::{Born, ChaosError, born_at};
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::{StopSignal, Watchdog};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long one look may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Where Debian's package libfaketime puts the library for programs of many threads.
const FAKETIME: &str = "faketime/libfaketimeMT.so.1";

/// How often a process reads how far its clock is off, in seconds.
pub const CLOCK_READ_EVERY_S: u32 = 1;

/// The library that lies about the time.
fn faketime() -> Result<PathBuf, ChaosError> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut found = folders.map(|folder| folder.path().join(FAKETIME)).filter(|path| path.exists());
    found.next().ok_or(ChaosError::NoFaketime)
}

/// A process of a stack.
#[derive(Debug)]
pub struct Process {
    pub role: Role,
    pub address: SocketAddr,
    pub log: PathBuf,
    pub data_dir: PathBuf,
    pub(crate) binary: PathBuf,
    pub(crate) config: PathBuf,
    /// The file that says how far its clock is off, where it has one of its own.
    pub(crate) clock: Option<PathBuf>,
    pub(crate) running: Option<(u32, Born)>,
}

impl Process {
    /// Its number, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.running.filter(|(id, born)| born_at(*id) == Some(*born)).map(|(id, _)| id)
    }

    /// Its number and birth, as last started.
    pub fn running(&self) -> Option<(u32, Born)> {
        self.running
    }

    /// How its log ends.
    pub fn log_tail(&self) -> String {
        log_tail(&self.log)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn start(&mut self, watchdog: &Watchdog) -> Result<(), ChaosError> {
        let failed = |source| ChaosError::File { path: self.log.clone(), source };
        let log = OpenOptions::new().create(true).append(true).open(&self.log).map_err(failed)?;
        let same_log = log.try_clone().map_err(failed)?;
        let mut command = Command::new(&self.binary);
        command.arg("serve").args(self.role.services).arg("--config").arg(&self.config);
        command.arg("--data-dir").arg(&self.data_dir).stdout(log).stderr(same_log);
        if let Some(clock) = &self.clock {
            command
                .env("LD_PRELOAD", faketime()?)
                .env("FAKETIME_TIMESTAMP_FILE", clock)
                .env("FAKETIME_CACHE_DURATION", CLOCK_READ_EVERY_S.to_string())
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        let id = watchdog.spawn(&mut command, StopSignal::Term)?;
        // One that ended at once was never born for us; the next look says so.
        self.running = born_at(id).map(|born| (id, born));
        Ok(())
    }

    /// Says how far its clock is off, now and at its next start.
    pub(crate) fn set_clock(&mut self, by: &str) -> Result<(), ChaosError> {
        let (clock, new) = (self.data_dir.join("clock"), self.data_dir.join("clock.new"));
        // At once, for it is read at any moment.
        let written = std::fs::write(&new, format!("{by}\n")).and_then(|()| std::fs::rename(&new, &clock));
        written.map_err(|source| ChaosError::File { path: clock.clone(), source })?;
        self.clock = Some(clock);
        Ok(())
    }

    /// Sends a signal; says whether there was anybody to get it.
    pub(crate) fn signal(&self, name: &str) -> bool {
        let Some(id) = self.id() else { return false };
        Command::new("kill").arg(format!("-{name}")).arg(id.to_string()).status().is_ok_and(|it| it.success())
    }

    /// Whether `GET /readyz` says yes now.
    pub fn is_ready(&self) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect_timeout(&self.address, ANSWER_WITHIN)?;
            stream.set_read_timeout(Some(ANSWER_WITHIN))?;
            stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: stack\r\nConnection: close\r\n\r\n")?;
            let mut answer = [0; 12];
            stream.read_exact(&mut answer)?;
            Ok(&answer == b"HTTP/1.1 200")
        };
        ask().unwrap_or(false)
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// [`ChaosError::Ended`], [`ChaosError::NotReady`], each with the end of its log.
    pub fn wait_ready(&self, watchdog: &Watchdog, limit: Duration) -> Result<(), ChaosError> {
        let began = Instant::now();
        let name = self.role.name.to_owned();
        loop {
            if self.running.is_none_or(|(id, _)| watchdog.has_ended(id)) {
                return Err(ChaosError::Ended { name, log: log_tail(&self.log) });
            }
            if self.is_ready() {
                return Ok(());
            }
            if began.elapsed() > limit {
                return Err(ChaosError::NotReady { name, waited: limit, log: log_tail(&self.log) });
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until it has ended.
    pub(crate) fn wait_ended(&self, watchdog: &Watchdog, limit: Duration) -> Result<(), ChaosError> {
        let Some((id, _)) = self.running else { return Ok(()) };
        let began = Instant::now();
        while !watchdog.has_ended(id) {
            if began.elapsed() > limit {
                return Err(ChaosError::StillRunning(id, limit));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}
