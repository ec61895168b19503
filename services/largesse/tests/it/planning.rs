//! Invariant under test: the commands for planning say what the code and the files say, or what is wrong with them.

use crate::place::{Place, free_address, text, wait_until_ready};

const LOAD_TEST: &str = r#"{"nodes":1,"p99_max_us":20000,"steps":[
    {"offered_per_s":20000,"served_per_s":20000,"p99_us":4000},
    {"offered_per_s":40000,"served_per_s":30000,"p99_us":90000}]}"#;

const FORECAST: &str = r#"{"peak_per_s":100000,"margin_percent":30,"nodes_away":1,"room_percent":25,
    "viewer_per_s":10,"tenants":[{"name":"north","weight":1}]}"#;

#[tokio::test]
async fn capacity_says_how_many_nodes_a_forecast_needs() {
    let place = Place::new();
    let (test, forecast) = (place.file("load-test.json"), place.file("forecast.json"));
    std::fs::write(&test, LOAD_TEST).expect("written");
    std::fs::write(&forecast, FORECAST).expect("written");
    let words = ["capacity", "--load-test", text(&test), "--forecast", text(&forecast), "--json"];
    let planned = place.run(&words, &[]).await;
    assert!(planned.status.success(), "{}", planned.stderr);
    let plan: serde_json::Value = serde_json::from_str(&planned.stdout).expect("JSON");
    assert_eq!(plan["nodes"], 8, "{plan}");
    assert_eq!(plan["quotas"][2]["key"], "north", "{plan}");
    std::fs::write(&forecast, FORECAST.replace("100000", "0")).expect("written");
    let refused = place.run(&words, &[]).await;
    assert!(!refused.status.success());
    assert!(refused.stderr.contains("peak is zero"), "{}", refused.stderr);
}

#[tokio::test]
async fn deps_prints_the_table_of_the_page() {
    let place = Place::new();
    let printed = place.run(&["deps"], &[]).await;
    assert!(printed.status.success(), "{}", printed.stderr);
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/dependencies.md");
    assert!(std::fs::read_to_string(page).expect("the page is there").contains(&printed.stdout));
    let nobody =
        place.run(&["deps", "--url", "http://127.0.0.1:1", "--data-dir", text(&place.data_dir())], &[]).await;
    assert!(!nobody.status.success());
    assert!(nobody.stderr.contains("start it, or name another"), "{}", nobody.stderr);
}

#[tokio::test]
async fn hotkeys_shows_the_room_that_everybody_reads() {
    let (place, address) = (Place::new(), free_address());
    let (data_dir, listen, url) = (place.data_dir(), address.to_string(), format!("http://{address}"));
    let words = ["up", "--data-dir", text(&data_dir), "--listen", &listen];
    let process = place.start(&words, &[("LARGESSE_GIFT__HOT_PER_S", "10")]);
    wait_until_ready(address).await;
    let ask = ["hotkeys", "--url", &url, "--data-dir", text(&data_dir)];
    let room = ids::named_id("room", "aria").to_string();
    let ranks = format!("{url}/v1/rooms/{room}/ranks");
    let mut shown = String::new();
    for _ in 0..50 {
        for _ in 0..200 {
            let answer = reqwest::get(&ranks).await.expect("an answer");
            assert!(answer.status().is_success(), "{}", answer.status());
        }
        shown = place.run(&ask, &[]).await.stdout;
        if shown.lines().any(|line| line.contains(&room) && line.contains("  hot ")) {
            break;
        }
    }
    let of_room: Vec<&str> = shown.lines().filter(|line| line.contains(&room)).collect();
    assert!(of_room.iter().any(|line| line.contains("  hot ")), "{shown}");
    assert!(shown.starts_with("rank: ") && shown.contains("\ncount: "), "{shown}");
    let as_json = place.run(&[ask.as_slice(), &["--json"]].concat(), &[]).await;
    let tables: serde_json::Value = serde_json::from_str(&as_json.stdout).expect("JSON");
    assert_eq!(tables[0]["hot_per_s"], 10, "{tables}");
    let stranger = reqwest::get(format!("{url}/internal/hotkeys")).await.expect("an answer");
    assert_eq!(stranger.status(), reqwest::StatusCode::UNAUTHORIZED);
    assert!(process.kill_after(std::time::Duration::ZERO).await.expect("killed"), "the process had died");
    let nobody = place.run(&ask, &[]).await;
    assert!(!nobody.status.success());
    assert!(nobody.stderr.contains("start it, or name another"), "{}", nobody.stderr);
}
