//! Invariant under test: what finance filters by and what it is offered are what the tables and the rules say.

use crate::database::{Bench, debit, noon, stamp};
use crate::desk_api::DeskApi;
use axum::http::StatusCode;
use edge::Role;
use ids::{OrderId, Uuid, named_id};
use serde_json::{Value, json};

/// Puts a break in as recon would have found it `age_h` hours ago.
async fn plant(bench: &Bench, name: &str, (kind, state): (&str, i16), (coins, age_h): (i64, i32)) -> Uuid {
    let break_id = named_id("break", name);
    let plant = "INSERT INTO {s}.breaks (break_id, fact_key, kind, logs, partition, minute, order_id, coins, evidence,
            state, detected_at, due_at, assignee_id, closed_at, closed_why)
        VALUES ($1, $2, $3, 'orders_items', 1, 29000000, $4, $5, '{}', $6, now() - make_interval(hours => $7),
            now() - make_interval(hours => $7) + interval '72 hours', $8,
            CASE WHEN $6 = 7 THEN now() END, CASE WHEN $6 = 7 THEN 1 END)";
    let plant =
        sqlx::query(bench.db.sql(plant)).bind(break_id).bind(name).bind(kind).bind(OrderId::now().uuid());
    let plant = plant.bind(coins).bind(state).bind(age_h).bind((state == 3).then(Uuid::now_v7));
    plant.execute(bench.db.pool()).await.expect("plants");
    break_id
}

fn ids(page: &Value) -> Vec<Uuid> {
    let breaks = page["breaks"].as_array().expect("a list");
    breaks.iter().map(|found| found["break_id"].as_str().expect("an id").parse().expect("an id")).collect()
}

#[tokio::test]
async fn closed_and_young_breaks_are_left_out_where_that_is_asked_and_the_rest_is_counted_by_age() {
    let bench = Bench::open().await;
    let running = bench.start().await;
    let (api, young, old) = (
        DeskApi::of(&running),
        plant(&bench, "young", ("missing_item", 2), (5, 1)).await,
        plant(&bench, "old", ("extra_item", 2), (7, 24 * 9)).await,
    );
    let closed = plant(&bench, "closed", ("missing_item", 7), (9, 24 * 9)).await;
    let reader = api.person(Role::Auditor, "ada");
    let list = async |query: &str| {
        let (status, page) = api.get(&reader, &format!("/v1/finance/breaks?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        ids(&page)
    };
    assert_eq!(list("").await, [closed, old, young]);
    assert_eq!(list("not_closed=true").await, [old, young]);
    let before = (chrono::Utc::now() - chrono::TimeDelta::days(3)).format("%Y-%m-%dT%H:%M:%SZ");
    assert_eq!(list(&format!("detected_before={before}")).await, [closed, old]);
    assert_eq!(list(&format!("not_closed=true&detected_before={before}")).await, [old]);

    let (status, ages) = api.get(&reader, "/v1/finance/break-ages").await;
    assert_eq!(status, StatusCode::OK, "{ages}");
    let group = |kind, age, overdue: i64, coins: i64| {
        json!({ "kind": kind, "severity": "low", "state": "open", "age": age, "count": 1, "overdue_count": overdue,
            "coins": coins, "amount_minor": 0 })
    };
    let said = [group("extra_item", "8-30", 1, 7), group("missing_item", "0-1", 0, 5)];
    // The desk's own timer may have made the old one worse by now: that is its to do.
    let mild = ages["groups"].as_array().expect("groups").iter().map(|group| {
        let mut group = group.clone();
        group["severity"] = json!("low");
        group
    });
    assert_eq!(mild.collect::<Vec<_>>(), said);
    running.shutdown().await;
}

#[tokio::test]
async fn only_what_fits_a_break_and_is_offered_here_may_be_proposed() {
    let bench = Bench::open().await;
    bench.entries.push(debit(&stamp(1, noon()), OrderId::now(), 7));
    let running = bench.start().await;
    let api = DeskApi::of(&running);
    let reader = api.person(Role::FinanceMaker, "mia");
    let may = async |break_id: Uuid| {
        let detail = api.detail(&reader, &break_id.to_string()).await;
        let actions = detail["may_propose"]["actions"].as_array().expect("a list").clone();
        actions.iter().map(|action| action.as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    let small = plant(&bench, "small", ("missing_item", 2), (5, 1)).await;
    let large = plant(&bench, "large", ("extra_return", 2), (1_000_000_000, 1)).await;
    let (of_small, of_large) = (may(small).await, may(large).await);
    assert!(of_small.contains(&"write_off".to_owned()) && !of_large.contains(&"write_off".to_owned()));
    assert!(of_large.contains(&"refund_order".to_owned()) && !of_small.contains(&"refund_order".to_owned()));
    assert!(!of_large.contains(&"resettle".to_owned()), "{of_large:?}");
    for always in ["wait", "grant_coins"] {
        assert!(of_small.contains(&always.to_owned()) && of_large.contains(&always.to_owned()), "{always}");
    }
    running.shutdown().await;
}
