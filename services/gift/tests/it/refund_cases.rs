//! Invariant under test: refunds that people ask for are made by one and approved by another, happen once, never give
//! back more than is left, and whatever dies in between, each line ends with one outcome.

use crate::bench::{Bench, Call, Node, ROSE, wait_until};
use crate::fake_wallet::Mood;
use axum::http::StatusCode;
use cache::Cache;
use chrono::{TimeDelta, Utc};
use contracts::entry::Outcome;
use contracts::lane::Lane;
use contracts::wallet::{Act, Command, RefundAmount, Wallet};
use edge::Role;
use ids::{OrderId, RequestId, SendKey, Uuid, ViewerId};
use serde_json::{Value, json};

/// Two people of finance.
struct People {
    maker: Uuid,
    checker: Uuid,
}

impl People {
    fn new() -> People {
        People { maker: Uuid::now_v7(), checker: Uuid::now_v7() }
    }
}

async fn post(
    bench: &Bench,
    node: &Node,
    (role, who): (Role, Uuid),
    path: &str,
    body: &Value,
) -> (StatusCode, Value) {
    node.call(Call::post(path).token(&bench.token(role, who)).json(body)).await
}

async fn get(bench: &Bench, node: &Node, path: &str) -> Value {
    let (status, body) = node.call(Call::get(path).token(&bench.token(Role::Auditor, Uuid::now_v7()))).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

fn slug(answer: &(StatusCode, Value)) -> (u16, &str) {
    let kind = answer.1["type"].as_str().unwrap_or_default();
    (answer.0.as_u16(), kind.strip_prefix("/problems/").unwrap_or("none"))
}

async fn viewer_with(bench: &Bench, paid: i64) -> ViewerId {
    let viewer = ViewerId::now();
    bench.wallet.give(viewer, paid, 0).await;
    viewer
}

async fn delivered(bench: &Bench, node: &Node, viewer: ViewerId, quantity: u32) -> OrderId {
    let key = SendKey::now();
    let (status, sent) = bench.send(node, viewer, key, bench.body(ROSE, quantity)).await;
    assert_eq!(status, StatusCode::CREATED, "{sent}");
    let order_id = OrderId::of(viewer, key);
    bench.wait_for_state(node, viewer, order_id, "delivered").await;
    order_id
}

fn refund(order_id: OrderId, amount_coins: Option<i64>) -> (Uuid, Value) {
    let request_id = Uuid::now_v7();
    let ask = json!({ "request_id": request_id, "gift_order_id": order_id, "amount_coins": amount_coins,
        "reason": "never seen" });
    (request_id, ask)
}

async fn wait_for_case(bench: &Bench, node: &Node, path: &str, state: &str) -> Value {
    wait_until(&format!("{path} is {state}"), || async { get(bench, node, path).await["state"] == state })
        .await;
    get(bench, node, path).await
}

#[tokio::test]
async fn a_refund_is_asked_for_by_one_and_approved_by_another_and_happens_once() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let people = People::new();
    let viewer = viewer_with(&bench, 1_000).await;
    let order_id = delivered(&bench, &node, viewer, 4).await;
    let (case, ask) = refund(order_id, Some(15));
    let maker = (Role::FinanceMaker, people.maker);
    let asked = post(&bench, &node, maker, "/v1/finance/refunds", &ask).await;
    assert_eq!(
        (asked.0, &asked.1["state"], &asked.1["asked_coins"]),
        (StatusCode::CREATED, &json!("waiting"), &json!(15))
    );
    let again = post(&bench, &node, maker, "/v1/finance/refunds", &ask).await;
    assert_eq!(again.1["case_id"], asked.1["case_id"]);
    let mut other = ask.clone();
    other["amount_coins"] = json!(16);
    let reused = post(&bench, &node, maker, "/v1/finance/refunds", &other).await;
    assert_eq!(slug(&reused), (409, "request-reused"));

    let approve = format!("/v1/finance/refunds/{case}/approve");
    let own = post(&bench, &node, (Role::Finance, people.maker), &approve, &Value::Null).await;
    assert_eq!(slug(&own), (403, "maker-is-checker"));
    let not_a_checker = post(&bench, &node, maker, &approve, &Value::Null).await;
    assert_eq!(slug(&not_a_checker), (403, "role-not-allowed"));
    // The table refuses it too, whoever asks it.
    let forced = bench
        .execute("UPDATE {s}.refund_cases SET state = 2, decided_by = made_by, decided_at = now()")
        .await;
    assert!(forced.is_err_and(|error| pg::is_constraint(&error)));
    assert_eq!(bench.wallet.balance(viewer).paid_coins.get(), 960);

    let checker = (Role::FinanceChecker, people.checker);
    let approved = post(&bench, &node, checker, &approve, &Value::Null).await;
    assert_eq!(approved.0, StatusCode::OK, "{}", approved.1);
    let done = wait_for_case(&bench, &node, &format!("/v1/finance/refunds/{case}"), "done").await;
    assert_eq!(
        (&done["lines"][0]["outcome"], &done["refunded_paid_coins"]),
        (&json!("accepted"), &json!(15))
    );
    assert_eq!(done["reason"], "never seen");
    let repeat = post(&bench, &node, checker, &approve, &Value::Null).await;
    assert_eq!(repeat.0, StatusCode::OK);
    let refuse =
        post(&bench, &node, checker, &format!("/v1/finance/refunds/{case}/refuse"), &Value::Null).await;
    assert_eq!(slug(&refuse), (409, "case-decided"));
    let listed = get(&bench, &node, "/v1/finance/refunds?state=done").await;
    assert_eq!(listed["cases"][0]["case_id"], json!(case));
    bench.settle().await;
    assert_eq!(bench.wallet.balance(viewer).paid_coins.get(), 975);
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn what_cannot_be_refunded_is_refused_by_name_and_nothing_is_stored() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let maker = (Role::FinanceMaker, Uuid::now_v7());
    let viewer = viewer_with(&bench, 1_000).await;
    let order_id = delivered(&bench, &node, viewer, 1).await;
    let refused = async |order_id, amount| {
        slug(&post(&bench, &node, maker, "/v1/finance/refunds", &refund(order_id, amount).1).await)
            .1
            .to_owned()
    };
    assert_eq!(refused(OrderId::of(viewer, SendKey::now()), None).await, "no-such-order");
    assert_eq!(refused(order_id, Some(11)).await, "over-refund");
    assert_eq!(refused(order_id, Some(0)).await, "bad-amount");
    assert_eq!(bench.refund_some(viewer, order_id, 10).await, Outcome::Accepted);
    bench.settle().await;
    assert_eq!(refused(order_id, None).await, "nothing-left");
    // A gift that was never shown comes back by itself, and while it is on its way no person may refund it too.
    bench.rooms.set_mood(crate::store::RoomMood::Failing);
    let key = SendKey::now();
    bench.send(&node, viewer, key, bench.body(ROSE, 1)).await;
    let unseen = OrderId::of(viewer, key);
    bench.wait_for_state(&node, viewer, unseen, "refunded").await;
    assert_eq!(refused(unseen, None).await, "refund-under-way");
    bench.wallet.set_mood(Mood::Slow(std::time::Duration::from_secs(60)));
    let key = SendKey::now();
    let before = bench.wallet.entries().len();
    let _in_flight = node.spawn(bench.sending(viewer, key, &bench.body(ROSE, 1)).request());
    wait_until("the wallet has decided", || async { bench.wallet.entries().len() > before }).await;
    bench.wallet.set_mood(Mood::Well);
    let undecided = OrderId::of(viewer, key);
    wait_until("it waits", || async { refused(undecided, None).await == "order-not-decided" }).await;
    assert_eq!(bench.count("SELECT count(*) FROM {s}.refund_cases").await, 0);
}

#[tokio::test]
async fn refunds_that_race_never_give_back_more_than_is_left() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let people = People::new();
    let viewer = viewer_with(&bench, 1_000).await;
    let order_id = delivered(&bench, &node, viewer, 10).await;
    // Sixteen parts of 15 of the order's 100 coins: each fits when it is asked for, six of them fit together.
    let mut cases = Vec::new();
    for _ in 0..16 {
        let (case, ask) = refund(order_id, Some(15));
        let asked =
            post(&bench, &node, (Role::FinanceMaker, people.maker), "/v1/finance/refunds", &ask).await;
        assert_eq!(asked.0, StatusCode::CREATED, "{}", asked.1);
        cases.push(case);
    }
    let approvals = cases.iter().map(|case| {
        let call = Call::post(format!("/v1/finance/refunds/{case}/approve"));
        node.call(call.token(&bench.token(Role::FinanceChecker, people.checker)))
    });
    for (status, body) in futures::future::join_all(approvals).await {
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    let mut outcomes = Vec::new();
    for case in cases {
        let done = wait_for_case(&bench, &node, &format!("/v1/finance/refunds/{case}"), "done").await;
        outcomes.push(done["lines"][0]["outcome"].as_str().unwrap_or_default().to_owned());
    }
    let count = |of: &str| outcomes.iter().filter(|outcome| *outcome == of).count();
    assert_eq!((count("accepted"), count("over-refund")), (6, 10));
    bench.settle().await;
    assert_eq!(bench.wallet.balance(viewer).paid_coins.get(), 990);
    bench.assert_books_balance().await;
}

fn csv(lines: &[String]) -> String {
    format!("order_id,amount_coins,reason\n{}\n", lines.join("\n"))
}

async fn send_file(
    bench: &Bench,
    node: &Node,
    (who, batch): (Uuid, Uuid),
    file: &str,
) -> (StatusCode, Value) {
    let path = format!("/v1/finance/refund-batches?batch_id={batch}&reason=outage");
    node.call(Call::post(path).token(&bench.token(Role::FinanceMaker, who)).text(file.to_owned())).await
}

#[tokio::test]
async fn a_file_is_taken_whole_or_not_at_all_and_each_line_keeps_its_outcome() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let people = People::new();
    let viewer = viewer_with(&bench, 1_000).await;
    let orders = [delivered(&bench, &node, viewer, 1).await, delivered(&bench, &node, viewer, 2).await];
    let good = [format!("{},4,late", orders[0]), format!("{},,late", orders[1])];
    let stranger = OrderId::of(viewer, SendKey::now());
    let bad = [good[0].clone(), format!("{},21,late", orders[1]), format!("{stranger},,late")];
    let refused = send_file(&bench, &node, (people.maker, Uuid::now_v7()), &csv(&bad)).await;
    assert_eq!(slug(&refused), (422, "refunds-refused"));
    let said = refused.1["detail"].as_str().unwrap_or_default();
    assert!(said.contains("line 3, amount_coins: 20 coins are left"), "{said}");
    assert!(said.contains("line 4, order_id: there is no such order"), "{said}");
    assert_eq!(bench.count("SELECT count(*) FROM {s}.refund_lines").await, 0);

    let batch = Uuid::now_v7();
    let sent = send_file(&bench, &node, (people.maker, batch), &csv(&good)).await;
    assert_eq!((sent.0, &sent.1["line_count"]), (StatusCode::CREATED, &json!(2)), "{}", sent.1);
    // Between asking and approving, somebody else gives the second order's coins back.
    assert_eq!(bench.refund_some(viewer, orders[1], 20).await, Outcome::Accepted);
    bench.wallet.set_mood(Mood::Away);
    let path = format!("/v1/finance/refund-batches/{batch}");
    let checker = (Role::FinanceChecker, people.checker);
    let approved = post(&bench, &node, checker, &format!("{path}/approve"), &Value::Null).await;
    assert_eq!(approved.0, StatusCode::OK, "{}", approved.1);
    wait_until("a line was not answered", || async {
        get(&bench, &node, &path).await["lines"][0]["attempts"].as_i64() > Some(0)
    })
    .await;
    node.kill();
    bench.wallet.set_mood(Mood::Well);
    let node = bench.start().await;
    let done = wait_for_case(&bench, &node, &path, "done").await;
    assert_eq!((&done["done_count"], &done["failed_count"]), (&json!(1), &json!(1)));
    assert_eq!((&done["lines"][0]["line"], &done["lines"][0]["paid_coins"]), (&json!(2), &json!(4)));
    assert_eq!(done["lines"][1]["outcome"], "over-refund");
    bench.settle().await;
    assert_eq!(bench.wallet.balance(viewer).paid_coins.get(), 1_000 - 6);
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn a_minors_gifts_go_back_once_and_then_their_money_whatever_dies_in_between() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let people = People::new();
    let viewer = viewer_with(&bench, 1_000).await;
    let before = delivered(&bench, &node, viewer, 1).await;
    let from = Utc::now();
    let mut gifts = Vec::new();
    for quantity in [1, 2, 3] {
        gifts.push(delivered(&bench, &node, viewer, quantity).await);
    }
    assert_eq!(bench.refund_some(viewer, gifts[0], 10).await, Outcome::Accepted);
    bench.settle().await;
    let to = Utc::now();
    let after = delivered(&bench, &node, viewer, 1).await;
    let other = viewer_with(&bench, 1_000).await;
    delivered(&bench, &node, other, 1).await;
    let case = Uuid::now_v7();
    let ask =
        json!({ "case_id": case, "viewer_id": viewer, "from": from, "to": to, "reason": "a guardian wrote" });
    let mut early = ask.clone();
    early["to"] = json!(Utc::now() + TimeDelta::hours(1));
    let maker = (Role::FinanceMaker, people.maker);
    assert_eq!(
        slug(&post(&bench, &node, maker, "/v1/finance/minor-cases", &early).await),
        (422, "bad-period")
    );
    let asked = post(&bench, &node, maker, "/v1/finance/minor-cases", &ask).await;
    assert_eq!(
        (asked.0, &asked.1["line_count"], &asked.1["asked_coins"]),
        (StatusCode::CREATED, &json!(2), &json!(50))
    );
    let path = format!("/v1/finance/minor-cases/{case}");
    let listed = get(&bench, &node, &path).await;
    let lines: Vec<&str> =
        listed["lines"].as_array().into_iter().flatten().filter_map(|l| l["order_id"].as_str()).collect();
    assert_eq!(lines, [gifts[1].to_string(), gifts[2].to_string()]);
    assert!([before, after].iter().all(|other| !lines.contains(&other.to_string().as_str())));

    bench.wallet.set_mood(Mood::Mute); // It decides, and nobody hears of it.
    bench.cashier.set_slow(true);
    let checker = (Role::FinanceChecker, people.checker);
    let approved = post(&bench, &node, checker, &format!("{path}/approve"), &Value::Null).await;
    assert_eq!(approved.0, StatusCode::OK, "{}", approved.1);
    wait_until("the gifts are back", || async { bench.wallet.balance(viewer).paid_coins.get() == 980 }).await;
    node.kill();
    bench.wallet.set_mood(Mood::Well);
    let node = bench.start().await;
    wait_until("the money was asked for", || async { bench.cashier.asked().contains_key(&case) }).await;
    assert_eq!(bench.cashier.asked()[&case].get(), 50);
    node.kill();
    bench.cashier.set_slow(false);
    let node = bench.start().await;
    let done = wait_for_case(&bench, &node, &path, "done").await;
    assert_eq!((&done["done_count"], &done["money"]["refunds"][0]["state"]), (&json!(2), &json!("done")));
    bench.settle().await;
    assert_eq!(bench.wallet.balance(viewer).paid_coins.get(), 980, "once");
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn a_refund_of_an_order_that_gift_does_not_know_stops_nothing() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = viewer_with(&bench, 1_000).await;
    let lost = delivered(&bench, &node, viewer, 1).await;
    // As if gift had never made its order's row: what reconciliation calls a missing order.
    let forget = "DELETE FROM {s}.orders WHERE kind = 1";
    assert_eq!(bench.execute(forget).await.expect("deleted"), 1);
    let (status, refused) = bench.finance_refund(&node, lost).await;
    assert_eq!((status, &refused["type"]), (StatusCode::NOT_FOUND, &json!("/problems/no-such-order")));
    let act = Act::Refund { order_id: lost, amount: RefundAmount::AllLeft };
    let command = Command { request_id: RequestId::now(), account_id: viewer, body_hash: 0, act };
    bench.wallet.submit(command).await.expect("the wallet decides");
    bench.wallet.publish_marks().await;
    let aside = || async { bench.count("SELECT count(*) FROM {s}.strange_refunds").await == 1 };
    wait_until("it is put aside", aside).await;
    delivered(&bench, &node, viewer, 1).await;
    assert!(node.status.borrow().reader.stopped.is_empty(), "the partition goes on");
}

#[tokio::test]
async fn a_gift_that_comes_back_on_a_later_day_leaves_that_days_ranking_alone() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = viewer_with(&bench, 1_000).await;
    let old = delivered(&bench, &node, viewer, 5).await;
    node.kill();
    bench.execute("UPDATE {s}.orders SET day = day - 1").await.expect("a day passes");
    let node = bench.start_with(Cache::in_process(&Lane::Live)).await; // One that has forgotten the ranks.
    delivered(&bench, &node, viewer, 2).await;
    let ranks = || async {
        node.call(Call::get(format!("/v1/rooms/{}/ranks", bench.room))).await.1["ranks"][0]["coins"].clone()
    };
    wait_until("today's gift ranks", || async { ranks().await == 20 }).await;
    assert_eq!(bench.refund_some(viewer, old, 50).await, Outcome::Accepted);
    bench.wallet.publish_marks().await;
    bench.wait_for_state(&node, viewer, old, "refunded").await;
    let last = delivered(&bench, &node, viewer, 1).await;
    wait_until("the refund was folded in before the last gift", || async { ranks().await == 30 }).await;
    node.kill();
    let node = bench.start_with(Cache::in_process(&Lane::Live)).await;
    assert_eq!(bench.state_of(&node, viewer, last).await["state"], "delivered");
    let ranks = node.call(Call::get(format!("/v1/rooms/{}/ranks", bench.room))).await.1;
    assert_eq!(ranks["ranks"][0]["coins"], 30, "counted again from the rows");
}

#[test]
fn every_fault_of_a_file_is_named_by_line_and_column() {
    let order = OrderId::of(ViewerId::now(), SendKey::now());
    let file = csv(&[format!("{order},4,late"), "x,1.5,".to_owned(), format!("{order},-3,again")]);
    let faults = gift::read_refunds(&file).expect_err("two lines are wrong");
    let places: Vec<_> = faults.0.iter().map(|fault| (fault.line, fault.column)).collect();
    assert_eq!(places, [(3, "order_id"), (3, "amount_coins"), (3, "reason"), (4, "amount_coins")]);
    let twice = gift::read_refunds(&csv(&[format!("{order},,a"), format!("{order},,b")])).expect_err("twice");
    assert_eq!(twice.to_string(), "line 3, order_id: the order is in line 2 already");
    for (file, said) in [
        ("order_id,reason\n", "line 1, amount_coins: the column is missing"),
        ("order_id,amount_coins,reason\n", "line 1: the file has no refund"),
        ("order_id,amount_coins,reason,tip\n", "line 1: there is no column \"tip\""),
        ("order_id,amount_coins,reason\n1,2\n", "line 2: it has another number of fields"),
    ] {
        let faults = gift::read_refunds(file).expect_err(file).to_string();
        assert!(faults.contains(said), "{faults}");
    }
}
