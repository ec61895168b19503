//! Styles, scripts and the icon: compiled in, each with a tag of its content, asked for again each time.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

macro_rules! assets {
    ($($kind:ident $name:literal,)*) => {
        const ASSETS: &[Asset] = &[$(Asset {
            path: concat!("/assets/", $name),
            kind: $kind,
            text: include_str!(concat!("../assets/", $name)),
        }),*];
    };
}

#[derive(Clone, Copy)]
struct Asset {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

assets! {
    STYLE "base.css",
    STYLE "parts.css",
    STYLE "room.css",
    STYLE "effects.css",
    STYLE "desk.css",
    PICTURE "icon.svg",
    SCRIPT "act.js",
    SCRIPT "api.js",
    SCRIPT "approvals.js",
    SCRIPT "batch.js",
    SCRIPT "books.js",
    SCRIPT "break-acts.js",
    SCRIPT "break.js",
    SCRIPT "breaks.js",
    SCRIPT "close.js",
    SCRIPT "combo.js",
    SCRIPT "decide.js",
    SCRIPT "desk.js",
    SCRIPT "effects.js",
    SCRIPT "fresh.js",
    SCRIPT "gifts.js",
    SCRIPT "history.js",
    SCRIPT "inbox-keys.js",
    SCRIPT "lobby.js",
    SCRIPT "me.js",
    SCRIPT "money.js",
    SCRIPT "outbox.js",
    SCRIPT "panel.js",
    SCRIPT "payouts.js",
    SCRIPT "ranks.js",
    SCRIPT "recharge.js",
    SCRIPT "refunds.js",
    SCRIPT "room.js",
    SCRIPT "rules.js",
    SCRIPT "run.js",
    SCRIPT "runs.js",
    SCRIPT "session.js",
    SCRIPT "stream.js",
    SCRIPT "today.js",
    SCRIPT "wallet.js",
    SCRIPT "words.js",
}

/// One route per asset.
pub(crate) fn routes() -> Router {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        let tag = tag_of(asset.text);
        router.route(asset.path, get(move |headers: HeaderMap| serve(*asset, tag, headers)))
    })
}

async fn serve(asset: Asset, tag: HeaderValue, headers: HeaderMap) -> Response {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| *value == tag);
    let caching = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")), // Keep it, and ask whether it changed.
    ];
    if known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, asset.kind)], asset.text).into_response()
}

fn tag_of(text: &str) -> HeaderValue {
    let digest = Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    // Hexadecimal digits in quotes are always a header's value.
    HeaderValue::try_from(format!("\"{hex}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}
