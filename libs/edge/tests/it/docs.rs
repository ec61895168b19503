//! OpenAPI: documents of several services merge, our types derive schemas, the page lists operations.

use crate::wire::{answer, get, keys};
use axum::Router;
use edge::{Edge, ProblemDocument, docs_page};
use utoipa::OpenApi;

#[derive(serde::Serialize, utoipa::ToSchema)]
struct Send {
    room: ids::RoomId,
    total_coins: money::Coins,
    share_ppm: money::Ppm,
    role: edge::Role,
}

#[utoipa::path(
    post, path = "/v1/gift-orders", request_body = Send,
    responses((status = 201, description = "The gift was sent.", body = Send), (status = 422, body = ProblemDocument))
)]
#[expect(dead_code, reason = "only its document is read")]
async fn send() {}

/// Lists <em>rooms</em>.
#[utoipa::path(get, path = "/v1/rooms/{room}", params(("room" = ids::RoomId, Path, description = "Which room.")),
    responses((status = 200, description = "The room.", body = Vec<Send>)))]
#[expect(dead_code, reason = "only its document is read")]
async fn room() {}

#[derive(OpenApi)]
#[openapi(info(title = "Largesse", version = "1"), paths(send))]
struct GiftApi;

#[derive(OpenApi)]
#[openapi(paths(room))]
struct RoomApi;

#[tokio::test]
async fn documents_merge_and_are_served_as_json_and_as_a_page() {
    let mut document = GiftApi::openapi();
    document.merge(RoomApi::openapi());
    let router = Edge { openapi: Some(document), ..Edge::new(keys()) }.finish(Router::new());
    let json = answer(&router, get("/openapi.json")).await;
    for part in ["\"/v1/gift-orders\"", "\"/v1/rooms/{room}\"", "\"Problem\"", "application/json"] {
        assert!(json.contains(part), "{part} is missing in {json}");
    }
    let page = answer(&router, get("/docs")).await;
    assert!(page.starts_with("200\ncontent-type: text/html; charset=utf-8"));
    assert!(!page.contains("<em>"), "texts are escaped");
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing is fetched from elsewhere");
    insta::assert_snapshot!(page);
}

#[test]
fn a_text_that_is_no_document_gives_a_page_that_says_so() {
    assert!(docs_page("{").contains("no readable OpenAPI document"));
    assert!(docs_page("[]").contains("<h1>API"));
}
