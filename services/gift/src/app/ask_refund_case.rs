//! Somebody of finance asks for refunds: of one order, of a file's, or of a minor's gifts. Everything is checked before
//! anything is stored, and nothing is refunded until another person has approved it.

use super::list_gifts_sent::list_gifts_sent;
use super::refund_case_error::RefundCaseError;
use super::tell_refund_case::asked;
use crate::domain::refund_case::{
    CaseKind, NewCase, NewLine, NotRefundable, Period, REASON_LEN_MAX, line_of,
};
use crate::domain::refund_file::read_refunds;
use crate::store::refund_cases::{self, CaseView};
use crate::store::{orders, pending, refund_lines};
use chrono::{DateTime, Utc};
use contracts::digest::body_hash;
use contracts::order::Order;
use contracts::owner::{ReturnsRecharges, TellsShares};
use contracts::sheet::{Fault, Faults};
use contracts::wallet::Wallet;
use ids::{OrderId, Uuid, ViewerId};
use money::Coins;
use pg::Db;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// Orders that one statement looks up.
const ORDERS_PER_LOOK: usize = 1_000;

/// What refunds by people need.
#[derive(Clone)]
pub struct RefundDesk {
    pub db: Db,
    pub wallet: Arc<dyn Wallet>,
    /// Who sends a minor's money back; `None` where this process reaches no cashier.
    pub recharges: Option<Arc<dyn ReturnsRecharges>>,
    /// Who knows what the orders earned whom; `None` where this process reaches no settlement.
    pub shares: Option<Arc<dyn TellsShares>>,
}

/// One order's refund, as an agent asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskRefund {
    /// The caller's own UUIDv7: asking again under it changes nothing.
    pub request_id: Uuid,
    pub gift_order_id: OrderId,
    /// Missing or null: all that is left when it is done.
    #[serde(default)]
    pub amount_coins: Option<Coins>,
    pub reason: String,
}

/// A minor's gifts of a time, and the money they were paid with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskMinorCase {
    /// The caller's own UUIDv7: asking again under it changes nothing.
    pub case_id: Uuid,
    pub viewer_id: ViewerId,
    pub from: DateTime<Utc>,
    /// The first instant that does not count.
    pub to: DateTime<Utc>,
    pub reason: String,
}

impl RefundDesk {
    /// Asks for the refund of one order, once per id.
    ///
    /// # Errors
    /// [`RefundCaseError`]; nothing is stored then.
    pub async fn ask_refund(&self, ask: AskRefund, made_by: Uuid) -> Result<CaseView, RefundCaseError> {
        let hash = body_hash(&(CaseKind::Agent.code(), made_by, &ask));
        if let Some(known) = self.known(ask.request_id, hash).await? {
            return Ok(known);
        }
        let reason = checked_reason(&ask.reason)?;
        if ask.amount_coins.is_some_and(Coins::is_zero) {
            return Err(RefundCaseError::BadAmount);
        }
        let rows = self.rows_of(&[ask.gift_order_id]).await?;
        let rows: Vec<&Order> = rows.iter().collect();
        let line = match line_of(1, &rows, ask.amount_coins, reason) {
            Err(NotRefundable::NoSuchOrder) if self.is_pending(ask.gift_order_id).await? => {
                return Err(NotRefundable::NotDecided.into());
            }
            line => line?,
        };
        self.store(NewCase {
            case_id: ask.request_id,
            kind: CaseKind::Agent,
            body_hash: hash,
            made_by,
            reason: reason.to_owned(),
            period: None,
            lines: vec![line],
        })
        .await
    }

    /// Asks for the refunds of a file, all of them or none, once per id.
    ///
    /// # Errors
    /// [`RefundCaseError::BadFile`] names line and column of everything that is wrong; nothing is stored then.
    pub async fn ask_batch(
        &self,
        case_id: Uuid,
        (text, reason): (&str, &str),
        made_by: Uuid,
    ) -> Result<CaseView, RefundCaseError> {
        let hash = body_hash(&(CaseKind::File.code(), made_by, reason, text));
        if let Some(known) = self.known(case_id, hash).await? {
            return Ok(known);
        }
        let reason = checked_reason(reason)?;
        let file = read_refunds(text)?;
        let ids: Vec<OrderId> = file.iter().map(|line| line.order_id).collect();
        let rows = self.rows_of(&ids).await?;
        let mut by_order: HashMap<OrderId, Vec<&Order>> = HashMap::new();
        for row in &rows {
            by_order.entry(row.order_id).or_default().push(row);
        }
        let (mut lines, mut faults) = (Vec::new(), Faults::default());
        for line in &file {
            let rows = by_order.get(&line.order_id).map(Vec::as_slice).unwrap_or_default();
            match line_of(line.line, rows, line.amount_coins, &line.reason) {
                Ok(new) => lines.push(new),
                Err(error) => {
                    let column = if matches!(error, NotRefundable::OverRefund(_)) {
                        "amount_coins"
                    } else {
                        "order_id"
                    };
                    faults.0.push(Fault { line: line.line, column, reason: error.to_string() });
                }
            }
        }
        if !faults.0.is_empty() {
            return Err(faults.into());
        }
        let (kind, reason) = (CaseKind::File, reason.to_owned());
        self.store(NewCase { case_id, kind, body_hash: hash, made_by, reason, period: None, lines }).await
    }

    /// Makes the case of a minor's gifts of a time, once per id: all that is left of each of them.
    ///
    /// # Errors
    /// [`RefundCaseError`]; nothing is stored then.
    pub async fn ask_minor_case(
        &self,
        ask: AskMinorCase,
        made_by: Uuid,
        now: DateTime<Utc>,
    ) -> Result<CaseView, RefundCaseError> {
        let hash = body_hash(&(CaseKind::Minor.code(), made_by, &ask));
        if let Some(known) = self.known(ask.case_id, hash).await? {
            return Ok(known);
        }
        let reason = checked_reason(&ask.reason)?;
        if ask.from >= ask.to || ask.to > now {
            return Err(RefundCaseError::BadPeriod);
        }
        let period = Period { viewer_id: ask.viewer_id, from: ask.from, to: ask.to };
        let sent = list_gifts_sent(&*self.wallet, period).await?;
        let rows = self.rows_of(&sent).await?;
        let mut by_order: HashMap<OrderId, Vec<&Order>> = HashMap::new();
        for row in &rows {
            by_order.entry(row.order_id).or_default().push(row);
        }
        let mut lines: Vec<NewLine> = Vec::new();
        for order_id in sent {
            let Some(rows) = by_order.get(&order_id) else { return Err(NotRefundable::NotDecided.into()) };
            let number = i32::try_from(lines.len() + 1).unwrap_or(i32::MAX);
            match line_of(number, rows, None, reason) {
                Ok(line) => lines.push(line),
                // What is back already, or comes back by itself, needs no line.
                Err(NotRefundable::NothingLeft | NotRefundable::UnderWay) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if lines.is_empty() {
            return Err(RefundCaseError::NoGifts);
        }
        self.store(NewCase {
            case_id: ask.case_id,
            kind: CaseKind::Minor,
            body_hash: hash,
            made_by,
            reason: reason.to_owned(),
            period: Some(period),
            lines,
        })
        .await
    }

    /// The case of an id that came before; the check comes before any other.
    async fn known(&self, case_id: Uuid, hash: i64) -> Result<Option<CaseView>, RefundCaseError> {
        if case_id.get_version_num() != 7 {
            return Err(RefundCaseError::IdNotV7);
        }
        match refund_cases::find(&self.db, case_id).await? {
            Some(known) if known.body_hash != hash => Err(RefundCaseError::RequestReused),
            known => Ok(known),
        }
    }

    async fn store(&self, case: NewCase) -> Result<CaseView, RefundCaseError> {
        let mut tx = self.db.begin().await?;
        if refund_cases::insert_in_tx(&mut tx, &self.db, &case).await? {
            refund_lines::insert_in_tx(&mut tx, &self.db, case.case_id, &case.lines).await?;
            trail::append_in_tx(&mut tx, &self.db, vec![asked(&case)], Utc::now()).await?;
            tx.commit().await?;
        } else {
            tx.rollback().await?; // The same id came twice at once: one of them is the case.
        }
        self.known(case.case_id, case.body_hash).await?.ok_or(RefundCaseError::NoSuchCase)
    }

    async fn rows_of(&self, ids: &[OrderId]) -> Result<Vec<Order>, sqlx::Error> {
        let mut rows = Vec::new();
        for some in ids.chunks(ORDERS_PER_LOOK) {
            rows.extend(orders::list_of_orders(&self.db, some).await?);
        }
        Ok(rows)
    }

    async fn is_pending(&self, order_id: OrderId) -> Result<bool, sqlx::Error> {
        Ok(pending::find_debit(&self.db, order_id).await?.is_some())
    }
}

fn checked_reason(reason: &str) -> Result<&str, RefundCaseError> {
    let reason = reason.trim();
    let fits = (1..=REASON_LEN_MAX).contains(&reason.chars().count());
    fits.then_some(reason).ok_or(RefundCaseError::BadReason)
}
