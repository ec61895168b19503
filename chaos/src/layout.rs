//! Which processes a stack has, and what each is told.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

/// One process: its name is its node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    pub name: &'static str,
    /// As `largesse serve` takes them; the first is what other processes know it for.
    pub services: &'static [&'static str],
}

/// The stack of `make stack`: every service a process of its own, two nodes of those on the hot path.
pub const STACK: [Role; 8] = [
    Role { name: "cashier", services: &["cashier"] },
    Role { name: "wallet-1", services: &["wallet"] },
    Role { name: "wallet-2", services: &["wallet"] },
    Role { name: "gift-1", services: &["gift", "console"] },
    Role { name: "gift-2", services: &["gift", "console"] },
    Role { name: "settlement", services: &["settlement"] },
    Role { name: "clearing", services: &["clearing"] },
    Role { name: "recon", services: &["recon"] },
];

/// Services that others name in `[peers]`.
const PEERS: [&str; 6] = ["cashier", "wallet", "gift", "settlement", "clearing", "recon"];

/// Where the private servers are.
#[derive(Clone, Debug)]
pub struct Urls {
    pub database: String,
    pub redis: String,
    pub amqp: String,
}

/// The configuration file of one process.
pub(crate) fn config_of(
    role: Role,
    placed: &[(Role, SocketAddr)],
    urls: &Urls,
    more: &str,
) -> Option<String> {
    let own = placed.iter().find(|(other, _)| *other == role)?;
    let mut text = format!(
        "node = \"{}\"\n\n[http]\nlisten = \"{}\"\n\n[database]\nurl = \"{}\"\n\n[redis]\nurl = \"{}\"\n\n\
         [amqp]\nurl = \"{}\"\n\n[peers]\n",
        role.name, own.1, urls.database, urls.redis, urls.amqp
    );
    for service in PEERS {
        let of_service = placed.iter().filter(|(other, _)| other.services.first() == Some(&service));
        let list: Vec<String> = of_service.map(|(_, address)| format!("\"http://{address}\"")).collect();
        writeln!(text, "{service} = [{}]", list.join(", ")).ok()?;
    }
    text.push('\n');
    text.push_str(more);
    Some(text)
}

/// The last lines of a log.
pub(crate) fn log_tail(path: &Path) -> String {
    const LINES: usize = 60;
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
