//! A node on a clock of its own: places that work, a queue before them, and arrivals by chance from a fixed seed.
//! Nothing here waits or reads a clock, so a busy machine changes no result.

use guard::{AdaptiveLimit, Ask, Outcome, Permit, Priority};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1_000 * MS;

/// Numbers by chance, the same in every run.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ (mixed >> 29)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// What happened to the requests of one class.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub offered: u64,
    pub served: u64,
    /// Served within the bound.
    pub in_time: u64,
}

/// What a request needs and who sends it.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub ask: Ask,
    pub work_ns: u64,
    /// How it ends, if it is let in.
    pub outcome: Outcome,
}

/// The node under test.
pub struct Node {
    /// None lets everybody in.
    pub limit: Option<AdaptiveLimit>,
    pub now_ns: u64,
    pub in_time_ns: u64,
    /// When each worker is free.
    workers: BinaryHeap<Reverse<u64>>,
    finishing: BinaryHeap<Reverse<(u64, u64)>>,
    started: HashMap<u64, (Option<Permit>, Request, u64)>,
    number: u64,
    tallies: HashMap<Priority, Tally>,
    chance: Chance,
}

impl Node {
    pub fn new(limit: Option<AdaptiveLimit>, workers: usize) -> Node {
        Node {
            limit,
            now_ns: SECOND,
            in_time_ns: u64::MAX,
            workers: (0..workers).map(|_| Reverse(0)).collect(),
            finishing: BinaryHeap::new(),
            started: HashMap::new(),
            number: 0,
            tallies: HashMap::new(),
            chance: Chance::new(7),
        }
    }

    /// The same node with other arrivals.
    pub fn seeded(mut self, seed: u64) -> Node {
        self.chance = Chance::new(seed);
        self
    }

    /// Sends requests at a rate for a time; arrivals are independent of each other.
    pub fn run(&mut self, per_second: u64, for_ns: u64, mut request: impl FnMut(&mut Chance) -> Request) {
        let until = self.now_ns + for_ns;
        // In steps so short that two arrivals in one hardly happen.
        let step_ns = SECOND / per_second / 16;
        while self.now_ns < until {
            self.now_ns += step_ns;
            self.finish_due();
            if self.chance.below(16) == 0 {
                let request = request(&mut self.chance);
                self.arrive(request);
            }
        }
    }

    /// Changes how many work at once; what waits goes on.
    pub fn set_workers(&mut self, workers: usize) {
        self.workers = (0..workers).map(|_| Reverse(self.now_ns)).collect();
    }

    /// What happened since the last time this was asked.
    pub fn take_tallies(&mut self) -> HashMap<Priority, Tally> {
        std::mem::take(&mut self.tallies)
    }

    fn arrive(&mut self, request: Request) {
        let tally = self.tallies.entry(request.ask.class).or_default();
        tally.offered += 1;
        let permit = match &self.limit {
            None => None,
            Some(limit) => match limit.try_admit_at(self.now_ns, request.ask) {
                Ok(permit) => Some(permit),
                Err(_) => return,
            },
        };
        let Reverse(free_ns) = self.workers.pop().expect("at least one worker");
        let done_ns = free_ns.max(self.now_ns) + request.work_ns;
        self.workers.push(Reverse(done_ns));
        self.number += 1;
        self.finishing.push(Reverse((done_ns, self.number)));
        self.started.insert(self.number, (permit, request, self.now_ns));
    }

    fn finish_due(&mut self) {
        while let Some(Reverse((done_ns, number))) = self.finishing.peek().copied()
            && done_ns <= self.now_ns
        {
            self.finishing.pop();
            let (permit, request, since_ns) = self.started.remove(&number).expect("it started");
            if let (Some(limit), Some(permit)) = (&self.limit, permit) {
                limit.finish_at(done_ns, permit, request.outcome);
            }
            let tally = self.tallies.entry(request.ask.class).or_default();
            tally.served += 1;
            tally.in_time += u64::from(done_ns - since_ns <= self.in_time_ns);
        }
    }
}
