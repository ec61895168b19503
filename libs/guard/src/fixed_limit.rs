//! A fixed number of requests in flight, the last places kept for those who pay.

use crate::{Admission, Permit, Priority, Refusal};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Shares of the limit, in sixteenths, that each class may fill. Paying requests may use every place, so a
/// crowd that only looks cannot keep them out.
const SIXTEENTHS: [(Priority, usize); 4] =
    [(Priority::Paying, 16), (Priority::System, 15), (Priority::Browsing, 14), (Priority::Background, 8)];

/// Admits while fewer than a fixed number of requests are in flight.
pub struct FixedLimit {
    in_flight: Arc<AtomicUsize>,
    limits: [usize; 4],
    refused: [metrics::Counter; 4],
}

impl FixedLimit {
    /// A limit of `in_flight_max` requests; zero counts as one, because a node that takes nothing is off.
    pub fn new(in_flight_max: usize) -> FixedLimit {
        let whole = in_flight_max.max(1);
        FixedLimit {
            in_flight: Arc::default(),
            limits: SIXTEENTHS.map(|(_, share)| (whole / 16 * share + whole % 16 * share / 16).max(1)),
            refused: SIXTEENTHS.map(
                |(class, _)| metrics::counter!("largesse_admission_refused_total", "class" => class.as_str()),
            ),
        }
    }

    /// Requests in flight now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

fn index(class: Priority) -> usize {
    match class {
        Priority::Paying => 0,
        Priority::System => 1,
        Priority::Browsing => 2,
        Priority::Background => 3,
    }
}

struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl Admission for FixedLimit {
    fn try_admit(&self, class: Priority) -> Result<Permit, Refusal> {
        let limit = self.limits[index(class)];
        // Counting first and looking after can refuse one too many at the edge, but never admits one too many.
        let before = self.in_flight.fetch_add(1, Ordering::Acquire);
        let place = Place(Arc::clone(&self.in_flight));
        if before < limit {
            return Ok(Permit::holding(place));
        }
        self.refused[index(class)].increment(1);
        Err(Refusal::OVERLOADED)
    }
}
