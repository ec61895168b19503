//! Imports the XML of a live-room recorder: `<gift>`, `<sc>` (paid messages) and `<guard>` elements.
//!
//! A recording names gifts and prices the catalogue need not know, so the import also lists the catalogue
//! entries it needs, under ids derived from name and price. It has no recharges; each viewer is given exactly
//! what they spend. Anything else in the file (chat lines) is passed over. Entities and document types are
//! refused: nothing in the file expands.

use crate::error::{FieldProblem, ReplayError};
use crate::format::{
    CoinType, Event, FORMAT, GIFTS_MAX, GiftLine, Header, NAME_LEN_MAX, Numbered, RechargeLine, RoomLine,
    T_MS_MAX, VERSION, VIEWERS_MAX,
};
use crate::line::{check_text, field_error};
use contracts::catalogue::{Gift, GiftId, GiftKind, QUANTITY_MAX, Shelf};
use money::{COINS_MAX, Coins};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event as Xml};
use std::collections::{BTreeMap, HashMap};

/// The largest recording, in bytes.
pub const RECORDING_LEN_MAX: u64 = 256 * 1024 * 1024;
/// How deep elements may nest; a recording has four levels.
const DEPTH_MAX: usize = 32;
/// Ids of imported gifts are derived from what they are, within this range: apart from every catalogue of ours.
pub const DERIVED_GIFT_IDS: std::ops::Range<GiftId> = 1_000_000_000..2_000_000_000;
/// The largest recharge an import makes, in fen: what servers take by default.
const RECHARGE_MINOR_MAX: i64 = 5_000_000;
/// Coins of one yuan: paid messages are priced in yuan.
const COINS_PER_YUAN: i64 = 1_000;
/// The highest price of one gift: with the largest quantity it still fits an amount.
const PRICE_MAX: i64 = COINS_MAX / 9_999;
/// Coins of one fen: what a recharge of 1 minor unit buys.
const COINS_PER_MINOR: i64 = 10;

/// A recording as events, and the catalogue entries they need.
#[derive(Debug)]
pub struct Recording {
    pub header: Header,
    pub events: Vec<Numbered>,
    pub gifts: Vec<Gift>,
}

/// One payment as recorded.
struct Payment {
    line: u64,
    gift: GiftLine,
}

/// Where the recording was made, from its `<metadata>`.
#[derive(Default)]
struct Place {
    room: String,
    streamer: String,
    title: String,
}

/// What is read so far.
struct Import<'a> {
    text: &'a str,
    lines: LineCounter,
    payments: Vec<Payment>,
    gifts: BTreeMap<GiftId, Gift>,
    place: Place,
    /// The metadata element whose text comes next.
    within: Option<Metadata>,
}

#[derive(Clone, Copy)]
enum Metadata {
    Room,
    Streamer,
    Title,
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    /// [`ReplayError`] naming line and field of the first thing wrong.
    pub fn parse(xml: &[u8]) -> Result<Recording, ReplayError> {
        let text = std::str::from_utf8(xml).map_err(|error| {
            let before = xml.get(..error.valid_up_to()).unwrap_or_default();
            ReplayError::NotText { line: LineCounter::default().line_of(before, before.len()) }
        })?;
        let mut import = Import {
            text: text.strip_prefix('\u{feff}').unwrap_or(text),
            lines: LineCounter::default(),
            payments: Vec::new(),
            gifts: BTreeMap::new(),
            place: Place::default(),
            within: None,
        };
        import.read()?;
        import.into_recording()
    }
}

impl Import<'_> {
    fn read(&mut self) -> Result<(), ReplayError> {
        let mut reader = quick_xml::Reader::from_str(self.text);
        let (mut depth, mut elements) = (0_usize, 0_u64);
        loop {
            let start = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            let event = reader.read_event();
            let line = self.lines.line_of(self.text.as_bytes(), start);
            match event.map_err(|error| xml_error(line, error.to_string()))? {
                Xml::Start(element) => {
                    depth += 1;
                    elements += 1;
                    if depth > DEPTH_MAX {
                        return Err(xml_error(line, format!("elements nest deeper than {DEPTH_MAX}")));
                    }
                    self.element(line, &element)?;
                }
                Xml::Empty(element) => {
                    elements += 1;
                    self.element(line, &element)?;
                }
                Xml::End(_) => {
                    depth = depth.saturating_sub(1);
                    self.end(line)?;
                }
                Xml::Text(text) => self.metadata(&text),
                Xml::DocType(_) => {
                    return Err(xml_error(line, "document types and entities are refused".into()));
                }
                Xml::GeneralRef(reference) => self.reference(line, &reference)?,
                Xml::CData(_) | Xml::Comment(_) | Xml::Decl(_) | Xml::PI(_) => {}
                Xml::Eof if depth > 0 => {
                    return Err(xml_error(line, "ends within an element; it is truncated".into()));
                }
                Xml::Eof if elements == 0 => return Err(xml_error(line, "has no elements".into())),
                Xml::Eof => return Ok(()),
            }
        }
    }

    fn element(&mut self, line: u64, element: &BytesStart<'_>) -> Result<(), ReplayError> {
        self.within = None;
        match element.name().as_ref() {
            "room_id" => self.within = Some(Metadata::Room),
            "user_name" => self.within = Some(Metadata::Streamer),
            "room_title" => self.within = Some(Metadata::Title),
            "gift" => self.gift(&Attributes::read(line, element)?)?,
            "sc" => self.paid_message(&Attributes::read(line, element)?)?,
            "guard" => self.guard(&Attributes::read(line, element)?)?,
            _ => {}
        }
        Ok(())
    }

    fn metadata(&mut self, text: &str) {
        match self.within {
            Some(Metadata::Room) => self.place.room.push_str(text),
            Some(Metadata::Streamer) => self.place.streamer.push_str(text),
            Some(Metadata::Title) => self.place.title.push_str(text),
            None => {}
        }
    }

    /// The end of an element; if it was one of the metadata, its text is whole now.
    fn end(&mut self, line: u64) -> Result<(), ReplayError> {
        let (field, text) = match self.within.take() {
            Some(Metadata::Room) => ("room_id", &mut self.place.room),
            Some(Metadata::Streamer) => ("user_name", &mut self.place.streamer),
            Some(Metadata::Title) => ("room_title", &mut self.place.title),
            None => return Ok(()),
        };
        *text = text.trim().to_owned();
        if text.is_empty() {
            return Ok(());
        }
        check_text(text, NAME_LEN_MAX).map_err(|problem| field_error(line, field, problem))
    }

    /// `&amp;` and its like in text. Only what XML itself defines is known, so nothing can expand.
    fn reference(
        &mut self,
        line: u64,
        reference: &quick_xml::events::BytesRef<'_>,
    ) -> Result<(), ReplayError> {
        let character = match reference.resolve_char_ref() {
            Ok(Some(character)) => character.to_string(),
            Ok(None) => quick_xml::escape::resolve_predefined_entity(reference)
                .map(str::to_owned)
                .ok_or_else(|| xml_error(line, "names an entity; entities are refused".into()))?,
            Err(error) => return Err(xml_error(line, error.to_string())),
        };
        self.metadata(&character);
        Ok(())
    }

    fn gift(&mut self, attributes: &Attributes) -> Result<(), ReplayError> {
        let name = attributes.text("giftname")?;
        let num = attributes.quantity("giftcount")?;
        let coin_type = match attributes.text("cointype")?.as_str() {
            "金瓜子" | "gold" => CoinType::Gold,
            "银瓜子" | "silver" => CoinType::Silver,
            other => {
                let problem = FieldProblem::NotOneOf {
                    found: other.to_owned(),
                    allowed: "金瓜子, gold, 银瓜子, silver",
                };
                return Err(attributes.error("cointype", problem));
            }
        };
        let price = attributes.integer("price", 0, PRICE_MAX)?;
        let kind = if coin_type == CoinType::Silver || price == 0 { GiftKind::Free } else { GiftKind::Paid };
        self.pay(attributes, Offer { name, glyph: "🎁", price, kind, num })
    }

    fn paid_message(&mut self, attributes: &Attributes) -> Result<(), ReplayError> {
        let yuan = attributes.integer("price", 1, PRICE_MAX / COINS_PER_YUAN)?;
        let name = format!("Paid message {yuan}");
        let price = yuan * COINS_PER_YUAN;
        self.pay(attributes, Offer { name, glyph: "💬", price, kind: GiftKind::PaidMessage, num: 1 })
    }

    fn guard(&mut self, attributes: &Attributes) -> Result<(), ReplayError> {
        let name = attributes.text("giftname")?;
        let num = attributes.quantity("count")?;
        let price = attributes.integer("price", 1, PRICE_MAX)?;
        self.pay(attributes, Offer { name, glyph: "🛡️", price, kind: GiftKind::Guard, num })
    }

    fn pay(&mut self, attributes: &Attributes, offer: Offer) -> Result<(), ReplayError> {
        let on_price = |problem| attributes.error("price", problem);
        let free = offer.kind == GiftKind::Free;
        let price_coins = if free { 0 } else { offer.price };
        let price = Coins::try_new(price_coins).map_err(|_| on_price(FieldProblem::ChargeOverflow))?;
        let total = price.checked_mul(offer.num).map_err(|_| on_price(FieldProblem::ChargeOverflow))?;
        let gift_id = derived_id(&offer.name, price_coins, offer.kind);
        let gift = Gift {
            gift_id,
            name: offer.name,
            glyph: offer.glyph.to_owned(),
            list_price_coins: price,
            price_coins: price,
            kind: offer.kind,
            shelf: Shelf::On,
            outcomes: Vec::new(),
        };
        match self.gifts.get(&gift_id) {
            Some(known) if *known != gift => {
                return Err(attributes.error("giftname", FieldProblem::DerivedIdTwice(gift_id)));
            }
            Some(_) => {}
            None => {
                self.gifts.insert(gift_id, gift);
            }
        }
        let coin_type = if free { CoinType::Silver } else { CoinType::Gold };
        let gift = GiftLine {
            t_ms: attributes.time_ms("ts")?,
            viewer: attributes.viewer()?,
            room: String::new(), // Known at the end of the file; see `into_recording`.
            gift_id,
            num: offer.num,
            coin_type,
            total_coin: total.get(),
            combo: None,
        };
        self.payments.push(Payment { line: attributes.line, gift });
        Ok(())
    }

    fn into_recording(self) -> Result<Recording, ReplayError> {
        let or = |text: String, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text };
        let room = or(self.place.room, "recording");
        let streamer = or(self.place.streamer, &room);
        let title = or(self.place.title, &room);
        let mut payments = self.payments;
        // Recorders write what arrives; a summary or a slow message can be late.
        payments.sort_by_key(|payment| payment.gift.t_ms);

        let mut spent: BTreeMap<&str, (u64, i64)> = BTreeMap::new();
        let mut viewers: HashMap<&str, ()> = HashMap::new();
        let (mut gifts, mut free_gifts) = (0_u64, 0_u64);
        for Payment { line, gift } in &payments {
            viewers.insert(&gift.viewer, ());
            match gift.coin_type {
                CoinType::Silver => free_gifts += 1,
                CoinType::Gold => {
                    gifts += 1;
                    let (_, coins) = spent.entry(&gift.viewer).or_insert((*line, 0));
                    *coins = coins
                        .checked_add(gift.total_coin)
                        .filter(|coins| *coins <= COINS_MAX)
                        .ok_or_else(|| field_error(*line, "price", FieldProblem::ChargeOverflow))?;
                }
            }
        }
        let viewer_count = u64::try_from(viewers.len()).unwrap_or(u64::MAX);
        if gifts + free_gifts > GIFTS_MAX.unsigned_abs() || viewer_count > VIEWERS_MAX.unsigned_abs() {
            return Err(xml_error(1, "has more gifts or viewers than a replay may have".into()));
        }
        let mut events = vec![(1, Event::Room(RoomLine { room: room.clone(), streamer, title }))];
        for (viewer, (line, coins)) in spent {
            // Rounded up to a whole fen, and cut where one recharge may not be larger.
            let mut left_minor = coins.div_euclid(COINS_PER_MINOR) + i64::from(coins % COINS_PER_MINOR > 0);
            while left_minor > 0 {
                let amount_minor = left_minor.min(RECHARGE_MINOR_MAX);
                left_minor -= amount_minor;
                events.push((
                    line,
                    Event::Recharge(RechargeLine { t_ms: 0, viewer: viewer.to_owned(), amount_minor }),
                ));
            }
        }
        let recharges = u64::try_from(events.len() - 1).unwrap_or(u64::MAX);
        events.extend(
            payments
                .into_iter()
                .map(|Payment { line, gift }| (line, Event::Gift(GiftLine { room: room.clone(), ..gift }))),
        );
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            source: format!("recording of room {room}"),
            gifts,
            free_gifts,
            rooms: 1,
            viewers: viewer_count,
            recharges,
        };
        let events =
            (1_u64..).zip(events).map(|(number, (line, event))| Numbered { number, line, event }).collect();
        Ok(Recording { header, events, gifts: self.gifts.into_values().collect() })
    }
}

/// What one element sells.
struct Offer {
    name: String,
    glyph: &'static str,
    price: i64,
    kind: GiftKind,
    num: u32,
}

/// One element's attributes, by name.
struct Attributes {
    line: u64,
    values: HashMap<String, String>,
}

impl Attributes {
    fn read(line: u64, element: &BytesStart<'_>) -> Result<Attributes, ReplayError> {
        let mut values = HashMap::new();
        for attribute in element.attributes() {
            let attribute = attribute.map_err(|error| xml_error(line, error.to_string()))?;
            let name = attribute.key.as_ref();
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| {
                xml_error(
                    line,
                    format!("attribute `{}`: {error}", name.chars().take(NAME_LEN_MAX).collect::<String>()),
                )
            })?;
            values.insert(name.to_owned(), value.into_owned());
        }
        Ok(Attributes { line, values })
    }

    fn error(&self, field: &str, problem: FieldProblem) -> ReplayError {
        field_error(self.line, field, problem)
    }

    fn find(&self, field: &str) -> Result<&str, ReplayError> {
        self.values.get(field).map(String::as_str).ok_or_else(|| self.error(field, FieldProblem::Missing))
    }

    fn text(&self, field: &str) -> Result<String, ReplayError> {
        let text = self.find(field)?;
        check_text(text, NAME_LEN_MAX).map_err(|problem| self.error(field, problem))?;
        Ok(text.to_owned())
    }

    fn integer(&self, field: &str, min: i64, max: i64) -> Result<i64, ReplayError> {
        let text = self.find(field)?;
        let found = text.parse::<i128>().map_err(|_| self.error(field, not_number(text)))?;
        i64::try_from(found)
            .ok()
            .filter(|integer| (min..=max).contains(integer))
            .ok_or_else(|| self.error(field, FieldProblem::OutOfRange { found, min, max }))
    }

    fn quantity(&self, field: &str) -> Result<u32, ReplayError> {
        let num = self.integer(field, 1, i64::from(QUANTITY_MAX))?;
        u32::try_from(num).map_err(|_| self.error(field, not_number(&num.to_string())))
    }

    /// Seconds with up to three decimals ("18.000"), as milliseconds. Further decimals are cut.
    fn time_ms(&self, field: &str) -> Result<i64, ReplayError> {
        let text = self.find(field)?;
        let bad = || self.error(field, not_number(text));
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        if !(1..=12).contains(&whole.len()) || !(1..=12).contains(&decimals.len()) {
            return Err(bad());
        }
        if !whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        let decimals: String = decimals.chars().chain("000".chars()).take(3).collect();
        let seconds: i64 = whole.parse().map_err(|_| bad())?;
        let thousandths: i64 = decimals.parse().map_err(|_| bad())?;
        let t_ms = seconds * 1_000 + thousandths;
        if t_ms > T_MS_MAX {
            let problem = FieldProblem::OutOfRange { found: i128::from(t_ms), min: 0, max: T_MS_MAX };
            return Err(self.error(field, problem));
        }
        Ok(t_ms)
    }

    /// Who paid: the number if the recorder knew it (it writes 0 when it was not signed in), else the name.
    fn viewer(&self) -> Result<String, ReplayError> {
        match self.values.get("uid").map(String::as_str) {
            Some("0") | None => Ok(format!("user:{}", self.short_text("user")?)),
            Some(_) => Ok(format!("uid:{}", self.integer("uid", 1, i64::MAX)?)),
        }
    }

    fn short_text(&self, field: &str) -> Result<String, ReplayError> {
        let text = self.text(field)?;
        // "user:" is put in front, and the whole is a name.
        let max = NAME_LEN_MAX - "user:".len();
        check_text(&text, max).map_err(|problem| self.error(field, problem)).map(|()| text)
    }
}

fn not_number(text: &str) -> FieldProblem {
    FieldProblem::NotNumber(text.chars().filter(|c| !c.is_control()).take(NAME_LEN_MAX).collect())
}

fn xml_error(line: u64, problem: String) -> ReplayError {
    ReplayError::Xml { line, problem: problem.chars().filter(|c| !c.is_control()).take(512).collect() }
}

/// The id of a recorded gift: the same name, price and kind always give the same one.
fn derived_id(name: &str, price_coins: i64, kind: GiftKind) -> GiftId {
    let hash = ids::named_id("recorded-gift", &format!("{kind:?}/{price_coins}/{name}"));
    let mut low = [0_u8; 4];
    low.copy_from_slice(&hash.as_bytes()[12..]);
    let width = DERIVED_GIFT_IDS.end - DERIVED_GIFT_IDS.start;
    DERIVED_GIFT_IDS.start + u32::from_be_bytes(low) % width
}

/// Turns rising positions into line numbers without counting from the start each time.
#[derive(Default)]
struct LineCounter {
    at: usize,
    newlines: u64,
}

impl LineCounter {
    fn line_of(&mut self, text: &[u8], position: usize) -> u64 {
        let passed = text.get(self.at..position).unwrap_or_default();
        let newlines = passed.iter().filter(|byte| **byte == b'\n').count();
        self.newlines += u64::try_from(newlines).unwrap_or_default();
        self.at = position.max(self.at);
        self.newlines + 1
    }
}
