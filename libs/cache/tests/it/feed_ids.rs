//! Invariant under test: a place in a feed has one text, and no text from a browser breaks the reader.

use cache::FeedId;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_place_survives_its_text(ms in any::<u64>(), n in any::<u64>()) {
        let id = FeedId { ms, n };
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        let json = serde_json::to_string(&id).expect("a string");
        prop_assert_eq!(serde_json::from_str::<FeedId>(&json).expect("the same string"), id);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[0-9+ -]{0,45}|\\PC{0,30}") {
        if let Ok(id) = text.parse::<FeedId>() {
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'), "{text} is {id}");
        }
    }
}

#[test]
fn texts_near_a_place_are_refused() {
    for text in ["", "-", "1", "1-", "-1", "1-2-3", "+1-2", "1-+2", " 1-2", "18446744073709551616-0"] {
        assert!(text.parse::<FeedId>().is_err(), "{text:?} was taken");
    }
}
