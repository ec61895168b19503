//! Logs, metrics and traces; the only place that knows OpenTelemetry.
//!
//! Owns how a process is observed. Nothing here may fail a request, and no secret passes: keys, tokens and
//! passwords do not show in the `Debug` of our types, and settings with credentials are redacted before they
//! are logged.

mod context;
mod init;
mod prometheus;

pub use context::{set_parent_from, traceparent};
pub use init::{Guard, LogFormat, Settings, TelemetryError, init};
pub use prometheus::{Metrics, SECONDS_BUCKETS};
