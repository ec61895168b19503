//! Refunds that people ask for: what a case is, and what is left of an order. Pure.

use chrono::{DateTime, Utc};
use contracts::class::{Classed, ErrorClass};
use contracts::order::{Order, OrderKind};
use ids::{OrderId, StreamerId, Uuid, ViewerId};
use money::{Coins, MoneyError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The longest reason, in characters.
pub const REASON_LEN_MAX: usize = 2_000;

/// What a case is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseKind {
    /// One order, asked for by an agent.
    Agent,
    /// Many orders, by a file.
    File,
    /// A minor's gifts of a period, and the money they were paid with.
    Minor,
}

impl CaseKind {
    pub const ALL: [CaseKind; 3] = [CaseKind::Agent, CaseKind::File, CaseKind::Minor];

    /// The number in the column `kind`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            CaseKind::Agent => 1,
            CaseKind::File => 2,
            CaseKind::Minor => 3,
        }
    }

    /// The kind of a stored code.
    pub fn of_code(code: i16) -> Option<CaseKind> {
        CaseKind::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// How far a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// For another person.
    Waiting,
    /// It is being done.
    Approved,
    /// Nothing of it will be done.
    Refused,
    /// Each line has its outcome, and a minor's money is back as far as it goes.
    Done,
}

impl CaseState {
    pub const ALL: [CaseState; 4] =
        [CaseState::Waiting, CaseState::Approved, CaseState::Refused, CaseState::Done];

    /// The number in the column `state`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            CaseState::Waiting => 1,
            CaseState::Approved => 2,
            CaseState::Refused => 3,
            CaseState::Done => 4,
        }
    }

    /// The state of a stored code.
    pub fn of_code(code: i16) -> Option<CaseState> {
        CaseState::ALL.into_iter().find(|state| state.code() == code)
    }
}

/// Whose gifts of which time: `from` counts, `to` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Period {
    pub viewer_id: ViewerId,
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

/// One order to be refunded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLine {
    pub line: i32,
    pub order_id: OrderId,
    pub viewer_id: ViewerId,
    pub streamer_id: StreamerId,
    /// Missing: all that is left.
    pub amount_coins: Option<Coins>,
    /// What it gives back as of now.
    pub asked_coins: Coins,
    pub reason: String,
}

/// A case before it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCase {
    pub case_id: Uuid,
    pub kind: CaseKind,
    pub body_hash: i64,
    pub made_by: Uuid,
    pub reason: String,
    pub period: Option<Period>,
    pub lines: Vec<NewLine>,
}

/// Why an order cannot be refunded, now or ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRefundable {
    #[error("there is no such order")]
    NoSuchOrder,
    #[error("the order is not decided yet; ask again in a moment")]
    NotDecided,
    #[error("the gift was never shown, so its coins are on their way back already")]
    UnderWay,
    #[error("nothing is left of the order")]
    NothingLeft,
    #[error("{} coins are left of the order", .0.get())]
    OverRefund(Coins),
    #[error("the order's coins do not fit")]
    Money(#[from] MoneyError),
}

impl Classed for NotRefundable {
    fn class(&self) -> ErrorClass {
        match self {
            NotRefundable::NoSuchOrder => ErrorClass::NotFound,
            NotRefundable::NotDecided | NotRefundable::UnderWay => ErrorClass::Conflict,
            NotRefundable::NothingLeft | NotRefundable::OverRefund(_) => ErrorClass::Rejected,
            NotRefundable::Money(_) => ErrorClass::Bug,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            NotRefundable::NoSuchOrder => "no-such-order",
            NotRefundable::NotDecided => "order-not-decided",
            NotRefundable::UnderWay => "refund-under-way",
            NotRefundable::NothingLeft => "nothing-left",
            NotRefundable::OverRefund(_) => "over-refund",
            NotRefundable::Money(_) => "sums-do-not-fit",
        }
    }
}

/// The line of one order: its rows, oldest first, say whose it is and what is left of it. Only what was delivered is
/// refunded by people: an order that gift does not know, or that gift itself gives back, is none of theirs.
///
/// # Errors
/// [`NotRefundable`].
pub fn line_of(
    line: i32,
    rows: &[&Order],
    amount_coins: Option<Coins>,
    reason: &str,
) -> Result<NewLine, NotRefundable> {
    let [first, back @ ..] = rows else { return Err(NotRefundable::NoSuchOrder) };
    match first.kind {
        OrderKind::Delivered => {}
        OrderKind::Refunding => return Err(NotRefundable::UnderWay),
        OrderKind::ReturnedUndelivered | OrderKind::RefundedDelivered => {
            return Err(NotRefundable::NoSuchOrder);
        }
    }
    let mut left = coins_of(first)?;
    for row in back {
        left = left.checked_sub(coins_of(row)?).ok_or(NotRefundable::NothingLeft)?;
    }
    if left.is_zero() {
        return Err(NotRefundable::NothingLeft);
    }
    if amount_coins.is_some_and(|amount| amount > left) {
        return Err(NotRefundable::OverRefund(left));
    }
    Ok(NewLine {
        line,
        order_id: first.order_id,
        viewer_id: first.viewer_id,
        streamer_id: first.streamer_id,
        amount_coins,
        asked_coins: amount_coins.unwrap_or(left),
        reason: reason.to_owned(),
    })
}

fn coins_of(row: &Order) -> Result<Coins, MoneyError> {
    row.paid_coins.checked_add(row.promo_coins)
}
