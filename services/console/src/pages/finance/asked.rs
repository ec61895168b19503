//! What an address asks for: fields as somebody filled them, checked before they become part of a question.

use crate::api::Refused;
use http::StatusCode;
use ids::Uuid;
use std::str::FromStr;

/// A field that somebody has filled.
pub(super) fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// Why what was asked for is none.
pub(super) fn wrong(detail: &str) -> Refused {
    Refused::new(StatusCode::UNPROCESSABLE_ENTITY, "query-invalid", detail)
}

/// A field as what it must be, if it is filled.
///
/// # Errors
/// [`Refused`] in the words of `must_be` where it is something else.
pub(super) fn parsed<T: FromStr>(text: &str, must_be: &str) -> Result<Option<T>, Refused> {
    given(text).map(|text| text.parse().map_err(|_| wrong(must_be))).transpose()
}

/// An id that somebody has typed, if any.
///
/// # Errors
/// [`Refused`] where it is none.
pub(super) fn id_of(name: &str, text: &str) -> Result<Option<Uuid>, Refused> {
    parsed(text, &format!("{name} is an id, such as 0192f0a0-0000-7000-8000-000000000000."))
}
