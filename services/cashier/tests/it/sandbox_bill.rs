//! Invariant under test: the sandbox's bill of a day is what a real channel's would be, and is wrong only as asked.

use crate::till::{Till, refund, says};
use axum::http::StatusCode;
use bills::{BillError, Intake, RowKind};
use cashier::{Config, Profile};
use edge::Role;
use ids::ViewerId;
use serde_json::json;
use std::io::Cursor;
use std::ops::ControlFlow;

/// A row as far as it is compared: kind, the channel's id, ours, what it is about, amount.
type Told = (String, String, String, Option<String>, i64);

fn read(file: Vec<u8>) -> Result<Vec<Told>, BillError> {
    let mut rows = Vec::new();
    Intake::default().read(Cursor::new(file), &mut |row| {
        let about =
            (row.kind == RowKind::Refund).then(|| row.about_ref.clone().unwrap_or_default().to_string());
        rows.push((
            row.kind.name().to_owned(),
            row.channel_ref.to_string(),
            row.our_ref.clone().unwrap_or_default().to_string(),
            about,
            row.amount_minor,
        ));
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

#[tokio::test]
async fn the_bill_of_a_day_has_its_payments_and_refunds_and_is_read_whole() {
    let till = Till::open().await;
    let viewer = ViewerId::now();
    let (one, other) = (till.recharge(viewer, 600).await, till.recharge(viewer, 800).await);
    for body in [
        says("payment_succeeded", "wx-1", &one, 600),
        says("payment_succeeded", "wx-2", &other, 800),
        refund("wx-r", "wx-2", &other, 300),
    ] {
        assert_eq!(till.callback(&body).await.status, StatusCode::OK);
    }
    let (status, file) = till.bill(Role::Auditor, &json!({ "day": "2026-03-01" })).await;
    assert_eq!(status, StatusCode::OK);
    let mut rows = read(file).expect("it is read");
    let ours = till.payments().await;
    let refunded = ours.iter().find(|payment| payment.refunds.is_some()).expect("the refund").payment_id;
    rows.sort();
    let paid = |id: &str, recharge: &str, amount| {
        ("payment".to_owned(), id.to_owned(), recharge.to_owned(), None, amount)
    };
    let back = ("refund".to_owned(), "wx-r".to_owned(), refunded.to_string(), Some("wx-2".to_owned()), -300);
    assert_eq!(rows, [paid("wx-1", &one, 600), paid("wx-2", &other, 800), back]);
    let (_, next_day) = till.bill(Role::Auditor, &json!({ "day": "2026-03-02" })).await;
    assert_eq!(read(next_day).expect("an empty bill"), []);
    let missing = json!({ "day": "2026-03-01", "faults": [{ "fault": "missing-row", "row": 0 }] });
    assert_eq!(read(till.bill(Role::Auditor, &missing).await.1).expect("true to itself").len(), 2);
    let wrong = json!({ "day": "2026-03-01", "faults": [{ "fault": "missing-row", "row": 3 }] });
    assert_eq!(till.bill(Role::Auditor, &wrong).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(till.bill(Role::Viewer, &missing).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn production_has_no_such_bill() {
    let mut config = Config::try_default().expect("the defaults are whole");
    config.profile = Profile::Production;
    let till = Till::open_with(config).await;
    let (status, _) = till.bill(Role::Finance, &json!({ "day": "2026-03-01" })).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
