//! A service in small: reads notes, derives echoes and sums, everything in one transaction.

use crate::notes::{Echo, Echoes, Note, Notes, create_tables};
use bus::Bus;
use contracts::lane::Lane;
use contracts::log::{BatchMessage, EpochStart, LogRow, Stamp, Stretch};
use ids::Partition;
use pg::Db;
use seqlog::{
    Appender, AppenderSettings, ApplyError, Handler, LogMessage, Ownership, Reader, ReaderSettings, Relaying,
    RolledBack, Slice, TableSource,
};
use sqlx::{PgConnection, Row};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The partitions the tests use: two of one group, whose rows travel together, and one of another.
pub fn partitions() -> Vec<Partition> {
    Partition::all().step_by(5).take(3).collect()
}

/// Both ends of the pipe, in a database of its own.
pub struct Bench {
    pub notes_db: Db,
    pub echoes_db: Db,
    pub bus: Bus,
    _database: testkit::TestDatabase,
}

impl Bench {
    pub async fn open() -> Bench {
        Bench::open_on(Bus::in_process(&Lane::Live)).await
    }

    pub async fn open_on(bus: Bus) -> Bench {
        let database = testkit::postgres().await.fresh_database().await;
        let pool = pg::connect(database.url(), pg::PoolSettings::default()).await.expect("the test database");
        let notes_db = Db::new(pool.clone(), "notes", &Lane::Live);
        let echoes_db = Db::new(pool, "echoes", &Lane::Live);
        for db in [&notes_db, &echoes_db] {
            pg::migrate(db, &[&seqlog::MIGRATOR]).await.expect("the schema migrates");
            create_tables(db).await;
        }
        Bench { notes_db, echoes_db, bus, _database: database }
    }

    /// A writer of notes that has taken over every test partition, whatever lease runs.
    pub async fn writer(&self, owner: &str) -> Appender<Notes> {
        let mut writer = Appender::new(self.notes_db.clone(), Notes, self.bus.clone(), settings(owner));
        for partition in partitions() {
            writer.take_over(partition).await.expect("the takeover commits");
        }
        writer
    }

    /// An instance of the echoing reader, its own writer of echoes included.
    pub async fn reader(&self, owner: &str) -> Reader<Echoer> {
        let mut echoes = Appender::new(self.echoes_db.clone(), Echoes, self.bus.clone(), settings(owner));
        for partition in partitions() {
            echoes.take_over(partition).await.expect("the takeover commits");
        }
        let following = Following::WhatItBeganWith;
        let handler = Echoer { db: self.echoes_db.clone(), echoes, following, fault: None };
        let source = Arc::new(TableSource::new(self.notes_db.clone(), Notes));
        let reader_settings = ReaderSettings { pull_after: Duration::ZERO, ..ReaderSettings::default() };
        Reader::try_new(self.echoes_db.clone(), source, handler, reader_settings, partitions())
            .await
            .expect("the offsets are readable")
    }

    /// An instance of the summing reader.
    pub async fn summer(&self) -> Reader<Summer> {
        let source = Arc::new(TableSource::new(self.notes_db.clone(), Notes));
        let handler = Summer { db: self.echoes_db.clone() };
        let reader_settings = ReaderSettings { pull_after: Duration::ZERO, ..ReaderSettings::default() };
        Reader::try_new(self.echoes_db.clone(), source, handler, reader_settings, partitions())
            .await
            .expect("the offsets are readable")
    }

    /// The sum of one partition as the summing readers left it.
    pub async fn sum(&self, partition: Partition) -> i64 {
        let sql = "SELECT 0::bigint AS seq, amount FROM {s}.sums WHERE partition = $1";
        self.amounts(&self.echoes_db, sql, partition).await.first().map_or(0, |(_, amount)| *amount)
    }

    /// Every note has exactly one echo, in the same order and amount, and the sums add up.
    pub async fn assert_echoes_equal_notes(&self) {
        for partition in partitions() {
            let notes = self
                .amounts(
                    &self.notes_db,
                    "SELECT seq, amount FROM {s}.notes WHERE partition = $1 ORDER BY seq",
                    partition,
                )
                .await;
            let echoes = self
                .amounts(
                    &self.echoes_db,
                    "SELECT origin_seq AS seq, amount FROM {s}.echoes WHERE partition = $1 ORDER BY seq",
                    partition,
                )
                .await;
            assert_eq!(notes, echoes, "partition {partition}");
            let seqs: Vec<i64> = notes.iter().map(|(seq, _)| *seq).collect();
            let gapless: Vec<i64> = (1..).take(notes.len()).collect();
            assert_eq!(seqs, gapless, "partition {partition} has a gap");
            let sums = self
                .amounts(
                    &self.echoes_db,
                    "SELECT 0::bigint AS seq, amount FROM {s}.sums WHERE partition = $1",
                    partition,
                )
                .await;
            let sum: i64 = notes.iter().map(|(_, amount)| amount).sum();
            assert_eq!(sums.first().map_or(0, |(_, amount)| *amount), sum, "partition {partition}");
        }
    }

    async fn amounts(&self, db: &Db, sql: &'static str, partition: Partition) -> Vec<(i64, i64)> {
        let rows =
            sqlx::query(db.sql(sql)).bind(partition.number()).fetch_all(db.pool()).await.expect("rows");
        rows.iter().map(|row| (row.get("seq"), row.get("amount"))).collect()
    }
}

pub fn settings(owner: &str) -> AppenderSettings {
    AppenderSettings { ownership: Ownership::undisputed(owner), relaying: Relaying::On }
}

/// Where the next application breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Before any effect.
    BeforeEffect,
    /// Before any effect, once: what the batch needs is on its way.
    NotYet,
    /// After the whole effect, before the COMMIT.
    AfterEffect,
    /// Before any effect; and then the database is away, so that what is durable cannot be read again at once.
    AndWhenReloading,
}

/// Which partitions an echoer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Following {
    WhatItBeganWith,
    /// What its node owns, as services do.
    Ownership,
}

/// Derives one echo per note and keeps a sum per partition.
pub struct Echoer {
    pub db: Db,
    pub echoes: Appender<Echoes>,
    pub following: Following,
    pub fault: Option<Fault>,
}

/// Notes of this amount can never be echoed.
pub const POISON: i64 = 666;

const ADD: &str = "
INSERT INTO {s}.sums AS t SELECT * FROM unnest($1::smallint[], $2::bigint[]) ORDER BY 1
ON CONFLICT (partition) DO UPDATE SET amount = t.amount + excluded.amount";

#[async_trait::async_trait]
impl Handler for Echoer {
    type Row = Note;

    fn name(&self) -> &'static str {
        "echoes"
    }

    fn partitions(&self) -> Option<Vec<Partition>> {
        match self.following {
            Following::WhatItBeganWith => None,
            Following::Ownership => Some(self.echoes.partitions().collect()),
        }
    }

    async fn turn(&mut self) -> Result<(), ApplyError> {
        if self.following == Following::Ownership {
            self.echoes.follow().await?;
        }
        Ok(())
    }

    async fn apply_in_tx(&mut self, tx: &mut PgConnection, slices: &[Slice<Note>]) -> Result<(), ApplyError> {
        let broken = || sqlx::Error::Io(std::io::Error::other("a planted fault"));
        if self.fault == Some(Fault::BeforeEffect) {
            self.fault = None;
            return Err(broken().into());
        }
        if self.fault == Some(Fault::NotYet) {
            self.fault = None;
            return Err(ApplyError::NotYet);
        }
        if self.fault == Some(Fault::AndWhenReloading) {
            return Err(broken().into()); // The fault goes on in `rolled_back`.
        }
        let (mut echoes, mut sums) = (Vec::new(), BTreeMap::new());
        for note in slices.iter().flat_map(|slice| &slice.rows) {
            if note.amount == POISON {
                let (partition, seq) = (note.stamp.partition, note.stamp.seq);
                return Err(ApplyError::Row { partition, seq, reason: "poison".to_owned() });
            }
            let stamp = Stamp::derived(&note.stamp, note.stamp.decided_at);
            echoes.push(Echo { stamp, id: note.id, amount: note.amount });
            *sums.entry(note.stamp.partition.number()).or_insert(0_i64) += note.amount;
        }
        self.echoes.append(tx, echoes).await?;
        let (of, amounts): (Vec<i16>, Vec<i64>) = sums.into_iter().unzip();
        sqlx::query(self.db.sql(ADD)).bind(of).bind(amounts).execute(tx).await?;
        if self.fault == Some(Fault::AfterEffect) {
            self.fault = None;
            return Err(broken().into());
        }
        Ok(())
    }

    async fn committed(&mut self) {
        self.echoes.committed();
    }

    async fn rolled_back(
        &mut self,
        partitions: &[Partition],
        outcome: RolledBack,
    ) -> Result<Vec<Partition>, sqlx::Error> {
        if self.fault == Some(Fault::AndWhenReloading) {
            self.fault = None;
            return Err(sqlx::Error::Io(std::io::Error::other("a planted fault")));
        }
        match outcome {
            RolledBack::Certainly => {
                self.echoes.discard();
                Ok(Vec::new())
            }
            RolledBack::Unknown => self.echoes.recover(partitions).await,
        }
    }
}

/// Only sums, and so is fenced by nothing but its offset.
pub struct Summer {
    pub db: Db,
}

#[async_trait::async_trait]
impl Handler for Summer {
    type Row = Note;

    fn name(&self) -> &'static str {
        "sums"
    }

    async fn apply_in_tx(&mut self, tx: &mut PgConnection, slices: &[Slice<Note>]) -> Result<(), ApplyError> {
        let sums = slices.iter().map(|slice| slice.rows.iter().map(|note| note.amount).sum::<i64>());
        let (of, amounts): (Vec<i16>, Vec<i64>) =
            slices.iter().map(|slice| slice.partition.number()).zip(sums).unzip();
        sqlx::query(self.db.sql(ADD)).bind(of).bind(amounts).execute(tx).await?;
        Ok(())
    }
}

/// Appends notes in one transaction of their own.
pub async fn append(
    bench: &Bench,
    writer: &mut Appender<Notes>,
    notes: Vec<Note>,
) -> Result<(), seqlog::AppendError> {
    let mut tx = bench.notes_db.begin().await?;
    match writer.append(&mut tx, notes).await {
        Ok(()) => {
            tx.commit().await?;
            writer.committed();
            Ok(())
        }
        Err(error) => {
            tx.rollback().await?;
            writer.discard();
            Err(error)
        }
    }
}

/// The last seq of a partition as its writer knows it.
pub fn last_seq(writer: &Appender<Notes>, partition: Partition) -> i64 {
    writer.head(partition).map_or(0, |head| head.last_seq)
}

/// The messages of already committed notes by partition, one a group, as the relay would send them.
pub fn messages_of(planned: &[(Partition, Vec<Note>)]) -> Vec<Vec<u8>> {
    let message = |of_group: &[(Partition, Vec<Note>)]| {
        let stretches = of_group.iter().filter_map(|(_, notes)| {
            let first = notes.first()?.stamp();
            let epoch_start = EpochStart { epoch: first.epoch, first_seq: first.seq };
            Stretch::of_rows(epoch_start, notes.clone())
        });
        let message = LogMessage::Batch(BatchMessage::new(&Lane::Live, 1, stretches.collect()));
        serde_json::to_vec(&message).expect("plain structs")
    };
    planned.chunk_by(|one, next| one.0.group() == next.0.group()).map(message).collect()
}
