//! The house rules as functions over files: each takes text and gives what it found.
//!
//! `tests/it` runs every rule over the whole tree; each module proves here that its rule catches a bad sample.
//! Nothing that ships may depend on this crate.

mod functions;
mod migrations;
mod naming;
mod ratchet;
mod rooms;
mod signals;
mod source;
mod tree;
mod walls;
mod wording;

pub use functions::functions_of;
pub use migrations::unused_migrations;
pub use naming::{banned_names, mod_files};
pub use ratchet::{FILE_LINES_MAX, FUNCTION_LINES_MAX, Ratchet, Sizes};
pub use rooms::broken_rooms;
pub use signals::{
    METRICS_PAGE, Metric, Metrics, documented_metrics, recorded_metrics, runbook_of, undocumented,
    unknown_in_query,
};
pub use source::code_only;
pub use tree::{File, files, root};
pub use walls::{Crate, broken_walls, crates};
pub use wording::{machine_paths, missing_openings, trailing_whitespace, unfinished_marks};

/// One breach: where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub place: String,
    pub what: String,
}

impl Finding {
    pub(crate) fn new(place: impl Into<String>, what: impl Into<String>) -> Finding {
        Finding { place: place.into(), what: what.into() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.place, self.what)
    }
}
