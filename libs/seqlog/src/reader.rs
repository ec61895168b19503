//! The reader's loop: messages in, each row applied exactly once, in order, in one transaction with its offset.
//!
//! Per turn: drain the queue, pull known gaps, take what is ready of all partitions, apply it in one
//! transaction (offsets move in it), commit, report. A row that cannot be applied stops its partition, loudly,
//! and no other. Nothing here trusts the queue: it only saves reads of the source's table.

use crate::cursor::{Cursor, Offer};
use crate::follow;
use crate::gauges::{self, ReaderGauges};
use crate::handler::{ApplyError, Handler, RolledBack, Slice};
use crate::heard::Heard;
use crate::message::LogMessage;
use crate::offsets::{OffsetMove, move_offsets_in_tx, read_offsets};
use crate::source::LogSource;
use bus::{Bus, Message};
use chrono::{DateTime, Utc};
use contracts::log::{Epoch, LogRow, Seq};
use ids::{GroupSet, Partition};
use pg::Db;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

/// How eagerly a reader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderSettings {
    /// How long a turn gathers before it applies: longer means fewer, larger transactions.
    pub gather: Duration,
    /// How long a gap may last before its rows are pulled.
    pub pull_after: Duration,
    /// How long a silent bus is believed: a writer publishes its heads once a second, so longer silence means
    /// that the bus is away, and the source is asked directly, once in as long again.
    pub probe_after: Duration,
    /// The most rows one transaction applies.
    pub batch_rows_max: usize,
}

impl Default for ReaderSettings {
    fn default() -> ReaderSettings {
        ReaderSettings {
            gather: Duration::from_millis(20),
            pull_after: Duration::from_millis(100),
            probe_after: Duration::from_secs(3),
            batch_rows_max: 4_000,
        }
    }
}

/// What a reader tells the outside about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReaderStatus {
    /// Rows known to exist and not yet applied.
    pub lag_rows: i64,
    /// Partitions that stopped, with the reason.
    pub stopped: BTreeMap<Partition, String>,
}

struct Lane<R> {
    cursor: Cursor<R>,
    gap_since: Option<Instant>,
    stopped: Option<String>,
    closed_until: DateTime<Utc>,
}

impl<R: LogRow> Lane<R> {
    fn at(offset: Option<(Epoch, Seq)>) -> Lane<R> {
        let (epoch, seq) = offset.unwrap_or_default();
        Lane {
            cursor: Cursor::new(epoch, seq),
            gap_since: None,
            stopped: None,
            closed_until: DateTime::UNIX_EPOCH,
        }
    }

    /// How long the oldest row that is not applied has waited: since it was decided, or, where it is only known
    /// to exist, since it was missed.
    fn lag(&self) -> Duration {
        let decided = self.cursor.oldest_decided_at().and_then(|at| (Utc::now() - at).to_std().ok());
        decided.or_else(|| self.gap_since.map(|since| since.elapsed())).unwrap_or_default()
    }
}

/// One reader of one log, over some partitions.
pub struct Reader<H: Handler> {
    db: Db,
    source: Arc<dyn LogSource<H::Row>>,
    handler: H,
    settings: ReaderSettings,
    partitions: BTreeMap<Partition, Lane<H::Row>>,
    /// Partitions whose rows were taken and not applied, and that could not be read again yet: the database was
    /// away. Nothing is applied before they are.
    unsettled: BTreeMap<Partition, RolledBack>,
    status: watch::Sender<ReaderStatus>,
    heard: Heard,
    gauges: ReaderGauges,
}

impl<H: Handler> Reader<H> {
    /// A reader of `partitions` that starts where its offsets in `db` say.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn try_new(
        db: Db,
        source: Arc<dyn LogSource<H::Row>>,
        handler: H,
        settings: ReaderSettings,
        partitions: impl IntoIterator<Item = Partition>,
    ) -> Result<Reader<H>, sqlx::Error> {
        let offsets = read_offsets(&db, handler.name(), H::Row::LOG).await?;
        let lane = |partition| (partition, Lane::at(offsets.get(&partition).copied()));
        let partitions = partitions.into_iter().map(lane).collect();
        let (status, _) = watch::channel(ReaderStatus::default());
        let gauges = ReaderGauges::new(handler.name());
        let mut heard = Heard::default();
        Partition::all().for_each(|partition| heard.note(partition)); // As good as heard: it is asked in a while.
        let unsettled = BTreeMap::new();
        Ok(Reader { db, source, handler, settings, partitions, unsettled, status, heard, gauges })
    }

    /// Lag and stops, as of the last turn.
    pub fn status(&self) -> watch::Receiver<ReaderStatus> {
        self.status.subscribe()
    }

    /// The handler, for tests that look at what it holds.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// The handler, for tests that plant faults in it.
    pub fn handler_mut(&mut self) -> &mut H {
        &mut self.handler
    }

    /// Reads until `shutdown` turns true. A turn in progress is finished first.
    pub async fn run(mut self, bus: Bus, mut shutdown: watch::Receiver<bool>) -> H {
        let mut queue = bus.subscribe(H::Row::LOG.as_str(), self.handler.name());
        let mut turns = tokio::time::interval(self.settings.gather);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*shutdown.borrow() {
            tokio::select! {
                biased;
                _ = shutdown.changed() => break,
                _ = turns.tick() => {}
            }
            queue.follow(self.groups());
            while let Some(message) = queue.try_recv() {
                let payload = message.payload().clone();
                if let Some(reason) = self.receive(message) {
                    queue.refuse(payload, reason);
                }
            }
            self.probe_if_silent().await;
            if let Err(error) = self.turn().await {
                tracing::warn!(reader = self.handler.name(), %error, "a turn failed and will be repeated");
                tokio::time::sleep(self.settings.pull_after).await;
            }
        }
        self.handler
    }

    /// The groups whose queues carry what this reader reads.
    pub fn groups(&self) -> GroupSet {
        self.partitions.keys().map(|partition| partition.group()).collect()
    }

    /// Takes one message from the bus, whatever it is. Returns why it can never be taken, if so: the caller keeps it
    /// for a person.
    pub fn receive(&mut self, message: Message) -> Option<String> {
        match LogMessage::<H::Row>::take(message, self.db.lane()) {
            Ok(LogMessage::Batch(batch)) => {
                follow::received(self.handler.name(), &batch);
                for stretch in batch.stretches {
                    self.heard.note(stretch.partition);
                    let Some(lane) = self.partitions.get_mut(&stretch.partition) else { continue };
                    if lane.cursor.offer(stretch) == Offer::Gap {
                        // Lost, late, or dropped from a full queue.
                        metrics::counter!("largesse_reader_gaps_total", "log" => H::Row::LOG.as_str())
                            .increment(1);
                    }
                }
                None
            }
            Ok(LogMessage::Marks(message)) => {
                for mark in message.marks {
                    self.heard.note(mark.partition);
                    if let Some(lane) = self.partitions.get_mut(&mark.partition) {
                        lane.cursor.offer_mark(mark);
                    }
                }
                None
            }
            Err(reason) => Some(reason),
        }
    }

    /// One turn: pull gaps, apply what is ready, report what is closed.
    ///
    /// # Errors
    /// What the handler's own turn, or reloading after a failure, says; the next turn repeats it.
    pub async fn turn(&mut self) -> Result<(), ApplyError> {
        self.settle().await?;
        self.pull_gaps().await;
        loop {
            let slices = self.take_slices();
            if slices.is_empty() {
                break;
            }
            self.apply(slices).await?;
        }
        self.stop_forked().await?;
        self.handler.turn().await?;
        self.follow_handler().await?;
        self.report_closed().await;
        self.report_status();
        Ok(())
    }

    /// Reads what the handler holds now: a new partition from where its last reader's offset stands.
    async fn follow_handler(&mut self) -> Result<(), sqlx::Error> {
        let Some(held) = self.handler.partitions() else { return Ok(()) };
        self.partitions.retain(|partition, _| held.contains(partition));
        let new = || held.iter().filter(|partition| !self.partitions.contains_key(partition));
        if new().next().is_none() {
            return Ok(());
        }
        let offsets = read_offsets(&self.db, self.handler.name(), H::Row::LOG).await?;
        let new: Vec<_> = new().map(|p| (*p, Lane::at(offsets.get(p).copied()))).collect();
        self.partitions.extend(new);
        self.heard.forget();
        Ok(())
    }

    /// Asks the source about groups of which the bus has been silent for long, or whose partitions are new.
    pub async fn probe_if_silent(&mut self) {
        let silent = self.heard.take_silent(self.groups(), self.settings.probe_after);
        if !silent.is_empty() {
            self.probe_groups(silent).await;
        }
    }

    /// Asks the source how far it is: what the bus would have said.
    pub async fn probe(&mut self) {
        self.probe_groups(self.groups()).await;
    }

    async fn probe_groups(&mut self, groups: GroupSet) {
        let asked = |partition: &Partition| groups.contains(partition.group());
        let lanes = self.partitions.iter_mut().filter(|(partition, _)| asked(partition));
        for (partition, lane) in lanes.filter(|(_, lane)| lane.stopped.is_none()) {
            match self.source.read_after(*partition, lane.cursor.seq(), crate::PULL_ROWS_MAX).await {
                Ok(page) => {
                    lane.cursor.offer_page(page);
                }
                Err(error) => {
                    tracing::debug!(%error, %partition, "a probe failed and will be repeated");
                    return;
                }
            }
        }
    }

    async fn pull_gaps(&mut self) {
        let now = Instant::now();
        for (partition, lane) in &mut self.partitions {
            let Some(after) = lane.cursor.wants_pull_after().filter(|_| lane.stopped.is_none()) else {
                lane.gap_since = None;
                continue;
            };
            let since = *lane.gap_since.get_or_insert(now);
            if now.duration_since(since) < self.settings.pull_after && lane.cursor.seq() > 0 {
                continue;
            }
            metrics::counter!("largesse_reader_pulls_total", "log" => H::Row::LOG.as_str()).increment(1);
            match self.source.read_after(*partition, after, crate::PULL_ROWS_MAX).await {
                Ok(page) => {
                    lane.cursor.offer_page(page);
                }
                Err(error) => {
                    tracing::debug!(%error, %partition, "a pull failed and will be repeated");
                    return; // One failed pull a turn is enough to know that the source is away.
                }
            }
        }
    }

    fn take_slices(&mut self) -> Vec<Slice<H::Row>> {
        let mut room = self.settings.batch_rows_max;
        let mut slices = Vec::new();
        for (partition, lane) in &mut self.partitions {
            if lane.stopped.is_none() && room > 0 && lane.cursor.ready_len() > 0 {
                let rows = lane.cursor.take(room);
                room = room.saturating_sub(rows.len());
                slices.push(Slice { partition: *partition, rows });
            }
        }
        slices
    }

    /// Applies slices together; if that fails, one partition at a time, so that one bad row stops only its own.
    async fn apply(&mut self, slices: Vec<Slice<H::Row>>) -> Result<(), ApplyError> {
        let mut together = self.apply_once(&slices).await;
        let is_held = |slice: &Slice<H::Row>| self.partitions.contains_key(&slice.partition);
        if matches!(together, Err(ApplyError::NotYet)) && slices.iter().all(is_held) {
            together = self.apply_once(&slices).await;
        }
        let Err(error) = together else { return Ok(()) };
        if let [only] = slices.as_slice() {
            return self.give_up_or_retry(only.partition, error).await;
        }
        if matches!(&error, ApplyError::Db(source) if pg::is_connection_lost(source)) {
            return Err(error);
        }
        for slice in slices {
            let partition = slice.partition;
            if self.partitions.get(&partition).is_none_or(|lane| lane.stopped.is_some()) {
                continue;
            }
            // After the reset the cursor pulls again; these rows are still at hand, so apply them now.
            if let Err(error) = self.apply_once(std::slice::from_ref(&slice)).await {
                self.give_up_or_retry(partition, error).await?;
            }
        }
        Ok(())
    }

    async fn give_up_or_retry(&mut self, partition: Partition, error: ApplyError) -> Result<(), ApplyError> {
        match &error {
            ApplyError::Row { seq, reason, .. } => self.stop(partition, *seq, reason.clone()).await,
            ApplyError::Db(source) if pg::is_constraint(source) => {
                let seq = self.partitions.get(&partition).map_or(0, |lane| lane.cursor.seq() + 1);
                self.stop(partition, seq, source.to_string()).await
            }
            ApplyError::Deposed(_) => Ok(()), // Already let go in `apply_once`.
            ApplyError::NotYet | ApplyError::Db(_) => Err(error),
        }
    }

    async fn apply_once(&mut self, slices: &[Slice<H::Row>]) -> Result<(), ApplyError> {
        let partitions: Vec<Partition> = slices.iter().map(|slice| slice.partition).collect();
        let (clock, began) = (Instant::now(), follow::began());
        let begun = match self.handler.before_apply().await {
            Ok(()) => self.db.begin().await,
            Err(error) => Err(error),
        };
        let mut tx = match begun {
            Ok(tx) => tx,
            Err(error) => {
                self.reload(&partitions, RolledBack::Certainly).await?;
                return Err(error.into());
            }
        };
        let moves: Vec<OffsetMove> = slices.iter().filter_map(|slice| self.offset_move(slice)).collect();
        // The offset moves first: it is the cheaper check, and it locks before the effect's rows do.
        let effect = async {
            let (name, log) = (self.handler.name(), H::Row::LOG);
            let moved = move_offsets_in_tx(&mut tx, &self.db, name, log, &moves).await?;
            if !moved.is_empty() {
                return Err(sqlx::Error::RowNotFound.into()); // Another instance is ahead: reload.
            }
            self.handler.apply_in_tx(&mut tx, slices).await
        };
        let applied = effect.await;
        let outcome = match applied {
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                Err((error, RolledBack::Certainly))
            }
            Ok(()) => tx.commit().await.map_err(|error| (error.into(), RolledBack::Unknown)),
        };
        if let Err((error, rolled_back)) = outcome {
            if let ApplyError::Deposed(lost) = &error {
                self.let_go(lost);
            }
            self.reload(&partitions, rolled_back).await?;
            return Err(error);
        }
        self.handler.committed().await;
        self.gauges.applied(slices.iter().map(|slice| slice.rows.len()).sum(), clock.elapsed());
        follow::applied(self.handler.name(), slices, began);
        for m in moves {
            if let Some(lane) = self.partitions.get_mut(&m.partition) {
                lane.cursor.applied(m.to_epoch, m.to_seq);
            }
        }
        Ok(())
    }

    fn offset_move(&self, slice: &Slice<H::Row>) -> Option<OffsetMove> {
        let first = slice.rows.first()?.stamp();
        let last = slice.rows.last()?.stamp();
        Some(OffsetMove {
            partition: slice.partition,
            from_seq: first.seq - 1,
            to_seq: last.seq,
            to_epoch: last.epoch,
        })
    }

    /// Goes back to what is durable. What fails here is done again before anything else.
    async fn reload(&mut self, partitions: &[Partition], outcome: RolledBack) -> Result<(), ApplyError> {
        for partition in partitions {
            let known = self.unsettled.entry(*partition).or_insert(outcome);
            *known = (*known).max(outcome);
        }
        self.settle().await
    }

    async fn settle(&mut self) -> Result<(), ApplyError> {
        for outcome in [RolledBack::Certainly, RolledBack::Unknown] {
            let of_outcome = self.unsettled.iter().filter(|(_, known)| **known == outcome);
            let partitions: Vec<Partition> = of_outcome.map(|(partition, _)| *partition).collect();
            if !partitions.is_empty() {
                self.reload_once(&partitions, outcome).await?;
                self.unsettled.retain(|partition, _| !partitions.contains(partition));
            }
        }
        Ok(())
    }

    async fn reload_once(&mut self, partitions: &[Partition], outcome: RolledBack) -> Result<(), ApplyError> {
        let lost = self.handler.rolled_back(partitions, outcome).await?;
        self.let_go(&lost);
        let offsets = read_offsets(&self.db, self.handler.name(), H::Row::LOG).await?;
        for partition in partitions {
            if let Some(lane) = self.partitions.get_mut(partition) {
                let (epoch, seq) = offsets.get(partition).copied().unwrap_or_default();
                lane.cursor.reset(epoch, seq);
                lane.gap_since = None;
            }
        }
        Ok(())
    }

    fn let_go(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            if self.partitions.remove(partition).is_some() {
                tracing::error!(reader = self.handler.name(), %partition, "another writer took this partition over");
            }
        }
    }

    async fn stop_forked(&mut self) -> Result<(), ApplyError> {
        let forked: Vec<_> = self
            .partitions
            .iter()
            .filter(|(_, lane)| lane.stopped.is_none())
            .filter_map(|(partition, lane)| Some((*partition, lane.cursor.seq(), lane.cursor.forked_at()?)))
            .collect();
        for (partition, seq, start) in forked {
            let reason =
                format!("forked: epoch {} began at {}, applied up to {seq}", start.epoch, start.first_seq);
            self.stop(partition, seq, reason).await?;
        }
        Ok(())
    }

    /// Stops one partition for good, loudly: a human, or a repair plan, must move it.
    async fn stop(&mut self, partition: Partition, seq: Seq, reason: String) -> Result<(), ApplyError> {
        let name = self.handler.name();
        tracing::error!(reader = name, log = %H::Row::LOG, %partition, seq, reason, "this partition stops here");
        metrics::counter!("largesse_reader_stops_total", "reader" => name).increment(1);
        if let Some(lane) = self.partitions.get_mut(&partition) {
            lane.stopped = Some(reason.clone());
        }
        sqlx::query(self.db.sql(RECORD_STOP))
            .bind(name)
            .bind(H::Row::LOG.as_str())
            .bind(partition.number())
            .bind(seq)
            .bind(reason)
            .execute(self.db.pool())
            .await?;
        Ok(())
    }

    async fn report_closed(&mut self) {
        for (partition, lane) in &mut self.partitions {
            let Some(head) = lane.cursor.closed().filter(|_| lane.stopped.is_none()) else { continue };
            if head.closed_until > lane.closed_until {
                lane.closed_until = head.closed_until;
                self.handler.closed(*partition, head.closed_until).await;
            }
        }
    }

    fn report_status(&self) {
        let mut status = ReaderStatus::default();
        let mut lag = Duration::ZERO;
        for (partition, lane) in &self.partitions {
            status.lag_rows += lane.cursor.lag_rows();
            lag = lag.max(lane.lag());
            if let Some(reason) = &lane.stopped {
                status.stopped.insert(*partition, reason.clone());
            }
        }
        self.gauges.lag_rows.set(gauges::rows(status.lag_rows));
        self.gauges.lag.set(lag.as_secs_f64());
        self.gauges.stopped.set(gauges::rows(i64::try_from(status.stopped.len()).unwrap_or(i64::MAX)));
        self.status.send_if_modified(|known| {
            let changed = *known != status;
            *known = status;
            changed
        });
    }
}

const RECORD_STOP: &str = "
INSERT INTO {s}.reader_stops (reader, log, partition, seq, reason) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (reader, log, partition) DO UPDATE SET seq = $4, reason = $5, stopped_at = now()";
