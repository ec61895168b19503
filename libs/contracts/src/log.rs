//! Logs, the stamp every row carries, and the two messages that travel over the bus.

use crate::lane::Lane;
use chrono::{DateTime, NaiveDate, SubsecRound, Utc};
use ids::{Partition, Uuid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The six logs. A log is a table owned by one service; its rows never change.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
pub enum LogName {
    #[serde(rename = "cashier.payments")]
    Payments,
    #[serde(rename = "wallet.entries")]
    Entries,
    #[serde(rename = "gift.orders")]
    Orders,
    #[serde(rename = "settlement.items")]
    Items,
    #[serde(rename = "settlement.payouts")]
    Payouts,
    #[serde(rename = "clearing.vouchers")]
    Vouchers,
}

impl LogName {
    pub const ALL: [LogName; 6] = [
        LogName::Payments,
        LogName::Entries,
        LogName::Orders,
        LogName::Items,
        LogName::Payouts,
        LogName::Vouchers,
    ];

    /// The name on the wire, in `log_heads` and in queue names: `<service>.<table>`.
    pub const fn as_str(self) -> &'static str {
        match self {
            LogName::Payments => "cashier.payments",
            LogName::Entries => "wallet.entries",
            LogName::Orders => "gift.orders",
            LogName::Items => "settlement.items",
            LogName::Payouts => "settlement.payouts",
            LogName::Vouchers => "clearing.vouchers",
        }
    }

    /// The service that owns the log: also its schema's name.
    pub const fn service(self) -> &'static str {
        match self {
            LogName::Payments => "cashier",
            LogName::Entries => "wallet",
            LogName::Orders => "gift",
            LogName::Items | LogName::Payouts => "settlement",
            LogName::Vouchers => "clearing",
        }
    }
}

impl std::str::FromStr for LogName {
    type Err = UnknownLog;
    fn from_str(name: &str) -> Result<LogName, UnknownLog> {
        LogName::ALL.into_iter().find(|log| log.as_str() == name).ok_or_else(|| UnknownLog(name.to_owned()))
    }
}

impl std::fmt::Display for LogName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A log nobody writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no log named {0}")]
pub struct UnknownLog(pub String);

/// A row's number within its partition: from 1, no gap. 0 means "before the first row".
pub type Seq = i64;

/// The number of one writer's reign over a partition. A higher epoch has deposed every lower one.
pub type Epoch = i64;

/// What one node holds of a log, by its own word: which partitions, and the epoch of each. Where two nodes claim
/// one partition, the higher epoch is right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub held: Vec<(Partition, Epoch)>,
}

/// A closed minute is a Unix minute: seconds since 1970 divided by 60.
pub type Minute = i32;

/// What every row of every log carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stamp {
    pub partition: Partition,
    /// Given by the writer when the batch is numbered; 0 until then.
    pub seq: Seq,
    pub epoch: Epoch,
    /// When the row was decided, in the partition's own time (never runs back).
    pub decided_at: DateTime<Utc>,
    /// The Unix minute of the origin: a row derived from another log copies the origin's.
    pub minute: Minute,
    /// The accounting day of the origin, copied likewise.
    pub day: NaiveDate,
    /// The seq of the row it was derived from, in partition n of the log before; 0 where there is none.
    pub origin_seq: Seq,
}

impl Stamp {
    /// A stamp not yet numbered, for a row decided at `now` that derives from nothing. Time is kept in whole
    /// microseconds, as tables keep it, so that a relayed row equals the stored one.
    pub fn original(partition: Partition, now: DateTime<Utc>, zone: AccountingZone) -> Stamp {
        let now = now.trunc_subsecs(6);
        Stamp {
            partition,
            seq: 0,
            epoch: 0,
            decided_at: now,
            minute: minute_of(now),
            day: zone.day_of(now),
            origin_seq: 0,
        }
    }

    /// A stamp not yet numbered, for a row decided at `now` that derives from `origin`.
    pub fn derived(origin: &Stamp, now: DateTime<Utc>) -> Stamp {
        let decided_at = now.trunc_subsecs(6);
        Stamp { seq: 0, epoch: 0, decided_at, origin_seq: origin.seq, ..origin.clone() }
    }
}

/// The Unix minute of an instant.
pub fn minute_of(at: DateTime<Utc>) -> Minute {
    Minute::try_from(at.timestamp().div_euclid(60)).unwrap_or(Minute::MAX)
}

/// The one time zone of accounting days: a setting, the same for every service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub struct AccountingZone(chrono::FixedOffset);

impl AccountingZone {
    /// The accounting day an instant falls on.
    pub fn day_of(self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.0).date_naive()
    }
}

impl Default for AccountingZone {
    /// UTC+8, the zone of the sample data.
    fn default() -> AccountingZone {
        AccountingZone::try_from(8 * 60).unwrap_or(AccountingZone(chrono::Offset::fix(&Utc)))
    }
}

impl TryFrom<i32> for AccountingZone {
    type Error = String;
    fn try_from(minutes_east: i32) -> Result<AccountingZone, String> {
        chrono::FixedOffset::east_opt(minutes_east.saturating_mul(60))
            .map(AccountingZone)
            .ok_or_else(|| format!("{minutes_east} minutes east of UTC is no time zone"))
    }
}

impl From<AccountingZone> for i32 {
    fn from(zone: AccountingZone) -> i32 {
        zone.0.local_minus_utc() / 60
    }
}

/// A row of some log.
pub trait LogRow:
    Clone + Send + Sync + Serialize + serde::de::DeserializeOwned + std::fmt::Debug + 'static
{
    const LOG: LogName;
    fn stamp(&self) -> &Stamp;
    fn stamp_mut(&mut self) -> &mut Stamp;
    /// What the row is about, where it is one gift: the order's id. It names the gift's trace in every service.
    fn followed(&self) -> Option<Uuid> {
        None
    }
}

/// Implements [`LogRow`] for a row with a field `stamp`; a third argument says what one row is about.
#[macro_export]
macro_rules! log_row {
    ($row:ty, $log:expr $(, $followed:expr)?) => {
        impl $crate::log::LogRow for $row {
            const LOG: $crate::log::LogName = $log;
            fn stamp(&self) -> &$crate::log::Stamp {
                &self.stamp
            }
            fn stamp_mut(&mut self) -> &mut $crate::log::Stamp {
                &mut self.stamp
            }
            $(
                fn followed(&self) -> Option<ids::Uuid> {
                    let followed: fn(&$row) -> Option<ids::Uuid> = $followed;
                    followed(self)
                }
            )?
        }
    };
}

/// Where an epoch began: every row of it has a seq from `first_seq` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct EpochStart {
    pub epoch: Epoch,
    pub first_seq: Seq,
}

/// The version of the messages below; a consumer refuses what it does not know.
pub const SCHEMA_VERSION: u16 = 3;

/// Consecutive rows of one partition, all of them committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stretch<R> {
    pub partition: Partition,
    /// The seq of the first and of the last row: consecutive, without a gap between.
    pub first_seq: Seq,
    pub last_seq: Seq,
    /// The epoch of the writer that committed the rows.
    pub epoch: Epoch,
    pub epoch_start: EpochStart,
    pub rows: Vec<R>,
}

impl<R: LogRow> Stretch<R> {
    /// The stretch of consecutive rows of one partition; `None` where there are none.
    pub fn of_rows(epoch_start: EpochStart, rows: Vec<R>) -> Option<Stretch<R>> {
        let (first, last) = (rows.first()?.stamp(), rows.last()?.stamp());
        let (partition, first_seq, last_seq, epoch) = (first.partition, first.seq, last.seq, last.epoch);
        Some(Stretch { partition, first_seq, last_seq, epoch, epoch_start, rows })
    }

    /// Appends the stretch that follows in the same epoch; gives one back that does not follow.
    ///
    /// # Errors
    /// The stretch itself, unchanged, and so is this one.
    pub fn join(&mut self, next: Stretch<R>) -> Result<(), Stretch<R>> {
        let here = (self.partition, self.epoch, self.epoch_start, self.last_seq + 1);
        if here != (next.partition, next.epoch, next.epoch_start, next.first_seq) {
            return Err(next);
        }
        self.last_seq = next.last_seq;
        self.rows.extend(next.rows);
        Ok(())
    }
}

/// Committed rows of one partition group as they travel over the bus: those of one batch or of some that followed each
/// other closely, at most one stretch a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchMessage<R> {
    /// Refuse what you do not know.
    pub schema_version: u16,
    pub log: LogName,
    pub lane: Lane,
    /// Raised by each promotion of a database; part of the exchange's name.
    pub bus_generation: u32,
    /// W3C trace context of the message, where something in it is traced.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub traceparent: Option<String>,
    pub stretches: Vec<Stretch<R>>,
}

impl<R: LogRow> BatchMessage<R> {
    /// The message of stretches of one group; nothing of it is traced.
    pub fn new(lane: &Lane, bus_generation: u32, stretches: Vec<Stretch<R>>) -> BatchMessage<R> {
        BatchMessage {
            schema_version: SCHEMA_VERSION,
            log: R::LOG,
            lane: lane.clone(),
            bus_generation,
            traceparent: None,
            stretches,
        }
    }
}

/// The head of one partition as its writer last saved it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeadMark {
    pub partition: Partition,
    pub epoch: Epoch,
    pub last_seq: Seq,
    /// No row of this partition will ever again be decided before this instant.
    pub closed_until: DateTime<Utc>,
}

/// What each writer publishes once a second about the heads it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MarksMessage {
    pub schema_version: u16,
    pub log: LogName,
    pub lane: Lane,
    pub bus_generation: u32,
    pub marks: Vec<HeadMark>,
}

/// One answer of the gap pull.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<R> {
    pub rows: Vec<R>,
    /// Every epoch that began after the seq that was asked for, and the one before.
    pub epochs: Vec<EpochStart>,
    pub head: HeadMark,
}
