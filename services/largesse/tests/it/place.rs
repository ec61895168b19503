//! A data directory and a port of one test, and the binary under test.

use chaos::{Ended, Victim};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest any single command of these tests may take.
pub const COMMAND_LIMIT: Duration = Duration::from_secs(240);

/// The binary under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_largesse"))
}

/// A data directory of its own, removed after.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().expect("a folder") }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts `largesse` with these words and this environment.
    pub fn start(&self, words: &[&str], env: &[(&str, &str)]) -> Victim {
        Victim::spawn(binary(), words, env).expect("the binary starts")
    }

    /// Runs `largesse` to its end.
    pub async fn run(&self, words: &[&str], env: &[(&str, &str)]) -> Ended {
        self.start(words, env).finish(COMMAND_LIMIT).await.expect("the command ends")
    }
}

/// An address nothing listens on at this moment.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

/// Text of a path for a command line.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// Waits until `GET /readyz` says yes.
pub async fn wait_until_ready(address: SocketAddr) {
    for _ in 0..600 {
        if let Ok(answer) = reqwest::get(format!("http://{address}/readyz")).await
            && answer.status().is_success()
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing was ready on {address} within 30 s");
}
