//! Invariant under test: a file that is not whole and right is refused, by line and field.

use crate::{VALID, packed, validate, written};
use loadtest::{FieldProblem, Replay, ReplayError};

fn refusal(bytes: &[u8]) -> String {
    validate(bytes).expect_err("the file is wrong").to_string()
}

/// The valid file with one piece of one line (counted from 1) replaced.
fn with(line: usize, from: &str, to: &str) -> String {
    let mut lines = VALID.map(str::to_owned);
    let place = lines.get_mut(line - 1).expect("the line exists");
    assert!(place.contains(from), "line {line} has no {from}");
    *place = place.replace(from, to);
    lines.join("\n")
}

#[test]
fn a_valid_file_is_counted_plain_and_packed_and_without_its_last_newline() {
    let text = VALID.join("\n");
    for bytes in [text.clone().into_bytes(), format!("{text}\r\n").into_bytes(), packed(text.as_bytes())] {
        let counts = validate(&bytes).expect("the file is right").counts();
        assert_eq!((counts.gifts, counts.free_gifts, counts.combo_ends), (3, 1, 1));
        assert_eq!((counts.rooms, counts.viewers, counts.recharges), (1, 2, 1));
        assert_eq!((counts.charge_coins, counts.recharge_minor, counts.span_ms), (15_400, 1_600, 50));
    }
}

#[test]
fn a_wrong_field_is_named_with_its_line() {
    let charge_field = "line 4, field `total_coin`";
    for (line, from, to, told) in [
        (1, "largesse-replay", "other", "line 1, field `format`"),
        (1, r#""version":1"#, r#""version":2"#, "line 1, field `version`: 2 is outside 1 to 1"),
        (1, r#""viewers":2"#, r#""viewers":99000000"#, "line 1, field `viewers`"),
        (2, r#""title":"Harbour""#, r#""title":"""#, "line 2, field `title`: must have 1 to 64 characters"),
        (2, "Harbour", "Har\\u0000bour", "line 2, field `title`: holds a control character"),
        (3, "1600", "16.5", "line 3, field `amount_minor`: must be an integer, found a float"),
        (3, "1600", "\"1600\"", "line 3, field `amount_minor`: must be an integer, found text"),
        (3, "1600", "-1", "line 3, field `amount_minor`: -1 is outside 1"),
        (3, "1600", "0", "line 3, field `amount_minor`: 0 is outside 1"),
        (
            3,
            "1600",
            "99999999999999999999",
            "line 3, field `amount_minor`: must be an integer, found a float",
        ),
        (4, r#""num":3"#, r#""num":0"#, "line 4, field `num`: 0 is outside 1 to 9999"),
        (4, r#""num":3"#, r#""num":1000000000"#, "line 4, field `num`: 1000000000 is outside 1 to 9999"),
        (4, r#""num":3"#, r#""num":3.0"#, "line 4, field `num`: must be an integer, found a float"),
        (4, r#""num":3"#, r#""num":null"#, "line 4, field `num`: must be an integer, found null"),
        (4, r#""num":3"#, r#""num":[3]"#, "line 4, field `num`: must be an integer, found a list"),
        (4, r#""num":3,"#, "", "line 4, field `num`: missing"),
        (4, r#""num":3"#, r#""num":3,"num":4"#, "line 4, field `num`: given twice"),
        (4, r#""num":3"#, r#""num":3,"price":1"#, "line 4, field `price`: no such field here"),
        (4, r#""gift_id":1"#, r#""gift_id":77"#, "line 4, field `gift_id`: gift 77 is not in the catalogue"),
        (4, r#""gift_id":1"#, r#""gift_id":4"#, "line 4, field `gift_id`: gift 4 is off the shelf"),
        (4, r#""room":"r1""#, r#""room":"r2""#, "line 4, field `room`: room `r2` has no room line"),
        (4, "300}", "299}", "line 4, field `total_coin`: states 299 coins where the server charges 300"),
        (4, r#""total_coin":300"#, r#""total_coin":-300"#, charge_field),
        (4, r#""total_coin":300"#, r#""total_coin":1e400"#, "line 4: not one flat JSON object"),
        (4, r#""total_coin":300"#, r#""total_coin":true"#, charge_field),
        (4, "gold", "diamond", "line 4, field `coin_type`: `diamond` is none of"),
        (4, "gold", "silver", "line 4, field `gift_id`: silver buys free gifts only"),
        (7, "silver", "gold", "line 7, field `coin_type`: a free gift is sent with coin_type silver"),
        (6, r#""gift_id":2"#, r#""gift_id":78"#, "line 6, field `gift_id`"),
        (5, r#""kind":"gift""#, r#""kind":"theft""#, "line 5, field `kind`: `theft` is none of"),
    ] {
        let told_us = refusal(with(line, from, to).as_bytes());
        assert!(told_us.starts_with(told), "{told_us}\nwhere this was expected: {told}");
    }
}

#[test]
fn a_charge_that_does_not_fit_is_refused_and_not_wrapped() {
    let text = with(4, r#""gift_id":1,"num":3"#, r#""gift_id":5,"num":9999"#);
    let ReplayError::Field { line: 4, field, problem: FieldProblem::ChargeOverflow } =
        validate(text.as_bytes()).expect_err("10^16 coins do not fit")
    else {
        unreachable!("another error")
    };
    assert_eq!(field, "num");
}

#[test]
fn lines_out_of_their_order_are_refused() {
    let mut lines = VALID;
    lines.swap(2, 3);
    assert_eq!(
        refusal(lines.join("\n").as_bytes()),
        "line 4: a recharge line comes too late; the order is rooms, recharges, gifts"
    );
    let mut twice = VALID.to_vec();
    twice.insert(2, VALID[1]);
    assert_eq!(refusal(twice.join("\n").as_bytes()), "line 3, field `room`: room `r1` is announced twice");
}

#[test]
fn a_file_with_more_or_fewer_lines_than_its_header_says_is_refused() {
    let short = VALID.get(..7).expect("8 lines").join("\n");
    assert_eq!(refusal(short.as_bytes()), "line 1, field `gifts`: the header declares 3, the file has 2");
    let long = format!("{}\n{}", VALID.join("\n"), VALID[7]);
    assert_eq!(refusal(long.as_bytes()), "line 1, field `gifts`: the header declares 3, the file has 4");
}

#[test]
fn what_is_no_replay_file_is_said_to_be_none() {
    assert!(matches!(validate(b""), Err(ReplayError::Empty)));
    assert!(matches!(validate(b"\n"), Err(ReplayError::EmptyLine { line: 1 })));
    assert!(matches!(validate(b"\xff\xfe\n"), Err(ReplayError::NotText { line: 1 })));
    assert!(matches!(validate(b"[1,2]\n"), Err(ReplayError::Json { line: 1, .. })));
    assert!(matches!(validate(b"PK\x03\x04"), Err(ReplayError::Json { line: 1, .. })));
    let missing = Replay::open(std::path::Path::new("/nonexistent/replay")).expect_err("no such file");
    assert!(matches!(missing, ReplayError::Open { .. }));
    let folder = tempfile::tempdir().expect("a folder");
    assert!(matches!(Replay::open(folder.path()), Err(ReplayError::Open { .. })));
}

#[test]
fn a_file_that_changes_after_validation_is_noticed() {
    let file = written(VALID.join("\n").as_bytes());
    let valid =
        Replay::open(&file.path).expect("opens").validate(&crate::catalogue()).expect("the file is right");
    std::fs::write(&file.path, with(8, "\"t_ms\":50", "\"t_ms\":51")).expect("written again");
    assert!(matches!(valid.each(|_| Ok(())), Err(ReplayError::Changed)));
    std::fs::write(&file.path, with(8, "100}", "1}")).expect("written again");
    assert!(matches!(valid.each(|_| Ok(())), Err(ReplayError::Field { line: 8, .. })));
}
