//! Finance at clearing's routes, with a recon that says what a test decides.

use crate::database::Bench;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use chrono::{DateTime, Days, NaiveDate, Utc};
use clearing::{CloseFacts, Config, DayRange, ImportedFiles, ReconFacts, Running, UnknownFact};
use contracts::log::{AccountingZone, Stamp};
use edge::{Edge, Role, TokenKeys};
use ids::{PeriodRequestId, Uuid};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower::ServiceExt;

/// What recon says.
#[derive(Clone, Debug)]
pub struct Said {
    pub recon: Result<ReconFacts, UnknownFact>,
    pub files: Result<ImportedFiles, UnknownFact>,
}

/// A recon in memory.
#[derive(Clone)]
pub struct FakeRecon(Arc<Mutex<Said>>);

impl FakeRecon {
    /// One that knows of nothing wrong.
    fn content() -> FakeRecon {
        let files = ImportedFiles { channels: vec!["sandbox".to_owned()], banks: vec![] };
        let recon = Ok(ReconFacts { compared_until: Some(Utc::now()), ..ReconFacts::default() });
        FakeRecon(Arc::new(Mutex::new(Said { recon, files: Ok(files) })))
    }

    pub fn say(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.0.lock().expect("no test panics here"));
    }
}

#[async_trait::async_trait]
impl CloseFacts for FakeRecon {
    async fn recon(&self, _range: DayRange) -> Result<ReconFacts, UnknownFact> {
        self.0.lock().expect("no test panics here").recon.clone()
    }

    async fn imported_files(&self, _day: NaiveDate) -> Result<ImportedFiles, UnknownFact> {
        self.0.lock().expect("no test panics here").files.clone()
    }
}

/// Clearing at work, and whoever asks it.
pub struct Desk {
    pub bench: Bench,
    pub running: Running,
    pub recon: FakeRecon,
    keys: TokenKeys,
    router: Router,
}

/// A person of finance.
#[derive(Clone, Copy)]
pub struct Person {
    pub role: Role,
    pub id: Uuid,
}

pub fn maker() -> Person {
    Person { role: Role::FinanceMaker, id: Uuid::now_v7() }
}

pub fn checker() -> Person {
    Person { role: Role::FinanceChecker, id: Uuid::now_v7() }
}

/// A day that is over: so many days before today.
pub fn past(days_ago: u64) -> NaiveDate {
    let today = AccountingZone::default().day_of(Utc::now());
    today.checked_sub_days(Days::new(days_ago)).expect("a day")
}

/// A stamp of a day that is over.
pub fn stamp_of(partition: u8, day: NaiveDate) -> Stamp {
    Stamp { day, ..crate::ledger::stamp(partition, 0) }
}

impl Desk {
    pub async fn open() -> Desk {
        Desk::open_with(|_| {}).await
    }

    pub async fn open_with(tune: impl FnOnce(&mut Config)) -> Desk {
        let bench = Bench::open().await;
        let mut config = bench.config();
        tune(&mut config);
        let running = bench.start_with("a", config).await;
        let recon = FakeRecon::content();
        let keys = TokenKeys::from_secret(&[7; 32]).expect("long enough");
        let own = running.finance_router(Arc::new(recon.clone()), AccountingZone::default());
        let router = Edge::new(keys.clone()).finish(running.router().merge(own));
        Desk { bench, running, recon, keys, router }
    }

    /// The answer's status, content type and body.
    pub async fn fetch(&self, who: Person, path: &str) -> (StatusCode, String, Vec<u8>) {
        self.send(who, (Method::GET, path), None).await
    }

    async fn send(
        &self,
        who: Person,
        (method, path): (Method, &str),
        body: Option<&Value>,
    ) -> (StatusCode, String, Vec<u8>) {
        let token = self.keys.mint(who.role, who.id, Duration::from_secs(60)).expect("signs");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
            .expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        let (status, kind) = (response.status(), kind.unwrap_or_default().to_owned());
        (status, kind, to_bytes(response.into_body(), 1 << 24).await.expect("a body").to_vec())
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, _, body) = self.fetch(maker(), path).await;
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(status, StatusCode::OK, "{path}: {body:#}");
        body
    }

    /// Asks for a step under an id: the status and the answer.
    pub async fn ask(
        &self,
        who: Person,
        period: &str,
        step: &str,
        request_id: PeriodRequestId,
    ) -> (StatusCode, Value) {
        let body = json!({ "request_id": request_id, "reason": "a test" });
        let path = format!("/v1/finance/periods/{period}/{step}");
        let (status, _, answer) = self.send(who, (Method::POST, &path), Some(&body)).await;
        (status, serde_json::from_slice(&answer).expect("JSON"))
    }

    /// The slug of a refused step.
    pub async fn refused(&self, who: Person, period: &str, step: &str) -> String {
        let (status, problem) = self.ask(who, period, step, PeriodRequestId::now()).await;
        assert!(status.is_client_error(), "{step} of {period} was taken: {problem}");
        problem["type"].as_str().expect("a slug").rsplit('/').next().expect("a slug").to_owned()
    }

    pub async fn soft_lock(&self, period: &str) {
        let (status, answer) = self.ask(maker(), period, "soft-lock", PeriodRequestId::now()).await;
        assert_eq!((status, &answer["state"]), (StatusCode::OK, &"done".into()), "{answer}");
    }

    /// Two people take a step.
    pub async fn agree(&self, period: &str, step: &str) {
        let (status, answer) = self.ask(maker(), period, step, PeriodRequestId::now()).await;
        assert_eq!((status, &answer["state"]), (StatusCode::OK, &"waiting".into()), "{answer}");
        let (status, answer) = self.ask(checker(), period, step, PeriodRequestId::now()).await;
        assert_eq!((status, &answer["state"]), (StatusCode::OK, &"done".into()), "{answer}");
    }

    /// Locks, and closes by two people, once everything up to now is posted.
    pub async fn close(&self, period: &str) {
        self.soft_lock(period).await;
        self.catch_up(Utc::now()).await;
        self.agree(period, "close").await;
    }

    /// Waits until everything before an instant is posted, by the word of all four logs.
    pub async fn catch_up(&self, until: DateTime<Utc>) {
        let until = DateTime::from_timestamp(until.timestamp(), 0).expect("in range"); // As exact as tables are.
        let bench = &self.bench;
        bench.payments.close(until);
        bench.entries.close(until);
        bench.items.close(until);
        bench.payouts.close(until);
        bench.until("vouchers are whole", || async { bench.closed_until_min().await >= until }).await;
    }

    /// What a checklist says of its lines: name and state.
    pub async fn lines(&self, period: &str) -> Vec<(String, String)> {
        let list = self.get(&format!("/v1/finance/periods/{period}/checklist")).await;
        let word = |value: &Value| value.as_str().expect("a word").to_owned();
        let lines = list["lines"].as_array().expect("lines");
        lines.iter().map(|line| (word(&line["name"]), word(&line["state"]))).collect()
    }

    /// The names of a checklist's lines that do not pass.
    pub async fn blocking(&self, period: &str) -> Vec<String> {
        let lines = self.lines(period).await.into_iter();
        lines.filter(|(_, state)| state != "passed").map(|(name, _)| name).collect()
    }

    pub async fn state_of(&self, day: NaiveDate) -> String {
        let list = self.get("/v1/finance/periods?limit=500").await;
        let days = list["periods"].as_array().expect("days");
        let found = days.iter().find(|found| found["day"] == day.to_string()).expect("the day");
        found["state"].as_str().expect("a state").to_owned()
    }

    /// Original day and posted day of every voucher, in the order they were made.
    pub async fn voucher_days(&self) -> Vec<(NaiveDate, NaiveDate)> {
        let sql =
            self.bench.db.sql("SELECT day, posted_day FROM {s}.vouchers ORDER BY decided_at, partition, seq");
        sqlx::query_as(sql).fetch_all(self.bench.db.pool()).await.expect("reads")
    }

    pub async fn end(self) {
        self.bench.prove().await;
        self.running.shutdown().await;
    }
}
