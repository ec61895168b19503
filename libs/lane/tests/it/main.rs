//! Invariant under test: only what the key signed, unchanged and in time, leaves the live lane.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::lane::{Lane, RunName};
use lane::{LaneError, LaneKey, read, sign};
use proptest::prelude::*;

fn key(byte: u8) -> LaneKey {
    LaneKey::try_new(&[byte; 32]).expect("32 bytes are enough")
}

fn at(unix_s: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(unix_s, 0).expect("in range")
}

fn run(name: &str) -> RunName {
    RunName::try_from(name.to_owned()).expect("a good name")
}

proptest! {
    #[test]
    fn what_was_signed_is_read_until_it_expires(name in "[a-z0-9]{1,16}", unix_s in 0_i64..4_000_000_000) {
        let header = sign(&run(&name), at(unix_s), &key(1));
        let before = at(unix_s) - TimeDelta::milliseconds(1);
        prop_assert_eq!(read(&header, before, &key(1)), Ok(Lane::Shadow(run(&name))));
        prop_assert_eq!(read(&header, at(unix_s), &key(1)), Err(LaneError::Expired));
        prop_assert_eq!(read(&header, before, &key(2)), Err(LaneError::WrongSignature));
    }

    #[test]
    fn a_changed_byte_is_refused(
        name in "[a-z0-9]{1,16}", unix_s in 0_i64..4_000_000_000, place in any::<prop::sample::Index>(), byte in 0_u8..128,
    ) {
        let header = sign(&run(&name), at(unix_s), &key(1));
        let mut bytes = header.clone().into_bytes();
        let place = place.index(bytes.len());
        prop_assume!(bytes[place] != byte);
        bytes[place] = byte;
        let changed = String::from_utf8(bytes).expect("ASCII stays ASCII");
        let outcome = read(&changed, DateTime::UNIX_EPOCH - TimeDelta::days(1), &key(1));
        prop_assert!(matches!(outcome, Err(LaneError::Malformed | LaneError::WrongSignature)), "{changed}: {outcome:?}");
    }

    #[test]
    fn a_flipped_case_is_refused(unix_s in 0_i64..4_000_000_000) {
        let header = sign(&run("spring"), at(unix_s), &key(1));
        let (body, mac) = header.rsplit_once('.').expect("four parts");
        prop_assume!(mac != mac.to_uppercase());
        let loud = format!("{body}.{}", mac.to_uppercase());
        prop_assert_eq!(read(&loud, DateTime::UNIX_EPOCH, &key(1)), Err(LaneError::WrongSignature));
    }

    #[test]
    fn no_text_makes_the_reader_panic_or_pass(text in "\\PC{0,200}") {
        prop_assert!(read(&text, DateTime::UNIX_EPOCH, &key(1)).is_err());
    }
}

#[test]
fn a_short_key_is_refused_and_no_key_shows_in_debug() {
    assert_eq!(LaneKey::try_new(&[7; 31]).expect_err("too short"), LaneError::KeyTooShort);
    assert_eq!(format!("{:?}", key(7)), "LaneKey(…)");
}
