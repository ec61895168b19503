//! From a load test and a forecast to the nodes that are needed and the quotas to set.
//!
//! Pure integer arithmetic: the same numbers always give the same plan, and nothing is rounded to the pleasant side.
//! Beyond what is planned requests are throttled by these quotas and by the adaptive limit; nothing queues them.

use serde::{Deserialize, Serialize};

/// One step of a load test: a constant rate for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadStep {
    pub offered_per_s: u64,
    pub served_per_s: u64,
    pub p99_us: u64,
}

/// What a load test of some nodes found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadTest {
    /// Nodes that were tested together.
    pub nodes: u32,
    /// In any order.
    pub steps: Vec<LoadStep>,
    /// The promise: a step whose p99 is longer does not count.
    pub p99_max_us: u64,
}

/// A tenant and its part of the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantShare {
    pub name: String,
    pub weight: u32,
}

/// What is expected, and how careful to be about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forecast {
    pub peak_per_s: u64,
    /// How much more than the forecast must fit, in percent of it.
    pub margin_percent: u32,
    /// Nodes that may be away at the peak.
    pub nodes_away: u32,
    /// The most that one room may take, in percent of the whole.
    pub room_percent: u32,
    /// The most that one viewer may send a second.
    pub viewer_per_s: u32,
    pub tenants: Vec<TenantShare>,
}

/// A share of a step's offered requests that counts as all of them, in percent.
const SERVED_MIN_PERCENT: u64 = 99;

/// How long a quota's burst lasts at its own rate, in milliseconds: longer than a gift combo, shorter than a queue.
const BURST_MS: u64 = 500;

/// A quota to set on every node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaLine {
    /// `viewer`, `room` or `tenant`.
    pub scope: String,
    /// Whose; none means everybody's.
    pub key: Option<String>,
    pub per_s: u64,
    pub burst: u64,
}

/// What to install and what to set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityPlan {
    /// What one node serves within the promise.
    pub node_per_s: u64,
    /// Nodes for the forecast with its margin, and those that may be away.
    pub nodes: u32,
    /// What all nodes that are not away serve; more is throttled.
    pub throttled_above_per_s: u64,
    /// The ceiling of the adaptive limit: what is in flight on a node at its best, and half of that again.
    pub in_flight_max: u64,
    pub quotas: Vec<QuotaLine>,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapacityError {
    #[error("the load test names no nodes")]
    NoNodes,
    #[error("no step of the load test was served within {p99_max_us} us: there is no capacity to plan with")]
    NoGoodStep { p99_max_us: u64 },
    #[error("a step says that more was served ({served_per_s}/s) than was offered ({offered_per_s}/s)")]
    ServedMoreThanOffered { offered_per_s: u64, served_per_s: u64 },
    #[error("the forecast's peak is zero")]
    NoPeak,
    #[error("room_percent must be from 1 to 100, and viewer_per_s at least 1")]
    ShareOutOfRange,
    #[error("the tenants' weights add up to zero")]
    NoWeight,
    #[error("the numbers are too large to count with")]
    TooLarge,
}

/// Computes the plan.
///
/// # Errors
/// [`CapacityError`]; nothing is guessed.
pub fn plan(test: &LoadTest, forecast: &Forecast) -> Result<CapacityPlan, CapacityError> {
    if test.nodes == 0 {
        return Err(CapacityError::NoNodes);
    }
    if forecast.peak_per_s == 0 {
        return Err(CapacityError::NoPeak);
    }
    if !(1..=100).contains(&forecast.room_percent) || forecast.viewer_per_s == 0 {
        return Err(CapacityError::ShareOutOfRange);
    }
    let best = best_step(test)?;
    let node_per_s = best.served_per_s / u64::from(test.nodes);
    if node_per_s == 0 {
        return Err(CapacityError::NoGoodStep { p99_max_us: test.p99_max_us });
    }
    let wanted_per_s = forecast
        .peak_per_s
        .checked_mul(100 + u64::from(forecast.margin_percent))
        .ok_or(CapacityError::TooLarge)?
        .div_ceil(100);
    let working = wanted_per_s.div_ceil(node_per_s);
    let nodes =
        u32::try_from(working + u64::from(forecast.nodes_away)).map_err(|_| CapacityError::TooLarge)?;
    let in_flight = node_per_s.checked_mul(best.p99_us).ok_or(CapacityError::TooLarge)?.div_ceil(1_000_000);
    Ok(CapacityPlan {
        node_per_s,
        nodes,
        throttled_above_per_s: working.checked_mul(node_per_s).ok_or(CapacityError::TooLarge)?,
        in_flight_max: (in_flight + in_flight.div_ceil(2)).max(1),
        quotas: quotas(node_per_s, forecast)?,
    })
}

/// The highest step that kept the promise, with none below it that did not: a promise kept by luck above a broken one
/// is no capacity.
fn best_step(test: &LoadTest) -> Result<LoadStep, CapacityError> {
    let mut steps = test.steps.clone();
    steps.sort_by_key(|step| step.offered_per_s);
    let mut best = None;
    for step in steps {
        let LoadStep { offered_per_s, served_per_s, p99_us } = step;
        if served_per_s > offered_per_s {
            return Err(CapacityError::ServedMoreThanOffered { offered_per_s, served_per_s });
        }
        let enough = u128::from(offered_per_s) * u128::from(SERVED_MIN_PERCENT);
        if u128::from(served_per_s) * 100 < enough || p99_us > test.p99_max_us {
            break;
        }
        best = Some(step);
    }
    best.filter(|step| step.served_per_s > 0).ok_or(CapacityError::NoGoodStep { p99_max_us: test.p99_max_us })
}

fn quotas(node_per_s: u64, forecast: &Forecast) -> Result<Vec<QuotaLine>, CapacityError> {
    let line = |scope: &str, key: Option<String>, per_s: u64| {
        let per_s = per_s.max(1);
        QuotaLine {
            scope: scope.to_owned(),
            key,
            per_s,
            burst: per_s.saturating_mul(BURST_MS).div_ceil(1_000),
        }
    };
    let room_per_s =
        node_per_s.checked_mul(forecast.room_percent.into()).ok_or(CapacityError::TooLarge)? / 100;
    let mut lines = vec![line("viewer", None, forecast.viewer_per_s.into()), line("room", None, room_per_s)];
    let weights: u64 = forecast.tenants.iter().map(|tenant| u64::from(tenant.weight)).sum();
    if weights == 0 && !forecast.tenants.is_empty() {
        return Err(CapacityError::NoWeight);
    }
    for tenant in &forecast.tenants {
        let per_s =
            node_per_s.checked_mul(tenant.weight.into()).ok_or(CapacityError::TooLarge)? / weights.max(1);
        lines.push(line("tenant", Some(tenant.name.clone()), per_s));
    }
    Ok(lines)
}
