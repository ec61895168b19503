//! What pages and assets are, as they come over the wire.

use crate::stub;
use axum::body::{Body, to_bytes};
use axum::response::Response;
use console::Profile;
use futures::future::poll_fn;
use http::{Request, StatusCode, header};

async fn ask(profile: Profile, request: Request<Body>) -> Response {
    use tower::Service as _;
    let mut router = stub::router(profile);
    poll_fn(|cx| tower::Service::<Request<Body>>::poll_ready(&mut router, cx)).await.expect("ready");
    router.call(request).await.expect("an answer")
}

async fn get(path: &str) -> Response {
    ask(Profile::Development, Request::get(path).body(Body::empty()).expect("a request")).await
}

async fn text(response: Response) -> String {
    let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    String::from_utf8(body.to_vec()).expect("text")
}

fn sign_in(role: &str) -> Request<Body> {
    let body = Body::from(format!("{{\"name\":\"ann\",\"role\":\"{role}\"}}"));
    Request::post("/dev/sign-in")
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
        .expect("a request")
}

#[tokio::test]
async fn every_page_forbids_inline_scripts_and_foreign_sources_and_has_none() {
    let room = format!("/rooms/{}", crate::sample::room_id(0));
    let usual = ["/", "/me", "/books", room.as_str(), "/rooms/nowhere"];
    for path in usual.into_iter().chain(crate::finance_stub::PAGES) {
        let response = get(path).await;
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let page = text(response).await;
        assert!(page.contains("<title>"), "{path} is no page: {page}");
        for forbidden in ["style=", "onclick=", "http://", "https://", "<style", "javascript:"] {
            assert!(!page.contains(forbidden), "{path} has {forbidden}");
        }
    }
}

#[tokio::test]
async fn a_title_that_is_markup_stays_text() {
    let page = text(get("/").await).await;
    assert!(!page.contains("<script>alert"), "a title became markup");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[tokio::test]
async fn scripts_put_nothing_on_a_page_but_text_and_stay_small() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");
    let mut scripts = 0;
    for file in std::fs::read_dir(folder).expect("the assets") {
        let path = file.expect("an asset").path();
        let source = std::fs::read_to_string(&path).expect("text");
        assert!(source.lines().count() < 300, "{} is too long", path.display());
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        assert_eq!(get(&format!("/assets/{name}")).await.status(), StatusCode::OK, "{name} is not served");
        if name.ends_with(".js") {
            scripts += 1;
            for forbidden in
                ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "new Function"]
            {
                assert!(!source.contains(forbidden), "{name} uses {forbidden}");
            }
        }
    }
    assert!(scripts > 10, "only {scripts} scripts were looked at");
}

#[tokio::test]
async fn an_asset_the_browser_has_is_not_sent_again() {
    let first = get("/assets/room.js").await;
    let tag = first.headers()[header::ETAG].clone();
    let again = Request::get("/assets/room.js").header(header::IF_NONE_MATCH, &tag).body(Body::empty());
    let again = ask(Profile::Development, again.expect("a request")).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(text(again).await, "");
    let other = Request::get("/assets/api.js").header(header::IF_NONE_MATCH, &tag).body(Body::empty());
    assert_eq!(ask(Profile::Development, other.expect("a request")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn development_sign_in_does_not_exist_in_production() {
    assert_eq!(ask(Profile::Development, sign_in("viewer")).await.status(), StatusCode::OK);
    assert_eq!(ask(Profile::Production, sign_in("viewer")).await.status(), StatusCode::NOT_FOUND);
    let lobby = Request::get("/").body(Body::empty()).expect("a request");
    let page = text(ask(Profile::Production, lobby).await).await;
    assert!(!page.contains("sign-in-form"), "production offers development sign-in");
}

#[tokio::test]
async fn sign_in_sets_a_session_that_scripts_cannot_read() {
    let response = ask(Profile::Development, sign_in("finance")).await;
    let cookies: Vec<&str> = response
        .headers()
        .get_all(header::SET_COOKIE)
        .iter()
        .map(|cookie| cookie.to_str().expect("text"))
        .collect();
    let session = cookies.iter().find(|cookie| cookie.starts_with("largesse_session=")).expect("a session");
    assert!(session.contains("HttpOnly") && session.contains("SameSite"), "{session}");
    let csrf = cookies.iter().find(|cookie| cookie.starts_with("largesse_csrf=")).expect("a CSRF value");
    assert!(!csrf.contains("HttpOnly"), "{csrf}");

    let cookie = session.split(';').next().expect("a pair");
    let books = Request::get("/books").header(header::COOKIE, cookie).body(Body::empty()).expect("a request");
    let page = text(ask(Profile::Development, books).await).await;
    assert!(page.contains("Trial balance"), "finance may not read the books: {page}");
    assert!(!text(get("/books").await).await.contains("Trial balance"), "anybody may read the books");
}

#[tokio::test]
async fn a_wrong_name_or_role_is_refused() {
    for body in [r#"{"name":" "}"#, r#"{"name":"a","role":"root"}"#, r#"{"name":"a\u0000b"}"#, "{"] {
        let request = Request::post("/dev/sign-in").header(header::CONTENT_TYPE, "application/json");
        let response = ask(Profile::Development, request.body(Body::from(body)).expect("a request")).await;
        assert!(response.status().is_client_error(), "{body} was taken: {}", response.status());
    }
    let form = Request::post("/dev/sign-in").header(header::CONTENT_TYPE, "text/plain");
    let form = form.body(Body::from(r#"{"name":"ann"}"#)).expect("a request");
    assert!(ask(Profile::Development, form).await.status().is_client_error(), "a foreign form could sign in");
}
