//! The owning services: they do each command once per request id, and can be away, lose an answer, or refuse.

use chrono::NaiveDate;
use contracts::log::LogName;
use contracts::owner::{Adjusted, ClosedDay, SettleChannel};
use ids::RequestId;
use recon::{Action, ActionKind, Agreed, CommandError, Commands};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// How the owner answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Answers,
    /// Nothing is done.
    Away,
    /// It is done, and nobody hears of it.
    LosesAnswers,
    Refuses,
}

struct State {
    mood: Mood,
    done: BTreeMap<RequestId, Action>,
    asked: u32,
    closed_days: BTreeMap<NaiveDate, bool>,
    settled: Vec<SettleChannel>,
}

pub struct FakeOwner(Mutex<State>);

impl FakeOwner {
    pub fn new() -> Arc<FakeOwner> {
        let (done, closed_days) = (BTreeMap::new(), BTreeMap::new());
        let settled = Vec::new();
        Arc::new(FakeOwner(Mutex::new(State { mood: Mood::Answers, done, asked: 0, closed_days, settled })))
    }

    /// Closes a day; it holds what it was closed with, or not any more.
    pub fn close(&self, day: NaiveDate, is_as_closed: bool) {
        self.0.lock().expect("no test panics here").closed_days.insert(day, is_as_closed);
    }

    pub fn set_mood(&self, mood: Mood) {
        self.0.lock().expect("no test panics here").mood = mood;
    }

    /// What was done, in the order of request ids.
    pub fn done(&self) -> Vec<Action> {
        self.0.lock().expect("no test panics here").done.values().cloned().collect()
    }

    /// What channels have paid, in the order in which it was posted.
    pub fn settled(&self) -> Vec<SettleChannel> {
        self.0.lock().expect("no test panics here").settled.clone()
    }

    /// How often anything was asked for.
    pub fn asked(&self) -> u32 {
        self.0.lock().expect("no test panics here").asked
    }
}

fn record(request_id: RequestId, action: &Action) -> Value {
    json!({ "log": LogName::Entries.as_str(), "request_id": request_id, "action": action })
}

#[async_trait::async_trait]
impl Commands for FakeOwner {
    fn offers(&self, kind: ActionKind) -> bool {
        matches!(
            kind,
            ActionKind::GrantCoins
                | ActionKind::RefundOrder
                | ActionKind::Resettle
                | ActionKind::SettleReceivable
                | ActionKind::WriteOff
        )
    }

    async fn run(&self, request_id: RequestId, action: &Action, _: &Agreed) -> Result<Value, CommandError> {
        let mut state = self.0.lock().expect("no test panics here");
        state.asked += 1;
        let silent = || CommandError::NoAnswer("it is away".to_owned());
        match state.mood {
            Mood::Refuses => return Err(CommandError::Refused("over-refund".to_owned())),
            Mood::Away => return Err(silent()),
            Mood::Answers | Mood::LosesAnswers => {}
        }
        let first = state.done.entry(request_id).or_insert_with(|| action.clone()).clone();
        assert_eq!(first, *action, "one request id stands for one action");
        if state.mood == Mood::LosesAnswers { Err(silent()) } else { Ok(record(request_id, action)) }
    }

    async fn settle_channel(&self, ask: SettleChannel) -> Result<Adjusted, CommandError> {
        let mut state = self.0.lock().expect("no test panics here");
        let silent = || CommandError::NoAnswer("it is away".to_owned());
        match state.mood {
            Mood::Refuses => return Err(CommandError::Refused("no-such-account".to_owned())),
            Mood::Away => return Err(silent()),
            Mood::Answers | Mood::LosesAnswers => {}
        }
        let known = state.settled.iter().position(|known| known.request_id == ask.request_id);
        let at = known.unwrap_or(state.settled.len());
        if known.is_none() {
            state.settled.push(ask.clone());
        }
        assert_eq!(state.settled[at], ask, "one request id stands for one payment of a channel");
        let (request_id, posted_day) = (ask.request_id, ask.day);
        let partition = ids::partition_of(request_id.uuid());
        let voucher_seq = i64::try_from(at).expect("few") + 1;
        let posted = Adjusted { request_id, partition, voucher_seq, posted_day };
        if state.mood == Mood::LosesAnswers { Err(silent()) } else { Ok(posted) }
    }

    async fn look_at_closed_day(&self, before: NaiveDate) -> Result<Option<ClosedDay>, CommandError> {
        let state = self.0.lock().expect("no test panics here");
        match state.mood {
            Mood::Refuses => return Err(CommandError::Refused("nobody to ask".to_owned())),
            Mood::Away | Mood::LosesAnswers => return Err(CommandError::NoAnswer("it is away".to_owned())),
            Mood::Answers => {}
        }
        let newest = state.closed_days.range(..before).next_back();
        Ok(newest.map(|(day, is_as_closed)| ClosedDay { day: *day, is_as_closed: *is_as_closed }))
    }

    async fn list_changed_balances(&self, before: NaiveDate) -> Result<Vec<NaiveDate>, CommandError> {
        let state = self.0.lock().expect("no test panics here");
        let changed = state.closed_days.range(..before).filter(|(_, is_as_closed)| !**is_as_closed);
        Ok(changed.map(|(day, _)| *day).collect())
    }

    async fn find_proof(&self, request_id: RequestId, _: &Action) -> Result<Option<Value>, CommandError> {
        let state = self.0.lock().expect("no test panics here");
        if state.mood == Mood::Away {
            return Err(CommandError::NoAnswer("it is away".to_owned()));
        }
        Ok(state.done.get(&request_id).map(|action| record(request_id, action)))
    }
}
