//! gift: catalogue, rooms, sending, showing, orders.
//!
//! Promises:
//! - A gift costs one call of the wallet and no database access here; the charge is the server's alone.
//! - An accepted gift ends exactly once, delivered or refunded, and its room or its viewer is told.
//! - `gift.orders` has one row per accepted debit that says how it ended, one more if its coins came back.
//!
//! Must not move coins: the wallet does, and gift asks it.

mod app;
mod config;
mod domain;
mod http;
mod jobs;
mod readers;
mod run;
mod store;

pub use app::find_order::{OrderState, OrderView};
pub use app::ranks::{Rank, RanksView};
pub use app::send_gift::{SendBody, Sent};
pub use app::shelf::CatalogueFile;
pub use app::stage::{GiftEvent, RoomEvent};
pub use app::tell_refund_case::UNEXPLAINED;
pub use config::{Config, DEFAULTS};
pub use domain::blind_box::{DrawSeed, draw};
pub use domain::combo::{ComboKey, Combos};
pub use domain::ending::{Deadline, Late, NodeState, Step, decide};
pub use domain::refund_file::{FileLine, LINES_MAX, read_refunds};
pub use http::openapi;
pub use jobs::keep_orders::KeeperStatus;
pub use readers::on_entries::READER_NAME;
pub use run::{Deps, HotKeys, Running, ShelfReading, StartError, start};
pub use store::orders::OrdersTable;

/// The service's name: its schema's, too.
pub const SERVICE: &str = "gift";

/// gift's own tables, after those of the sets it publishes; `seqlog::MIGRATOR` comes before it.
pub static MIGRATOR: std::sync::LazyLock<pg::Migrator> = std::sync::LazyLock::new(|| {
    let own = pg::migrator(&[
        (101, "init", include_str!("../../../migrations/gift/0101_init.sql")),
        (102, "switches", include_str!("../../../migrations/gift/0102_switches.sql")),
        (110, "refund_cases", include_str!("../../../migrations/gift/0110_refund_cases.sql")),
        (131, "limits", include_str!("../../../migrations/gift/0131_limits.sql")),
    ]);
    let files = refresh::MIGRATOR.iter().chain(own.iter()).chain(trail::MIGRATOR.iter()).cloned();
    pg::Migrator::with_migrations(files.collect())
});

/// The catalogue that ships with the product, as JSON.
pub const DEFAULT_CATALOGUE: &str = include_str!("../gift.catalogue.json");
