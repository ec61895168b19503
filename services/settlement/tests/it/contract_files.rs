//! Invariant under test: a file of contracts comes whole or not at all, once, and is in force only when another
//! person has approved it.

use crate::contracts_of_streamers::{number_of, today};
use crate::desk::Desk;
use crate::orders::{delivered, noon};
use axum::http::StatusCode;
use chrono::{Days, NaiveDate};
use futures::future::join_all;
use ids::{AgencyId, StreamerId, Uuid};
use proptest::prelude::*;
use serde_json::Value;

const IMPORTS: &str = "/v1/finance/contract-imports";
const EXPORT: &str = "/v1/finance/contracts.csv";
const HEADER: &str = "streamer_id,valid_from,agency_id,streamer_ppm,agency_ppm,platform_ppm,tax_ppm,promo\n";

fn line(streamer: StreamerId, from: NaiveDate, streamer_ppm: u32) -> String {
    format!("{streamer},{from},,{streamer_ppm},0,{},60000,shared\n", 1_000_000 - streamer_ppm)
}

async fn decide(desk: &Desk, who: Uuid, import: &Value, how: &str) -> (StatusCode, String) {
    let path = format!("{IMPORTS}/{}/{how}", import["import_id"].as_str().expect("an import"));
    let told = desk.post(who, &path, &Value::Null).await;
    (
        told.status,
        if told.status.is_success() { told.body["state"].to_string() } else { told.slug().to_owned() },
    )
}

async fn in_state(desk: &Desk, state: &str) -> Vec<Value> {
    let listed = desk.get(&format!("{IMPORTS}?state={state}")).await;
    listed["imports"].as_array().expect("a list").iter().map(|import| import["import_id"].clone()).collect()
}

#[tokio::test]
async fn a_file_waits_for_another_person_and_the_same_file_again_is_no_second_version() {
    let mut desk = Desk::open().await;
    let (ann, bob, streamer) = (Uuid::now_v7(), Uuid::now_v7(), StreamerId::now());
    let tomorrow = today() + Days::new(1);
    let file = format!("{HEADER}{}{}", line(streamer, today(), 400_000), line(streamer, tomorrow, 600_000));
    let made = desk.post_csv(ann, IMPORTS, &file).await;
    assert_eq!((made.status, made.body["new"].as_i64()), (StatusCode::CREATED, Some(2)), "{}", made.body);
    let again = desk.post_csv(bob, IMPORTS, &file).await;
    assert_eq!((again.body["new"].as_i64(), again.body["unchanged"].as_i64()), (Some(0), Some(2)));
    assert_eq!(again.body["import_id"], Value::Null);
    assert_eq!(desk.get_text(EXPORT).await.1, HEADER, "nothing is in force before it is approved");
    assert_eq!(in_state(&desk, "waiting").await, [made.body["import_id"].clone()]);
    assert_eq!(in_state(&desk, "approved").await, Vec::<Value>::new());
    // Until then the default contract settles.
    desk.orders.append(delivered(streamer, 100, 0, number_of(today())));
    desk.settle_all(noon(0)).await;
    assert_eq!(
        decide(&desk, ann, &made.body, "approve").await,
        (StatusCode::FORBIDDEN, "maker-is-checker".to_owned())
    );
    for _ in 0..2 {
        assert_eq!(
            decide(&desk, bob, &made.body, "approve").await,
            (StatusCode::OK, "\"approved\"".to_owned())
        );
    }
    assert_eq!(in_state(&desk, "waiting").await, Vec::<Value>::new());
    assert_eq!(in_state(&desk, "approved").await, [made.body["import_id"].clone()]);
    assert_eq!(
        decide(&desk, ann, &made.body, "refuse").await,
        (StatusCode::CONFLICT, "import-decided".to_owned())
    );
    assert_eq!(desk.get_text(EXPORT).await.1, file, "what comes out is what came in");
    assert_eq!(desk.post_csv(ann, IMPORTS, &file).await.body["new"], 0);
    desk.orders.append(delivered(streamer, 100, 0, number_of(today())));
    desk.orders.append(delivered(streamer, 100, 0, number_of(tomorrow)));
    desk.settle_all(noon(0)).await;
    let mut versions: Vec<_> =
        desk.items().await.iter().map(|i| (i.contract_version, i.streamer.get())).collect();
    versions.sort_unstable();
    assert_eq!(versions, [(-1, 5_000_000), (1, 4_000_000), (2, 6_000_000)]);
    desk.prove().await;
    desk.stop().await;
}

#[tokio::test]
async fn a_file_with_one_wrong_line_brings_nothing_and_names_line_and_field() {
    let mut desk = Desk::open().await;
    let (ann, streamer) = (Uuid::now_v7(), StreamerId::now());
    let bad = line(streamer, today() + Days::new(1), 400_000).replace("shared", "perhaps");
    let past = line(StreamerId::now(), today() - Days::new(1), 1);
    let file = format!("{HEADER}{}{bad}", line(streamer, today(), 400_000));
    let refused = desk.post_csv(ann, IMPORTS, &file).await;
    assert_eq!((refused.status, refused.slug()), (StatusCode::UNPROCESSABLE_ENTITY, "contracts-refused"));
    let detail = refused.body["detail"].as_str().expect("a reason").to_owned();
    assert!(detail.contains("line 3, promo: \"perhaps\""), "{detail}");
    let refused = desk.post_csv(ann, IMPORTS, &format!("{HEADER}{past}")).await;
    assert!(
        refused.body["detail"].as_str().expect("a reason").contains("line 2, valid_from: a first contract")
    );
    assert_eq!(desk.get(IMPORTS).await["imports"], Value::Array(Vec::new()));
    // A contract that follows another begins in the future.
    let first = desk.post_csv(ann, IMPORTS, &format!("{HEADER}{}", line(streamer, today(), 1))).await;
    assert_eq!(decide(&desk, Uuid::now_v7(), &first.body, "approve").await.0, StatusCode::OK);
    let earlier = line(streamer, today() - Days::new(1), 1);
    let refused = desk.post_csv(ann, IMPORTS, &format!("{HEADER}{earlier}")).await;
    assert!(refused.body["detail"].as_str().expect("a reason").contains("begins later"), "{}", refused.body);
    desk.stop().await;
}

#[tokio::test]
async fn a_refused_file_can_come_again_and_the_table_itself_wants_two_people() {
    let mut desk = Desk::open().await;
    let (ann, bob, streamer) = (Uuid::now_v7(), Uuid::now_v7(), StreamerId::now());
    let file = format!("{HEADER}{}", line(streamer, today(), 400_000));
    let made = desk.post_csv(ann, IMPORTS, &file).await;
    assert_eq!(
        decide(&desk, ann, &made.body, "refuse").await.0,
        StatusCode::OK,
        "one may take one's own back"
    );
    assert_eq!(
        decide(&desk, bob, &made.body, "approve").await,
        (StatusCode::CONFLICT, "import-decided".to_owned())
    );
    let again = desk.post_csv(ann, IMPORTS, &file).await;
    assert_eq!(again.body["new"], 1);
    assert_eq!(decide(&desk, bob, &again.body, "approve").await.0, StatusCode::OK);
    for (sql, constraint) in [
        ("UPDATE {s}.contracts SET approved_by = created_by", "contracts_approved_by_another"),
        (
            "UPDATE {s}.contract_imports SET decided_by = created_by WHERE state = 2",
            "contract_imports_approved_by_another",
        ),
    ] {
        let refused = sqlx::query(desk.db.sql(sql)).execute(desk.db.pool()).await.expect_err("a constraint");
        let name = refused.as_database_error().and_then(|error| error.constraint().map(str::to_owned));
        assert_eq!(name.as_deref(), Some(constraint));
    }
    desk.stop().await;
}

#[tokio::test]
async fn two_imports_of_one_contract_at_once_leave_one() {
    let mut desk = Desk::open().await;
    let streamer = StreamerId::now();
    let files: Vec<String> =
        (1..=8).map(|share| format!("{HEADER}{}", line(streamer, today(), share * 100_000))).collect();
    let imports = files.iter().map(|file| desk.post_csv(Uuid::now_v7(), IMPORTS, file));
    let mut made = Vec::new();
    for told in join_all(imports).await {
        match told.status {
            StatusCode::CREATED => made.push(told.body),
            status => assert!(status == StatusCode::CONFLICT || status == StatusCode::UNPROCESSABLE_ENTITY),
        }
    }
    assert_eq!(made.len(), 1);
    desk.stop().await;
}

/// Terms whose platform share bears 6 % of tax.
fn lines() -> impl Strategy<Value = Vec<(usize, u64, u32, u32, bool)>> {
    prop::collection::vec((0_usize..4, 1_u64..200, 0_u32..=800_000, 0_u32..=100_000, any::<bool>()), 1..40)
}

async fn round_trip(lines: Vec<(usize, u64, u32, u32, bool)>) {
    let mut desk = Desk::open().await;
    let (streamers, agency) = ([(); 4].map(|()| StreamerId::now()), AgencyId::now());
    let mut rows = std::collections::BTreeMap::new();
    for (streamer, ahead, share, of_agency, is_shared) in lines {
        let (streamer, from) = (streamers[streamer], today() + Days::new(ahead));
        let agency = if of_agency > 0 { agency.to_string() } else { String::new() };
        let promo = if is_shared { "shared" } else { "not_shared" };
        let rest = 1_000_000 - share - of_agency;
        rows.insert(
            (streamer, from),
            format!("{streamer},{from},{agency},{share},{of_agency},{rest},60000,{promo}\n"),
        );
    }
    let sorted = format!("{HEADER}{}", rows.values().cloned().collect::<String>());
    let backwards = format!("{HEADER}{}", rows.values().rev().cloned().collect::<String>());
    let made = desk.post_csv(Uuid::now_v7(), IMPORTS, &backwards).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!(decide(&desk, Uuid::now_v7(), &made.body, "approve").await.0, StatusCode::OK);
    let (_, exported) = desk.get_text(EXPORT).await;
    assert_eq!(exported, sorted);
    let again = desk.post_csv(Uuid::now_v7(), IMPORTS, &exported).await;
    assert_eq!(
        (&again.body["new"], again.body["unchanged"].as_u64()),
        (&Value::from(0), u64::try_from(rows.len()).ok())
    );
    desk.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_exported_is_what_was_imported(lines in lines()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(round_trip(lines));
    }
}
