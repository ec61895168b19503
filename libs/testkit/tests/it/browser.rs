//! The browser opens a page and is gone with its driver.

use crate::leftovers::{port_of, processes_of};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;
use testkit::Chromium;

#[test]
fn a_browser_that_was_never_closed_ends_with_its_driver() {
    let chromium = Chromium::start().expect("chromedriver starts");
    let capabilities = serde_json::json!({ "capabilities": { "alwaysMatch": chromium.capabilities() } });
    let answer = post(port_of(chromium.url()), "/session", &capabilities.to_string());
    assert!(answer.contains("\"sessionId\""), "{answer}");
    let folder = answer.split("\"userDataDir\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let dir = Path::new(folder.expect("a profile")).parent().expect("it lies in our folder").to_owned();
    let running = processes_of(&dir);
    assert!(running.iter().any(|line| line.contains("--headless")), "{running:?}");
    drop(chromium);
    assert_eq!(processes_of(&dir), Vec::<String>::new());
    assert!(!dir.exists(), "{} is still there", dir.display());
}

#[test]
fn two_browsers_do_not_share_a_profile() {
    let chromium = Chromium::start().expect("chromedriver starts");
    assert_ne!(chromium.arguments().pop(), chromium.arguments().pop());
}

fn post(port: u16, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the driver listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a bound");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).expect("the driver reads");
    // The driver keeps the connection open whatever it is told, so the length says where the answer ends.
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while !is_whole(&String::from_utf8_lossy(&answer)) {
        let len = stream.read(&mut part).expect("the driver answers");
        assert!(len > 0, "the driver closed early");
        answer.extend_from_slice(&part[..len]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn is_whole(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(str::to_owned));
    length.and_then(|length| length.trim().parse::<usize>().ok()).is_some_and(|length| body.len() >= length)
}
