//! Which processes a stack has, and what each is told.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

/// One process: its name is its node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    pub name: &'static str,
    /// As `largesse serve` takes them; the first is what other processes know it for.
    pub services: &'static [&'static str],
    pub database: Database,
}

/// Which of the stack's databases a process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Shared,
    /// One on a server of its own, for groups of partitions that are moved there.
    Second,
}

/// The stack of `make stack`: every service a process of its own, two nodes of those on the hot path.
pub const STACK: [Role; 8] = [
    Role { name: "cashier", services: &["cashier"], database: Database::Shared },
    Role { name: "wallet-1", services: &["wallet"], database: Database::Shared },
    Role { name: "wallet-2", services: &["wallet"], database: Database::Shared },
    Role { name: "gift-1", services: &["gift", "console"], database: Database::Shared },
    Role { name: "gift-2", services: &["gift", "console"], database: Database::Shared },
    Role { name: "settlement", services: &["settlement"], database: Database::Shared },
    Role { name: "clearing", services: &["clearing"], database: Database::Shared },
    Role { name: "recon", services: &["recon"], database: Database::Shared },
];

/// A wallet's node with a database on another server.
pub const WALLET_ELSEWHERE: Role =
    Role { name: "wallet-3", services: &["wallet"], database: Database::Second };

/// Connections that each process may open: a private server has enough for all.
const CONNECTIONS_EACH: u32 = 16;

/// Services that others name in `[peers]`.
const PEERS: [&str; 6] = ["cashier", "wallet", "gift", "settlement", "clearing", "recon"];

/// Where the private servers are.
#[derive(Clone, Debug)]
pub struct Urls {
    pub database: String,
    /// The second one, where there is one.
    pub second_database: Option<String>,
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
    let database = match role.database {
        Database::Shared => &urls.database,
        Database::Second => urls.second_database.as_ref()?,
    };
    let mut text = format!(
        "node = \"{}\"\n\n[http]\nlisten = \"{}\"\n\n[database]\nurl = \"{}\"\nconnections_max = {CONNECTIONS_EACH}\n\n[redis]\nurl = \"{}\"\n\n\
         [amqp]\nurl = \"{}\"\n\n[peers]\n",
        role.name, own.1, database, urls.redis, urls.amqp
    );
    for service in PEERS {
        let of_service = placed.iter().filter(|(other, _)| other.services.first() == Some(&service));
        let list: Vec<String> = of_service.map(|(_, address)| format!("\"http://{address}\"")).collect();
        writeln!(text, "{service} = [{}]", list.join(", ")).ok()?;
    }
    if role.database == Database::Second {
        text.push_str("\n[wallet]\nhome = \"moved\"\n");
        // One list of nodes for all.
        writeln!(text, "\n[routes]\ndatabase_url = \"{}\"", urls.database).ok()?;
    }
    text.push_str("\n[connections]\n");
    let of_database = placed.iter().filter(|(other, _)| other.database == role.database);
    let mut processes: BTreeMap<&str, u32> = BTreeMap::new();
    for (other, _) in of_database {
        *processes.entry(other.services.first()?).or_default() += 1;
    }
    for (service, processes) in processes {
        writeln!(text, "{service} = {{ processes = {processes}, each = {CONNECTIONS_EACH} }}").ok()?;
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
