//! A source log in memory: rows that a test decides, served by pulls and announced over the bus.

use bus::Bus;
use chrono::{DateTime, Utc};
use contracts::lane::Lane;
use contracts::log::{EpochStart, HeadMark, LogRow, MarksMessage, Page, SCHEMA_VERSION, Seq};
use ids::{Partition, PartitionGroup};
use seqlog::{LogSource, PullError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub struct FakeLog<R> {
    rows: Mutex<BTreeMap<Partition, Vec<R>>>,
    closed_until: Mutex<DateTime<Utc>>,
    bus: Bus,
    lane: Lane,
}

impl<R: LogRow> FakeLog<R> {
    pub fn new(bus: &Bus, lane: &Lane) -> Arc<FakeLog<R>> {
        Arc::new(FakeLog {
            rows: Mutex::new(BTreeMap::new()),
            closed_until: Mutex::new(DateTime::UNIX_EPOCH),
            bus: bus.clone(),
            lane: lane.clone(),
        })
    }

    /// Appends a row to its partition.
    pub fn push(&self, mut row: R) {
        let mut rows = self.rows.lock().expect("no test panics here");
        let of_partition = rows.entry(row.stamp().partition).or_default();
        row.stamp_mut().seq = i64::try_from(of_partition.len()).expect("few rows") + 1;
        row.stamp_mut().epoch = 1;
        of_partition.push(row);
    }

    pub fn close(&self, until: DateTime<Utc>) {
        *self.closed_until.lock().expect("no test panics here") = until;
    }

    fn mark(&self, partition: Partition) -> HeadMark {
        let rows = self.rows.lock().expect("no test panics here");
        let last_seq = rows.get(&partition).and_then(|rows| rows.last()).map_or(0, |row| row.stamp().seq);
        let closed_until = *self.closed_until.lock().expect("no test panics here");
        HeadMark { partition, epoch: 1, last_seq, closed_until }
    }

    /// Publishes the heads, as a writer does once a second.
    pub async fn announce(&self) {
        let marks = MarksMessage {
            schema_version: SCHEMA_VERSION,
            log: R::LOG,
            lane: self.lane.clone(),
            bus_generation: self.bus.generation(),
            marks: Partition::all().map(|partition| self.mark(partition)).collect(),
        };
        let payload = serde_json::to_vec(&serde_json::json!({ "marks": marks })).expect("plain");
        for group in PartitionGroup::all() {
            self.bus.publish(R::LOG.as_str(), group, payload.clone().into()).await.expect("in process");
        }
    }
}

#[async_trait::async_trait]
impl<R: LogRow> LogSource<R> for FakeLog<R> {
    async fn read_after(&self, partition: Partition, after: Seq, limit: i64) -> Result<Page<R>, PullError> {
        let head = self.mark(partition);
        let rows = self.rows.lock().expect("no test panics here");
        let wanted = rows.get(&partition).into_iter().flatten().filter(|row| row.stamp().seq > after);
        let rows = wanted.take(usize::try_from(limit).expect("small")).cloned().collect();
        Ok(Page { rows, epochs: vec![EpochStart { epoch: 1, first_seq: 1 }], head })
    }
}
