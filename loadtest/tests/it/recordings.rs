//! Invariant under test: a recording becomes the payments that were made, and nothing in it expands.

use crate::{catalogue, written};
use contracts::catalogue::GiftKind;
use loadtest::format::{CoinType, Event};
use loadtest::recorder::{DERIVED_GIFT_IDS, Recording};
use loadtest::{Replay, ReplayError};

const XML: &str = include_str!("../fixtures/recording.xml");

fn with(from: &str, to: &str) -> Result<Recording, ReplayError> {
    assert!(XML.contains(from), "the recording has no {from}");
    Recording::parse(XML.replacen(from, to, 1).as_bytes())
}

#[test]
fn every_payment_of_a_recording_is_taken_at_its_price() {
    let recording = Recording::parse(XML.as_bytes()).expect("a recording");
    let gifts: Vec<(i64, &str, u32, i64)> = recording
        .events
        .iter()
        .filter_map(|numbered| match &numbered.event {
            Event::Gift(gift) => Some((gift.t_ms, gift.viewer.as_str(), gift.num, gift.total_coin)),
            Event::Room(_) | Event::Recharge(_) | Event::ComboEnd(_) => None,
        })
        .collect();
    assert_eq!(
        gifts,
        [
            (0, "user:ann", 1, 100),
            (2_500, "user:ann", 3, 300),
            (4_000, "user:ben", 10, 0),
            (10_125, "uid:42", 1, 30_000),
            (18_000, "uid:42", 1, 198_000),
            (20_000, "user:ben", 1, 5),
        ]
    );
    let recharges: Vec<(&str, i64)> = recording
        .events
        .iter()
        .filter_map(|numbered| match &numbered.event {
            Event::Recharge(recharge) => Some((recharge.viewer.as_str(), recharge.amount_minor)),
            Event::Room(_) | Event::Gift(_) | Event::ComboEnd(_) => None,
        })
        .collect();
    assert_eq!(recharges, [("uid:42", 22_800), ("user:ann", 40), ("user:ben", 1)], "each what they spend");
    let Some(Event::Room(room)) = recording.events.first().map(|first| &first.event) else {
        unreachable!("the room comes first")
    };
    assert_eq!((room.room.as_str(), room.streamer.as_str()), ("4711", "Harbour & Friends"));
    assert_eq!(recording.events.get(4).map(|gift| gift.line), Some(9), "errors name the line of the XML");
}

#[test]
fn a_recording_names_the_gifts_it_needs_with_the_same_ids_every_time() {
    let recording = Recording::parse(XML.as_bytes()).expect("a recording");
    let again = Recording::parse(XML.as_bytes()).expect("a recording");
    assert_eq!(recording.gifts, again.gifts);
    let mut needed: Vec<(&str, i64, GiftKind)> =
        recording.gifts.iter().map(|gift| (gift.name.as_str(), gift.price_coins.get(), gift.kind)).collect();
    needed.sort_by_key(|(_, price, _)| *price);
    assert_eq!(
        needed,
        [
            ("辣条", 0, GiftKind::Free),
            ("小花花", 5, GiftKind::Paid),
            ("小花花", 100, GiftKind::Paid),
            ("Paid message 30", 30_000, GiftKind::PaidMessage),
            ("舰长", 198_000, GiftKind::Guard),
        ]
    );
    assert!(recording.gifts.iter().all(|gift| DERIVED_GIFT_IDS.contains(&gift.gift_id)));
}

#[test]
fn a_recording_is_replayed_like_any_file() {
    let file = written(XML.as_bytes());
    let replay = Replay::open(&file.path).expect("recognised as XML");
    assert_eq!(replay.needed_gifts().len(), 5);
    let valid = replay.validate(&catalogue()).expect("a valid recording");
    assert_eq!((valid.counts().gifts, valid.counts().free_gifts, valid.counts().viewers), (5, 1, 3));
    assert_eq!(valid.counts().charge_coins, 228_405);
    let mut free = Vec::new();
    let collect = |numbered: loadtest::format::Numbered| {
        if let Event::Gift(gift) = numbered.event {
            free.push(gift.coin_type == CoinType::Silver);
        }
        Ok(())
    };
    valid.each(collect).expect("it reads");
    assert_eq!(free.iter().filter(|free| **free).count(), 1);
}

#[test]
fn entities_and_document_types_are_refused() {
    let doctype = r#"<!DOCTYPE i [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]><i>"#;
    let told = with("<i>", doctype).expect_err("a document type").to_string();
    assert_eq!(told, "line 2: not the recording of a live room: document types and entities are refused");
    assert!(matches!(with("user=\"ann\"", "user=\"&xxe;\""), Err(ReplayError::Xml { line: 9, .. })));
    assert!(matches!(with("&amp;", "&xxe;"), Err(ReplayError::Xml { line: 4, .. })));
}

#[test]
fn a_wrong_attribute_is_named_with_its_line() {
    for (from, to, told) in [
        ("giftcount=\"1\"", "giftcount=\"0\"", "line 9, field `giftcount`: 0 is outside 1 to 9999"),
        ("giftcount=\"1\"", "giftcount=\"1000000000\"", "line 9, field `giftcount`"),
        ("giftcount=\"1\"", "", "line 9, field `giftcount`: missing"),
        ("price=\"100\"", "price=\"1.5\"", "line 9, field `price`: `1.5` is not a number"),
        ("price=\"100\"", "price=\"-5\"", "line 9, field `price`: -5 is outside 0"),
        ("price=\"100\"", "price=\"99999999999999999999999999\"", "line 9, field `price`"),
        ("ts=\"0.00\"", "ts=\"NaN\"", "line 9, field `ts`: `NaN` is not a number"),
        ("ts=\"0.00\"", "ts=\"-1.0\"", "line 9, field `ts`"),
        ("ts=\"0.00\"", "ts=\"99999999999\"", "line 9, field `ts`"),
        ("金瓜子", "铜瓜子", "line 9, field `cointype`"),
        ("user=\"ann\"", "user=\"\"", "line 9, field `user`"),
        ("user=\"ann\"", "user=\"a&#0;b\"", "line 9"),
        ("user=\"ann\"", "user=\"a&#7;b\"", "line 9, field `user`: holds a control character"),
        ("uid=\"42\"", "uid=\"x\"", "line 12, field `uid`: `x` is not a number"),
        ("price=\"30\"", "price=\"0\"", "line 13, field `price`: 0 is outside 1"),
        ("4711", "47\u{1}11", "line 5, field `room_id`"),
        ("</i>", "", "line 16: not the recording"),
        ("</metadata>", "</i>", "line 7: not the recording"),
    ] {
        let told_us = with(from, to).expect_err(told).to_string();
        assert!(told_us.starts_with(told), "{told_us}\nwhere this was expected: {told}");
    }
}

#[test]
fn elements_nested_for_ever_are_refused() {
    let deep = "<d>".repeat(100_000);
    assert!(matches!(Recording::parse(deep.as_bytes()), Err(ReplayError::Xml { line: 1, .. })));
}
