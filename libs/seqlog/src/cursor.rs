//! One partition as a reader sees it: a pure state machine over messages, pulls and marks.
//!
//! Whatever arrives, lost, doubled, late or reordered, [`Cursor::take`] hands out each row once, in order,
//! without a gap; or the cursor says that it needs a pull, or that it stands on a fork.

use chrono::{DateTime, Utc};
use contracts::log::{Epoch, EpochStart, HeadMark, LogRow, Page, Seq, Stretch};
use std::collections::{BTreeMap, VecDeque};

/// Rows one partition buffers before it drops what arrives; dropped rows are pulled later.
pub const BUFFER_ROWS_MAX: usize = 8_192;

/// What became of something offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// New rows are ready.
    Taken,
    /// Everything in it was known.
    Repeat,
    /// There is a gap before it: rows are missing and must be pulled.
    Gap,
    /// Rows of a deposed writer's other history; dropped.
    Stale,
    /// This reader has applied rows that the newest epoch does not know.
    Forked,
}

/// One partition of one reader.
#[derive(Debug)]
pub struct Cursor<R> {
    epoch: Epoch,
    seq: Seq,
    newest: EpochStart,
    ready: VecDeque<R>,
    ahead: BTreeMap<Seq, R>,
    head: Option<HeadMark>,
    last_seen: Seq,
    forked: Option<EpochStart>,
}

impl<R: LogRow> Cursor<R> {
    /// A cursor that has applied everything up to `seq`, whose last row was of `epoch`.
    pub fn new(epoch: Epoch, seq: Seq) -> Cursor<R> {
        Cursor {
            epoch,
            seq,
            newest: EpochStart { epoch, first_seq: 0 },
            ready: VecDeque::new(),
            ahead: BTreeMap::new(),
            head: None,
            last_seen: seq,
            forked: None,
        }
    }

    /// Forgets what is buffered and starts again from what is durable. Keeps what it knows of the source.
    pub fn reset(&mut self, epoch: Epoch, seq: Seq) {
        self.epoch = epoch;
        self.seq = seq;
        self.ready.clear();
        self.ahead.clear();
    }

    /// The last seq applied.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The epoch this reader forked from the source at, if it did.
    pub fn forked_at(&self) -> Option<EpochStart> {
        self.forked
    }

    /// Offers this partition's part of a message from the bus.
    pub fn offer(&mut self, stretch: Stretch<R>) -> Offer {
        self.learn_epoch(stretch.epoch_start);
        self.last_seen = self.last_seen.max(stretch.last_seq);
        self.offer_rows(stretch.rows)
    }

    /// Offers the answer of a pull.
    pub fn offer_page(&mut self, page: Page<R>) -> Offer {
        for start in page.epochs {
            self.learn_epoch(start);
        }
        self.offer_mark(page.head);
        self.offer_rows(page.rows)
    }

    /// Takes note of a published head.
    pub fn offer_mark(&mut self, mark: HeadMark) {
        if self.head.is_none_or(|known| (mark.epoch, mark.last_seq) >= (known.epoch, known.last_seq)) {
            self.head = Some(mark);
            if mark.epoch >= self.newest.epoch {
                self.last_seen = self.last_seen.max(mark.last_seq);
            }
        }
    }

    /// Where a pull must start, if rows are known to be missing.
    pub fn wants_pull_after(&self) -> Option<Seq> {
        let have = self.have_seq();
        let room = self.ready.len() + self.ahead.len() < BUFFER_ROWS_MAX;
        (self.forked.is_none() && room && self.last_seen > have).then_some(have)
    }

    /// Takes at most `limit` rows to apply next, in order.
    pub fn take(&mut self, limit: usize) -> Vec<R> {
        if self.forked.is_some() {
            return Vec::new();
        }
        let count = limit.min(self.ready.len());
        self.ready.drain(..count).collect()
    }

    /// How many rows are ready.
    pub fn ready_len(&self) -> usize {
        if self.forked.is_some() { 0 } else { self.ready.len() }
    }

    /// Records that everything up to `seq` is applied and durable.
    pub fn applied(&mut self, epoch: Epoch, seq: Seq) {
        self.epoch = epoch;
        self.seq = seq;
        self.last_seen = self.last_seen.max(seq);
    }

    /// The head whose rows are all applied, if the newest known one is.
    pub fn closed(&self) -> Option<HeadMark> {
        self.head.filter(|head| self.forked.is_none() && head.last_seq <= self.seq)
    }

    /// Rows known to exist and not yet applied.
    pub fn lag_rows(&self) -> i64 {
        self.last_seen - self.seq
    }

    /// When the oldest row at hand that is not applied was decided.
    pub fn oldest_decided_at(&self) -> Option<DateTime<Utc>> {
        let oldest = self.ready.front().or_else(|| self.ahead.values().next());
        oldest.map(|row| row.stamp().decided_at)
    }

    fn have_seq(&self) -> Seq {
        self.ready.back().map_or(self.seq, |row| row.stamp().seq)
    }

    fn learn_epoch(&mut self, start: EpochStart) {
        if start.epoch <= self.newest.epoch {
            return;
        }
        if self.epoch < start.epoch && self.seq >= start.first_seq {
            self.forked = Some(start);
        }
        self.newest = start;
        let stays = |row: &R| row.stamp().epoch >= start.epoch || row.stamp().seq < start.first_seq;
        self.ready.retain(stays);
        self.ahead.retain(|_, row| stays(row));
    }

    fn offer_rows(&mut self, rows: Vec<R>) -> Offer {
        if self.forked.is_some() {
            return Offer::Forked;
        }
        let mut outcome = Offer::Repeat;
        for row in rows {
            let (epoch, seq) = (row.stamp().epoch, row.stamp().seq);
            let other_history = epoch < self.newest.epoch && seq >= self.newest.first_seq;
            if other_history {
                outcome = Offer::Stale;
                continue;
            }
            if seq <= self.have_seq() || self.ready.len() + self.ahead.len() >= BUFFER_ROWS_MAX {
                continue;
            }
            if seq == self.have_seq() + 1 {
                self.ready.push_back(row);
                outcome = Offer::Taken;
            } else {
                self.ahead.insert(seq, row);
                if outcome != Offer::Taken {
                    outcome = Offer::Gap;
                }
            }
        }
        self.absorb_ahead();
        outcome
    }

    fn absorb_ahead(&mut self) {
        while let Some(first) = self.ahead.first_entry() {
            let seq = *first.key();
            let have = self.ready.back().map_or(self.seq, |row| row.stamp().seq);
            if seq > have + 1 {
                break;
            }
            let row = first.remove();
            if seq == have + 1 {
                self.ready.push_back(row);
            }
        }
    }
}
