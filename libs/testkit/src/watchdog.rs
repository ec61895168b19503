//! A folder, the processes that live in it, and a small shell that outlives us to stop and remove them.
//!
//! The shell waits on a pipe. The pipe closes when the test is done, panics, or is killed, so there is one way
//! to stop and every test exercises it.

use crate::TestkitError;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const SCRIPT: &str = include_str!("watchdog.sh");

/// How a server is asked to stop before it is killed.
#[derive(Clone, Copy, Debug)]
pub enum StopSignal {
    /// SIGTERM: an orderly end.
    Term,
    /// SIGINT: PostgreSQL's fast shutdown.
    Int,
}

/// The folder and what runs in it.
#[derive(Debug)]
pub struct Watchdog {
    dir: PathBuf,
    shell: Child,
    input: Option<ChildStdin>,
    children: Mutex<Vec<Child>>,
}

impl Watchdog {
    /// Makes a fresh folder, in `parent` or where the machine keeps such, and starts the shell that will remove it.
    ///
    /// # Errors
    /// [`TestkitError::Io`].
    pub fn start(parent: Option<&Path>) -> Result<Watchdog, TestkitError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("testkit-").permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755));
        let folder = match parent {
            Some(parent) => builder.tempdir_in(parent),
            None => builder.tempdir(),
        };
        let folder = folder.map_err(TestkitError::io("make a temporary folder"))?;
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "testkit-watchdog"])
            .arg(folder.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(TestkitError::io("start a shell"))?;
        let input = shell.stdin.take();
        Ok(Watchdog { dir: folder.keep(), shell, input, children: Mutex::default() })
    }

    /// The folder, removed at the end.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts a process in its own group and puts it under the watchdog at once.
    ///
    /// # Errors
    /// [`TestkitError::Io`].
    pub fn spawn(&self, command: &mut Command, stop: StopSignal) -> Result<u32, TestkitError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(TestkitError::io(format!("start {program}")))?;
        let id = child.id();
        self.children().push(child);
        let signal = match stop {
            StopSignal::Term => "TERM",
            StopSignal::Int => "INT",
        };
        let Some(mut input) = self.input.as_ref() else { return Ok(id) };
        writeln!(input, "{id} {signal}").map_err(TestkitError::io("tell the watchdog of a process"))?;
        Ok(id)
    }

    /// Whether a process that was started here has ended.
    pub fn has_ended(&self, id: u32) -> bool {
        let mut children = self.children();
        let found = children.iter_mut().find(|child| child.id() == id);
        found.is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Sends a signal to a process that was started here, and waits until it has ended.
    ///
    /// # Errors
    /// [`TestkitError::Failed`] when it still runs after `limit`.
    pub fn end(&self, id: u32, signal: &str, limit: Duration) -> Result<(), TestkitError> {
        let command = format!("kill -{signal} {id}");
        if !self.has_ended(id) {
            let sent = Command::new("kill").arg(format!("-{signal}")).arg(id.to_string()).status();
            sent.map_err(TestkitError::io(command.clone()))?;
        }
        let began = Instant::now();
        while !self.has_ended(id) {
            if began.elapsed() > limit {
                return Err(TestkitError::Failed { command, output: format!("runs on after {limit:?}") });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn children(&self) -> MutexGuard<'_, Vec<Child>> {
        // A panic of another thread leaves the list whole: it is only ever pushed to.
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watchdog {
    /// Returns when every process is gone and the folder removed; the shell bounds how long that takes.
    fn drop(&mut self) {
        drop(self.input.take());
        // Reaped here while the shell waits for them: a zombie would look alive to others.
        for child in self.children().iter_mut() {
            let _ = child.wait();
        }
        let _ = self.shell.wait();
    }
}
