//! Invariant under test: a statement is the sum of its lines, and each line the sum of the orders that it opens.

use crate::contracts_of_streamers::{make_and_approve, number_of, today};
use crate::desk::Desk;
use crate::orders::{day_of, delivered, later, noon};
use chrono::NaiveDate;
use contracts::order::OrderKind;
use ids::{AgencyId, StreamerId, Uuid};
use serde_json::{Value, json};
use std::time::Duration;

/// Sums of a statement's lines, proving that each is the sum of its orders, page by page.
async fn sum_of_lines(desk: &Desk, payee: (&str, Uuid), day: NaiveDate) -> (i64, Vec<(String, i64)>) {
    let base = format!("/v1/finance/statements/{}/{day}", payee.1);
    let lines = desk.get(&format!("{base}/lines?payee={}", payee.0)).await;
    let (mut total, mut told) = (0, Vec::new());
    for line in lines["lines"].as_array().expect("lines") {
        let number = |field: &str| line[field].as_i64().expect("a number");
        let (streamer, version) = (line["streamer_id"].as_str().expect("an id"), number("contract_version"));
        let query = format!("payee={}&streamer_id={streamer}&contract_version={version}", payee.0);
        let (mut earned, mut count, mut after) = (0, 0, (-1, 0));
        loop {
            let from = format!("after_partition={}&after_seq={}", after.0, after.1);
            let page = desk.get(&format!("{base}/orders?{query}&{from}")).await;
            let orders = page["orders"].as_array().expect("orders").clone();
            let Some(last) = orders.last() else { break };
            after = (last["partition"].as_i64().expect("a place"), last["seq"].as_i64().expect("a place"));
            earned += orders.iter().map(|order| order["earned_micro"].as_i64().expect("micros")).sum::<i64>();
            count += i64::try_from(orders.len()).expect("few");
        }
        let of_line = number("share_micro") + number("clawback_micro");
        assert_eq!(earned, of_line, "the orders of a line do not sum to it: {line}");
        assert_eq!(count, number("settled_count") + number("reversed_count"));
        total += of_line;
        told.push((format!("{streamer} {version}"), of_line));
    }
    (total, told)
}

fn net(statement: &Value) -> i64 {
    statement["share_micro"].as_i64().expect("micros") + statement["clawback_micro"].as_i64().expect("micros")
}

#[tokio::test]
async fn lines_name_their_version_and_open_their_orders_late_ones_included() {
    let mut desk = Desk::open().await;
    let streamer = StreamerId::now();
    let first = desk.orders.append(delivered(streamer, 1_000, 100, 1));
    for _ in 0..700 {
        desk.orders.append(delivered(streamer, 7, 0, 1)); // More than a page.
    }
    desk.orders.append(delivered(StreamerId::now(), 500, 0, 1));
    desk.settle_all(noon(0)).await;
    let stated = desk.finalise(streamer.uuid(), day_of(1), noon(2)).await;
    let (total, lines) = sum_of_lines(&desk, ("streamer", streamer.uuid()), day_of(1)).await;
    assert_eq!((total, lines.len()), (net(&stated), 1));
    // A row of day 1 that comes after its sealing, and a refund, are lines of day 2, and day 1 stays as it was.
    desk.orders.append(delivered(streamer, 30, 0, 1));
    desk.orders.append(later(&first, OrderKind::RefundedDelivered, 500, 50, 2));
    desk.settle_all(noon(2)).await;
    let next = desk.finalise(streamer.uuid(), day_of(2), noon(3)).await;
    let (total, _) = sum_of_lines(&desk, ("streamer", streamer.uuid()), day_of(2)).await;
    assert_eq!((total, net(&next)), ((30 - 550) * 50_000, (30 - 550) * 50_000));
    assert_eq!(sum_of_lines(&desk, ("streamer", streamer.uuid()), day_of(1)).await.0, net(&stated));
    desk.prove().await;
    desk.stop().await;
}

#[tokio::test]
async fn an_agencys_statement_has_a_line_for_each_streamer_and_version() {
    let mut desk = Desk::open().await;
    let (agency, streamers) = (AgencyId::now(), [StreamerId::now(), StreamerId::now()]);
    let day = number_of(today());
    desk.orders.append(delivered(streamers[0], 100, 0, day)); // By the default contract: nothing for an agency.
    desk.settle_all(noon(0)).await;
    for (at, streamer) in streamers.iter().enumerate() {
        let share = 100_000 * (u32::try_from(at).expect("small") + 1);
        let contract = json!({
            "streamer_id": streamer, "valid_from": today(), "agency_id": agency, "streamer_ppm": 300_000,
            "agency_ppm": share, "platform_ppm": 700_000 - share, "tax_ppm": 60_000, "promo": "shared",
        });
        make_and_approve(&desk, &contract).await;
        desk.orders.append(delivered(*streamer, 1_000, 0, day));
    }
    desk.settle_all(noon(0)).await;
    let (total, mut lines) = sum_of_lines(&desk, ("agency", agency.uuid()), today()).await;
    lines.sort();
    let mut expected =
        vec![(format!("{} 1", streamers[0]), 10_000_000), (format!("{} 1", streamers[1]), 20_000_000)];
    expected.sort();
    assert_eq!((total, lines), (30_000_000, expected));
    let (_, of_first) = sum_of_lines(&desk, ("streamer", streamers[0].uuid()), today()).await;
    assert_eq!(of_first.len(), 2, "the default contract's version and the own one");
    desk.prove().await;
    desk.stop().await;
}

#[tokio::test]
async fn statements_are_listed_by_day_and_payee_and_come_as_csv() {
    let mut desk = Desk::open().await;
    let streamers = [StreamerId::now(), StreamerId::now()];
    for day in 1..=2 {
        for streamer in streamers {
            desk.orders.append(delivered(streamer, 100 * day, 0, day));
        }
    }
    desk.settle_all(noon(0)).await;
    desk.finalise(streamers[0].uuid(), day_of(2), noon(3)).await;
    let range = format!("from={}&to={}", day_of(1), day_of(2));
    // They are released meanwhile, and the pages below are compared with this one.
    let all = loop {
        let all = desk.get(&format!("/v1/finance/statements?{range}")).await["statements"].clone();
        if all.as_array().is_some_and(|list| list.iter().all(|one| one["is_released"] == true)) {
            break all;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(all.as_array().map(Vec::len), Some(4));
    let (day, payee) = (all[0]["day"].as_str().expect("a day"), all[0]["payee_id"].as_str().expect("an id"));
    let rest = format!("/v1/finance/statements?{range}&after_day={day}&after_payee_id={payee}");
    assert_eq!(desk.get(&rest).await["statements"].as_array().map(Vec::len), Some(3));
    let two = desk.get(&format!("/v1/finance/statements?{range}&limit=2")).await["statements"].clone();
    assert_eq!(two.as_array().map(Vec::as_slice), all.as_array().map(|all| &all[..2]));
    for limit in [0, 501] {
        let (status, problem) = desk.get_text(&format!("/v1/finance/statements?{range}&limit={limit}")).await;
        assert!(status == 422 && problem.contains("limit-out-of-range"), "{limit}: {status} {problem}");
    }
    let one = format!("{range}&payee_id={}", streamers[1]);
    let (status, csv) = desk.get_text(&format!("/v1/finance/statements.csv?{one}")).await;
    assert!(status.is_success());
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[1].starts_with(&format!(
        "streamer,{},{},10000000,5000000,0,1,0,0,5,0,",
        streamers[1],
        day_of(1)
    )));
    desk.stop().await;
}
