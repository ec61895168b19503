//! The catalogue and rooms: what ships is valid, what breaks the rules is refused by name.

use crate::bench::{BOX, Bench, Call, ROSE};
use axum::http::StatusCode;
use edge::Role;
use gift::{CatalogueFile, DEFAULT_CATALOGUE};
use ids::{RoomId, StreamerId, Uuid};
use serde_json::{Value, json};

#[tokio::test]
async fn the_catalogue_that_ships_is_taken_and_names_its_source() {
    let file: CatalogueFile = serde_json::from_str(DEFAULT_CATALOGUE).expect("it is a catalogue");
    assert!(file.gifts.len() >= 50 && !file.source.is_empty() && file.version >= 1);
    let bench = Bench::open().await;
    let mut node = bench.start().await;
    let token = bench.token(Role::Sre, Uuid::now_v7());
    for pass in 0..2 {
        for gift in file.gifts.iter().filter(|gift| gift.outcomes.is_empty() == (pass == 0)) {
            let body = serde_json::to_value(gift).expect("plain");
            let (status, saved) = node.call(Call::post("/v1/gifts").token(&token).json(&body)).await;
            assert_eq!(status, StatusCode::OK, "{saved}");
        }
    }
    node.kill();
    node = bench.start().await;
    let (_, catalogue) = node.call(Call::get("/v1/gifts")).await;
    assert_eq!(
        catalogue["gifts"].as_array().map(Vec::len),
        Some(file.gifts.len() + 4),
        "a restart seeds nothing"
    );
}

#[tokio::test]
async fn a_change_is_seen_at_once_and_odds_are_published() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let (status, before) = node.call(Call::get("/v1/gifts")).await;
    assert_eq!(status, StatusCode::OK);
    let find = |catalogue: &Value, id: u32| {
        let gifts = catalogue["gifts"].as_array().expect("a list").clone();
        gifts.into_iter().find(|gift| gift["gift_id"] == id).expect("the gift")
    };
    let odds: Vec<u64> = find(&before, BOX)["outcomes"]
        .as_array()
        .expect("odds")
        .iter()
        .filter_map(|o| o["odds_ppm"].as_u64())
        .collect();
    assert_eq!(odds, [900_000, 100_000]);
    let mut rose = find(&before, ROSE);
    rose["price_coins"] = 11.into();
    let token = bench.token(Role::Sre, Uuid::now_v7());
    let (status, saved) = node.call(Call::post("/v1/gifts").token(&token).json(&rose)).await;
    assert_eq!(status, StatusCode::OK, "{saved}");
    let (_, after) = node.call(Call::get("/v1/gifts")).await;
    assert_eq!(find(&after, ROSE)["price_coins"], 11);
    assert_eq!((&after["version"], before["version"].as_i64()), (&saved["version"], Some(1)));
    assert_eq!(saved["version"], 2);
}

#[tokio::test]
async fn entries_that_break_the_rules_are_refused_by_name() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let token = bench.token(Role::Sre, Uuid::now_v7());
    let gift = |change: Value| {
        let mut gift = json!({"gift_id": 9, "name": "Star", "glyph": "⭐", "list_price_coins": 5, "price_coins": 5,
            "kind": "paid"});
        for (field, value) in change.as_object().expect("an object") {
            gift[field] = value.clone();
        }
        gift
    };
    let odds = |ppm: i64| json!([{"gift_id": 1, "value_coins": 1, "odds_ppm": ppm}]);
    let cases = [
        (json!({"name": ""}), 422, "bad-field"),
        (json!({"name": "x".repeat(65)}), 422, "bad-field"),
        (json!({"name": "a\nb"}), 422, "bad-field"),
        (json!({"price_coins": 6}), 422, "bad-field"),
        (json!({"price_coins": 0}), 422, "bad-field"),
        (json!({"kind": "free"}), 422, "bad-field"),
        (
            json!({"list_price_coins": 1_000_000_000_000_000_i64, "price_coins": 1_000_000_000_000_000_i64}),
            422,
            "bad-field",
        ),
        (json!({"price_coins": -1}), 400, "field-invalid"),
        (json!({"price_coins": 1.5}), 400, "field-invalid"),
        (json!({"colour": "red"}), 400, "field-unknown"),
        (json!({"kind": "blind_box"}), 422, "bad-field"),
        (json!({"kind": "blind_box", "outcomes": odds(999_999)}), 422, "bad-field"),
        (json!({"outcomes": odds(1_000_000)}), 422, "bad-field"),
        (
            json!({"kind": "blind_box", "outcomes":
            [{"gift_id": 77, "value_coins": 1, "odds_ppm": 1_000_000}]}),
            422,
            "unknown-reveal",
        ),
    ];
    for (change, status, slug) in cases {
        let (seen, problem) =
            node.call(Call::post("/v1/gifts").token(&token).json(&gift(change.clone()))).await;
        let expected = format!("/problems/{slug}");
        assert_eq!(
            (seen.as_u16(), problem["type"].as_str()),
            (status, Some(&*expected)),
            "{change}: {problem}"
        );
    }
    let viewer = bench.token(Role::Viewer, Uuid::now_v7());
    let (status, _) = node.call(Call::post("/v1/gifts").token(&viewer).json(&gift(json!({})))).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn rooms_are_listed_opened_and_closed() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let token = bench.token(Role::Sre, Uuid::now_v7());
    let room_id = RoomId::now();
    let room = |state: &str, title: &str| json!({"room_id": room_id, "streamer_id": StreamerId::now(), "title": title, "state": state});
    let save = |room: Value| node.call(Call::post("/v1/rooms").token(&token).json(&room));
    assert_eq!(save(room("live", "Finals")).await.0, StatusCode::OK);
    let (_, found) = node.call(Call::get(format!("/v1/rooms/{room_id}"))).await;
    assert_eq!((&found["title"], &found["state"]), (&"Finals".into(), &"live".into()));
    assert_eq!(save(room("closed", "Finals")).await.0, StatusCode::OK);
    let (_, rooms) = node.call(Call::get("/v1/rooms")).await;
    let listed =
        rooms["rooms"].as_array().expect("a list").iter().find(|r| r["room_id"] == room_id.to_string());
    assert_eq!(listed.expect("listed")["state"], "closed");
    assert_eq!(save(room("paused", "Finals")).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(save(room("live", "")).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(save(room("live", "bell\u{7}")).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(node.call(Call::get(format!("/v1/rooms/{}", RoomId::now()))).await.0, StatusCode::NOT_FOUND);
    assert_eq!(node.call(Call::get("/v1/rooms/7")).await.0, StatusCode::BAD_REQUEST);
}
