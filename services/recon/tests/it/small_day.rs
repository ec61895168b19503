//! A small day of recharges and gifts whose books agree, and the people who reconcile it.

use crate::database::{Bench, coins, item, noon, order, stamp};
use crate::desk_api::{DeskApi, Person};
use axum::http::StatusCode;
use bills::wechat::write::{Fault, TradeRow, write};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contracts::entry::{Entry, EntryKind, Funds, FundsDelta, Outcome};
use contracts::item::ItemKind;
use contracts::log::{AccountingZone, LogName, Seq, Stamp};
use contracts::order::OrderKind;
use contracts::payment::{Payment, PaymentKind};
use contracts::voucher::{Posting, Voucher};
use edge::Role;
use ids::{OrderId, Partition, PaymentId, RequestId, SendKey, Uuid, ViewerId, partition_of};
use money::{Coins, Micros};
use recon::Running;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a coin is worth.
const MICROS_PER_COIN: i64 = 100_000;

/// Rows that wait for a voucher: first and last, count, coins.
type Waiting = (Seq, Seq, i64, i64);

pub struct SmallDay {
    pub bench: Bench,
    /// Paid coins, and the account's last entry.
    accounts: BTreeMap<ViewerId, (i64, Seq)>,
    waiting: BTreeMap<(Partition, LogName, &'static str), Waiting>,
    pub payments: Vec<Payment>,
    /// When what comes next happens.
    pub at: DateTime<Utc>,
}

fn stamp_of(viewer: ViewerId, at: DateTime<Utc>) -> Stamp {
    let number = u8::try_from(partition_of(viewer.uuid()).number()).expect("there are 64");
    stamp(number, at)
}

pub fn day() -> NaiveDate {
    AccountingZone::default().day_of(noon())
}

fn posting(account: &str, debit: i64, credit: i64) -> Posting {
    let micro = |coins: i64| Micros::new(coins * MICROS_PER_COIN);
    Posting { account: account.to_owned(), debit: micro(debit), credit: micro(credit) }
}

impl SmallDay {
    pub async fn open() -> SmallDay {
        let bench = Bench::open().await;
        SmallDay {
            bench,
            accounts: BTreeMap::new(),
            waiting: BTreeMap::new(),
            payments: Vec::new(),
            at: noon(),
        }
    }

    /// Twelve viewers who recharge and send three gifts each, with everything that follows.
    pub async fn usual() -> SmallDay {
        let mut day = SmallDay::open().await;
        for number in 0..12 {
            let viewer = ViewerId::now();
            day.recharge(viewer, 600 + number, &format!("wx-{number:02}"), noon());
            for gift in 1..=3 {
                day.gift(viewer, 10 * gift + number);
            }
        }
        day.post_vouchers();
        day
    }

    fn wait_for_voucher(
        &mut self,
        partition: Partition,
        log: LogName,
        rule: &'static str,
        (seq, coins): (Seq, i64),
    ) {
        let waiting = self.waiting.entry((partition, log, rule)).or_insert((seq, seq, 0, 0));
        (waiting.1, waiting.2, waiting.3) = (seq, waiting.2 + 1, waiting.3 + coins);
    }

    fn entry(&mut self, viewer: ViewerId, kind: EntryKind, request: RequestId, paid: i64) -> Seq {
        let (before, last) = self.accounts.get(&viewer).copied().unwrap_or_default();
        let entry = Entry {
            stamp: stamp_of(viewer, self.at),
            request_id: request,
            account_id: viewer,
            previous_seq: last,
            kind,
            outcome: Outcome::Accepted,
            available: FundsDelta { paid_coins: paid, promo_coins: 0 },
            held: FundsDelta::default(),
            after: Funds { paid_coins: coins(before + paid), promo_coins: Coins::ZERO },
            held_after: Funds::default(),
            shortfall_coins: Coins::ZERO,
            origin_id: None,
            expires_at_ms: None,
            send: None,
            body_hash: 0,
        };
        let seq = self.bench.entries.push(entry);
        self.accounts.insert(viewer, (before + paid, seq));
        seq
    }

    pub fn recharge(
        &mut self,
        viewer: ViewerId,
        amount_minor: i64,
        channel_id: &str,
        paid_at: DateTime<Utc>,
    ) {
        let stamp = stamp_of(viewer, self.at);
        let partition = stamp.partition;
        let paid_coins = amount_minor * 10;
        let mut payment = Payment {
            stamp,
            payment_id: PaymentId::now(),
            kind: PaymentKind::Recharge,
            account_id: viewer,
            channel: "sandbox".to_owned(),
            channel_payment_id: channel_id.to_owned(),
            refunds: None,
            amount_minor,
            currency: "CNY".to_owned(),
            paid_coins: coins(paid_coins),
            promo_coins: Coins::ZERO,
            paid_at,
        };
        payment.stamp.seq = self.bench.payments.push(payment.clone());
        self.wait_for_voucher(
            partition,
            LogName::Payments,
            "cashier.recharge",
            (payment.stamp.seq, paid_coins),
        );
        let request = payment.payment_id.wallet_request();
        let seq = self.entry(viewer, EntryKind::Recharge, request, paid_coins);
        self.wait_for_voucher(partition, LogName::Entries, "wallet.recharge", (seq, paid_coins));
        self.payments.push(payment);
    }

    pub fn gift(&mut self, viewer: ViewerId, paid: i64) -> OrderId {
        let order_id = OrderId::of(viewer, SendKey::now());
        let entry_seq = self.entry(viewer, EntryKind::Debit, order_id.debit_request(), -paid);
        let partition = partition_of(viewer.uuid());
        self.wait_for_voucher(partition, LogName::Entries, "wallet.spend", (entry_seq, paid));
        let stamp = Stamp { origin_seq: entry_seq, ..stamp_of(viewer, self.at) };
        let mut delivered = order(&stamp, order_id, OrderKind::Delivered, paid);
        delivered.viewer_id = viewer;
        let order_seq = self.bench.orders.push(delivered.clone());
        let stamp = Stamp { origin_seq: order_seq, ..stamp };
        let mut settled = item(&stamp, order_id, ItemKind::Settled, paid);
        settled.streamer_id = delivered.streamer_id;
        let item_seq = self.bench.items.push(settled);
        self.wait_for_voucher(partition, LogName::Items, "settlement.settle", (item_seq, paid));
        order_id
    }

    /// Makes a voucher of each kind of row that has none yet. Those of one log's batch cover the same range.
    pub fn post_vouchers(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let mut ranges: BTreeMap<(Partition, LogName), (Seq, Seq)> = BTreeMap::new();
        for ((partition, source, _), (first, last, _, _)) in &waiting {
            let range = ranges.entry((*partition, *source)).or_insert((*first, *last));
            *range = (range.0.min(*first), range.1.max(*last));
        }
        for ((partition, source, rule), (_, _, row_count, coins)) in waiting {
            let (debit, credit) = match rule {
                "cashier.recharge" => ("1122", "2207"),
                "wallet.recharge" => ("2207", "2205.01"),
                "wallet.spend" => ("2205.01", "2206"),
                _ => ("2206", "2241.01"),
            };
            let number = u8::try_from(partition.number()).expect("there are 64");
            let (stamp, (from_seq, to_seq)) = (stamp(number, self.at), ranges[&(partition, source)]);
            self.bench.vouchers.push(Voucher {
                posted_day: stamp.day,
                stamp,
                rule: rule.to_owned(),
                source,
                from_seq,
                to_seq,
                row_count,
                coins,
                postings: vec![posting(debit, coins, 0), posting(credit, 0, coins)],
            });
        }
    }

    /// Starts recon, lets it compare the day's minutes, and closes the day in every log.
    pub async fn reconcile_minutes(&self) -> Office {
        let running = self.bench.start().await;
        self.bench.until_applied().await;
        self.bench.close_and_compare(&running, self.at).await;
        self.close();
        Office::of(running)
    }

    /// Closes all logs long after the day.
    pub fn close(&self) {
        self.close_until(self.at + TimeDelta::days(2));
    }

    pub fn close_until(&self, until: DateTime<Utc>) {
        self.bench.payments.close(until);
        self.bench.entries.close(until);
        self.bench.orders.close(until);
        self.bench.items.close(until);
        self.bench.payouts.close(until);
        self.bench.vouchers.close(until);
    }

    /// The rows that the sandbox's bill of the day has, if nothing is wrong.
    pub fn trade_rows(&self) -> Vec<TradeRow> {
        let row = |payment: &Payment| TradeRow {
            at: (payment.paid_at + TimeDelta::hours(8)).naive_utc(),
            merchant: "1900000001".to_owned(),
            channel_order: payment.channel_payment_id.clone(),
            our_order: payment.payment_id.to_string(),
            refund: None,
            amount_minor: payment.amount_minor,
            fee: Micros::new(payment.amount_minor * 6_000),
            goods: "coins".to_owned(),
        };
        self.payments.iter().map(row).collect()
    }

    pub fn bill(&self, faults: &[Fault]) -> Vec<u8> {
        bill_of(&self.trade_rows(), faults)
    }
}

pub fn bill_of(rows: &[TradeRow], faults: &[Fault]) -> Vec<u8> {
    let mut file = Vec::new();
    write(&mut file, rows, faults).expect("it can be written");
    file
}

/// Recon at work, and somebody of finance.
pub struct Office {
    pub running: Running,
    pub api: DeskApi,
    pub maker: Person,
    pub checker: Person,
}

impl Office {
    pub fn of(running: Running) -> Office {
        let api = DeskApi::of(&running);
        let (maker, checker) =
            (api.person(Role::FinanceMaker, "mia"), api.person(Role::FinanceChecker, "ced"));
        Office { running, api, maker, checker }
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.api.get(&self.maker, path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    pub async fn import(&self, file: &[u8]) -> Value {
        let path = "/v1/finance/bills?channel=sandbox";
        let (status, body) = self.api.post_file(&self.maker, path, file).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body
    }

    /// Asks for a run of a day.
    pub async fn ask_run(&self, of: NaiveDate) -> Uuid {
        let run_id = Uuid::now_v7();
        let body = json!({ "run_id": run_id, "day": of });
        let (status, asked) = self.api.post(&self.maker, "/v1/finance/recon-runs", &body).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{asked}");
        run_id
    }

    /// Waits, at most a minute, until a run is in a state; returns it.
    pub async fn until_run(&self, run_id: Uuid, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let run = self.get(&format!("/v1/finance/recon-runs/{run_id}")).await;
            if is_it(&run) {
                return run;
            }
            assert!(tokio::time::Instant::now() < deadline, "the run stays {run}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Runs a day to its end; the run and its report.
    pub async fn run(&self, of: NaiveDate) -> (Uuid, String) {
        let run_id = self.ask_run(of).await;
        let run = self.until_run(run_id, |run| run["state"] == "done" || run["state"] == "failed").await;
        assert_eq!(run["state"], "done", "{run}");
        (run_id, self.report(run_id).await)
    }

    pub async fn report(&self, run_id: Uuid) -> String {
        let (status, text) =
            self.api.get_text(&self.maker, &format!("/v1/finance/recon-runs/{run_id}/report")).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        text
    }
}

/// The kinds of the differences that a report names, in order.
pub fn differences(report: &str) -> Vec<&str> {
    let (_, rest) = report.split_once("\ndifferences ").expect("every report counts its differences");
    rest.lines().skip(1).filter_map(|line| line.split(' ').next()).collect()
}
