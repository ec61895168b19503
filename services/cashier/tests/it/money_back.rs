//! Invariant under test: money that goes back is taken from the wallet once, whatever the channel calls it and whenever
//! it says so, and what the wallet could not take is owed.

use crate::till::{Till, chargeback, refund, says};
use axum::http::{Method, StatusCode};
use chrono::Utc;
use contracts::entry::{Entry, EntryKind, Funds, FundsDelta, Outcome};
use contracts::log::{AccountingZone, Stamp};
use contracts::owner::{
    AskRechargeRefunds, OwnerError, RechargeRefundState, RechargeRefunds, ReturnsRecharges, TellsEntries,
};
use ids::{RequestId, SendKey, Uuid, ViewerId, partition_of};
use money::Coins;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn coins(n: i64) -> Coins {
    Coins::try_new(n).expect("in range")
}

/// A wallet that has decided some withdrawals.
#[derive(Default)]
struct Decided(Mutex<HashMap<RequestId, Entry>>);

impl Decided {
    fn put(&self, viewer: ViewerId, request_id: RequestId, taken: i64, shortfall: i64) {
        let entry = Entry {
            stamp: Stamp::original(partition_of(viewer.uuid()), Utc::now(), AccountingZone::default()),
            request_id,
            account_id: viewer,
            previous_seq: 0,
            kind: EntryKind::Withdraw,
            outcome: Outcome::Accepted,
            available: FundsDelta { paid_coins: -taken, promo_coins: 0 },
            held: FundsDelta::default(),
            after: Funds::default(),
            held_after: Funds::default(),
            shortfall_coins: coins(shortfall),
            origin_id: None,
            expires_at_ms: None,
            send: None,
            body_hash: 0,
        };
        self.0.lock().expect("no test panics here").insert(request_id, entry);
    }
}

#[async_trait::async_trait]
impl TellsEntries for Decided {
    async fn entry_of(&self, _: ViewerId, request_id: RequestId) -> Result<Option<Entry>, OwnerError> {
        Ok(self.0.lock().expect("no test panics here").get(&request_id).cloned())
    }
}

async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..600 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn a_chargeback_before_its_payment_waits_for_it_and_counts_once() {
    let mut till = Till::open().await;
    let viewer = ViewerId::now();
    let id = till.recharge(viewer, 600).await;
    let early = chargeback("cb-1", "wx-1", &id, 600);
    assert_eq!(till.callback(&early).await.outcome(), ("kept_aside", "first"));
    till.stop().await;
    till.start("a").await;
    assert_eq!(
        till.callback(&says("payment_succeeded", "wx-1", &id, 600)).await.outcome(),
        ("credited", "first")
    );
    assert_eq!(till.callback(&early).await.outcome(), ("taken_back", "replayed"));
    assert_eq!((till.coins_due().await, till.state_of(viewer, &id).await.as_str()), (0, "refunded"));
    let same_id = till.callback(&refund("cb-1", "wx-1", &id, 600)).await;
    assert_eq!((same_id.status, same_id.slug()), (StatusCode::CONFLICT, "callback-contradicts"));
    assert_eq!(till.callback(&refund("rf-1", "wx-1", &id, 1)).await.body["refusal"], "over-refund");
    till.stop().await;
}

#[tokio::test]
async fn the_sandbox_makes_refunds_and_chargebacks_in_part_and_whole() {
    let mut till = Till::open().await;
    let viewer = ViewerId::now();
    let id = till.recharge(viewer, 600).await;
    let pay = async |till: &Till, more: Value| {
        let mut body = json!({ "recharge_id": id });
        body.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        till.as_viewer(viewer, (Method::POST, "/v1/sandbox/payments"), SendKey::now(), body).await
    };
    assert_eq!(pay(&till, json!({ "amount_minor": 1 })).await.slug(), "callback-malformed");
    assert_eq!(pay(&till, json!({ "refund": true, "chargeback": true })).await.slug(), "callback-malformed");
    assert_eq!(pay(&till, json!({})).await.outcome(), ("credited", "first"));
    assert_eq!(
        pay(&till, json!({ "refund": true, "amount_minor": 100 })).await.outcome(),
        ("taken_back", "first")
    );
    assert_eq!(
        pay(&till, json!({ "chargeback": true, "amount_minor": 500 })).await.outcome(),
        ("taken_back", "first")
    );
    assert_eq!(
        pay(&till, json!({ "chargeback": true, "amount_minor": 500 })).await.outcome(),
        ("taken_back", "replayed")
    );
    assert_eq!((till.coins_due().await, till.state_of(viewer, &id).await.as_str()), (0, "refunded"));
    till.stop().await;
}

#[tokio::test]
async fn what_the_wallet_could_not_take_is_owed_by_the_viewer() {
    let mut till = Till::open().await;
    let (viewer, honest) = (ViewerId::now(), ViewerId::now());
    for (viewer, payment) in [(viewer, "wx-1"), (honest, "wx-2")] {
        let id = till.recharge(viewer, 600).await;
        till.callback(&says("payment_succeeded", payment, &id, 600)).await;
        let told = till.callback(&chargeback(&format!("cb-{payment}"), payment, &id, 600)).await;
        assert_eq!(told.outcome(), ("taken_back", "first"));
    }
    let wallet = Arc::new(Decided::default());
    let back: Vec<_> =
        till.payments().await.into_iter().filter(|payment| payment.refunds.is_some()).collect();
    assert_eq!(back.len(), 2);
    let owner = till.running.as_ref().expect("it runs").owner();
    owner.meet_wallet(wallet.clone());
    assert_eq!(till.receivables().await, json!([]));
    for payment in &back {
        let owed = if payment.account_id == viewer { 4_000 } else { 0 };
        wallet.put(payment.account_id, payment.payment_id.wallet_request(), 6_000 - owed, owed);
    }
    until("both are known", || async {
        till.count("SELECT count(*) FROM {s}.withdrawals WHERE known_at IS NULL").await == 0
    })
    .await;
    let owed = till.receivables().await;
    assert_eq!((&owed[0]["viewer_id"], &owed[0]["shortfall_coins"]), (&json!(viewer), &json!(4_000)));
    assert_eq!(owed.as_array().map(Vec::len), Some(1));
    till.stop().await;
}

#[tokio::test]
async fn a_cases_money_goes_back_once_by_the_channels_own_word_newest_recharge_first() {
    let mut till = Till::open().await;
    let viewer = ViewerId::now();
    let mut recharges = Vec::new();
    for (minor, payment) in [(600, "wx-1"), (100, "wx-2")] {
        let id = till.recharge(viewer, minor).await;
        till.callback(&says("payment_succeeded", payment, &id, minor)).await;
        recharges.push(id);
    }
    let owner = till.running.as_ref().expect("it runs").owner();
    let case_id = Uuid::now_v7();
    let ask = AskRechargeRefunds { case_id, viewer_id: viewer, coins: coins(3_005) };
    let first = owner.return_recharges(ask.clone()).await.expect("it is asked");
    let of = |money: &RechargeRefunds| {
        let mut refunds: Vec<_> =
            money.refunds.iter().map(|one| (one.recharge_id.to_string(), one.amount_minor)).collect();
        refunds.sort_by_key(|(_, minor)| *minor);
        refunds
    };
    assert_eq!(of(&first), [(recharges[1].clone(), 100), (recharges[0].clone(), 200)]);
    assert_eq!(first.left_coins.get(), 5, "half a fen stays in the wallet");
    let other = AskRechargeRefunds { coins: coins(10), ..ask.clone() };
    assert!(
        matches!(owner.return_recharges(other).await, Err(OwnerError::Refused { slug, .. }) if slug == "request-reused")
    );
    // A restart in between asks for nothing twice; the sandbox says so by callbacks of its own.
    till.stop().await;
    till.start("a").await;
    let owner = till.running.as_ref().expect("it runs").owner();
    let done = || async { owner.return_recharges(ask.clone()).await.is_ok_and(|money| money.is_done()) };
    until("the channels have said so", done).await;
    let money = owner.return_recharges(ask.clone()).await.expect("it is known");
    assert!(money.refunds.iter().all(|one| one.state == RechargeRefundState::Done), "{money:?}");
    assert_eq!(till.coins_due().await, 7_000 - 3_000);
    let next = AskRechargeRefunds { case_id: Uuid::now_v7(), coins: coins(9_000), ..ask };
    let rest = owner.return_recharges(next).await.expect("it is asked");
    assert_eq!((of(&rest), rest.left_coins.get()), (vec![(recharges[0].clone(), 400)], 5_000));
    till.stop().await;
}
