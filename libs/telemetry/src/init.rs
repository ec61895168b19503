//! Switching everything on, once per process.

use crate::Metrics;
use crate::follow::Shared;
use crate::slow::{SlowStatements, is_slow_statement};
use opentelemetry::trace::TracerProvider;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{Protocol, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use std::io::IsTerminal;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// How often samples are folded into histogram buckets.
const FOLD_INTERVAL: Duration = Duration::from_secs(5);

/// How long one export may take before its spans are dropped.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the last export may hold up the end of the process.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// What a log line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One line for people, coloured on a terminal.
    #[default]
    Plain,
    /// One JSON object for machines.
    Json,
}

impl std::str::FromStr for LogFormat {
    type Err = TelemetryError;
    fn from_str(text: &str) -> Result<LogFormat, TelemetryError> {
        match text {
            "plain" => Ok(LogFormat::Plain),
            "json" => Ok(LogFormat::Json),
            other => Err(TelemetryError::BadLogFormat(other.to_owned())),
        }
    }
}

/// How a process is observed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name on traces.
    pub service_name: String,
    /// Which instance of it this process is: the node's name.
    pub instance: String,
    /// Directives as in `info,wallet=debug`.
    pub log_filter: String,
    pub log_format: LogFormat,
    /// Where traces go, such as `http://127.0.0.1:4318`. None: no traces are kept.
    pub otlp_endpoint: Option<String>,
    /// Traces kept, in parts per million: of requests that begin here (a caller's decision is followed), and of
    /// gifts, whose own ids decide, so the same number belongs in every process.
    pub trace_sample_ppm: u32,
    /// Directives for what becomes a span.
    pub trace_filter: String,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            service_name: "largesse".to_owned(),
            instance: "node-1".to_owned(),
            log_filter: "info".to_owned(),
            log_format: LogFormat::Plain,
            otlp_endpoint: None,
            trace_sample_ppm: 10_000,
            trace_filter: "info,largesse=debug".to_owned(),
        }
    }
}

/// Why telemetry could not be switched on.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("{filter} is not a log filter (such as info,wallet=debug): {reason}")]
    BadFilter { filter: String, reason: String },
    #[error("{0} is not a log format; choose plain or json")]
    BadLogFormat(String),
    #[error("the trace endpoint must begin with http://; put a collector on this machine in front of TLS")]
    BadEndpoint,
    #[error("traces cannot be exported: {0}")]
    Otlp(String),
    #[error("metrics cannot be recorded: {0}")]
    Metrics(String),
    #[error("telemetry is already on in this process")]
    AlreadyInstalled,
}

/// Keeps telemetry on; dropping it sends the last spans.
#[must_use = "dropping the guard switches traces off"]
pub struct Guard {
    metrics: Metrics,
    traces: Option<SdkTracerProvider>,
    folding: Option<(mpsc::SyncSender<()>, JoinHandle<()>)>,
}

impl Guard {
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Everything counted so far, in the Prometheus text format.
    pub fn render(&self) -> String {
        self.metrics.render()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.folding.take() {
            drop(stop);
            let _ = thread.join(); // It ends at once; a panic in it has nothing to lose.
        }
        if let Some(traces) = self.traces.take() {
            let _ = traces.shutdown_with_timeout(FLUSH_MAX); // Spans that nobody takes are lost, as promised.
        }
    }
}

/// Switches logs, metrics and, with an endpoint, traces on.
///
/// # Errors
/// [`TelemetryError`]: nothing, or not everything, is on; the process should end.
pub fn init(settings: Settings) -> Result<Guard, TelemetryError> {
    let log_filter = filter(&settings.log_filter)?;
    let log = match settings.log_format {
        LogFormat::Plain => tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .boxed(),
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .boxed(),
    };
    let traces = settings.otlp_endpoint.as_deref().map(|to| exporter(&settings, to)).transpose()?;
    let spans = traces
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("largesse")));
    // A layer without a filter wants everything, even one that is not there: every span of every library would be made.
    let trace_filter = if spans.is_some() { settings.trace_filter.as_str() } else { "off" };
    let slow = SlowStatements::default();
    let slow_only = filter_fn(is_slow_statement).with_max_level_hint(LevelFilter::WARN);
    tracing_subscriber::registry()
        .with(spans.with_filter(filter(trace_filter)?))
        .with(slow.clone().with_filter(slow_only))
        .with(log.with_filter(log_filter))
        .try_init()
        .map_err(|_| TelemetryError::AlreadyInstalled)?;
    let metrics = Metrics::install()?;
    let folding = fold_now_and_then(metrics.clone(), slow)?;
    Ok(Guard { metrics, traces, folding: Some(folding) })
}

fn filter(directives: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(directives).map_err(|error| TelemetryError::BadFilter {
        filter: directives.to_owned(),
        reason: error.to_string(),
    })
}

fn exporter(settings: &Settings, endpoint: &str) -> Result<SdkTracerProvider, TelemetryError> {
    if !endpoint.starts_with("http://") {
        return Err(TelemetryError::BadEndpoint);
    }
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|error| TelemetryError::Otlp(error.to_string()))?;
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", settings.service_name.clone()),
            KeyValue::new("service.instance.id", settings.instance.clone()),
        ])
        .build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(Shared::start(exporter, &resource, settings.trace_sample_ppm))
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio(settings)))))
        .with_resource(resource)
        .build();
    global::set_tracer_provider(provider.clone());
    Ok(provider)
}

#[expect(clippy::float_arithmetic, reason = "the sampler takes a ratio; no amount is computed")]
fn ratio(settings: &Settings) -> f64 {
    f64::from(settings.trace_sample_ppm.min(1_000_000)) / 1_000_000.0
}

fn fold_now_and_then(
    metrics: Metrics,
    slow: SlowStatements,
) -> Result<(mpsc::SyncSender<()>, JoinHandle<()>), TelemetryError> {
    let (stop, stopped) = mpsc::sync_channel::<()>(0);
    let thread = std::thread::Builder::new()
        .name("metrics".to_owned())
        .spawn(move || {
            while stopped.recv_timeout(FOLD_INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
                metrics.fold();
                slow.tell();
            }
        })
        .map_err(|error| TelemetryError::Metrics(error.to_string()))?;
    Ok((stop, thread))
}
