//! Invariant under test: never more in flight than the limit, and those who pay are refused last.

use guard::{Admission, FixedLimit, Priority, Reason};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn the_limit_is_never_passed_and_a_dropped_permit_is_a_free_place() {
    let limit = FixedLimit::new(32);
    let permits: Vec<_> = (0..32).filter_map(|_| limit.try_admit(Priority::Paying.into()).ok()).collect();
    assert_eq!(permits.len(), 32);
    let refusal = limit.try_admit(Priority::Paying.into()).expect_err("all places are taken");
    assert_eq!(refusal.reason, Reason::Overloaded);
    assert!(refusal.retry_after.as_secs() >= 1);
    drop(permits);
    assert_eq!(limit.in_flight(), 0);
    assert!(limit.try_admit(Priority::Background.into()).is_ok());
}

#[test]
fn lookers_cannot_keep_payers_out() {
    let limit = FixedLimit::new(160);
    let lookers: Vec<_> = std::iter::from_fn(|| limit.try_admit(Priority::Browsing.into()).ok()).collect();
    assert_eq!(lookers.len(), 140);
    assert!(limit.try_admit(Priority::Background.into()).is_err());
    let callbacks: Vec<_> = std::iter::from_fn(|| limit.try_admit(Priority::System.into()).ok()).collect();
    assert_eq!(callbacks.len(), 10);
    let payers: Vec<_> = std::iter::from_fn(|| limit.try_admit(Priority::Paying.into()).ok()).collect();
    assert_eq!(payers.len(), 10);
}

#[test]
fn a_tiny_limit_still_admits_one_of_every_class() {
    for class in Priority::ALL {
        assert!(FixedLimit::new(0).try_admit(class.into()).is_ok(), "{class:?}");
    }
}

#[test]
fn threads_together_never_pass_the_limit() {
    let (limit, most, now) = (Arc::new(FixedLimit::new(3)), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for _ in 0..20_000 {
                    if let Ok(permit) = limit.try_admit(Priority::Paying.into()) {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        now.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                }
            });
        }
    });
    assert!(most.load(Ordering::SeqCst) <= 3);
    assert_eq!(limit.in_flight(), 0);
}
