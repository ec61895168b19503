//! A wallet with a database of its own, and words to use it with.

use bus::Bus;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::class::Classed;
use contracts::entry::{Funds, GiftSend, Outcome};
use contracts::lane::Lane;
use contracts::log::AccountingZone;
use contracts::payment::Payment;
use contracts::wallet::{AccountView, Act, Answer, Command, RefundAmount, Verdict, Wallet, WalletError};
use ids::{OrderId, Partition, RequestId, RoomId, StreamerId, Uuid, ViewerId, partition_of};
use money::Coins;
use pg::Db;
use seqlog::LogSource;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use testkit::TestDatabase;
use wallet::{Config, Deps, Running, WalletHandle};

/// A wallet under test. Its clock is the machine's, moved by `shift`.
pub struct Bank {
    pub running: Option<Running>,
    pub db: Db,
    pub config: Config,
    pub node: &'static str,
    pub bus: Bus,
    shift_ms: Arc<AtomicI64>,
    _database: Arc<TestDatabase>,
}

pub fn config() -> Config {
    let mut config = Config::defaults().expect("the defaults parse");
    config.tick_ms = 50;
    config.lease_ms = 900;
    config
}

impl Bank {
    pub async fn open() -> Bank {
        Bank::open_with(config()).await
    }

    pub async fn open_with(config: Config) -> Bank {
        Bank::open_reading(config, None).await
    }

    pub async fn open_reading(config: Config, payments: Option<Arc<dyn LogSource<Payment>>>) -> Bank {
        Bank::open_on(&testkit::postgres().await, config, payments).await
    }

    /// A wallet of one server.
    pub async fn open_on(
        server: &testkit::Postgres,
        config: Config,
        payments: Option<Arc<dyn LogSource<Payment>>>,
    ) -> Bank {
        let database = server.fresh_database().await;
        let db = database.db("wallet", &Lane::Live, &[&seqlog::MIGRATOR, &wallet::MIGRATOR]).await;
        let shift_ms = Arc::new(AtomicI64::new(0));
        let mut bank = Bank {
            running: None,
            db,
            config,
            node: "test",
            bus: Bus::in_process(&Lane::Live),
            shift_ms,
            _database: Arc::new(database),
        };
        bank.start(payments).await;
        bank
    }

    pub async fn start(&mut self, payments: Option<Arc<dyn LogSource<Payment>>>) {
        let shift_ms = Arc::clone(&self.shift_ms);
        let clock = move || Utc::now() + TimeDelta::milliseconds(shift_ms.load(Ordering::Relaxed));
        let deps = Deps {
            db: self.db.clone(),
            bus: self.bus.clone(),
            payments,
            config: self.config.clone(),
            zone: AccountingZone::default(),
            node: self.node.to_owned(),
            clock: Arc::new(clock),
        };
        self.running = Some(wallet::start(deps).await.expect("the wallet starts"));
    }

    /// Another instance on the same tables.
    pub async fn second(&self, node: &'static str) -> Bank {
        let mut other = self.another(node);
        other.start(None).await;
        other
    }

    /// A wallet of the same system on a database of another server, which takes what is moved there.
    pub async fn beside(
        &self,
        server: &testkit::Postgres,
        node: &'static str,
        payments: Option<Arc<dyn LogSource<Payment>>>,
    ) -> Bank {
        let database = server.fresh_database().await;
        let db = database.db("wallet", &Lane::Live, &[&seqlog::MIGRATOR, &wallet::MIGRATOR]).await;
        let config = Config { home: wallet::Home::Moved, ..self.config.clone() };
        let mut other = Bank { db, config, _database: Arc::new(database), ..self.another(node) };
        other.start(payments).await;
        other
    }

    fn another(&self, node: &'static str) -> Bank {
        Bank {
            running: None,
            db: self.db.clone(),
            config: self.config.clone(),
            node,
            bus: self.bus.clone(),
            shift_ms: Arc::clone(&self.shift_ms),
            _database: Arc::clone(&self._database),
        }
    }

    /// Another instance on the same tables that reads payments too.
    pub async fn second_reading(&self, node: &'static str, payments: Arc<dyn LogSource<Payment>>) -> Bank {
        let mut other = self.another(node);
        other.start(Some(payments)).await;
        other
    }

    /// Another instance with a runtime of its own, which can be stopped like a process.
    pub fn on_a_thread(&self, node: &'static str) -> Sleeper {
        Sleeper::start(self._database.url().to_owned(), self.config.clone(), node)
    }

    /// Ends every node's lease, as if it had been silent for too long.
    pub async fn fall_asleep(&self) {
        let end = self.db.sql("UPDATE {s}.log_nodes SET leased_until = now() - interval '1 s'");
        sqlx::query(end).execute(self.db.pool()).await.expect("the leases end");
    }

    pub async fn stop(&mut self) {
        self.running.take().expect("it runs").shutdown().await;
    }

    pub fn crash(&mut self) {
        self.running.take().expect("it runs").abort();
    }

    pub async fn start_again(&mut self) {
        self.start(None).await;
        self.wait_open().await;
    }

    /// Waits until every partition is held.
    pub async fn wait_open(&self) {
        let probes: Vec<ViewerId> = one_account_per_partition();
        wait_until("every partition is held", async || {
            for probe in &probes {
                if self.wallet().account(*probe).await.is_err() {
                    return false;
                }
            }
            true
        })
        .await;
    }

    pub fn wallet(&self) -> WalletHandle {
        self.running.as_ref().expect("it runs").handle()
    }

    pub fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::milliseconds(self.shift_ms.load(Ordering::Relaxed))
    }

    /// Moves the clock.
    pub fn pass(&self, time: TimeDelta) {
        self.shift_ms.fetch_add(time.num_milliseconds(), Ordering::Relaxed);
    }

    /// A new request id of this bank's now.
    pub fn request(&self) -> RequestId {
        let mut bytes = Uuid::now_v7().into_bytes();
        bytes[..6].copy_from_slice(&self.now().timestamp_millis().to_be_bytes()[2..]);
        RequestId::from_uuid(Uuid::from_bytes(bytes))
    }

    pub async fn submit(&self, account_id: ViewerId, act: Act) -> Result<Answer, WalletError> {
        self.submit_as(self.request(), account_id, act).await
    }

    pub async fn submit_as(
        &self,
        request_id: RequestId,
        account_id: ViewerId,
        act: Act,
    ) -> Result<Answer, WalletError> {
        let body_hash = contracts::digest::body_hash(&act);
        self.wallet().submit(Command { request_id, account_id, body_hash, act }).await
    }

    /// A new account with paid coins.
    pub async fn account_with(&self, paid: i64) -> ViewerId {
        let account_id = ViewerId::now();
        self.recharge(account_id, paid, 0).await;
        account_id
    }

    pub async fn recharge(&self, account_id: ViewerId, paid: i64, promo: i64) {
        let act = Act::Recharge { paid_coins: coins(paid), promo_coins: coins(promo) };
        assert_eq!(self.submit(account_id, act).await.expect("decided").outcome(), Outcome::Accepted);
    }

    pub async fn debit(&self, account_id: ViewerId, charge: i64) -> Result<Answer, WalletError> {
        self.submit(account_id, debit(charge)).await
    }

    pub async fn refund(&self, account_id: ViewerId, order_id: OrderId) -> Result<Answer, WalletError> {
        let request_id = order_id.refund_request();
        self.submit_as(request_id, account_id, Act::Refund { order_id, amount: RefundAmount::AllLeft }).await
    }

    pub async fn view(&self, account_id: ViewerId) -> AccountView {
        self.wallet().account(account_id).await.expect("the account is ours")
    }

    /// How many entries the account has in the table, whoever holds it.
    pub async fn entries_of(&self, account_id: ViewerId) -> i64 {
        let count = "SELECT count(*) FROM {s}.entries WHERE account_id = $1";
        sqlx::query_scalar(self.db.sql(count))
            .bind(account_id.uuid())
            .fetch_one(self.db.pool())
            .await
            .expect("a count")
    }

    /// (paid, promotional) coins available.
    pub async fn balance(&self, account_id: ViewerId) -> (i64, i64) {
        let Funds { paid_coins, promo_coins } = self.view(account_id).await.available;
        (paid_coins.get(), promo_coins.get())
    }
}

/// A wallet on a thread of its own. Frozen, nothing of it moves: no task, no timer, no connection.
pub struct Sleeper {
    pub wallet: WalletHandle,
    freeze: tokio::sync::mpsc::Sender<std::sync::mpsc::Receiver<()>>,
    thaw: std::cell::RefCell<Option<std::sync::mpsc::SyncSender<()>>>,
}

impl Sleeper {
    fn start(url: String, config: Config, node: &'static str) -> Sleeper {
        let (started, handle) = std::sync::mpsc::sync_channel(1);
        let (freeze, mut frozen) = tokio::sync::mpsc::channel::<std::sync::mpsc::Receiver<()>>(1);
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let pool = pg::connect(&url, pg::PoolSettings::default()).await.expect("the database");
                let deps = Deps {
                    db: Db::new(pool, "wallet", &Lane::Live),
                    bus: Bus::in_process(&Lane::Live),
                    payments: None,
                    config,
                    zone: AccountingZone::default(),
                    node: node.to_owned(),
                    clock: wallet::system_clock(),
                };
                let running = wallet::start(deps).await.expect("it starts");
                started.send(running.handle()).expect("the test waits");
                while let Some(until) = frozen.recv().await {
                    let _ = until.recv(); // Blocks the only thread of this runtime.
                }
                running.shutdown().await;
            });
        });
        let wallet = handle.recv().expect("it starts");
        Sleeper { wallet, freeze, thaw: std::cell::RefCell::new(None) }
    }

    pub fn freeze(&self) {
        let (thaw, frozen) = std::sync::mpsc::sync_channel(1);
        self.freeze.try_send(frozen).expect("it runs");
        self.thaw.replace(Some(thaw));
    }

    pub fn thaw(&self) {
        self.thaw.take();
    }
}

pub fn order_of(answer: &Answer) -> OrderId {
    OrderId::from_uuid(answer.entry.request_id.uuid())
}

pub fn problem(answer: Result<Answer, WalletError>) -> &'static str {
    answer.expect_err("it has no answer").slug()
}

pub fn outcome(answer: Result<Answer, WalletError>) -> Outcome {
    answer.expect("it has an answer").outcome()
}

pub fn coins(amount: i64) -> Coins {
    Coins::try_new(amount).expect("an amount in range")
}

pub fn send() -> Arc<GiftSend> {
    Arc::new(GiftSend {
        room_id: RoomId::now(),
        streamer_id: StreamerId::now(),
        gift_id: 1,
        quantity: 1,
        unit_price_coins: coins(1),
        catalogue_version: 1,
        combo: None,
        reveals: Vec::new(),
        node: "test/1".to_owned(),
    })
}

pub fn debit(charge: i64) -> Act {
    static SEND: OnceLock<Arc<GiftSend>> = OnceLock::new();
    Act::Debit { charge_coins: coins(charge), send: SEND.get_or_init(send).clone(), verdict: Verdict::Allow }
}

/// A new account of a partition.
pub fn account_of(partition: Partition) -> ViewerId {
    loop {
        let account_id = ViewerId::now();
        if partition_of(account_id.uuid()) == partition {
            return account_id;
        }
    }
}

fn one_account_per_partition() -> Vec<ViewerId> {
    Partition::all().map(account_of).collect()
}

/// Waits for something that must come true, and says what did not.
pub async fn wait_until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(20), "it never came true that {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
