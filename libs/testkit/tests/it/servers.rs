//! Servers answer while they live and leave nothing when they are dropped.

use crate::leftovers::{listens, port_of, processes_of};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use testkit::{Fsync, Kind, start_all};

#[test]
fn all_three_start_together_and_leave_no_process_listener_or_folder() {
    let servers = start_all(&Kind::ALL, Fsync::Off).expect("all three start");
    let seen: Vec<_> =
        servers.iter().map(|server| (port_of(server.url()), server.dir().to_owned())).collect();
    for (port, dir) in &seen {
        assert!(listens(*port), "{port}");
        assert!(processes_of(dir).len() >= 2, "the server and its watchdog: {:?}", processes_of(dir));
    }
    drop(servers);
    for (port, dir) in &seen {
        assert!(!listens(*port), "{port} still listens");
        assert_eq!(processes_of(dir), Vec::<String>::new());
        assert!(!dir.exists(), "{} is still there", dir.display());
    }
}

#[test]
fn two_redis_servers_do_not_share_keys() {
    let servers = start_all(&[Kind::Redis, Kind::Redis], Fsync::Off).expect("both start");
    let [one, other] = &servers[..] else { panic!("two were asked for") };
    assert_eq!(ask(one.url(), "SET gift rose\r\n"), "+OK\r\n");
    assert_eq!(ask(one.url(), "EXISTS gift\r\n"), ":1\r\n");
    assert_eq!(ask(other.url(), "EXISTS gift\r\n"), ":0\r\n");
}

fn ask(url: &str, command: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port_of(url))).expect("redis listens");
    stream.write_all(command.as_bytes()).expect("redis reads");
    let mut answer = vec![0; 64];
    let len = stream.read(&mut answer).expect("redis answers");
    String::from_utf8_lossy(&answer[..len]).into_owned()
}
