//! A process that may be killed.

use crate::ChaosError;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// Output that is kept of a process; more is dropped.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// A process this experiment started. Killed when dropped.
pub struct Victim {
    child: Child,
    id: u32,
}

impl Victim {
    /// Starts `program`.
    ///
    /// # Errors
    /// [`ChaosError::Spawn`].
    pub fn spawn(program: &Path, args: &[&str], env: &[(&str, &str)]) -> Result<Victim, ChaosError> {
        let child = Command::new(program)
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ChaosError::Spawn { program: program.display().to_string(), source })?;
        let id = child.id().unwrap_or_default(); // Known until it is waited for.
        Ok(Victim { child, id })
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
        let (mut out, mut err) = (self.child.stdout.take(), self.child.stderr.take());
        let reading = async {
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            tokio::join!(read_some(&mut out, &mut stdout), read_some(&mut err, &mut stderr));
            (self.child.wait().await, stdout, stderr)
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        match tokio::time::timeout(limit, reading).await {
            Ok((Ok(status), stdout, stderr)) => {
                Ok(Ended { status, stdout: text(stdout), stderr: text(stderr) })
            }
            Ok((Err(source), ..)) => Err(ChaosError::Watch(self.id, source)),
            Err(_) => Err(ChaosError::StillRunning(self.id, limit)),
        }
    }
}

async fn read_some(from: &mut Option<impl AsyncReadExt + Unpin>, into: &mut Vec<u8>) {
    let Some(from) = from else { return };
    let mut piece = [0_u8; 8192];
    while let Ok(count) = from.read(&mut piece).await {
        if count == 0 {
            return;
        }
        if into.len() < OUTPUT_BYTES_MAX {
            into.extend_from_slice(&piece[..count]); // Past the bound the pipe is only drained.
        }
    }
}
