//! A source log in memory: rows that a test decides, served by counted pulls and announced over the bus.

use bus::Bus;
use chrono::{DateTime, Utc};
use contracts::lane::Lane;
use contracts::log::{EpochStart, HeadMark, LogRow, MarksMessage, Page, SCHEMA_VERSION, Seq};
use ids::{Partition, PartitionGroup};
use seqlog::{LogSource, PullError};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

pub struct FakeLog<R> {
    rows: Mutex<BTreeMap<Partition, Vec<R>>>,
    closed_until: Mutex<DateTime<Utc>>,
    pulls: AtomicUsize,
    shut_from: watch::Sender<Option<Partition>>,
    bus: Bus,
    lane: Lane,
}

impl<R: LogRow> FakeLog<R> {
    pub fn new(bus: &Bus, lane: &Lane) -> Arc<FakeLog<R>> {
        Arc::new(FakeLog {
            rows: Mutex::new(BTreeMap::new()),
            closed_until: Mutex::new(DateTime::UNIX_EPOCH),
            pulls: AtomicUsize::new(0),
            shut_from: watch::Sender::new(None),
            bus: bus.clone(),
            lane: lane.clone(),
        })
    }

    /// Appends a row to its partition; returns its seq.
    pub fn push(&self, mut row: R) -> Seq {
        let mut rows = self.rows.lock().expect("no test panics here");
        let of_partition = rows.entry(row.stamp().partition).or_default();
        let seq = i64::try_from(of_partition.len()).expect("few rows") + 1;
        row.stamp_mut().seq = seq;
        row.stamp_mut().epoch = 1;
        of_partition.push(row);
        seq
    }

    /// Changes a row behind everybody's back, as a hand on the table would.
    pub fn tamper(&self, partition: Partition, seq: Seq, change: impl FnOnce(&mut R)) {
        let mut rows = self.rows.lock().expect("no test panics here");
        let of_partition = rows.get_mut(&partition).expect("rows of the partition");
        change(of_partition.iter_mut().find(|row| row.stamp().seq == seq).expect("the row"));
    }

    /// Takes a row out behind everybody's back.
    pub fn take_out(&self, partition: Partition, seq: Seq) {
        let mut rows = self.rows.lock().expect("no test panics here");
        rows.get_mut(&partition).expect("rows of the partition").retain(|row| row.stamp().seq != seq);
    }

    /// Lets nobody read partitions from `partition` on, until it is told otherwise.
    pub fn shut_from(&self, partition: Option<Partition>) {
        self.shut_from.send_replace(partition);
    }

    /// How often rows were asked for.
    pub fn pulls(&self) -> usize {
        self.pulls.load(Ordering::Relaxed)
    }

    /// Rows in all partitions.
    pub fn len(&self) -> i64 {
        let rows = self.rows.lock().expect("no test panics here");
        i64::try_from(rows.values().map(Vec::len).sum::<usize>()).expect("few rows")
    }

    /// Rows of a partition.
    pub fn len_of(&self, partition: Partition) -> i64 {
        let rows = self.rows.lock().expect("no test panics here");
        i64::try_from(rows.get(&partition).map_or(0, Vec::len)).expect("few rows")
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
        self.pulls.fetch_add(1, Ordering::Relaxed);
        let mut shut_from = self.shut_from.subscribe();
        let is_open = |from: &Option<Partition>| from.is_none_or(|from| partition < from);
        shut_from.wait_for(is_open).await.expect("the log is there");
        let head = self.mark(partition);
        let rows = self.rows.lock().expect("no test panics here");
        let wanted = rows.get(&partition).into_iter().flatten().filter(|row| row.stamp().seq > after);
        let rows = wanted.take(usize::try_from(limit).expect("small")).cloned().collect();
        Ok(Page { rows, epochs: vec![EpochStart { epoch: 1, first_seq: 1 }], head })
    }
}
