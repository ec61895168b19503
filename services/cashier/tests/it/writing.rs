//! Invariant under test: what goes wrong while writing spoils nothing else, and nothing is credited twice.

use crate::till::{Till, says};
use axum::http::StatusCode;
use cashier::Config;
use ids::ViewerId;
use sqlx::Executor;
use std::time::Duration;

/// Callbacks for `count` recharges of new viewers, the amount of each being its number from 100 up.
async fn paid_bodies(till: &Till, count: i64) -> Vec<serde_json::Value> {
    let mut bodies = Vec::new();
    for at in 0..count {
        let id = till.recharge(ViewerId::now(), 100 + at).await;
        bodies.push(says("payment_succeeded", &format!("wx-{at}"), &id, 100 + at));
    }
    bodies
}

async fn all_at_once(till: &Till, bodies: &[serde_json::Value]) -> Vec<crate::till::Told> {
    let mut waiting = tokio::task::JoinSet::new();
    for (at, body) in bodies.iter().enumerate() {
        let (router, body) = (till.router.clone(), body.clone());
        let signed = till.signed(&body);
        waiting.spawn(async move { (at, Till::post(router, signed).await) });
    }
    let mut told = waiting.join_all().await;
    told.sort_by_key(|(at, _)| *at);
    told.into_iter().map(|(_, told)| told).collect()
}

#[tokio::test]
async fn one_callback_the_database_refuses_spoils_no_other() {
    let till = Till::open().await;
    let bodies = paid_bodies(&till, 40).await;
    let refuse = "ALTER TABLE cashier.payments ADD CONSTRAINT of_this_test CHECK (amount_minor <> 117)";
    till.db.pool().execute(refuse).await.expect("a constraint");
    let told = all_at_once(&till, &bodies).await;
    for (at, told) in told.iter().enumerate() {
        if at == 17 {
            assert_eq!(
                (told.status, told.slug()),
                (StatusCode::INTERNAL_SERVER_ERROR, "callback-not-recordable")
            );
        } else {
            assert_eq!(told.outcome(), ("credited", "first"), "{at}: {told:?}");
        }
    }
    assert_eq!(till.payments().await.len(), 39);
    till.db
        .pool()
        .execute("ALTER TABLE cashier.payments DROP CONSTRAINT of_this_test")
        .await
        .expect("dropped");
    assert_eq!(till.callback(&bodies[17]).await.outcome(), ("credited", "first"));
}

#[tokio::test]
async fn a_commit_of_unknown_outcome_is_told_as_unknown_and_the_repeat_credits_once() {
    let till = Till::open().await;
    let bodies = paid_bodies(&till, 3).await;
    // The backend dies while it commits: the client cannot know on which side of it.
    let bomb = "
        CREATE TABLE cashier.armed ();
        CREATE FUNCTION cashier.die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF to_regclass('cashier.armed') IS NOT NULL THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
            RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER of_this_test AFTER INSERT ON cashier.payments
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION cashier.die();";
    till.db.pool().execute(sqlx::raw_sql(bomb)).await.expect("a bomb");
    let unknown = till.callback(&bodies[0]).await;
    assert_eq!((unknown.status, unknown.slug()), (StatusCode::GATEWAY_TIMEOUT, "outcome-unknown"));
    till.db.pool().execute("DROP TABLE cashier.armed").await.expect("disarmed");
    for body in &bodies {
        assert_eq!(till.callback(body).await.outcome(), ("credited", "first"));
        assert_eq!(till.callback(body).await.outcome(), ("credited", "replayed"));
    }
    assert_eq!(till.payments().await.len(), 3);
}

#[tokio::test]
async fn a_second_node_takes_its_share_then_everything_and_repeats_stay_repeats() {
    let mut config = Config::try_default().expect("the defaults are whole");
    config.lease_ms = 900;
    let mut first = Till::open_with(config).await;
    let body = &paid_bodies(&first, 1).await[0];
    assert_eq!(first.callback(body).await.outcome(), ("credited", "first"));
    let later = &paid_bodies(&first, 2).await[1];
    let first_running = first.running.take();
    first.start("b").await; // The same database, another node; the first one still runs.
    hold(&first, 32).await;
    assert_eq!(first.callback(body).await.outcome(), ("credited", "replayed"), "a repeat needs no partition");
    if let Some(running) = first_running {
        assert_eq!(running.status().partitions_held, 32);
        running.shutdown().await;
    }
    hold(&first, 64).await;
    let mut told = first.callback(later).await;
    for _ in 0..100 {
        if told.slug() != "shard-moved" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        told = first.callback(later).await;
    }
    assert_eq!(told.outcome(), ("credited", "first"));
    assert_eq!(first.payments().await.len(), 2);
}

async fn hold(till: &Till, count: usize) {
    let held = || till.running.as_ref().map_or(0, |running| running.status().partitions_held);
    for _ in 0..400 {
        if held() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{} partitions are held, not {count}", held());
}

#[tokio::test]
async fn the_head_is_closed_every_second_and_no_row_is_decided_before_it() {
    let till = Till::open().await;
    let closed = "SELECT min(closed_until) FROM {s}.log_heads HAVING count(*) = 64";
    let mut seen = None;
    for _ in 0..100 {
        seen = sqlx::query_scalar::<_, chrono::DateTime<chrono::Utc>>(till.db.sql(closed))
            .fetch_optional(till.db.pool())
            .await
            .expect("heads");
        if seen.is_some_and(|at| at.timestamp() > 0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let closed = seen.expect("64 heads");
    assert!(closed.timestamp() > 0, "nothing was closed in five seconds");
    let body = &paid_bodies(&till, 1).await[0];
    till.callback(body).await;
    assert!(till.payments().await.iter().all(|payment| payment.stamp.decided_at >= closed));
}
