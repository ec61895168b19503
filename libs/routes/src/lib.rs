//! Where the nodes of each service listen, as a set: each process lists itself, and hears of the others without a restart.
//!
//! Owns the table of addresses and the set `routes` that is made of it. An address says whom to ask and nothing else: who
//! owns a partition is the owner's own word, with its epoch (`peer::OwnerMap`), and what is configured is asked whatever
//! the list says. Must not know what is asked of a node.

mod follow;
mod listing;
mod seal;
mod source;
mod store;
mod view;

pub use follow::{Parts, Routes, RoutesError, control};
pub use listing::{Listing, Own};
pub use seal::Seal;
pub use store::{LISTED_MAX, list};
pub use view::{Route, RouteKey, RoutesView};

use std::time::Duration;

/// The set's name.
pub const ROUTES_SET: &str = "routes";

/// The name of the schema.
pub const SCHEMA: &str = "routes";

/// The tables of this crate, after those of the sets.
pub static MIGRATOR: std::sync::LazyLock<pg::Migrator> = std::sync::LazyLock::new(|| {
    let own = pg::migrator(&[(101, "init", include_str!("../../../migrations/routes/0101_init.sql"))]);
    let files = refresh::MIGRATOR.iter().chain(own.iter()).cloned();
    pg::Migrator::with_migrations(files.collect())
});

/// How often what is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often a process says that it is still there: one statement.
    pub renew_every: Duration,
    /// How long a process that says nothing stays listed, by the database's clock.
    pub expires_after: Duration,
    /// How often the process that publishes the list looks at it: one statement.
    pub look_every: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            renew_every: Duration::from_secs(2),
            expires_after: Duration::from_secs(10),
            look_every: Duration::from_secs(1),
        }
    }
}
