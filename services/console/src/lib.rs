//! The pages: lobby, room, own history, books, finance's desk. Plain web platform, no build step, nothing from elsewhere.
//!
//! Owns what browsers are sent: markup, style, and small scripts that call the public API like any other
//! client. Must not decide anything about money, and must not reach a service other than through its API:
//! finance's pages are drawn from its answers, asked in process; rooms and gifts come from a [`RoomDirectory`].

mod api;
mod assets;
mod directory;
mod headers;
mod pages;
mod sign_in;

use axum::Router;
use axum::routing::{get, post};
use contracts::log::AccountingZone;
use edge::TokenKeys;
use std::sync::Arc;

pub use directory::RoomDirectory;

/// What kind of installation this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Anybody may sign in as anybody: for development and tests only.
    Development,
    /// Sessions come from elsewhere; the route that makes them does not exist.
    Production,
}

/// What the pages need.
#[derive(Clone)]
pub struct Deps {
    pub directory: Arc<dyn RoomDirectory>,
    /// Signs development sessions.
    pub keys: TokenKeys,
    pub profile: Profile,
    /// The zone of accounting days, and of the times that pages show.
    pub zone: AccountingZone,
    /// The public routes of the API that this process answers or passes on, which pages are drawn from; without
    /// [`edge::Edge::finish`].
    pub api: Router,
}

/// The routes of the pages. Who is signed in is read by `edge`: put the router behind [`edge::Edge::finish`].
pub fn router(deps: Deps) -> Router {
    let mut router = Router::new()
        .route("/", get(pages::lobby::page))
        .route("/rooms/{room_id}", get(pages::room::page))
        .route("/me", get(pages::me::page))
        .route("/books", get(pages::books::page))
        .merge(pages::finance::routes());
    if deps.profile == Profile::Development {
        router = router
            .route("/dev/sign-in", post(sign_in::sign_in))
            .route("/dev/sign-out", post(sign_in::sign_out));
    }
    router.with_state(deps).merge(assets::routes()).layer(axum::middleware::map_response(headers::add))
}
