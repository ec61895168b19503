//! Invariant under test: the commands for planning say what the code and the files say, or what is wrong with them.

use crate::place::{Place, text};

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
