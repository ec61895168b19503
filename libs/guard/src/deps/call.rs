//! A call to a dependency: under a cap, a time limit and a breaker, and counted.

use super::breaker::{Breaker, Entry, Mark, Moved};
use super::report::{DependencyReport, State};
use super::{Declaration, Need};
use crate::clock::{is_within, lately_ns, nanos, now_ns};
use contracts::calls::{CallWatch, Went};
use contracts::class::{Classed, ErrorClass};
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// What an answer says about the dependency that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It works, even if what it said is no: not enough coins is an answer.
    Works,
    /// It does not.
    Fails,
}

/// Why a call was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It has failed too often lately.
    Open,
    /// As many calls as it may have are under way.
    Full,
}

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError<E> {
    /// Not called. Nothing has happened.
    #[error("{name} is not called now: {}", match .why {
        Refused::Open => "it has failed too often lately",
        Refused::Full => "as many calls as it may have are under way",
    })]
    Refused { name: &'static str, why: Refused, retry_after: Duration },
    /// Called, and no answer came in time: it may have happened.
    #[error("{name} gave no answer within {} ms", .timeout.as_millis())]
    TimedOut { name: &'static str, timeout: Duration },
    /// Its own error.
    #[error(transparent)]
    Failed(E),
}

impl<E: Classed + 'static> Classed for CallError<E> {
    fn class(&self) -> ErrorClass {
        match self {
            CallError::Refused { .. } => ErrorClass::Transient,
            CallError::TimedOut { .. } => ErrorClass::Unknown,
            CallError::Failed(error) => error.class(),
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            CallError::Refused { why: Refused::Open, .. } => "dependency-open",
            CallError::Refused { why: Refused::Full, .. } => "dependency-full",
            CallError::TimedOut { .. } => "dependency-timeout",
            CallError::Failed(error) => error.slug(),
        }
    }
}

/// A dependency there is no life without. Clones share it.
#[derive(Clone)]
pub struct Strong(Arc<Core>);

impl Strong {
    pub(super) fn new(core: Arc<Core>) -> Strong {
        Strong(core)
    }

    /// Calls it; every error of its own counts against it.
    ///
    /// # Errors
    /// [`CallError`].
    #[inline]
    pub fn call<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> impl Future<Output = Result<T, CallError<E>>> {
        self.0.call(work, fails_on_error)
    }

    /// Calls it; `judge` says which answers count against it.
    ///
    /// # Errors
    /// [`CallError`].
    #[inline]
    pub fn call_judged<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
        judge: impl FnOnce(&Result<T, E>) -> Verdict,
    ) -> impl Future<Output = Result<T, CallError<E>>> {
        self.0.call(work, judge)
    }
}

/// A dependency that can be done without. Clones share it.
#[derive(Clone)]
pub struct Weak(Arc<Core>);

impl Weak {
    pub(super) fn new(core: Arc<Core>) -> Weak {
        Weak(core)
    }

    /// Calls it; where that gives nothing, `fallback` says what to go on with, at once.
    pub async fn call_or<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
        fallback: impl FnOnce(CallError<E>) -> T,
    ) -> T {
        self.call_judged_or(work, fails_on_error, fallback).await
    }

    /// The same; `judge` says which answers count against it.
    pub async fn call_judged_or<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
        judge: impl FnOnce(&Result<T, E>) -> Verdict,
        fallback: impl FnOnce(CallError<E>) -> T,
    ) -> T {
        match self.0.call(work, judge).await {
            Ok(answer) => answer,
            Err(error) => {
                self.0.metrics.fallbacks.increment(1);
                self.0.counts.fallbacks.fetch_add(1, Ordering::Relaxed);
                fallback(error)
            }
        }
    }
}

#[inline]
fn fails_on_error<T, E>(answer: &Result<T, E>) -> Verdict {
    if answer.is_ok() { Verdict::Works } else { Verdict::Fails }
}

/// Hears of calls that are made elsewhere: they are counted, and may open the breaker, which holds none of them back. It
/// is closed again by calls through it, so somebody must make some now and then.
impl CallWatch for Strong {
    fn went(&self, went: Went, took: Duration) {
        self.0.hear(went, took);
    }
}

impl CallWatch for Weak {
    fn went(&self, went: Went, took: Duration) {
        self.0.hear(went, took);
    }
}

#[derive(Default)]
struct Counts {
    /// Calls that the breaker has not counted: its trials, and those that were given up early.
    uncounted: AtomicU64,
    failed: AtomicU64,
    slow: AtomicU64,
    refused: AtomicU64,
    fallbacks: AtomicU64,
    opened: AtomicU64,
}

struct Metrics {
    good: metrics::Counter,
    slow: metrics::Counter,
    failed: metrics::Counter,
    refused: metrics::Counter,
    fallbacks: metrics::Counter,
    open: metrics::Gauge,
}

impl Metrics {
    fn new(name: &'static str) -> Metrics {
        let outcome = |outcome: &'static str| metrics::counter!("largesse_dependency_calls_total", "dependency" => name, "outcome" => outcome);
        Metrics {
            good: outcome("good"),
            slow: outcome("slow"),
            failed: outcome("failed"),
            refused: outcome("refused"),
            fallbacks: metrics::counter!("largesse_dependency_fallbacks_total", "dependency" => name),
            open: metrics::gauge!("largesse_dependency_open_breakers", "dependency" => name),
        }
    }
}

/// What strong and weak dependencies have in common.
pub(crate) struct Core {
    declaration: Declaration,
    /// Which of several it is.
    node: Option<Box<str>>,
    slow_ns: u64,
    breaker: Breaker,
    in_flight: AtomicU32,
    counts: Counts,
    metrics: Metrics,
}

impl Core {
    pub fn new(declaration: Declaration, node: Option<Box<str>>) -> Core {
        crate::clock::wind();
        let metrics = Metrics::new(declaration.name);
        metrics.open.increment(0.0); // Nodes of one dependency share its metrics, so that a fleet adds no series.
        Core {
            declaration,
            node,
            slow_ns: nanos(declaration.breaker.slow),
            breaker: Breaker::new(declaration.breaker),
            in_flight: AtomicU32::new(0),
            counts: Counts::default(),
            metrics,
        }
    }

    pub fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// With its node, where there are several.
    pub fn name(&self) -> String {
        match &self.node {
            None => self.declaration.name.to_owned(),
            Some(node) => format!("{} at {node}", self.declaration.name),
        }
    }

    pub fn state(&self) -> State {
        match self.breaker.open_until_ns() {
            0 => State::Closed,
            until if now_ns() < until => State::Open,
            _ => State::Trying,
        }
    }

    pub fn report(&self) -> DependencyReport {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        DependencyReport {
            name: self.name(),
            need: self.declaration.need.as_str().to_owned(),
            state: self.state(),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            in_flight_max: self.declaration.in_flight_max,
            timeout_ms: u64::try_from(self.declaration.timeout.as_millis()).unwrap_or(u64::MAX),
            calls: self.calls(),
            failed: read(&self.counts.failed),
            slow: read(&self.counts.slow),
            refused: read(&self.counts.refused),
            fallbacks: read(&self.counts.fallbacks),
            opened: read(&self.counts.opened),
            fallback: match self.declaration.need {
                Need::Strong => None,
                Need::Weak { fallback } => Some(fallback.to_owned()),
            },
        }
    }

    /// Calls that were made, since the start.
    fn calls(&self) -> u64 {
        let ended = self.breaker.counted() + self.counts.uncounted.load(Ordering::Relaxed);
        ended + u64::from(self.in_flight.load(Ordering::Relaxed))
    }

    #[inline]
    fn call<W, J>(&self, work: W, judge: J) -> Calling<'_, W, J> {
        Calling { core: self, work, judge: Some(judge), call: None, timer: None }
    }

    fn hear(&self, went: Went, took: Duration) {
        let mark = match went {
            Went::Badly => Mark::Failed,
            Went::Well if nanos(took) > self.slow_ns => Mark::Slow,
            Went::Well => Mark::Good,
        };
        self.note(now_ns(), Entry::Regular, Some(mark));
    }

    /// Takes in how a call went.
    #[inline]
    fn note(&self, now_ns: u64, entry: Entry, mark: Option<Mark>) {
        if mark.is_none() || entry == Entry::Trial {
            self.counts.uncounted.fetch_add(1, Ordering::Relaxed);
        }
        match mark {
            Some(Mark::Good) => self.metrics.good.increment(1),
            Some(Mark::Slow) => {
                self.counts.slow.fetch_add(1, Ordering::Relaxed);
                self.metrics.slow.increment(1);
            }
            Some(Mark::Failed) => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                self.metrics.failed.increment(1);
            }
            None => {}
        }
        match self.breaker.leave(now_ns, entry, mark) {
            Moved::Stayed => {}
            Moved::Opened => {
                self.counts.opened.fetch_add(1, Ordering::Relaxed);
                // A trial that fails opens what was counted as open.
                if entry == Entry::Regular {
                    self.metrics.open.increment(1.0);
                }
            }
            Moved::Closed => self.metrics.open.decrement(1.0),
        }
    }

    #[inline]
    fn enter(&self) -> Result<Call<'_>, (Refused, Duration)> {
        let since_ns = lately_ns();
        if self.in_flight.fetch_add(1, Ordering::AcqRel) >= self.declaration.in_flight_max {
            self.in_flight.fetch_sub(1, Ordering::AcqRel);
            return Err((Refused::Full, self.declaration.timeout));
        }
        match self.breaker.enter(since_ns) {
            Ok(entry) => Ok(Call { core: self, entry, since_ns, verdict: None }),
            Err(until_ns) => {
                self.in_flight.fetch_sub(1, Ordering::AcqRel);
                Err((Refused::Open, Duration::from_nanos(until_ns.saturating_sub(since_ns))))
            }
        }
    }
}

pin_project! {
    /// A call. Written by hand, because every `async fn` around it would move its work, and that costs more than all
    /// the counting.
    struct Calling<'c, W, J> {
        core: &'c Core,
        #[pin]
        work: W,
        judge: Option<J>,
        call: Option<Call<'c>>,
        // What answers at once needs no timer; in a box, because a call is moved more often than it waits.
        timer: Option<Pin<Box<Sleep>>>,
    }
}

impl<T, E, W, J> Future for Calling<'_, W, J>
where
    W: Future<Output = Result<T, E>>,
    J: FnOnce(&Result<T, E>) -> Verdict,
{
    type Output = Result<T, CallError<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (name, timeout) = (this.core.declaration.name, this.core.declaration.timeout);
        if this.call.is_none() && this.judge.is_some() {
            match this.core.enter() {
                Ok(call) => *this.call = Some(call),
                Err((why, retry_after)) => {
                    this.core.metrics.refused.increment(1);
                    this.core.counts.refused.fetch_add(1, Ordering::Relaxed);
                    return Poll::Ready(Err(CallError::Refused { name, why, retry_after }));
                }
            }
        }
        if let Poll::Ready(answer) = this.work.poll(context) {
            if let (Some(call), Some(judge)) = (this.call.take(), this.judge.take()) {
                call.end(judge(&answer));
            }
            return Poll::Ready(answer.map_err(CallError::Failed));
        }
        if this.timer.is_none() {
            *this.timer = Some(Box::pin(tokio::time::sleep(timeout)));
            if let Some(call) = this.call
                && is_within()
            {
                // What waits is timed from where its time limit begins, and not from when its request came.
                call.since_ns = now_ns();
            }
        }
        if let Some(timer) = this.timer {
            ready!(timer.as_mut().poll(context));
        }
        if let Some(call) = this.call.take() {
            call.end(Verdict::Fails);
        }
        Poll::Ready(Err(CallError::TimedOut { name, timeout }))
    }
}

impl Drop for Core {
    /// A node that is forgotten is not away any more.
    fn drop(&mut self) {
        if self.state() != State::Closed {
            self.metrics.open.decrement(1.0);
        }
    }
}

/// A call under way. Dropping it gives its place back, however it ended.
struct Call<'c> {
    core: &'c Core,
    entry: Entry,
    since_ns: u64,
    verdict: Option<Verdict>,
}

impl Call<'_> {
    #[inline]
    fn end(mut self, verdict: Verdict) {
        self.verdict = Some(verdict);
    }

    /// A call that was given up says something only if it had taken too long already: a caller less patient than the
    /// dependency's time limit must not hide that it hangs.
    #[inline]
    fn mark(&self, now_ns: u64) -> Option<Mark> {
        let is_slow = now_ns.saturating_sub(self.since_ns) > self.core.slow_ns;
        match (self.verdict, is_slow) {
            (Some(Verdict::Works), false) => Some(Mark::Good),
            (Some(Verdict::Works), true) => Some(Mark::Slow),
            (Some(Verdict::Fails), _) | (None, true) => Some(Mark::Failed),
            (None, false) => None,
        }
    }
}

impl Drop for Call<'_> {
    #[inline]
    fn drop(&mut self) {
        let core = self.core;
        core.in_flight.fetch_sub(1, Ordering::AcqRel);
        let now_ns = now_ns();
        core.note(now_ns, self.entry, self.mark(now_ns));
    }
}
