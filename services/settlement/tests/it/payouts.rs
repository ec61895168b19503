//! Invariant under test: what payees earned is in exactly one place until the bank has paid it, whatever is asked,
//! refused, sent back or refunded.

use crate::contracts_of_streamers::{number_of, today};
use crate::desk::{Desk, quick_config};
use crate::money::{
    BATCHES, COINS_PER_FEN, confirm, earn, finish, minor, money, open_account, request, step, submit_all,
    until_available,
};
use crate::orders::{later, noon};
use axum::http::StatusCode;
use bus::Bus;
use contracts::lane::Lane;
use contracts::order::{Order, OrderKind};
use ids::{StreamerId, Uuid};
use proptest::prelude::*;
use serde_json::{Value, json};
use settlement::{Config, PayoutSettings};
use std::sync::Arc;

/// The figures of a payee that tests compare: available, requested, in flight, paid, withheld, owed.
async fn places(desk: &Desk, streamer: StreamerId) -> [i64; 6] {
    let money = money(desk, streamer).await;
    ["available", "requested", "in_flight", "paid", "withheld", "receivable"]
        .map(|field| minor(&money, field))
}

/// Batches that wait for approval.
async fn built(desk: &Desk) -> Vec<Value> {
    let page = desk.get(&format!("{BATCHES}?state=built")).await;
    page["batches"].as_array().expect("a list").iter().map(|of| of["batch_id"].clone()).collect()
}

#[tokio::test]
async fn money_goes_from_its_hold_to_the_bank_and_every_step_again_changes_nothing() {
    let mut desk = Desk::open().await;
    let streamer = StreamerId::now();
    earn(&desk, streamer, 1_000_000, 1).await; // CNY 10,000: 3,000 taxable at 3 %.
    until_available(&desk, streamer, 1_000_000).await;
    assert_eq!(request(&desk, streamer, None).await.slug(), "payee-account-missing");
    open_account(&desk, streamer).await;
    let ask = json!({ "request_id": Uuid::now_v7(), "payee_id": streamer });
    for _ in 0..2 {
        let told = desk.post(Uuid::now_v7(), "/v1/finance/payout-requests", &ask).await;
        assert_eq!((told.status, told.body["amount_minor"].as_i64()), (StatusCode::CREATED, Some(1_000_000)));
    }
    let mut other = ask.clone();
    other["amount_minor"] = 5.into();
    assert_eq!(
        desk.post(Uuid::now_v7(), "/v1/finance/payout-requests", &other).await.slug(),
        "request-reused"
    );
    assert_eq!(places(&desk, streamer).await, [0, 1_000_000, 0, 0, 0, 0]);

    let (maker, batch) = (Uuid::now_v7(), Uuid::now_v7().to_string());
    for _ in 0..2 {
        let built = desk.post(maker, BATCHES, &json!({ "batch_id": batch })).await;
        assert_eq!((built.status, built.body["tax_minor"].as_i64()), (StatusCode::CREATED, Some(9_000)));
    }
    assert_eq!(
        desk.post(maker, BATCHES, &json!({ "batch_id": Uuid::now_v7() })).await.slug(),
        "nothing-to-pay-out"
    );
    assert_eq!(built(&desk).await, [json!(batch)]);
    assert_eq!(step(&desk, maker, &batch, "submit").await.slug(), "batch-state");
    assert_eq!(step(&desk, maker, &batch, "approve").await.slug(), "maker-is-checker");
    assert_eq!(desk.get_text(&format!("{BATCHES}/{batch}/file.csv")).await.0, StatusCode::CONFLICT);
    for _ in 0..2 {
        assert_eq!(step(&desk, Uuid::now_v7(), &batch, "approve").await.status, StatusCode::OK);
    }
    assert!(built(&desk).await.is_empty(), "an approved one waits for nobody");
    assert_eq!(
        places(&desk, streamer).await,
        [0, 1_000_000, 0, 0, 0, 0],
        "money goes with the file, not before"
    );
    let mut files = Vec::new();
    for _ in 0..2 {
        let file = step(&desk, Uuid::now_v7(), &batch, "submit").await;
        assert_eq!(file.body["batch"]["state"], "submitted", "{}", file.body);
        files.push(desk.get_text(&format!("{BATCHES}/{batch}/file.csv")).await);
        assert_eq!(places(&desk, streamer).await, [0, 0, 991_000, 0, 9_000, 0]);
    }
    let line = desk.get(&format!("{BATCHES}/{batch}")).await["lines"][0].clone();
    let cells = format!(
        "1,{},streamer,{streamer},\"Ann, \"\"the\"\" streamer\",6222020200112233445,ICBKCNBJ,CNY,991000",
        line["line_id"].as_str().expect("an id")
    );
    assert_eq!(files[0].1.lines().nth(1), Some(cells.as_str()));
    assert_eq!(step(&desk, maker, &batch, "discard").await.slug(), "batch-state", "the file is out");
    let first = confirm(&desk, &batch, &line, "paid").await;
    assert_eq!((&first.body["paid"], &first.body["batch"]["state"]), (&json!(1), &json!("confirmed")));
    assert_eq!(confirm(&desk, &batch, &line, "paid").await.body["unchanged"], 1);
    assert_eq!(confirm(&desk, &batch, &line, "rejected").await.slug(), "line-ended-otherwise");
    assert_eq!(places(&desk, streamer).await, [0, 0, 0, 991_000, 9_000, 0]);
    files.push(desk.get_text(&format!("{BATCHES}/{batch}/file.csv")).await);
    assert!(files.iter().all(|file| *file == files[0]), "the file of a batch changed");
    desk.prove().await;
    desk.stop().await;
}

#[tokio::test]
async fn what_the_bank_sends_back_is_available_again_with_its_tax() {
    let mut desk = Desk::open().await;
    let streamers = [StreamerId::now(), StreamerId::now()];
    for (at, streamer) in streamers.into_iter().enumerate() {
        earn(&desk, streamer, 2_000_000, i64::try_from(at).expect("small") + 1).await;
        until_available(&desk, streamer, 2_000_000).await;
        open_account(&desk, streamer).await;
        assert_eq!(request(&desk, streamer, None).await.status, StatusCode::CREATED);
    }
    let (batch, lines) = submit_all(&desk).await;
    assert_eq!(lines.len(), 2);
    for (query, some) in
        [("?limit=1", &lines[..1]), ("?after=1", &lines[1..]), ("?after=2", &lines[2..]), ("", &lines[..])]
    {
        let page = desk.get(&format!("{BATCHES}/{batch}{query}")).await;
        assert_eq!((&page["lines"], &page["batch"]["line_count"]), (&json!(some), &json!(2)), "{query}");
    }
    for query in ["?limit=0", "?limit=1001", "?limit=many"] {
        let (status, _) = desk.get_text(&format!("{BATCHES}/{batch}{query}")).await;
        assert!(status.is_client_error(), "{query} gave {status}");
    }
    let of =
        |streamer: StreamerId| lines.iter().find(|line| line["payee_id"] == json!(streamer)).expect("a line");
    // 16,000 less 5,000 taxable at 3 %.
    assert_eq!(places(&desk, streamers[0]).await, [0, 0, 1_967_000, 0, 33_000, 0]);
    let word = json!({ "lines": [{ "line_id": of(streamers[0])["line_id"], "outcome": "rejected" }] });
    let path = format!("{BATCHES}/{batch}/confirmations");
    assert_eq!(desk.post(Uuid::now_v7(), &path, &word).await.slug(), "reason-missing");
    let told = confirm(&desk, &batch, of(streamers[0]), "rejected").await;
    assert_eq!((&told.body["rejected"], &told.body["batch"]["state"]), (&json!(1), &json!("submitted")));
    assert_eq!(confirm(&desk, &batch, of(streamers[0]), "rejected").await.body["unchanged"], 1);
    assert_eq!(places(&desk, streamers[0]).await, [2_000_000, 0, 0, 0, 0, 0]);
    assert_eq!(confirm(&desk, &batch, of(streamers[1]), "paid").await.body["batch"]["state"], "confirmed");
    // Half now and half later come to the same tax: what was sent back does not count.
    for share in [1_000_000, 1_000_000] {
        assert_eq!(request(&desk, streamers[0], Some(share)).await.status, StatusCode::CREATED);
        let (batch, lines) = submit_all(&desk).await;
        assert_eq!(confirm(&desk, &batch, &lines[0], "paid").await.status, StatusCode::OK);
    }
    assert_eq!(places(&desk, streamers[0]).await, [0, 0, 0, 1_967_000, 33_000, 0]);
    desk.prove().await;
    desk.stop().await;
}

#[tokio::test]
async fn requests_that_race_never_take_more_than_there_is() {
    let desk = Desk::open().await;
    let streamer = StreamerId::now();
    earn(&desk, streamer, 1_000, 1).await;
    until_available(&desk, streamer, 1_000).await;
    open_account(&desk, streamer).await;
    let desk = Arc::new(desk);
    let asking: Vec<_> = (0..12)
        .map(|_| {
            let desk = Arc::clone(&desk);
            tokio::spawn(async move { request(&desk, streamer, Some(300)).await })
        })
        .collect();
    let (mut made, mut refused) = (0, 0);
    for told in asking {
        let told = told.await.expect("no panic");
        match told.status {
            StatusCode::CREATED => made += 1,
            _ => {
                assert_eq!(told.slug(), "not-enough-available");
                refused += 1;
            }
        }
    }
    assert_eq!((made, refused), (3, 9));
    assert_eq!(places(&desk, streamer).await, [100, 900, 0, 0, 0, 0]);
    desk.prove().await;
    // The table would refuse it too.
    let take =
        desk.db.sql("UPDATE {s}.payees SET available_minor = -1, requested_minor = requested_minor + 101");
    let refused = sqlx::query(take).execute(desk.db.pool()).await.expect_err("a constraint");
    let name = refused.as_database_error().and_then(|error| error.constraint().map(str::to_owned));
    assert_eq!(name.as_deref(), Some("payees_nothing_below_zero"));
    let mut desk = Arc::into_inner(desk).expect("nobody else has it");
    desk.stop().await;
}

#[tokio::test]
async fn batches_that_race_pay_nobody_twice() {
    let desk = Desk::open().await;
    let streamers = [(); 4].map(|()| StreamerId::now());
    for streamer in streamers {
        desk.orders.append(crate::orders::delivered(streamer, 500 * COINS_PER_FEN, 0, 1));
    }
    for streamer in streamers {
        finish(&desk, streamer, 1).await;
        until_available(&desk, streamer, 500).await;
        open_account(&desk, streamer).await;
        assert_eq!(request(&desk, streamer, Some(200)).await.status, StatusCode::CREATED);
        assert_eq!(request(&desk, streamer, Some(100)).await.status, StatusCode::CREATED);
    }
    let desk = Arc::new(desk);
    let building: Vec<_> = (0..6)
        .map(|_| {
            let desk = Arc::clone(&desk);
            tokio::spawn(async move {
                desk.post(Uuid::now_v7(), BATCHES, &json!({ "batch_id": Uuid::now_v7() })).await
            })
        })
        .collect();
    let mut gross = 0;
    for told in building {
        let told = told.await.expect("no panic");
        if told.status == StatusCode::CREATED {
            gross += told.body["gross_minor"].as_i64().expect("a sum");
        } else {
            assert_eq!(told.slug(), "nothing-to-pay-out");
        }
    }
    assert_eq!(gross, 4 * 300);
    desk.prove().await;
    let mut desk = Arc::into_inner(desk).expect("nobody else has it");
    desk.stop().await;
}

#[tokio::test]
async fn a_refund_of_what_was_paid_is_owed_and_comes_off_what_is_released_next() {
    let mut desk = Desk::open().await;
    let streamer = StreamerId::now();
    let gift = earn(&desk, streamer, 1_000, 1).await;
    until_available(&desk, streamer, 1_000).await;
    open_account(&desk, streamer).await;
    request(&desk, streamer, None).await;
    let (batch, lines) = submit_all(&desk).await;
    confirm(&desk, &batch, &lines[0], "paid").await;
    assert_eq!(places(&desk, streamer).await, [0, 0, 0, 1_000, 0, 0]);
    let back = gift.paid_coins.get() * 6 / 10;
    desk.orders.append(later(&gift, OrderKind::RefundedDelivered, back, 0, 2));
    finish(&desk, streamer, 2).await;
    until_owed(&desk, streamer, 600).await;
    desk.prove().await;
    earn(&desk, streamer, 400, 3).await;
    until_owed(&desk, streamer, 200).await;
    assert_eq!(places(&desk, streamer).await, [0, 0, 0, 1_000, 0, 200]);
    assert_eq!(request(&desk, streamer, None).await.slug(), "below-payout-minimum");
    earn(&desk, streamer, 300, 4).await;
    until_available(&desk, streamer, 100).await;
    assert_eq!(places(&desk, streamer).await, [100, 0, 0, 1_000, 0, 0]);
    desk.prove().await;
    desk.stop().await;
}

async fn until_owed(desk: &Desk, streamer: StreamerId, owed: i64) {
    for _ in 0..1_500 {
        if minor(&money(desk, streamer).await, "receivable") == owed {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{owed} were never owed: {}", money(desk, streamer).await);
}

#[tokio::test]
async fn money_on_hold_is_pending_and_what_is_taken_back_does_not_wait() {
    let hold = u32::try_from(number_of(today())).expect("small"); // Only what is younger than day 1 is on hold.
    let quick = quick_config();
    let payouts = PayoutSettings { hold_days: hold - 3, ..quick.payouts };
    let mut desk = Desk::open_with(Config { payouts, ..quick }).await;
    let streamer = StreamerId::now();
    earn(&desk, streamer, 1_000, 1).await;
    until_available(&desk, streamer, 1_000).await;
    let gift = earn(&desk, streamer, 500, 10).await;
    desk.orders.append(later(&gift, OrderKind::RefundedDelivered, gift.paid_coins.get(), 0, 11));
    finish(&desk, streamer, 11).await;
    until_available(&desk, streamer, 500).await;
    let stands = money(&desk, streamer).await;
    assert_eq!(stands["pending_micro"], 500_000_000, "day 10 is on hold, day 11 is not: {stands}");
    desk.prove().await;
    desk.stop().await;
}

#[tokio::test]
async fn a_discarded_batch_opens_its_requests_and_a_cancelled_request_gives_back() {
    let mut desk = Desk::open().await;
    let streamer = StreamerId::now();
    earn(&desk, streamer, 1_000, 1).await;
    until_available(&desk, streamer, 1_000).await;
    open_account(&desk, streamer).await;
    let asked = request(&desk, streamer, Some(600)).await;
    let id = asked.body["request_id"].as_str().expect("an id").to_owned();
    let batch = Uuid::now_v7().to_string();
    assert_eq!(
        desk.post(Uuid::now_v7(), BATCHES, &json!({ "batch_id": batch })).await.status,
        StatusCode::CREATED
    );
    let cancel = format!("/v1/finance/payout-requests/{id}/cancel");
    assert_eq!(desk.post(Uuid::now_v7(), &cancel, &Value::Null).await.slug(), "request-in-batch");
    for _ in 0..2 {
        assert_eq!(step(&desk, Uuid::now_v7(), &batch, "discard").await.body["batch"]["state"], "discarded");
    }
    assert_eq!(step(&desk, Uuid::now_v7(), &batch, "approve").await.slug(), "batch-state");
    for _ in 0..2 {
        assert_eq!(desk.post(Uuid::now_v7(), &cancel, &Value::Null).await.body["state"], "cancelled");
    }
    assert_eq!(places(&desk, streamer).await, [1_000, 0, 0, 0, 0, 0]);
    desk.prove().await;
    desk.stop().await;
}

#[tokio::test]
async fn two_nodes_log_each_move_once_and_a_node_that_stops_leaves_none() {
    let mut desk = Desk::open().await;
    let other_bus = Bus::in_process(&Lane::Live);
    let other = desk.start("b", other_bus.clone()).await;
    let streamers = [(); 6].map(|()| StreamerId::now());
    for streamer in streamers {
        desk.orders.append(crate::orders::delivered(streamer, 100 * COINS_PER_FEN, 0, 1));
    }
    desk.orders.publish_marks(&other_bus, noon(2)).await;
    for streamer in streamers {
        for _ in 0..1_500 {
            desk.orders.publish_marks(&other_bus, noon(2)).await;
            desk.orders.publish_marks(&desk.bus, noon(2)).await;
            if minor(&money(&desk, streamer).await, "available") == 100 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        open_account(&desk, streamer).await;
        assert_eq!(request(&desk, streamer, None).await.status, StatusCode::CREATED);
    }
    desk.stop().await; // The other takes its partitions over, with what waits there.
    desk.prove().await;
    let moves = desk.db.sql("SELECT count(*) FROM {s}.payouts");
    let moves: i64 = sqlx::query_scalar(moves).fetch_one(desk.db.pool()).await.expect("a count");
    assert_eq!(moves, 12);
    other.shutdown().await;
}

/// One act of a payee's life.
#[derive(Clone, Debug)]
enum Act {
    Earn(i64),
    /// Refunds a part, in percent, of the last gift that is left.
    Refund(i64),
    Request(i64),
    /// Submits all that was asked for; the bank then pays, or sends back.
    Submit {
        is_paid: bool,
    },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (1_i64..2_000_000).prop_map(Act::Earn),
        2 => (1_i64..=100).prop_map(Act::Refund),
        3 => (1_i64..=100).prop_map(Act::Request),
        2 => any::<bool>().prop_map(|is_paid| Act::Submit { is_paid }),
    ];
    prop::collection::vec(act, 4..14)
}

/// Asks for a part, in percent, of what is available.
///
/// What a refund takes back does not wait for a hold's end, so less may be there than the look before showed: the next
/// look shows it. Where there was nothing, being refused is right.
async fn request_part(desk: &Desk, streamer: StreamerId, percent: i64) {
    for _ in 0..20 {
        let available = places(desk, streamer).await[0];
        let told = request(desk, streamer, Some((available * percent / 100).max(1))).await;
        if told.status.is_success() {
            return;
        }
        assert_eq!(told.slug(), "not-enough-available", "{}", told.body);
        if available == 0 {
            return;
        }
    }
    panic!("what was there was refused twenty times");
}

async fn live(acts: Vec<Act>) {
    let mut desk = Desk::open().await;
    let streamer = StreamerId::now();
    open_account(&desk, streamer).await;
    let (mut gifts, mut day, mut earned): (Vec<Order>, i64, i64) = (Vec::new(), 1, 0);
    for act in acts {
        match act {
            Act::Earn(fen) => {
                gifts.push(earn(&desk, streamer, fen, day).await);
                (earned, day) = (earned + fen, day + 1);
            }
            Act::Refund(percent) => {
                let Some(gift) = gifts.pop() else { continue };
                let fen = gift.paid_coins.get() / COINS_PER_FEN * percent / 100;
                desk.orders.append(later(&gift, OrderKind::RefundedDelivered, fen * COINS_PER_FEN, 0, day));
                finish(&desk, streamer, day).await;
                (earned, day) = (earned - fen, day + 1);
            }
            Act::Request(percent) => {
                request_part(&desk, streamer, percent).await;
            }
            Act::Submit { is_paid } => {
                if places(&desk, streamer).await[1] == 0 {
                    continue;
                }
                let (batch, lines) = submit_all(&desk).await;
                let outcome = if is_paid { "paid" } else { "rejected" };
                assert_eq!(confirm(&desk, &batch, &lines[0], outcome).await.status, StatusCode::OK);
            }
        }
        // At every instant: all places together are what was earned; nothing of it is lost or doubled.
        let stands = money(&desk, streamer).await;
        let sum: i64 = ["available", "requested", "in_flight", "paid", "withheld"]
            .map(|at| minor(&stands, at))
            .iter()
            .sum();
        let pending = stands["pending_micro"].as_i64().expect("micros");
        assert_eq!(
            pending + (sum - minor(&stands, "receivable")) * 1_000_000,
            earned * 1_000_000,
            "{stands}"
        );
    }
    desk.prove().await;
    desk.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_places_together_are_what_was_earned(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(live(acts));
    }
}

/// Few lives by default; the variable asks for more.
fn cases() -> u32 {
    if std::env::var_os("LARGESSE_TEST_LONG").is_some() { 60 } else { 4 }
}

#[tokio::test]
async fn every_step_of_payouts_accounts_and_contracts_is_in_the_trail_and_what_was_done_past_it_is_named() {
    let mut desk = Desk::open().await;
    let streamer = StreamerId::now();
    earn(&desk, streamer, 1_000_000, 1).await;
    until_available(&desk, streamer, 1_000_000).await;
    open_account(&desk, streamer).await;
    assert_eq!(request(&desk, streamer, None).await.status, StatusCode::CREATED);
    let (batch, lines) = submit_all(&desk).await;
    confirm(&desk, &batch, &lines[0], "paid").await;
    let verified = async || desk.get("/v1/finance/audit/payouts/verification").await;
    let whole = verified().await;
    assert_eq!((&whole["fault"], &whole["unexplained"]), (&Value::Null, &json!([])), "{whole}");
    let page = desk.get(&format!("/v1/finance/audit/payouts?subject={batch}")).await;
    let acts: Vec<&str> = page["steps"]
        .as_array()
        .expect("a list")
        .iter()
        .rev()
        .filter_map(|step| step["act"].as_str())
        .collect();
    let way =
        ["payout_built", "payout_approved", "payout_submitted", "payout_lines_ended", "payout_confirmed"];
    assert_eq!(acts, way);

    // Where the money goes is what somebody would change.
    let change =
        "UPDATE {s}.payee_accounts SET account_no = '6222020200000000000' RETURNING account_id::text";
    let account: String =
        sqlx::query_scalar(desk.db.sql(change)).fetch_one(desk.db.pool()).await.expect("changes");
    assert_eq!(verified().await["unexplained"], json!([account]));
    desk.stop().await;
}
