//! Refund cases as finance reads them; a minor's with what each streamer and agency earned of the gifts.

use super::ask_refund_case::RefundDesk;
use super::refund_case_error::RefundCaseError;
use crate::domain::refund_case::{CaseKind, CaseState};
use crate::store::refund_cases::{self, CaseView};
use crate::store::refund_lines::{self, LineView};
use contracts::item::{Item, ItemKind};
use contracts::owner::{OwnerError, SHARE_ORDERS_MAX};
use ids::{AgencyId, OrderId, StreamerId, Uuid};
use money::{Micros, MoneyError};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Lines one page has at most.
pub const LINES_PAGE_MAX: u16 = 500;

/// What one streamer and agency earned of a case's orders, and what of that is taken back again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ShareView {
    pub streamer_id: Option<StreamerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agency_id: Option<AgencyId>,
    pub gift_count: i64,
    pub coins: i64,
    /// In millionths of a minor unit.
    pub streamer_micro: Micros,
    pub agency_micro: Micros,
    pub streamer_reversed_micro: Micros,
    pub agency_reversed_micro: Micros,
}

/// A case with its lines.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CaseDetail {
    #[serde(flatten)]
    pub case: CaseView,
    pub lines: Vec<LineView>,
    /// The last line of this page, where there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<i32>,
    /// Of a minor's case: whose earnings it takes back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<ShareView>,
    /// Why the shares are not known now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares_unavailable: Option<String>,
}

impl RefundDesk {
    /// One case with a page of its lines.
    ///
    /// # Errors
    /// [`RefundCaseError::NoSuchCase`]; the database.
    pub async fn read_case(
        &self,
        (kind, case_id): (CaseKind, Uuid),
        (after, limit): (i32, u16),
    ) -> Result<CaseDetail, RefundCaseError> {
        let case = refund_cases::find(&self.db, case_id).await?;
        let case = case.filter(|case| case.kind == kind).ok_or(RefundCaseError::NoSuchCase)?;
        let limit = limit.clamp(1, LINES_PAGE_MAX);
        let lines = refund_lines::list(&self.db, case_id, (after, i64::from(limit))).await?;
        let next = lines.last().filter(|_| lines.len() == usize::from(limit)).map(|line| line.line);
        let mut detail = CaseDetail { case, lines, next, shares: Vec::new(), shares_unavailable: None };
        if kind == CaseKind::Minor {
            match self.shares_of(case_id).await? {
                Ok(shares) => detail.shares = shares,
                Err(why) => detail.shares_unavailable = Some(why),
            }
        }
        Ok(detail)
    }

    /// Cases of a kind, newest first, before one of them.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn list_cases(
        &self,
        kind: CaseKind,
        state: Option<CaseState>,
        (before, limit): (Option<Uuid>, u16),
    ) -> Result<Vec<CaseView>, RefundCaseError> {
        Ok(refund_cases::list(&self.db, kind, state, (before, i64::from(limit))).await?)
    }

    async fn shares_of(&self, case_id: Uuid) -> Result<Result<Vec<ShareView>, String>, sqlx::Error> {
        let Some(source) = &self.shares else {
            return Ok(Err("this process reaches no settlement".to_owned()));
        };
        let (mut shares, mut after) = (Shares::default(), 0);
        loop {
            let page = refund_lines::list(&self.db, case_id, (after, PAGE_LEN)).await?;
            let Some(last) = page.last() else { break };
            after = last.line;
            let orders: Vec<OrderId> = page.iter().map(|line| line.order_id).collect();
            for some in orders.chunks(SHARE_ORDERS_MAX) {
                let added = match source.items_of(some.to_vec()).await {
                    Ok(items) => items.iter().try_for_each(|item| shares.add(item)),
                    Err(OwnerError::Refused { detail, .. } | OwnerError::NoAnswer(detail)) => {
                        return Ok(Err(detail));
                    }
                };
                if let Err(error) = added {
                    return Ok(Err(error.to_string()));
                }
            }
        }
        Ok(Ok(shares.0.into_values().collect()))
    }
}

/// Lines read at once for their shares.
const PAGE_LEN: i64 = 1_000;

#[derive(Default)]
struct Shares(BTreeMap<(StreamerId, Option<AgencyId>), ShareView>);

impl Shares {
    fn add(&mut self, item: &Item) -> Result<(), MoneyError> {
        let share = self.0.entry((item.streamer_id, item.agency_id)).or_default();
        share.streamer_id = Some(item.streamer_id);
        share.agency_id = item.agency_id;
        match item.kind {
            ItemKind::Settled => {
                let coins = item.paid_coins.checked_add(item.promo_coins)?;
                share.gift_count += 1;
                share.coins = share.coins.checked_add(coins.get()).ok_or(MoneyError::Overflow)?;
                share.streamer_micro = share.streamer_micro.checked_add(item.streamer)?;
                share.agency_micro = share.agency_micro.checked_add(item.agency)?;
            }
            ItemKind::Reversed => {
                share.streamer_reversed_micro = share.streamer_reversed_micro.checked_add(item.streamer)?;
                share.agency_reversed_micro = share.agency_reversed_micro.checked_add(item.agency)?;
            }
        }
        Ok(())
    }
}
