//! Invariant under test: classes and cohorts are given up in order, and upstream can know whom.

use crate::simulation::{Chance, MS, Node, Request, SECOND};
use guard::{
    AdaptiveLimit, Admission, Ask, COHORTS, Cohort, CutLevel, LEVELS, Outcome, Priority, Reason, Settings,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

#[test]
fn levels_order_classes_first_and_cohorts_within() {
    let level = |class, user| Ask::new(class).of(Cohort::spread(user)).level();
    for user in 0..1_000 {
        assert!(level(Priority::Paying, user) < level(Priority::System, user * 7));
        assert!(level(Priority::System, user) < level(Priority::Browsing, user * 7));
        assert!(level(Priority::Browsing, user) < level(Priority::Background, user * 7));
        assert!(level(Priority::Background, user) < LEVELS);
    }
}

#[test]
fn a_turn_deals_the_cohorts_anew_and_evenly() {
    let mut sizes = BTreeMap::<u16, u32>::new();
    let mut kept = 0;
    for user in 0..128_000_u128 {
        let cohort = Cohort::of(user << 64 | 5, 1);
        *sizes.entry(cohort.number()).or_default() += 1;
        kept += u32::from(cohort == Cohort::of(user << 64 | 5, 2));
        assert_eq!(cohort, Cohort::of(user << 64 | 5, 1));
    }
    assert_eq!(sizes.len(), usize::from(COHORTS));
    assert!(sizes.values().all(|size| (800..1_200).contains(size)), "{sizes:?}");
    assert!(kept < 1_500, "{kept} of 128,000 kept their cohort");
}

#[test]
fn a_cut_level_survives_its_header_and_nonsense_is_refused() {
    for level in [0, 1, 300, LEVELS] {
        assert_eq!(CutLevel::at(level).to_string().parse(), Ok(CutLevel::at(level)));
    }
    assert_eq!("60000".parse(), Ok(CutLevel::OPEN));
    assert!("".parse::<CutLevel>().is_err());
    assert!("-1".parse::<CutLevel>().is_err());
}

#[test]
fn in_an_overload_whole_cohorts_are_served_and_whole_cohorts_are_not() {
    let limit = AdaptiveLimit::try_new(Settings::default()).expect("good settings");
    let mut node = Node::new(Some(limit.clone()), 64);
    let mut offered = BTreeMap::<u16, u32>::new();
    let browse = |chance: &mut Chance| Request {
        ask: Ask::new(Priority::Browsing).of(Cohort::spread(chance.next())),
        work_ns: 20 * MS,
        outcome: Outcome::Served,
    };
    node.run(6_400, 3 * SECOND, browse);
    let cut = limit.cut_level();
    assert!(cut < CutLevel::OPEN, "{cut}");
    assert!(cut > CutLevel::at(2 * COHORTS), "half of the browsing should fit: {cut}");
    // From here on, who is let in?
    let mut admitted = BTreeMap::<u16, u32>::new();
    let mut lowest_admitted = 0;
    for _ in 0..20 {
        node.run(6_400, 100 * MS, |chance| {
            let request = browse(chance);
            *offered.entry(request.ask.cohort.number()).or_default() += 1;
            if limit.cut_level().admits(request.ask) {
                *admitted.entry(request.ask.cohort.number()).or_default() += 1;
                lowest_admitted = lowest_admitted.max(request.ask.cohort.number());
            }
            request
        });
    }
    let share = |cohorts: std::ops::Range<u16>| {
        let sum = |counts: &BTreeMap<u16, u32>| counts.range(cohorts.clone()).map(|(_, n)| n).sum::<u32>();
        sum(&admitted) * 100 / sum(&offered)
    };
    assert!(share(0..40) >= 98, "{}", share(0..40));
    assert!(share(100..128) <= 2, "{}", share(100..128));
    assert!(lowest_admitted < COHORTS);
    // And when it is over, nobody is cut.
    node.run(1_000, 3 * SECOND, browse);
    assert_eq!(limit.cut_level(), CutLevel::OPEN);
}

#[test]
fn who_is_cut_is_refused_even_while_places_are_free_and_told_so() {
    let limit = AdaptiveLimit::try_new(Settings::default()).expect("good settings");
    let mut node = Node::new(Some(limit.clone()), 64);
    node.run(6_400, 3 * SECOND, |chance| Request {
        ask: Ask::new(Priority::Browsing).of(Cohort::spread(chance.next())),
        work_ns: 20 * MS,
        outcome: Outcome::Served,
    });
    assert!(limit.cut_level() < CutLevel::OPEN);
    // Everybody leaves, in the same window: the cut stays, the places are free.
    let now_ns = node.now_ns;
    drop(node);
    assert_eq!(limit.in_flight(), 0);
    let refused = limit.try_admit_at(now_ns, Ask::new(Priority::Background)).err();
    assert_eq!(refused.map(|refusal| refusal.reason), Some(Reason::Shed));
    assert!(limit.try_admit_at(now_ns, Ask::new(Priority::Paying)).is_ok());
}

#[test]
fn threads_together_never_pass_the_ceiling_of_any_class() {
    let limit = AdaptiveLimit::up_to(8, Duration::from_secs(1));
    let (most, now) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|threads| {
        for class in Priority::ALL {
            let (limit, most, now) = (&limit, &most, &now);
            threads.spawn(move || {
                for _ in 0..20_000 {
                    let permits: Vec<_> =
                        (0..4).filter_map(|_| limit.try_admit(Ask::new(class)).ok()).collect();
                    most.fetch_max(now.fetch_add(permits.len(), SeqCst) + permits.len(), SeqCst);
                    now.fetch_sub(permits.len(), SeqCst);
                    permits.into_iter().for_each(|permit| permit.finish(Outcome::Served));
                }
            });
        }
    });
    assert!(most.load(SeqCst) <= 8, "{most:?}");
    assert_eq!(limit.in_flight(), 0);
}
