//! `testkit run`: starts private servers, runs a command with their URLs, stops them, passes on its exit code.

use std::process::ExitCode;
use std::time::Duration;
use testkit::{Fsync, Kind, Server, TestkitError, start_all};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

const USAGE: &str = "\
Runs a command with private servers, and stops them after.

Usage: testkit run [--with postgres,redis,rabbitmq] [--no-fsync] -- COMMAND [ARGS…]

  --with LIST   which servers to start (all three)
  --no-fsync    PostgreSQL does not wait for the disk: for tests, never for figures

The command finds them in LARGESSE_TEST_DATABASE_URL, LARGESSE_TEST_REDIS_URL and LARGESSE_TEST_AMQP_URL.
Ctrl-C or SIGTERM ends the command first, then the servers.

Example: testkit run --no-fsync --with postgres -- cargo nextest run -p seqlog";

/// How long the command may take to end after it was asked to.
const END_WITHIN: Duration = Duration::from_secs(30);
/// Exit codes of our own, as other runners of commands use them.
const USAGE_ERROR: u8 = 2;
const NOT_STARTED: u8 = 125;
const NOT_FOUND: u8 = 127;

#[derive(Debug, PartialEq, Eq)]
struct Run {
    kinds: Vec<Kind>,
    fsync: Fsync,
    command: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if matches!(arguments.first().map(String::as_str), None | Some("--help" | "-h" | "help")) {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let run = match parse(&arguments) {
        Ok(run) => run,
        Err(reason) => {
            eprintln!("testkit: {reason}\n\n{USAGE}");
            return ExitCode::from(USAGE_ERROR);
        }
    };
    match run_with_servers(run).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("testkit: {error}");
            ExitCode::from(NOT_STARTED)
        }
    }
}

fn parse(arguments: &[String]) -> Result<Run, String> {
    let mut rest = arguments.iter();
    if rest.next().map(String::as_str) != Some("run") {
        return Err("the first word must be `run`".to_owned());
    }
    let mut run = Run { kinds: Kind::ALL.into(), fsync: Fsync::On, command: Vec::new() };
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--no-fsync" => run.fsync = Fsync::Off,
            "--with" => {
                let list = rest.next().ok_or("--with needs a list")?;
                let kinds = list.split(',').map(|name| name.trim().parse::<Kind>());
                run.kinds = kinds.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
            }
            "--" => {
                run.command = rest.cloned().collect();
                break;
            }
            other => return Err(format!("unknown argument {other}")),
        }
    }
    if run.command.is_empty() { Err("no command after `--`".to_owned()) } else { Ok(run) }
}

async fn run_with_servers(run: Run) -> Result<u8, TestkitError> {
    let io = |act: &str| {
        let act = act.to_owned();
        move |source| TestkitError::Io { act, source }
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(io("listen for SIGINT"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(io("listen for SIGTERM"))?;
    let mut hangup = signal(SignalKind::hangup()).map_err(io("listen for SIGHUP"))?;
    let mut signals = [&mut interrupt, &mut terminate, &mut hangup];

    let starting = tokio::task::spawn_blocking(move || start_all(&run.kinds, run.fsync));
    // Whatever the start does after a signal, the watchdogs stop it when this process ends.
    let servers = tokio::select! {
        started = starting => started.map_err(|error| io("start the servers")(error.into()))??,
        code = any_of(&mut signals) => std::process::exit(i32::from(code)),
    };
    let code = run_command(&run.command, &servers, &mut signals).await;
    drop(servers);
    Ok(code)
}

async fn run_command(command: &[String], servers: &[Server], signals: &mut [&mut Signal; 3]) -> u8 {
    let Some((program, arguments)) = command.split_first() else { return USAGE_ERROR };
    let urls = servers.iter().map(|server| (server.kind().variable(), server.url()));
    let mut child = match Command::new(program).args(arguments).envs(urls).spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("testkit: cannot run {program}: {error}");
            return NOT_FOUND;
        }
    };
    let signalled = tokio::select! {
        status = child.wait() => return status.map_or(NOT_STARTED, exit_code),
        code = any_of(signals) => code,
    };
    end(&mut child).await;
    signalled
}

/// Asks the command to end, then makes it.
async fn end(child: &mut Child) {
    if let Some(id) = child.id() {
        // The child is not reaped yet, so the number is still its own.
        let _ = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
    }
    if tokio::time::timeout(END_WITHIN, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

/// Waits for any of the signals; gives the exit code a shell would.
async fn any_of(signals: &mut [&mut Signal; 3]) -> u8 {
    let [interrupt, terminate, hangup] = signals;
    tokio::select! {
        _ = interrupt.recv() => 128 + 2,
        _ = terminate.recv() => 128 + 15,
        _ = hangup.recv() => 128 + 1,
    }
}

fn exit_code(status: std::process::ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let signal = status.signal().map(|signal| 128 + signal);
    status.code().or(signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(NOT_STARTED)
}

#[cfg(test)]
mod tests {
    use super::{Run, parse};
    use testkit::{Fsync, Kind};

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn what_follows_the_dashes_is_the_command_untouched() {
        let run = parse(&words("run --no-fsync --with redis,postgres -- cargo --with -- x"));
        let expected = Run {
            kinds: vec![Kind::Redis, Kind::Postgres],
            fsync: Fsync::Off,
            command: words("cargo --with -- x"),
        };
        assert_eq!(run, Ok(expected));
    }

    #[test]
    fn an_unknown_server_a_missing_command_and_a_wrong_word_are_refused() {
        for line in ["run --with mysql -- true", "run --with redis", "walk -- true", "run --fast -- true"] {
            assert!(parse(&words(line)).is_err(), "{line}");
        }
    }
}
