//! A private Redis: in memory only, on the loopback address.

use crate::TestkitError;
use crate::free_port::free_port;
use crate::server::{command_as, log_to, own_folder, says, wait_ready};
use crate::watchdog::{StopSignal, Watchdog};
use std::path::Path;

const USER: &str = "redis";
const PROGRAM: &str = "/usr/bin/redis-server";

/// Starts a Redis and gives its URL.
pub(crate) fn start(watchdog: &Watchdog) -> Result<String, TestkitError> {
    if !Path::new(PROGRAM).exists() {
        return Err(TestkitError::Missing { program: PROGRAM.to_owned() });
    }
    let home = watchdog.dir().join("redis");
    own_folder(USER, &home)?;
    let port = free_port()?;
    let port_text = port.to_string();
    let mut command = command_as(USER, PROGRAM);
    command.current_dir(&home).args(["--bind", "127.0.0.1", "--port", &port_text]);
    command.args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir"]).arg(&home);
    log_to(watchdog, &mut command)?;
    let process = watchdog.spawn(&mut command, StopSignal::Term)?;
    wait_ready(watchdog, "redis", process, || says(port, b"PING\r\n", b"+PONG"))?;
    Ok(format!("redis://127.0.0.1:{port}"))
}
