//! Two small logs for the tests: notes, and echoes derived from them.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::log::{AccountingZone, LogName, Seq, Stamp, minute_of};
use ids::{Partition, Uuid};
use pg::Db;
use seqlog::{Insert, LogTable};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Executor, Row};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub stamp: Stamp,
    pub id: Uuid,
    pub amount: i64,
}

contracts::log_row!(Note, LogName::Payments);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    pub stamp: Stamp,
    pub id: Uuid,
    pub amount: i64,
}

contracts::log_row!(Echo, LogName::Entries);

/// A note of a partition, not yet numbered.
pub fn note(partition: Partition, amount: i64) -> Note {
    let now = DateTime::from_timestamp(1_760_000_000, 0).expect("a valid time");
    let stamp = Stamp::original(partition, now, AccountingZone::default());
    assert_eq!(stamp.minute, minute_of(now));
    Note { stamp, id: Uuid::now_v7(), amount }
}

pub const TABLES: &str = "
CREATE TABLE notes (partition smallint, seq bigint, epoch bigint, decided_at timestamptz, minute int, day date,
    origin_seq bigint, id uuid UNIQUE, amount bigint, PRIMARY KEY (partition, seq),
    CONSTRAINT notes_amount_not_negative CHECK (amount >= 0));
CREATE TABLE echoes (LIKE notes INCLUDING ALL);
CREATE TABLE sums (partition smallint PRIMARY KEY, amount bigint NOT NULL)";

pub async fn create_tables(db: &Db) {
    let sql = format!("SET search_path = {}; {TABLES}; RESET search_path", db.schema());
    let mut connection = db.pool().acquire().await.expect("a connection");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.expect("the tables are new");
}

macro_rules! table {
    ($table:ident, $row:ident, $insert:literal, $read:literal) => {
        #[derive(Clone)]
        pub struct $table;

        impl LogTable for $table {
            type Row = $row;

            fn insert(&self, db: &Db, rows: &[$row]) -> Result<Insert, sqlx::Error> {
                let stamps: Vec<&Stamp> = rows.iter().map(|row| &row.stamp).collect();
                let query = sqlx::query(db.sql($insert))
                    .bind(stamps.iter().map(|s| s.partition.number()).collect::<Vec<i16>>())
                    .bind(stamps.iter().map(|s| s.seq).collect::<Vec<i64>>())
                    .bind(stamps.iter().map(|s| s.epoch).collect::<Vec<i64>>())
                    .bind(stamps.iter().map(|s| s.decided_at).collect::<Vec<DateTime<Utc>>>())
                    .bind(stamps.iter().map(|s| s.minute).collect::<Vec<i32>>())
                    .bind(stamps.iter().map(|s| s.day).collect::<Vec<NaiveDate>>())
                    .bind(stamps.iter().map(|s| s.origin_seq).collect::<Vec<i64>>())
                    .bind(rows.iter().map(|row| row.id).collect::<Vec<Uuid>>())
                    .bind(rows.iter().map(|row| row.amount).collect::<Vec<i64>>());
                Ok(query)
            }

            async fn read_after(
                &self,
                db: &Db,
                partition: Partition,
                after: Seq,
                limit: i64,
            ) -> Result<Vec<$row>, sqlx::Error> {
                let rows = sqlx::query(db.sql($read))
                    .bind(partition.number())
                    .bind(after)
                    .bind(limit)
                    .fetch_all(db.pool())
                    .await?;
                rows.iter()
                    .map(|row| {
                        let (stamp, id, amount) = (stamp(row)?, row.try_get("id")?, row.try_get("amount")?);
                        Ok($row { stamp, id, amount })
                    })
                    .collect()
            }
        }
    };
}

table!(
    Notes,
    Note,
    "INSERT INTO {s}.notes SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bigint[],
     $4::timestamptz[], $5::int[], $6::date[], $7::bigint[], $8::uuid[], $9::bigint[])",
    "SELECT * FROM {s}.notes WHERE partition = $1 AND seq > $2 ORDER BY seq LIMIT $3"
);
table!(
    Echoes,
    Echo,
    "INSERT INTO {s}.echoes SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bigint[],
     $4::timestamptz[], $5::int[], $6::date[], $7::bigint[], $8::uuid[], $9::bigint[])",
    "SELECT * FROM {s}.echoes WHERE partition = $1 AND seq > $2 ORDER BY seq LIMIT $3"
);

fn stamp(row: &PgRow) -> Result<Stamp, sqlx::Error> {
    let partition: i16 = row.try_get("partition")?;
    Ok(Stamp {
        partition: Partition::try_from(partition).map_err(|error| sqlx::Error::Decode(error.into()))?,
        seq: row.try_get("seq")?,
        epoch: row.try_get("epoch")?,
        decided_at: row.try_get("decided_at")?,
        minute: row.try_get("minute")?,
        day: row.try_get("day")?,
        origin_seq: row.try_get("origin_seq")?,
    })
}
