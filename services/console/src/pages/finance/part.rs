//! Parts of a page that are drawn from answers of their own: one that is not there says so, and the others still show.

use super::{Set, heading};
use crate::api::Refused;
use http::StatusCode;
use maud::{Markup, html};

/// The figure of an answer that is not there, and how it looks.
pub(super) const NO_FIGURE: (&str, &str) = ("not available", "missing-figure");

/// Why a part is not there, in the API's words, where it would stand.
pub(super) fn unavailable(id: &str, refused: &Refused) -> Markup {
    let class = if refused.slug == "no-such-address" { "state missing" } else { "state error" };
    html! { p class=(class) id={ (id) "-state" } role="status" { (refused.detail) } }
}

/// A part with a heading. It is live: a script may put a fresh copy in its place; one with a stamp only where the
/// stamp is another, so that what somebody has opened in it stays open.
pub(super) struct Part<'a> {
    pub id: &'a str,
    pub heading: &'a str,
    pub stamp: Option<String>,
}

impl Part<'_> {
    /// Draws what was answered, or why nothing was.
    pub fn draw<T>(&self, answer: &Result<T, Refused>, content: impl FnOnce(&T) -> Markup) -> Markup {
        html! {
            section .card aria-labelledby={ (self.id) "-title" } id={ (self.id) "-card" } data-live
                data-stamp=[self.stamp.as_deref()]
            {
                h2 id={ (self.id) "-title" } { (self.heading) }
                @match answer {
                    Ok(answer) => (content(answer)),
                    Err(refused) => (unavailable(self.id, refused)),
                }
            }
        }
    }
}

/// The status of a page of several answers: only where none is there does it fail, as the first did.
pub(super) fn status_of(answers: &[Option<&Refused>]) -> StatusCode {
    let is_any_there = answers.iter().any(Option::is_none);
    let first = answers.iter().flatten().next();
    first.filter(|_| !is_any_there).map_or(StatusCode::OK, |refused| refused.status)
}

/// A table without a name of its own, inside something that has one.
pub(super) fn inner_table(caption: &str, columns: &[(&str, Set)], rows: &[Markup]) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label=(caption) {
            table {
                caption .visually-hidden { (caption) }
                thead { tr { @for (label, set) in columns { (heading(label, *set)) } } }
                tbody { @for row in rows { (row) } }
            }
        }
    }
}
