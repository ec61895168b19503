//! Development sign-in: anybody as anybody. Not routed in production.

use crate::Deps;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use edge::{Json, Problem, Role, SessionCookies, end_session};
use http::{HeaderMap, StatusCode};
use ids::Uuid;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a development session holds.
const SESSION_TTL: Duration = Duration::from_secs(12 * 3_600);

/// The longest name, in characters.
const NAME_LEN_MAX: usize = 32;

/// Who to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    name: String,
    #[serde(default = "viewer")]
    role: Role,
}

fn viewer() -> Role {
    Role::Viewer
}

#[derive(Debug, Serialize)]
struct SignedIn {
    name: String,
    role: Role,
    sub: Uuid,
}

/// Signs in: the same name is always the same person. JSON only, so that no foreign form can send it.
pub(crate) async fn sign_in(State(deps): State<Deps>, Json(who): Json<SignIn>) -> Result<Response, Problem> {
    let name = who.name.trim();
    let fits = (1..=NAME_LEN_MAX).contains(&name.chars().count());
    if !fits || name.chars().any(char::is_control) {
        let detail = format!("A name has 1 to {NAME_LEN_MAX} characters and no control characters.");
        return Err(Problem::rejected("name-out-of-range", detail).with("field", "name"));
    }
    let sub = who.role.person_named(name);
    let cookies = SessionCookies::sign_in(&deps.keys, who.role, sub, SESSION_TTL, &http::uri::Scheme::HTTP)?;
    let mut headers = HeaderMap::new();
    cookies.apply(&mut headers);
    Ok((headers, Json(SignedIn { name: name.to_owned(), role: who.role, sub })).into_response())
}

/// Signs out of this browser.
pub(crate) async fn sign_out() -> Response {
    let mut headers = HeaderMap::new();
    end_session(&mut headers);
    (StatusCode::NO_CONTENT, headers).into_response()
}
