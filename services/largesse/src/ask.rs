//! Questions of the command line to a running process, with a token of its own.

use crate::failure::Failure;
use crate::secrets::Secrets;
use edge::Role;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;

/// How long the token is good for: one question.
const TOKEN_TTL: Duration = Duration::from_secs(60);

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// What a process says at a path, asked as an SRE by the name of the command.
///
/// # Errors
/// [`Failure`] where there is no signing key, or the process cannot be asked.
pub async fn ask_as_sre<T: DeserializeOwned>(
    url: &str,
    path: &str,
    data_dir: &Path,
    command: &str,
) -> Result<T, Failure> {
    let keys = Secrets::open(data_dir)?.token_keys()?;
    let token = keys.mint(Role::Sre, ids::named_id("sre", command), TOKEN_TTL).map_err(Failure::Token)?;
    let refused = |error: reqwest::Error| Failure::Refused {
        what: "the process at --url",
        change: "start it, or name another",
        source: Box::new(error),
    };
    let url = format!("{}{path}", url.trim_end_matches('/'));
    let asked = reqwest::Client::new().get(url).bearer_auth(token).timeout(ANSWER_MAX).send().await;
    let answer = asked.and_then(reqwest::Response::error_for_status).map_err(refused)?;
    answer.json().await.map_err(refused)
}
