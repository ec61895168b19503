//! Invariant under test: whatever bytes a file has, the answer is a typed error or a valid file: no panic, no
//! hang, and no more memory than the limits say.

use crate::{VALID, packed, validate};
use loadtest::ReplayError;
use loadtest::format::LINE_LEN_MAX;
use loadtest::recorder::Recording;
use proptest::prelude::*;

#[test]
fn a_truncated_packed_file_is_refused_wherever_it_is_cut() {
    let whole = packed(VALID.join("\n").as_bytes());
    for len in 2..whole.len() {
        let error = validate(whole.get(..len).expect("in range")).expect_err("cut short");
        assert!(
            matches!(
                error,
                ReplayError::Truncated { .. } | ReplayError::Open { .. } | ReplayError::Damaged { .. }
            ),
            "{len}: {error}"
        );
    }
}

#[test]
fn bytes_after_a_packed_file_are_refused() {
    let mut bytes = packed(VALID.join("\n").as_bytes());
    bytes.extend_from_slice(b"and more");
    assert!(matches!(validate(&bytes), Err(ReplayError::Damaged { .. } | ReplayError::Truncated { .. })));
}

#[test]
fn a_bomb_ends_at_the_limit_of_a_line() {
    let bomb = packed(&vec![b' '; 64 * 1024 * 1024]);
    assert!(bomb.len() < 100_000, "a bomb is small");
    assert!(matches!(validate(&bomb), Err(ReplayError::LineTooLong { line: 1 })));
    let header_then_bomb = [VALID[0].as_bytes(), b"\n", &vec![b'{'; LINE_LEN_MAX + 1]].concat();
    assert!(matches!(validate(&packed(&header_then_bomb)), Err(ReplayError::LineTooLong { line: 2 })));
}

#[test]
fn deep_json_and_many_fields_are_refused() {
    let deep = format!("{{\"kind\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let text = [VALID[0], &deep].join("\n");
    let told = validate(text.as_bytes()).expect_err("a list is no kind").to_string();
    assert_eq!(told, "line 2, field `kind`: must be text, found a list");
    let unclosed = [VALID[0], &deep.replace(']', "")].join("\n");
    assert!(matches!(validate(unclosed.as_bytes()), Err(ReplayError::Json { line: 2, .. })));
    let many: Vec<String> = (0..100).map(|at| format!("\"f{at}\":1")).collect();
    let text = format!("{}\n{{{}}}", VALID[0], many.join(","));
    assert!(matches!(validate(text.as_bytes()), Err(ReplayError::Json { line: 2, .. })));
}

#[test]
fn a_hostile_field_name_does_not_reach_the_terminal() {
    let text = format!(
        "{}\n{{\"kind\":\"room\",\"room\":\"r\",\"streamer\":\"s\",\"title\":\"t\",\"\\u001b[2J\":1}}",
        VALID[0]
    );
    let told = validate(text.as_bytes()).expect_err("an unknown field").to_string();
    assert!(!told.contains('\u{1b}'), "{told:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_an_error_or_a_file(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = validate(&bytes);
        let _ = validate(&packed(&bytes));
        let _ = Recording::parse(&bytes);
    }

    #[test]
    fn a_file_with_any_byte_changed_is_an_error_or_a_file_of_the_same_money(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = VALID.join("\n").into_bytes();
        let place = at.index(bytes.len());
        bytes[place] = byte;
        if let Ok(valid) = validate(&bytes) {
            // Names and times may change unnoticed; a charge cannot, unless gift and count change with it.
            prop_assert_eq!(valid.counts().gifts, 3);
            prop_assert_eq!(valid.counts().charge_coins, 15_400);
        }
    }

    #[test]
    fn a_packed_file_with_any_byte_changed_never_passes_as_another(
        at in any::<prop::sample::Index>(),
        flip in 1_u8..=255,
    ) {
        let mut bytes = packed(VALID.join("\n").as_bytes());
        // The first ten bytes are the gzip header; its time and system say nothing of the content.
        let place = 10 + at.index(bytes.len() - 10);
        bytes[place] ^= flip;
        // Some bits are padding; whatever passes unpacked to the same text, as its checksum says.
        if let Ok(valid) = validate(&bytes) {
            let same = validate(VALID.join("\n").as_bytes()).expect("the file is right");
            prop_assert_eq!(valid.counts(), same.counts());
        }
    }

    #[test]
    fn any_values_in_a_gift_line_are_refused_or_right(
        gift_id in any::<i64>(), num in any::<i64>(), total in any::<i64>(),
    ) {
        let line = format!(
            r#"{{"kind":"gift","t_ms":1,"viewer":"v1","room":"r1","gift_id":{gift_id},"num":{num},"coin_type":"gold","total_coin":{total}}}"#
        );
        let mut lines = VALID;
        lines[3] = &line;
        if let Ok(valid) = validate(lines.join("\n").as_bytes()) {
            prop_assert_eq!(valid.counts().charge_coins, 15_100 + total);
        }
    }

    #[test]
    fn a_recording_with_any_piece_cut_out_is_an_error_or_a_recording(
        from in any::<prop::sample::Index>(),
        len in 0_usize..40,
    ) {
        let xml = include_bytes!("../fixtures/recording.xml");
        let from = from.index(xml.len());
        let mut bytes = xml.to_vec();
        bytes.drain(from..(from + len).min(xml.len()));
        let _ = Recording::parse(&bytes);
    }
}
