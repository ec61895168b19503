//! One batch of callbacks decided against what is recorded, in order: repeats, refusals, refunds that came
//! before their payment. What changed is what must be written, together with the answers it backs.

use crate::domain::callback::Callback;
use crate::domain::notice::{Notice, NoticeKey, NoticeKind, NoticeOutcome, Refusal};
use crate::domain::pricing;
use crate::domain::recharge::{BadStep, Recharge, RechargeEvent};
use chrono::{DateTime, Utc};
use contracts::log::{AccountingZone, Stamp};
use contracts::payment::{Payment, PaymentKind};
use ids::{Partition, PaymentId, RechargeId, Uuid, derive_id, partition_of, with_version};
use money::Coins;
use std::collections::{BTreeMap, BTreeSet};

/// How a callback was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    First(Notice),
    /// It was recorded before: the same answer again.
    Replayed(Notice),
    /// The channel's id came before with other content. Nothing changes.
    Contradicts,
    /// This node does not write the viewer's partition now.
    ShardMoved,
}

/// What rows of this batch are made of.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The time of each partition this node writes.
    pub times: BTreeMap<Partition, DateTime<Utc>>,
    pub now: DateTime<Utc>,
    pub zone: AccountingZone,
    /// The UUID version of the lane's ids.
    pub id_version: u8,
}

/// Recorded state of everything a batch touches, moved forward callback by callback.
#[derive(Clone, Debug)]
pub struct Ledger {
    setting: Setting,
    recharges: BTreeMap<RechargeId, Recharge>,
    notices: BTreeMap<NoticeKey, Notice>,
    payments: Vec<Payment>,
    changed_notices: BTreeSet<NoticeKey>,
    /// Changed recharges with the version they were read at.
    changed_recharges: BTreeMap<RechargeId, i64>,
}

/// What a decided batch writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub notices: Vec<Notice>,
    /// With the version each was read at.
    pub recharges: Vec<(Recharge, i64)>,
    pub payments: Vec<Payment>,
}

impl Ledger {
    /// `notices` must hold every notice that a callback of the batch repeats or refers to, and every refund
    /// kept aside for a payment in it.
    pub fn new(setting: Setting, recharges: Vec<Recharge>, notices: Vec<Notice>) -> Ledger {
        Ledger {
            setting,
            recharges: recharges.into_iter().map(|recharge| (recharge.recharge_id, recharge)).collect(),
            notices: notices.into_iter().map(|notice| (notice.key.clone(), notice)).collect(),
            payments: Vec::new(),
            changed_notices: BTreeSet::new(),
            changed_recharges: BTreeMap::new(),
        }
    }

    /// Decides one callback.
    pub fn take(&mut self, callback: &Callback) -> Taken {
        let key = NoticeKey {
            channel: callback.channel.clone(),
            channel_payment_id: callback.body.channel_payment_id.clone(),
            kind: callback.body.kind,
        };
        // The repeat check comes before any other.
        if let Some(known) = self.notices.get(&key) {
            let same = known.content_hash == callback.content_hash;
            return if same { Taken::Replayed(known.clone()) } else { Taken::Contradicts };
        }
        if let Some(kind) = key.kind.other_way_back()
            && self.notices.contains_key(&NoticeKey { kind, ..key.clone() })
        {
            return Taken::Contradicts;
        }
        let mut notice = self.fresh_notice(key.clone(), callback);
        if let Some(recharge) = self.recharges.get(&notice.recharge_id) {
            if !self.setting.times.contains_key(&partition_of(recharge.account_id.uuid())) {
                return Taken::ShardMoved;
            }
            self.decide(&mut notice);
        } else {
            refuse(&mut notice, Refusal::NoSuchRecharge);
        }
        let paid = notice.outcome == NoticeOutcome::Credited;
        self.record(notice.clone());
        if paid || notice.key.kind == NoticeKind::Succeeded {
            self.decide_kept_aside(&notice);
        }
        Taken::First(notice)
    }

    /// What must be written.
    pub fn changes(self) -> Changes {
        let Ledger { recharges, mut notices, payments, changed_notices, changed_recharges, .. } = self;
        Changes {
            notices: changed_notices.iter().filter_map(|key| notices.remove(key)).collect(),
            recharges: changed_recharges
                .into_iter()
                .filter_map(|(id, version)| Some((recharges.get(&id)?.clone(), version)))
                .collect(),
            payments,
        }
    }

    fn fresh_notice(&self, key: NoticeKey, callback: &Callback) -> Notice {
        let body = &callback.body;
        Notice {
            key,
            content_hash: callback.content_hash,
            recharge_id: body.recharge_id,
            amount_minor: body.amount_minor,
            currency: body.currency.clone(),
            paid_at: body.paid_at,
            refund_of: body.refund_of.clone(),
            outcome: NoticeOutcome::Noted,
            refusal: None,
            payment_id: None,
            received_at: self.setting.now,
        }
    }

    fn record(&mut self, notice: Notice) {
        self.changed_notices.insert(notice.key.clone());
        self.notices.insert(notice.key.clone(), notice);
    }

    fn decide(&mut self, notice: &mut Notice) {
        let Some(recharge) = self.recharges.get(&notice.recharge_id) else { return };
        let refusal = if recharge.channel != notice.key.channel {
            Some(Refusal::ChannelMismatch)
        } else if recharge.currency != notice.currency {
            Some(Refusal::CurrencyMismatch)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return refuse(notice, refusal);
        }
        let recharge = recharge.clone();
        match notice.key.kind {
            NoticeKind::Pending => self.step_only(recharge, RechargeEvent::PaymentPending),
            NoticeKind::Failed => self.step_only(recharge, RechargeEvent::PaymentFailed),
            NoticeKind::Succeeded => self.credit(notice, recharge),
            NoticeKind::Refunded | NoticeKind::ChargedBack => self.take_back(notice, recharge),
        }
    }

    /// News that moves no money; where it comes too late the state stays.
    fn step_only(&mut self, mut recharge: Recharge, event: RechargeEvent) {
        if let Ok(state) = recharge.state.after(event)
            && state != recharge.state
        {
            recharge.state = state;
            self.change(recharge);
        }
    }

    fn credit(&mut self, notice: &mut Notice, mut recharge: Recharge) {
        if recharge.amount_minor != notice.amount_minor {
            return refuse(notice, Refusal::AmountMismatch);
        }
        let Ok(state) = recharge.state.after(RechargeEvent::PaymentSucceeded) else {
            return refuse(notice, Refusal::RechargeAlreadyPaid);
        };
        let paid = recharge.paid_coins;
        let payment_id = self.append(notice, &recharge, None, (paid, recharge.promo_coins));
        notice.outcome = NoticeOutcome::Credited;
        notice.payment_id = Some(payment_id);
        recharge.state = state;
        recharge.payment_id = Some(payment_id);
        self.change(recharge);
    }

    fn take_back(&mut self, notice: &mut Notice, mut recharge: Recharge) {
        let payment = NoticeKey {
            channel: notice.key.channel.clone(),
            channel_payment_id: notice.refund_of.clone().unwrap_or_default(),
            kind: NoticeKind::Succeeded,
        };
        let Some(payment) = self.notices.get(&payment) else {
            notice.outcome = NoticeOutcome::KeptAside;
            return;
        };
        if payment.recharge_id != notice.recharge_id {
            return refuse(notice, Refusal::RechargeMismatch);
        }
        let Some(paid_by) = payment.payment_id else { return refuse(notice, Refusal::PaymentRefused) };
        let left = recharge.amount_minor - recharge.refunded_minor; // Never negative: the table says so.
        if notice.amount_minor > left {
            return refuse(notice, Refusal::OverRefund);
        }
        let all = notice.amount_minor == left;
        let event = if all { RechargeEvent::AllRefunded } else { RechargeEvent::PartRefunded };
        let state = match recharge.state.after(event) {
            Ok(state) => state,
            Err(BadStep::NothingLeft) => return refuse(notice, Refusal::OverRefund),
            Err(BadStep::NotPaid | BadStep::AlreadyPaid) => return refuse(notice, Refusal::PaymentRefused),
        };
        // Each part is exact, so the parts of one payment sum to its coins.
        let Ok(coins) = pricing::part_of(recharge.paid_coins, notice.amount_minor, recharge.amount_minor)
        else {
            return refuse(notice, Refusal::AmountNotWholeCoins);
        };
        let payment_id = self.append(notice, &recharge, Some(paid_by), (coins, Coins::ZERO));
        notice.outcome = NoticeOutcome::TakenBack;
        notice.payment_id = Some(payment_id);
        recharge.state = state;
        recharge.refunded_minor += notice.amount_minor;
        self.change(recharge);
    }

    /// Refunds that came before their payment are decided right after it, in the channel's order of ids.
    fn decide_kept_aside(&mut self, payment: &Notice) {
        let waiting: Vec<Notice> = self
            .notices
            .values()
            .filter(|notice| {
                notice.outcome == NoticeOutcome::KeptAside
                    && notice.key.channel == payment.key.channel
                    && notice.refund_of.as_ref() == Some(&payment.key.channel_payment_id)
            })
            .cloned()
            .collect();
        for mut notice in waiting {
            let Some(recharge) = self.recharges.get(&notice.recharge_id).cloned() else { continue };
            if self.setting.times.contains_key(&partition_of(recharge.account_id.uuid())) {
                self.take_back(&mut notice, recharge);
                self.record(notice);
            }
        }
    }

    fn change(&mut self, mut recharge: Recharge) {
        let read_at = recharge.version;
        self.changed_recharges.entry(recharge.recharge_id).or_insert(read_at);
        recharge.version += 1;
        self.recharges.insert(recharge.recharge_id, recharge);
    }

    fn append(
        &mut self,
        notice: &Notice,
        recharge: &Recharge,
        refunds: Option<PaymentId>,
        (paid_coins, promo_coins): (Coins, Coins),
    ) -> PaymentId {
        let partition = partition_of(recharge.account_id.uuid());
        let decided_at = self.setting.times.get(&partition).copied().unwrap_or(self.setting.now);
        let payment_id = payment_id_of(notice, partition, decided_at, self.setting.id_version);
        self.payments.push(Payment {
            stamp: Stamp::original(partition, decided_at, self.setting.zone),
            payment_id,
            kind: if refunds.is_some() { PaymentKind::ChannelRefund } else { PaymentKind::Recharge },
            account_id: recharge.account_id,
            channel: notice.key.channel.clone(),
            channel_payment_id: notice.key.channel_payment_id.clone(),
            refunds,
            amount_minor: notice.amount_minor,
            currency: notice.currency.clone(),
            paid_coins,
            promo_coins,
            paid_at: notice.paid_at,
        });
        payment_id
    }
}

/// The payment's id: the time it was decided, the hash of what the channel calls it, the viewer's partition.
fn payment_id_of(notice: &Notice, partition: Partition, decided_at: DateTime<Utc>, version: u8) -> PaymentId {
    let ms = u64::try_from(decided_at.timestamp_millis()).unwrap_or(0).to_be_bytes();
    let mut bytes = [0_u8; 16];
    bytes[..6].copy_from_slice(&ms[2..]);
    let from = with_version(Uuid::from_bytes(bytes), version);
    let kind = notice.key.kind.code().to_be_bytes();
    // The channel's names have no zero byte, so the separator of `derive_id` keeps them apart.
    let parts: [&[u8]; 3] = [notice.key.channel.as_bytes(), notice.key.channel_payment_id.as_bytes(), &kind];
    PaymentId::from_uuid(derive_id(from, "payment", &parts, partition))
}

fn refuse(notice: &mut Notice, refusal: Refusal) {
    notice.outcome = NoticeOutcome::Refused;
    notice.refusal = Some(refusal);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::callback::CallbackBody;
    use crate::domain::recharge::RechargeState;
    use ids::ViewerId;
    use proptest::prelude::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn recharge() -> Recharge {
        Recharge {
            recharge_id: RechargeId::now(),
            account_id: ViewerId::now(),
            channel: "sandbox".to_owned(),
            body_hash: 1,
            amount_minor: 600,
            currency: "CNY".to_owned(),
            paid_coins: Coins::try_new(6_000).expect("in range"),
            promo_coins: Coins::try_new(10).expect("in range"),
            state: RechargeState::Asked,
            payment_id: None,
            refunded_minor: 0,
            version: 1,
            asked_at: NOW,
        }
    }

    fn ledger(recharge: &Recharge) -> Ledger {
        let setting = Setting {
            times: Partition::all().map(|partition| (partition, NOW)).collect(),
            now: NOW,
            zone: AccountingZone::default(),
            id_version: 7,
        };
        Ledger::new(setting, vec![recharge.clone()], Vec::new())
    }

    fn says(
        recharge: &Recharge,
        kind: NoticeKind,
        id: &str,
        amount_minor: i64,
        of: Option<&str>,
    ) -> Callback {
        let body = CallbackBody {
            channel_payment_id: id.to_owned(),
            kind,
            recharge_id: recharge.recharge_id,
            amount_minor,
            currency: "CNY".to_owned(),
            paid_at: NOW,
            refund_of: of.map(str::to_owned),
        };
        let bytes = serde_json::to_vec(&body).expect("a plain struct");
        Callback::parse("sandbox", &bytes).expect("a good callback")
    }

    fn refusal(taken: Taken) -> Option<Refusal> {
        match taken {
            Taken::First(notice) => notice.refusal,
            other => panic!("{other:?}"),
        }
    }

    use NoticeKind::{ChargedBack, Failed, Pending, Refunded, Succeeded};

    #[test]
    fn a_wrong_amount_currency_channel_or_recharge_credits_nothing() {
        let asked = recharge();
        let mut ledger = ledger(&asked);
        assert_eq!(
            refusal(ledger.take(&says(&asked, Succeeded, "a", 599, None))),
            Some(Refusal::AmountMismatch)
        );
        let mut callback = says(&asked, Succeeded, "b", 600, None);
        callback.body.currency = "USD".to_owned();
        assert_eq!(refusal(ledger.take(&callback)), Some(Refusal::CurrencyMismatch));
        let mut callback = says(&asked, Succeeded, "c", 600, None);
        callback.channel = "other".to_owned();
        assert_eq!(refusal(ledger.take(&callback)), Some(Refusal::ChannelMismatch));
        let stranger = recharge();
        assert_eq!(
            refusal(ledger.take(&says(&stranger, Succeeded, "d", 600, None))),
            Some(Refusal::NoSuchRecharge)
        );
        let changes = ledger.changes();
        assert_eq!((changes.payments.len(), changes.recharges.len(), changes.notices.len()), (0, 0, 4));
    }

    #[test]
    fn a_second_payment_of_one_recharge_and_a_refund_of_a_refused_payment_are_refused() {
        let asked = recharge();
        let mut ledger = ledger(&asked);
        assert_eq!(refusal(ledger.take(&says(&asked, Refunded, "r", 600, Some("b")))), None);
        assert_eq!(refusal(ledger.take(&says(&asked, Succeeded, "a", 600, None))), None);
        let again = ledger.take(&says(&asked, Succeeded, "b", 600, None));
        assert_eq!(refusal(again), Some(Refusal::RechargeAlreadyPaid));
        // The refund of that second payment gave back money that never bought coins.
        let Taken::Replayed(notice) = ledger.take(&says(&asked, Refunded, "r", 600, Some("b"))) else {
            panic!("not a repeat")
        };
        assert_eq!(notice.refusal, Some(Refusal::PaymentRefused));
        assert_eq!(ledger.changes().payments.len(), 1);
    }

    #[test]
    fn part_refunds_end_at_the_whole_and_must_be_whole_coins() {
        let mut asked = recharge();
        asked.paid_coins = Coins::try_new(6).expect("in range");
        let mut ledger = ledger(&asked);
        ledger.take(&says(&asked, Succeeded, "a", 600, None));
        let mut refund = |id, amount| refusal(ledger.take(&says(&asked, Refunded, id, amount, Some("a"))));
        assert_eq!(refund("1", 150), Some(Refusal::AmountNotWholeCoins));
        assert_eq!(
            [refund("2", 200), refund("3", 401), refund("4", 400)],
            [None, Some(Refusal::OverRefund), None]
        );
        assert_eq!(refund("5", 1), Some(Refusal::OverRefund));
        let changes = ledger.changes();
        assert_eq!(changes.payments.iter().map(|p| p.paid_coins.get()).collect::<Vec<_>>(), [6, 2, 4]);
        assert_eq!(changes.recharges[0].0.state, RechargeState::Refunded);
        assert_eq!(changes.payments[1].refunds, Some(changes.payments[0].payment_id));
    }

    #[test]
    fn a_chargeback_takes_back_what_is_left_and_waits_for_its_payment_like_a_refund() {
        let asked = recharge();
        let mut ledger = ledger(&asked);
        assert_eq!(refusal(ledger.take(&says(&asked, ChargedBack, "c", 500, Some("a")))), None);
        assert_eq!(refusal(ledger.take(&says(&asked, Succeeded, "a", 600, None))), None);
        let over = ledger.take(&says(&asked, Refunded, "r", 101, Some("a")));
        assert_eq!(refusal(over), Some(Refusal::OverRefund));
        let same_id = ledger.take(&says(&asked, Refunded, "c", 100, Some("a")));
        assert_eq!(same_id, Taken::Contradicts, "one id of a channel gives money back once");
        let changes = ledger.changes();
        assert_eq!(changes.payments.iter().map(|p| p.paid_coins.get()).collect::<Vec<_>>(), [6_000, 5_000]);
        assert_eq!(changes.recharges[0].0.state, RechargeState::PartlyRefunded);
    }

    #[test]
    fn the_same_id_with_other_content_contradicts() {
        let asked = recharge();
        let mut ledger = ledger(&asked);
        ledger.take(&says(&asked, Succeeded, "a", 600, None));
        assert_eq!(ledger.take(&says(&asked, Succeeded, "a", 601, None)), Taken::Contradicts);
    }

    proptest! {
        /// Whatever the order and however often each is repeated, the same coins are due.
        #[test]
        fn order_and_repeats_change_nothing(picks in prop::collection::vec(0_usize..5, 0..40)) {
            let asked = recharge();
            let mut ledger = ledger(&asked);
            let all = [
                says(&asked, Pending, "a", 600, None),
                says(&asked, Succeeded, "a", 600, None),
                says(&asked, Refunded, "r1", 100, Some("a")),
                says(&asked, Refunded, "r2", 500, Some("a")),
                says(&asked, Failed, "a", 600, None),
            ];
            for pick in picks.into_iter().chain(0..5) {
                ledger.take(&all[pick]);
            }
            let changes = ledger.changes();
            let mut coins: Vec<i64> = changes.payments.iter().map(|p| p.paid_coins.get()).collect();
            prop_assert_eq!(coins.remove(0), 6_000, "the payment comes first");
            coins.sort_unstable();
            prop_assert_eq!(coins, [1_000, 5_000]);
            prop_assert_eq!(changes.recharges[0].0.state, RechargeState::Refunded);
            prop_assert_eq!(changes.notices.len(), 5);
        }
    }
}
