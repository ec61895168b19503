//! A cashier in small: it keeps what it was asked to send back, and says that it did when a test lets it.

use contracts::owner::{
    AskRechargeRefunds, OwnerError, RechargeRefund, RechargeRefundState, RechargeRefunds, ReturnsRecharges,
};
use ids::{RechargeId, Uuid};
use money::Coins;
use std::collections::BTreeMap;
use std::sync::Mutex;

#[derive(Default)]
struct State {
    asked: BTreeMap<Uuid, AskRechargeRefunds>,
    is_slow: bool,
}

#[derive(Default)]
pub struct FakeCashier(Mutex<State>);

impl FakeCashier {
    /// Whether channels say nothing.
    pub fn set_slow(&self, is_slow: bool) {
        self.0.lock().expect("no test panics here").is_slow = is_slow;
    }

    /// Coins whose money was asked for, by case.
    pub fn asked(&self) -> BTreeMap<Uuid, Coins> {
        let state = self.0.lock().expect("no test panics here");
        state.asked.iter().map(|(case_id, ask)| (*case_id, ask.coins)).collect()
    }
}

#[async_trait::async_trait]
impl ReturnsRecharges for FakeCashier {
    async fn return_recharges(&self, ask: AskRechargeRefunds) -> Result<RechargeRefunds, OwnerError> {
        let mut state = self.0.lock().expect("no test panics here");
        let first = state.asked.entry(ask.case_id).or_insert_with(|| ask.clone()).clone();
        assert_eq!(first, ask, "a case asks for one sum");
        let done = if state.is_slow { RechargeRefundState::Asked } else { RechargeRefundState::Done };
        let refund = RechargeRefund {
            refund_id: ask.case_id,
            recharge_id: RechargeId::from_uuid(ask.case_id),
            channel: "sandbox".to_owned(),
            channel_payment_id: "sandbox-1".to_owned(),
            amount_minor: ask.coins.get() / 10,
            currency: "CNY".to_owned(),
            coins: ask.coins,
            state: done,
        };
        Ok(RechargeRefunds { refunds: vec![refund], left_coins: Coins::ZERO })
    }
}
