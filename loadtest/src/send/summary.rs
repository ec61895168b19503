//! What a replay did, in figures.

use ids::{RoomId, Uuid};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// The most buckets `gifts_over_time` has.
const BUCKETS_MAX: i64 = 150;
/// Widths a bucket may have, in milliseconds: what people count in.
const WIDTHS_MS: [i64; 13] = [
    100, 1_000, 5_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000, 21_600_000,
    86_400_000,
];

/// What a replay did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub run_id: Uuid,
    /// Gift lines sent and answered, gold and silver.
    pub sent: u64,
    /// Gold gifts taken, those of an earlier start of this run included.
    pub accepted: u64,
    /// Of those, the ones that the server had taken before.
    pub replayed: u64,
    /// Gold gifts refused because the viewer ran out of coins.
    pub refused: u64,
    pub free: u64,
    /// Coins of the accepted gifts.
    pub charged_coins: i64,
    /// Requests that were sent again.
    pub retries: u64,
    /// The most tries that one gift took.
    pub tries_max: u64,
    /// How long sending the gifts took; without rooms and recharges.
    pub elapsed: Duration,
    pub gifts_over_time: Vec<TimeBucket>,
    /// Every room that took a gift, the busiest first.
    pub rooms: Vec<RoomTotal>,
}

/// Accepted gifts of one stretch of the recorded time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TimeBucket {
    pub from_ms: i64,
    pub gifts: u64,
    pub coins: i64,
}

/// Accepted gifts of one room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoomTotal {
    pub room_id: RoomId,
    pub title: String,
    pub gifts: u64,
    pub coins: i64,
}

/// The width of a bucket, chosen by how long the recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    width_ms: i64,
}

impl Clock {
    pub(super) fn of_span(span_ms: i64) -> Clock {
        let fits = |width: &&i64| span_ms / **width < BUCKETS_MAX;
        let width_ms = WIDTHS_MS.iter().find(fits).copied().unwrap_or(86_400_000);
        Clock { width_ms }
    }

    fn bucket(self, t_ms: i64) -> i64 {
        t_ms / self.width_ms
    }
}

/// What one worker counted.
#[derive(Debug)]
pub(super) struct Tally {
    clock: Clock,
    pub refused: u64,
    pub free: u64,
    accepted: u64,
    replayed: u64,
    coins: i64,
    buckets: BTreeMap<i64, (u64, i64)>,
    rooms: HashMap<RoomId, (u64, i64)>,
}

impl Tally {
    pub(super) fn new(clock: Clock) -> Tally {
        Tally {
            clock,
            refused: 0,
            free: 0,
            accepted: 0,
            replayed: 0,
            coins: 0,
            buckets: BTreeMap::new(),
            rooms: HashMap::new(),
        }
    }

    /// Counts an accepted gift. The sum of all charges was bounded when the file was validated.
    pub(super) fn accept(&mut self, room: RoomId, t_ms: i64, coins: i64, replayed: bool) {
        self.accepted += 1;
        self.replayed += u64::from(replayed);
        self.coins += coins;
        for (gifts, sum) in
            [self.buckets.entry(self.clock.bucket(t_ms)).or_default(), self.rooms.entry(room).or_default()]
        {
            *gifts += 1;
            *sum += coins;
        }
    }
}

impl Summary {
    pub(super) fn of(
        tallies: impl Iterator<Item = Tally>,
        titles: HashMap<RoomId, String>,
        clock: Clock,
        (retries, tries_max): (u64, u64),
    ) -> Summary {
        let mut summary = Summary { retries, tries_max, ..Summary::default() };
        let mut buckets: BTreeMap<i64, (u64, i64)> = BTreeMap::new();
        let mut rooms: HashMap<RoomId, (u64, i64)> = HashMap::new();
        for tally in tallies {
            summary.accepted += tally.accepted;
            summary.replayed += tally.replayed;
            summary.refused += tally.refused;
            summary.free += tally.free;
            summary.charged_coins += tally.coins;
            for (at, (gifts, coins)) in tally.buckets {
                let sum = buckets.entry(at).or_default();
                *sum = (sum.0 + gifts, sum.1 + coins);
            }
            for (room, (gifts, coins)) in tally.rooms {
                let sum = rooms.entry(room).or_default();
                *sum = (sum.0 + gifts, sum.1 + coins);
            }
        }
        summary.sent = summary.accepted + summary.refused + summary.free;
        // Quiet stretches are buckets too: a chart with holes would lie about time.
        let last = buckets.last_key_value().map_or(-1, |(at, _)| *at);
        summary.gifts_over_time = (0..=last)
            .map(|at| {
                let (gifts, coins) = buckets.get(&at).copied().unwrap_or_default();
                TimeBucket { from_ms: at * clock.width_ms, gifts, coins }
            })
            .collect();
        summary.rooms = rooms
            .into_iter()
            .map(|(room_id, (gifts, coins))| {
                let title = titles.get(&room_id).cloned().unwrap_or_default();
                RoomTotal { room_id, title, gifts, coins }
            })
            .collect();
        summary.rooms.sort_by(|a, b| b.gifts.cmp(&a.gifts).then_with(|| a.room_id.cmp(&b.room_id)));
        summary
    }
}
