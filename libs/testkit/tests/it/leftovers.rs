//! Looks for what a server left behind: a folder, a listener, a process.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// The port in a server's URL.
pub fn port_of(url: &str) -> u16 {
    let after_colon = url.rsplit(':').next().expect("a URL has a colon");
    let digits: String = after_colon.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a port")
}

pub fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Processes that work in the folder or name it in their command line.
pub fn processes_of(dir: &Path) -> Vec<String> {
    let name = dir.to_str().expect("a readable path");
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("a Linux machine").flatten() {
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&words).replace('\0', " ");
        let works_there = std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir));
        if works_there || line.contains(name) {
            found.push(format!("{} {line}", entry.file_name().display()));
        }
    }
    found
}

/// Polls with a bound.
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
