//! Invariant under test: after a small evening, the sandbox's bill with planted faults gives exactly these differences from
//! the command line, and the same report byte by byte when the day is run again.

use crate::place::{Place, free_address, short_evening, text, wait_until_ready};
use chaos::{Ended, Victim};
use chrono::{DateTime, FixedOffset, NaiveDate, Timelike, Utc};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// Gifts of the evening; a sender sends eight.
const GIFTS: usize = 40;

/// One process with everything.
struct House {
    place: Place,
    address: SocketAddr,
    database: testkit::TestDatabase,
    _process: Victim,
}

fn china() -> DateTime<FixedOffset> {
    Utc::now().with_timezone(&FixedOffset::east_opt(8 * 3_600).expect("an offset"))
}

/// The accounting day, which is also the channel's. Not in a day's last minutes, so that one day has all of the evening.
async fn today() -> NaiveDate {
    while china().hour() == 23 && china().minute() >= 50 {
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    china().date_naive()
}

/// Waits for a part of a minute in which no log closes one: a day that is not over is read as far as it is closed.
async fn between_closings() {
    while !(10..45).contains(&china().second()) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

impl House {
    async fn start() -> House {
        let place = Place::new();
        let database = testkit::postgres().await.fresh_database().await;
        let (address, folder) = (free_address(), place.data_dir());
        let listen = address.to_string();
        let words = ["up", "--data-dir", text(&folder), "--listen", &listen, "--database", database.url()];
        let process = place.start(&words, &[("LARGESSE_DATABASE__CONNECTIONS_MAX", "8")]);
        wait_until_ready(address).await;
        House { place, address, database, _process: process }
    }

    async fn run(&self, words: &[&str]) -> Ended {
        let (folder, url) = (self.place.data_dir(), format!("http://{}", self.address));
        self.place.run(&[words, &["--url", &url, "--data-dir", text(&folder)]].concat(), &[]).await
    }

    async fn done(&self, words: &[&str]) -> String {
        let ended = self.run(words).await;
        assert!(ended.status.success(), "{words:?}: {}{}", ended.stdout, ended.stderr);
        ended.stdout
    }

    async fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[words, &["--json"]].concat()).await).expect("JSON")
    }
}

#[tokio::test]
async fn a_bill_with_planted_faults_gives_exactly_these_differences_from_the_command_line() {
    let day = today().await.to_string();
    let house = House::start().await;
    let evening = house.place.file("evening.jsonl");
    short_evening(&evening, GIFTS);
    let folder = house.place.data_dir();
    let url = format!("http://{}", house.address);
    let replay = ["replay", text(&evening), "--url", &url, "--data-dir", text(&folder)];
    let replayed = house.place.run(&replay, &[]).await;
    assert!(replayed.status.success(), "{}", replayed.stderr);

    house.place.closed_books(house.database.url()).await; // Or the day goes on between its two runs.

    let extra = json!({
        "at": format!("{day}T12:00:00"), "merchant": "1900000001", "channel_order": "sandbox-unknown",
        "our_order": "x", "refund": null, "amount_minor": 777, "fee": 0, "goods": "coins",
    });
    let faults = json!([
        { "fault": "missing-row", "row": 0 }, { "fault": "amount-off", "row": 1, "by_minor": 5 },
        { "fault": "duplicated-row", "row": 2 }, { "fault": "extra-row", "extra": extra },
    ]);
    let (faults_file, bill) = (house.place.file("faults.json"), house.place.file("bill.csv"));
    std::fs::write(&faults_file, faults.to_string()).expect("written");
    house
        .done(&["bill", "sandbox", "--day", &day, "--out", text(&bill), "--faults", text(&faults_file)])
        .await;
    let seen = house.done(&["bill", "verify", text(&bill), "--channel", "sandbox"]).await;
    assert!(seen.contains("wechat-trade"), "{seen}");
    let imported = house.json(&["bill", "import", text(&bill), "--channel", "sandbox"]).await;
    assert_eq!(imported["state"], "imported", "{imported}");
    let again = house.run(&["bill", "import", text(&bill), "--channel", "sandbox"]).await;
    assert!(!again.status.success() && again.stderr.contains("[bill-known]"), "{}", again.stderr);
    let listed = house.done(&["bill", "list", "--day", &day]).await;
    assert!(listed.contains("sandbox"), "{listed}");

    between_closings().await;
    let run = house.json(&["recon", "run", "--day", &day]).await;
    let run_id = run["run_id"].as_str().expect("an id").to_owned();
    let report = house.done(&["recon", "report", &run_id]).await;
    let (_, differences) = report.split_once("\ndifferences ").expect("every report counts them");
    let kinds: Vec<&str> = differences.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(
        kinds,
        ["bill_amount_mismatch", "duplicate_bill_row", "long_money", "short_money"],
        "{report}"
    );
    let channel = &run["channels"][0];
    let counts = [&channel["ours_count"], &channel["matched_count"], &channel["unmatched_theirs"]];
    assert_eq!(counts, [&json!(5), &json!(2), &json!(2)], "{run}");

    let rerun = house.done(&["recon", "rerun", &run_id]).await;
    let runs = house.json(&["recon", "list", "--day", &day]).await;
    let newest = runs["runs"][0]["run_id"].as_str().expect("an id").to_owned();
    let same = house.done(&["recon", "diff", &run_id, &newest]).await;
    assert!(rerun.contains("The report is the same, byte by byte."), "{rerun}{same}");
    assert!(same.contains("The reports are the same"), "{same}");

    let breaks = house.json(&["break", "list", "--kind", "bill_amount_mismatch"]).await;
    let found = breaks["breaks"][0]["break_id"].as_str().expect("an id");
    let explained = house.done(&["recon", "explain", found]).await;
    for said in ["bill_amount_mismatch", "one reference", "ours", "theirs", "payment"] {
        assert!(explained.contains(said), "{said:?} is not in {explained}");
    }
    let figures = house.done(&["recon", "today", "--day", &day]).await;
    assert!(figures.contains("arrived") && figures.contains("400000"), "{figures}");
    let rules = house.done(&["recon", "rules", "list"]).await;
    assert!(rules.contains("shipped"), "{rules}");
}
