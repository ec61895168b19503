//! A private Redis: in memory only, on the loopback address.

use crate::TestkitError;
use crate::free_port::free_port;
use crate::server::{Program, command_as, own_folder, says};
use crate::watchdog::{StopSignal, Watchdog};
use std::path::Path;

const USER: &str = "redis";
const PROGRAM: &str = "/usr/bin/redis-server";

/// A Redis in the watchdog's folder.
pub(crate) fn prepare(watchdog: &Watchdog) -> Result<Program, TestkitError> {
    if !Path::new(PROGRAM).exists() {
        return Err(TestkitError::Missing { program: PROGRAM.to_owned() });
    }
    let home = watchdog.dir().join("redis");
    own_folder(USER, &home)?;
    let port = free_port()?;
    let command = move || {
        let mut command = command_as(USER, PROGRAM);
        command.current_dir(&home).args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir"]).arg(&home);
        command
    };
    Ok(Program {
        url: format!("redis://127.0.0.1:{port}"),
        command: Box::new(command),
        stop: StopSignal::Term,
        crash: "KILL",
        answers: Box::new(move || says(port, b"PING\r\n", b"+PONG")),
    })
}
