//! Invariant under test: whatever commands arrive, the core decides what a plain map would, coins are
//! conserved in each fund after every step, and the entries alone rebuild every account.

use super::{Account, Origin, Rules, StepContext, apply, expire_hold, origin_request, step};
use chrono::{DateTime, Utc};
use contracts::entry::{Entry, EntryKind, Funds, GiftSend, Outcome};
use contracts::log::{AccountingZone, Stamp};
use contracts::wallet::{Act, Command, RefundAmount, Verdict, WalletError};
use ids::{
    HoldId, OrderId, Partition, PaymentId, RequestId, RoomId, StreamerId, Uuid, ViewerId, derive_id, named_id,
};
use money::{COINS_MAX, Coins};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const DAY_LIMIT: i64 = 300;

#[derive(Clone, Debug)]
enum Op {
    Wait { ms: i64 },
    ExpireHolds,
    Repeat { of: usize, other_body: bool },
    New { account: u8, what: What },
}

#[derive(Clone, Debug)]
enum What {
    Recharge { paid: i64, promo: i64 },
    Bonus { coins: i64 },
    Compensation { paid: i64, promo: i64 },
    Debit { coins: i64, verdict: Verdict },
    HoldPlace { coins: i64, lasts_ms: i64 },
    HoldCapture { hold: usize, coins: i64 },
    HoldRelease { hold: usize },
    Refund { order: usize, coins: Option<i64> },
    Withdraw { recharge: usize, coins: i64 },
    Expire { coins: i64 },
    Freeze,
    Unfreeze,
}

fn amounts() -> impl Strategy<Value = i64> {
    prop_oneof![20 => 0..=60_i64, 1 => Just(COINS_MAX), 1 => Just(COINS_MAX - 40)]
}

fn whats() -> impl Strategy<Value = What> {
    let verdict = prop_oneof![8 => Just(Verdict::Allow), 1 => Just(Verdict::RoomClosed), 1 => Just(Verdict::GiftOffShelf)];
    prop_oneof![
        4 => (amounts(), amounts()).prop_map(|(paid, promo)| What::Recharge { paid, promo }),
        1 => amounts().prop_map(|coins| What::Bonus { coins }),
        1 => (amounts(), amounts()).prop_map(|(paid, promo)| What::Compensation { paid, promo }),
        6 => (amounts(), verdict).prop_map(|(coins, verdict)| What::Debit { coins, verdict }),
        3 => (amounts(), -5..5_000_i64).prop_map(|(coins, lasts_ms)| What::HoldPlace { coins, lasts_ms }),
        3 => (any::<usize>(), amounts()).prop_map(|(hold, coins)| What::HoldCapture { hold, coins }),
        1 => any::<usize>().prop_map(|hold| What::HoldRelease { hold }),
        4 => (any::<usize>(), proptest::option::of(0..=30_i64)).prop_map(|(order, coins)| What::Refund { order, coins }),
        2 => (any::<usize>(), amounts()).prop_map(|(recharge, coins)| What::Withdraw { recharge, coins }),
        1 => amounts().prop_map(|coins| What::Expire { coins }),
        1 => Just(What::Freeze),
        2 => Just(What::Unfreeze),
    ]
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => prop_oneof![0..3_000_i64, Just(43_200_000_i64)].prop_map(|ms| Op::Wait { ms }),
        1 => Just(Op::ExpireHolds),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(of, other_body)| Op::Repeat { of, other_body }),
        14 => (0..3_u8, whats()).prop_map(|(account, what)| Op::New { account, what }),
    ]
}

/// The core as a lane drives it, with a list for a table.
struct Bank {
    now: DateTime<Utc>,
    rules: Rules,
    accounts: BTreeMap<ViewerId, Account>,
    entries: Vec<Entry>,
    commands: Vec<Command>,
    payments: Vec<Uuid>,
    counter: u64,
}

impl Bank {
    fn open() -> Bank {
        let rules = Rules { day_limit_coins: coins(DAY_LIMIT), ..Rules::default() };
        let now = DateTime::from_timestamp(1_760_000_000, 0).expect("an instant");
        Bank {
            now,
            rules,
            accounts: BTreeMap::new(),
            entries: Vec::new(),
            commands: Vec::new(),
            payments: Vec::new(),
            counter: 0,
        }
    }

    fn id(&mut self) -> Uuid {
        self.counter += 1;
        let mut time = [0_u8; 16];
        time[..6].copy_from_slice(&self.now.timestamp_millis().to_be_bytes()[2..]);
        derive_id(Uuid::from_bytes(time), "test", &[&self.counter.to_be_bytes()], partition())
    }

    fn origin(&self, command: &Command) -> Option<Origin> {
        let wanted = origin_request(command)?;
        let mut origin = self.entries.iter().find(|entry| entry.request_id == wanted).and_then(Origin::of)?;
        let reference = match &command.act {
            Act::Withdraw { payment_id, .. } => payment_id.uuid(),
            _ => wanted.uuid(),
        };
        for entry in
            self.entries.iter().filter(|entry| entry.is_accepted() && entry.origin_id == Some(reference))
        {
            if origin.is_returned_by(entry.kind) {
                origin.count(entry).expect("sums fit");
            }
        }
        Some(origin)
    }

    fn submit(&mut self, command: &Command) -> Result<Entry, WalletError> {
        if let Some(known) = self.entries.iter().find(|entry| entry.request_id == command.request_id) {
            return if known.body_hash == command.body_hash {
                Ok(known.clone())
            } else {
                Err(WalletError::RequestReused)
            };
        }
        let origin = self.origin(command);
        let stamp = self.stamp();
        let context = StepContext { stamp: &stamp, rules: &self.rules, origin: origin.as_ref() };
        let account = self.accounts.entry(command.account_id).or_default();
        let entry = step(account, &context, command)?;
        Ok(self.append(entry))
    }

    fn stamp(&self) -> Stamp {
        Stamp::original(partition(), self.now, AccountingZone::default())
    }

    fn append(&mut self, mut entry: Entry) -> Entry {
        entry.stamp.seq = i64::try_from(self.entries.len()).expect("few") + 1;
        let account = self.accounts.entry(entry.account_id).or_default();
        apply(account, &entry).expect("a decided entry follows");
        self.entries.push(entry.clone());
        entry
    }

    fn expire_holds(&mut self) -> Vec<Entry> {
        let holds: Vec<(ViewerId, HoldId)> =
            self.accounts.iter().flat_map(|(id, a)| a.holds.keys().map(|hold| (*id, *hold))).collect();
        let stamp = self.stamp();
        let mut expired = Vec::new();
        for (account_id, hold_id) in holds {
            let context = StepContext { stamp: &stamp, rules: &self.rules, origin: None };
            if let Some(entry) = expire_hold(&self.accounts[&account_id], &context, account_id, hold_id) {
                expired.push(self.append(entry));
            }
        }
        expired
    }

    fn assert_conserved(&self) {
        for (account_id, account) in &self.accounts {
            let own = || self.entries.iter().filter(|e| e.account_id == *account_id && e.is_accepted());
            for fund in 0..2 {
                let pick = |funds: Funds| [funds.paid_coins.get(), funds.promo_coins.get()][fund];
                let delta = |e: &Entry| [e.available.paid_coins, e.available.promo_coins][fund];
                let sum =
                    |kinds: &[EntryKind]| own().filter(|e| kinds.contains(&e.kind)).map(delta).sum::<i64>();
                let came =
                    sum(&[EntryKind::Recharge, EntryKind::Bonus, EntryKind::Compensation, EntryKind::Refund]);
                let went = -sum(&[EntryKind::Expire, EntryKind::Withdraw]);
                let spent: i64 = own().map(|e| pick(e.spent())).sum();
                let held: i64 = account.holds.values().map(|hold| pick(hold.funds)).sum();
                assert_eq!(held, pick(account.held), "held is the sum of the holds");
                assert_eq!(
                    came,
                    pick(account.available) + held + spent + went,
                    "fund {fund} of {account_id:?}"
                );
                assert!(pick(account.available) >= 0);
            }
        }
    }

    fn assert_replay_rebuilds(&self) {
        let mut rebuilt: BTreeMap<ViewerId, Account> = BTreeMap::new();
        for entry in &self.entries {
            apply(rebuilt.entry(entry.account_id).or_default(), entry).expect("the log follows");
        }
        rebuilt.retain(|_, account| account.as_of_seq > 0);
        let mut live = self.accounts.clone();
        live.retain(|_, account| account.as_of_seq > 0);
        assert_eq!(live, rebuilt);
    }
}

/// (paid, promotional, expiry)
type ModelHold = (i64, i64, i64);

/// The reference: plain numbers in plain maps, written from the words of the contract.
#[derive(Default)]
struct Model {
    paid: BTreeMap<ViewerId, i64>,
    promo: BTreeMap<ViewerId, i64>,
    /// Whose it is, and (paid, promo, expiry); `None` once ended.
    holds: BTreeMap<HoldId, (ViewerId, Option<ModelHold>)>,
    frozen: BTreeMap<ViewerId, bool>,
    spent: BTreeMap<(ViewerId, chrono::NaiveDate), i64>,
    /// What is left to refund: (account, paid, promo).
    orders: BTreeMap<OrderId, (ViewerId, i64, i64)>,
    recharges: BTreeMap<RequestId, (ViewerId, i64)>,
}

/// `None`: the command is wrong. Otherwise the outcome and (paid, promo) available after.
type Expected = Option<(Outcome, i64, i64)>;

impl Model {
    fn decide(&mut self, now: DateTime<Utc>, command: &Command) -> Expected {
        let id = command.account_id;
        let outcome = self.outcome(now, command)?;
        Some((outcome, self.paid.get(&id).copied().unwrap_or(0), self.promo.get(&id).copied().unwrap_or(0)))
    }

    fn held(&self, id: ViewerId) -> (i64, i64) {
        let own = self.holds.values().filter(|hold| hold.0 == id).filter_map(|hold| hold.1);
        own.fold((0, 0), |sum, hold| (sum.0 + hold.0, sum.1 + hold.1))
    }

    fn credit(&mut self, id: ViewerId, paid: i64, promo: i64) -> Outcome {
        let held = self.held(id);
        let (has_paid, has_promo) = (self.paid.entry(id).or_default(), self.promo.entry(id).or_default());
        if *has_paid + held.0 + paid > COINS_MAX || *has_promo + held.1 + promo > COINS_MAX {
            return Outcome::OverBalanceMax;
        }
        *has_paid += paid;
        *has_promo += promo;
        Outcome::Accepted
    }

    /// Takes promotional coins first; `Err` is the refusal.
    fn take(&mut self, now: DateTime<Utc>, id: ViewerId, coins: i64) -> Result<(i64, i64), Outcome> {
        let day = AccountingZone::default().day_of(now);
        let held = self.held(id);
        if self.frozen.get(&id) == Some(&true) {
            return Err(Outcome::Frozen);
        }
        if self.spent.get(&(id, day)).copied().unwrap_or(0) + held.0 + held.1 + coins > DAY_LIMIT {
            return Err(Outcome::OverDayLimit);
        }
        let (paid, promo) = (self.paid.entry(id).or_default(), self.promo.entry(id).or_default());
        if *paid + *promo < coins {
            return Err(Outcome::NotEnoughCoins);
        }
        let from_promo = coins.min(*promo);
        *promo -= from_promo;
        *paid -= coins - from_promo;
        Ok((coins - from_promo, from_promo))
    }

    fn spend(&mut self, now: DateTime<Utc>, command: &Command, paid: i64, promo: i64) {
        let day = AccountingZone::default().day_of(now);
        *self.spent.entry((command.account_id, day)).or_default() += paid + promo;
        self.orders.insert(OrderId::from_uuid(command.request_id.uuid()), (command.account_id, paid, promo));
    }

    fn outcome(&mut self, now: DateTime<Utc>, command: &Command) -> Option<Outcome> {
        let id = command.account_id;
        let now_ms = now.timestamp_millis();
        Some(match &command.act {
            Act::Recharge { paid_coins, promo_coins } => {
                let outcome = self.positive_credit(id, paid_coins.get(), promo_coins.get())?;
                if outcome == Outcome::Accepted {
                    self.recharges.insert(command.request_id, (id, paid_coins.get()));
                }
                outcome
            }
            Act::Bonus { coins } => self.positive_credit(id, 0, coins.get())?,
            Act::Compensation { funds } => {
                self.positive_credit(id, funds.paid_coins.get(), funds.promo_coins.get())?
            }
            Act::Debit { charge_coins, verdict, .. } => match (charge_coins.get(), verdict) {
                (0, _) => return None,
                (_, Verdict::RoomClosed) => Outcome::RoomClosed,
                (_, Verdict::GiftOffShelf) => Outcome::GiftOffShelf,
                (coins, Verdict::Allow) => match self.take(now, id, coins) {
                    Err(outcome) => outcome,
                    Ok((paid, promo)) => {
                        self.spend(now, command, paid, promo);
                        Outcome::Accepted
                    }
                },
            },
            Act::HoldPlace { coins, expires_at_ms } => {
                if coins.is_zero() || *expires_at_ms <= now_ms {
                    return None;
                }
                match self.take(now, id, coins.get()) {
                    Err(outcome) => outcome,
                    Ok((paid, promo)) => {
                        let hold = HoldId::from_uuid(command.request_id.uuid());
                        self.holds.insert(hold, (id, Some((paid, promo, *expires_at_ms))));
                        Outcome::Accepted
                    }
                }
            }
            Act::HoldCapture { hold_id, charge_coins, .. } => {
                if charge_coins.is_zero() {
                    return None;
                }
                match self.holds.get(hold_id).copied() {
                    Some((owner, Some((paid, promo, expires)))) if owner == id => {
                        if expires <= now_ms {
                            return Some(Outcome::HoldEnded);
                        }
                        if self.frozen.get(&id) == Some(&true) {
                            return Some(Outcome::Frozen);
                        }
                        if charge_coins.get() > paid + promo {
                            return Some(Outcome::NotEnoughCoins);
                        }
                        let from_promo = charge_coins.get().min(promo);
                        let from_paid = charge_coins.get() - from_promo;
                        self.holds.insert(*hold_id, (id, None));
                        *self.paid.entry(id).or_default() += paid - from_paid;
                        *self.promo.entry(id).or_default() += promo - from_promo;
                        self.spend(now, command, from_paid, from_promo);
                        Outcome::Accepted
                    }
                    Some((owner, None)) if owner == id => Outcome::HoldEnded,
                    _ => Outcome::NoSuchOrigin,
                }
            }
            Act::HoldRelease { hold_id } => match self.holds.get(hold_id).copied() {
                Some((owner, Some((paid, promo, _)))) if owner == id => {
                    self.holds.insert(*hold_id, (id, None));
                    self.credit(id, paid, promo)
                }
                Some((owner, None)) if owner == id => Outcome::HoldEnded,
                _ => Outcome::NoSuchOrigin,
            },
            Act::Refund { order_id, amount } => self.refund(id, *order_id, *amount)?,
            Act::Withdraw { payment_id, coins } => {
                if coins.is_zero() {
                    return None;
                }
                match self.recharges.get_mut(&payment_id.wallet_request()).filter(|recharge| recharge.0 == id)
                {
                    None => Outcome::NoSuchOrigin,
                    Some(recharge) if coins.get() > recharge.1 => Outcome::OverRefund,
                    Some(recharge) => {
                        recharge.1 -= coins.get();
                        let paid = self.paid.entry(id).or_default();
                        *paid -= (*paid).min(coins.get());
                        Outcome::Accepted
                    }
                }
            }
            Act::Expire { coins } => {
                if coins.is_zero() {
                    return None;
                }
                let promo = self.promo.entry(id).or_default();
                *promo -= (*promo).min(coins.get());
                Outcome::Accepted
            }
            Act::Freeze => {
                self.frozen.insert(id, true);
                Outcome::Accepted
            }
            Act::Unfreeze => {
                self.frozen.insert(id, false);
                Outcome::Accepted
            }
        })
    }

    fn positive_credit(&mut self, id: ViewerId, paid: i64, promo: i64) -> Option<Outcome> {
        (paid + promo > 0).then(|| self.credit(id, paid, promo))
    }

    fn refund(&mut self, id: ViewerId, order_id: OrderId, amount: RefundAmount) -> Option<Outcome> {
        if amount == RefundAmount::Coins(Coins::ZERO) {
            return None;
        }
        let Some((owner, paid, promo)) = self.orders.get(&order_id).copied().filter(|order| order.0 == id)
        else {
            return Some(Outcome::NoSuchOrigin);
        };
        let (back_paid, back_promo) = match amount {
            RefundAmount::AllLeft => (paid, promo),
            RefundAmount::Coins(coins) => (coins.get().min(paid), coins.get() - coins.get().min(paid)),
        };
        if back_paid + back_promo == 0 || back_promo > promo {
            return Some(Outcome::OverRefund);
        }
        let outcome = self.credit(id, back_paid, back_promo);
        if outcome == Outcome::Accepted {
            self.orders.insert(order_id, (owner, paid - back_paid, promo - back_promo));
        }
        Some(outcome)
    }
}

fn coins(amount: i64) -> Coins {
    Coins::try_new(amount).expect("an amount in range")
}

fn partition() -> Partition {
    Partition::try_new(7).expect("it exists")
}

fn send() -> Arc<GiftSend> {
    Arc::new(GiftSend {
        room_id: RoomId::from_uuid(named_id("room", "r")),
        streamer_id: StreamerId::from_uuid(named_id("streamer", "s")),
        gift_id: 1,
        quantity: 1,
        unit_price_coins: coins(1),
        catalogue_version: 1,
        combo: None,
        reveals: Vec::new(),
        node: "test/1".to_owned(),
    })
}

/// One of the ids that were used, or one that never was.
fn pick(ids: &[Uuid], index: usize) -> Uuid {
    if ids.is_empty() || index.is_multiple_of(7) { named_id("nobody", "x") } else { ids[index % ids.len()] }
}

fn command(bank: &mut Bank, account: u8, what: &What) -> Command {
    let account_id = ViewerId::from_uuid(named_id("viewer", &account.to_string()));
    let mut request_id = RequestId::from_uuid(bank.id());
    let used = |kinds: &[EntryKind]| -> Vec<Uuid> {
        bank.entries.iter().filter(|e| kinds.contains(&e.kind)).map(|e| e.request_id.uuid()).collect()
    };
    let holds = used(&[EntryKind::HoldPlace]);
    let orders = used(&[EntryKind::Debit, EntryKind::HoldCapture]);
    let act = match what {
        What::Recharge { paid, promo } => {
            let payment_id = PaymentId::from_uuid(request_id.uuid());
            request_id = payment_id.wallet_request();
            bank.payments.push(payment_id.uuid());
            Act::Recharge { paid_coins: coins(*paid), promo_coins: coins(*promo) }
        }
        What::Bonus { coins: amount } => Act::Bonus { coins: coins(*amount) },
        What::Compensation { paid, promo } => {
            Act::Compensation { funds: Funds { paid_coins: coins(*paid), promo_coins: coins(*promo) } }
        }
        What::Debit { coins: amount, verdict } => {
            Act::Debit { charge_coins: coins(*amount), send: send(), verdict: *verdict }
        }
        What::HoldPlace { coins: amount, lasts_ms } => {
            Act::HoldPlace { coins: coins(*amount), expires_at_ms: bank.now.timestamp_millis() + lasts_ms }
        }
        What::HoldCapture { hold, coins: amount } => Act::HoldCapture {
            hold_id: HoldId::from_uuid(pick(&holds, *hold)),
            charge_coins: coins(*amount),
            send: send(),
        },
        What::HoldRelease { hold } => Act::HoldRelease { hold_id: HoldId::from_uuid(pick(&holds, *hold)) },
        What::Refund { order, coins: amount } => Act::Refund {
            order_id: OrderId::from_uuid(pick(&orders, *order)),
            amount: amount.map_or(RefundAmount::AllLeft, |amount| RefundAmount::Coins(coins(amount))),
        },
        What::Withdraw { recharge, coins: amount } => Act::Withdraw {
            payment_id: PaymentId::from_uuid(pick(&bank.payments, *recharge)),
            coins: coins(*amount),
        },
        What::Expire { coins: amount } => Act::Expire { coins: coins(*amount) },
        What::Freeze => Act::Freeze,
        What::Unfreeze => Act::Unfreeze,
    };
    Command { request_id, account_id, body_hash: i64::try_from(bank.counter).expect("few"), act }
}

fn run(history: Vec<Op>) {
    let (mut bank, mut model) = (Bank::open(), Model::default());
    for op in history {
        match op {
            Op::Wait { ms } => bank.now += chrono::TimeDelta::milliseconds(ms),
            Op::ExpireHolds => {
                for entry in bank.expire_holds() {
                    let hold_id = HoldId::from_uuid(entry.origin_id.expect("a hold"));
                    let own = model.holds.get_mut(&hold_id).expect("the model placed it too");
                    let (paid, promo, expires) = own.1.take().expect("the model holds it too");
                    assert!(expires <= bank.now.timestamp_millis());
                    assert_eq!(model.credit(entry.account_id, paid, promo), Outcome::Accepted);
                }
            }
            Op::Repeat { of, other_body } => {
                let Some(mut again) = bank.commands.get(of % bank.commands.len().max(1)).cloned() else {
                    continue;
                };
                let before = bank.entries.len();
                let first = bank.entries.iter().find(|e| e.request_id == again.request_id).cloned();
                again.body_hash = if other_body { -1 } else { again.body_hash };
                if let Some(first) = first {
                    let expected = if other_body { Err(WalletError::RequestReused) } else { Ok(first) };
                    assert_eq!(bank.submit(&again), expected);
                    assert_eq!(bank.entries.len(), before, "a repeat moves nothing");
                }
            }
            Op::New { account, what } => {
                let command = command(&mut bank, account, &what);
                bank.commands.push(command.clone());
                let expected = model.decide(bank.now, &command);
                let decided = bank.submit(&command);
                match (&decided, expected) {
                    (Err(WalletError::BadCommand(_)), None) => {}
                    (Ok(entry), Some((outcome, paid, promo))) => {
                        assert_eq!(entry.outcome, outcome, "{command:?}");
                        assert_eq!(
                            (entry.after.paid_coins.get(), entry.after.promo_coins.get()),
                            (paid, promo)
                        );
                        assert!(entry.is_accepted() || entry.available == Default::default());
                        assert!(entry.is_accepted() || entry.held == Default::default());
                    }
                    _ => panic!("{command:?}: decided {decided:?}, expected {expected:?}"),
                }
            }
        }
        bank.assert_conserved();
    }
    bank.assert_replay_rebuilds();
}

fn cases() -> u32 {
    if std::env::var_os("LARGESSE_TEST_LONG").is_some() { 50_000 } else { 2_000 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_core_decides_what_a_plain_map_would(history in proptest::collection::vec(ops(), 1..60)) {
        run(history);
    }
}
