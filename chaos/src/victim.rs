//! A process that may be killed.

use crate::ChaosError;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// Output that is kept of a process; more is dropped.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// A process this experiment started. Killed when dropped. Its output is read all the time, so that it never
/// blocks on a full pipe.
pub struct Victim {
    child: Child,
    id: u32,
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<Vec<u8>>,
}

impl Victim {
    /// Starts `program`. Needs a runtime.
    ///
    /// # Errors
    /// [`ChaosError::Spawn`].
    pub fn spawn(program: &Path, args: &[&str], env: &[(&str, &str)]) -> Result<Victim, ChaosError> {
        let mut child = Command::new(program)
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ChaosError::Spawn { program: program.display().to_string(), source })?;
        let id = child.id().unwrap_or_default(); // Known until it is waited for.
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        Ok(Victim {
            child,
            id,
            stdout: tokio::spawn(read_some(stdout)),
            stderr: tokio::spawn(read_some(stderr)),
        })
    }

    pub fn id(&self) -> u32 {
        self.id
    }

    /// SIGKILL after `delay`, unless the process ended before. Says whether it was still running.
    ///
    /// # Errors
    /// [`ChaosError::Watch`].
    pub async fn kill_after(mut self, delay: Duration) -> Result<bool, ChaosError> {
        match tokio::time::timeout(delay, self.child.wait()).await {
            Ok(Ok(_)) => Ok(false),
            Ok(Err(source)) => Err(ChaosError::Watch(self.id, source)),
            Err(_) => {
                self.child.kill().await.map_err(|source| ChaosError::Watch(self.id, source))?;
                Ok(true)
            }
        }
    }

    /// Waits for the end, at most `limit`; kills what is still running then.
    ///
    /// # Errors
    /// [`ChaosError::StillRunning`], [`ChaosError::Watch`].
    pub async fn finish(mut self, limit: Duration) -> Result<Ended, ChaosError> {
        let status = match tokio::time::timeout(limit, self.child.wait()).await {
            Ok(ended) => ended.map_err(|source| ChaosError::Watch(self.id, source))?,
            Err(_) => return Err(ChaosError::StillRunning(self.id, limit)),
        };
        let text =
            |bytes: Result<Vec<u8>, _>| String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
        Ok(Ended { status, stdout: text(self.stdout.await), stderr: text(self.stderr.await) })
    }
}

async fn read_some(from: Option<impl AsyncReadExt + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut from) = from else { return kept };
    let mut piece = [0_u8; 8192];
    while let Ok(count) = from.read(&mut piece).await {
        if count == 0 {
            break;
        }
        if kept.len() < OUTPUT_BYTES_MAX {
            kept.extend_from_slice(&piece[..count]); // Past the bound the pipe is only drained.
        }
    }
    kept
}
