//! Invariant under test: whatever is done to the trail behind the program's back is seen, and its first row named.

use crate::database::Bench;
use crate::desk::Floor;
use axum::http::StatusCode;
use recon::UNEXPLAINED;
use serde_json::json;
use trail::{Anchor, FaultKind, Verified, verify_with};

/// A trail of some steps, nobody at work on it, and how many rows it has.
async fn trail() -> (Bench, i64) {
    let floor = Floor::open().await;
    for number in 0..6 {
        let said = json!({ "text": format!("number {number}") });
        assert_eq!(floor.act(&floor.maker, "comments", said).await.0, StatusCode::OK);
    }
    let Floor { bench, running, .. } = floor;
    running.shutdown().await;
    let rows = bench.count("SELECT count(*) FROM {s}.audit_trail").await;
    (bench, rows)
}

async fn verify(bench: &Bench, anchors: Vec<Anchor>) -> Verified {
    verify_with(&bench.db, &UNEXPLAINED, anchors).await.expect("reads")
}

/// What a tampering is seen as: done without the triggers, as whoever owns the tables can.
async fn seen(bench: &Bench, tampering: &[&'static str]) -> Option<(i64, FaultKind)> {
    let db = &bench.db;
    let mut tx = db.begin().await.expect("begins");
    sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tx).await.expect("sets");
    for sql in tampering {
        let done = sqlx::query(db.sql(sql)).execute(&mut *tx).await.expect(sql);
        assert!(done.rows_affected() > 0, "{sql} changed nothing");
    }
    tx.commit().await.expect("commits");
    verify(bench, vec![]).await.fault.map(|fault| (fault.seq, fault.kind))
}

#[tokio::test]
async fn the_tables_themselves_refuse_to_change_the_trail() {
    let (bench, rows) = trail().await;
    let db = &bench.db;
    for sql in [
        "UPDATE {s}.audit_trail SET body = '{}' WHERE seq = 1",
        "DELETE FROM {s}.audit_trail WHERE seq = 1",
        "TRUNCATE {s}.audit_trail",
        "UPDATE {s}.audit_head SET seq = 1",
        "DELETE FROM {s}.audit_head",
        "UPDATE {s}.break_comments SET text = 'nothing'",
        "DELETE FROM {s}.break_comments",
    ] {
        let error = sqlx::query(db.sql(sql)).execute(db.pool()).await.expect_err(sql);
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        assert_eq!(code.as_deref(), Some("23001"), "{sql}: {error}");
    }
    let verified = verify(&bench, vec![]).await;
    assert!(verified.rows == rows && verified.is_whole(), "{verified:?}");
}

const RESTORE: &[&str] = &[
    "DELETE FROM {s}.audit_trail",
    "INSERT INTO {s}.audit_trail SELECT * FROM {s}.kept_trail",
    "WITH gone AS (DELETE FROM {s}.audit_head) SELECT seq FROM {s}.kept_head",
    "INSERT INTO {s}.audit_head SELECT * FROM {s}.kept_head",
];

#[tokio::test]
async fn every_way_to_tamper_with_the_trail_is_named_at_its_first_row() {
    let rewritten: &[&str] = &["UPDATE {s}.audit_trail SET body = body || '{\"x\": 1}' WHERE seq = 3"];
    let actor: &[&str] = &["UPDATE {s}.audit_trail SET actor = 'eve' WHERE seq = 2"];
    let earlier: &[&str] = &["UPDATE {s}.audit_trail SET at = at - interval '1 microsecond' WHERE seq = 2"];
    let hash: &[&str] = &["UPDATE {s}.audit_trail SET hash = decode(repeat('ab', 32), 'hex') WHERE seq = 3"];
    let gap: &[&str] = &["DELETE FROM {s}.audit_trail WHERE seq = 4"];
    let first: &[&str] = &["DELETE FROM {s}.audit_trail WHERE seq = 1"];
    let moved: &[&str] = &[
        "UPDATE {s}.audit_trail SET seq = 1000 + seq WHERE seq IN (3, 4)",
        "UPDATE {s}.audit_trail SET seq = 1007 - seq WHERE seq IN (1003, 1004)",
    ];
    let last: &[&str] =
        &["UPDATE {s}.audit_trail SET act = 'x' WHERE seq = (SELECT seq FROM {s}.audit_head)"];
    let cut: &[&str] = &["DELETE FROM {s}.audit_trail WHERE seq > 5"];
    let head: &[&str] = &["UPDATE {s}.audit_head SET hash = decode(repeat('ab', 32), 'hex')"];
    let no_head: &[&str] = &["DELETE FROM {s}.audit_head"];
    let behind: &[&str] =
        &["UPDATE {s}.audit_head SET seq = 5, hash = (SELECT hash FROM {s}.audit_trail WHERE seq = 5)"];
    let (bench, rows) = trail().await;
    let kept = [
        "CREATE TABLE {s}.kept_trail AS TABLE {s}.audit_trail",
        "CREATE TABLE {s}.kept_head AS TABLE {s}.audit_head",
    ];
    for sql in kept {
        sqlx::query(bench.db.sql(sql)).execute(bench.db.pool()).await.expect("keeps");
    }
    for (tampering, expected) in [
        (rewritten, (3, FaultKind::RewrittenBody)),
        (actor, (2, FaultKind::RewrittenBody)),
        (earlier, (2, FaultKind::RewrittenBody)),
        (hash, (3, FaultKind::WrongHash)),
        (gap, (4, FaultKind::Gap)),
        (first, (1, FaultKind::Gap)),
        (moved, (3, FaultKind::WrongPrevious)),
        (last, (0, FaultKind::RewrittenBody)),
        (cut, (6, FaultKind::CutTail)),
        (head, (0, FaultKind::WrongHead)),
        (no_head, (0, FaultKind::HeadMissing)),
        (behind, (6, FaultKind::BehindHead)),
    ] {
        assert_eq!(verify(&bench, vec![]).await.fault, None);
        // Zero stands for the last row.
        let (seq, kind) = expected;
        let seq = if seq == 0 && kind != FaultKind::HeadMissing { rows } else { seq };
        assert_eq!(seen(&bench, tampering).await, Some((seq, kind)), "{tampering:?}");
        assert_eq!(seen(&bench, RESTORE).await, None);
    }
}

#[tokio::test]
async fn a_cut_tail_behind_a_forged_head_is_seen_by_an_anchor_kept_elsewhere() {
    let (bench, _) = trail().await;
    let anchor: Anchor = verify(&bench, vec![]).await.head.expect("a head").parse().expect("an anchor");
    let forged = [
        "DELETE FROM {s}.audit_trail WHERE seq > 5",
        "UPDATE {s}.audit_head SET seq = 5, hash = (SELECT hash FROM {s}.audit_trail WHERE seq = 5)",
    ];
    assert_eq!(seen(&bench, &forged).await, None, "from the database alone nothing can be said");
    let fault = verify(&bench, vec![anchor]).await.fault.map(|fault| (fault.seq, fault.kind));
    assert_eq!(fault, Some((6, FaultKind::CutTail)));
}

#[tokio::test]
async fn a_break_that_was_changed_or_put_in_past_the_program_is_named() {
    let (bench, _) = trail().await;
    assert!(verify(&bench, vec![]).await.is_whole());
    let found = "SELECT break_id FROM {s}.breaks WHERE kind = 'missing_order'";
    let found: ids::Uuid =
        sqlx::query_scalar(bench.db.sql(found)).fetch_one(bench.db.pool()).await.expect("reads");
    for (change, back) in [
        (
            "UPDATE {s}.breaks SET state = 7, closed_at = now(), closed_why = 3 WHERE kind = 'missing_order'",
            "UPDATE {s}.breaks SET state = 2, closed_at = NULL, closed_why = NULL WHERE kind = 'missing_order'",
        ),
        (
            "UPDATE {s}.breaks SET version = version + 1 WHERE kind = 'missing_order'",
            "UPDATE {s}.breaks SET version = version - 1 WHERE kind = 'missing_order'",
        ),
    ] {
        for (sql, unexplained) in [(change, vec![found.to_string()]), (back, vec![])] {
            sqlx::query(bench.db.sql(sql)).execute(bench.db.pool()).await.expect(sql);
            assert_eq!(verify(&bench, vec![]).await.unexplained, unexplained, "{sql}");
        }
    }
    let put_in = "INSERT INTO {s}.breaks (break_id, fact_key, kind, logs, partition, coins, evidence)
        VALUES (gen_random_uuid(), 'x', 'extra_item', 'orders_items', 1, 1, '{}')";
    sqlx::query(bench.db.sql(put_in)).execute(bench.db.pool()).await.expect("puts in");
    assert_eq!(verify(&bench, vec![]).await.unexplained.len(), 1);
}
