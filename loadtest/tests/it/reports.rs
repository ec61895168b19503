//! Invariant under test: scripts find the keys they rely on, and people see every figure.

use loadtest::report::{Check, Flow, Invariant};
use loadtest::send::{RoomTotal, TimeBucket};
use loadtest::{Report, Summary};
use std::time::Duration;

fn report() -> Report {
    let gifts_over_time = (0..150_u32)
        .map(|at| TimeBucket {
            from_ms: i64::from(at) * 120_000,
            gifts: u64::from(at * (150 - at)) / 8,
            coins: 1,
        })
        .collect();
    let rooms = ["Harbour Finals", "Tea & Friends <3", "Garden Chess", "Attic Drawing"];
    let rooms = (0_i64..)
        .zip(rooms)
        .map(|(at, title)| RoomTotal {
            room_id: loadtest::format::room_id(title),
            title: title.to_owned(),
            gifts: (30_000 / (at + 1)).unsigned_abs(),
            coins: 900_000_000 / (at + 1),
        })
        .collect();
    let summary = Summary {
        sent: 126_000,
        accepted: 100_213,
        refused: 287,
        free: 25_500,
        charged_coins: 2_680_000_000,
        elapsed: Duration::from_millis(21_400),
        gifts_over_time,
        rooms,
        ..Summary::default()
    };
    let invariant = |name: &str, figure: &str| Invariant {
        name: name.to_owned(),
        passed: true,
        figure: figure.to_owned(),
    };
    Report {
        orders: 100_213,
        items: 100_213,
        vouchers: 1_204,
        check: Check {
            passed: true,
            invariants: vec![
                invariant(
                    "paid coins: credited + returned = available + held + spent",
                    "2662424250 = 2662424250",
                ),
                invariant("no gap in any log", "5 logs, 64 partitions"),
            ],
        },
        flow: Flow {
            recharged_micros: 266_242_425_000_000,
            spent_micros: 262_000_000_000_000,
            refunded_micros: 1_000_000_000_000,
            streamer_payable_micros: 120_000_000_000_000,
            agency_payable_micros: 26_000_000_000_000,
            tax_payable_micros: 15_000_000_000_000,
            platform_revenue_micros: 100_000_000_000_000,
        },
        ..Report::of_replay("Largesse sample: a final night", &summary)
    }
}

#[test]
fn the_json_has_the_keys_scripts_rely_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.json");
    let mut report = report();
    report.gifts_over_time.truncate(1);
    report.top_rooms.truncate(1);
    report.write_json(&path).expect("it is written");
    insta::assert_snapshot!(std::fs::read_to_string(path).expect("it is there"));
}

#[test]
fn the_terminal_shows_every_figure() {
    let mut out = Vec::new();
    report().print(&mut out).expect("a Vec takes all");
    insta::assert_snapshot!(String::from_utf8(out).expect("text"));
}

#[test]
fn the_page_stands_alone_and_escapes_what_viewers_named() {
    let page = report().to_html().expect("it is drawn");
    if let Ok(path) = std::env::var("REPORT_PAGE") {
        std::fs::write(path, &page).expect("it is written");
    }
    for outside in ["http://", "https://", "<script", "src=", "url("] {
        let found = page.replace("http://www.w3.org/2000/svg", "").contains(outside);
        assert!(!found, "the page reaches outside: {outside}");
    }
    assert!(!page.contains("<3"), "a title is escaped");
    assert!(page.contains("&lt;3") && page.contains("100,213") && page.contains("The books close"));
    assert!(!page.contains("#010101"), "every stand-in colour became a variable");
}

#[test]
fn an_empty_run_is_reported_without_a_division_by_zero() {
    let report = Report::of_replay("nothing", &Summary::default());
    assert!(report.to_html().expect("it is drawn").contains("do not close"));
    report.print(&mut Vec::new()).expect("a Vec takes all");
}
