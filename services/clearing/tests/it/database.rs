//! Clearing at work on a database of its own, fed from logs in memory.

use crate::fake_log::FakeLog;
use bus::Bus;
use chrono::{DateTime, NaiveDate, Utc};
use clearing::{Config, Deps, PeriodState, Running, Sources};
use contracts::entry::Entry;
use contracts::item::Item;
use contracts::lane::Lane;
use contracts::log::LogName;
use contracts::payment::Payment;
use contracts::payout::Payout;
use pg::Db;
use seqlog::read_offsets;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub struct Bench {
    pub db: Db,
    pub bus: Bus,
    pub payments: Arc<FakeLog<Payment>>,
    pub entries: Arc<FakeLog<Entry>>,
    pub items: Arc<FakeLog<Item>>,
    pub payouts: Arc<FakeLog<Payout>>,
    _database: testkit::TestDatabase,
}

impl Bench {
    pub async fn open() -> Bench {
        let database = testkit::postgres().await.fresh_database().await;
        let db = database.db("clearing", &Lane::Live, &[&seqlog::MIGRATOR, &clearing::MIGRATOR]).await;
        let bus = Bus::in_process(&Lane::Live);
        let (payments, entries) = (FakeLog::new(&bus, &Lane::Live), FakeLog::new(&bus, &Lane::Live));
        let (items, payouts) = (FakeLog::new(&bus, &Lane::Live), FakeLog::new(&bus, &Lane::Live));
        Bench { db, bus, payments, entries, items, payouts, _database: database }
    }

    /// The same with a pool of one connection, as the embedded database has.
    pub async fn open_with_one_connection() -> Bench {
        let mut bench = Bench::open().await;
        let settings = pg::PoolSettings { connections_max: 1, ..pg::PoolSettings::default() };
        let pool = pg::connect(bench._database.url(), settings).await.expect("connects");
        bench.db = Db::new(pool, "clearing", &Lane::Live);
        bench
    }

    pub fn config(&self) -> Config {
        let default = Config::try_default().expect("the shipped defaults are valid");
        Config { gather_ms: 5, ..default }
    }

    pub async fn start(&self, node: &str) -> Running {
        self.start_with(node, self.config()).await
    }

    pub async fn start_with(&self, node: &str, config: Config) -> Running {
        let sources = Sources {
            payments: self.payments.clone(),
            entries: self.entries.clone(),
            items: self.items.clone(),
            payouts: self.payouts.clone(),
        };
        let (db, bus) = (self.db.clone(), self.bus.clone());
        clearing::start(Deps { db, bus, sources, config, node: node.to_owned() }).await.expect("starts")
    }

    pub async fn announce(&self) {
        self.payments.announce().await;
        self.entries.announce().await;
        self.items.announce().await;
        self.payouts.announce().await;
    }

    /// Announces until `done` holds, for at most 20 seconds.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, mut done: impl FnMut() -> F) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while !done().await {
            assert!(tokio::time::Instant::now() < deadline, "never happened: {what}");
            self.announce().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the readers have applied `rows` rows of all four logs together.
    pub async fn until_applied(&self, rows: i64) {
        self.until("every row is applied", || async { self.applied().await == rows }).await;
    }

    async fn applied(&self) -> i64 {
        let logs = [
            ("clearing.payments", LogName::Payments),
            ("clearing.entries", LogName::Entries),
            ("clearing.items", LogName::Items),
            ("clearing.payouts", LogName::Payouts),
        ];
        let mut applied = 0;
        for (reader, log) in logs {
            let offsets = read_offsets(&self.db, reader, log).await.expect("reads");
            applied += offsets.values().map(|(_, seq)| seq).sum::<i64>();
        }
        applied
    }

    pub async fn closed_until_min(&self) -> DateTime<Utc> {
        let sql = self.db.sql("SELECT min(closed_until) FROM {s}.log_heads WHERE log = 'clearing.vouchers'");
        let min: Option<DateTime<Utc>> =
            sqlx::query_scalar(sql).fetch_one(self.db.pool()).await.expect("reads");
        min.unwrap_or_default()
    }

    /// Sets a day's state past every rule of closing.
    pub async fn set_day(&self, day: NaiveDate, state: PeriodState) {
        let set = self.db.sql(
            "INSERT INTO {s}.periods (day, state) VALUES ($1, $2) ON CONFLICT (day) DO UPDATE SET state = $2",
        );
        sqlx::query(set).bind(day).bind(state.code()).execute(self.db.pool()).await.expect("sets");
    }

    /// The books, proven from clearing's own tables.
    pub async fn prove(&self) {
        let source = books::BooksDb::new(sqlx::PgPool::clone(&self.db.pool()), &Lane::Live);
        let report = books::check(&source).await.expect("the books can be read");
        let failed: Vec<_> = report.invariants.iter().filter(|line| !line.passed).collect();
        assert!(report.passed, "{failed:#?}");
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(self.db.sql(sql)).fetch_one(self.db.pool()).await.expect("reads")
    }
}

/// Balances as the trial balance states them, debit less credit, without the accounts that are zero.
pub async fn balances(running: &Running) -> BTreeMap<String, i64> {
    let trial_balance = running.trial_balance(None).await.expect("reads");
    assert_eq!(trial_balance.difference_micro.get(), 0);
    let net = trial_balance
        .accounts
        .into_iter()
        .map(|account| (account.account, account.debit_micro.get() - account.credit_micro.get()));
    net.filter(|(_, net)| *net != 0).collect()
}
