//! Reads `cashier.payments`: a recharge becomes a credit, a channel refund a withdrawal, once each.
//!
//! Payments n belong to accounts of partition n, and the lane that owns n alone may write entries n. So the
//! rows go to that lane as one work item, and the lane commits the entries and the move of the read offset in
//! one transaction. This loop holds no transaction itself. Request ids are derived from the payments' ids, so
//! even a row applied twice would credit once.

use crate::app::SliceError;
use crate::handle::WalletHandle;
use bus::{Bus, Message, Subscription};
use contracts::digest::body_hash;
use contracts::log::{LogName, Seq};
use contracts::payment::{Payment, PaymentKind};
use contracts::wallet::{Act, Command, WalletError};
use ids::{GroupSet, Partition, partition_of};
use pg::Db;
use seqlog::{Cursor, Heard, LogMessage, LogSource, OffsetMove, PULL_ROWS_MAX, ReaderStatus, read_offsets};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

const READER: &str = crate::app::PAYMENTS_READER;
/// How long a turn gathers.
const GATHER: Duration = Duration::from_millis(20);
/// How long a gap may last before its rows are pulled, and how long a failure is waited out.
const PULL_AFTER: Duration = Duration::from_millis(100);
/// How long a silent bus is believed before the source is asked directly.
const PROBE_AFTER: Duration = Duration::from_secs(3);
/// The most rows of one partition that one turn applies.
const SLICE_ROWS_MAX: usize = 128;

struct Shard {
    cursor: Cursor<Payment>,
    gap_since: Option<Instant>,
    stopped: Option<String>,
}

/// The reader, over the partitions this node writes.
pub(crate) struct PaymentsReader {
    db: Db,
    source: Arc<dyn LogSource<Payment>>,
    wallet: WalletHandle,
    shards: BTreeMap<Partition, Shard>,
    status: watch::Sender<ReaderStatus>,
    queue: Subscription,
    heard: Heard,
}

impl PaymentsReader {
    /// A reader that starts where its offsets say, and hears what is published from now on.
    pub async fn try_new(
        db: Db,
        bus: Bus,
        source: Arc<dyn LogSource<Payment>>,
        wallet: WalletHandle,
        status: watch::Sender<ReaderStatus>,
    ) -> Result<PaymentsReader, sqlx::Error> {
        let queue = bus.subscribe(LogName::Payments.as_str(), READER);
        let mut reader = PaymentsReader {
            db,
            source,
            wallet,
            shards: BTreeMap::new(),
            status,
            queue,
            heard: Heard::default(),
        };
        reader.follow().await?;
        Ok(reader)
    }

    /// Reads until `shutdown` turns true.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut turns = tokio::time::interval(GATHER);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*shutdown.borrow() {
            tokio::select! {
                biased;
                _ = shutdown.changed() => break,
                _ = turns.tick() => {}
            }
            if let Err(error) = self.follow().await {
                tracing::warn!(%error, "read offsets could not be read; tried again");
            }
            self.drain_queue();
            self.probe_if_silent().await;
            self.pull_gaps().await;
            if !self.apply_ready().await {
                tokio::time::sleep(PULL_AFTER).await;
            }
            self.report();
        }
    }

    /// Reads what this node writes now: a new partition from where its last reader's offset stands.
    async fn follow(&mut self) -> Result<(), sqlx::Error> {
        let held = self.wallet.holdings().partitions();
        self.shards.retain(|partition, _| held.contains(partition));
        if held.len() == self.shards.len() {
            return Ok(());
        }
        let offsets = read_offsets(&self.db, READER, LogName::Payments).await?;
        for partition in held {
            let (epoch, seq) = offsets.get(&partition).copied().unwrap_or_default();
            let shard = || Shard { cursor: Cursor::new(epoch, seq), gap_since: None, stopped: None };
            self.shards.entry(partition).or_insert_with(shard);
        }
        self.heard.forget();
        Ok(())
    }

    fn drain_queue(&mut self) {
        self.queue.follow(self.groups());
        while let Some(message) = self.queue.try_recv() {
            let payload = message.payload().clone();
            if let Some(reason) = self.receive(message) {
                self.queue.refuse(payload, reason);
            }
        }
    }

    fn groups(&self) -> GroupSet {
        self.shards.keys().map(|partition| partition.group()).collect()
    }

    /// Asks the source how far it is where the bus is silent: what it would have said.
    async fn probe_if_silent(&mut self) {
        let silent = self.heard.take_silent(self.groups(), PROBE_AFTER);
        let asked = |partition: &Partition| silent.contains(partition.group());
        let shards = self.shards.iter_mut().filter(|(partition, _)| asked(partition));
        for (partition, shard) in shards.filter(|(_, shard)| shard.stopped.is_none()) {
            match self.source.read_after(*partition, shard.cursor.seq(), PULL_ROWS_MAX).await {
                Ok(page) => {
                    shard.cursor.offer_page(page);
                }
                Err(error) => {
                    tracing::debug!(%error, %partition, "a probe failed and will be repeated");
                    return;
                }
            }
        }
    }

    /// Takes one message; returns why it can never be taken, if so.
    fn receive(&mut self, message: Message) -> Option<String> {
        match LogMessage::<Payment>::take(message, self.db.lane()) {
            Ok(LogMessage::Batch(batch)) => {
                for stretch in batch.stretches {
                    self.heard.note(stretch.partition);
                    if let Some(shard) = self.shards.get_mut(&stretch.partition) {
                        shard.cursor.offer(stretch);
                    }
                }
                None
            }
            Ok(LogMessage::Marks(marks)) => {
                for mark in marks.marks {
                    self.heard.note(mark.partition);
                    if let Some(shard) = self.shards.get_mut(&mark.partition) {
                        shard.cursor.offer_mark(mark);
                    }
                }
                None
            }
            Err(reason) => Some(reason),
        }
    }

    async fn pull_gaps(&mut self) {
        for (partition, shard) in &mut self.shards {
            let Some(after) = shard.cursor.wants_pull_after().filter(|_| shard.stopped.is_none()) else {
                shard.gap_since = None;
                continue;
            };
            let since = *shard.gap_since.get_or_insert_with(Instant::now);
            if since.elapsed() < PULL_AFTER && shard.cursor.seq() > 0 {
                continue;
            }
            match self.source.read_after(*partition, after, PULL_ROWS_MAX).await {
                Ok(page) => {
                    shard.cursor.offer_page(page);
                }
                Err(error) => {
                    tracing::debug!(%error, %partition, "a pull failed and will be repeated");
                    return; // One failed pull a turn is enough to know that the source is away.
                }
            }
        }
    }

    /// Applies what is ready, one transaction per lane and round. `false`: something must be waited out.
    async fn apply_ready(&mut self) -> bool {
        loop {
            let mut by_lane: BTreeMap<usize, Vec<Slice>> = BTreeMap::new();
            for (partition, shard) in &mut self.shards {
                if let Some(start) = shard.cursor.forked_at().filter(|_| shard.stopped.is_none()) {
                    shard.stopped =
                        Some(format!("forked: epoch {} began at {}", start.epoch, start.first_seq));
                    tracing::error!(reader = READER, %partition, "forked; this partition stops here");
                }
                if shard.stopped.is_none() && shard.cursor.ready_len() > 0 {
                    let rows = shard.cursor.take(SLICE_ROWS_MAX);
                    by_lane
                        .entry(self.wallet.lane_index(*partition))
                        .or_default()
                        .push(Slice::of(*partition, rows));
                }
            }
            if by_lane.is_empty() {
                return true;
            }
            let mut goes_on = true;
            for slices in by_lane.into_values() {
                goes_on &= self.apply(slices).await;
            }
            if !goes_on {
                return false;
            }
        }
    }

    /// Applies slices of one lane together; a refused row makes each partition go alone, row by row, so that
    /// it stops its own partition only.
    async fn apply(&mut self, slices: Vec<Slice>) -> bool {
        let strays = |slice: &Slice| {
            slice.rows.iter().any(|row| partition_of(row.account_id.uuid()) != slice.partition)
        };
        if let [only] = slices.as_slice()
            && strays(only)
        {
            return self.apply_by_row(Slice::of(only.partition, only.rows.clone())).await;
        }
        let commands = slices.iter().flat_map(|slice| &slice.rows).map(command_of).collect();
        let moves = slices.iter().map(|slice| slice.offset_move).collect();
        match self.wallet.apply_slice(commands, moves).await {
            Ok(()) => {
                slices.iter().for_each(|slice| self.applied(&slice.offset_move));
                true
            }
            Err(SliceError::Failed(error)) if slices.len() > 1 && error != WalletError::OutcomeUnknown => {
                let mut goes_on = true;
                for slice in slices {
                    goes_on &= Box::pin(self.apply(vec![slice])).await;
                }
                goes_on
            }
            Err(SliceError::Rejected { .. }) => {
                let mut goes_on = true;
                for slice in slices {
                    goes_on &= self.apply_by_row(slice).await;
                }
                goes_on
            }
            Err(error @ (SliceError::OffsetMoved | SliceError::Failed(_))) => {
                tracing::debug!(%error, "payments were not applied and will be read again");
                self.reload(&slices).await;
                false
            }
        }
    }

    async fn apply_by_row(&mut self, slice: Slice) -> bool {
        for row in &slice.rows {
            if partition_of(row.account_id.uuid()) != slice.partition {
                let reason = format!("{:?} does not belong to this partition", row.account_id);
                self.stop(slice.partition, row.stamp.seq, reason).await;
                return true;
            }
            let alone = Slice::of(slice.partition, vec![row.clone()]);
            match self.wallet.apply_slice(vec![command_of(row)], vec![alone.offset_move]).await {
                Ok(()) => self.applied(&alone.offset_move),
                Err(SliceError::Rejected { error, .. }) => {
                    self.stop(slice.partition, row.stamp.seq, error.to_string()).await;
                    return true;
                }
                Err(error) => {
                    tracing::debug!(%error, "a payment was not applied and will be read again");
                    self.reload(std::slice::from_ref(&slice)).await;
                    return false;
                }
            }
        }
        true
    }

    fn applied(&mut self, offset: &OffsetMove) {
        if let Some(shard) = self.shards.get_mut(&offset.partition) {
            shard.cursor.applied(offset.to_epoch, offset.to_seq);
        }
    }

    /// Starts again from the durable offsets. While they cannot be read, the cursors keep what is known.
    async fn reload(&mut self, slices: &[Slice]) {
        let offsets = match read_offsets(&self.db, READER, LogName::Payments).await {
            Ok(offsets) => offsets,
            Err(error) => {
                tracing::warn!(%error, "read offsets could not be read");
                slices.iter().map(|slice| (slice.partition, slice.before())).collect()
            }
        };
        for slice in slices {
            if let Some(shard) = self.shards.get_mut(&slice.partition) {
                let (epoch, seq) = offsets.get(&slice.partition).copied().unwrap_or_default();
                shard.cursor.reset(epoch, seq);
                shard.gap_since = None;
            }
        }
    }

    /// Stops one partition for good, loudly: a human, or a repair plan, must move it.
    async fn stop(&mut self, partition: Partition, seq: Seq, reason: String) {
        tracing::error!(reader = READER, %partition, seq, reason, "this partition stops here");
        let recorded = sqlx::query(self.db.sql(RECORD_STOP))
            .bind(READER)
            .bind(LogName::Payments.as_str())
            .bind(partition.number())
            .bind(seq)
            .bind(&reason)
            .execute(self.db.pool())
            .await;
        if let Err(error) = recorded {
            tracing::error!(%error, "the stop could not be recorded");
        }
        if let Some(shard) = self.shards.get_mut(&partition) {
            shard.stopped = Some(reason);
        }
    }

    fn report(&self) {
        let mut status = ReaderStatus::default();
        for (partition, shard) in &self.shards {
            status.lag_rows += shard.cursor.lag_rows();
            if let Some(reason) = &shard.stopped {
                status.stopped.insert(*partition, reason.clone());
            }
        }
        self.status.send_if_modified(|known| {
            let changed = *known != status;
            *known = status;
            changed
        });
    }
}

/// Consecutive rows of one partition, and the move they make.
struct Slice {
    partition: Partition,
    rows: Vec<Payment>,
    offset_move: OffsetMove,
}

impl Slice {
    fn of(partition: Partition, rows: Vec<Payment>) -> Slice {
        let from_seq = rows.first().map_or(0, |row| row.stamp.seq - 1);
        let (to_seq, to_epoch) = rows.last().map_or((0, 0), |row| (row.stamp.seq, row.stamp.epoch));
        Slice { partition, rows, offset_move: OffsetMove { partition, from_seq, to_seq, to_epoch } }
    }

    /// Where the offset stood, as far as this reader knows.
    fn before(&self) -> (i64, Seq) {
        (self.rows.first().map_or(0, |row| row.stamp.epoch), self.offset_move.from_seq)
    }
}

/// What a payment does to its account.
fn command_of(payment: &Payment) -> Command {
    let act = match payment.kind {
        PaymentKind::Recharge => {
            Act::Recharge { paid_coins: payment.paid_coins, promo_coins: payment.promo_coins }
        }
        PaymentKind::ChannelRefund => Act::Withdraw {
            payment_id: payment.refunds.unwrap_or(payment.payment_id),
            coins: payment.paid_coins,
        },
    };
    Command {
        request_id: payment.payment_id.wallet_request(),
        account_id: payment.account_id,
        body_hash: body_hash(&(payment.payment_id, payment.paid_coins, payment.promo_coins)),
        act,
    }
}

const RECORD_STOP: &str = "
INSERT INTO {s}.reader_stops (reader, log, partition, seq, reason) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (reader, log, partition) DO UPDATE SET seq = $4, reason = $5, stopped_at = now()";
