//! Reading the public API in process: pages are drawn from the answers that every other client gets.
//!
//! Each question is a `GET` of a public address, put to the same routes that clients reach from outside, with the
//! session of whoever asked for the page. So roles are judged where the answer is made, and a service in another
//! process is asked through the same front door. Must not send anything that changes something.

use crate::Deps;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::FromRequestParts;
use edge::{Edge, Problem};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Request, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt as _;

/// How long one answer may take.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);

/// The same of one that reads much, and that somebody has asked for knowing so.
const LONG_ANSWER_WAIT_MAX: Duration = Duration::from_mins(2);

/// The longest answer that is read, in bytes: many pages of rows.
const ANSWER_LEN_MAX: usize = 8 << 20;

/// What says who asks, and what the question belongs to.
const PASSED_ON: [HeaderName; 3] =
    [header::AUTHORIZATION, header::COOKIE, HeaderName::from_static("traceparent")];

/// The API as whoever asked for a page may read it.
pub(crate) struct Api {
    router: Router,
    edge: Option<Arc<Edge>>,
    headers: HeaderMap,
}

/// Why there is no answer, as a page says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub status: StatusCode,
    /// The stable name of the problem.
    pub slug: String,
    pub detail: String,
}

impl FromRequestParts<Deps> for Api {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, deps: &Deps) -> Result<Api, Infallible> {
        let mut headers = HeaderMap::new();
        for name in PASSED_ON {
            for value in parts.headers.get_all(&name) {
                headers.append(&name, value.clone());
            }
        }
        // Of the page's extensions only the edge is passed on: the rest says which page was asked for.
        let edge = parts.extensions.get::<Arc<Edge>>().cloned();
        Ok(Api { router: deps.api.clone(), edge, headers })
    }
}

impl Api {
    /// Reads `path` with a query.
    ///
    /// # Errors
    /// [`Refused`] with the API's own status and words; 504 where no answer came in time, 502 where it could not be
    /// understood. Reading again is always safe.
    pub async fn read<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Result<T, Refused> {
        self.get(&with_query(path, query)?).await
    }

    /// The same for an answer that may take minutes.
    ///
    /// # Errors
    /// As [`Api::read`].
    pub async fn read_long<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
    ) -> Result<T, Refused> {
        self.get_within(LONG_ANSWER_WAIT_MAX, &with_query(path, query)?).await
    }

    /// Reads an address.
    ///
    /// # Errors
    /// As [`Api::read`].
    pub async fn get<T: DeserializeOwned>(&self, address: &str) -> Result<T, Refused> {
        self.get_within(ANSWER_WAIT_MAX, address).await
    }

    /// Reads an address that answers with text.
    ///
    /// # Errors
    /// As [`Api::read`].
    pub async fn get_text(&self, address: &str) -> Result<String, Refused> {
        let body = self.body_within(ANSWER_WAIT_MAX, address).await?;
        String::from_utf8(body).map_err(|_| Refused::not_understood())
    }

    async fn body_within(&self, wait_max: Duration, address: &str) -> Result<Vec<u8>, Refused> {
        let asked = tokio::time::timeout(wait_max, self.ask(address)).await;
        let (status, body) = asked.map_err(|_| Refused::too_late())??;
        if status.is_success() { Ok(body) } else { Err(Refused::of_body(status, &body)) }
    }

    async fn get_within<T: DeserializeOwned>(&self, wait_max: Duration, address: &str) -> Result<T, Refused> {
        let body = self.body_within(wait_max, address).await?;
        serde_json::from_slice(&body).map_err(|error| {
            tracing::error!(address, %error, "an answer of the API is not what the page expects");
            Refused::not_understood()
        })
    }

    async fn ask(&self, address: &str) -> Result<(StatusCode, Vec<u8>), Refused> {
        let mut request = Request::get(address).body(Body::empty()).map_err(|_| Refused::not_understood())?;
        *request.headers_mut() = self.headers.clone();
        if let Some(edge) = &self.edge {
            request.extensions_mut().insert(Arc::clone(edge));
        }
        let answer = match self.router.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let status = answer.status();
        let body =
            to_bytes(answer.into_body(), ANSWER_LEN_MAX).await.map_err(|_| Refused::not_understood())?;
        Ok((status, body.to_vec()))
    }
}

fn with_query(path: &str, query: &impl Serialize) -> Result<String, Refused> {
    let query = serde_urlencoded::to_string(query).map_err(|_| Refused::not_understood())?;
    Ok(if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") })
}

/// What is read of a problem.
#[derive(serde::Deserialize)]
struct ProblemText {
    #[serde(rename = "type")]
    kind: String,
    detail: String,
}

impl Refused {
    /// A refusal of the page's own.
    pub fn new(status: StatusCode, slug: &str, detail: &str) -> Refused {
        Refused { status, slug: slug.to_owned(), detail: detail.to_owned() }
    }

    fn of_body(status: StatusCode, body: &[u8]) -> Refused {
        match serde_json::from_slice::<ProblemText>(body) {
            Ok(problem) => Refused {
                status,
                slug: problem.kind.rsplit('/').next().unwrap_or_default().to_owned(),
                detail: problem.detail,
            },
            // A process without the service has no such route, and says so without a problem's form.
            Err(_) if status == StatusCode::NOT_FOUND => {
                Refused::new(status, "no-such-address", "Not available: no service here answers this.")
            }
            Err(_) => Refused::new(status, "refused", "This was refused without a reason."),
        }
    }

    fn too_late() -> Refused {
        let detail = "The service did not answer in time. Load the page again.";
        Refused::new(StatusCode::GATEWAY_TIMEOUT, "outcome-unknown", detail)
    }

    fn not_understood() -> Refused {
        let detail = "The answer of the service could not be understood.";
        Refused::new(StatusCode::BAD_GATEWAY, "answer-not-understood", detail)
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Refused {
        Refused::new(problem.status(), problem.slug(), problem.detail())
    }
}
