//! A wallet in small: real entries in memory, the contract's trait, and the log they make. It decides as the
//! real one does where gift can see it; the real one cannot be imported here.

use bus::Bus;
use bytes::Bytes;
use chrono::Utc;
use contracts::entry::{Entry, EntryKind, Funds, FundsDelta, GiftSend, Outcome};
use contracts::log::{
    AccountingZone, BatchMessage, EpochStart, HeadMark, LogName, MarksMessage, Page, SCHEMA_VERSION, Seq,
    Stamp, Stretch,
};
use contracts::wallet::{
    AccountState, AccountView, Act, Answer, Command, RefundAmount, Replay, Verdict, Wallet, WalletError,
};
use ids::{OrderId, Partition, PartitionGroup, RequestId, Uuid, ViewerId, partition_of};
use money::Coins;
use seqlog::{LogSource, PullError};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

const EPOCH: EpochStart = EpochStart { epoch: 1, first_seq: 1 };

/// How the next commands go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Well,
    /// Decides, and does not say so.
    Mute,
    /// Takes nothing.
    Away,
    /// Decides, and takes long to say so.
    Slow(Duration),
}

#[derive(Default)]
struct State {
    entries: BTreeMap<Partition, Vec<Entry>>,
    by_request: HashMap<RequestId, Entry>,
    accounts: HashMap<ViewerId, Funds>,
    spent: HashMap<OrderId, Funds>,
    mood: Mood,
    submits: u64,
}

/// What a command comes to.
struct Step {
    kind: EntryKind,
    outcome: Outcome,
    send: Option<Arc<GiftSend>>,
    origin_id: Option<Uuid>,
}

impl State {
    fn step(&mut self, command: &Command, before: Funds, after: &mut Funds) -> Result<Step, WalletError> {
        let (kind, outcome, send, origin_id) = match &command.act {
            Act::Recharge { paid_coins, promo_coins } => {
                after.paid_coins = before.paid_coins.checked_add(*paid_coins).expect("fits");
                after.promo_coins = before.promo_coins.checked_add(*promo_coins).expect("fits");
                (EntryKind::Recharge, Outcome::Accepted, None, None)
            }
            Act::Debit { charge_coins, send, verdict } => {
                let outcome = match verdict {
                    Verdict::RoomClosed => Outcome::RoomClosed,
                    Verdict::GiftOffShelf => Outcome::GiftOffShelf,
                    Verdict::Allow => {
                        let promo = before.promo_coins.min(*charge_coins);
                        let paid = charge_coins.checked_sub(promo).expect("promo is at most the charge");
                        match before.paid_coins.checked_sub(paid) {
                            None => Outcome::NotEnoughCoins,
                            Some(left) => {
                                after.paid_coins = left;
                                after.promo_coins =
                                    before.promo_coins.checked_sub(promo).expect("at most all");
                                let order_id = OrderId::from_uuid(command.request_id.uuid());
                                self.spent.insert(order_id, Funds { paid_coins: paid, promo_coins: promo });
                                Outcome::Accepted
                            }
                        }
                    }
                };
                (EntryKind::Debit, outcome, Some(send.clone()), None)
            }
            Act::Refund { order_id, amount } => {
                let left = self.spent.get_mut(order_id);
                let back = left.as_deref().and_then(|left| match amount {
                    RefundAmount::AllLeft => (*left != Funds::default()).then_some(*left),
                    RefundAmount::Coins(coins) => paid_first(*left, *coins),
                });
                let outcome = match (left, back) {
                    (None, _) => Outcome::NoSuchOrigin,
                    (Some(_), None) => Outcome::OverRefund,
                    (Some(left), Some(back)) => {
                        left.paid_coins = left.paid_coins.checked_sub(back.paid_coins).expect("at most all");
                        left.promo_coins =
                            left.promo_coins.checked_sub(back.promo_coins).expect("at most all");
                        after.paid_coins = before.paid_coins.checked_add(back.paid_coins).expect("fits");
                        after.promo_coins = before.promo_coins.checked_add(back.promo_coins).expect("fits");
                        Outcome::Accepted
                    }
                };
                (EntryKind::Refund, outcome, None, Some(order_id.uuid()))
            }
            other => return Err(WalletError::BadCommand(format!("{other:?} is not for this wallet"))),
        };
        Ok(Step { kind, outcome, send, origin_id })
    }
}

pub struct FakeWallet {
    state: Mutex<State>,
    bus: Bus,
}

fn coins(amount: i64) -> Coins {
    Coins::try_new(amount).expect("amounts of tests fit")
}

/// Some coins of what is left of an order.
fn paid_first(left: Funds, coins: Coins) -> Option<Funds> {
    let paid_coins = left.paid_coins.min(coins);
    let promo_coins = coins.checked_sub(paid_coins)?;
    (promo_coins <= left.promo_coins).then_some(Funds { paid_coins, promo_coins })
}

fn minus(a: Coins, b: Coins) -> i64 {
    a.get() - b.get()
}

impl FakeWallet {
    pub fn new(bus: Bus) -> FakeWallet {
        FakeWallet { state: Mutex::default(), bus }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the wallet")
    }

    pub fn set_mood(&self, mood: Mood) {
        self.lock().mood = mood;
    }

    /// Commands that reached the wallet, repeats included.
    pub fn submits(&self) -> u64 {
        self.lock().submits
    }

    pub fn balance(&self, viewer: ViewerId) -> Funds {
        self.lock().accounts.get(&viewer).copied().unwrap_or_default()
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.values().flatten().cloned().collect()
    }

    /// Gives coins, as a recharge with a bonus.
    pub async fn give(&self, viewer: ViewerId, paid: i64, promo: i64) {
        let act = Act::Recharge { paid_coins: coins(paid), promo_coins: coins(promo) };
        let command = Command { request_id: RequestId::now(), account_id: viewer, body_hash: 0, act };
        self.submit(command).await.expect("a recharge is accepted");
    }

    fn decide(&self, command: &Command) -> Result<(Entry, Replay), WalletError> {
        let mut state = self.lock();
        if let Some(known) = state.by_request.get(&command.request_id) {
            return if known.body_hash == command.body_hash {
                Ok((known.clone(), Replay::Replayed))
            } else {
                Err(WalletError::RequestReused)
            };
        }
        let before = state.accounts.get(&command.account_id).copied().unwrap_or_default();
        let mut after = before;
        let Step { kind, outcome, send, origin_id } = state.step(command, before, &mut after)?;
        let partition = partition_of(command.account_id.uuid());
        let mut stamp = Stamp::original(partition, Utc::now(), AccountingZone::default());
        let rows = state.entries.entry(partition).or_default();
        stamp.seq = Seq::try_from(rows.len()).expect("fits") + 1;
        stamp.epoch = EPOCH.epoch;
        let entry = Entry {
            stamp,
            request_id: command.request_id,
            account_id: command.account_id,
            previous_seq: 0,
            kind,
            outcome,
            available: FundsDelta {
                paid_coins: minus(after.paid_coins, before.paid_coins),
                promo_coins: minus(after.promo_coins, before.promo_coins),
            },
            held: FundsDelta::default(),
            after,
            held_after: Funds::default(),
            shortfall_coins: Coins::ZERO,
            origin_id,
            expires_at_ms: None,
            send,
            body_hash: command.body_hash,
        };
        rows.push(entry.clone());
        state.by_request.insert(command.request_id, entry.clone());
        state.accounts.insert(command.account_id, after);
        Ok((entry, Replay::First))
    }

    /// Sends rows over the bus as the relay would.
    pub async fn relay(&self, rows: Vec<Entry>) {
        let Some(stretch) = Stretch::of_rows(EPOCH, rows) else { return };
        let group = stretch.partition.group();
        let batch = BatchMessage::new(self.bus.lane(), self.bus.generation(), vec![stretch]);
        self.publish(group, &serde_json::json!({ "batch": batch })).await;
    }

    /// Publishes every head, closed up to now.
    pub async fn publish_marks(&self) {
        let marks = Partition::all().map(|partition| self.mark(partition)).collect();
        let message = MarksMessage {
            schema_version: SCHEMA_VERSION,
            log: LogName::Entries,
            lane: self.bus.lane().clone(),
            bus_generation: self.bus.generation(),
            marks,
        };
        for group in PartitionGroup::all() {
            self.publish(group, &serde_json::json!({ "marks": message })).await;
        }
    }

    fn mark(&self, partition: Partition) -> HeadMark {
        let last_seq = self.lock().entries.get(&partition).map_or(0, Vec::len);
        HeadMark {
            partition,
            epoch: EPOCH.epoch,
            last_seq: Seq::try_from(last_seq).expect("fits"),
            closed_until: Utc::now(),
        }
    }

    async fn publish(&self, group: PartitionGroup, message: &serde_json::Value) {
        let payload = Bytes::from(serde_json::to_vec(message).expect("plain values"));
        self.bus.publish(LogName::Entries.as_str(), group, payload).await.expect("the bus of a test is up");
    }
}

#[async_trait::async_trait]
impl Wallet for FakeWallet {
    async fn submit(&self, command: Command) -> Result<Answer, WalletError> {
        let mood = {
            let mut state = self.lock();
            state.submits += 1;
            state.mood
        };
        if mood == Mood::Away {
            return Err(WalletError::Unavailable("away".to_owned()));
        }
        let (entry, replay) = self.decide(&command)?;
        if replay == Replay::First {
            self.relay(vec![entry.clone()]).await;
        }
        match mood {
            Mood::Mute => return Err(WalletError::OutcomeUnknown),
            Mood::Slow(pause) => tokio::time::sleep(pause).await,
            Mood::Well | Mood::Away => {}
        }
        Ok(Answer { entry, replay })
    }

    async fn account(&self, account_id: ViewerId) -> Result<AccountView, WalletError> {
        Ok(AccountView {
            account_id,
            available: self.balance(account_id),
            held: Funds::default(),
            state: AccountState::Open,
            as_of_seq: 0,
        })
    }

    async fn find_entry(
        &self,
        account_id: ViewerId,
        request_id: RequestId,
    ) -> Result<Option<Entry>, WalletError> {
        let found = self.lock().by_request.get(&request_id).cloned();
        Ok(found.filter(|entry| entry.account_id == account_id))
    }

    async fn list_entries(
        &self,
        account_id: ViewerId,
        before_seq: Option<Seq>,
        limit: u16,
    ) -> Result<Vec<Entry>, WalletError> {
        let state = self.lock();
        let rows = state.entries.get(&partition_of(account_id.uuid())).into_iter().flatten().rev();
        let own = rows.filter(|entry| entry.account_id == account_id);
        let older = own.filter(|entry| before_seq.is_none_or(|before| entry.stamp.seq < before));
        Ok(older.take(limit.into()).cloned().collect())
    }
}

#[async_trait::async_trait]
impl LogSource<Entry> for FakeWallet {
    async fn read_after(
        &self,
        partition: Partition,
        after: Seq,
        limit: i64,
    ) -> Result<Page<Entry>, PullError> {
        let head = self.mark(partition);
        let state = self.lock();
        let rows =
            state.entries.get(&partition).into_iter().flatten().filter(|entry| entry.stamp.seq > after);
        let limit = usize::try_from(limit).expect("a limit is positive");
        Ok(Page { rows: rows.take(limit).cloned().collect(), epochs: vec![EPOCH], head })
    }
}
