//! What clearing asks of recon before it closes a period: in this process, or at one of recon's over HTTP.
//!
//! What cannot be asked, or is answered in a way that is not understood, is unknown; and what is unknown blocks closing.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use clearing::{CloseFacts, DayRange, ImportedFiles, ReconFacts, UnknownFact};
use edge::{Edge, Role, TokenKeys};
use ids::named_id;
use peer::{Nodes, PeerUrl};
use recon::{BillScope, BillState};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;
use tower::ServiceExt;

/// How long recon may take to answer one question.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes.
const ANSWER_LEN_MAX: usize = 4 * 1024 * 1024;
/// How long the question's own token is good for.
const TOKEN_TTL: Duration = Duration::from_secs(60);

/// Where recon is.
enum Place {
    Here(Router),
    There(Nodes, reqwest::Client),
}

/// Asks recon.
pub struct AskRecon {
    place: Place,
    tokens: TokenKeys,
}

impl AskRecon {
    /// Asks the recon of this process, by its routes.
    pub fn here(routes: Router, tokens: &TokenKeys) -> AskRecon {
        let router = Edge::new(tokens.clone()).finish(routes);
        AskRecon { place: Place::Here(router), tokens: tokens.clone() }
    }

    /// Asks recon's nodes, one after the other until one answers.
    pub fn there(nodes: Nodes, tokens: &TokenKeys) -> AskRecon {
        AskRecon { place: Place::There(nodes, reqwest::Client::new()), tokens: tokens.clone() }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, role: Role) -> Result<T, UnknownFact> {
        let unknown = |why: &dyn std::fmt::Display| UnknownFact(format!("recon cannot be asked: {why}"));
        let token = self.tokens.mint(role, named_id("process", "clearing"), TOKEN_TTL);
        let bearer = format!("Bearer {}", token.map_err(|error| unknown(&error))?);
        let asked = async {
            match &self.place {
                Place::Here(router) => here(router, path, &bearer).await,
                Place::There(nodes, client) => there(&nodes.list(), client, path, &bearer).await,
            }
        };
        let answered = tokio::time::timeout(ANSWER_WITHIN, asked).await;
        let (status, body) =
            answered.map_err(|_| unknown(&"no answer in time"))?.map_err(|why| unknown(&why))?;
        let route = path.split('?').next().unwrap_or(path);
        match status {
            StatusCode::OK => serde_json::from_slice(&body).map_err(|error| {
                UnknownFact(format!("recon answers {route} otherwise than expected: {error}"))
            }),
            StatusCode::NOT_FOUND => Err(UnknownFact(format!("recon has no {route}"))),
            other => Err(UnknownFact(format!("recon answers {route} with {other}"))),
        }
    }
}

async fn here(router: &Router, path: &str, bearer: &str) -> Result<(StatusCode, Vec<u8>), String> {
    let request = Request::get(path).header("authorization", bearer).body(Body::empty());
    let request = request.map_err(|error| error.to_string())?;
    let Ok(response) = router.clone().oneshot(request).await;
    let status = response.status();
    let body = to_bytes(response.into_body(), ANSWER_LEN_MAX).await.map_err(|error| error.to_string())?;
    Ok((status, body.to_vec()))
}

async fn there(
    urls: &[PeerUrl],
    client: &reqwest::Client,
    path: &str,
    bearer: &str,
) -> Result<(StatusCode, Vec<u8>), String> {
    let mut silent = String::from("no node is named");
    for url in urls {
        let asked = client.get(format!("{url}{path}")).header("authorization", bearer).send().await;
        let answer = match asked {
            Ok(answer) => answer,
            Err(error) => {
                silent = error.to_string();
                continue;
            }
        };
        let status = StatusCode::from_u16(answer.status().as_u16()).map_err(|error| error.to_string())?;
        let body = answer.bytes().await.map_err(|error| error.to_string())?;
        return Ok((status, body.to_vec()));
    }
    Err(silent)
}

/// What recon says of some days.
#[derive(Deserialize)]
struct Said {
    open_breaks: i64,
    critical_breaks: i64,
    critical: Vec<String>,
    compared_until: Option<DateTime<Utc>>,
    days_not_run: Vec<NaiveDate>,
}

/// A list of bills, as far as it matters here.
#[derive(Deserialize)]
struct Bills {
    bills: Vec<Bill>,
    next: Option<Value>,
}

#[derive(Deserialize)]
struct Bill {
    channel: String,
    scope: BillScope,
    state: BillState,
}

/// Bills of one day in one answer; a day has a few.
const BILLS_OF_DAY_MAX: u16 = 500;

#[async_trait::async_trait]
impl CloseFacts for AskRecon {
    async fn recon(&self, range: DayRange) -> Result<ReconFacts, UnknownFact> {
        let instant = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let DayRange { first, last, begins_at, ends_at } = range;
        let (begins_at, ends_at) = (instant(begins_at), instant(ends_at));
        let days = format!("first={first}&last={last}&begins_at={begins_at}&ends_at={ends_at}");
        let said: Said = self.get(&format!("/internal/recon/closing?{days}"), Role::Internal).await?;
        let Said { open_breaks, critical_breaks, critical, compared_until, days_not_run } = said;
        Ok(ReconFacts { open_breaks, critical_breaks, critical, compared_until, days_not_run })
    }

    async fn imported_files(&self, day: NaiveDate) -> Result<ImportedFiles, UnknownFact> {
        let path = format!("/v1/finance/bills?day={day}&limit={BILLS_OF_DAY_MAX}");
        let said: Bills = self.get(&path, Role::Auditor).await?;
        if said.next.is_some() {
            return Err(UnknownFact(format!("{day} has more than {BILLS_OF_DAY_MAX} bills")));
        }
        // A balance's movements, and a file that is still coming in, are neither a bill nor a statement; what a bank
        // says is no channel's bill.
        let mut files = ImportedFiles::default();
        for bill in said.bills.into_iter().filter(|bill| bill.state == BillState::Imported) {
            match bill.scope {
                BillScope::Channel => files.channels.push(bill.channel),
                BillScope::Bank => files.banks.push(bill.channel),
                BillScope::Funds => {}
            }
        }
        Ok(files)
    }
}
