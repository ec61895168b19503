//! Sub-ledgers against the control accounts that stand for them, by accounting day, in millionths of a minor unit.
//!
//! Which sub-ledger an account stands for is stated here again on purpose: what checks clearing does not read it from
//! clearing. Every sum is on the account's credit side.

use chrono::NaiveDate;
use contracts::entry::Entry;
use contracts::item::Item;
use contracts::payment::{Payment, PaymentKind};
use contracts::payout::{PayeeClass, Payout};
use contracts::voucher::Voucher;
use money::MICROS_PER_MINOR;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Paid coins in wallets.
const PAID: &str = "2205.01";
/// Promotional coins in wallets.
const PROMO: &str = "2205.02";
/// What channels owe us.
const CHANNELS: &str = "1122";
const STREAMERS_PENDING: &str = "2241.01";
const AGENCIES_PENDING: &str = "2241.02";
const TAX: &str = "2221.01";
const AVAILABLE: &str = "2241.03";
const IN_FLIGHT: &str = "1012";
const PAID_OUT: &str = "1002.01";
const WITHHELD: &str = "2221.12";
const OWED_TO_US: &str = "1221.01";

/// The accounts that are compared.
const ACCOUNTS: [&str; 11] = [
    OWED_TO_US,
    CHANNELS,
    PAID_OUT,
    IN_FLIGHT,
    PAID,
    PROMO,
    TAX,
    WITHHELD,
    STREAMERS_PENDING,
    AGENCIES_PENDING,
    AVAILABLE,
];

/// What one coin is worth from a day on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaceValue {
    pub from_day: NaiveDate,
    pub micros_per_coin: i64,
}

/// What the rows and what the vouchers of a day say of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    pub sub_ledger_micro: i128,
    pub control_micro: i128,
}

/// Every control account's day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flows(BTreeMap<&'static str, Flow>);

impl Flows {
    fn row(&mut self, account: &'static str, micro: i128) {
        self.0.entry(account).or_default().sub_ledger_micro += micro;
    }

    /// An entry, its coins at their face value.
    pub fn entry(&mut self, entry: &Entry, micros_per_coin: i64) {
        let coins = |available: i64, held: i64| i128::from(available) + i128::from(held);
        let face = i128::from(micros_per_coin);
        self.row(PAID, coins(entry.available.paid_coins, entry.held.paid_coins) * face);
        self.row(PROMO, coins(entry.available.promo_coins, entry.held.promo_coins) * face);
    }

    pub fn payment(&mut self, payment: &Payment) {
        let micro = minor(payment.amount_minor);
        match payment.kind {
            PaymentKind::Recharge => self.row(CHANNELS, -micro),
            PaymentKind::ChannelRefund => self.row(CHANNELS, micro),
        }
    }

    pub fn item(&mut self, item: &Item) {
        self.row(STREAMERS_PENDING, i128::from(item.streamer.get()));
        self.row(AGENCIES_PENDING, i128::from(item.agency.get()));
        self.row(TAX, i128::from(item.tax.get()));
    }

    pub fn payout(&mut self, payout: &Payout) {
        let moved = &payout.moved;
        let pending = match payout.payee {
            PayeeClass::Streamer => STREAMERS_PENDING,
            PayeeClass::Agency => AGENCIES_PENDING,
        };
        self.row(pending, -minor(moved.released_minor));
        self.row(AVAILABLE, minor(moved.available_minor) + minor(moved.requested_minor));
        self.row(IN_FLIGHT, minor(moved.in_flight_minor));
        self.row(PAID_OUT, minor(moved.paid_minor));
        self.row(WITHHELD, minor(moved.withheld_minor));
        self.row(OWED_TO_US, -minor(moved.receivable_minor));
    }

    pub fn voucher(&mut self, voucher: &Voucher) {
        for posting in &voucher.postings {
            if let Some(account) = ACCOUNTS.into_iter().find(|account| *account == posting.account) {
                let micro = i128::from(posting.credit.get()) - i128::from(posting.debit.get());
                self.0.entry(account).or_default().control_micro += micro;
            }
        }
    }

    /// The accounts that moved, in order.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, Flow)> {
        self.0.iter().map(|(account, flow)| (*account, *flow)).filter(|(_, flow)| *flow != Flow::default())
    }
}

fn minor(minor: i64) -> i128 {
    i128::from(minor) * i128::from(MICROS_PER_MINOR)
}

/// The face value on a day; `None` where the table begins later.
pub fn face_value(table: &[FaceValue], day: NaiveDate) -> Option<i64> {
    let known = table.iter().filter(|value| value.from_day <= day);
    known.max_by_key(|value| value.from_day).map(|value| value.micros_per_coin)
}
