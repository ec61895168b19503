//! Bodies: JSON that names the field it refuses, and raw bytes for signatures.

use crate::Problem;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A JSON body, both ways. As an extractor it refuses what does not fit, and says which field and why.
///
/// Unknown fields are refused where the type says `#[serde(deny_unknown_fields)]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json<T>(pub T);

/// The body as it came, for signatures over its bytes. The body limit holds.
#[derive(Debug, Clone)]
pub struct RawBody(pub Bytes);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Json<T>, Problem> {
        if !says_json(request.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "content-type-not-json",
                "The header Content-Type must be application/json.",
            ));
        }
        let RawBody(bytes) = RawBody::from_request(request, state).await?;
        // The plain reader is faster; the one that follows the path runs again only to explain a refusal.
        serde_json::from_slice(&bytes).map(Json).map_err(|error| explain::<T>(&bytes, &error))
    }
}

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<RawBody, Problem> {
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(RawBody(bytes)),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                "The body is larger than this address takes.",
            )),
            Err(rejection) => Err(Problem::malformed("body-unreadable", rejection.body_text())),
        }
    }
}

fn says_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// The problem of a body that was refused with `error`.
fn explain<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> Problem {
    if !error.is_data() {
        return Problem::malformed("json-malformed", sentence(&error.to_string()))
            .with("line", error.line())
            .with("column", error.column());
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => Problem::malformed("json-malformed", sentence(&error.to_string())),
        Err(error) => field_problem(&error.path().to_string(), &error.inner().to_string()),
    }
}

/// The problem of one field. `path` is where the reader stood; an unknown or missing field is named in
/// `reason` only, because the reader stands at the object around it.
pub(crate) fn field_problem(path: &str, reason: &str) -> Problem {
    let reason = reason.split(" at line ").next().unwrap_or(reason);
    let (slug, named) = if let Some(rest) = reason.strip_prefix("unknown field `") {
        ("field-unknown", rest.split('`').next())
    } else if let Some(rest) = reason.strip_prefix("missing field `") {
        ("field-missing", rest.split('`').next())
    } else if let Some(rest) = reason.strip_prefix("duplicate field `") {
        ("field-twice", rest.split('`').next())
    } else {
        ("field-invalid", None)
    };
    let around = if path == "." { "" } else { path };
    let field = match named {
        None => around.to_owned(),
        Some(name) if around.is_empty() || around == name || around.ends_with(&format!(".{name}")) => {
            if around.is_empty() {
                name.to_owned()
            } else {
                around.to_owned()
            }
        }
        Some(name) => format!("{around}.{name}"),
    };
    Problem::malformed(slug, sentence(reason)).with("field", field)
}

/// A reason of a library as a sentence.
pub(crate) fn sentence(reason: &str) -> String {
    let mut sentence = reason.trim_end_matches('.').to_owned();
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    sentence.push('.');
    sentence
}
