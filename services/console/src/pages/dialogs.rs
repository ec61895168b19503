//! Dialogs: sign-in, recharge, odds, confirmation of a large gift. Scripts open and fill them.

use super::frame::coin;
use maud::{Markup, html};

/// What a viewer can recharge with one press, in minor units.
const AMOUNTS_MINOR: [u32; 6] = [600, 3_000, 6_800, 19_800, 32_800, 64_800];

/// Whom development lets anybody be.
const ROLES: [(&str, &str); 6] = [
    ("viewer", "Viewer"),
    ("finance", "Finance"),
    ("finance-maker", "Maker"),
    ("finance-checker", "Checker"),
    ("auditor", "Auditor"),
    ("sre", "SRE"),
];

/// Development sign-in.
pub(crate) fn sign_in() -> Markup {
    html! {
        dialog #sign-in-dialog aria-labelledby="sign-in-title" {
            form method="dialog" #sign-in-form {
                h2 #sign-in-title { "Sign in for development" }
                p .muted { "Any name works. The same name is always the same person." }
                label { "Name"
                    input #sign-in-name name="name" required maxlength="32" autocomplete="off" placeholder="ann";
                }
                fieldset .segments {
                    legend { "As" }
                    @for (role, label) in ROLES {
                        label {
                            input type="radio" name="role" value=(role) checked[role == "viewer"];
                            span { (label) }
                        }
                    }
                }
                p .error role="alert" #sign-in-error {}
                div .actions {
                    button .quiet type="button" data-close { "Cancel" }
                    button .primary type="submit" { "Sign in" }
                }
            }
        }
    }
}

/// Recharge through the sandbox.
pub(crate) fn recharge() -> Markup {
    html! {
        dialog #recharge-dialog aria-labelledby="recharge-title" {
            form method="dialog" #recharge-form {
                h2 #recharge-title { "Recharge" }
                p .muted { "Sandbox: no money moves, the coins are real to this system." }
                fieldset .amounts {
                    legend .visually-hidden { "Amount" }
                    @for minor in AMOUNTS_MINOR {
                        label {
                            input type="radio" name="amount" value=(minor) checked[minor == 3_000];
                            span { "¥" (minor / 100) }
                        }
                    }
                }
                p .error role="alert" #recharge-error {}
                p role="status" #recharge-status {}
                div .actions {
                    button .quiet type="button" data-close { "Close" }
                    button .primary type="submit" #recharge-pay { "Pay ¥30" }
                }
            }
        }
    }
}

/// The odds of a blind box.
pub(crate) fn odds() -> Markup {
    html! {
        dialog #odds-dialog aria-labelledby="odds-title" {
            form method="dialog" {
                h2 #odds-title { "Odds" }
                p .muted { "You pay the price of the box, whatever is inside. Odds are per box." }
                div .scroll tabindex="0" {
                    table {
                        thead { tr {
                            th scope="col" { "Gift" }
                            th scope="col" .number { "Worth" }
                            th scope="col" .number { "Odds" }
                        } }
                        tbody #odds-rows {}
                    }
                }
                div .actions { button .primary type="submit" { "Close" } }
            }
        }
    }
}

/// Asks before a large gift.
pub(crate) fn confirm() -> Markup {
    html! {
        dialog #confirm-dialog aria-labelledby="confirm-title" {
            form method="dialog" {
                h2 #confirm-title { "Send this gift?" }
                p .confirm-line { span .glyph #confirm-glyph aria-hidden="true" {} span #confirm-what {} }
                p .confirm-charge { (coin()) strong #confirm-charge {} " coins" }
                p .muted { "A gift is shown to everybody in the room at once and cannot be taken back." }
                div .actions {
                    button .quiet type="submit" value="no" { "Not now" }
                    button .primary type="submit" value="yes" #confirm-yes { "Send" }
                }
            }
        }
    }
}
