//! Problems (RFC 9457), and the one table from an error's class to a status and a log level.

use crate::body::sentence;
use axum::response::{IntoResponse, Response};
use contracts::class::{Classed, ErrorClass};
use guard::Refusal;
use http::{HeaderValue, StatusCode, header};
use serde::ser::SerializeMap;
use serde_json::Value;
use std::error::Error;
use std::time::Duration;

/// When to come back after a transient failure that names no time of its own.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An answer that says what went wrong, in a form programs can read (`application/problem+json`).
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    slug: &'static str,
    status: StatusCode,
    detail: String,
    retry_after: Option<Duration>,
    members: Vec<(&'static str, Value)>,
}

/// A problem as it looks on the wire, for OpenAPI documents. Further members depend on the type.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// `/problems/` and a stable slug, such as `/problems/not-enough-coins`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The slug in words.
    pub title: String,
    /// The HTTP status again.
    pub status: u16,
    /// What went wrong this time.
    pub detail: String,
    /// Seconds to wait before the same request may succeed.
    pub retry_after_s: Option<u64>,
    /// The field of the request that was refused.
    pub field: Option<String>,
}

impl Problem {
    /// A problem with a status of the caller's choice. For errors that know their class use
    /// [`Problem::of`], or `?`.
    pub fn new(status: StatusCode, slug: &'static str, detail: impl Into<String>) -> Problem {
        Problem { slug, status, detail: detail.into(), retry_after: None, members: Vec::new() }
    }

    /// The problem of an error that knows its class: the one table from class to status, and the one place
    /// where its log level is decided. What is ours to fix is told to the log and not to the caller.
    pub fn of<E: Classed>(error: &E) -> Problem {
        let (class, slug) = (error.class(), error.slug());
        let status = status_of(class, slug);
        metrics::counter!("largesse_problems_total", "slug" => slug).increment(1);
        match class {
            ErrorClass::Rejected | ErrorClass::Denied | ErrorClass::NotFound | ErrorClass::Conflict => {
                tracing::debug!(slug, error = %Chain(error), "a request was refused");
                Problem::new(status, slug, sentence(&error.to_string()))
            }
            ErrorClass::Transient => {
                tracing::warn!(slug, error = %Chain(error), "a request failed and may be sent again");
                Problem::new(status, slug, sentence(&error.to_string())).retry_after(RETRY_AFTER)
            }
            ErrorClass::Unknown => {
                tracing::warn!(slug, error = %Chain(error), "the outcome of a request is not known yet");
                Problem::new(status, slug, sentence(&error.to_string())).retry_after(RETRY_AFTER)
            }
            ErrorClass::Bug => {
                tracing::error!(slug, error = %Chain(error), "a request met a fault of ours");
                Problem::new(status, slug, "This is a fault of ours. It has been logged.")
            }
        }
    }

    /// 400: the request cannot be understood.
    pub fn malformed(slug: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, slug, detail)
    }

    /// 422: the request is understood and refused.
    pub fn rejected(slug: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, slug, detail)
    }

    /// 404.
    pub fn not_found(slug: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, slug, detail)
    }

    /// 429 where whoever asks is over their own limit, 503 where this node is over its; with the time to come back.
    /// Counted by whoever refused and not logged one by one: an overload is no time to write logs.
    pub fn refused(refusal: &Refusal) -> Problem {
        let status = if refusal.reason.is_quota() {
            StatusCode::TOO_MANY_REQUESTS
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        Problem::new(status, refusal.reason.as_str(), sentence(&refusal.to_string()))
            .retry_after(refusal.retry_after)
    }

    /// Adds an extension member. Members keep the order they were added in.
    #[must_use]
    pub fn with(mut self, member: &'static str, value: impl Into<Value>) -> Problem {
        self.members.push((member, value.into()));
        self
    }

    /// Says when to come back: the header `Retry-After` and the member `retry_after_s`, rounded up.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Problem {
        self.retry_after = Some(wait);
        self
    }

    pub fn slug(&self) -> &'static str {
        self.slug
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    fn retry_after_s(&self) -> Option<u64> {
        self.retry_after.map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
    }
}

/// The status of an error's class.
///
/// `Unknown` is 504 and not 503: 503 says that nothing happened, so clients may give up or take a new key;
/// 504 says that an answer did not come in time, which is the truth, and only the same key can find out.
fn status_of(class: ErrorClass, slug: &str) -> StatusCode {
    match class {
        ErrorClass::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
        // Without a valid token nobody is known (401); everybody else is known and may not (403).
        ErrorClass::Denied if slug.starts_with("token-") => StatusCode::UNAUTHORIZED,
        ErrorClass::Denied => StatusCode::FORBIDDEN,
        ErrorClass::NotFound => StatusCode::NOT_FOUND,
        ErrorClass::Conflict => StatusCode::CONFLICT,
        ErrorClass::Transient => StatusCode::SERVICE_UNAVAILABLE,
        ErrorClass::Unknown => StatusCode::GATEWAY_TIMEOUT,
        ErrorClass::Bug => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// So that handlers which answer `Result<_, Problem>` can use `?` on any error that knows its class.
impl<E: Classed> From<E> for Problem {
    fn from(error: E) -> Problem {
        Problem::of(&error)
    }
}

impl serde::Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("/problems/{}", self.slug))?;
        map.serialize_entry("title", &title_of(self.slug))?;
        map.serialize_entry("status", &self.status.as_u16())?;
        map.serialize_entry("detail", &self.detail)?;
        if let Some(retry_after_s) = self.retry_after_s() {
            map.serialize_entry("retry_after_s", &retry_after_s)?;
        }
        for (member, value) in &self.members {
            map.serialize_entry(member, value)?;
        }
        map.end()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Strings, integers and JSON values always serialize.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(retry_after_s) = self.retry_after_s() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn title_of(slug: &str) -> String {
    let mut title = slug.replace('-', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

/// An error with its sources, for the log: `Display` of our errors never repeats the source.
struct Chain<'a>(&'a dyn Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            f.write_str(": ")?;
            write!(f, "{error}")?;
            source = error.source();
        }
        Ok(())
    }
}
