//! Questions of the command line to a running process, with a token of its own.

use crate::failure::Failure;
use crate::secrets::Secrets;
use edge::{IDEMPOTENCY_KEY_HEADER, Role};
use ids::{SendKey, Uuid};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// How long the token is good for: one question.
const TOKEN_TTL: Duration = Duration::from_secs(60);

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// How long a file may take on its way, and what is made of it.
const FILE_MAX: Duration = Duration::from_secs(1_800);

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
    let url = format!("{}{path}", url.trim_end_matches('/'));
    let asked = reqwest::Client::new().get(url).bearer_auth(token).timeout(ANSWER_MAX).send().await;
    let answer = asked.and_then(reqwest::Response::error_for_status).map_err(refused)?;
    answer.json().await.map_err(refused)
}

fn refused(error: reqwest::Error) -> Failure {
    Failure::Refused {
        what: "the process at --url",
        change: "start it, or name another",
        source: Box::new(error),
    }
}

/// How a process is asked, by somebody in a role.
pub struct Question {
    base: String,
    token: String,
    client: reqwest::Client,
}

/// What is read of a problem.
#[derive(Deserialize)]
struct ProblemText {
    #[serde(rename = "type")]
    kind: String,
    detail: String,
}

impl Question {
    /// Prepares to ask the process at `url` about what is under `path`.
    ///
    /// # Errors
    /// [`Failure`] where there is no signing key.
    pub fn open(
        (url, path): (&str, &str),
        data_dir: &Path,
        (role, sub): (Role, Uuid),
    ) -> Result<Question, Failure> {
        let keys = Secrets::open(data_dir)?.token_keys()?;
        let token = keys.mint(role, sub, TOKEN_TTL).map_err(Failure::Token)?;
        let base = format!("{}{path}", url.trim_end_matches('/'));
        Ok(Question { base, token, client: reqwest::Client::new() })
    }

    /// Asks for something.
    ///
    /// # Errors
    /// [`Failure::Answered`] with the process's reason where it refuses; [`Failure::Refused`] where it is away.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.answer(self.client.get(format!("{}{path}", self.base))).await
    }

    /// Sends something.
    ///
    /// # Errors
    /// As [`Question::get`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.answer(self.client.post(format!("{}{path}", self.base)).json(body)).await
    }

    /// Sends something that is to be done once, under a new key.
    ///
    /// # Errors
    /// As [`Question::get`].
    pub async fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let request = self.client.post(format!("{}{path}", self.base)).json(body);
        self.answer(request.header(IDEMPOTENCY_KEY_HEADER, SendKey::now().to_string())).await
    }

    /// Sends a file's bytes.
    ///
    /// # Errors
    /// As [`Question::get`].
    pub async fn post_file<T: DeserializeOwned>(&self, path: &str, bytes: Vec<u8>) -> Result<T, Failure> {
        let request = self.client.post(format!("{}{path}", self.base)).body(bytes);
        let request = request.header("content-type", "application/octet-stream");
        self.answer_within(request, FILE_MAX).await?.json().await.map_err(refused)
    }

    /// Asks for a text.
    ///
    /// # Errors
    /// As [`Question::get`].
    pub async fn get_text(&self, path: &str) -> Result<String, Failure> {
        let request = self.client.get(format!("{}{path}", self.base));
        self.answer_within(request, FILE_MAX).await?.text().await.map_err(refused)
    }

    /// Sends something that a text answers.
    ///
    /// # Errors
    /// As [`Question::get`].
    pub async fn post_for_text(&self, path: &str, body: &impl Serialize) -> Result<String, Failure> {
        let request = self.client.post(format!("{}{path}", self.base)).json(body);
        self.answer_within(request, FILE_MAX).await?.text().await.map_err(refused)
    }

    async fn answer<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, Failure> {
        self.answer_within(request, ANSWER_MAX).await?.json().await.map_err(refused)
    }

    async fn answer_within(
        &self,
        request: reqwest::RequestBuilder,
        limit: Duration,
    ) -> Result<reqwest::Response, Failure> {
        let answer = request.bearer_auth(&self.token).timeout(limit).send().await.map_err(refused)?;
        let Err(error) = answer.error_for_status_ref() else { return Ok(answer) };
        // A process without the service has no such route, and says so without a problem's form.
        let Ok(problem) = answer.json::<ProblemText>().await else { return Err(refused(error)) };
        let slug = problem.kind.rsplit('/').next().unwrap_or_default().to_owned();
        Err(Failure::Answered { slug, detail: problem.detail })
    }
}
