//! A data directory and a port of one test, and the binary under test.

use chaos::{Ended, Victim};
use serde_json::Value;
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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

    /// Proves the books of a database as soon as readers have caught up; what the check says.
    pub async fn closed_books(&self, database_url: &str) -> Value {
        let began = Instant::now();
        loop {
            let ended = self.run(&["check", "--database", database_url, "--json"], &[]).await;
            let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
            if report["passed"] == true {
                return report;
            }
            assert!(began.elapsed() < CLOSED_WITHIN, "{report:#}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// How long readers may take until the books close.
const CLOSED_WITHIN: Duration = Duration::from_secs(60);

/// How many gifts a sender sends on average.
const GIFTS_PER_SENDER: usize = 8;

/// Gifts of the shipped sample's first senders, with the recharges of these: a short evening.
///
/// # Panics
/// When the shipped sample is not what this expects of it.
pub fn short_evening(path: &Path, gifts: usize) {
    const SAMPLE: &[u8] = include_bytes!("../../../../loadtest/samples/final-night.jsonl.gz");
    let reader = BufReader::new(flate2::read::GzDecoder::new(SAMPLE));
    let is_gift = |line: &Value| line["kind"] == "gift" && line["coin_type"] == "gold";
    // Gifts are the last part of the file: what follows the ones that are taken is not even read.
    let (mut lines, mut found, mut senders) = (Vec::<Value>::new(), 0, HashSet::<String>::new());
    for line in reader.lines() {
        if found == gifts {
            break;
        }
        let line: Value = serde_json::from_str(&line.expect("text")).expect("JSON");
        if is_gift(&line) {
            // Whoever sends pays first, so a crowd of senders would only make the evening begin late.
            let sender = line["viewer"].as_str().expect("a gift has a sender");
            if senders.len() == gifts.div_ceil(GIFTS_PER_SENDER) && !senders.contains(sender) {
                continue;
            }
            senders.insert(sender.to_owned());
            found += 1;
        }
        lines.push(line);
    }
    assert_eq!(found, gifts, "the sample has enough gifts of so few senders");
    let taken: Vec<&Value> = lines.iter().filter(|line| is_gift(line)).collect();
    let mut header = lines[0].clone();
    header["gifts"] = taken.len().into();
    header["viewers"] = senders.len().into();
    header["recharges"] = senders.len().into();
    header["free_gifts"] = 0.into();
    let rooms = lines.iter().filter(|line| line["kind"] == "room");
    let recharges = lines
        .iter()
        .filter(|line| line["kind"] == "recharge")
        .filter(|line| line["viewer"].as_str().is_some_and(|viewer| senders.contains(viewer)));
    let text: Vec<String> =
        [&header].into_iter().chain(rooms).chain(recharges).chain(taken).map(Value::to_string).collect();
    std::fs::write(path, text.join("\n") + "\n").expect("written");
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
