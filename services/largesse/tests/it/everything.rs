//! The whole product: browsers against the real thing, real servers behind it, and bad input that leaves no mark.

use crate::evening::is_long;
use crate::place::{Place, free_address, short_evening, text, wait_until_ready};
use crate::{cutter::Loses, steps};
use chaos::Victim;
use ids::named_id;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::net::SocketAddr;
use testkit::Chromium;

/// A cheap gift and a large one of the default catalogue.
const CHEAP: u32 = 1101;
const LARGE: u32 = 1145;

struct Up {
    place: Place,
    address: SocketAddr,
    process: Victim,
}

impl Up {
    async fn start(more: &[&str]) -> Up {
        let (place, address) = (Place::new(), free_address());
        let (data_dir, listen) = (place.data_dir(), address.to_string());
        let words = [&["up", "--data-dir", text(&data_dir), "--listen", &listen], more].concat();
        let process = place.start(&words, &[]);
        wait_until_ready(address).await;
        Up { place, address, process }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn token(&self, role: &str, sub: &str) -> String {
        let data_dir = self.place.data_dir();
        let words = ["token", "--role", role, "--sub", sub, "--data-dir", text(&data_dir)];
        self.place.run(&words, &[]).await.stdout.trim().to_owned()
    }

    /// Kills the process and proves the books it leaves.
    async fn kill_and_check(self) {
        let was_running = self.process.kill_after(std::time::Duration::ZERO).await.expect("killed");
        assert!(was_running, "the process had died");
        // What was accepted a moment ago is finished by the next start; the check wants the end of the story.
        let data_dir = self.place.data_dir();
        let evening = self.place.file("nothing.jsonl");
        short_evening(&evening, 1);
        let finished = self.place.run(&["replay", text(&evening), "--data-dir", text(&data_dir)], &[]).await;
        assert!(finished.status.success(), "{}", finished.stderr);
        let check = self.place.run(&["check", "--data-dir", text(&data_dir)], &[]).await;
        assert!(check.status.success(), "{}\n{}", check.stdout, check.stderr);
    }
}

fn room() -> String {
    named_id("room", "aria").to_string()
}

#[tokio::test]
async fn two_browsers_in_one_room_see_one_gift_and_the_balance_falls_once() {
    let (up, chromium) = (Up::start(&[]).await, Chromium::start().expect("a WebDriver"));
    let base = up.url("");
    steps::both_see_one_gift(&chromium, &base, &room(), CHEAP).await;
    steps::a_lost_answer_charges_once(&chromium, &base, &room(), CHEAP).await;
    steps::a_large_gift_asks_first(&chromium, &base, &room(), LARGE).await;
    // The short form walks these with the console's own suite, in front of a stub.
    if is_long() {
        for loses in [Loses::Answers, Loses::Sends] {
            steps::a_reload_finishes_what_was_lost(&chromium, &base, &room(), CHEAP, loses).await;
        }
        steps::a_refusal_is_told_in_words(&chromium, &base, &room(), CHEAP).await;
        steps::pages_fit_a_phone(&chromium, &base, &room()).await;
    }
    up.kill_and_check().await;
}

#[tokio::test]
async fn on_real_servers_a_replayed_evening_ends_in_closed_books() {
    let database = testkit::postgres().await.fresh_database().await;
    let (redis, amqp) = (testkit::redis_url().await, testkit::amqp_url().await);
    let up = Up::start(&["--database", database.url(), "--redis", &redis, "--amqp", &amqp]).await;
    let evening = up.place.file("evening.jsonl");
    short_evening(&evening, 3_000);
    let (data_dir, url) = (up.place.data_dir(), up.url(""));
    let words = ["replay", text(&evening), "--url", &url, "--data-dir", text(&data_dir)];
    let replayed = up.place.run(&words, &[]).await;
    assert!(replayed.status.success(), "{}", replayed.stderr);
    up.place.closed_books(database.url()).await;
}

#[tokio::test]
async fn bad_input_is_a_typed_problem_and_the_process_lives() {
    let up = Up::start(&[]).await;
    let client = Client::new();
    let token = up.token("viewer", "ann").await;
    let send = |key: String, body: String| {
        let request = client.post(up.url("/v1/gift-orders")).bearer_auth(&token);
        request.header("Idempotency-Key", key).header("Content-Type", "application/json").body(body)
    };
    let fresh = || ids::SendKey::now().to_string();
    let body =
        |quantity: Value| json!({"room_id": room(), "gift_id": CHEAP, "quantity": quantity}).to_string();
    let other_room =
        json!({"room_id": named_id("room", "nobody"), "gift_id": CHEAP, "quantity": 1}).to_string();
    let other_gift = json!({"room_id": room(), "gift_id": 4_000_000_000_u32, "quantity": 1}).to_string();
    let priced = json!({"room_id": room(), "gift_id": CHEAP, "quantity": 1, "price_coins": 1}).to_string();
    let old_key = "01890000-0000-7000-8000-000000000001".to_owned();
    let future_key = "0fff0000-0000-7000-8000-000000000001".to_owned();
    for (name, key, body, expected) in [
        ("cut JSON", fresh(), "{\"room_id\":".to_owned(), "malformed"),
        ("quantity 0", fresh(), body(json!(0)), "quantity"),
        ("quantity 10^9", fresh(), body(json!(1_000_000_000)), "quantity"),
        ("a float", fresh(), body(json!(1.5)), "field-invalid"),
        ("a string", fresh(), body(json!("1")), "field-invalid"),
        ("an unknown room", fresh(), other_room, "room"),
        ("an unknown gift", fresh(), other_gift, "gift"),
        ("a price of the client's", fresh(), priced, "price_coins"),
        ("a key too old", old_key, body(json!(1)), "key-too-old"),
        ("a key from the future", future_key, body(json!(1)), "key-from-the-future"),
        ("a key that is none", "x".to_owned(), body(json!(1)), "key-malformed"),
        ("no coins", fresh(), body(json!(9_999)), "not-enough-coins"),
    ] {
        let answer = send(key, body).send().await.expect("an answer");
        let (status, problem) = (answer.status(), answer.text().await.expect("a body"));
        assert!(status.is_client_error(), "{name}: {status} {problem}");
        assert!(problem.contains(expected), "{name}: {problem}");
        assert!(problem.contains("/problems/"), "{name} is no problem document: {problem}");
    }
    let no_key = client.post(up.url("/v1/gift-orders")).bearer_auth(&token).body(body(json!(1)));
    let no_key = no_key.header("Content-Type", "application/json").send().await.expect("an answer");
    assert!(no_key.text().await.expect("a body").contains("key-missing"));
    let reused = fresh();
    send(reused.clone(), body(json!(9_999))).send().await.expect("an answer");
    let again = send(reused, body(json!(9_998))).send().await.expect("an answer");
    assert_eq!(again.status(), StatusCode::CONFLICT);
    let stranger = client.get(up.url("/v1/wallet")).bearer_auth("a.b.c").send().await.expect("an answer");
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    let forged = client.post(up.url("/v1/channels/sandbox/callbacks")).header("x-channel-timestamp", "1");
    let forged = forged.header("x-channel-signature", "00").body("{}").send().await.expect("an answer");
    assert!(forged.status().is_client_error());
    let alive = client.get(up.url("/healthz")).send().await.expect("an answer");
    assert!(alive.status().is_success());
    up.kill_and_check().await;
}

#[tokio::test]
async fn viewers_cannot_reach_what_is_not_theirs_and_nobody_reaches_the_wallets_inner_routes() {
    let up = Up::start(&[]).await;
    let (client, token) = (Client::new(), up.token("viewer", "ann").await);
    for path in ["/v1/trial-balance", "/v1/breaks", "/v1/contracts"] {
        let answer = client.get(up.url(path)).bearer_auth(&token).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let command = client.post(up.url("/internal/wallet/commands")).body("{\"commands\":[]}");
    let answer = command.header("Content-Type", "application/json").send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "the wallet's commands are open to the world");
    for path in ["/internal/wallet/shards", "/internal/gift/kept"] {
        for token in [&token, &up.token("sre", "sam").await] {
            let answer = client.get(up.url(path)).bearer_auth(token).send().await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        }
    }
    let rows = up.url("/internal/logs/wallet.entries/0?after=0");
    let answer = client.get(&rows).bearer_auth(&token).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let sre = up.token("sre", "sam").await;
    let page: Value =
        client.get(&rows).bearer_auth(&sre).send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(page["rows"], json!([]));
    for page in ["/", "/books", "/docs", "/openapi.json", "/metrics"] {
        let answer = client.get(up.url(page)).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{page}: {}", answer.status());
    }
    up.kill_and_check().await;
}
