//! The desk as people use it: over HTTP, with tokens of their roles.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use edge::{Edge, Role, TokenKeys};
use ids::{Uuid, named_id};
use recon::Running;
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt;

/// Somebody with a token.
#[derive(Clone)]
pub struct Person {
    pub sub: Uuid,
    token: String,
}

/// A running recon's routes.
#[derive(Clone)]
pub struct DeskApi {
    router: Router,
    keys: TokenKeys,
}

impl DeskApi {
    pub fn of(running: &Running) -> DeskApi {
        let keys = TokenKeys::from_secret(&[7; 32]).expect("long enough");
        DeskApi { router: Edge::new(keys.clone()).finish(running.router()), keys }
    }

    /// The same name is the same person, in whatever role.
    pub fn person(&self, role: Role, name: &str) -> Person {
        let sub = named_id("finance", name);
        Person { sub, token: self.keys.mint(role, sub, Duration::from_secs(600)).expect("signs") }
    }

    pub async fn get(&self, who: &Person, path: &str) -> (StatusCode, Value) {
        self.send(who, (Method::GET, path), None, &Value::Null).await
    }

    /// Does something to a break under a new key.
    pub async fn act(&self, who: &Person, break_id: &str, act: &str, body: Value) -> (StatusCode, Value) {
        self.act_again(who, break_id, (act, &body), Uuid::now_v7()).await
    }

    /// Does something to a break under a key.
    pub async fn act_again(
        &self,
        who: &Person,
        break_id: &str,
        (act, body): (&str, &Value),
        key: Uuid,
    ) -> (StatusCode, Value) {
        let path = format!("/v1/finance/breaks/{break_id}/{act}");
        self.send(who, (Method::POST, &path), Some(key), body).await
    }

    /// Sends JSON to a path.
    pub async fn post(&self, who: &Person, path: &str, body: &Value) -> (StatusCode, Value) {
        self.send(who, (Method::POST, path), None, body).await
    }

    /// Sends a file.
    pub async fn post_file(&self, who: &Person, path: &str, file: &[u8]) -> (StatusCode, Value) {
        let request = Request::builder().method(Method::POST).uri(path);
        let request = request.header("authorization", format!("Bearer {}", who.token));
        let request = request.body(Body::from(file.to_vec())).expect("good");
        let response = self.router.clone().oneshot(request).await.expect("answers");
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 22).await.expect("a body");
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    /// A text at a path.
    pub async fn get_text(&self, who: &Person, path: &str) -> (StatusCode, String) {
        let request = Request::builder().method(Method::GET).uri(path);
        let request = request.header("authorization", format!("Bearer {}", who.token));
        let response = self.router.clone().oneshot(request.body(Body::empty()).expect("good")).await;
        let response = response.expect("answers");
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 24).await.expect("a body");
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    async fn send(
        &self,
        who: &Person,
        (method, path): (Method, &str),
        key: Option<Uuid>,
        body: &Value,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("authorization", format!("Bearer {}", who.token));
        if let Some(key) = key {
            request = request.header("idempotency-key", key.to_string());
        }
        let body = match body {
            Value::Null => Body::empty(),
            body => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
        };
        let response = self.router.clone().oneshot(request.body(body).expect("good")).await.expect("answers");
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 22).await.expect("a body");
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    /// One break as its page shows it.
    pub async fn detail(&self, who: &Person, break_id: &str) -> Value {
        let (status, detail) = self.get(who, &format!("/v1/finance/breaks/{break_id}")).await;
        assert_eq!(status, StatusCode::OK, "{detail}");
        detail
    }

    /// The only break of a kind.
    pub async fn only_break(&self, who: &Person, kind: &str) -> Value {
        let (status, page) = self.get(who, &format!("/v1/finance/breaks?kind={kind}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let breaks = page["breaks"].as_array().expect("a list").clone();
        assert_eq!(breaks.len(), 1, "{page}");
        breaks[0].clone()
    }

    /// Gives a break to somebody and proposes; returns the proposal's id and digest as an approval's body.
    pub async fn propose(&self, maker: &Person, break_id: &str, action: Value) -> Value {
        let (status, given) =
            self.act(maker, break_id, "assignments", json!({ "assignee_id": maker.sub })).await;
        assert_eq!(status, StatusCode::OK, "{given}");
        let body = json!({ "action": action, "reason": "it is right" });
        let (status, proposed) = self.act(maker, break_id, "proposals", body).await;
        assert_eq!(status, StatusCode::OK, "{proposed}");
        json!({ "proposal_id": proposed["proposal_id"], "digest": proposed["digest"] })
    }
}

/// The slug of a problem.
pub fn slug(problem: &Value) -> &str {
    problem["type"].as_str().unwrap_or_default().trim_start_matches("/problems/")
}
