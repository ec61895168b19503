//! Invariant under test: whenever the process is killed, the second run ends in the books of an unbroken one.

use crate::place::{COMMAND_LIMIT, Place, short_evening, text};
use chaos::SmallDisk;
use contracts::lane::Lane;
use pg::{Db, Embedded};
use sqlx::Row;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Gifts of the short evening these tests replay.
const GIFTS: usize = 2_000;
/// Gifts of an evening that fills a small disk.
const MANY_GIFTS: usize = 4_000;

/// Enough for the database to start, too little for the evening.
const DISK_MIB: u32 = 36;

fn evening(place: &Place) -> PathBuf {
    let path = place.file("evening.jsonl");
    if !path.exists() {
        short_evening(&path, GIFTS);
    }
    path
}

/// What must be equal: (what, how much), in a stable order.
type Books = Vec<(String, i64)>;

/// How many times the demo is killed.
fn kills() -> u32 {
    if std::env::var_os("LARGESSE_TEST_LONG").is_some() { 20 } else { 3 }
}

async fn demo(place: &Place, name: &str, env: &[(&str, &str)]) -> serde_json::Value {
    let (data_dir, json) = (place.file(name), place.file(&format!("{name}.json")));
    let evening = evening(place);
    let words = ["demo", "--data-dir", text(&data_dir), "--json", text(&json), "--sample", text(&evening)];
    let ended = place.run(&words, env).await;
    assert!(ended.status.success(), "{}\n{}", ended.stdout, ended.stderr);
    serde_json::from_slice(&std::fs::read(json).expect("a report")).expect("JSON")
}

/// The books of a data directory, from the tables.
async fn books(data_dir: &Path) -> Books {
    let embedded = Embedded::open(&data_dir.join("pg")).await.expect("the database opens");
    let mut books = Books::new();
    for (service, sql) in [
        (
            "wallet",
            "SELECT 'account ' || account_id AS what, sum(paid_delta_coins + promo_delta_coins)::bigint AS amount
             FROM {s}.entries GROUP BY account_id",
        ),
        ("gift", "SELECT 'orders ' || kind AS what, count(*) AS amount FROM {s}.orders GROUP BY kind"),
        (
            "settlement",
            "SELECT 'items ' || kind || ' ' || streamer_id AS what, sum(streamer)::bigint AS amount
             FROM {s}.items GROUP BY kind, streamer_id",
        ),
        (
            "clearing",
            "SELECT 'ledger ' || account AS what, sum(debit_micro - credit_micro)::bigint AS amount
             FROM {s}.account_days GROUP BY account",
        ),
    ] {
        let db = Db::new(embedded.pool(), service, &Lane::Live);
        let rows = sqlx::query(db.sql(sql)).fetch_all(db.pool()).await.expect("the tables are there");
        books.extend(rows.iter().map(|row| (row.get("what"), row.get("amount"))));
    }
    embedded.close().await;
    books.sort();
    books
}

#[tokio::test]
async fn a_demo_killed_at_any_moment_ends_in_the_books_of_an_unbroken_one() {
    let place = Place::new();
    let started = std::time::Instant::now();
    let report = demo(&place, "whole", &[]).await;
    assert_eq!(report["check"]["passed"], true);
    let whole = books(&place.file("whole")).await;
    assert!(whole.iter().any(|(what, _)| what.starts_with("orders")), "{whole:?}");
    let span = started.elapsed();

    let (data_dir, json) = (place.file("broken"), place.file("broken.json"));
    let evening = evening(&place);
    let words = ["demo", "--data-dir", text(&data_dir), "--json", text(&json), "--sample", text(&evening)];
    let mut was_running = 0;
    for kill in 0..kills() {
        // Spread over the whole run, so that some fall into recharges, some into gifts, some into the end.
        let delay = span * (2 * kill + 1) / (2 * kills());
        let victim = place.start(&words, &[]);
        was_running += u32::from(victim.kill_after(delay).await.expect("killed"));
    }
    assert!(was_running > 0, "every kill came too late to prove anything");
    let report = demo(&place, "broken", &[]).await;
    assert_eq!(report["check"]["passed"], true);
    assert_eq!(report["breaks"], 0);
    let broken = books(&place.file("broken")).await;
    let differences: Vec<_> = whole.iter().filter(|line| !broken.contains(line)).take(5).collect();
    assert_eq!(whole.len(), broken.len());
    assert!(differences.is_empty(), "only in the unbroken run: {differences:?}");
}

/// Waits until the run's file says that recharges are over and gifts are being sent.
async fn wait_until_sending(run_file: &Path) {
    for _ in 0..2_400 {
        if std::fs::read_to_string(run_file).is_ok_and(|text| text.contains("recharged")) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no gift was sent within two minutes");
}

#[tokio::test]
async fn with_a_short_deadline_what_was_not_shown_is_refunded_and_the_books_still_close() {
    let place = Place::new();
    let (data_dir, json) = (place.file("short"), place.file("short.json"));
    // Orders are decided late, so that the kill finds gifts that are paid for and not decided.
    let env = [("LARGESSE_GIFT__GATHER_MS", "60000")];
    let evening = evening(&place);
    let words = ["demo", "--data-dir", text(&data_dir), "--json", text(&json), "--sample", text(&evening)];
    let victim = place.start(&words, &env);
    wait_until_sending(&data_dir.join("run.json")).await;
    let was_running = victim.kill_after(Duration::from_millis(700)).await.expect("killed");
    assert!(was_running, "the demo was over already");
    let report = demo(&place, "short", &[("LARGESSE_GIFT__DELIVERY_DEADLINE_S", "0")]).await;
    assert_eq!(report["check"]["passed"], true);
    let refunded: i64 = books(&data_dir)
        .await
        .iter()
        .filter(|(what, _)| what == "orders 3") // Returned, never delivered.
        .map(|(_, count)| *count)
        .sum();
    assert!(refunded > 0, "no gift was refunded");
}

#[tokio::test]
async fn a_full_disk_ends_the_process_with_a_typed_error_and_loses_no_acknowledged_gift() {
    let place = Place::new();
    // Where nothing may be mounted this fails and says so: it has not shown anything.
    let disk = SmallDisk::mount(&place.file("small"), DISK_MIB).unwrap_or_else(|error| panic!("{error}"));
    let (data_dir, json) = (disk.folder().join("data"), place.file("small.json"));
    let evening = place.file("evening.jsonl");
    short_evening(&evening, MANY_GIFTS);
    let words = ["demo", "--data-dir", text(&data_dir), "--json", text(&json), "--sample", text(&evening)];
    let ended = place.start(&words, &[]).finish(COMMAND_LIMIT).await.expect("it does not hang");
    assert!(!ended.status.success(), "the disk was large enough:\n{}", ended.stdout);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert!(ended.stderr.contains("restart once there is room"), "{}", ended.stderr);
    let full_at = chrono::Utc::now();
    disk.grow(2_048).expect("more room");
    let ended = place.start(&words, &[]).finish(COMMAND_LIMIT).await.expect("it ends");
    assert!(ended.status.success(), "{}\n{}", ended.stdout, ended.stderr);
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(json).expect("a report")).expect("JSON");
    assert_eq!(report["check"]["passed"], true);
    let (before, all) = charged(&data_dir, full_at).await;
    println!("{before} of {all} gifts were charged before the disk was full");
    assert!(0 < before && before < all, "{before} of {all} gifts were charged before the disk was full");
    assert_eq!(all, i64::try_from(MANY_GIFTS).expect("a small number"), "{report}");
}

/// Gifts charged until `until`, and all.
async fn charged(data_dir: &Path, until: chrono::DateTime<chrono::Utc>) -> (i64, i64) {
    let embedded = Embedded::open(&data_dir.join("pg")).await.expect("the database opens");
    let db = Db::new(embedded.pool(), "wallet", &Lane::Live);
    let sql = "SELECT count(*) FILTER (WHERE decided_at <= $1) AS before, count(*) AS whole
               FROM {s}.entries WHERE send IS NOT NULL";
    let row = sqlx::query(db.sql(sql)).bind(until).fetch_one(db.pool()).await.expect("the table is there");
    let counted = (row.get("before"), row.get("whole"));
    embedded.close().await;
    counted
}
