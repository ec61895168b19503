//! Invariant under test: every step of a refund case is in the chained trail, and a case that was changed, or put in,
//! past the program is named.

use crate::bench::{Bench, Call, Node, ROSE, wait_until};
use axum::http::StatusCode;
use edge::Role;
use ids::{OrderId, SendKey, Uuid, ViewerId};
use serde_json::{Value, json};

async fn told(bench: &Bench, node: &Node, path: &str) -> Value {
    let auditor = bench.token(Role::Auditor, Uuid::now_v7());
    let (status, body) = node.call(Call::get(path).token(&auditor)).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    body
}

async fn unexplained(bench: &Bench, node: &Node) -> Value {
    let verified = told(bench, node, "/v1/finance/audit/refunds/verification").await;
    assert_eq!(verified["fault"], Value::Null, "{verified}");
    verified["unexplained"].clone()
}

async fn case_of(bench: &Bench, node: &Node, (order_id, maker): (OrderId, Uuid)) -> Uuid {
    let case = Uuid::now_v7();
    let ask =
        json!({ "request_id": case, "gift_order_id": order_id, "amount_coins": 5, "reason": "never seen" });
    let maker = bench.token(Role::FinanceMaker, maker);
    let (status, asked) = node.call(Call::post("/v1/finance/refunds").token(&maker).json(&ask)).await;
    assert_eq!(status, StatusCode::CREATED, "{asked}");
    case
}

#[tokio::test]
async fn every_step_of_a_refund_is_in_the_trail_and_what_was_done_past_it_is_named() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let (maker, checker, viewer) = (Uuid::now_v7(), Uuid::now_v7(), ViewerId::now());
    bench.wallet.give(viewer, 1_000, 0).await;
    let key = SendKey::now();
    let (status, sent) = bench.send(&node, viewer, key, bench.body(ROSE, 4)).await;
    assert_eq!(status, StatusCode::CREATED, "{sent}");
    let order_id = OrderId::of(viewer, key);
    bench.wait_for_state(&node, viewer, order_id, "delivered").await;
    let (done, refused) =
        (case_of(&bench, &node, (order_id, maker)).await, case_of(&bench, &node, (order_id, maker)).await);
    for (case, decision) in [(done, "approve"), (refused, "refuse")] {
        let path = format!("/v1/finance/refunds/{case}/{decision}");
        let who = bench.token(Role::FinanceChecker, checker);
        let (status, decided) = node.call(Call::post(&path).token(&who).json(&Value::Null)).await;
        assert_eq!(status, StatusCode::OK, "{decided}");
    }
    wait_until("the case is done", || async {
        told(&bench, &node, &format!("/v1/finance/refunds/{done}")).await["state"] == "done"
    })
    .await;
    let steps = async |case: Uuid| {
        let page = told(&bench, &node, &format!("/v1/finance/audit/refunds?subject={case}")).await;
        let steps = page["steps"].as_array().expect("a list").clone();
        let said = |step: &Value| (step["act"].clone(), step["actor"].clone());
        steps.iter().rev().map(said).collect::<Vec<_>>()
    };
    let (by_maker, by_checker) = (json!(maker), json!(checker));
    let expected = [
        (json!("refund_asked"), by_maker.clone()),
        (json!("refund_approved"), by_checker.clone()),
        (json!("refund_done"), json!("gift")),
    ];
    assert_eq!(steps(done).await, expected);
    assert_eq!(
        steps(refused).await,
        [(json!("refund_asked"), by_maker), (json!("refund_refused"), by_checker)]
    );
    assert_eq!(unexplained(&bench, &node).await, json!([]));

    // A hand in the tables, past the triggers: who approved, and a case that nobody asked for.
    let mut tx = bench.db.begin().await.expect("begins");
    sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tx).await.expect("sets");
    let change = "UPDATE {s}.refund_cases SET decided_by = gen_random_uuid() WHERE case_id = $1";
    sqlx::query(bench.db.sql(change)).bind(done).execute(&mut *tx).await.expect("changes");
    tx.commit().await.expect("commits");
    assert_eq!(unexplained(&bench, &node).await, json!([done]));
    let rewrite = "UPDATE {s}.audit_trail SET actor = $1 WHERE seq = 1";
    let refused = sqlx::query(bench.db.sql(rewrite)).bind(maker.to_string()).execute(bench.db.pool()).await;
    assert!(refused.is_err(), "the trail only grows");
    bench.settle().await; // The order's row follows the case's last step.
    bench.assert_books_balance().await;
}
