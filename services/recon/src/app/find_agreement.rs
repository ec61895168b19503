//! Looks again at minutes with open breaks: what was late may have come, and then a break clears by itself.
//!
//! Digests are read first, rows only where a digest has changed since the last look. A minute whose digests are
//! deleted says nothing, and clears nothing.

use super::act_on_break::Desk;
use super::compare_minutes::differences_of_minute;
use super::desk_error::DeskError;
use super::run_desk::{Left, Standing};
use crate::app::compare_minutes::CompareError;
use crate::domain::break_state::{BreakState, BreakStep};
use crate::domain::saying::Side;
use crate::store::breaks::{self, ClosedWhy, OpenFact};
use crate::store::desk::Moved;
use crate::store::digests::{self, Fold, Place};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};

/// Open breaks one look takes in; the next goes on behind them.
const FACTS_MAX: i64 = 500;

/// Minutes whose last digests are remembered; beyond that all are read again.
const MINUTES_MAX: usize = 10_000;

/// The digests of a minute: before, after.
type Sides = (Option<Fold>, Option<Fold>);

/// What was seen at the last look.
#[derive(Default)]
pub struct Agreement {
    seen: HashMap<Place, Sides>,
    /// Breaks up to this number were looked at in this round.
    looked_to: i64,
}

impl Agreement {
    /// Looks at the next open breaks, and clears those about which the logs agree.
    ///
    /// # Errors
    /// [`DeskError`]; the next look begins where this one did.
    pub async fn look(&mut self, desk: &Desk) -> Result<(), DeskError> {
        let page = breaks::list_open_facts(&desk.db, self.looked_to, FACTS_MAX).await?;
        let last = page.last().map_or(0, |fact| fact.break_no);
        let mut minutes: BTreeMap<Place, Vec<OpenFact>> = BTreeMap::new();
        for fact in page {
            minutes.entry((fact.pair, fact.partition, fact.minute)).or_default().push(fact);
        }
        if self.seen.len() > MINUTES_MAX {
            self.seen.clear();
        }
        for (place, facts) in minutes {
            self.look_at(desk, place, &facts).await?;
        }
        self.looked_to = last;
        Ok(())
    }

    async fn look_at(&mut self, desk: &Desk, place: Place, facts: &[OpenFact]) -> Result<(), DeskError> {
        let (pair, partition, minute) = place;
        let mut sides: Sides = (None, None);
        for (_, side, fold) in digests::list(&desk.db, (pair, partition), (minute, minute + 1), 2).await? {
            match side {
                Side::Before => sides.0 = Some(fold),
                Side::After => sides.1 = Some(fold),
            }
        }
        if sides == (None, None) || self.seen.get(&place) == Some(&sides) {
            return Ok(());
        }
        let differs = differences_of_minute(&desk.sources, (pair, partition), minute, sides).await;
        let differs = differs.map_err(|error| match error {
            CompareError::Db(error) => DeskError::Db(error),
            CompareError::Pull(error) => DeskError::Rows(error),
        })?;
        for fact in facts.iter().filter(|fact| !differs.contains(&fact.fact)) {
            let step = if fact.state == BreakState::Posted { BreakStep::Close } else { BreakStep::Clear };
            let (break_id, state, version) = (fact.break_id, fact.state, fact.version);
            let left = Left { closed: Some(ClosedWhy::LogsAgree), ..Left::default() };
            let body = json!({ "why": ClosedWhy::LogsAgree });
            let standing = Standing { break_id, state, version };
            if desk.step(standing, step, left, body).await? == Moved::Yes {
                tracing::info!(%break_id, "what was late has come: a break cleared by itself");
                metrics::counter!("largesse_recon_breaks_cleared_total").increment(1);
            }
        }
        self.seen.insert(place, sides);
        Ok(())
    }
}
