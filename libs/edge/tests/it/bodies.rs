//! Bodies, paths and queries: what is refused is named.

use crate::wire::{answer, finished, get, post_json};
use axum::Router;
use axum::body::Body;
use axum::routing::{get as on_get, post as on_post};
use edge::{Json, Path, Query};
use http::Request;
use ids::RoomId;
use proptest::prelude::*;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    gift: Gift,
    quantity: u32,
    total: Option<money::Coins>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Gift {
    id: u32,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: u16,
    after: Option<i64>,
}

fn router() -> Router {
    let send = async |Json(send): Json<Send>| {
        let total = send.total.map(money::Coins::get);
        format!("{} x {} = {total:?}", send.gift.id, send.quantity)
    };
    let room = async |Path(room): Path<RoomId>| room.to_string();
    let two = async |Path((room, n)): Path<(RoomId, u8)>| format!("{room} {n}");
    let list = async |Query(page): Query<Page>| format!("{} {:?}", page.limit, page.after);
    finished(
        Router::new()
            .route("/send", on_post(send))
            .route("/rooms/{room}", on_get(room))
            .route("/rooms/{room}/{n}", on_get(two))
            .route("/list", on_get(list)),
    )
}

#[tokio::test]
async fn a_body_that_does_not_fit_names_the_field_and_the_reason() {
    let router = router();
    let mut all = String::new();
    for body in [
        r#"{"gift":{"id":1},"quantity":2,"total":9}"#,
        r#"{"gift":{"id":1},"quantity":2"#,
        r#"{"gift":{"id":1},"quantity":2} trailing"#,
        "",
        "[]",
        "null",
        r#"{"gift":{"id":1},"quantity":2.5}"#,
        r#"{"gift":{"id":1},"quantity":"2"}"#,
        r#"{"gift":{"id":1},"quantity":-1}"#,
        r#"{"gift":{"id":1},"quantity":1e9}"#,
        r#"{"gift":{"id":1},"quantity":99999999999}"#,
        r#"{"gift":{"id":"rose"},"quantity":2}"#,
        r#"{"gift":{"id":1,"price":1},"quantity":2}"#,
        r#"{"gift":{"id":1},"quantity":2,"price":1}"#,
        r#"{"gift":{},"quantity":2}"#,
        r#"{"gift":{"id":1}}"#,
        r#"{"gift":{"id":1},"quantity":2,"quantity":3}"#,
        r#"{"gift":{"id":1},"quantity":2,"total":1000000000000001}"#,
        r#"{"gift":{"id":1},"quantity":2,"total":1.0}"#,
    ] {
        all += &format!("{body}\n{}\n\n", answer(&router, post_json("/send", body)).await);
    }
    insta::assert_snapshot!(all);
}

#[tokio::test]
async fn only_json_is_read_as_json() {
    let router = router();
    let body = r#"{"gift":{"id":1},"quantity":2}"#;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        let request = Request::post("/send").header("content-type", kind).body(Body::from(body));
        let answered = answer(&router, request.expect("a good request")).await;
        assert!(
            answered.starts_with("415") && answered.contains("content-type-not-json"),
            "{kind}: {answered}"
        );
    }
    for kind in ["application/json; charset=utf-8", "Application/JSON"] {
        let request = Request::post("/send").header("content-type", kind).body(Body::from(body));
        assert!(answer(&router, request.expect("a good request")).await.starts_with("200"), "{kind}");
    }
}

#[tokio::test]
async fn paths_and_queries_name_what_they_refuse() {
    let router = router();
    let room = "019a0000-0000-7000-8000-000000000001";
    let mut all = String::new();
    for uri in [
        format!("/rooms/{room}"),
        "/rooms/7".to_owned(),
        "/rooms/%FF".to_owned(),
        format!("/rooms/{room}/300"),
        "/list?limit=5&after=-3".to_owned(),
        "/list".to_owned(),
        "/list?limit=many".to_owned(),
        "/list?limit=70000".to_owned(),
        "/list?limit=1&page=2".to_owned(),
        "/list?limit=1&limit=2".to_owned(),
    ] {
        all += &format!("{uri}\n{}\n\n", answer(&router, get(&uri)).await);
    }
    insta::assert_snapshot!(all);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_body_makes_the_edge_fail_or_stay_silent(body in "\\PC{0,80}|[\\[\\]{}\":,0-9a-z]{0,80}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let answered = runtime.block_on(answer(&router(), post_json("/send", &body)));
        prop_assert!(answered.starts_with("400"), "{body} gave {answered}");
        prop_assert!(answered.contains("application/problem+json"));
    }

    #[test]
    fn no_query_makes_the_edge_fail(query in "[a-z0-9=&%+]{0,60}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let answered = runtime.block_on(answer(&router(), get(&format!("/list?{query}"))));
        prop_assert!(answered.starts_with("400") || answered.starts_with("200"), "{query} gave {answered}");
    }
}
