//! Two neighbouring logs compared row by row while both are read in order: what is still open is all that is kept.

use super::saying::Side;
use contracts::digest::{Digest, Fact, Pair};
use contracts::entry::Entry;
use contracts::item::Item;
use contracts::log::{LogRow, Minute, Seq};
use contracts::order::Order;
use ids::{OrderId, Uuid};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Rows of the log before that wait for their row of the log after; more are another problem.
pub const OPEN_ROWS_MAX: usize = 200_000;

/// What a row says beside its coins: whose they are, and what for. `None` where the row does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Particulars {
    pub viewer: Option<Uuid>,
    pub room: Option<Uuid>,
    pub streamer: Option<Uuid>,
    pub gift: Option<u32>,
    pub quantity: Option<u32>,
}

/// A row that says more than coins.
pub trait Particular: LogRow {
    fn particulars(&self) -> Particulars;
}

impl Particular for Entry {
    fn particulars(&self) -> Particulars {
        let send = self.send.as_ref();
        Particulars {
            viewer: Some(self.account_id.uuid()),
            room: send.map(|send| send.room_id.uuid()),
            streamer: send.map(|send| send.streamer_id.uuid()),
            gift: send.map(|send| send.gift_id),
            quantity: send.map(|send| send.quantity),
        }
    }
}

impl Particular for Order {
    fn particulars(&self) -> Particulars {
        Particulars {
            viewer: Some(self.viewer_id.uuid()),
            room: Some(self.room_id.uuid()),
            streamer: Some(self.streamer_id.uuid()),
            gift: Some(self.gift_id),
            quantity: Some(self.quantity),
        }
    }
}

impl Particular for Item {
    fn particulars(&self) -> Particulars {
        Particulars { streamer: Some(self.streamer_id.uuid()), ..Particulars::default() }
    }
}

impl Particulars {
    /// The names of what both say and say differently.
    fn contradictions(&self, other: &Particulars) -> Vec<&'static str> {
        fn differ<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
            matches!((one, other), (Some(one), Some(other)) if one != other)
        }
        let names = [
            ("viewer_id", differ(self.viewer, other.viewer)),
            ("room_id", differ(self.room, other.room)),
            ("streamer_id", differ(self.streamer, other.streamer)),
            ("gift_id", differ(self.gift, other.gift)),
            ("quantity", differ(self.quantity, other.quantity)),
        ];
        names.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }
}

/// A row, as far as it is compared.
#[derive(Clone, Copy, Debug)]
struct Said {
    fact: Fact,
    minute: Minute,
    particulars: Particulars,
}

/// Two rows of one order that contradict each other, or one that derives from nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Contradiction {
    pub minute: Minute,
    pub order_id: OrderId,
    pub coins: i64,
    pub before_seq: Option<Seq>,
    pub after_seq: Option<Seq>,
    /// The columns; `origin_seq` where the rows do not name each other.
    pub columns: Vec<&'static str>,
}

/// A digest and the rows it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayFold {
    pub digest: Digest,
    pub first_seq: Seq,
    pub last_seq: Seq,
}

/// More rows wait for their counterpart than can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {OPEN_ROWS_MAX} rows have no counterpart: this is no difference but another problem")]
pub struct TooManyOpen;

/// The comparison under way. Rows of the log before come first, up to the one that a row of the log after names.
#[derive(Debug)]
pub struct PairWalk {
    pair: Pair,
    open: BTreeMap<Seq, Said>,
    pub folds: BTreeMap<(Minute, Side), DayFold>,
    /// Minutes in which something differs.
    pub minutes: BTreeSet<Minute>,
    pub contradictions: Vec<Contradiction>,
    pub matched: i64,
    /// The last row of the log after that was taken in.
    pub after_last: Seq,
}

impl PairWalk {
    pub fn new(pair: Pair) -> PairWalk {
        PairWalk {
            pair,
            open: BTreeMap::new(),
            folds: BTreeMap::new(),
            minutes: BTreeSet::new(),
            contradictions: Vec::new(),
            matched: 0,
            after_last: 0,
        }
    }

    fn fold(&mut self, side: Side, minute: Minute, seq: Seq, fact: &Fact) {
        let empty = DayFold { digest: Digest::default(), first_seq: seq, last_seq: seq };
        let fold = self.folds.entry((minute, side)).or_insert(empty);
        fold.digest.add(fact);
        fold.last_seq = seq;
    }

    /// Takes in what a row of the log before says.
    ///
    /// # Errors
    /// [`TooManyOpen`].
    pub fn before<R: Particular>(&mut self, row: &R, fact: Fact) -> Result<(), TooManyOpen> {
        debug_assert_eq!(fact.pair, self.pair, "a fact of this pair");
        let (minute, seq) = (row.stamp().minute, row.stamp().seq);
        self.fold(Side::Before, minute, seq, &fact);
        if self.open.len() >= OPEN_ROWS_MAX {
            return Err(TooManyOpen);
        }
        self.open.insert(seq, Said { fact, minute, particulars: row.particulars() });
        Ok(())
    }

    /// Takes in what a row of the log after says.
    pub fn after<R: Particular>(&mut self, row: &R, fact: Fact) {
        debug_assert_eq!(fact.pair, self.pair, "a fact of this pair");
        let (minute, seq, origin) = (row.stamp().minute, row.stamp().seq, row.stamp().origin_seq);
        self.fold(Side::After, minute, seq, &fact);
        self.after_last = self.after_last.max(seq);
        let contradiction = |before_seq, columns| Contradiction {
            minute,
            order_id: fact.order_id,
            coins: fact.paid_coins.saturating_add(fact.promo_coins),
            before_seq,
            after_seq: Some(seq),
            columns,
        };
        let Some(said) = self.open.remove(&origin) else {
            self.minutes.insert(minute);
            return self.contradictions.push(contradiction(None, vec!["origin_seq"]));
        };
        if (said.fact, said.minute) != (fact, minute) {
            self.minutes.extend([said.minute, minute]);
            return self.contradictions.push(contradiction(Some(origin), vec!["origin_seq"]));
        }
        let columns = said.particulars.contradictions(&row.particulars());
        if columns.is_empty() {
            self.matched += 1;
        } else {
            self.contradictions.push(contradiction(Some(origin), columns));
        }
    }

    /// Whether every row so far has its counterpart.
    pub fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// No more rows come: what is open has no counterpart.
    pub fn finish(&mut self) {
        for (seq, said) in std::mem::take(&mut self.open) {
            self.minutes.insert(said.minute);
            self.contradictions.push(Contradiction {
                minute: said.minute,
                order_id: said.fact.order_id,
                coins: said.fact.paid_coins.saturating_add(said.fact.promo_coins),
                before_seq: Some(seq),
                after_seq: None,
                columns: vec!["origin_seq"],
            });
        }
    }

    /// The digest of a side's minute.
    pub fn digest(&self, minute: Minute, side: Side) -> Digest {
        self.folds.get(&(minute, side)).map(|fold| fold.digest).unwrap_or_default()
    }

    /// All of a side's minutes in one digest.
    pub fn whole(&self, side: Side) -> Digest {
        let mut whole = Digest::default();
        for fold in self.folds.iter().filter(|((_, of), _)| *of == side).map(|(_, fold)| fold) {
            whole.merge(&fold.digest);
        }
        whole
    }
}
