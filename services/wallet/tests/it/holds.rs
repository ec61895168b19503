//! Invariant under test: a hold ends exactly once, captured, released or expired, and never loses a coin.

use crate::bank::{Bank, coins, debit, outcome, send, wait_until};
use chrono::TimeDelta;
use contracts::entry::Outcome;
use contracts::wallet::{Act, Answer};
use ids::{HoldId, ViewerId};

impl Bank {
    async fn hold(&self, account_id: ViewerId, amount: i64, lasts: TimeDelta) -> HoldId {
        let expires_at_ms = (self.now() + lasts).timestamp_millis();
        let answer: Answer = self
            .submit(account_id, Act::HoldPlace { coins: coins(amount), expires_at_ms })
            .await
            .expect("decided");
        assert_eq!(answer.outcome(), Outcome::Accepted);
        HoldId::from_uuid(answer.entry.request_id.uuid())
    }

    async fn held(&self, account_id: ViewerId) -> i64 {
        let held = self.view(account_id).await.held;
        held.paid_coins.get() + held.promo_coins.get()
    }
}

fn capture(hold_id: HoldId, charge: i64) -> Act {
    Act::HoldCapture { hold_id, charge_coins: coins(charge), send: send() }
}

#[tokio::test]
async fn a_capture_spends_what_is_held_and_returns_the_rest() {
    let bank = Bank::open().await;
    let ann = ViewerId::now();
    bank.recharge(ann, 50, 10).await;
    let hold_id = bank.hold(ann, 30, TimeDelta::minutes(1)).await;
    assert_eq!((bank.balance(ann).await, bank.held(ann).await), ((30, 0), 30));
    assert_eq!(outcome(bank.debit(ann, 31).await), Outcome::NotEnoughCoins);
    assert_eq!(outcome(bank.submit(ann, capture(hold_id, 31)).await), Outcome::NotEnoughCoins);
    assert_eq!(outcome(bank.submit(ann, capture(hold_id, 12)).await), Outcome::Accepted);
    assert_eq!((bank.balance(ann).await, bank.held(ann).await), ((48, 0), 0));
    assert_eq!(outcome(bank.submit(ann, capture(hold_id, 1)).await), Outcome::HoldEnded);
    assert_eq!(outcome(bank.submit(ann, Act::HoldRelease { hold_id }).await), Outcome::HoldEnded);
    let never = HoldId::now();
    assert_eq!(outcome(bank.submit(ann, Act::HoldRelease { hold_id: never }).await), Outcome::NoSuchOrigin);
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn a_released_hold_comes_back_whole() {
    let bank = Bank::open().await;
    let ann = ViewerId::now();
    bank.recharge(ann, 50, 10).await;
    let hold_id = bank.hold(ann, 30, TimeDelta::minutes(1)).await;
    assert_eq!(outcome(bank.submit(ann, Act::HoldRelease { hold_id }).await), Outcome::Accepted);
    assert_eq!((bank.balance(ann).await, bank.held(ann).await), ((50, 10), 0));
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn a_hold_expires_by_itself_once_also_after_a_crash() {
    let mut bank = Bank::open().await;
    let ann = bank.account_with(50).await;
    let first = bank.hold(ann, 10, TimeDelta::minutes(1)).await;
    bank.stop().await; // The first hold is in a snapshot now,
    bank.start_again().await;
    let second = bank.hold(ann, 15, TimeDelta::minutes(2)).await;
    bank.crash(); // the second one only in the tail.
    bank.start_again().await;
    assert_eq!(bank.held(ann).await, 25);
    bank.pass(TimeDelta::seconds(61));
    assert_eq!(outcome(bank.submit(ann, capture(first, 1)).await), Outcome::HoldEnded);
    wait_until("the first hold expired", async || bank.held(ann).await == 15).await;
    bank.pass(TimeDelta::seconds(60));
    wait_until("the second hold expired", async || bank.held(ann).await == 0).await;
    assert_eq!(bank.balance(ann).await, (50, 0));
    assert_eq!(outcome(bank.submit(ann, Act::HoldRelease { hold_id: second }).await), Outcome::HoldEnded);
    let expiries: i64 = sqlx::query_scalar(bank.db.sql("SELECT count(*) FROM {s}.entries WHERE kind = 8"))
        .fetch_one(bank.db.pool())
        .await
        .expect("a count");
    assert_eq!(expiries, 2);
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn coins_on_hold_count_against_the_days_limit() {
    let mut config = crate::bank::config();
    config.day_limit_coins = coins(100);
    let bank = Bank::open_with(config).await;
    let ann = bank.account_with(500).await;
    let hold_id = bank.hold(ann, 60, TimeDelta::minutes(1)).await;
    assert_eq!(outcome(bank.submit(ann, debit(41)).await), Outcome::OverDayLimit);
    assert_eq!(outcome(bank.submit(ann, capture(hold_id, 60)).await), Outcome::Accepted);
    assert_eq!(outcome(bank.submit(ann, debit(41)).await), Outcome::OverDayLimit);
    assert_eq!(outcome(bank.submit(ann, debit(40)).await), Outcome::Accepted);
    bank.assert_books_balance().await;
}
