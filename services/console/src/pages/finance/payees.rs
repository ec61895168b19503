//! Whom a page about payees is about: streamers or agencies, and one of them by its id.

use super::asked::{given, wrong};
use super::field;
use crate::api::Refused;
use maud::{Markup, html};

/// Kinds of payees, and how they are called.
const PAYEES: [(&str, &str); 2] = [("streamer", "Streamers"), ("agency", "Agencies")];

/// The kind that a text names; streamers where it is empty.
///
/// # Errors
/// [`Refused`] where it names none.
pub(super) fn kind_of(text: &str) -> Result<&'static str, Refused> {
    let asked = given(text).unwrap_or(PAYEES[0].0);
    let known = PAYEES.iter().find(|(kind, _)| *kind == asked);
    known.map(|(kind, _)| *kind).ok_or_else(|| wrong("A payee is a streamer or an agency."))
}

/// The choice between streamers and agencies.
pub(super) fn payee_choice(chosen: &str) -> Markup {
    let chosen = kind_of(chosen).unwrap_or(PAYEES[0].0);
    field(
        "Payee",
        &html! {
            select name="payee" {
                @for (kind, label) in PAYEES { option value=(kind) selected[kind == chosen] { (label) } }
            }
        },
    )
}
