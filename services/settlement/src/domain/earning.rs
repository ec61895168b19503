//! Earnings netted per payee, day, partition, streamer and contract version: a batch of items becomes a few additions,
//! and a statement has a line for each streamer and version.

use chrono::NaiveDate;
use contracts::item::{Item, ItemKind};
use contracts::payout::PayeeClass;
use ids::{AgencyId, Partition, StreamerId, Uuid};
use money::{Micros, MoneyError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Who earns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PayeeKind {
    Streamer,
    Agency,
    Platform,
    Tax,
}

impl PayeeKind {
    /// The number in the column `payee_kind`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            PayeeKind::Streamer => 1,
            PayeeKind::Agency => 2,
            PayeeKind::Platform => 3,
            PayeeKind::Tax => 4,
        }
    }
}

/// One payee. The platform and the tax are one each, with the nil id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payee {
    pub kind: PayeeKind,
    pub id: Uuid,
}

impl Payee {
    pub const PLATFORM: Payee = Payee { kind: PayeeKind::Platform, id: Uuid::nil() };
    pub const TAX: Payee = Payee { kind: PayeeKind::Tax, id: Uuid::nil() };

    pub const fn streamer(id: StreamerId) -> Payee {
        Payee { kind: PayeeKind::Streamer, id: id.uuid() }
    }

    /// Somebody who has statements and payouts.
    pub const fn of(class: PayeeClass, id: Uuid) -> Payee {
        let kind = match class {
            PayeeClass::Streamer => PayeeKind::Streamer,
            PayeeClass::Agency => PayeeKind::Agency,
        };
        Payee { kind, id }
    }

    pub const fn agency(id: AgencyId) -> Payee {
        Payee { kind: PayeeKind::Agency, id: id.uuid() }
    }
}

/// One row of `earnings`. The order of keys is the order in which rows lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EarningKey {
    pub payee: Payee,
    pub day: NaiveDate,
    pub partition: Partition,
    /// Whose contract, and which version of it, says so. The platform and the tax have one row for all: nil and 0.
    pub streamer_id: StreamerId,
    pub contract_version: i32,
}

/// What is added to one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Earning {
    /// Value of the settled orders.
    pub gross: Micros,
    /// The payee's part of it.
    pub share: Micros,
    /// What refunds took back of the payee's part; mostly negative.
    pub clawback: Micros,
    pub settled_count: i64,
    pub reversed_count: i64,
}

impl Earning {
    /// Adds another.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn checked_add(self, other: Earning) -> Result<Earning, MoneyError> {
        let count = |a: i64, b| a.checked_add(b).ok_or(MoneyError::Overflow);
        Ok(Earning {
            gross: self.gross.checked_add(other.gross)?,
            share: self.share.checked_add(other.share)?,
            clawback: self.clawback.checked_add(other.clawback)?,
            settled_count: count(self.settled_count, other.settled_count)?,
            reversed_count: count(self.reversed_count, other.reversed_count)?,
        })
    }

    /// What it comes to.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn net(self) -> Result<Micros, MoneyError> {
        self.share.checked_add(self.clawback)
    }
}

/// Earnings of a batch by row, in lock order.
pub type Earnings = BTreeMap<EarningKey, Earning>;

/// Adds one item to the earnings of its cycle's day. An item of a sealed day counts in the first open one and
/// keeps its own day in the log.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn add_item(earnings: &mut Earnings, item: &Item, first_open_day: NaiveDate) -> Result<(), MoneyError> {
    let gross = item.gross_paid.checked_add(item.gross_promo)?;
    let (day, partition) = (item.stamp.day.max(first_open_day), item.stamp.partition);
    let of_contract = (item.streamer_id, item.contract_version);
    let of_all = (StreamerId::from_uuid(Uuid::nil()), 0);
    let mut add = |payee, (streamer_id, contract_version), part: Micros| {
        let key = EarningKey { payee, day, partition, streamer_id, contract_version };
        let more = match item.kind {
            ItemKind::Settled => Earning { gross, share: part, settled_count: 1, ..Earning::default() },
            ItemKind::Reversed => Earning { clawback: part, reversed_count: 1, ..Earning::default() },
        };
        let row = earnings.entry(key).or_default();
        *row = row.checked_add(more)?;
        Ok::<(), MoneyError>(())
    };
    add(Payee::streamer(item.streamer_id), of_contract, item.streamer)?;
    if let Some(agency) = item.agency_id {
        add(Payee::agency(agency), of_contract, item.agency)?;
    }
    add(Payee::PLATFORM, of_all, item.platform)?;
    add(Payee::TAX, of_all, item.tax)
}
