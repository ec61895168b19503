//! One read-only snapshot of every schema, so that figures agree although services may be running.

use crate::elsewhere::{self, Placed, Placement};
use contracts::lane::Lane;
use contracts::log::LogName;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Row, Transaction};

/// The books of one lane.
#[derive(Clone, Debug)]
pub struct BooksDb {
    pool: PgPool,
    lane: Lane,
    wallet_elsewhere: Vec<PgPool>,
}

impl BooksDb {
    pub fn new(pool: PgPool, lane: &Lane) -> BooksDb {
        BooksDb { pool, lane: lane.clone(), wallet_elsewhere: Vec::new() }
    }

    /// The same books, with the wallet's other databases: what lies there is copied into temporary tables.
    #[must_use]
    pub fn with_wallet_elsewhere(self, pools: Vec<PgPool>) -> BooksDb {
        BooksDb { wallet_elsewhere: pools, ..self }
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
            LogName::Items | LogName::Payouts => Schema::Settlement,
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
    /// Where the wallet's tables are: its schema, or this session's views of all its databases.
    wallet: String,
    placement: Placement,
}

impl Snapshot {
    pub async fn open(source: &BooksDb) -> Result<Snapshot, sqlx::Error> {
        let mut tx = source.pool.begin().await?;
        // Time limits are for services; a proof takes as long as the books are long.
        let settings = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
            SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";
        sqlx::raw_sql(settings).execute(&mut *tx).await?;
        let prefix = source.lane.prefix();
        let wallet = format!("{prefix}{}", Schema::Wallet.name());
        let mut snapshot = Snapshot { tx, prefix, present: Vec::new(), wallet, placement: Vec::new() };
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
        if snapshot.has(&[Schema::Wallet]) {
            // After the first look, so that elsewhere is read as of later than here: who reads the wallet's log may be
            // behind it, and never before it.
            let wallet = &snapshot.wallet;
            let gathered = elsewhere::gather(&mut snapshot.tx, wallet, &source.wallet_elsewhere).await?;
            snapshot.placement = gathered.0;
            if gathered.1 {
                snapshot.wallet = "pg_temp".to_owned();
            }
        }
        sqlx::raw_sql("SET TRANSACTION READ ONLY").execute(&mut *snapshot.tx).await?;
        Ok(snapshot)
    }

    pub async fn close(self) -> Result<(), sqlx::Error> {
        self.tx.rollback().await
    }

    pub fn has(&self, schemas: &[Schema]) -> bool {
        schemas.iter().all(|schema| self.present.contains(schema))
    }

    /// Where the wallet's groups are said to lie.
    pub fn placement(&self) -> &[Placed] {
        &self.placement
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
            let place = match schema {
                Schema::Wallet => self.wallet.clone(),
                Schema::Cashier | Schema::Gift | Schema::Settlement | Schema::Clearing | Schema::Recon => {
                    format!("{}{name}", self.prefix)
                }
            };
            sql = sql.replace(&format!("{{{name}}}"), &place);
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
