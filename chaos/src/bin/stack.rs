//! `stack up` and `stack down`: the real stack for people, as separate processes on private servers.
//!
//! `up` leaves a keeper behind that owns everything; `down` ends the keeper, and with it exactly what it started.

use chaos::{ChaosError, Cluster, ClusterSettings, STACK, StackFile, StackProcess};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
Runs every service as a process of its own, on private servers on free ports.

Usage: stack up [--folder DIR] [--binary FILE]
       stack down [--folder DIR]

  --folder DIR    where servers and logs live [default: target/stack]
  --binary FILE   what to run [default: target/release/largesse]

`up` returns when everything is ready and prints where it is. `down` ends exactly what `up` started.";

/// How long everything may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(180);
/// How long everything may take to end.
const DOWN_WITHIN: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(100);

struct Asked {
    word: String,
    folder: PathBuf,
    binary: PathBuf,
}

fn main() -> ExitCode {
    let asked = match parse(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(reason) => {
            eprintln!("stack: {reason}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let done = match asked.word.as_str() {
        "up" => up(&asked),
        "down" => down(&asked.folder),
        "keep" => keep(&asked),
        _ => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("stack: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Asked, String> {
    let word = words.next().unwrap_or_else(|| "help".to_owned());
    let mut asked = Asked { word, folder: "target/stack".into(), binary: "target/release/largesse".into() };
    while let Some(flag) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--folder" => asked.folder = value()?.into(),
            "--binary" => asked.binary = value()?.into(),
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(asked)
}

fn up(asked: &Asked) -> Result<(), String> {
    if StackFile::find(&asked.folder).is_some_and(|stack| stack.is_kept()) {
        return Err(format!("a stack already runs in {}; end it with `stack down`", asked.folder.display()));
    }
    StackFile::remove(&asked.folder);
    let logs = asked.folder.join("logs");
    std::fs::create_dir_all(&logs).map_err(|error| format!("{}: {error}", logs.display()))?;
    let log = logs.join("stack.log");
    let file = std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let same = file.try_clone().map_err(|error| error.to_string())?;
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    // In a session of its own, so that closing the terminal does not end it.
    let mut keeper = Command::new("setsid")
        .arg(own)
        .args(["keep", "--folder"])
        .arg(&asked.folder)
        .arg("--binary")
        .arg(&asked.binary)
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(same)
        .spawn()
        .map_err(|error| format!("setsid: {error}"))?;
    let began = Instant::now();
    loop {
        if let Some(stack) = StackFile::find(&asked.folder) {
            print!("{}", table(&stack));
            return Ok(());
        }
        let ended = keeper.try_wait().map_err(|error| error.to_string())?;
        if ended.is_some_and(|status| !status.success()) || began.elapsed() > READY_WITHIN + DOWN_WITHIN {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            return Err(format!("it did not come up:\n{said}"));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn table(stack: &StackFile) -> String {
    let mut text = String::new();
    for process in &stack.processes {
        let services = process.services.join(" ");
        text.push_str(&format!(
            "{:<11} {:<24} {:<14} {}\n",
            process.name,
            process.url,
            services,
            process.log.display()
        ));
    }
    for (kind, url) in &stack.servers {
        text.push_str(&format!("{kind:<11} {url}\n"));
    }
    let database = stack.servers.iter().find(|(kind, _)| kind == "postgres").map_or("", |(_, url)| url);
    let door = stack.processes.iter().find(|one| one.services.iter().any(|service| service == "console"));
    let door = door.map_or("", |process| process.url.as_str());
    text.push_str(&format!(
        "\npages    {door}\ntokens   largesse token --role viewer --sub ann --data-dir {}\n\
         proof    largesse check --database {database}\nthe end  make stack-down\n",
        stack.data_dir.display()
    ));
    text
}

fn keep(asked: &Asked) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let told = |error: std::io::Error| error.to_string();
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate()).map_err(told)?, signal(SignalKind::interrupt()).map_err(told)?);
        let settings = ClusterSettings {
            binary: absolute(&asked.binary)?,
            folder: absolute(&asked.folder)?,
            servers_folder: absolute(&asked.folder)?,
            fsync: testkit::Fsync::On,
            roles: STACK.to_vec(),
            more: String::new(),
            clocks: Vec::new(),
        };
        let cluster = Cluster::start(settings).map_err(said)?;
        cluster.wait_ready(READY_WITHIN).map_err(said)?;
        cluster.describe().write(&asked.folder).map_err(said)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        cluster.terminate_all();
        drop(cluster);
        StackFile::remove(&asked.folder);
        Ok(())
    })
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// An error with its sources.
fn said(error: ChaosError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

fn down(folder: &Path) -> Result<(), String> {
    let Some(stack) = StackFile::find(folder) else {
        println!("no stack runs in {}", folder.display());
        return Ok(());
    };
    if stack.is_kept() {
        end(stack.keeper, "TERM");
        let began = Instant::now();
        while stack.is_kept() && began.elapsed() < DOWN_WITHIN {
            std::thread::sleep(LOOK_EVERY);
        }
        if stack.is_kept() {
            end(stack.keeper, "KILL"); // Its watchdogs end the servers and the processes then.
        }
    }
    // After a killed keeper the watchdogs are still at work for a moment.
    let began = Instant::now();
    while stack.processes.iter().any(StackProcess::is_alive) && began.elapsed() < DOWN_WITHIN {
        std::thread::sleep(LOOK_EVERY);
    }
    StackFile::remove(folder);
    match stack.processes.iter().find(|process| process.is_alive()) {
        None => Ok(()),
        Some(process) => Err(format!("{} still runs", process.name)),
    }
}

fn end(id: u32, signal: &str) {
    let _ = Command::new("kill").args([&format!("-{signal}"), &id.to_string()]).status();
}
