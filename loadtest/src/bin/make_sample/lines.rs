//! Makes the sample's lines from the figures: one final night, from the doors to midnight.

use crate::figures::{Figures, Sends, digits};
use crate::random::{Random, Weights};
use contracts::catalogue::{Gift, GiftKind, charge_coins};
use loadtest::Catalogue;
use loadtest::format::{
    CoinType, ComboEndLine, Event, FORMAT, GiftLine, Header, RechargeLine, RoomLine, VERSION,
};
use std::collections::{BTreeMap, HashMap};
use std::error::Error;

const SEED: u64 = 20_190_511;
const GOLD_GIFTS: u64 = 100_500;
const ROOMS: u64 = 80;
const VIEWERS: u64 = 20_000;
const SOURCE: &str = "Largesse sample: the arrival curve and room skew of 84 live rooms in May 2019 \
    (bilibili-vtuber-danmaku, MIT), prices and the mix of sends from public gift lists and fixtures; facts only, \
    every person and room is made up.";

/// Of 1,000 gold sends, memberships and paid messages. The recorded events are fixtures that show each kind
/// about as often, so they say nothing of these two; the shares are ours.
const GUARDS_PER_1000: u64 = 4;
const MESSAGES_PER_1000: u64 = 16;
/// Memberships by tier, the cheapest first: nearly all recorded ones are the cheapest.
const GUARD_TIERS: [u64; 3] = [970, 25, 5];
/// Of 10 plain gifts, those that follow the price list instead of the recorded sends, so that dear ones occur.
const BY_PRICE_LIST_OF_10: u64 = 1;
/// Up to this price gifts are sent by the handful and in combos.
const CHEAP_COINS: i64 = 10_000;
/// Of the viewers who spend at least CNY 20, one in so many recharges only half of it.
const POOR_ONE_IN: u64 = 62;
const POOR_MINOR_MIN: i64 = 2_000;
const COINS_PER_MINOR: i64 = 10;
const RECHARGE_MINOR_MIN: i64 = 600;

pub struct Sample {
    pub header: Header,
    pub events: Vec<Event>,
    pub poor_viewers: u64,
}

/// The shelf, by what the lines need.
struct Shelf<'a> {
    free: Vec<&'a Gift>,
    plain: Vec<&'a Gift>,
    discounted: Vec<&'a Gift>,
    boxes: Vec<&'a Gift>,
    guards: Vec<&'a Gift>,
    messages: Vec<&'a Gift>,
}

impl<'a> Shelf<'a> {
    fn of(catalogue: &'a Catalogue) -> Shelf<'a> {
        let mut gifts: Vec<&Gift> = catalogue.gifts().collect();
        gifts.sort_by_key(|gift| (gift.price_coins, gift.gift_id));
        let of = |wanted: GiftKind, discounted: bool| -> Vec<&Gift> {
            let fits = |gift: &&&Gift| {
                gift.kind == wanted
                    && (wanted != GiftKind::Paid || discounted == (gift.price_coins < gift.list_price_coins))
            };
            gifts.iter().filter(fits).copied().collect()
        };
        Shelf {
            free: of(GiftKind::Free, false),
            plain: of(GiftKind::Paid, false),
            discounted: of(GiftKind::Paid, true),
            boxes: of(GiftKind::BlindBox, false),
            guards: of(GiftKind::Guard, false),
            messages: of(GiftKind::PaidMessage, false),
        }
    }
}

struct Making<'a> {
    figures: &'a Figures,
    shelf: Shelf<'a>,
    random: Random,
    minutes: Weights,
    rooms: Weights,
    combos: u64,
    gold: u64,
    /// Sorted by time and then by how they came.
    sends: Vec<(i64, usize, Event)>,
}

pub fn make(figures: &Figures, catalogue: &Catalogue) -> Result<Sample, Box<dyn Error>> {
    let rooms = usize::try_from(ROOMS)?;
    let mut making = Making {
        figures,
        shelf: Shelf::of(catalogue),
        random: Random::seeded(SEED),
        minutes: Weights::new(figures.minutes.iter().copied()),
        rooms: Weights::new(figures.rooms.iter().take(rooms).map(|messages| *messages.max(&1))),
        combos: 0,
        gold: 0,
        sends: Vec::new(),
    };
    while making.gold < GOLD_GIFTS {
        making.one().ok_or("the catalogue lacks a kind of gift")?;
    }
    let mut sends = making.sends;
    sends.sort_by_key(|(t_ms, order, _)| (*t_ms, *order));
    let sends: Vec<Event> = sends.into_iter().map(|(_, _, event)| event).collect();

    let mut events: Vec<Event> = (0..ROOMS).map(room).collect();
    let (recharges, poor_viewers) = recharges(&sends, &mut making.random)?;
    events.extend(recharges);
    let count = |coin| sends.iter().filter(|e| matches!(e, Event::Gift(g) if g.coin_type == coin)).count();
    let header = Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        source: SOURCE.to_owned(),
        gifts: u64::try_from(count(CoinType::Gold))?,
        free_gifts: u64::try_from(count(CoinType::Silver))?,
        rooms: ROOMS,
        viewers: VIEWERS,
        recharges: VIEWERS,
    };
    events.extend(sends);
    Ok(Sample { header, events, poor_viewers })
}

impl<'a> Making<'a> {
    /// One decision to send: a single send, or a combo of them and its summary.
    fn one(&mut self) -> Option<()> {
        let sends: &'a Sends = &self.figures.sends;
        let plain: u64 = sends.plain_by_digits.values().sum();
        let gold = plain + sends.discounted + sends.blind_boxes;
        let (gift, coin_type) = if self.random.happens(sends.silver, gold + sends.silver) {
            (*self.random.pick(&self.shelf.free)?, CoinType::Silver)
        } else {
            (self.gold_gift(gold)?, CoinType::Gold)
        };
        let cheap =
            gift.price_coins.get() <= CHEAP_COINS && matches!(gift.kind, GiftKind::Paid | GiftKind::Free);
        let num = if cheap { *self.random.pick(&sends.quantities)? } else { 1 };
        let recorded_sends = u64::try_from(sends.quantities.len()).ok()?;
        let recorded_combos = u64::try_from(sends.combos.len()).ok()?;
        let length = if cheap && self.random.happens(recorded_combos, recorded_sends) {
            *self.random.pick(&sends.combos)?
        } else {
            1
        };
        let minute = i64::try_from(self.minutes.draw(&mut self.random)).ok()?;
        let mut t_ms = minute * 60_000 + i64::try_from(self.random.below(60_000)).ok()?;
        let room = u64::try_from(self.rooms.draw(&mut self.random)).ok()?;
        // Every room has fans of its own at the front of the queue, and guests from all over behind them.
        let viewer = (self.random.skewed_below(VIEWERS) + room * 2_503) % VIEWERS;
        let charge = charge_coins(gift, num).ok()?.get();
        let combo = (length > 1).then(|| {
            self.combos += 1;
            format!("c{}", self.combos)
        });
        let line = GiftLine {
            t_ms,
            viewer: viewer_name(viewer),
            room: room_name(room),
            gift_id: gift.gift_id,
            num,
            coin_type,
            total_coin: if coin_type == CoinType::Gold { charge } else { i64::from(num) * 100 },
            combo: combo.clone(),
        };
        for _ in 0..length {
            if coin_type == CoinType::Gold {
                if self.gold == GOLD_GIFTS {
                    break;
                }
                self.gold += 1;
            }
            self.push(t_ms, Event::Gift(GiftLine { t_ms, ..line.clone() }));
            t_ms += 400 + i64::try_from(self.random.below(1_000)).ok()?;
        }
        if let Some(combo) = combo {
            let t_ms = t_ms + 3_000;
            let GiftLine { viewer, room, gift_id, total_coin, .. } = line;
            let (num, total_coin) = (num * length, total_coin * i64::from(length));
            self.push(
                t_ms,
                Event::ComboEnd(ComboEndLine { t_ms, viewer, room, gift_id, combo, num, total_coin }),
            );
        }
        Some(())
    }

    /// A gold gift: mostly as recorded events send them, now and then anything of the price list.
    fn gold_gift(&mut self, gold: u64) -> Option<&'a Gift> {
        let figures: &'a Figures = self.figures;
        let (random, shelf, sends) = (&mut self.random, &self.shelf, &figures.sends);
        let special = random.below(1_000);
        if special < GUARDS_PER_1000 {
            return shelf.guards.get(Weights::new(GUARD_TIERS).draw(random)).copied();
        }
        if special < GUARDS_PER_1000 + MESSAGES_PER_1000 {
            // Each recorded message counts, and each message of the shelf once more, so that none is missing.
            let recorded = |gift: &&Gift| {
                let same = sends.messages_yuan.iter().filter(|yuan| **yuan * 1_000 == gift.price_coins.get());
                u64::try_from(same.count() + 1).unwrap_or(1)
            };
            return shelf
                .messages
                .get(Weights::new(shelf.messages.iter().map(recorded)).draw(random))
                .copied();
        }
        match random.below(gold) {
            at if at < sends.discounted => random.pick(&shelf.discounted).copied(),
            at if at < sends.discounted + sends.blind_boxes => random.pick(&shelf.boxes).copied(),
            _ if random.happens(BY_PRICE_LIST_OF_10, 10) => self.plain_gift(&figures.listed_by_digits),
            _ => self.plain_gift(&sends.plain_by_digits),
        }
    }

    /// A plain gift whose price has as many digits as the figures say.
    fn plain_gift(&mut self, by_digits: &BTreeMap<usize, u64>) -> Option<&'a Gift> {
        let known: Vec<(usize, u64)> = by_digits.iter().map(|(digits, count)| (*digits, *count)).collect();
        let at = Weights::new(known.iter().map(|(_, count)| *count)).draw(&mut self.random);
        let (wanted, _) = *known.get(at)?;
        // The longest price of the list may be longer than any of ours.
        let nearest =
            self.shelf.plain.iter().map(|gift| digits(gift.price_coins.get()).abs_diff(wanted)).min()?;
        let fits = |gift: &&&Gift| digits(gift.price_coins.get()).abs_diff(wanted) == nearest;
        let fitting: Vec<&Gift> = self.shelf.plain.iter().filter(fits).copied().collect();
        self.random.pick(&fitting).copied()
    }

    fn push(&mut self, t_ms: i64, event: Event) {
        self.sends.push((t_ms, self.sends.len(), event));
    }
}

fn viewer_name(viewer: u64) -> String {
    format!("v{:05}", viewer + 1)
}

fn room_name(room: u64) -> String {
    format!("r{:02}", room + 1)
}

fn room(room: u64) -> Event {
    const PLACES: [&str; 10] = [
        "Harbour",
        "Rooftop",
        "Garden",
        "Attic",
        "Station",
        "Lighthouse",
        "Orchard",
        "Gallery",
        "Bridge",
        "Cinema",
    ];
    const SHOWS: [&str; 8] =
        ["Finals", "Singing", "Chess", "Drawing", "Speedrun", "Talk", "Dancing", "Cooking"];
    let of = |words: &'static [&'static str], at: u64| {
        usize::try_from(at).ok().and_then(|at| words.get(at % words.len())).copied().unwrap_or_default()
    };
    let title = format!("{} {}", of(&PLACES, room), of(&SHOWS, room / 10));
    Event::Room(RoomLine { room: room_name(room), streamer: format!("s{:02}", room + 1), title })
}

/// One recharge for each viewer: enough for what they will send, but for a few.
fn recharges(sends: &[Event], random: &mut Random) -> Result<(Vec<Event>, u64), Box<dyn Error>> {
    let mut coins: HashMap<&str, i64> = HashMap::new();
    for event in sends {
        if let Event::Gift(gift) = event
            && gift.coin_type == CoinType::Gold
        {
            *coins.entry(&gift.viewer).or_default() += gift.total_coin;
        }
    }
    let (mut events, mut poor) = (Vec::new(), 0);
    for at in 0..VIEWERS {
        let viewer = viewer_name(at);
        let need_minor =
            (coins.get(viewer.as_str()).copied().unwrap_or_default() + COINS_PER_MINOR - 1) / COINS_PER_MINOR;
        let amount_minor = if need_minor >= POOR_MINOR_MIN && random.happens(1, POOR_ONE_IN) {
            poor += 1;
            need_minor / 2
        } else {
            // People pay whole yuan.
            ((need_minor + 99) / 100 * 100).max(RECHARGE_MINOR_MIN)
        };
        events.push(Event::Recharge(RechargeLine { t_ms: 0, viewer, amount_minor }));
    }
    Ok((events, poor))
}
