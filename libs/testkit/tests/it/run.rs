//! `testkit run`: the command gets its URLs, its exit code comes back, and the servers end with it.

use crate::leftovers::{eventually, listens, port_of};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

fn testkit(script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testkit"));
    command.args(["run", "--no-fsync", "--with", "redis", "--", "sh", "-c", script]);
    command.env_remove("LARGESSE_TEST_REDIS_URL").stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Starts a long command and waits until it has printed its own id and the port of its server.
fn start_long() -> (Child, String, u16) {
    let mut child = testkit("echo $$ $LARGESSE_TEST_REDIS_URL; exec sleep 60").spawn().expect("testkit runs");
    let mut line = String::new();
    let output = child.stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut line).expect("a line");
    let (command, url) = line.trim().split_once(' ').expect("an id and a URL");
    let port = port_of(url);
    assert!(listens(port));
    (child, command.to_owned(), port)
}

fn signal(process: &str, name: &str) {
    let sent = Command::new("kill").args([name, process]).status().expect("kill runs");
    assert!(sent.success());
}

#[test]
fn the_exit_code_of_the_command_comes_back() {
    let output = testkit("exit 7").output().expect("testkit runs");
    assert_eq!(output.status.code(), Some(7));
    let output = testkit("kill -KILL $$").output().expect("testkit runs");
    assert_eq!(output.status.code(), Some(128 + 9));
}

#[test]
fn a_server_that_was_not_asked_for_is_not_named() {
    let output = testkit("echo ${LARGESSE_TEST_AMQP_URL:-none}")
        .env_remove("LARGESSE_TEST_AMQP_URL")
        .output()
        .expect("testkit runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "none\n");
}

#[test]
fn sigterm_ends_the_command_and_the_servers_before_testkit_ends() {
    let (mut child, _, port) = start_long();
    signal(&child.id().to_string(), "-TERM");
    assert_eq!(child.wait().expect("testkit ends").code(), Some(128 + 15));
    assert!(!listens(port), "{port} still listens");
}

#[test]
fn the_servers_end_when_testkit_is_killed() {
    let (mut child, command, port) = start_long();
    child.kill().expect("testkit is killed");
    child.wait().expect("testkit is reaped");
    eventually("the killed testkit's redis stops", || !listens(port));
    signal(&command, "-TERM"); // Nobody else ends it now.
}

#[test]
fn a_command_that_does_not_exist_is_an_error_and_not_a_hang() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testkit"));
    let output =
        command.args(["run", "--with", "redis", "--", "/nowhere/command"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(127));
}
