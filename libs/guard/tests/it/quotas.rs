//! Invariant under test: a key gets its rate and its burst, no more and no less, and other keys do not feel it.

use guard::{NEWS_LEN_MAX, OVERRIDES_MAX, Quotas, Rate, RateError, Reason, Refusal, Scope};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;
const ANN: &[(Scope, u128)] = &[(Scope::Viewer, 1)];

fn rate(per_second: u32, burst: u32) -> Option<Rate> {
    Some(Rate::try_new(per_second, Duration::from_secs(1), burst).expect("a good rate"))
}

fn quotas(scope: Scope, per_second: u32, burst: u32) -> Quotas {
    let quotas = Quotas::new(1_024);
    quotas.set(scope, rate(per_second, burst));
    quotas
}

/// How many of `tries` at once get through.
fn taken(quotas: &Quotas, now_ns: u64, keys: &[(Scope, u128)], tries: u32) -> u32 {
    (0..tries).map(|_| u32::from(quotas.try_take_at(now_ns, keys, 1).is_ok())).sum()
}

#[test]
fn a_burst_passes_at_once_and_then_the_rate() {
    let quotas = quotas(Scope::Viewer, 10, 5);
    assert_eq!(taken(&quotas, SECOND, ANN, 50), 5);
    let mut passed = 0;
    for tick in 1..=1_000 {
        passed += taken(&quotas, SECOND + tick * 10 * MS, ANN, 3);
    }
    assert_eq!(passed, 100, "in ten seconds");
}

#[test]
fn whoever_comes_back_after_the_time_named_gets_through_and_not_before() {
    let quotas = quotas(Scope::Room, 3, 1);
    let room = &[(Scope::Room, 7)];
    assert_eq!(taken(&quotas, SECOND, room, 1), 1);
    let refusal = quotas.try_take_at(SECOND + 100 * MS, room, 1).expect_err("one in a third of a second");
    assert_eq!(refusal.reason, Reason::RoomQuota);
    let wait = u64::try_from(refusal.retry_after.as_nanos()).expect("short");
    assert_eq!(taken(&quotas, SECOND + 100 * MS + wait - 1, room, 1), 0);
    assert_eq!(taken(&quotas, SECOND + 100 * MS + wait, room, 1), 1);
    assert_eq!(refusal.retry_after_s(), 1, "a header has whole seconds, rounded up");
}

#[test]
fn without_a_rate_and_in_other_scopes_and_for_other_keys_there_is_no_limit() {
    let quotas = quotas(Scope::Viewer, 1, 1);
    assert_eq!(taken(&quotas, SECOND, ANN, 9), 1);
    assert_eq!(taken(&quotas, SECOND, &[(Scope::Viewer, 2)], 9), 1);
    assert_eq!(taken(&quotas, SECOND, &[(Scope::Room, 1)], 9), 9);
}

#[test]
fn a_refusal_of_one_key_takes_nothing_from_the_others() {
    let quotas = quotas(Scope::Viewer, 1, 3);
    quotas.set(Scope::Room, rate(1, 1));
    let both = |viewer| [(Scope::Viewer, viewer), (Scope::Room, 9)];
    assert!(quotas.try_take_at(SECOND, &both(1), 1).is_ok());
    for _ in 0..10 {
        let refused = quotas.try_take_at(SECOND, &both(1), 1).map_err(|refusal| refusal.reason);
        assert_eq!(refused, Err(Reason::RoomQuota));
    }
    assert_eq!(taken(&quotas, SECOND, ANN, 9), 2, "two of three were left");
}

#[test]
fn nodes_that_tell_each_other_let_no_more_through_than_one_node_would() {
    let nodes: Vec<Quotas> = (0..4).map(|_| quotas(Scope::Room, 100, 20)).collect();
    let room = &[(Scope::Room, 7)];
    let (mut full_at_ns, mut passed) = (0_u64, 0);
    for tick in 0..1_000_u64 {
        let now_ns = SECOND + tick * 10 * MS;
        passed += nodes.iter().map(|node| taken(node, now_ns, room, 5)).sum::<u32>();
        for node in nodes.iter().filter(|_| tick % 10 == 9) {
            for news in node.news_at(now_ns) {
                assert_eq!((news.scope, news.key), room[0]);
                let refill_ns = u64::try_from(news.refill.as_nanos()).expect("short");
                full_at_ns = full_at_ns.max(now_ns) + refill_ns;
                node.learn_at(now_ns, Scope::Room, 7, Duration::from_nanos(full_at_ns - now_ns));
            }
        }
    }
    // 1,000 in ten seconds and the burst. What four nodes let through before they told is waited for afterwards.
    assert!((900..=1_120).contains(&passed), "{passed} passed");
}

#[test]
fn what_was_given_back_or_has_no_rate_is_no_news() {
    let quotas = quotas(Scope::Viewer, 1, 3);
    quotas.set(Scope::Room, rate(1, 1));
    let both = [(Scope::Viewer, 1), (Scope::Room, 9), (Scope::Tenant, 4)];
    assert!(quotas.try_take_at(SECOND, &both, 1).is_ok());
    assert!(quotas.try_take_at(SECOND, &both, 1).is_err(), "the viewer's is given back");
    let told: Vec<_> =
        quotas.news_at(SECOND).iter().map(|news| (news.scope, news.key, news.refill.as_secs())).collect();
    assert_eq!(told, [(Scope::Viewer, 1, 1), (Scope::Room, 9, 1)]);
    assert!(quotas.news_at(SECOND).is_empty(), "it was told");
    assert_eq!(taken(&quotas, SECOND, ANN, 1), 1);
    quotas.learn_at(SECOND, Scope::Viewer, 1, Duration::from_secs(2));
    assert_eq!(taken(&quotas, SECOND, ANN, 9), 0, "two that all took and one untold are the burst");
    assert_eq!(taken(&quotas, 2 * SECOND, ANN, 9), 1);
}

#[test]
fn a_key_that_found_the_news_full_is_told_the_next_time() {
    let quotas = Quotas::new(1 << 20);
    quotas.set(Scope::Viewer, rate(1_000, 9));
    let all = u128::try_from(NEWS_LEN_MAX).expect("small") + 1;
    let take = |viewer| assert!(quotas.try_take_at(SECOND, &[(Scope::Viewer, viewer)], 1).is_ok());
    (1..=all).for_each(take);
    assert_eq!(quotas.news_at(SECOND).len(), NEWS_LEN_MAX, "the last one found no room");
    take(all);
    let told: Vec<_> = quotas.news_at(SECOND).iter().map(|news| (news.key, news.refill)).collect();
    assert_eq!(told, [(all, Duration::from_millis(1))]);
}

#[test]
fn a_batch_larger_than_the_burst_passes_once_and_is_waited_for_afterwards() {
    let quotas = quotas(Scope::Tenant, 10, 5);
    let tenant = &[(Scope::Tenant, 3)];
    assert!(quotas.try_take_at(SECOND, tenant, 50).is_ok());
    assert_eq!(taken(&quotas, SECOND * 5, tenant, 1), 0, "50 at 10 a second less a burst of 5 take 4.6 s");
    assert_eq!(taken(&quotas, SECOND * 5 + 600 * MS, tenant, 1), 1);
}

#[test]
fn a_change_holds_from_the_next_request_on_for_everybody_and_for_one() {
    let quotas = quotas(Scope::Viewer, 1, 1);
    assert!(quotas.try_take_at(SECOND, ANN, 1_000).is_ok());
    let wait = |refused: Result<(), Refusal>| refused.map_err(|refusal| refusal.retry_after);
    assert!(wait(quotas.try_take_at(SECOND, ANN, 1)).is_err_and(|wait| wait > Duration::from_secs(900)));
    quotas.set(Scope::Viewer, rate(10, 10));
    assert!(wait(quotas.try_take_at(SECOND, ANN, 1)).is_err_and(|wait| wait <= Duration::from_secs(1)));
    quotas.set_for(Scope::Viewer, 1, None).expect("room for one");
    assert_eq!(taken(&quotas, SECOND, ANN, 1_000), 1_000);
    quotas.set_for(Scope::Viewer, 1, rate(2, 2)).expect("room for one");
    assert_eq!(taken(&quotas, SECOND * 100, ANN, 9), 2);
    assert_eq!(taken(&quotas, SECOND * 100, &[(Scope::Viewer, 5)], 20), 10);
    quotas.unset_for(Scope::Viewer, 1);
    assert_eq!(taken(&quotas, SECOND * 200, ANN, 20), 10);
    quotas.set(Scope::Viewer, None);
    assert_eq!(taken(&quotas, SECOND * 200, ANN, 20), 20);
}

#[test]
fn overrides_are_limited_in_number_and_one_that_is_there_can_still_change() {
    let quotas = Quotas::new(1_024);
    for key in 0..u128::try_from(OVERRIDES_MAX).expect("small").min(64) {
        quotas.set_for(Scope::Room, key, rate(1, 1)).expect("room");
    }
    assert_eq!(taken(&quotas, SECOND, &[(Scope::Room, 63)], 9), 1);
}

#[test]
fn more_keys_than_slots_make_quotas_milder_and_never_close_them() {
    let quotas = quotas(Scope::Viewer, 1, 1);
    let first: u32 = (0..100_000).map(|key| taken(&quotas, SECOND, &[(Scope::Viewer, key)], 1)).sum();
    assert_eq!(first, 100_000, "a key that asks for the first time is never refused");
}

#[test]
fn a_key_with_room_in_the_table_is_not_forgotten() {
    let quotas = quotas(Scope::Viewer, 1, 1);
    let keys: Vec<u128> = (0..128).collect();
    for key in &keys {
        assert_eq!(taken(&quotas, SECOND, &[(Scope::Viewer, *key)], 1), 1);
    }
    let again: u32 = keys.iter().map(|key| taken(&quotas, SECOND, &[(Scope::Viewer, *key)], 1)).sum();
    assert_eq!(again, 0);
}

#[test]
fn threads_together_get_no_more_than_the_burst() {
    let quotas = quotas(Scope::Room, 1, 100);
    let passed: u32 = std::thread::scope(|threads| {
        let ask = || taken(&quotas, SECOND, &[(Scope::Room, 1)], 1_000);
        let threads: Vec<_> = (0..4).map(|_| threads.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(passed, 100);
}

#[test]
fn rates_that_cannot_be_counted_are_refused() {
    let second = Duration::from_secs(1);
    assert_eq!(Rate::try_new(0, second, 1), Err(RateError::Zero));
    assert_eq!(Rate::try_new(1, second, 0), Err(RateError::Zero));
    assert_eq!(Rate::try_new(1, Duration::ZERO, 1), Err(RateError::Zero));
    assert_eq!(Rate::try_new(u32::MAX, second, 1), Err(RateError::OutOfRange));
    assert_eq!(Rate::try_new(1, Duration::from_hours(48), 1), Err(RateError::OutOfRange));
}

#[test]
fn all_rates_set_anew_replace_what_was_and_the_same_again_forgives_nobody() {
    let quotas = quotas(Scope::Viewer, 1, 1);
    quotas.set_for(Scope::Viewer, 2, None).expect("one is few");
    assert!(quotas.try_take_at(SECOND, ANN, 100).is_ok(), "a debt of 100 s");
    let scopes = [rate(1, 1), rate(5, 5), None];
    for _ in 0..2 {
        quotas.set_all(scopes, [((Scope::Viewer, 3), rate(1, 4))]).expect("one is few");
    }
    assert_eq!(quotas.of_scope(Scope::Room), rate(5, 5));
    assert_eq!(taken(&quotas, SECOND, &[(Scope::Room, 1)], 50), 5);
    assert_eq!(taken(&quotas, SECOND, &[(Scope::Viewer, 2)], 50), 1, "its own rate is gone");
    assert_eq!(taken(&quotas, SECOND, &[(Scope::Viewer, 3)], 50), 4);
    // Whoever had a debt under other rates waits for what the new ones ask; the same rates again change no debt.
    assert_eq!((taken(&quotas, 2 * SECOND, ANN, 1), taken(&quotas, 3 * SECOND, ANN, 1)), (0, 1));
    assert!(quotas.try_take_at(4 * SECOND, ANN, 100).is_ok());
    quotas.set_all(scopes, [((Scope::Viewer, 3), rate(1, 4))]).expect("one is few");
    assert_eq!(
        taken(&quotas, 6 * SECOND, ANN, 1) + taken(&quotas, 9 * SECOND, ANN, 1),
        0,
        "the debt is as it was"
    );
    let many =
        (0..=OVERRIDES_MAX).map(|key| ((Scope::Viewer, u128::try_from(key).unwrap_or_default()), None));
    assert_eq!(quotas.set_all([None; 3], many), Err(RateError::TooManyOverrides));
    assert_eq!(quotas.of_scope(Scope::Room), rate(5, 5), "nothing changed");
}

#[test]
fn a_request_sees_the_rates_of_one_moment_while_they_change() {
    let slow = Rate::try_new(1, Duration::from_hours(1), 1).ok();
    let (viewer, room) = ((Scope::Viewer, 1), (Scope::Room, 2));
    let quotas = Quotas::new(1_024);
    // At every moment one of the two is bounded, and has used up what it may.
    for scopes in [[slow, None, None], [None, slow, None]] {
        quotas.set_all(scopes, []).expect("none is few");
        let _ = quotas.try_take_at(SECOND, &[viewer, room], 1);
    }
    let ends = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut asked, mut torn) = (0_u64, 0_u64);
                    while !ends.load(std::sync::atomic::Ordering::Relaxed) || asked < 10_000 {
                        torn += u64::from(quotas.try_take_at(SECOND, &[viewer, room], 1).is_ok());
                        asked += 1;
                    }
                    torn
                })
            })
            .collect();
        for change in 0..20_000 {
            let scopes = if change % 2 == 0 { [slow, None, None] } else { [None, slow, None] };
            quotas.set_all(scopes, []).expect("none is few");
        }
        ends.store(true, std::sync::atomic::Ordering::Relaxed);
        for reader in readers {
            assert_eq!(reader.join().expect("no panic"), 0, "somebody saw neither rate");
        }
    });
}
