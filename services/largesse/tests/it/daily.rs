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
    the_bank_shows_the_day(&house, &day, &channel["ours_minor"]).await;
}

/// The bank's statement shows what the channel paid for the day, less 37 that it kept: the books have it at once.
async fn the_bank_shows_the_day(house: &House, day: &str, gross: &Value) {
    let profile = "version = 1\nname = \"icbc\"\ncurrency = \"CNY\"\n[columns]\nat = \"date\"\nchannel_ref = \"ref\"\n\
        our_ref = \"note\"\namount = { in_positive = { column = \"amount\" } }\n[dates]\n\
        format = \"%Y-%m-%d\"\noffset = \"+08:00\"\n";
    let (profile_file, statement) = (house.place.file("icbc.toml"), house.place.file("statement.csv"));
    std::fs::write(&profile_file, profile).expect("written");
    let gross = gross.as_i64().expect("a sum");
    let net = gross - 37;
    let line = format!("date,ref,note,amount\n{day},b-1,sandbox-{day},{}.{:02}\n", net / 100, net % 100);
    std::fs::write(&statement, line).expect("written");
    let saved = house.json(&["bill", "save-profile", text(&profile_file)]).await;
    assert_eq!((&saved["name"], &saved["version"]), (&json!("icbc"), &json!(1)), "{saved}");
    let listed = house.done(&["bill", "profiles"]).await;
    assert!(listed.contains("icbc"), "{listed}");
    let owed = balance(house, "1122").await;
    let words =
        ["bill", "import", text(&statement), "--channel", "sandbox", "--scope", "bank", "--profile", "icbc"];
    house.done(&words).await;
    between_closings().await;
    house.done(&["recon", "run", "--day", day]).await;
    let began = std::time::Instant::now();
    let settled = loop {
        let listed = house.json(&["recon", "settlements", "--day", day]).await;
        if listed["settlements"][0]["voucher_id"].is_string() {
            break listed["settlements"][0].clone();
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{listed}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let figures = ["payments", "gross_minor", "fee_minor", "net_minor"].map(|name| settled[name].clone());
    assert_eq!(figures, [json!(5), json!(gross), json!(37), json!(net)], "{settled}");
    assert_eq!(balance(house, "1122").await, owed - gross * 1_000_000, "the channel owes us so much less");
    assert_eq!(balance(house, "1002.01").await, net * 1_000_000);
    assert_eq!(balance(house, "6401.02").await, 37_000_000);
    let voucher = settled["voucher_id"].as_str().expect("its name");
    let shown = house.done(&["journal", "show", voucher]).await;
    for said in
        ["6401.02", "the bank shows what sandbox paid to us", settled["match_id"].as_str().expect("an id")]
    {
        assert!(shown.contains(said), "{said:?} is not in {shown}");
    }
    let table = house.done(&["recon", "settlements", "--channel", "sandbox"]).await;
    assert!(table.contains("fee_minor") && table.contains("37"), "{table}");
    let waiting = house.json(&["recon", "settlements", "--waiting"]).await;
    assert_eq!(waiting["settlements"], json!([]));
    house.place.closed_books(house.database.url()).await;
}

/// What an account holds, on its debit side, in millionths of a minor unit.
async fn balance(house: &House, account: &str) -> i64 {
    let sum = "SELECT coalesce(sum(debit_micro - credit_micro), 0)::bigint FROM clearing.account_days WHERE account = $1";
    let pool = house.database.pool().await;
    sqlx::query_scalar(sum).bind(account.to_owned()).fetch_one(&pool).await.expect("reads")
}
