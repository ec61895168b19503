//! Idempotency keys: only a UUIDv7 in one spelling, and only of the right age.

use crate::wire::{answer, finished, get};
use axum::Router;
use axum::body::Body;
use axum::routing::get as on_get;
use chrono::{DateTime, Utc};
use contracts::class::Classed;
use edge::{IdempotencyKey, KeyAge, KeyAgeError};
use http::Request;
use ids::{SendKey, Uuid};
use proptest::prelude::*;
use std::time::Duration;

const GOOD: &str = "019a0000-0000-7000-8000-000000000001";

fn at(unix_ms: u64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(i64::try_from(unix_ms).expect("in range")).expect("in range")
}

fn made_at(unix_ms: u64) -> SendKey {
    SendKey::from_uuid(uuid::Builder::from_unix_timestamp_millis(unix_ms, &[9; 10]).into_uuid())
}

#[tokio::test]
async fn a_missing_malformed_or_double_key_is_named() {
    let echo = async |IdempotencyKey(key): IdempotencyKey| key.to_string();
    let router = finished(Router::new().route("/", on_get(echo)));
    insta::assert_snapshot!("key_missing", answer(&router, get("/")).await);
    let with = |keys: &[&str]| {
        let mut request = Request::get("/");
        for key in keys {
            request = request.header("Idempotency-Key", *key);
        }
        request.body(Body::empty()).expect("a good request")
    };
    assert!(answer(&router, with(&[GOOD])).await.ends_with(GOOD));
    insta::assert_snapshot!("key_malformed", answer(&router, with(&["7"])).await);
    for bad in [
        "",
        "019a00000000700080000000000000001",
        "{019a0000-0000-7000-8000-000000000001}",
        "019a0000-0000-4000-8000-000000000001",
        "019a0000-0000-8000-8000-000000000001",
        "019a0000-0000-7000-c000-000000000001",
        "019a0000-0000-7000-8000-00000000000g",
    ] {
        assert!(answer(&router, with(&[bad])).await.contains("key-malformed"), "{bad} was taken");
    }
    assert!(answer(&router, with(&[GOOD, GOOD])).await.contains("key-malformed"));
}

#[test]
fn both_limits_of_a_keys_age_are_taken_and_a_millisecond_more_is_not() {
    let age = KeyAge { key_age_max: Duration::from_secs(3_600), ..KeyAge::default() };
    let now_ms = 1_760_000_000_000;
    let check = |made_ms| age.check(made_at(made_ms), at(now_ms)).map_err(|error| error.slug());
    assert_eq!(check(now_ms), Ok(()));
    assert_eq!(check(now_ms - 3_600_000), Ok(()));
    assert_eq!(check(now_ms - 3_600_001), Err("key-too-old"));
    assert_eq!(check(now_ms + 60_000), Ok(()));
    assert_eq!(check(now_ms + 60_001), Err("key-from-the-future"));
    assert_eq!(check(0), Err("key-too-old"));
    assert_eq!(check((1 << 48) - 1), Err("key-from-the-future"));
    let error = age.check(made_at(now_ms + 90_000), at(now_ms)).expect_err("too far ahead");
    assert_eq!(error, KeyAgeError::FromTheFuture { ahead_s: 90, key_future_max_s: 60 });
}

proptest! {
    #[test]
    fn only_version_seven_in_one_spelling_is_a_key(text in "[0-9a-fA-F-]{36}|\\PC{0,50}|[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}") {
        match IdempotencyKey::parse(&text) {
            Ok(IdempotencyKey(key)) => prop_assert_eq!(key.to_string(), text.to_lowercase()),
            Err(problem) => {
                prop_assert_eq!(problem.slug(), "key-malformed");
                let uuid = Uuid::try_parse(&text);
                let v7 = text.len() == 36 && uuid.is_ok_and(|uuid| {
                    uuid.get_version_num() == 7 && uuid.get_variant() == uuid::Variant::RFC4122
                });
                prop_assert!(!v7, "{} was refused", text);
            }
        }
    }

    #[test]
    fn a_key_of_any_time_is_judged_without_a_panic(made_ms in 0_u64..1 << 48, now_ms in 0_u64..8_000_000_000_000) {
        let fits = KeyAge::default().check(made_at(made_ms), at(now_ms)).is_ok();
        let age_ms = i128::from(now_ms) - i128::from(made_ms);
        prop_assert_eq!(fits, (-60_000..=86_400_000).contains(&age_ms));
    }
}
