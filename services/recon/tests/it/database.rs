//! Recon at work on a database of its own, fed from logs in memory.

use crate::fake_log::FakeLog;
use crate::fake_owner::FakeOwner;
use bus::Bus;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::entry::{Entry, EntryKind, Funds, FundsDelta, Outcome};
use contracts::item::{Item, ItemKind};
use contracts::lane::Lane;
use contracts::log::{AccountingZone, LogName, Stamp};
use contracts::order::{Order, OrderKind};
use contracts::payment::Payment;
use contracts::payout::Payout;
use contracts::voucher::Voucher;
use ids::{OrderId, Partition, RequestId, RoomId, StreamerId, ViewerId};
use money::{Coins, Micros};
use pg::Db;
use recon::{BreakView, Config, Deps, Running, Sources};
use seqlog::read_offsets;
use std::sync::Arc;
use std::time::Duration;

pub struct Bench {
    pub db: Db,
    pub bus: Bus,
    pub payments: Arc<FakeLog<Payment>>,
    pub entries: Arc<FakeLog<Entry>>,
    pub orders: Arc<FakeLog<Order>>,
    pub items: Arc<FakeLog<Item>>,
    pub payouts: Arc<FakeLog<Payout>>,
    pub vouchers: Arc<FakeLog<Voucher>>,
    pub owner: Arc<FakeOwner>,
    /// What the tests of breaks change of the settings.
    pub tune: Box<dyn Fn(&mut Config) + Send + Sync>,
    _database: testkit::TestDatabase,
}

impl Bench {
    pub async fn open() -> Bench {
        let database = testkit::postgres().await.fresh_database().await;
        let db = database.db("recon", &Lane::Live, &[&seqlog::MIGRATOR, &recon::MIGRATOR]).await;
        let bus = Bus::in_process(&Lane::Live);
        let lane = Lane::Live;
        let (payments, payouts) = (FakeLog::new(&bus, &lane), FakeLog::new(&bus, &lane));
        let (entries, orders) = (FakeLog::new(&bus, &lane), FakeLog::new(&bus, &lane));
        let (items, vouchers) = (FakeLog::new(&bus, &lane), FakeLog::new(&bus, &lane));
        let owner = FakeOwner::new();
        let tune = Box::new(|_: &mut Config| {});
        Bench {
            db,
            bus,
            payments,
            entries,
            orders,
            items,
            payouts,
            vouchers,
            owner,
            tune,
            _database: database,
        }
    }

    pub async fn start(&self) -> Running {
        self.start_as("a").await
    }

    pub async fn start_as(&self, node: &str) -> Running {
        let default = Config::try_default().expect("the shipped defaults are valid");
        let mut config =
            Config { gather_ms: 5, compare_every_ms: 20, lease_ms: 600, desk_every_ms: 20, ..default };
        config.daily_run_at.clear(); // Runs are asked for by the tests themselves.
        (self.tune)(&mut config);
        let sources = Sources {
            payments: self.payments.clone(),
            entries: self.entries.clone(),
            orders: self.orders.clone(),
            items: self.items.clone(),
            payouts: self.payouts.clone(),
            vouchers: self.vouchers.clone(),
        };
        let (db, bus) = (self.db.clone(), self.bus.clone());
        let commands = self.owner.clone();
        let (zone, node) = (AccountingZone::default(), node.to_owned());
        recon::start(Deps { db, bus, sources, commands, config, zone, node }).await.expect("starts")
    }

    pub async fn announce(&self) {
        self.entries.announce().await;
        self.orders.announce().await;
        self.items.announce().await;
        self.vouchers.announce().await;
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

    /// Waits until every row of every log is applied.
    pub async fn until_applied(&self) {
        let rows = self.entries.len() + self.orders.len() + self.items.len() + self.vouchers.len();
        self.until("every row is applied", || async { self.applied().await == rows }).await;
    }

    async fn applied(&self) -> i64 {
        let logs = [
            ("recon.entries", LogName::Entries),
            ("recon.orders", LogName::Orders),
            ("recon.items", LogName::Items),
            ("recon.vouchers", LogName::Vouchers),
        ];
        let mut applied = 0;
        for (reader, log) in logs {
            let offsets = read_offsets(&self.db, reader, log).await.expect("reads");
            applied += offsets.values().map(|(_, seq)| seq).sum::<i64>();
        }
        applied
    }

    /// Closes every log up to two minutes after `at` and waits until both pairs are compared up to there.
    pub async fn close_and_compare(&self, running: &Running, at: DateTime<Utc>) {
        let until = at + TimeDelta::minutes(2);
        self.entries.close(until);
        self.orders.close(until);
        self.items.close(until);
        self.vouchers.close(until);
        let minute = DateTime::from_timestamp(until.timestamp().div_euclid(60) * 60, 0).expect("in range");
        let compared =
            || async { running.lag().pairs.iter().all(|pair| pair.compared_until == Some(minute)) };
        self.until("both pairs are compared", compared).await;
    }

    /// Every break, oldest first, as (kind, order).
    pub async fn breaks(&self, running: &Running) -> Vec<BreakView> {
        let mut breaks = running.list_breaks(100).await.expect("reads");
        breaks.reverse();
        breaks
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(self.db.sql(sql)).fetch_one(self.db.pool()).await.expect("reads")
    }
}

/// An instant in the middle of a minute.
pub fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_366_430, 0).expect("an instant")
}

pub fn stamp(partition: u8, at: DateTime<Utc>) -> Stamp {
    let partition = Partition::try_new(i64::from(partition)).expect("a partition");
    Stamp::original(partition, at, AccountingZone::default())
}

pub fn coins(coins: i64) -> Coins {
    Coins::try_new(coins).expect("in range")
}

pub fn debit(stamp: &Stamp, order_id: OrderId, paid: i64) -> Entry {
    Entry {
        stamp: stamp.clone(),
        request_id: RequestId::from_uuid(order_id.uuid()),
        account_id: ViewerId::now(),
        previous_seq: 0,
        kind: EntryKind::Debit,
        outcome: Outcome::Accepted,
        available: FundsDelta { paid_coins: -paid, promo_coins: 0 },
        held: FundsDelta::default(),
        after: Funds::default(),
        held_after: Funds::default(),
        shortfall_coins: Coins::ZERO,
        origin_id: None,
        expires_at_ms: None,
        send: None,
        body_hash: 0,
    }
}

pub fn refund(stamp: &Stamp, order_id: OrderId, paid: i64) -> Entry {
    let available = FundsDelta { paid_coins: paid, promo_coins: 0 };
    let (kind, request_id, origin_id) = (EntryKind::Refund, order_id.refund_request(), Some(order_id.uuid()));
    Entry { kind, request_id, available, origin_id, ..debit(stamp, order_id, 0) }
}

pub fn order(stamp: &Stamp, order_id: OrderId, kind: OrderKind, paid: i64) -> Order {
    Order {
        stamp: stamp.clone(),
        order_id,
        kind,
        viewer_id: ViewerId::now(),
        room_id: RoomId::now(),
        streamer_id: StreamerId::now(),
        gift_id: 1,
        quantity: 1,
        paid_coins: coins(paid),
        promo_coins: Coins::ZERO,
    }
}

pub fn item(stamp: &Stamp, order_id: OrderId, kind: ItemKind, paid: i64) -> Item {
    let sign = if kind == ItemKind::Settled { 1 } else { -1 };
    let gross = Micros::new(sign * paid * 100_000);
    Item {
        stamp: stamp.clone(),
        order_id,
        kind,
        streamer_id: StreamerId::now(),
        agency_id: None,
        contract_version: 1,
        paid_coins: coins(paid),
        promo_coins: Coins::ZERO,
        gross_paid: gross,
        gross_promo: Micros::ZERO,
        streamer: gross,
        agency: Micros::ZERO,
        platform: Micros::ZERO,
        tax: Micros::ZERO,
    }
}
