//! Alive, ready, and the metrics page. None of them passes the admission: they must answer under load.

use crate::Problem;
use crate::edge::{Edge, wrong_method};
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What must hold before traffic may come. Clones share the list.
#[derive(Clone, Default)]
pub struct Readiness {
    checks: Arc<RwLock<Vec<(&'static str, Check)>>>,
    weak: Arc<RwLock<Vec<(&'static str, Check)>>>,
}

impl Readiness {
    /// Adds a named check: `Err` says in one sentence why this is not ready. It must not wait.
    pub fn check(&self, name: &'static str, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        let mut checks = self.checks.write().unwrap_or_else(PoisonError::into_inner);
        checks.push((name, Arc::new(check)));
    }

    /// Adds a named check of something that may be away: it is reported, and this stays ready.
    pub fn weak(&self, name: &'static str, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        self.weak.write().unwrap_or_else(PoisonError::into_inner).push((name, Arc::new(check)));
    }

    /// Adds a flag, not ready until it is set.
    pub fn flag(&self, name: &'static str) -> ReadyFlag {
        let flag = ReadyFlag(Arc::default());
        let seen = flag.clone();
        self.check(
            name,
            move || if seen.is_set() { Ok(()) } else { Err("not started yet, or stopping".to_owned()) },
        );
        flag
    }

    /// What is not ready, with the reason; empty when everything is.
    pub fn not_ready(&self) -> Vec<(&'static str, String)> {
        failing(&self.checks)
    }

    /// What is away and can be done without, with the reason.
    pub fn weakened(&self) -> Vec<(&'static str, String)> {
        failing(&self.weak)
    }
}

fn failing(checks: &RwLock<Vec<(&'static str, Check)>>) -> Vec<(&'static str, String)> {
    // Checks run outside the lock, so that a check may add another.
    let checks = checks.read().unwrap_or_else(PoisonError::into_inner).clone();
    checks.iter().filter_map(|(name, check)| Some((*name, check().err()?))).collect()
}

/// One part's own word that it is ready. Clones share it.
#[derive(Clone, Debug)]
pub struct ReadyFlag(Arc<AtomicBool>);

impl ReadyFlag {
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn clear(&self) {
        self.0.store(false, Ordering::Release);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

pub(crate) fn routes(edge: &Edge) -> Router {
    let (readiness, render) = (edge.readiness.clone(), Arc::clone(&edge.render_metrics));
    Router::new()
        .route("/healthz", get(async || axum::Json(json!({ "alive": true }))))
        .route("/readyz", get(async move || readyz(&readiness)))
        .route(
            "/metrics",
            get(async move || {
                ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render())
            }),
        )
        .method_not_allowed_fallback(wrong_method)
}

fn readyz(readiness: &Readiness) -> Response {
    let listed = |failing: Vec<(&'static str, String)>| -> Vec<serde_json::Value> {
        failing.into_iter().map(|(name, reason)| json!({ "name": name, "reason": reason })).collect()
    };
    let (not_ready, weakened) = (listed(readiness.not_ready()), listed(readiness.weakened()));
    if not_ready.is_empty() && weakened.is_empty() {
        return axum::Json(json!({ "ready": true })).into_response();
    }
    if not_ready.is_empty() {
        return axum::Json(json!({ "ready": true, "weakened": weakened })).into_response();
    }
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Some parts are not ready yet.")
        .with("not_ready", not_ready)
        .into_response()
}
