//! The first span of a gift's trace: from the request to the wallet's answer.
//!
//! The order's id is the trace's id, so the caller's own trace is linked and not joined.

use contracts::class::Classed;
use contracts::wallet::{Answer, Replay, WalletError};
use ids::OrderId;
use std::time::SystemTime;
use telemetry::{Act, Followed, Parent, SpanKey};

/// A gift whose trace is kept, under way.
pub(crate) struct Following {
    trace: Followed,
    began: SystemTime,
    /// The request it came by.
    request: Option<String>,
}

impl Following {
    /// Begins, in the request's own span; `None` where this gift's trace is not kept.
    pub fn begin(order_id: OrderId) -> Option<Following> {
        let trace = telemetry::follow(order_id.uuid().into_bytes())?;
        telemetry::link_to(&trace);
        Some(Following { trace, began: SystemTime::now(), request: telemetry::traceparent() })
    }

    /// The wallet has answered, or nobody knows.
    pub fn end(self, answered: &Result<Answer, WalletError>) {
        let is_repeat = matches!(answered, Ok(answer) if answer.replay == Replay::Replayed);
        let ended = SystemTime::now();
        let failed = match answered {
            Ok(answer) if answer.entry.is_accepted() => None,
            Ok(answer) => Some(answer.outcome().slug()),
            Err(error) => Some(error.slug()),
        };
        self.trace.record(Act {
            service: "gift",
            name: if is_repeat { "send it again" } else { "send a gift" }.into(),
            key: is_repeat.then(|| SpanKey::of("repeat", 0, micros(ended))),
            parent: if is_repeat { Parent::First } else { Parent::None },
            began: self.began,
            ended,
            failed,
            links: self.request.as_slice(),
            numbers: &[],
        });
    }
}

/// Repeats are told apart by when they ended.
fn micros(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
