//! A few gifts and rooms to draw pages with.

use console::RoomDirectory;
use contracts::catalogue::{BlindOutcome, Gift, GiftId, GiftKind, Room, RoomState, Shelf};
use ids::{RoomId, StreamerId, named_id};
use money::{Coins, Ppm};

/// The gifts that tests name.
pub const ROSE: GiftId = 2;
pub const COMET: GiftId = 17;
pub const BOX: GiftId = 30;

const GIFTS: [(GiftId, &str, &str, i64, i64); 22] = [
    (1, "Like", "👍", 0, 0),
    (2, "Rose", "🌹", 100, 100),
    (3, "Lollipop", "🍭", 200, 200),
    (4, "Mooncake", "🥮", 100, 100),
    (5, "Cheer", "📣", 500, 500),
    (6, "Peach", "🍑", 1_600, 1_600),
    (7, "Coffee", "☕", 1_000, 800),
    (8, "Bouquet", "💐", 2_000, 2_000),
    (9, "Teddy", "🧸", 5_200, 5_200),
    (10, "Cake", "🎂", 9_900, 6_600),
    (11, "Crown", "👑", 19_900, 19_900),
    (12, "Guitar", "🎸", 29_900, 29_900),
    (13, "Balloon", "🎈", 300, 300),
    (14, "Sports car", "🏎️", 99_900, 99_900),
    (15, "Fireworks", "🎆", 131_400, 131_400),
    (16, "Castle", "🏰", 520_000, 520_000),
    (17, "Comet", "☄️", 999_900, 999_900),
    (18, "Rocket", "🚀", 200_000, 180_000),
    (19, "Firefly", "✨", 50, 50),
    (20, "Ice cream", "🍦", 600, 600),
    (21, "Diamond", "💎", 80_000, 80_000),
    (22, "Microphone", "🎤", 1_200, 1_200),
];

fn coins(amount: i64) -> Coins {
    Coins::try_new(amount).expect("in range")
}

pub fn gifts() -> Vec<Gift> {
    let plain = GIFTS.map(|(gift_id, name, glyph, list, price)| Gift {
        gift_id,
        name: name.to_owned(),
        glyph: glyph.to_owned(),
        list_price_coins: coins(list),
        price_coins: coins(price),
        kind: if price == 0 { GiftKind::Free } else { GiftKind::Paid },
        shelf: Shelf::On,
        outcomes: Vec::new(),
    });
    let outcome = |gift_id, value: i64, ppm| BlindOutcome {
        gift_id,
        value_coins: coins(value),
        odds_ppm: Ppm::try_new(ppm).expect("in range"),
    };
    let boxed = Gift {
        gift_id: BOX,
        name: "Star box".to_owned(),
        glyph: "🎁".to_owned(),
        list_price_coins: coins(1_500),
        price_coins: coins(1_500),
        kind: GiftKind::BlindBox,
        shelf: Shelf::On,
        outcomes: vec![outcome(20, 600, 712_500), outcome(8, 2_000, 250_000), outcome(11, 19_900, 37_500)],
    };
    plain.into_iter().chain([boxed]).collect()
}

const TITLES: [&str; 9] = [
    "Night piano requests",
    "Speedrunning the old castle",
    "Late kitchen: dumplings",
    "Drawing your pets",
    "Rain, lo-fi and letters",
    "Garage guitars",
    "<script>alert(1)</script>",
    "Learning to skate",
    "Chess against everybody",
];

pub fn room_id(at: usize) -> RoomId {
    RoomId::from_uuid(named_id("room", TITLES[at]))
}

pub fn rooms() -> Vec<Room> {
    let room = |(at, title): (usize, &&str)| Room {
        room_id: room_id(at),
        streamer_id: StreamerId::from_uuid(named_id("streamer", title)),
        title: (*title).to_owned(),
        state: if at < 7 { RoomState::Live } else { RoomState::Closed },
    };
    TITLES.iter().enumerate().map(room).collect()
}

/// The sample as the pages ask for it.
pub struct Sample;

impl RoomDirectory for Sample {
    fn rooms(&self) -> Vec<Room> {
        rooms()
    }

    fn gifts(&self) -> Vec<Gift> {
        gifts()
    }
}
