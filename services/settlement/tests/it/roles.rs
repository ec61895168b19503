//! Invariant under test: who proposes does not decide, who decides does not propose, and an auditor only reads.

use crate::desk::Desk;
use axum::http::{Method, StatusCode};
use edge::Role;
use ids::Uuid;
use serde_json::{Value, json};

/// What a role may do. Nothing asked for here exists, so whoever is let in is told that, and nobody changes anything.
async fn is_let_in(desk: &Desk, role: Role, method: Method, path: &str, body: &Value) -> bool {
    let told = desk.as_role(role, method, path, body).await;
    assert!(!told.status.is_server_error(), "{path} for {role:?}: {}", told.body);
    told.status != StatusCode::FORBIDDEN
}

#[tokio::test]
async fn makers_propose_checkers_decide_and_auditors_read() {
    let mut desk = Desk::open().await;
    let nothing = Uuid::now_v7();
    let batch = format!("/v1/finance/payout-batches/{nothing}");
    let import = format!("/v1/finance/contract-imports/{nothing}");
    let built = json!({ "batch_id": nothing });
    let proposals = [
        ("/v1/finance/payout-batches".to_owned(), built),
        (format!("{batch}/submit"), Value::Null),
        (format!("{batch}/confirmations"), json!({ "lines": [] })),
        (format!("/v1/finance/payout-requests/{nothing}/cancel"), Value::Null),
    ];
    let decisions = [
        format!("{batch}/approve"),
        format!("{batch}/discard"),
        format!("{import}/approve"),
        format!("{import}/refuse"),
        format!("/v1/finance/payee-accounts/{nothing}/approve"),
    ];
    let reads = ["/v1/contracts", "/v1/finance/payout-batches", "/v1/finance/contract-imports"];
    for (role, proposes, decides, looks) in [
        (Role::Finance, true, true, true),
        (Role::FinanceMaker, true, false, true),
        (Role::FinanceChecker, false, true, true),
        (Role::Auditor, false, false, true),
        (Role::Sre, false, false, false),
        (Role::Viewer, false, false, false),
    ] {
        for (path, body) in &proposals {
            assert_eq!(
                is_let_in(&desk, role, Method::POST, path, body).await,
                proposes,
                "{path} for {role:?}"
            );
        }
        for path in &decisions {
            let is_in = is_let_in(&desk, role, Method::POST, path, &Value::Null).await;
            assert_eq!(is_in, decides, "{path} for {role:?}");
        }
        for path in reads {
            assert_eq!(
                is_let_in(&desk, role, Method::GET, path, &Value::Null).await,
                looks,
                "{path} for {role:?}"
            );
        }
    }
    desk.stop().await;
}
