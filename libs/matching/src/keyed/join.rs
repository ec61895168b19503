//! All partitions, in order, by as many threads as there are: thread t takes every t-th one, and the answers are put
//! back in order. An overfull partition is divided by the next bits of the hash until its pieces fit.

use super::KeyedError;
use super::difference::Difference;
use super::merge::{INDEX_BYTES, Sorted, merge};
use super::row::{Record, record_bytes};
use super::settings::{Course, PARTITION_BITS, Plan};
use super::spool::{Filled, Radix, Spool};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Differences that travel together.
const BATCH_LEN_MAX: usize = 1_024;
/// Batches that wait until it is their partition's turn, for each thread.
const BATCHES_WAITING_MAX: usize = 4;
/// Bits by which an overfull partition is divided.
const DIVIDE_BITS: u32 = 6;
/// Buffers of a division: 64 of each side.
const DIVIDE_CHUNK_BYTES: usize = 16 << 10;
/// Bits after which rows that are still together are taken for one key's.
const USED_BITS_MAX: u32 = 32;

/// Some differences of one partition, in order; `matched` and `spilled_bytes` come with the last.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) differences: Vec<Difference>,
    pub(super) matched: u64,
    pub(super) spilled_bytes: u64,
    last: bool,
}

/// Merges all partitions and gives their differences in order.
///
/// # Errors
/// The first partition's that failed by itself.
pub(super) fn all<'f>(
    (mut left, mut right): (Filled<'f>, Filled<'f>),
    plan: &Plan,
    course: &Course<'_>,
    give: &mut dyn FnMut(Batch),
) -> Result<(), KeyedError> {
    let partitions: usize = 1 << PARTITION_BITS;
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for first in 0..plan.threads {
            let (batches, inbox) = sync_channel(BATCHES_WAITING_MAX);
            let own = (left.deal(first, plan.threads), right.deal(first, plan.threads));
            let work = move || {
                let mut worker = Worker::new(plan, course, batches);
                let mut own_partitions = (first..partitions).step_by(plan.threads);
                let (mut left, mut right) = own;
                own_partitions.try_for_each(|partition| worker.partition(&mut left, &mut right, partition))
            };
            threads.push((scope.spawn(work), inbox));
        }
        let inboxes: Vec<&Receiver<Batch>> = threads.iter().map(|(_, inbox)| inbox).collect();
        for partition in 0..partitions {
            // A thread that is gone has said why; that is asked for below.
            if !inboxes.get(partition % plan.threads).is_some_and(|inbox| take_partition(inbox, give)) {
                course.stop();
                break;
            }
        }
        let mut reason = Ok(());
        for (thread, inbox) in threads {
            drop(inbox); // Whoever waits to hand over a batch wakes up.
            let done: Result<(), KeyedError> = thread.join().unwrap_or(Err(KeyedError::ThreadLost));
            reason = match (reason, done) {
                (Ok(()) | Err(KeyedError::Stopped), Err(first)) => Err(first),
                (reason, _) => reason,
            };
        }
        reason
    })
}

/// Gives one partition's batches; `false` when its thread is gone before the last.
fn take_partition(inbox: &Receiver<Batch>, give: &mut dyn FnMut(Batch)) -> bool {
    while let Ok(batch) = inbox.recv() {
        let last = batch.last;
        give(batch);
        if last {
            return true;
        }
    }
    false
}

/// One thread's buffers, used again for each partition.
struct Worker<'a> {
    plan: &'a Plan,
    course: &'a Course<'a>,
    batches: SyncSender<Batch>,
    batch: Batch,
    left: Sorted,
    right: Sorted,
    scratch: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn new(plan: &'a Plan, course: &'a Course<'a>, batches: SyncSender<Batch>) -> Worker<'a> {
        let (left, right) = (Sorted::default(), Sorted::default());
        Worker { plan, course, batches, batch: Batch::default(), left, right, scratch: Vec::new() }
    }

    fn partition<'f>(
        &mut self,
        left: &mut Filled<'f>,
        right: &mut Filled<'f>,
        partition: usize,
    ) -> Result<(), KeyedError> {
        self.compare(left, right, partition, PARTITION_BITS)?;
        self.batch.last = true;
        self.send()?;
        self.course.advance(0, 1)
    }

    fn send(&mut self) -> Result<(), KeyedError> {
        self.batches.send(std::mem::take(&mut self.batch)).map_err(|_| KeyedError::Stopped)
    }

    fn compare<'f>(
        &mut self,
        left: &mut Filled<'f>,
        right: &mut Filled<'f>,
        partition: usize,
        used: u32,
    ) -> Result<(), KeyedError> {
        let ((left_bytes, left_rows), (right_bytes, right_rows)) =
            (left.size(partition), right.size(partition));
        let bytes = left_bytes + right_bytes + (left_rows + right_rows) * INDEX_BYTES;
        if bytes > self.plan.merge_bytes_max {
            if used >= USED_BITS_MAX {
                return Err(KeyedError::KeyTooHeavy { bytes });
            }
            return self.divide(left, right, partition, used);
        }
        for (filled, sorted, (bytes, rows)) in [
            (left, &mut self.left, (left_bytes, left_rows)),
            (right, &mut self.right, (right_bytes, right_rows)),
        ] {
            sorted.bytes.clear();
            sorted.bytes.reserve_exact(usize::try_from(bytes).unwrap_or(0));
            filled.drain(partition, &mut self.scratch, |chunk| {
                sorted.bytes.extend_from_slice(chunk);
                Ok(())
            })?;
            sorted.sort(rows, &self.plan.hasher)?;
        }
        let (batch, batches) = (&mut self.batch, &self.batches);
        let matched = merge(&self.left, &self.right, &mut |difference| {
            batch.differences.push(difference);
            if batch.differences.len() < BATCH_LEN_MAX {
                return Ok(());
            }
            batches.send(std::mem::take(batch)).map_err(|_| KeyedError::Stopped)
        })?;
        self.batch.matched += matched;
        Ok(())
    }

    /// Spreads an overfull partition over pieces and compares these, in order.
    fn divide(
        &mut self,
        left: &mut Filled<'_>,
        right: &mut Filled<'_>,
        partition: usize,
        used: u32,
    ) -> Result<(), KeyedError> {
        // The buffers of the last partition are not needed, and the pieces need room.
        (self.left, self.right) = (Sorted::default(), Sorted::default());
        let mut left = self.spread(left, partition, used)?;
        let mut right = self.spread(right, partition, used)?;
        self.batch.spilled_bytes += left.spilled_bytes() + right.spilled_bytes();
        for piece in 0..1 << DIVIDE_BITS {
            self.compare(&mut left, &mut right, piece, used + DIVIDE_BITS)?;
        }
        Ok(())
    }

    fn spread(
        &mut self,
        filled: &mut Filled<'_>,
        partition: usize,
        used: u32,
    ) -> Result<Filled<'a>, KeyedError> {
        let plan = self.plan;
        let mut spool = Spool::new(plan, Radix { used, bits: DIVIDE_BITS }, DIVIDE_CHUNK_BYTES);
        filled.drain(partition, &mut self.scratch, |chunk| {
            let mut at = 0;
            while at < chunk.len() {
                let (record, next) = Record::read(chunk, at).ok_or(KeyedError::SpillDamaged)?;
                let key = record.key().ok_or(KeyedError::SpillDamaged)?;
                debug_assert_eq!(next - at, record_bytes(record.body.len()));
                spool.push_bytes(plan.hasher.hash(key), &chunk[at..next])?;
                at = next;
            }
            Ok(())
        })?;
        Ok(spool.fill())
    }
}
