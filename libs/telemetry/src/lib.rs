//! Logs, metrics and traces; the only place that knows OpenTelemetry.
//!
//! Owns how a process is observed. Nothing here may fail a request, and no secret passes: keys, tokens and
//! passwords do not show in the `Debug` of our types, and settings with credentials are redacted before they
//! are logged.

mod context;
mod follow;
mod init;
mod prometheus;
mod slow;

pub use context::{link_to, set_parent_from, traceparent};
pub use follow::{Act, Followed, Parent, SpanKey, follow, follow_batch, follow_sender, is_following};
pub use init::{Guard, LogFormat, Settings, TelemetryError, init};
pub use prometheus::{Metrics, SECONDS_BUCKETS};
pub use slow::statement_id;
