//! A fixed number of requests in flight, the last places kept for those who pay.

use crate::admission::{Admission, Moment, Outcome, Permit, Places, Refusal, Ticket};
use crate::priority::{Ask, Priority};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Shares of the limit, in sixteenths, that each class may fill. Paying requests may use every place, so a
/// crowd that only looks cannot keep them out.
const SIXTEENTHS: [(Priority, usize); 4] =
    [(Priority::Paying, 16), (Priority::System, 15), (Priority::Browsing, 14), (Priority::Background, 8)];

/// Admits while fewer than a fixed number of requests are in flight: where the capacity is known and does not change.
pub struct FixedLimit {
    places: Arc<Taken>,
    limits: [usize; 4],
    refused: [metrics::Counter; 4],
}

impl FixedLimit {
    /// A limit of `in_flight_max` requests; zero counts as one, because a node that takes nothing is off.
    pub fn new(in_flight_max: usize) -> FixedLimit {
        let whole = in_flight_max.max(1);
        FixedLimit {
            places: Arc::default(),
            limits: SIXTEENTHS.map(|(_, share)| (whole / 16 * share + whole % 16 * share / 16).max(1)),
            refused: SIXTEENTHS.map(|(class, _)| {
                metrics::counter!(
                    "largesse_admission_refused_total", "class" => class.as_str(), "reason" => "overloaded"
                )
            }),
        }
    }

    /// Requests in flight now.
    pub fn in_flight(&self) -> usize {
        self.places.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct Taken(AtomicUsize);

impl Places for Taken {
    fn give_back(&self, _ticket: Ticket, _outcome: Outcome) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl Admission for FixedLimit {
    fn try_admit(&self, ask: Ask) -> Result<Permit, Refusal> {
        let class = usize::from(ask.class.index());
        // Counting first and looking after can refuse one too many at the edge, but never admits one too many.
        let before = self.places.0.fetch_add(1, Ordering::Acquire);
        if before < self.limits[class] {
            let places: Arc<dyn Places> = self.places.clone();
            return Ok(Permit::of(places, Ticket { since_ns: 0, moment: Moment::Calm, kind: ask.kind }));
        }
        self.places.0.fetch_sub(1, Ordering::Release);
        self.refused[class].increment(1);
        Err(Refusal::overloaded(ask.class))
    }
}
