//! The other processes as dependencies: what each is called for, whether there is a life without it, and how a
//! refused call looks to its caller.
//!
//! Cap and breaker are each node's own, so that one silent node does not stop calls to the others. A refused call was
//! not sent, and is told so: whoever rides over a dead node by trying again rides over a refusal the same way.

use crate::calls::{CallError, Reply};
use guard::deps::{BreakerSettings, Declaration, Need, Verdict};
use http::StatusCode;
use std::time::Duration;

/// The shipped `peers.request_timeout_ms`, which takes its place.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Half of four calls in 3 s: a few requests carry all commands (`peers.requests_in_flight_max`), so a silent node
/// fails no more than that in a time limit, and each costs 2 s and a doubt. After them nothing is sent for a moment. The moment is far shorter than a command is tried again (`peers.retry_max_ms`).
/// Slow is what takes as long as the time limit, so slowness alone opens nothing: see the purpose of `wallet`.
const WALLET_BREAKER: BreakerSettings = BreakerSettings {
    window: Duration::from_secs(3),
    calls_min: 4,
    failed_percent: 50,
    slow: TIMEOUT,
    slow_percent: 100,
    open_for: Duration::from_millis(200),
    trials: 2,
};

/// For what is asked again anyway.
const WEAK_BREAKER: BreakerSettings =
    BreakerSettings { open_for: Duration::from_millis(500), trials: 1, ..WALLET_BREAKER };

/// Commands to one node of the wallet. As many at once as `peers.requests_in_flight_max` may be at most, so the cap
/// is never what refuses a gift.
pub const WALLET: Declaration = Declaration {
    name: "wallet",
    purpose: "decides commands, per node; slow answers open no breaker, because a gift refused costs more than one waited for",
    need: Need::Strong,
    timeout: TIMEOUT,
    in_flight_max: 64,
    breaker: WALLET_BREAKER,
};

/// Questions to one node of the wallet: apart from commands, so that a crowd of readers takes no place of a payer.
pub const WALLET_READS: Declaration = Declaration {
    name: "wallet-reads",
    purpose: "says what accounts hold and what became of a command, per node",
    need: Need::Strong,
    timeout: TIMEOUT,
    in_flight_max: 512,
    breaker: WALLET_BREAKER,
};

/// Reports to one keeper of orders.
pub const SHOW_REPORTS: Declaration = Declaration {
    name: "show-reports",
    purpose: "takes reports of shown gifts, per gift node",
    need: Need::Weak { fallback: "reports stay unacknowledged and are sent again" },
    timeout: TIMEOUT,
    in_flight_max: 64,
    breaker: WEAK_BREAKER,
};

/// Pulls of rows from one node.
pub const LOG_ROWS: Declaration = Declaration {
    name: "log-rows",
    purpose: "gives rows of a log that messages did not bring, per node",
    need: Need::Weak { fallback: "the next node is asked, or the reader pulls later" },
    timeout: TIMEOUT,
    in_flight_max: 1_024,
    breaker: WEAK_BREAKER,
};

/// What a process with pages passes on to one node.
pub const FRONT_DOOR: Declaration = Declaration {
    name: "front-door",
    purpose: "answers requests that a process with pages passes on, per node",
    need: Need::Weak { fallback: "the next node is asked, or the caller is told at once to come back" },
    timeout: TIMEOUT,
    in_flight_max: 1_024,
    breaker: WEAK_BREAKER,
};

/// What finance has done by one node of the service that owns the data.
pub const OWNERS: Declaration = Declaration {
    name: "owners",
    purpose: "does what finance decided: returns recharges, resettles, adjusts vouchers, per node",
    need: Need::Weak { fallback: "the next node is asked, or the decision waits and is sent again" },
    timeout: TIMEOUT,
    in_flight_max: 64,
    breaker: WEAK_BREAKER,
};

/// Every dependency of this library, as shipped.
pub fn declarations() -> [&'static Declaration; 6] {
    [&WALLET, &WALLET_READS, &SHOW_REPORTS, &LOG_ROWS, &FRONT_DOOR, &OWNERS]
}

/// A declaration under the configured time limit.
pub(crate) fn within(declared: &Declaration, timeout: Duration) -> Declaration {
    Declaration { timeout, breaker: BreakerSettings { slow: timeout, ..declared.breaker }, ..*declared }
}

/// No answer counts against a node, and so do answers that only a broken one gives. A node that refuses for overload
/// works, and says through its cut level what not to send.
pub(crate) fn judge(answer: &Result<Reply, CallError>) -> Verdict {
    match answer.as_ref().map(|reply| reply.status) {
        Err(_)
        | Ok(StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT) => {
            Verdict::Fails
        }
        Ok(_) => Verdict::Works,
    }
}

/// What was refused was not sent; what took too long may have been acted on.
pub(crate) fn told(error: guard::deps::CallError<CallError>, place: &str) -> CallError {
    let (place, reason) = (place.to_owned(), error.to_string());
    match error {
        guard::deps::CallError::Failed(error) => error,
        guard::deps::CallError::Refused { .. } => CallError::NotSent { place, reason },
        guard::deps::CallError::TimedOut { .. } => CallError::NoAnswer { place, reason },
    }
}
