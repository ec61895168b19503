//! One HTTP call: kept connections, an internal token, the caller's trace, a time limit, and an honest error.
//!
//! hyper's own client, not one built on it: between our own processes there are no redirects, cookies, proxies or
//! encryption to pay for, and the difference between "never sent" and "sent, no answer" must not be lost.

use crate::config::{Config, PeerUrl};
use crate::credentials::Credentials;
use crate::declared;
use bytes::Bytes;
use edge::TokenKeys;
use guard::deps::{Declaration, DeclareError, Registry, Strong, Weak};
use guard::{CUT_LEVEL_HEADER, HeardCut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The largest answer that is read, in bytes: 2,000 rows of the longest kind fit.
const ANSWER_LEN_MAX: usize = 64 * 1024 * 1024;
/// Connections kept to one peer while nothing travels on them, and for how long.
const IDLE_CONNECTIONS_MAX: usize = 16;
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Peers whose refusals are remembered; beyond, those that nobody calls any more are forgotten.
const CUTS_KEPT: usize = 256;

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The peer has not seen the call.
    #[error("{place} cannot be reached: {reason}")]
    NotSent { place: String, reason: String },
    /// The peer may have acted on the call.
    #[error("{place} did not answer: {reason}")]
    NoAnswer { place: String, reason: String },
}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Makes calls. Clones share connections and the token.
#[derive(Clone)]
pub struct Calls(Arc<Inner>);

struct Inner {
    client: Client<HttpConnector, Full<Bytes>>,
    credentials: Credentials,
    request_timeout: Duration,
    registry: Registry,
    /// What each peer last said it would refuse.
    cuts: Mutex<HashMap<PeerUrl, Arc<HeardCut>>>,
}

/// A node that is needed.
#[derive(Clone)]
pub(crate) struct Needed {
    calls: Calls,
    url: PeerUrl,
    cut: Arc<HeardCut>,
    declared: Strong,
}

/// A node that can be done without.
#[derive(Clone)]
pub(crate) struct Optional {
    calls: Calls,
    pub url: PeerUrl,
    cut: Arc<HeardCut>,
    declared: Weak,
}

/// What is asked of a peer.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    pub method: Method,
    pub path: &'a str,
    pub body: Bytes,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
}

impl<'a> Call<'a> {
    /// Asks for something, in the current span's trace.
    pub fn get(path: &'a str) -> Call<'a> {
        Call { method: Method::GET, path, body: Bytes::new(), traceparent: telemetry::traceparent() }
    }

    /// Sends JSON, in the current span's trace.
    pub fn post(path: &'a str, body: Vec<u8>) -> Call<'a> {
        Call { method: Method::POST, path, body: body.into(), traceparent: telemetry::traceparent() }
    }
}

impl Calls {
    /// Calls signed with the key that every process shares, to nodes that a registry of their own knows.
    pub fn new(keys: TokenKeys, config: &Config) -> Calls {
        Calls::declared_in(&Registry::default(), keys, config)
    }

    /// Calls signed with the key that every process shares, to nodes declared in `registry` as they become known.
    pub fn declared_in(registry: &Registry, keys: TokenKeys, config: &Config) -> Calls {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(config.connect_timeout()));
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .pool_timer(TokioTimer::new())
            .build(connector);
        let credentials = Credentials::new(keys);
        let request_timeout = config.request_timeout();
        let (registry, cuts) = (registry.clone(), Mutex::default());
        Calls(Arc::new(Inner { client, credentials, request_timeout, registry, cuts }))
    }

    /// A node that is needed, under its declaration.
    ///
    /// # Errors
    /// [`DeclareError`].
    pub(crate) fn needed(&self, declared: &Declaration, url: &PeerUrl) -> Result<Needed, DeclareError> {
        let declared = declared::within(declared, self.0.request_timeout);
        let declared = self.0.registry.strong_at(&declared, url.as_str())?;
        Ok(Needed { calls: self.clone(), url: url.clone(), cut: self.cut(url), declared })
    }

    /// A node that can be done without, under its declaration.
    ///
    /// # Errors
    /// [`DeclareError`].
    pub(crate) fn optional(&self, declared: &Declaration, url: &PeerUrl) -> Result<Optional, DeclareError> {
        let declared = declared::within(declared, self.0.request_timeout);
        let declared = self.0.registry.weak_at(&declared, url.as_str())?;
        Ok(Optional { calls: self.clone(), url: url.clone(), cut: self.cut(url), declared })
    }

    fn cut(&self, url: &PeerUrl) -> Arc<HeardCut> {
        let mut cuts = self.0.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        if cuts.len() >= CUTS_KEPT {
            cuts.retain(|known, cut| known == url || Arc::strong_count(cut) > 1);
        }
        Arc::clone(cuts.entry(url.clone()).or_default())
    }

    /// Asks one peer, as this process, whatever it said before: for what tells whether a node is there, which no
    /// breaker may keep from being asked.
    ///
    /// # Errors
    /// [`CallError`]; an answer of any status is an answer.
    pub async fn send(&self, peer: &PeerUrl, call: Call<'_>) -> Result<Reply, CallError> {
        let headers = self.headers_of(&call);
        let reply = self.pass_on(peer, (call.method, call.path), headers, call.body).await?;
        self.cut(peer).hear(cut_of(&reply));
        Ok(reply)
    }

    fn headers_of(&self, call: &Call<'_>) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(4);
        if let Some(token) = self.0.credentials.header() {
            headers.insert(header::AUTHORIZATION, token);
        }
        if call.method == Method::POST {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(traceparent) = call.traceparent.as_deref().and_then(|text| text.parse().ok()) {
            headers.insert("traceparent", traceparent);
        }
        headers
    }

    /// Asks one peer with the headers given and no others.
    async fn pass_on(
        &self,
        peer: &PeerUrl,
        (method, path): (Method, &str),
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Reply, CallError> {
        let not_sent = |reason: String| CallError::NotSent { place: peer.to_string(), reason };
        let no_answer = |reason: String| CallError::NoAnswer { place: peer.to_string(), reason };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{peer}{path}").parse().map_err(|error| not_sent(format!("{error}")))?;
        *request.headers_mut() = headers;
        let answered = async {
            let response = self.0.client.request(request).await.map_err(|error| {
                let reason = chain(&error);
                if error.is_connect() { not_sent(reason) } else { no_answer(reason) }
            })?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_LEN_MAX).collect().await;
            let body = body.map_err(|error| no_answer(error.to_string()))?.to_bytes();
            Ok(Reply { status: head.status, headers: head.headers, body })
        };
        match tokio::time::timeout(self.0.request_timeout, answered).await {
            Ok(answered) => answered,
            Err(_) => Err(no_answer(format!("nothing within {:?}", self.0.request_timeout))),
        }
    }
}

impl Needed {
    pub fn url(&self) -> &PeerUrl {
        &self.url
    }

    /// Asks the node, as this process, unless it would refuse or has failed too often lately.
    ///
    /// # Errors
    /// [`CallError`]; an answer of any status is an answer.
    pub async fn send(&self, call: Call<'_>) -> Result<Reply, CallError> {
        let headers = self.calls.headers_of(&call);
        heed(&self.cut, &self.url, (&call.method, call.path), &headers)?;
        let asked = self.calls.pass_on(&self.url, (call.method, call.path), headers, call.body);
        let answer = self.declared.call_judged(asked, declared::judge).await;
        let reply = answer.map_err(|error| declared::told(error, self.url.as_str()))?;
        self.cut.hear(cut_of(&reply));
        Ok(reply)
    }
}

impl Optional {
    /// Asks the node, as this process, unless it would refuse or has failed too often lately.
    ///
    /// # Errors
    /// [`CallError`]; an answer of any status is an answer. Every caller has something to do without it.
    pub async fn send(&self, call: Call<'_>) -> Result<Reply, CallError> {
        let headers = self.calls.headers_of(&call);
        self.pass_on((call.method, call.path), headers, call.body).await
    }

    /// The same, with the headers given and no others.
    ///
    /// # Errors
    /// The same.
    pub async fn pass_on(
        &self,
        (method, path): (Method, &str),
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Reply, CallError> {
        heed(&self.cut, &self.url, (&method, path), &headers)?;
        let asked = self.calls.pass_on(&self.url, (method, path), headers, body);
        let asked = async { asked.await.map(Ok) };
        let judge = |answer: &Result<Result<Reply, CallError>, CallError>| match answer {
            Ok(answer) => declared::judge(answer),
            Err(_) => guard::deps::Verdict::Fails,
        };
        let without = |error| Err(declared::told(error, self.url.as_str()));
        let reply = self.declared.call_judged_or(asked, judge, without).await?;
        self.cut.hear(cut_of(&reply));
        Ok(reply)
    }
}

/// Keeps back what the node said it would refuse: nothing was sent, so whoever may send again may.
fn heed(
    cut: &HeardCut,
    url: &PeerUrl,
    (method, path): (&Method, &str),
    headers: &HeaderMap,
) -> Result<(), CallError> {
    cut.check(edge::ask_of(method, path, headers)).map_err(|refusal| CallError::NotSent {
        place: url.to_string(),
        reason: format!("it said that it would refuse: {refusal}"),
    })
}

fn cut_of(reply: &Reply) -> Option<&str> {
    reply.headers.get(CUT_LEVEL_HEADER).and_then(|level| level.to_str().ok())
}

/// An error with its sources, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
