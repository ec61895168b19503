//! The HTTP edge: bearer tokens, problems, idempotency keys, health, trace context.
//!
//! Owns how every service speaks HTTP: who asks ([`Viewer`], [`Finance`], …), what they sent ([`Json`],
//! [`Query`], [`Path`], [`IdempotencyKey`]), and what they are told when it fails ([`Problem`]). Services
//! build plain `axum::Router`s; [`Edge::finish`] puts the standard layers around the merged router once.
//! Must not know any service.

mod body;
mod cookies;
mod docs;
mod edge;
mod extract;
mod health;
mod key;
mod page;
mod problem;
mod route_metrics;
mod serve;
mod standard;
mod token;
mod who;

pub use crate::edge::{BODY_LEN_MAX, Edge, ask_of};
pub use body::{Json, RawBody};
pub use cookies::{CSRF_COOKIE, CSRF_HEADER, SESSION_COOKIE, SessionCookies, end_session};
pub use docs::{docs_page, docs_routes};
pub use extract::{Path, Query};
pub use health::{Readiness, ReadyFlag};
pub use key::{IDEMPOTENCY_KEY_HEADER, IdempotencyKey, KeyAge, KeyAgeError};
pub use page::page_len;
pub use problem::{Problem, ProblemDocument};
pub use serve::{ListenError, Served, listen, serve};
pub use token::{Claims, Role, TokenError, TokenKeys};
pub use who::{
    AnyRole, Finance, FinanceChecker, FinanceMaker, FinanceOrSre, FinanceReader, FinanceWorker, Internal,
    InternalOrSre, Sre, TenantViewer, Viewer,
};
