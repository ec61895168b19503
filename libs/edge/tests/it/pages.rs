//! Invariant under test: a page has as many rows as were asked for, or the question is refused; never some other number.

use axum::http::StatusCode;
use axum::response::IntoResponse as _;

#[test]
fn a_limit_is_taken_as_it_is_or_refused() {
    for (asked, len) in [(None, 50), (Some(1), 1), (Some(50), 50), (Some(200), 200)] {
        assert_eq!(edge::page_len(asked, 50, 200).ok(), Some(len), "{asked:?}");
    }
    for asked in [i64::MIN, -1, 0, 201, i64::MAX] {
        let refused = edge::page_len(Some(asked), 50, 200).expect_err("out of range").into_response();
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{asked}");
    }
}
