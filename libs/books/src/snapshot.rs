//! One read-only snapshot of every schema, so that figures agree although services may be running.

use contracts::lane::Lane;
use contracts::log::LogName;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Row, Transaction};

/// The books of one lane.
#[derive(Clone, Debug)]
pub struct BooksDb {
    pool: PgPool,
    lane: Lane,
}

impl BooksDb {
    pub fn new(pool: PgPool, lane: &Lane) -> BooksDb {
        BooksDb { pool, lane: lane.clone() }
    }
}

/// The schemas that books are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Schema {
    Cashier,
    Wallet,
    Gift,
    Settlement,
    Clearing,
    /// Only its readers' offsets.
    Recon,
}

impl Schema {
    /// Those whose absence is worth saying.
    pub const ALL: [Schema; 5] =
        [Schema::Cashier, Schema::Wallet, Schema::Gift, Schema::Settlement, Schema::Clearing];

    pub const fn name(self) -> &'static str {
        match self {
            Schema::Cashier => "cashier",
            Schema::Wallet => "wallet",
            Schema::Gift => "gift",
            Schema::Settlement => "settlement",
            Schema::Clearing => "clearing",
            Schema::Recon => "recon",
        }
    }

    /// The schema that owns a log.
    pub const fn of(log: LogName) -> Schema {
        match log {
            LogName::Payments => Schema::Cashier,
            LogName::Entries => Schema::Wallet,
            LogName::Orders => Schema::Gift,
            LogName::Items => Schema::Settlement,
            LogName::Vouchers => Schema::Clearing,
        }
    }

    /// A table that is there once the schema is migrated.
    const fn sign(self) -> &'static str {
        match self {
            Schema::Cashier => "payments",
            Schema::Wallet => "entries",
            Schema::Gift => "orders",
            Schema::Settlement => "items",
            Schema::Clearing => "vouchers",
            Schema::Recon => "digests",
        }
    }
}

/// A consistent view of all schemas. Holds one connection until it is closed.
pub(crate) struct Snapshot {
    tx: Transaction<'static, Postgres>,
    prefix: String,
    present: Vec<Schema>,
}

impl Snapshot {
    pub async fn open(source: &BooksDb) -> Result<Snapshot, sqlx::Error> {
        let mut tx = source.pool.begin().await?;
        // Time limits are for services; a proof takes as long as the books are long.
        let settings = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
            SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";
        sqlx::raw_sql(settings).execute(&mut *tx).await?;
        let mut snapshot = Snapshot { tx, prefix: source.lane.prefix(), present: Vec::new() };
        for schema in Schema::ALL.into_iter().chain([Schema::Recon]) {
            let sign = format!("{}{}.{}", snapshot.prefix, schema.name(), schema.sign());
            let found: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
                .bind(sign)
                .fetch_one(&mut *snapshot.tx)
                .await?;
            if found {
                snapshot.present.push(schema);
            }
        }
        Ok(snapshot)
    }

    pub async fn close(self) -> Result<(), sqlx::Error> {
        self.tx.rollback().await
    }

    pub fn has(&self, schemas: &[Schema]) -> bool {
        schemas.iter().all(|schema| self.present.contains(schema))
    }

    pub fn present(&self) -> Vec<Schema> {
        self.present.clone()
    }

    pub fn missing(&self) -> Vec<String> {
        let missing = Schema::ALL.into_iter().filter(|schema| !self.present.contains(schema));
        missing.map(|schema| schema.name().to_owned()).collect()
    }

    /// Fills schemas into a statement: `{wallet}` becomes the wallet's schema in this lane.
    fn sql(&self, text: &str) -> AssertSqlSafe<String> {
        let mut sql = text.to_owned();
        for schema in Schema::ALL.into_iter().chain([Schema::Recon]) {
            let name = schema.name();
            sql = sql.replace(&format!("{{{name}}}"), &format!("{}{name}", self.prefix));
        }
        AssertSqlSafe(sql)
    }

    pub async fn rows(&mut self, text: &str) -> Result<Vec<PgRow>, sqlx::Error> {
        let sql = self.sql(text);
        sqlx::query(sql).fetch_all(&mut *self.tx).await
    }

    /// Rows of one page: `$1` the partition, `$2` the seq to start after, `$3` the page's length.
    pub async fn page(
        &mut self,
        text: &str,
        (partition, after): (i16, i64),
        limit: i64,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let sql = self.sql(text);
        sqlx::query(sql).bind(partition).bind(after).bind(limit).fetch_all(&mut *self.tx).await
    }

    /// The first column of each row, as text.
    pub async fn lines(&mut self, text: &str) -> Result<Vec<String>, sqlx::Error> {
        self.rows(text).await?.iter().map(|row| row.try_get(0)).collect()
    }

    /// The one row's columns, each a number cast to text: sums are wider than any integer column.
    pub async fn sums<const N: usize>(&mut self, text: &str) -> Result<[i128; N], sqlx::Error> {
        let rows = self.rows(text).await?;
        let mut sums = [0_i128; N];
        if let Some(row) = rows.first() {
            for (at, sum) in sums.iter_mut().enumerate() {
                let text: String = row.try_get(at)?;
                *sum = text.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
            }
        }
        Ok(sums)
    }
}
