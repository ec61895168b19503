//! The frame of every page: head, header with who is signed in, and how ids and amounts are drawn.

use crate::{Deps, Profile};
use contracts::catalogue::Gift;
use edge::{AnyRole, Problem, Role};
use ids::Uuid;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Who looks at the page: what the session cookie says, if there is one that holds.
pub(crate) type Session = Result<AnyRole, Problem>;

/// What differs from page to page.
pub(crate) struct Frame<'a> {
    pub title: &'a str,
    /// The page's own script, `/assets/<script>.js`.
    pub script: &'a str,
    pub styles: &'a [&'a str],
    pub session: &'a Session,
    pub deps: &'a Deps,
}

impl Frame<'_> {
    /// The whole document.
    pub fn around(&self, content: Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · Largesse" }
                    link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                    link rel="stylesheet" href="/assets/base.css";
                    link rel="stylesheet" href="/assets/parts.css";
                    @for style in self.styles {
                        link rel="stylesheet" href={ "/assets/" (style) ".css" };
                    }
                    script type="module" src={ "/assets/" (self.script) ".js" } {}
                }
                (self.body(&content))
            }
        }
    }

    fn body(&self, content: &Markup) -> Markup {
        let who = self.session.as_ref().ok().map(|AnyRole(claims)| claims);
        html! {
            body data-role=[who.map(|claims| claims.role.as_str())] data-sub=[who.map(|claims| claims.sub)] {
                a .skip href="#content" { "Skip to content" }
                header .top {
                    a .brand href="/" { img src="/assets/icon.svg" alt="" width="28" height="28"; "Largesse" }
                    nav .links aria-label="Pages" {
                        a href="/" { "Rooms" }
                        @if who.is_some_and(|claims| claims.role == Role::Viewer) {
                            a href="/me" { "My gifts" }
                        }
                        @if who.is_some_and(|claims| claims.role != Role::Viewer) {
                            a href="/books" { "Books" }
                        }
                        @if super::finance::may_read(self.session) {
                            a href="/finance" { "Finance" }
                        }
                    }
                    (self.account())
                }
                main #content tabindex="-1" { (content) }
                div #notices .notices role="status" aria-live="polite" {}
                @if self.deps.profile == Profile::Development { (super::dialogs::sign_in()) }
            }
        }
    }

    fn account(&self) -> Markup {
        let development = self.deps.profile == Profile::Development;
        html! {
            div .account {
                @match self.session {
                    Ok(AnyRole(claims)) => {
                        @if claims.role == Role::Viewer {
                            button .balance type="button" #balance aria-label="Balance; opens recharge" {
                                (coin()) span #balance-coins { "…" } span .plus aria-hidden="true" { "+" }
                            }
                        }
                        span .person {
                            span .avatar.(hue_of(claims.sub)) aria-hidden="true" #avatar {}
                            span #person-name { (claims.role.as_str()) " " (short(claims.sub)) }
                        }
                        @if development { button .quiet type="button" #sign-out { "Sign out" } }
                    },
                    Err(_) => {
                        @if development { button .primary type="button" #open-sign-in { "Sign in" } }
                        @else { span .muted { "Not signed in" } }
                    },
                }
            }
        }
    }
}

/// The sign of a coin.
pub(crate) fn coin() -> Markup {
    html! { span .coin aria-hidden="true" {} }
}

/// The last eight digits of an id: the part that differs.
pub(crate) fn short(id: Uuid) -> String {
    let text = id.simple().to_string();
    text.get(24..).unwrap_or_default().to_owned()
}

/// One of twelve hues that an id always has.
pub(crate) fn hue_of(id: Uuid) -> String {
    let sum: u32 = id.as_bytes().iter().map(|byte| u32::from(*byte)).sum();
    format!("hue-{}", sum % 12)
}

/// The catalogue for scripts. The one character that could end the element early is written as an escape.
pub(crate) fn catalogue(gifts: &[Gift]) -> Markup {
    // Plain structs always serialize.
    let json = serde_json::to_string(gifts).unwrap_or_else(|_| "[]".to_owned()).replace('<', "\\u003c");
    html! { script type="application/json" #catalogue { (PreEscaped(json)) } }
}

/// An amount with thousands apart.
pub(crate) fn grouped(amount: i64) -> String {
    let digits = amount.unsigned_abs().to_string();
    let mut text = if amount < 0 { "−".to_owned() } else { String::new() };
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_stand_apart() {
        let texts = [0, 999, 1_000, 1_234_567, -1_000].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567", "−1,000"]);
    }
}
