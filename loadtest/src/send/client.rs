//! One request at a time over kept connections: keys, tokens, and trying again when the outcome is unknown.

use super::ReplaySettings;
use crate::error::ReplayError;
use contracts::catalogue::GiftId;
use ids::{SendKey, Uuid, ViewerId};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One attempt's longest wait for its answer.
const ATTEMPT_WAIT_MAX: Duration = Duration::from_secs(20);
const BACKOFF_FIRST: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// The longest answer that is read, in bytes, but for the catalogue's.
const ANSWER_LEN_MAX: usize = 16 * 1024 * 1024;
/// Tokens one worker keeps; past it the oldest are minted again.
const TOKENS_KEPT_MAX: usize = 1_024;

/// Makes bearer tokens: signing keys stay with whoever owns them.
pub trait TokenMinter: Send + Sync {
    fn viewer(&self, viewer: ViewerId) -> String;
    fn sre(&self) -> String;
}

/// What a request was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One line of the file, and what it is.
    Line(u64, &'static str),
    Catalogue,
    Gift(GiftId),
    Wallet(ViewerId),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Subject::Line(line, kind) => write!(f, "line {line} ({kind})"),
            Subject::Catalogue => f.write_str("the catalogue"),
            Subject::Gift(gift_id) => write!(f, "gift {gift_id}"),
            Subject::Wallet(viewer) => write!(f, "the wallet of viewer {viewer}"),
        }
    }
}

/// Why sending stopped.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    File(#[from] ReplayError),
    #[error("`{url}` is not an http:// address: {problem}")]
    Url { url: String, problem: String },
    #[error("the run file {path} cannot be read or written")]
    RunFile { path: PathBuf, source: std::io::Error },
    #[error("{path} is not a run file: {problem}")]
    RunFileDamaged { path: PathBuf, problem: String },
    #[error("{path} remembers a run of another replay file; use another data directory, or that file")]
    OtherRun { path: PathBuf },
    #[error("{what}: no answer after {tries} tries in {waited:?}; the last: {last}")]
    NoAnswer { what: Subject, tries: u32, waited: Duration, last: String },
    #[error("{what}: refused with {status} {slug}: {detail}")]
    Refused { what: Subject, status: u16, slug: String, detail: String },
    #[error("{what}: the answer cannot be understood: {problem}")]
    BadAnswer { what: Subject, problem: String },
    #[error("line {line}, field `total_coin`: states {stated} coins, the server charged {server}")]
    ChargeDiffers { line: u64, stated: i64, server: i64 },
    #[error(
        "{count} paid recharges are not in their wallets after {waited:?}; the first is of viewer {viewer}"
    )]
    NotCredited { count: usize, viewer: ViewerId, waited: Duration },
    #[error("a worker died: {0}")]
    Worker(String),
}

/// The answer of the last attempt.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub body: Vec<u8>,
}

/// RFC 9457; the slug is the last part of `type`.
#[derive(Debug, Default, Deserialize)]
struct ProblemBody {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
}

impl Answer {
    /// The problem's stable slug, or an empty text.
    pub(super) fn slug(&self) -> String {
        let problem: ProblemBody = serde_json::from_slice(&self.body).unwrap_or_default();
        problem.kind.rsplit(['/', ':', '#']).next().unwrap_or_default().to_owned()
    }

    pub(super) fn refused(&self, what: Subject) -> SendError {
        let problem: ProblemBody = serde_json::from_slice(&self.body).unwrap_or_default();
        let detail = if problem.detail.is_empty() { problem.title } else { problem.detail };
        SendError::Refused { what, status: self.status.as_u16(), slug: self.slug(), detail }
    }

    pub(super) fn json<'a, T: Deserialize<'a>>(&'a self, what: Subject) -> Result<T, SendError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| SendError::BadAnswer { what, problem: error.to_string() })
    }
}

/// One request, as it is sent however often.
pub(super) struct Request<'a> {
    pub method: Method,
    pub path: &'a str,
    pub key: Option<SendKey>,
    pub body: Option<String>,
    /// Slugs that mean "not yet" for this request: a room or gift that has not reached every node.
    pub not_yet: &'a [&'a str],
    pub what: Subject,
}

/// The server, the tokens, and the count of what was tried again.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    bases: Arc<[String]>,
    /// The node this client sends to first, of `bases`.
    node: usize,
    pub(super) tokens: Arc<dyn TokenMinter>,
    retry_for: Duration,
    retries: Arc<AtomicU64>,
    tries_max: Arc<AtomicU64>,
}

impl Client {
    pub(super) fn try_new(
        settings: &ReplaySettings,
        tokens: Arc<dyn TokenMinter>,
    ) -> Result<Client, SendError> {
        let mut bases = Vec::new();
        for text in std::iter::once(&settings.url).chain(&settings.more_urls) {
            let bad_url = |problem: String| SendError::Url { url: text.clone(), problem };
            let url = Url::parse(text).map_err(|error| bad_url(error.to_string()))?;
            if url.scheme() != "http" || url.host_str().is_none() {
                return Err(bad_url("the replayer speaks plain HTTP; put it next to the server".to_owned()));
            }
            bases.push(text.trim_end_matches('/').to_owned());
        }
        let bad_url = |problem: String| SendError::Url { url: settings.url.clone(), problem };
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(ATTEMPT_WAIT_MAX)
            .pool_max_idle_per_host(settings.connections.max(1))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| bad_url(error.to_string()))?;
        Ok(Client {
            http,
            bases: bases.into(),
            node: 0,
            tokens,
            retry_for: settings.retry_for,
            retries: Arc::new(AtomicU64::new(0)),
            tries_max: Arc::new(AtomicU64::new(0)),
        })
    }

    /// The same client, for a worker that sends through one of the nodes.
    pub(super) fn for_worker(&self, worker: usize) -> Client {
        Client { node: worker % self.bases.len().max(1), ..self.clone() }
    }

    /// The address of a try: the next node each time, as a load balancer sends on what a node did not answer.
    fn base(&self, tries: u32) -> &str {
        let turn = usize::try_from(tries).unwrap_or(0).saturating_sub(1);
        let node = self.node.wrapping_add(turn) % self.bases.len().max(1);
        self.bases.get(node).map_or("", String::as_str)
    }

    pub(super) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// The most tries that one request took so far.
    pub(super) fn tries_max(&self) -> u64 {
        self.tries_max.load(Ordering::Relaxed)
    }

    /// Forgets how often requests were tried.
    pub(super) fn begin_count(&self) {
        self.retries.store(0, Ordering::Relaxed);
        self.tries_max.store(0, Ordering::Relaxed);
    }

    /// Sends until there is an answer that will not change by asking again, for at most `retry_for`.
    pub(super) async fn send(
        &self,
        request: &Request<'_>,
        token: &mut Token<'_>,
    ) -> Result<Answer, SendError> {
        let started = Instant::now();
        let (mut backoff, mut tries) = (BACKOFF_FIRST, 0_u32);
        let mut minted_again = false;
        loop {
            tries = tries.saturating_add(1);
            self.tries_max.fetch_max(u64::from(tries), Ordering::Relaxed);
            let last = match self.attempt(request, (token.text(), tries)).await {
                Ok(answer) if answer.status == StatusCode::UNAUTHORIZED && !minted_again => {
                    // The token ran out during a long run: a new one, once.
                    minted_again = true;
                    tries -= 1;
                    token.mint_again();
                    continue;
                }
                Ok(answer) if !is_open(&answer, request.not_yet) => return Ok(answer),
                Ok(answer) => format!("{} {}", answer.status, answer.slug()),
                Err(error) => describe(&error),
            };
            if started.elapsed() >= self.retry_for {
                let waited = started.elapsed();
                return Err(SendError::NoAnswer { what: request.what, tries, waited, last });
            }
            self.retries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(backoff + jitter(backoff)).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    async fn attempt(
        &self,
        request: &Request<'_>,
        (token, tries): (&str, u32),
    ) -> Result<Answer, reqwest::Error> {
        let mut attempt = self
            .http
            .request(request.method.clone(), format!("{}{}", self.base(tries), request.path))
            .header("authorization", format!("Bearer {token}"));
        if let Some(key) = request.key {
            attempt = attempt.header("idempotency-key", key.to_string());
        }
        if let Some(body) = &request.body {
            attempt = attempt.header("content-type", "application/json").body(body.clone());
        }
        let mut response = attempt.send().await?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            let left = ANSWER_LEN_MAX.saturating_sub(body.len());
            body.extend_from_slice(chunk.get(..left.min(chunk.len())).unwrap_or_default());
            if left <= chunk.len() {
                break;
            }
        }
        Ok(Answer { status, body })
    }
}

/// Whether asking again may give another answer: the server is away, busy, or does not know the outcome yet.
fn is_open(answer: &Answer, not_yet: &[&str]) -> bool {
    match answer.status {
        StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT
        | StatusCode::TOO_MANY_REQUESTS => true,
        status if status.is_success() => false,
        _ => {
            let slug = answer.slug();
            slug == "outcome-unknown" || not_yet.contains(&slug.as_str())
        }
    }
}

/// A reqwest error and what caused it, in one line and without the address.
fn describe(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "timed out".to_owned() } else { "connection failed".to_owned() };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Up to as much again, so that workers that failed together do not come back together.
fn jitter(backoff: Duration) -> Duration {
    let [.., low] = *Uuid::now_v7().as_bytes();
    backoff * u32::from(low) / 256
}

/// The token of one request, minted again if the server says that it ran out.
pub(super) struct Token<'a> {
    tokens: &'a dyn TokenMinter,
    /// The viewer's, or the SRE's.
    viewer: Option<ViewerId>,
    text: &'a mut String,
}

impl<'a> Token<'a> {
    pub(super) fn sre(tokens: &'a dyn TokenMinter, text: &'a mut String) -> Token<'a> {
        if text.is_empty() {
            *text = tokens.sre();
        }
        Token { tokens, viewer: None, text }
    }

    fn text(&self) -> &str {
        self.text
    }

    fn mint_again(&mut self) {
        *self.text = match self.viewer {
            Some(viewer) => self.tokens.viewer(viewer),
            None => self.tokens.sre(),
        };
    }
}

/// Viewers' tokens that one worker keeps.
pub(super) struct TokenCache {
    tokens: Arc<dyn TokenMinter>,
    kept: HashMap<ViewerId, String>,
}

impl TokenCache {
    pub(super) fn new(tokens: Arc<dyn TokenMinter>) -> TokenCache {
        TokenCache { tokens, kept: HashMap::new() }
    }

    pub(super) fn of(&mut self, viewer: ViewerId) -> Token<'_> {
        if self.kept.len() >= TOKENS_KEPT_MAX && !self.kept.contains_key(&viewer) {
            self.kept.clear();
        }
        let text = self.kept.entry(viewer).or_insert_with(|| self.tokens.viewer(viewer));
        Token { tokens: &*self.tokens, viewer: Some(viewer), text }
    }
}
