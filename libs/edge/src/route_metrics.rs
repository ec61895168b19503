//! Rate, errors and duration of one route, as handles made once: a request only moves atomics.

use guard::Kind;
use http::{Method, StatusCode};
use metrics::{Counter, Histogram};
use std::sync::OnceLock;
use std::time::Duration;

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OTHER"];
const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The metrics of one matched path, by method.
#[derive(Default)]
pub(crate) struct RouteMetrics {
    by_method: [OnceLock<Handles>; 6],
}

/// The metrics of one method of one path.
pub(crate) struct Handles {
    requests: [Counter; 5],
    duration: Histogram,
    /// What the admission knows the work of this route by.
    pub kind: Kind,
}

impl RouteMetrics {
    /// The handles of a method; `path` and `kind` are read the first time only.
    pub fn of(
        &self,
        method: &Method,
        path: impl FnOnce() -> String,
        kind: impl FnOnce() -> Kind,
    ) -> &Handles {
        let at = match *method {
            Method::GET | Method::HEAD => 0,
            Method::POST => 1,
            Method::PUT => 2,
            Method::PATCH => 3,
            Method::DELETE => 4,
            _ => 5,
        };
        self.by_method[at].get_or_init(|| Handles::new(METHODS[at], &path(), kind()))
    }
}

impl Handles {
    fn new(method: &'static str, path: &str, kind: Kind) -> Handles {
        let counter = |status| {
            metrics::counter!(
                "largesse_http_requests_total",
                "method" => method, "path" => path.to_owned(), "status" => status
            )
        };
        let duration = metrics::histogram!(
            "largesse_http_request_seconds", "method" => method, "path" => path.to_owned()
        );
        Handles { requests: STATUSES.map(counter), duration, kind }
    }

    pub fn record(&self, status: StatusCode, took: Duration) {
        let at = usize::from(status.as_u16() / 100).clamp(1, STATUSES.len()) - 1;
        self.requests[at].increment(1);
        self.duration.record(took.as_secs_f64());
    }
}
