//! Invariant under test: an order is settled by the contract of its day, and reversed by the same one.

use crate::desk::{Desk, quick_config};
use crate::orders::{day_of, delivered, later, noon};
use axum::http::{Method, StatusCode};
use chrono::{Days, NaiveDate, Utc};
use contracts::item::ItemKind;
use contracts::log::AccountingZone;
use contracts::order::OrderKind;
use edge::Role;
use ids::{AgencyId, StreamerId, Uuid};
use serde_json::{Value, json};

pub fn today() -> NaiveDate {
    AccountingZone::default().day_of(Utc::now())
}

/// The number of a day for [`noon`].
pub fn number_of(day: NaiveDate) -> i64 {
    day.signed_duration_since(day_of(1)).num_days() + 1
}

pub fn contract(streamer: StreamerId, from: NaiveDate, streamer_ppm: u32, agency_ppm: u32) -> Value {
    json!({
        "streamer_id": streamer, "valid_from": from, "agency_id": AgencyId::now(), "streamer_ppm": streamer_ppm,
        "agency_ppm": agency_ppm, "platform_ppm": 1_000_000 - streamer_ppm - agency_ppm, "tax_ppm": 60_000,
        "promo": "not_shared",
    })
}

/// A contract that one person asks for and another approves.
pub async fn make_and_approve(desk: &Desk, contract: &Value) {
    let made = desk.post(Uuid::now_v7(), "/v1/contracts", contract).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let import = made.body["import_id"].as_str().expect("something new");
    let path = format!("/v1/finance/contract-imports/{import}/approve");
    let approved = desk.post(Uuid::now_v7(), &path, &Value::Null).await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.body);
}

#[tokio::test]
async fn a_new_version_counts_from_its_day_and_a_refund_follows_the_old_one() {
    let mut desk = Desk::open().await;
    let (streamer, tomorrow) = (StreamerId::now(), today() + Days::new(1));
    make_and_approve(&desk, &contract(streamer, today(), 400_000, 100_000)).await;
    make_and_approve(&desk, &contract(streamer, tomorrow, 600_000, 100_000)).await;
    let day = number_of(today());
    let old = desk.orders.append(delivered(streamer, 500, 100, day));
    desk.orders.append(delivered(streamer, 500, 100, day + 1));
    desk.orders.append(delivered(streamer, 500, 100, day - 1));
    desk.orders.append(later(&old, OrderKind::RefundedDelivered, 500, 100, day + 1));
    desk.settle_all(noon(0)).await;
    let mut items = desk.items().await;
    items.sort_by_key(|item| (item.kind, item.stamp.day));
    let told: Vec<_> =
        items.iter().map(|i| (i.kind, i.contract_version, i.streamer.get(), i.agency.get())).collect();
    assert_eq!(
        told,
        [
            (ItemKind::Settled, -1, 30_000_000, 0),
            (ItemKind::Settled, 1, 20_000_000, 5_000_000),
            (ItemKind::Settled, 2, 30_000_000, 5_000_000),
            (ItemKind::Reversed, 1, -20_000_000, -5_000_000),
        ]
    );
    let path = format!("/v1/contracts?streamer_id={streamer}");
    let list = desk.as_role(Role::Finance, Method::GET, &path, &Value::Null).await;
    assert_eq!(list.body["contracts"].as_array().map(Vec::len), Some(2));
    desk.stop().await;
}

#[tokio::test]
async fn contracts_that_overlap_begin_in_the_past_or_cannot_be_kept_are_refused_by_name() {
    let mut desk = Desk::open().await;
    let streamer = StreamerId::now();
    let make = async |body: Value| desk.as_role(Role::Finance, Method::POST, "/v1/contracts", &body).await;
    let yesterday = today() - Days::new(1);
    let late = make(contract(streamer, yesterday, 1, 1)).await;
    assert_eq!(late.slug(), "contracts-refused");
    assert!(late.body["detail"].as_str().is_some_and(|detail| detail.contains("at the earliest")));
    assert_eq!(make(contract(streamer, today(), 400_000, 0)).await.status, StatusCode::CREATED);
    let overlaps = make(contract(streamer, today(), 500_000, 0)).await;
    assert_eq!((overlaps.status, overlaps.slug()), (StatusCode::UNPROCESSABLE_ENTITY, "contracts-refused"));
    assert_eq!(make(contract(streamer, today() + Days::new(1), 990_000, 0)).await.slug(), "tax-not-borne");
    let mut odd = contract(streamer, today() + Days::new(1), 400_000, 100_000);
    odd["platform_ppm"] = 1.into();
    assert_eq!(make(odd.clone()).await.slug(), "shares-not-whole");
    odd["platform_ppm"] = 500_000.into();
    odd["agency_id"] = Value::Null;
    assert_eq!(make(odd.clone()).await.slug(), "agency-missing");
    odd["streamer_ppm"] = 0.5.into();
    let mut typo = contract(streamer, today(), 400_000, 0);
    typo["streamer_share"] = 1.into();
    assert_eq!(make(typo).await.slug(), "field-unknown");
    assert_eq!(make(odd).await.status, StatusCode::BAD_REQUEST);
    let nobody = contract(StreamerId::from_uuid(Uuid::nil()), today(), 1, 1);
    assert_eq!(make(nobody).await.slug(), "contracts-refused");
    for role in [Role::Viewer, Role::Sre] {
        let told = desk.as_role(role, Method::POST, "/v1/contracts", &Value::Null).await;
        assert_eq!(told.status, StatusCode::FORBIDDEN);
        let told = desk.as_role(role, Method::GET, "/v1/statements/x/y", &Value::Null).await;
        assert_eq!(told.status, StatusCode::FORBIDDEN);
    }
    desk.stop().await;
}

#[tokio::test]
async fn a_changed_default_counts_from_the_day_it_was_first_started_with() {
    let mut desk = Desk::open_with(quick_config()).await;
    let (streamer, day) = (StreamerId::now(), number_of(today()));
    let old = desk.orders.append(delivered(streamer, 500, 0, day));
    desk.settle_all(noon(0)).await;
    desk.stop().await;
    let half = desk.config.default_contract.streamer_ppm;
    desk.config.default_contract.streamer_ppm = money::Ppm::try_new(300_000).expect("in range");
    desk.config.default_contract.platform_ppm = money::Ppm::try_new(700_000).expect("in range");
    desk.running = Some(desk.start("a", desk.bus.clone()).await);
    desk.orders.append(delivered(streamer, 500, 0, day));
    desk.orders.append(later(&old, OrderKind::RefundedDelivered, 500, 0, day));
    desk.settle_all(noon(0)).await;
    let mut shares: Vec<_> =
        desk.items().await.iter().map(|item| (item.contract_version, item.streamer.get())).collect();
    shares.sort_unstable();
    assert_eq!(shares, [(-2, 15_000_000), (-1, -25_000_000), (-1, 25_000_000)]);
    assert_eq!(half.get(), 500_000);
    desk.stop().await;
}
