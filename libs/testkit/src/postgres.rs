//! A private PostgreSQL: its own cluster, on the loopback address, with a password of its own.

use crate::TestkitError;
use crate::free_port::free_port;
use crate::server::{Fsync, Program, command_as, own_folder, run_to_end};
use crate::watchdog::{StopSignal, Watchdog};
use std::path::{Path, PathBuf};

const USER: &str = "postgres";
/// Many test processes share one server, each with small pools.
const CONNECTIONS_MAX: u32 = 400;

/// Makes a cluster; the URL is the superuser's, to the maintenance database.
pub(crate) fn prepare(watchdog: &Watchdog, fsync: Fsync) -> Result<Program, TestkitError> {
    let programs = program_folder()?;
    let home = watchdog.dir().join("postgres");
    own_folder(USER, &home)?;
    let password = uuid::Uuid::now_v7().simple().to_string();
    let password_file = watchdog.dir().join("password");
    std::fs::write(&password_file, &password).map_err(TestkitError::io("write a password file"))?;
    let cluster = home.join("cluster");
    let program = |name: &str| programs.join(name).display().to_string();
    run_to_end(
        command_as(USER, &program("initdb"))
            .current_dir(&home)
            .args(["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--username=postgres"])
            .args(["--auth=password", "--no-instructions"])
            .arg(format!("--pwfile={}", password_file.display()))
            .arg(format!("--pgdata={}", cluster.display())),
    )?;
    let port = free_port()?;
    let postgres = program("postgres");
    let command = move || {
        let mut command = command_as(USER, &postgres);
        command.current_dir(&home).arg("-D").arg(&cluster).arg("-p").arg(port.to_string());
        for setting in settings(fsync) {
            command.arg("-c").arg(setting);
        }
        command
    };
    let is_ready = programs.join("pg_isready").display().to_string();
    let answers = move || {
        let mut ask = command_as(USER, &is_ready);
        ask.args(["-q", "-h", "127.0.0.1", "-t", "5", "-p", &port.to_string()]);
        ask.status().is_ok_and(|status| status.success())
    };
    Ok(Program {
        url: format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres"),
        command: Box::new(command),
        stop: StopSignal::Int,
        // "Immediate": every backend ends at once, and the next start recovers from the log.
        crash: "QUIT",
        answers: Box::new(answers),
    })
}

fn settings(fsync: Fsync) -> Vec<String> {
    let mut settings = vec![
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        format!("max_connections={CONNECTIONS_MAX}"),
        "max_wal_size=4GB".to_owned(),
        "log_min_messages=warning".to_owned(),
    ];
    let by_purpose: &[&str] = match fsync {
        Fsync::Off => &["shared_buffers=128MB", "fsync=off", "full_page_writes=off"],
        // Files of the log are used again and not made anew, as on a server that has run for a day.
        Fsync::On => {
            &["shared_buffers=1GB", "wal_buffers=64MB", "checkpoint_timeout=15min", "min_wal_size=4GB"]
        }
    };
    settings.extend(by_purpose.iter().map(|setting| (*setting).to_owned()));
    settings
}

/// The programs of the newest PostgreSQL that Debian installed.
fn program_folder() -> Result<PathBuf, TestkitError> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").map(|found| found.flatten().collect::<Vec<_>>());
    let newest = versions
        .unwrap_or_default()
        .into_iter()
        .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()))
        .filter(|version| folder_of(*version).join("initdb").exists())
        .max();
    newest.map(folder_of).ok_or_else(|| TestkitError::Missing { program: "PostgreSQL".to_owned() })
}

fn folder_of(version: u32) -> PathBuf {
    Path::new("/usr/lib/postgresql").join(version.to_string()).join("bin")
}
