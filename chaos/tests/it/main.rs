//! Invariant under test: `stack up` brings every service up as a process of its own, on servers of its own; `stack down`, or
//! the death of its keeper, ends exactly those, and the books that they leave are closed.

use chaos::{StackFile, Victim};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// How long whatever a killed keeper leaves may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// What `make stack` runs, and how often.
const SERVICES: [(&str, usize); 6] =
    [("cashier", 1), ("gift", 2), ("wallet", 2), ("settlement", 1), ("clearing", 1), ("recon", 1)];

/// The product's binary, beside the one under test.
fn largesse() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_stack")).with_file_name("largesse")
}

fn stack(word: &str, folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stack"));
    command.arg(word).arg("--folder").arg(folder).arg("--binary").arg(largesse());
    command.output().expect("it runs")
}

/// Ends what a test that failed has left.
struct EndsWith<'f>(&'f Path);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        let _ = stack("down", self.0); // The test has said already what went wrong.
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn address_of(url: &str) -> SocketAddr {
    let place = url.split("://").nth(1).unwrap_or_default();
    let host = place.split('/').next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    host.parse().unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// Whether anybody listens where a process or a server of the stack did.
fn listens(url: &str) -> bool {
    TcpStream::connect_timeout(&address_of(url), Duration::from_millis(200)).is_ok()
}

fn everything(stack: &StackFile) -> Vec<String> {
    let processes = stack.processes.iter().map(|process| process.url.clone());
    processes.chain(stack.servers.iter().map(|(_, url)| url.clone())).collect()
}

async fn run(words: &[&str]) -> String {
    let ended = Victim::spawn(&largesse(), words, &[]).expect("it starts");
    let ended = ended.finish(Duration::from_secs(60)).await.expect("it ends");
    assert!(ended.status.success(), "{words:?}: {}\n{}", ended.stdout, ended.stderr);
    ended.stdout
}

#[tokio::test]
async fn the_stack_comes_up_closes_its_books_and_goes_down_whole() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    let _down = EndsWith(folder);
    let up = stack("up", folder);
    assert!(up.status.success(), "{}", text(&up.stderr));
    let said = text(&up.stdout);
    let started = StackFile::find(folder).expect("a stack runs");
    for (service, times) in SERVICES {
        let of = started.processes.iter().filter(|process| process.services.iter().any(|one| one == service));
        assert_eq!(of.count(), times, "{service}: {said}");
    }
    for url in everything(&started) {
        assert!(listens(&url) && said.contains(&url), "{url} is not there, or not told: {said}");
    }
    let again = stack("up", folder);
    assert!(
        !again.status.success() && text(&again.stderr).contains("already runs"),
        "{}",
        text(&again.stderr)
    );
    assert!(StackFile::find(folder).is_some_and(|stack| stack.is_kept()), "the first one is gone");
    let database = started.servers.iter().find(|(kind, _)| kind == "postgres").map(|(_, url)| url.clone());
    let database = database.expect("a database");
    let proof = run(&["check", "--database", &database]).await;
    assert!(!proof.is_empty(), "the proof says nothing");
    let down = stack("down", folder);
    assert!(down.status.success(), "{}", text(&down.stderr));
    for url in everything(&started) {
        assert!(!listens(&url), "{url} still listens");
    }
    assert!(StackFile::find(folder).is_none(), "a stack that is down is still told of");
    let down = stack("down", folder);
    assert!(down.status.success() && text(&down.stdout).contains("no stack runs"), "{}", text(&down.stdout));
}

#[tokio::test]
async fn a_killed_keeper_takes_everything_with_it() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    let _down = EndsWith(folder);
    let up = stack("up", folder);
    assert!(up.status.success(), "{}", text(&up.stderr));
    let started = StackFile::find(folder).expect("a stack runs");
    let killed = Command::new("kill").args(["-KILL", &started.keeper.to_string()]).status();
    assert!(killed.expect("kill runs").success());
    let began = Instant::now();
    while everything(&started).iter().any(|url| listens(url)) {
        assert!(began.elapsed() < ENDS_WITHIN, "something outlived its keeper");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("everything was gone {:?} after its keeper was killed", began.elapsed());
    let down = stack("down", folder);
    assert!(down.status.success(), "{}", text(&down.stderr));
    let again = stack("up", folder);
    assert!(again.status.success(), "what is left behind is in the way: {}", text(&again.stderr));
    assert!(stack("down", folder).status.success());
}
