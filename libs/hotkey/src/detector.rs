//! Detection by itself: for whoever wants to know what is hot and do something else about it.

use crate::heat::per_second;
use crate::seats::Seats;
use crate::settings::HotSettings;

/// Which keys are touched most by this process. Touches meet no other thread: each counts in a sketch of its own.
pub struct Detector {
    seats: Seats,
}

impl Default for Detector {
    fn default() -> Detector {
        Detector { seats: Seats::new(&HotSettings::default()) }
    }
}

impl Detector {
    /// Counts one touch. Takes no lock that another thread's touch takes. A key longer than
    /// [`HotSettings::key_bytes_max`] (its default) is not counted.
    #[inline]
    pub fn touch(&self, key: &str) {
        self.seats.visit(key, |_, _, _| false);
    }

    /// One step of the clock: call it every [`crate::TICK`], or with the number of ticks that have passed. Gives
    /// the most touched keys and their touches per second, the most first, about [`crate::SKETCH_KEYS_MAX`] per
    /// thread.
    pub fn step(&self, ticks: u32) -> Vec<(String, u64)> {
        let counts = self.seats.tick(ticks);
        let mut rates: Vec<(String, u64)> =
            counts.into_iter().map(|(key, count)| (key, per_second(count))).collect();
        rates.sort_unstable_by(|one, other| (other.1, &one.0).cmp(&(one.1, &other.0)));
        rates
    }
}
