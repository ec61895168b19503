//! Invariant under test: rules heal what they name, once, with proof kept, and never past their caps.

use crate::database::{Bench, coins, debit, item, noon, order, stamp};
use crate::desk_api::DeskApi;
use crate::fake_owner::Mood;
use contracts::item::ItemKind;
use contracts::order::OrderKind;
use edge::Role;
use ids::OrderId;
use money::Coins;
use recon::{Action, ActionKind, BreakKind, Config, HealingRule};

async fn bench(tune: impl Fn(&mut Config) + Send + Sync + 'static) -> Bench {
    let mut bench = Bench::open().await;
    bench.tune = Box::new(move |config| {
        config.open_after_s = 0;
        config.healing.after_s = 0;
        tune(config);
    });
    bench
}

const HEALED: &str = "SELECT count(*) FROM {s}.breaks WHERE kind <> 'missing_voucher' AND closed_why = 2";

#[tokio::test]
async fn a_viewer_whose_order_nobody_knows_gets_the_coins_back_and_the_proof_is_kept() {
    let bench = bench(|_| {}).await;
    let spent = debit(&stamp(1, noon()), OrderId::now(), 70);
    let viewer_id = spent.account_id;
    bench.entries.push(spent);
    let running = bench.start().await;
    bench.until_applied().await;
    bench.close_and_compare(&running, noon()).await;
    bench.until("it is healed", || async { bench.count(HEALED).await == 1 }).await;
    let funds = contracts::entry::Funds { paid_coins: coins(70), promo_coins: Coins::ZERO };
    assert_eq!(bench.owner.done(), [Action::GrantCoins { viewer_id, funds }]);
    let api = DeskApi::of(&running);
    let auditor = api.person(Role::Auditor, "aud");
    let found = api.only_break(&auditor, "missing_order").await;
    let detail = api.detail(&auditor, found["break_id"].as_str().expect("an id")).await;
    assert_eq!(detail["proposals"][0]["rule"], "missing_order:grant_coins");
    assert_eq!(detail["proposals"][0].get("checker_id"), None);
    assert!(detail["proposals"][0]["effect"]["proof"].is_object(), "{detail}");
    let acts: Vec<&str> = detail["history"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|step| step["act"].as_str())
        .collect();
    assert_eq!(acts, ["closed", "posted", "healed", "opened", "detected"]);
    running.shutdown().await;
}

#[tokio::test]
async fn coins_that_an_order_says_came_back_are_given_back_and_a_delivered_order_is_left_to_people() {
    let bench = bench(|_| {}).await;
    let [lost, delivered] = [OrderId::now(), OrderId::now()];
    let at = stamp(1, noon());
    let returned = order(&at, lost, OrderKind::ReturnedUndelivered, 30);
    let viewer_id = returned.viewer_id;
    bench.orders.push(returned);
    bench.orders.push(order(&at, delivered, OrderKind::RefundedDelivered, 40));
    let running = bench.start().await;
    bench.until_applied().await;
    bench.close_and_compare(&running, noon()).await;
    bench.until("it is healed", || async { bench.count(HEALED).await == 1 }).await;
    let refund = Action::RefundOrder { order_id: lost, viewer_id: Some(viewer_id) };
    assert_eq!(bench.owner.done(), [refund]);
    let open = "SELECT count(*) FROM {s}.breaks WHERE kind = 'extra_return' AND state = 2";
    assert_eq!(bench.count(open).await, 1, "a second reversal would stop settlement");
    running.shutdown().await;
}

#[tokio::test]
async fn a_cap_of_count_or_of_coins_stops_healing_and_says_so_once() {
    for (count_max, coins_max, healed) in [(2, 1_000_000, 2), (100, 25, 2), (0, 0, 0)] {
        let bench = bench(move |config| {
            config.healing.count_max_per_hour = count_max;
            config.healing.coins_max_per_hour = coins_max;
        })
        .await;
        for _ in 0..4 {
            bench.entries.push(debit(&stamp(1, noon()), OrderId::now(), 10));
        }
        let running = bench.start().await;
        bench.until_applied().await;
        bench.close_and_compare(&running, noon()).await;
        let capped = "SELECT count(*) FROM {s}.audit_trail WHERE act = 'capped'";
        bench.until("a cap is told of", || async { bench.count(capped).await == 1 }).await;
        bench.until("the others are healed", || async { bench.count(HEALED).await == healed }).await;
        let open = "SELECT count(*) FROM {s}.breaks WHERE kind = 'missing_order' AND state = 2";
        assert_eq!(bench.count(open).await, 4 - healed);
        assert_eq!(i64::try_from(bench.owner.done().len()).expect("few"), healed);
        assert_eq!(bench.count(capped).await, 1);
        running.shutdown().await;
    }
}

#[tokio::test]
async fn a_refused_healing_is_left_to_people_and_not_tried_again() {
    let bench = bench(|_| {}).await;
    bench.owner.set_mood(Mood::Refuses);
    bench.entries.push(debit(&stamp(1, noon()), OrderId::now(), 10));
    let running = bench.start().await;
    bench.until_applied().await;
    bench.close_and_compare(&running, noon()).await;
    let failed = "SELECT count(*) FROM {s}.audit_trail WHERE act = 'not_healed'";
    bench.until("it is refused", || async { bench.count(failed).await == 1 }).await;
    let turns = bench.owner.asked();
    bench.owner.set_mood(Mood::Answers);
    // Another break is healed after it, so there was a turn that could have tried it again.
    bench.entries.push(debit(&stamp(2, noon() + chrono::TimeDelta::minutes(3)), OrderId::now(), 10));
    bench.until_applied().await;
    bench.close_and_compare(&running, noon() + chrono::TimeDelta::minutes(3)).await;
    bench.until("the other is healed", || async { bench.count(HEALED).await == 1 }).await;
    assert_eq!((bench.owner.asked() - turns, bench.owner.done().len()), (1, 1));
    running.shutdown().await;
}

#[tokio::test]
async fn an_order_without_an_item_is_settled_anew_by_its_own_row() {
    let bench = bench(|config| {
        config.healing.rules =
            vec![HealingRule { kind: BreakKind::MissingItem, action: ActionKind::Resettle }];
    })
    .await;
    let at = stamp(1, noon());
    let [before, missed] = [OrderId::now(), OrderId::now()];
    for order_id in [before, missed] {
        bench.entries.push(debit(&at, order_id, 70));
        bench.orders.push(order(&at, order_id, OrderKind::Delivered, 70));
    }
    bench.items.push(item(&at, before, ItemKind::Settled, 70));
    let running = bench.start().await;
    bench.until_applied().await;
    bench.close_and_compare(&running, noon()).await;
    bench.until("it is healed", || async { bench.owner.done().len() == 1 }).await;
    assert_eq!(bench.owner.done(), [Action::Resettle { order_id: missed, order_seq: Some(2) }]);
    running.shutdown().await;
}
