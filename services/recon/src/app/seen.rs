//! What the readers have seen, shared with the comparisons. Held for moments, never across an await.

use crate::domain::effect::Effect;
use crate::domain::tail::Tail;
use chrono::{DateTime, Utc};
use contracts::log::{LogName, Minute, Seq, minute_of};
use ids::Partition;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One partition of one log.
pub type Place = (LogName, Partition);

#[derive(Default)]
struct State {
    closed: BTreeMap<Place, DateTime<Utc>>,
    unsaved: BTreeMap<Place, DateTime<Utc>>,
    tails: BTreeMap<Place, Tail>,
}

/// A handle on what was seen.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<State>>);

impl Seen {
    /// What was seen when this service last ran.
    pub fn of_closed(closed: BTreeMap<Place, DateTime<Utc>>) -> Seen {
        Seen(Arc::new(Mutex::new(State { closed, ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything of a place up to `until` is applied.
    pub fn close(&self, place: Place, until: DateTime<Utc>) {
        let mut state = self.state();
        state.closed.insert(place, until);
        state.unsaved.insert(place, until);
    }

    /// Up to when a place is applied whole.
    pub fn closed_until(&self, place: Place) -> Option<DateTime<Utc>> {
        self.state().closed.get(&place).copied()
    }

    /// The first minute of a place that is not closed.
    pub fn open_minute(&self, place: Place) -> Option<Minute> {
        self.closed_until(place).map(minute_of)
    }

    /// Takes the closed times that have not been saved.
    pub fn take_unsaved(&self) -> BTreeMap<Place, DateTime<Utc>> {
        std::mem::take(&mut self.state().unsaved)
    }

    /// Adds the effects of rows in `(after, until]`.
    pub fn add_tail(&self, place: Place, (after, until): (Seq, Seq), effects: Vec<Effect>) {
        self.state().tails.entry(place).or_default().add(after, until, effects);
    }

    /// The effects of a range, where they are in memory.
    pub fn tail_range(&self, place: Place, from: Seq, to: Seq) -> Option<Vec<Effect>> {
        self.state().tails.get(&place)?.range(from, to)
    }

    /// The last row of a place that was seen since start.
    pub fn tail_until(&self, place: Place) -> Seq {
        self.state().tails.get(&place).map_or(0, Tail::until)
    }

    /// Forgets effects up to `seq`.
    pub fn forget_tail(&self, place: Place, seq: Seq) {
        if let Some(tail) = self.state().tails.get_mut(&place) {
            tail.forget(seq);
        }
    }
}
