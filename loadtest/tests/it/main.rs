//! The replay format, the recorder import, the replayer against a stub server, the report, the shipped sample.

mod hostile_files;
mod recordings;
mod replaying;
mod reports;
mod shipped_sample;
mod stub;
mod validation;

use contracts::catalogue::{Gift, GiftKind, Shelf};
use loadtest::{Catalogue, Replay, ReplayError, ValidReplay};
use money::Coins;
use std::io::Write;
use std::path::PathBuf;

pub fn gift(gift_id: u32, price: i64, kind: GiftKind) -> Gift {
    let price = Coins::try_new(price).expect("a price");
    Gift {
        gift_id,
        name: format!("gift {gift_id}"),
        glyph: "🎁".to_owned(),
        list_price_coins: price,
        price_coins: price,
        kind,
        shelf: Shelf::On,
        outcomes: Vec::new(),
    }
}

/// Gift 1 costs 100, 2 costs 15,000, 3 is free, 4 is off the shelf, 5 costs 10^12.
pub fn catalogue() -> Catalogue {
    let mut off = gift(4, 100, GiftKind::Paid);
    off.shelf = Shelf::Off;
    Catalogue::new(
        1,
        vec![
            gift(1, 100, GiftKind::Paid),
            gift(2, 15_000, GiftKind::BlindBox),
            gift(3, 0, GiftKind::Free),
            off,
            gift(5, 1_000_000_000_000, GiftKind::Paid),
        ],
    )
}

pub const VALID: [&str; 8] = [
    r#"{"format":"largesse-replay","version":1,"source":"test","gifts":3,"free_gifts":1,"rooms":1,"viewers":2,"recharges":1}"#,
    r#"{"kind":"room","room":"r1","streamer":"s1","title":"Harbour"}"#,
    r#"{"kind":"recharge","t_ms":0,"viewer":"v1","amount_minor":1600}"#,
    r#"{"kind":"gift","t_ms":10,"viewer":"v1","room":"r1","gift_id":1,"num":3,"coin_type":"gold","total_coin":300}"#,
    r#"{"kind":"gift","t_ms":20,"viewer":"v1","room":"r1","gift_id":2,"num":1,"coin_type":"gold","total_coin":15000,"combo":"c1"}"#,
    r#"{"kind":"combo_end","t_ms":30,"viewer":"v1","room":"r1","gift_id":2,"combo":"c1","num":1,"total_coin":15000}"#,
    r#"{"kind":"gift","t_ms":40,"viewer":"v2","room":"r1","gift_id":3,"num":5,"coin_type":"silver","total_coin":500}"#,
    r#"{"kind":"gift","t_ms":50,"viewer":"v2","room":"r1","gift_id":1,"num":1,"coin_type":"gold","total_coin":100}"#,
];

/// A file in a folder of its own, removed with it.
pub struct Written {
    pub folder: tempfile::TempDir,
    pub path: PathBuf,
}

pub fn written(bytes: &[u8]) -> Written {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("replay");
    std::fs::write(&path, bytes).expect("the file is written");
    Written { folder, path }
}

pub fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).expect("a Vec takes all");
    packer.finish().expect("a Vec takes all")
}

pub fn validate(bytes: &[u8]) -> Result<ValidReplay, ReplayError> {
    let file = written(bytes);
    Replay::open(&file.path)?.validate(&catalogue())
}
