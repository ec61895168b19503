//! Paths and queries that name what they refuse.

use crate::Problem;
use crate::body::{field_problem, sentence};
use axum::extract::FromRequestParts;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;

/// The captured parts of the address.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

/// The query of the address.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Path<T>, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Path(value)),
            Err(PathRejection::FailedToDeserializePathParams(failed)) => Err(refused(failed.into_kind())),
            Err(other) => Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "path-not-captured",
                sentence(&other.body_text()),
            )),
        }
    }
}

fn refused(kind: ErrorKind) -> Problem {
    let reason = sentence(&kind.to_string());
    let problem = Problem::malformed("path-invalid", reason);
    match kind {
        ErrorKind::ParseErrorAtKey { key, .. }
        | ErrorKind::DeserializeError { key, .. }
        | ErrorKind::InvalidUtf8InPathParam { key } => problem.with("field", key),
        _ => problem,
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Query<T>, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        // Reading twice costs only those who are refused: the plain reader is faster.
        if let Ok(value) = serde_urlencoded::from_str(query) {
            return Ok(Query(value));
        }
        explain(query)
    }
}

fn explain<T: DeserializeOwned>(query: &str) -> Result<Query<T>, Problem> {
    let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(reader).map(Query).map_err(|error: serde_path_to_error::Error<_>| {
        field_problem(&error.path().to_string(), &error.inner().to_string())
    })
}
