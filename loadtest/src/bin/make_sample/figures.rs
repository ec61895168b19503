//! Reads the recorded figures: how a night goes, how rooms differ, what is sent.

use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fs::read_to_string;
use std::path::Path;

/// The evening that becomes the night of the sample, and its first hour.
const NIGHT: &str = "2019-5-11";
const NIGHT_FIRST_HOUR: u64 = 19;

/// What the sample is made from.
#[derive(Debug)]
pub struct Figures {
    /// Messages of each minute of the night, over all rooms.
    pub minutes: Vec<u64>,
    /// Messages of each room over both recorded days, the busiest first.
    pub rooms: Vec<u64>,
    /// Gifts of the public price list, by the number of digits of their price in gold.
    pub listed_by_digits: BTreeMap<usize, u64>,
    pub sends: Sends,
}

/// What recorded SEND_GIFT, COMBO_SEND and SUPER_CHAT_MESSAGE events say.
#[derive(Debug, Default)]
pub struct Sends {
    /// Gold gifts sent at their price, by the number of digits of the price.
    pub plain_by_digits: BTreeMap<usize, u64>,
    pub discounted: u64,
    pub blind_boxes: u64,
    pub silver: u64,
    /// How many at once, an entry per send.
    pub quantities: Vec<u32>,
    /// How many sends a combo had, an entry per combo.
    pub combos: Vec<u32>,
    /// Yuan of each paid message.
    pub messages_yuan: Vec<i64>,
}

#[derive(Deserialize)]
struct RecordedEvent {
    event: String,
    #[serde(default)]
    num: u32,
    #[serde(default)]
    price: i64,
    total_coin: Option<i64>,
    coin_type: Option<String>,
    #[serde(default)]
    combo_num: u32,
    blind_gift: Option<serde::de::IgnoredAny>,
}

impl Figures {
    pub fn read(folder: &Path) -> Result<Figures, Box<dyn Error>> {
        let (minutes, rooms) = read_rooms(&read_to_string(folder.join("room-activity-2019.csv"))?)?;
        let listed_by_digits = read_prices(&read_to_string(folder.join("gift-prices.csv"))?)?;
        let sends = read_sends(&read_to_string(folder.join("gift-messages.jsonl"))?)?;
        Ok(Figures { minutes, rooms, listed_by_digits, sends })
    }
}

pub fn digits(price: i64) -> usize {
    price.to_string().len()
}

fn read_rooms(csv: &str) -> Result<(Vec<u64>, Vec<u64>), Box<dyn Error>> {
    let hours = 24 - NIGHT_FIRST_HOUR;
    let mut minutes = vec![0; usize::try_from(hours * 60)?];
    let mut rooms: HashMap<&str, u64> = HashMap::new();
    for row in csv.lines().skip(1) {
        let mut cells = row.split(',');
        let mut cell = || cells.next().ok_or("a row of the activity file is short");
        let (room, date, time, _) = (cell()?, cell()?, cell()?, cell()?);
        let messages: u64 = cell()?.trim().parse()?;
        *rooms.entry(room).or_default() += messages;
        let (hour, minute) = time.split_once(':').ok_or("a time of the activity file has no colon")?;
        let (hour, minute): (u64, u64) = (hour.parse()?, minute.parse()?);
        if date == NIGHT && hour >= NIGHT_FIRST_HOUR {
            let at = usize::try_from((hour - NIGHT_FIRST_HOUR) * 60 + minute)?;
            *minutes.get_mut(at).ok_or("a time of the activity file is past the day")? += messages;
        }
    }
    let mut rooms: Vec<u64> = rooms.into_values().collect();
    rooms.sort_unstable_by(|a, b| b.cmp(a));
    Ok((minutes, rooms))
}

/// Names may hold commas, so cells are counted from the right.
fn read_prices(csv: &str) -> Result<BTreeMap<usize, u64>, Box<dyn Error>> {
    let mut by_digits = BTreeMap::new();
    for row in csv.lines().skip(1) {
        let cells: Vec<&str> = row.rsplitn(4, ',').collect();
        if let [coin_type, _unit, price, rest] = cells.as_slice()
            && *coin_type == "gold"
            && rest.starts_with("bilibili")
        {
            *by_digits.entry(digits(price.parse()?)).or_default() += 1;
        }
    }
    Ok(by_digits)
}

fn read_sends(lines: &str) -> Result<Sends, Box<dyn Error>> {
    let mut sends = Sends::default();
    for line in lines.lines() {
        let event: RecordedEvent = serde_json::from_str(line)?;
        match event.event.as_str() {
            "SEND_GIFT" => {
                sends.quantities.push(event.num);
                if event.coin_type.as_deref() == Some("silver") {
                    sends.silver += 1;
                } else if event.blind_gift.is_some() {
                    sends.blind_boxes += 1;
                } else if event.total_coin.is_some_and(|total| total < event.price * i64::from(event.num)) {
                    sends.discounted += 1;
                } else {
                    *sends.plain_by_digits.entry(digits(event.price)).or_default() += 1;
                }
            }
            "COMBO_SEND" => sends.combos.push(event.combo_num),
            "SUPER_CHAT_MESSAGE" => sends.messages_yuan.push(event.price),
            _ => {}
        }
    }
    Ok(sends)
}
