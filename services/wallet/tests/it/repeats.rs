//! Invariant under test: one request id has one decision, for ever, and its body is what the client sent.

use crate::bank::{Bank, account_of, coins, debit, order_of, outcome, problem, send};
use chrono::TimeDelta;
use contracts::entry::{Funds, Outcome};
use contracts::wallet::{Act, Command, RefundAmount, Replay, Verdict, Wallet};
use ids::{Partition, RequestId, ViewerId};

#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_moves_nothing() {
    let bank = Bank::open().await;
    let ann = bank.account_with(100).await;
    let request_id = bank.request();
    let first = bank.submit_as(request_id, ann, debit(30)).await.expect("ann has 100");
    bank.recharge(ann, 1, 0).await;
    let again = bank.submit_as(request_id, ann, debit(30)).await.expect("the same answer");
    assert_eq!((first.replay, again.replay), (Replay::First, Replay::Replayed));
    assert_eq!(again.entry, first.entry, "the answer is the entry, not anything newer");
    assert_eq!(bank.balance(ann).await, (71, 0));
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn a_key_with_another_amount_is_refused_and_moves_nothing() {
    let bank = Bank::open().await;
    let ann = bank.account_with(100).await;
    let request_id = bank.request();
    bank.submit_as(request_id, ann, debit(30)).await.expect("ann has 100");
    assert_eq!(problem(bank.submit_as(request_id, ann, debit(31)).await), "request-reused");
    assert_eq!(bank.balance(ann).await, (70, 0));
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn a_refusal_is_pinned_even_when_coins_come_later() {
    let bank = Bank::open().await;
    let ann = bank.account_with(10).await;
    let request_id = bank.request();
    assert_eq!(outcome(bank.submit_as(request_id, ann, debit(30)).await), Outcome::NotEnoughCoins);
    bank.recharge(ann, 100, 0).await;
    assert_eq!(outcome(bank.submit_as(request_id, ann, debit(30)).await), Outcome::NotEnoughCoins);
    assert_eq!(bank.balance(ann).await, (110, 0));
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn gifts_own_verdicts_are_pinned_and_charge_nothing() {
    let bank = Bank::open().await;
    let ann = bank.account_with(10).await;
    for (verdict, expected) in
        [(Verdict::RoomClosed, Outcome::RoomClosed), (Verdict::GiftOffShelf, Outcome::GiftOffShelf)]
    {
        let act = Act::Debit { charge_coins: coins(1), send: send(), verdict };
        assert_eq!(outcome(bank.submit(ann, act).await), expected);
    }
    assert_eq!(bank.balance(ann).await, (10, 0));
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn a_hundred_copies_in_one_breath_charge_once() {
    let bank = Bank::open().await;
    let ann = bank.account_with(100).await;
    let request_id = bank.request();
    let act = debit(30);
    let body_hash = contracts::digest::body_hash(&act);
    let command = Command { request_id, account_id: ann, body_hash, act };
    let answers = bank.wallet().submit_all(vec![command; 100]).await;
    let firsts = answers.iter().filter(|a| a.as_ref().is_ok_and(|a| a.replay == Replay::First)).count();
    let entries: Vec<_> = answers.into_iter().map(|answer| answer.expect("an answer").entry).collect();
    assert_eq!(firsts, 1);
    assert!(entries.iter().all(|entry| *entry == entries[0]));
    assert_eq!(bank.balance(ann).await, (70, 0));
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn opposite_traffic_on_one_account_adds_up() {
    let bank = Bank::open().await;
    let ann = bank.account_with(1_000).await;
    let mut commands = Vec::new();
    for _ in 0..500 {
        for act in
            [debit(2), Act::Compensation { funds: Funds { paid_coins: coins(2), promo_coins: coins(1) } }]
        {
            let body_hash = contracts::digest::body_hash(&act);
            commands.push(Command { request_id: bank.request(), account_id: ann, body_hash, act });
        }
    }
    let answers = bank.wallet().submit_all(commands).await;
    let spent: i64 = answers
        .iter()
        .map(|answer| answer.as_ref().expect("decided").entry.spent())
        .map(|spent| spent.paid_coins.get() + spent.promo_coins.get())
        .sum();
    let (paid, promo) = bank.balance(ann).await;
    assert_eq!(spent, 1_000);
    assert_eq!(paid + promo, 1_000 + 500 * 3 - spent);
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn an_order_refunded_twice_at_once_comes_back_once() {
    let bank = Bank::open().await;
    let ann = ViewerId::now();
    bank.recharge(ann, 50, 20).await;
    let order_id = order_of(&bank.debit(ann, 30).await.expect("ann has 70"));
    let refund = |request_id| {
        let act = Act::Refund { order_id, amount: RefundAmount::AllLeft };
        Command { request_id, account_id: ann, body_hash: contracts::digest::body_hash(&act), act }
    };
    let commands = vec![refund(bank.request()), refund(order_id.refund_request()), refund(bank.request())];
    let mut outcomes: Vec<_> = bank.wallet().submit_all(commands).await.into_iter().map(outcome).collect();
    outcomes.sort();
    assert_eq!(outcomes, [Outcome::Accepted, Outcome::OverRefund, Outcome::OverRefund]);
    assert_eq!(outcome(bank.submit(ann, refund(bank.request()).act).await), Outcome::OverRefund);
    assert_eq!(bank.balance(ann).await, (50, 20), "to the funds they came from");
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn a_partial_refund_gives_paid_coins_back_before_promotional_ones() {
    let bank = Bank::open().await;
    let ann = ViewerId::now();
    bank.recharge(ann, 10, 20).await;
    let order_id = order_of(&bank.debit(ann, 25).await.expect("ann has 30"));
    let back = |amount| Act::Refund { order_id, amount: RefundAmount::Coins(coins(amount)) };
    assert_eq!(outcome(bank.submit(ann, back(7)).await), Outcome::Accepted);
    assert_eq!(bank.balance(ann).await, (10, 2));
    assert_eq!(outcome(bank.submit(ann, back(19)).await), Outcome::OverRefund);
    assert_eq!(outcome(bank.submit(ann, back(18)).await), Outcome::Accepted);
    assert_eq!(bank.balance(ann).await, (10, 20));
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn an_order_of_another_account_cannot_be_refunded() {
    let bank = Bank::open().await;
    let partition = Partition::try_new(3).expect("it exists");
    let (ann, bob) = (account_of(partition), account_of(partition));
    bank.recharge(ann, 50, 0).await;
    let order_id = order_of(&bank.debit(ann, 30).await.expect("ann has 50"));
    let act = Act::Refund { order_id, amount: RefundAmount::AllLeft };
    assert_eq!(outcome(bank.submit(bob, act).await), Outcome::NoSuchOrigin);
    assert_eq!(bank.balance(bob).await, (0, 0));
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn frozen_accounts_receive_and_do_not_spend() {
    let bank = Bank::open().await;
    let ann = bank.account_with(50).await;
    let order_id = order_of(&bank.debit(ann, 20).await.expect("ann has 50"));
    assert_eq!(outcome(bank.submit(ann, Act::Freeze).await), Outcome::Accepted);
    assert_eq!(outcome(bank.debit(ann, 1).await), Outcome::Frozen);
    bank.recharge(ann, 5, 0).await;
    assert_eq!(outcome(bank.refund(ann, order_id).await), Outcome::Accepted);
    assert_eq!(bank.balance(ann).await, (55, 0));
    assert_eq!(outcome(bank.submit(ann, Act::Unfreeze).await), Outcome::Accepted);
    assert_eq!(outcome(bank.debit(ann, 1).await), Outcome::Accepted);
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn wrong_shapes_are_errors_and_are_not_pinned() {
    let bank = Bank::open().await;
    let ann = bank.account_with(50).await;
    let request_id = bank.request();
    assert_eq!(problem(bank.submit_as(request_id, ann, debit(0)).await), "bad-command");
    assert_eq!(outcome(bank.submit_as(request_id, ann, debit(1)).await), Outcome::Accepted);
    let shadow = RequestId::from_uuid(ids::with_version(bank.request().uuid(), 8));
    assert_eq!(problem(bank.submit_as(shadow, ann, debit(1)).await), "bad-command");
    bank.pass(TimeDelta::days(1));
    let future = bank.request();
    bank.pass(TimeDelta::days(-1));
    assert_eq!(problem(bank.submit_as(future, ann, debit(1)).await), "bad-command");
    bank.pass(TimeDelta::days(-500));
    let past = bank.request();
    bank.pass(TimeDelta::days(500));
    assert_eq!(problem(bank.submit_as(past, ann, debit(1)).await), "bad-command");
    assert_eq!(bank.balance(ann).await, (49, 0));
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn the_days_limit_ends_at_midnight_of_the_accounting_zone() {
    let mut config = crate::bank::config();
    config.day_limit_coins = coins(100);
    let bank = Bank::open_with(config).await;
    let ann = bank.account_with(1_000).await;
    assert_eq!(outcome(bank.debit(ann, 100).await), Outcome::Accepted);
    assert_eq!(outcome(bank.debit(ann, 1).await), Outcome::OverDayLimit);
    let zone = contracts::log::AccountingZone::default();
    let today = zone.day_of(bank.now());
    let mut hours = 0;
    while zone.day_of(bank.now() + TimeDelta::hours(hours)) == today {
        assert_eq!(outcome(bank.debit(ann, 1).await), Outcome::OverDayLimit);
        hours += 1;
    }
    bank.pass(TimeDelta::hours(hours));
    assert_eq!(outcome(bank.debit(ann, 100).await), Outcome::Accepted);
    assert_eq!(outcome(bank.debit(ann, 1).await), Outcome::OverDayLimit);
    assert_eq!(bank.balance(ann).await, (800, 0));
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn an_accounts_history_is_newest_first_and_paged() {
    let bank = Bank::open().await;
    let ann = bank.account_with(50).await;
    for charge in 1..=5 {
        bank.debit(ann, charge).await.expect("ann has enough");
    }
    let newest = bank.wallet().list_entries(ann, None, 2).await.expect("a page");
    let older = bank.wallet().list_entries(ann, Some(newest[1].stamp.seq), 200).await.expect("a page");
    let charges: Vec<i64> = newest.iter().chain(&older).map(|entry| entry.available.paid_coins).collect();
    assert_eq!(charges, [-5, -4, -3, -2, -1, 50]);
    let found = bank.wallet().find_entry(ann, newest[0].request_id).await.expect("a read");
    assert_eq!(found.as_ref(), Some(&newest[0]));
    assert_eq!(bank.wallet().find_entry(ann, bank.request()).await.expect("a read"), None);
    bank.assert_books_balance().await;
}
