//! The Prometheus recorder, without a listener of its own: the edge serves what it renders.

use crate::TelemetryError;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of histograms named `…_seconds`: from 100 µs, where a group commit lives, to 10 s.
pub const SECONDS_BUCKETS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Upper bounds of histograms that count, such as rows of a batch.
const COUNT_BUCKETS: [f64; 13] =
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];

/// The metrics of this process. Clones share them.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder of this process.
    ///
    /// # Errors
    /// [`TelemetryError::AlreadyInstalled`] the second time.
    pub(crate) fn install() -> Result<Metrics, TelemetryError> {
        let broken =
            |error: metrics_exporter_prometheus::BuildError| TelemetryError::Metrics(error.to_string());
        PrometheusBuilder::new()
            .set_buckets(&COUNT_BUCKETS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
            })
            .map_err(broken)?
            .install_recorder()
            .map(Metrics)
            .map_err(|_| TelemetryError::AlreadyInstalled)
    }

    /// Everything counted so far, in the Prometheus text format.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds recorded samples into their buckets; without it they pile up between two renders.
    pub(crate) fn fold(&self) {
        self.0.run_upkeep();
    }
}
