//! Invariant under test: what fails is no longer called, what is weak never costs the answer, what is strong is said.

use contracts::calls::{CallWatch, Went};
use contracts::class::{Classed, ErrorClass};
use guard::deps::{
    BreakerSettings, CallError, Declaration, DeclareError, Need, Refused, Registry, State, Verdict,
};
use std::future::{Future, pending, ready};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

const BREAKER: BreakerSettings = BreakerSettings {
    window: Duration::from_mins(1),
    calls_min: 10,
    failed_percent: 50,
    slow: Duration::from_secs(30),
    slow_percent: 80,
    open_for: Duration::from_millis(20),
    trials: 2,
};

static LEDGER: Declaration = Declaration {
    name: "ledger",
    purpose: "keeps the coins",
    need: Need::Strong,
    timeout: Duration::from_secs(60),
    in_flight_max: 4,
    breaker: BREAKER,
};

static MEDALS: Declaration = Declaration {
    name: "medals",
    purpose: "shows medals",
    need: Need::Weak { fallback: "no medals are shown" },
    timeout: Duration::from_millis(20),
    in_flight_max: 64,
    breaker: BREAKER,
};

/// The same with a breaker that stays open for longer than any test.
static LOCKED: Declaration = Declaration {
    name: "locked",
    breaker: BreakerSettings { open_for: Duration::from_hours(1), ..BREAKER },
    ..LEDGER
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("broken")]
struct Broken;

impl Classed for Broken {
    fn class(&self) -> ErrorClass {
        ErrorClass::Bug
    }

    fn slug(&self) -> &'static str {
        "broken"
    }
}

fn good() -> impl Future<Output = Result<u32, Broken>> {
    ready(Ok(1))
}

fn bad() -> impl Future<Output = Result<u32, Broken>> {
    ready(Err(Broken))
}

async fn notified(go: &Notify) -> Result<(), Broken> {
    go.notified().await;
    Ok(())
}

async fn slept() -> Result<(), Broken> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    Ok(())
}

/// Waits until something holds: a machine may be slow, and a test must not be.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..20_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it did not come to hold");
}

#[tokio::test]
async fn half_of_the_calls_failing_stops_calls_at_once_and_says_for_how_long() {
    let registry = Registry::default();
    let ledger = registry.strong(&LOCKED).expect("declared once");
    for _ in 0..5 {
        assert_eq!(ledger.call(good()).await, Ok(1));
    }
    for _ in 0..5 {
        assert_eq!(ledger.call(bad()).await, Err(CallError::Failed(Broken)));
    }
    let call: Result<u32, CallError<Broken>> =
        ledger.call(async { panic!("an open breaker must not call") }).await;
    match call {
        Err(CallError::Refused { name: "locked", why: Refused::Open, retry_after }) => {
            assert!(retry_after > Duration::from_mins(59), "{retry_after:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn fewer_failures_than_are_too_many_stop_nothing() {
    let registry = Registry::default();
    let ledger = registry.strong(&LOCKED).expect("declared once");
    for _ in 0..9 {
        let _ = ledger.call(bad()).await;
    }
    assert_eq!(registry.report()[0].state, State::Closed, "nine calls say nothing");
    for _ in 0..31 {
        assert_eq!(ledger.call(good()).await, Ok(1));
    }
    for _ in 0..20 {
        let _ = ledger.call(bad()).await;
    }
    assert_eq!(registry.report()[0].state, State::Closed, "29 of 60 are not half");
    for _ in 0..2 {
        let _ = ledger.call(bad()).await;
    }
    assert_eq!(registry.report()[0].state, State::Open, "31 of 62 are");
}

#[tokio::test]
async fn an_answer_that_is_judged_to_work_does_not_count_against_it() {
    let registry = Registry::default();
    let ledger = registry.strong(&LOCKED).expect("declared once");
    for _ in 0..100 {
        let answer = ledger.call_judged(bad(), |_| Verdict::Works).await;
        assert_eq!(answer, Err(CallError::Failed(Broken)));
    }
    assert_eq!(registry.report()[0].failed, 0);
    assert_eq!(registry.strong_answer(), Ok(()));
}

#[tokio::test]
async fn a_strong_one_that_fails_is_said_until_trials_have_succeeded() {
    let registry = Registry::default();
    let ledger = registry.strong(&LEDGER).expect("declared once");
    let medals = registry.weak(&MEDALS).expect("declared once");
    assert_eq!(registry.strong_answer(), Ok(()));
    for _ in 0..10 {
        let _ = ledger.call(bad()).await;
    }
    assert_eq!(registry.strong_answer(), Err("these do not answer: ledger".to_owned()));
    assert_eq!(registry.weak_answer(), Ok(()));
    // A trial that fails is no way back.
    until(async || matches!(ledger.call(bad()).await, Err(CallError::Failed(_)))).await;
    assert!(registry.strong_answer().is_err());
    until(async || ledger.call(good()).await.is_ok()).await;
    assert!(registry.strong_answer().is_err(), "one of two trials is not enough");
    until(async || ledger.call(good()).await.is_ok()).await;
    assert_eq!(registry.strong_answer(), Ok(()));
    assert_eq!(medals.call_or(good(), |_| 0).await, 1);
}

#[tokio::test]
async fn a_weak_one_that_fails_or_hangs_is_done_without_and_then_not_even_asked() {
    let registry = Registry::default();
    let medals = registry.weak(&MEDALS).expect("declared once");
    assert_eq!(medals.call_or(good(), |_| 7).await, 1);
    assert_eq!(medals.call_or(bad(), |_| 7).await, 7);
    for _ in 0..10 {
        let hangs = medals.call_or(pending::<Result<u32, Broken>>(), |error| {
            assert!(matches!(error, CallError::TimedOut { .. } | CallError::Refused { .. }), "{error}");
            7
        });
        assert_eq!(hangs.await, 7);
    }
    let report = &registry.report()[0];
    assert!(report.opened >= 1, "{report:?}");
    assert!(report.fallbacks >= 11, "{report:?}");
    assert_eq!(registry.strong_answer(), Ok(()), "a node is ready without its weak ones");
}

#[tokio::test]
async fn no_more_calls_at_once_than_its_cap_and_a_place_comes_back_however_a_call_ends() {
    let registry = Registry::default();
    let ledger = registry.strong(&LEDGER).expect("declared once");
    let go = Arc::new(Notify::new());
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let (ledger, go) = (ledger.clone(), go.clone());
        let call = async move { ledger.call(notified(&go)).await };
        let mut call = Box::pin(call);
        assert!(
            std::future::poll_fn(|context| std::task::Poll::Ready(call.as_mut().poll(context)))
                .await
                .is_pending()
        );
        waiting.push(call);
    }
    let refused = ledger.call(good()).await;
    assert!(matches!(refused, Err(CallError::Refused { why: Refused::Full, .. })), "{refused:?}");
    assert_eq!(registry.report()[0].in_flight, 4);
    waiting.truncate(3); // One is given up.
    assert_eq!(ledger.call(good()).await, Ok(1));
    go.notify_waiters();
    for call in waiting {
        assert_eq!(call.await, Ok(()));
    }
    assert_eq!(registry.report()[0].in_flight, 0);
}

#[tokio::test]
async fn slow_calls_alone_open_the_breaker_even_when_their_callers_give_up() {
    static SLOW: Declaration = Declaration {
        name: "slow",
        breaker: BreakerSettings {
            slow: Duration::from_nanos(1),
            open_for: Duration::from_hours(1),
            ..BREAKER
        },
        ..LEDGER
    };
    let registry = Registry::default();
    let slow = registry.strong(&SLOW).expect("declared once");
    for _ in 0..9 {
        let _ =
            tokio::time::timeout(Duration::from_millis(1), slow.call(pending::<Result<(), Broken>>())).await;
    }
    assert_eq!(registry.report()[0].state, State::Closed);
    let _ = slow.call(slept()).await;
    assert_eq!(registry.report()[0].state, State::Open);
}

#[tokio::test]
async fn trials_at_once_are_no_more_than_set() {
    let registry = Registry::default();
    let ledger = registry.strong(&LEDGER).expect("declared once");
    for _ in 0..10 {
        let _ = ledger.call(bad()).await;
    }
    let mut trials = Vec::new();
    until(async || {
        let mut call = Box::pin(ledger.call(pending::<Result<u32, Broken>>()));
        let polled =
            std::future::poll_fn(|context| std::task::Poll::Ready(call.as_mut().poll(context))).await;
        if polled.is_pending() {
            trials.push(call);
        }
        trials.len() == 2
    })
    .await;
    let refused = ledger.call(good()).await;
    assert!(matches!(refused, Err(CallError::Refused { why: Refused::Open, .. })), "{refused:?}");
    drop(trials); // Given up in time: they say nothing, and others may try.
    assert_eq!(ledger.call(good()).await, Ok(1));
}

#[test]
fn a_declaration_that_makes_no_sense_is_refused_by_name() {
    let registry = Registry::default();
    assert!(registry.strong(&LEDGER).is_ok());
    assert_eq!(registry.strong(&LEDGER).err(), Some(DeclareError::Twice { name: "ledger" }));
    assert!(matches!(registry.strong(&MEDALS).err(), Some(DeclareError::OtherNeed { name: "medals", .. })));
    assert!(matches!(registry.weak(&LEDGER).err(), Some(DeclareError::OtherNeed { name: "ledger", .. })));
    static CAPLESS: Declaration = Declaration { in_flight_max: 0, ..LEDGER };
    assert!(matches!(registry.strong(&CAPLESS).err(), Some(DeclareError::Zero { .. })));
    static WHOLE: Declaration =
        Declaration { breaker: BreakerSettings { slow_percent: 101, ..BREAKER }, ..LEDGER };
    assert!(matches!(registry.strong(&WHOLE).err(), Some(DeclareError::ShareTooLarge { .. })));
}

#[test]
fn errors_know_their_class() {
    let class = |error: CallError<Broken>| (error.class(), error.slug());
    let timeout = Duration::from_millis(50);
    assert_eq!(class(CallError::Failed(Broken)), (ErrorClass::Bug, "broken"));
    assert_eq!(
        class(CallError::TimedOut { name: "x", timeout }),
        (ErrorClass::Unknown, "dependency-timeout")
    );
    let refused = |why| CallError::Refused { name: "x", why, retry_after: timeout };
    assert_eq!(class(refused(Refused::Open)), (ErrorClass::Transient, "dependency-open"));
    assert_eq!(class(refused(Refused::Full)), (ErrorClass::Transient, "dependency-full"));
    assert_eq!(
        refused(Refused::Full).to_string(),
        "x is not called now: as many calls as it may have are under way"
    );
}

#[test]
fn tables_say_what_is_declared_and_how_it_is() {
    let registry = Registry::default();
    let _ledger = registry.strong(&LEDGER).expect("declared once");
    let _medals = registry.weak(&MEDALS).expect("declared once");
    let text = guard::deps::text_table(&registry.report());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[1].starts_with("ledger") && lines[1].ends_with("the node is unready"), "{text}");
    assert!(lines[2].contains("weak") && lines[2].ends_with("no medals are shown"), "{text}");
    let page = guard::deps::markdown_table([&LEDGER, &MEDALS]);
    assert_eq!(page.lines().count(), 4);
    assert!(page.contains("| medals | shows medals | weak | 20 ms | 64 |"), "{page}");
    let json = serde_json::to_string(&registry.report()).expect("plain values");
    let back: Vec<guard::deps::DependencyReport> = serde_json::from_str(&json).expect("what was written");
    assert_eq!(back, registry.report());
}

#[tokio::test]
async fn one_of_several_nodes_may_be_away_and_the_dependency_answers() {
    let registry = Registry::default();
    let (one, other) = (registry.strong_at(&LOCKED, "one"), registry.strong_at(&LOCKED, "other"));
    let (one, other) = (one.expect("declared"), other.expect("declared"));
    for _ in 0..10 {
        let _ = one.call(bad()).await;
    }
    assert_eq!(registry.strong_answer(), Ok(()), "the other answers");
    assert_eq!(other.call(good()).await, Ok(1), "its breaker is its own");
    let same = registry.strong_at(&LOCKED, "one").expect("known");
    assert!(matches!(same.call(good()).await, Err(CallError::Refused { .. })), "the same node is shared");
    assert_eq!(registry.report().len(), 2);
    for _ in 0..10 {
        let _ = other.call(bad()).await;
    }
    let away = Err("these do not answer: locked at one, locked at other".to_owned());
    assert_eq!(registry.strong_answer(), away);
    assert_eq!(registry.strong(&LOCKED).err(), Some(DeclareError::Twice { name: "locked" }));
}

#[tokio::test]
async fn nodes_come_and_go_without_end_and_one_that_left_does_not_count_as_answering() {
    let registry = Registry::default();
    let stays = registry.strong_at(&LOCKED, "stays").expect("declared");
    let leaves = registry.strong_at(&LOCKED, "leaves").expect("declared");
    for _ in 0..10 {
        let _ = stays.call(bad()).await;
    }
    assert_eq!(registry.strong_answer(), Ok(()), "the other was not asked yet");
    let shared = leaves.clone();
    drop(leaves);
    assert_eq!(registry.report().len(), 2, "somebody holds it still");
    drop(shared);
    assert_eq!(registry.strong_answer(), Err("these do not answer: locked at stays".to_owned()));
    for node in 0..2 * guard::deps::DEPENDENCIES_MAX {
        registry.strong_at(&LOCKED, &format!("node {node}")).expect("those before it are forgotten");
    }
    assert_eq!(registry.report().len(), 1);
}

#[tokio::test]
async fn calls_made_elsewhere_are_counted_and_open_the_breaker_and_a_call_through_it_closes_it() {
    let registry = Registry::default();
    let ledger = registry.strong(&LEDGER).expect("declared");
    for _ in 0..10 {
        ledger.went(Went::Well, Duration::ZERO);
    }
    assert_eq!(registry.strong_answer(), Ok(()));
    for _ in 0..10 {
        ledger.went(Went::Badly, Duration::ZERO);
    }
    assert_eq!(registry.strong_answer(), Err("these do not answer: ledger".to_owned()));
    ledger.went(Went::Well, Duration::ZERO);
    assert!(registry.strong_answer().is_err(), "a word from elsewhere closes nothing");
    let report = registry.report().remove(0);
    assert_eq!((report.calls, report.failed, report.slow, report.opened), (21, 10, 0, 1));
    until(async || ledger.call(good()).await.is_ok() && registry.strong_answer().is_ok()).await;
    assert!(registry.report()[0].calls >= 23, "what the window forgot is still counted");
}

#[tokio::test]
async fn answers_from_elsewhere_that_take_too_long_are_slow_and_open_the_breaker() {
    let registry = Registry::default();
    let ledger = registry.strong(&LOCKED).expect("declared");
    for _ in 0..20 {
        ledger.went(Went::Well, LOCKED.breaker.slow * 2);
    }
    assert!(registry.strong_answer().is_err());
    let report = registry.report().remove(0);
    assert_eq!((report.calls, report.failed, report.slow), (20, 0, 20));
}

#[tokio::test]
async fn calls_are_counted_once_each_also_those_given_up_and_those_that_try() {
    let registry = Registry::default();
    let ledger = registry.strong(&LOCKED).expect("declared");
    for _ in 0..3 {
        let _ = ledger.call(good()).await;
    }
    let given_up = ledger.call(pending::<Result<u32, Broken>>());
    assert!(tokio::time::timeout(Duration::from_millis(1), given_up).await.is_err());
    for _ in 0..20 {
        let _ = ledger.call(bad()).await;
    }
    let report = registry.report().remove(0);
    assert_eq!(report.calls + report.refused, 24, "{report:?}");
    assert!(report.refused > 0, "{report:?}");
    assert_eq!(report.in_flight, 0);
}
