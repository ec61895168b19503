//! Invariant under test: an operator sees which node runs which version, and every node follows what is asked of one.

use crate::place::{Place, free_address, text, wait_until_ready};
use chaos::{Ended, Victim};
use ids::named_id;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Two processes that send gifts and settle them, over one database and one Redis.
struct Two {
    place: Place,
    addresses: [SocketAddr; 2],
    _processes: Vec<Victim>,
    _database: testkit::TestDatabase,
}

impl Two {
    /// Tests share one Redis, and the sets of each are its own all the same.
    async fn start() -> Two {
        let place = Place::new();
        let database = testkit::postgres().await.fresh_database().await;
        let redis = testkit::redis_url().await;
        let amqp = testkit::amqp_url().await;
        let migrated = place.run(&["migrate", "--database", database.url()], &[]).await;
        assert!(migrated.status.success(), "{}", migrated.stderr);
        let addresses = [free_address(), free_address()];
        let mut processes = Vec::new();
        for (node, address) in ["n1", "n2"].into_iter().zip(addresses) {
            let (folder, listen) = (place.file(node), address.to_string());
            let services = ["serve", "wallet", "gift", "settlement"];
            let words = [&services[..], &["--data-dir", text(&folder), "--listen", &listen]].concat();
            let servers = ["--database", database.url(), "--redis", &redis, "--amqp", &amqp];
            let env = [("LARGESSE_NODE", node), ("LARGESSE_DATABASE__CONNECTIONS_MAX", "8")];
            processes.push(place.start(&[&words[..], &servers].concat(), &env));
            wait_until_ready(address).await;
        }
        Two { place, addresses, _processes: processes, _database: database }
    }

    /// `largesse refresh` with these words, asked of one of the two.
    async fn refresh(&self, node: usize, words: &[&str]) -> Ended {
        let folder = self.place.file(["n1", "n2"][node]);
        let url = format!("http://{}", self.addresses[node]);
        let words =
            [&["refresh"], words, &["--url", &url, "--data-dir", text(&folder), "--sub", "ann"]].concat();
        self.place.run(&words, &[]).await
    }

    async fn json(&self, node: usize, words: &[&str]) -> Value {
        let ended = self.refresh(node, &[words, &["--json"]].concat()).await;
        assert!(ended.status.success(), "{words:?}: {}", ended.stderr);
        serde_json::from_str(&ended.stdout).expect("JSON")
    }

    async fn refused(&self, node: usize, words: &[&str]) -> String {
        let ended = self.refresh(node, words).await;
        assert!(!ended.status.success(), "{words:?}: {}", ended.stdout);
        ended.stderr
    }

    /// Sends a room to the first process.
    async fn save_room(&self, title: &str) {
        let folder = self.place.file("n1");
        let words = ["token", "--role", "sre", "--sub", "ann", "--data-dir", text(&folder)];
        let token = self.place.run(&words, &[]).await.stdout;
        let room = json!({"room_id": room(), "streamer_id": room(), "title": title, "state": "live"});
        let sent = reqwest::Client::new()
            .post(format!("http://{}/v1/rooms", self.addresses[0]))
            .bearer_auth(token.trim())
            .json(&room);
        let answer = sent.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }

    /// Waits until both processes show the room under this title.
    async fn until_both_show(&self, title: &str) {
        for address in self.addresses {
            let began = Instant::now();
            loop {
                let url = format!("http://{address}/v1/rooms/{}", room());
                let shown: Value = reqwest::get(url).await.expect("an answer").json().await.expect("JSON");
                if shown["title"] == title {
                    break;
                }
                assert!(began.elapsed() < PATIENCE, "{address} shows {shown}, not {title}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Waits until a roster says so, and gives it.
    async fn until_roster(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let report = self.json(1, &["roster", "--set", "gift-shelf"]).await;
            if holds(&report["roster"]) {
                return report["roster"].clone();
            }
            assert!(began.elapsed() < PATIENCE, "never {what}: {report:#}");
        }
    }
}

fn room() -> String {
    named_id("room", "steered").to_string()
}

fn all_run(roster: &Value, version: &Value) -> bool {
    let nodes = roster["nodes"].as_object().expect("nodes by name");
    nodes.len() == 2 && nodes.values().all(|node| &node["version"] == version)
}

#[tokio::test]
async fn what_is_asked_of_one_process_every_process_does_and_the_roster_says_so() {
    let two = Two::start().await;
    two.save_room("First").await;
    two.save_room("Second").await;
    two.until_both_show("Second").await;
    let roster = two.until_roster("both on the newest", |r| all_run(r, &r["stable"]["version"])).await;
    let newest = roster["stable"]["version"].as_i64().expect("a version");

    let asked = two.json(0, &["roll-back", "--set", "gift-shelf"]).await;
    assert_eq!(asked["version"], newest - 1, "{asked}");
    two.until_both_show("First").await;
    let rolled = two.until_roster("both rolled back", |r| all_run(r, &asked["version"])).await;
    assert_eq!(rolled["pinned"], newest - 1);
    let list = two.refresh(1, &["list"]).await.stdout;
    let line = list.lines().find(|line| line.starts_with("gift-shelf ")).unwrap_or_else(|| panic!("{list}"));
    assert!(line.contains(&format!("2 run {}", newest - 1)), "{list}");

    let newest_text = newest.to_string();
    let pinned = two.refresh(1, &["pin", "--set", "gift-shelf", "--version", &newest_text]).await;
    assert!(pinned.stdout.contains(&format!("gift-shelf: version {newest} is pinned")), "{}", pinned.stderr);
    two.until_both_show("Second").await;
    two.until_roster("pinned to the newest", |r| r["pinned"] == newest).await;
    let unpinned = two.json(1, &["unpin", "--set", "gift-shelf"]).await;
    assert_eq!((&unpinned["order"]["order"], &unpinned["version"]), (&json!("unpin"), &Value::Null));
    two.until_roster("not pinned", |r| r["pinned"].is_null() && all_run(r, &json!(newest))).await;
    two.save_room("Third").await;
    two.until_both_show("Third").await;
}

#[tokio::test]
async fn every_set_of_every_service_is_listed_with_all_nodes_that_run_it() {
    let two = Two::start().await;
    let began = Instant::now();
    loop {
        let list = two.refresh(1, &["list"]).await.stdout;
        let runs = |set: &str| list.lines().any(|line| line.starts_with(set) && line.contains(" 2 run "));
        if ["gift-shelf ", "gift-switches ", "gift-limits ", "settlement-contracts "].into_iter().all(runs) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{list}");
    }
}

#[tokio::test]
async fn sets_and_versions_that_do_not_exist_are_refused_by_name_and_change_nothing() {
    let two = Two::start().await;
    let roster = two.until_roster("both heard", |r| all_run(r, &r["stable"]["version"])).await;
    let refused = two.refused(0, &["roster", "--set", "gift-shelve"]).await;
    assert!(refused.contains("no set \"gift-shelve\"") && refused.contains("gift-shelf"), "{refused}");
    let refused = two.refused(0, &["unpin", "--set", "nobodys"]).await;
    assert!(refused.contains("[no-such-set]"), "{refused}");
    let refused = two.refused(0, &["list", "--set", "Gift Shelf"]).await;
    assert!(refused.contains("--set"), "{refused}");
    let refused = two.refused(0, &["roster", "--set", "Gift Shelf"]).await;
    assert!(refused.contains("1 to 32 characters of a-z, 0-9 and -"), "{refused}");
    let refused = two.refused(1, &["pin", "--set", "gift-shelf", "--version", "4000000"]).await;
    assert!(refused.contains("[version-not-kept]") && refused.contains("4000000"), "{refused}");
    let refused = two.refused(1, &["approve", "--set", "gift-shelf", "--version", "1"]).await;
    assert!(refused.contains("[version-not-held-back]"), "{refused}");
    let after = two.until_roster("still there", |r| !r["stable"].is_null()).await;
    assert_eq!((&after["pinned"], &after["stable"]), (&Value::Null, &roster["stable"]));
    // A viewer's token does not steer.
    let folder = two.place.file("n1");
    let words = ["token", "--role", "viewer", "--sub", "ann", "--data-dir", text(&folder)];
    let token = two.place.run(&words, &[]).await.stdout;
    let url = format!("http://{}/internal/refresh/gift-shelf/orders", two.addresses[0]);
    let asked = reqwest::Client::new().post(url).bearer_auth(token.trim()).json(&json!({"order": "unpin"}));
    assert_eq!(asked.send().await.expect("an answer").status().as_u16(), 403);
    let refused = two
        .place
        .run(&["refresh", "list", "--url", "http://127.0.0.1:1", "--data-dir", text(&folder)], &[])
        .await;
    assert!(refused.stderr.contains("start it, or name another"), "{}", refused.stderr);
}

#[tokio::test]
async fn calls_of_services_are_counted_beside_the_watch_of_the_database() {
    let began = Instant::now();
    let two = Two::start().await;
    let folder = two.place.file("n1");
    let url = format!("http://{}", two.addresses[0]);
    let words = ["deps", "--url", &url, "--data-dir", text(&folder), "--json"];
    loop {
        let asked = two.place.run(&words, &[]).await;
        let deps: Vec<Value> = serde_json::from_str(&asked.stdout).expect("JSON");
        let database = deps.iter().find(|one| one["name"] == "database").expect("it is declared");
        // The watch asks once a second.
        if database["calls"].as_u64().expect("a number") > 20 + 2 * began.elapsed().as_secs() {
            assert_eq!((&database["failed"], &database["state"]), (&json!(0), &json!("closed")), "{deps:?}");
            return;
        }
        assert!(began.elapsed() < 4 * PATIENCE, "only the watch is counted: {database}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
