//! Each payment and the one entry it must become.

use chrono::NaiveDate;
use contracts::entry::{Entry, EntryKind};
use contracts::log::Minute;
use contracts::payment::{Payment, PaymentKind};
use ids::RequestId;
use std::collections::BTreeMap;

/// How long after a payment its entry may be missed, in minutes: the wallet reads payments within seconds.
const CREDIT_WITHIN_MINUTES: i32 = 5;

/// A payment and the entry beside it that is not what it should be.
#[derive(Clone, Debug, PartialEq)]
pub enum CreditFinding {
    /// Money came or went, and the wallet was not told or refused.
    Missing { payment: Payment, refused: Option<Entry> },
    /// Coins came or went, and no payment says so.
    Extra { entry: Entry },
    /// Other coins than the payment's.
    Differs { payment: Payment, entry: Entry },
}

/// Payments that wait for their entry.
#[derive(Debug)]
pub struct Credits {
    day: NaiveDate,
    waiting: BTreeMap<RequestId, (Payment, Option<Entry>)>,
    found: Vec<CreditFinding>,
    pub matched: i64,
}

impl Credits {
    pub fn new(day: NaiveDate) -> Credits {
        Credits { day, waiting: BTreeMap::new(), found: Vec::new(), matched: 0 }
    }

    pub fn expect(&mut self, payment: Payment) {
        self.waiting.insert(payment.payment_id.wallet_request(), (payment, None));
    }

    /// Takes in an entry of the day, or of the hour after it.
    pub fn add(&mut self, entry: &Entry) {
        if !matches!(entry.kind, EntryKind::Recharge | EntryKind::Withdraw) {
            return;
        }
        let Some((payment, refused)) = self.waiting.get_mut(&entry.request_id) else {
            if entry.stamp.day == self.day && entry.is_accepted() {
                self.found.push(CreditFinding::Extra { entry: entry.clone() });
            }
            return;
        };
        if !entry.is_accepted() {
            *refused = Some(entry.clone());
            return;
        }
        if is_due(payment, entry) {
            self.matched += i64::from(payment.stamp.day == self.day);
        } else {
            let (payment, entry) = (payment.clone(), entry.clone());
            self.found.push(CreditFinding::Differs { payment, entry });
        }
        self.waiting.remove(&entry.request_id);
    }

    /// What differs, and how many payments were made too shortly before `closed` to be missed yet.
    pub fn finish(self, closed: Minute) -> (Vec<CreditFinding>, i64) {
        let Credits { day, waiting, mut found, .. } = self;
        let mut pending = 0;
        for (payment, refused) in waiting.into_values().filter(|(payment, _)| payment.stamp.day == day) {
            let is_early = payment.stamp.minute.saturating_add(CREDIT_WITHIN_MINUTES) >= closed;
            if is_early && refused.is_none() {
                pending += 1;
            } else {
                found.push(CreditFinding::Missing { payment, refused });
            }
        }
        (found, pending)
    }
}

fn is_due(payment: &Payment, entry: &Entry) -> bool {
    let paid = entry.available.paid_coins.saturating_add(entry.held.paid_coins);
    let promo = entry.available.promo_coins.saturating_add(entry.held.promo_coins);
    match payment.kind {
        PaymentKind::Recharge => {
            entry.kind == EntryKind::Recharge
                && (paid, promo) == (payment.paid_coins.get(), payment.promo_coins.get())
        }
        PaymentKind::ChannelRefund => {
            let taken = paid.saturating_neg().saturating_add(entry.shortfall_coins.get());
            entry.kind == EntryKind::Withdraw && taken == payment.paid_coins.get()
        }
    }
}
