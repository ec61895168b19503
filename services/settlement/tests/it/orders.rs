//! `gift.orders` in memory: appended in order, published or not, pulled on demand.

use bus::Bus;
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contracts::lane::Lane;
use contracts::log::{
    AccountingZone, BatchMessage, EpochStart, HeadMark, LogName, MarksMessage, Page, SCHEMA_VERSION, Stamp,
    Stretch,
};
use contracts::order::{Order, OrderKind};
use ids::{OrderId, Partition, PartitionGroup, RoomId, SendKey, StreamerId, ViewerId};
use money::Coins;
use seqlog::{LogSource, PullError};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

#[derive(Default)]
pub struct Orders {
    rows: Mutex<BTreeMap<Partition, Vec<Order>>>,
}

pub fn coins(n: i64) -> Coins {
    Coins::try_new(n).expect("in range")
}

/// Noon of a day of January 2026 (or later), in the accounting zone.
pub fn noon(day: i64) -> DateTime<Utc> {
    let first = NaiveDate::from_ymd_opt(2026, 1, 1).and_then(|day| day.and_hms_opt(4, 0, 0)).expect("a time");
    first.and_utc() + TimeDelta::days(day - 1)
}

pub fn day_of(day: i64) -> NaiveDate {
    AccountingZone::default().day_of(noon(day))
}

/// An order not yet appended, decided at noon of a day.
pub fn delivered(streamer: StreamerId, paid: i64, promo: i64, day: i64) -> Order {
    let viewer = ViewerId::now();
    let order_id = OrderId::of(viewer, SendKey::now());
    Order {
        stamp: Stamp::original(order_id.partition(), noon(day), AccountingZone::default()),
        order_id,
        kind: OrderKind::Delivered,
        viewer_id: viewer,
        room_id: RoomId::now(),
        streamer_id: streamer,
        gift_id: 1,
        quantity: 1,
        paid_coins: coins(paid),
        promo_coins: coins(promo),
    }
}

/// What becomes of an order later.
pub fn later(order: &Order, kind: OrderKind, paid: i64, promo: i64, day: i64) -> Order {
    let stamp = Stamp::original(order.stamp.partition, noon(day), AccountingZone::default());
    Order { stamp, kind, paid_coins: coins(paid), promo_coins: coins(promo), ..order.clone() }
}

impl Orders {
    /// Appends; answers the row as numbered.
    pub fn append(&self, mut order: Order) -> Order {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let of_partition = rows.entry(order.stamp.partition).or_default();
        order.stamp.seq = i64::try_from(of_partition.len()).expect("small") + 1;
        order.stamp.epoch = 1;
        of_partition.push(order.clone());
        order
    }

    pub fn last_seq(&self, partition: Partition) -> i64 {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.get(&partition).map_or(0, |rows| i64::try_from(rows.len()).expect("small"))
    }

    fn mark(&self, partition: Partition, closed_until: DateTime<Utc>) -> HeadMark {
        HeadMark { partition, epoch: 1, last_seq: self.last_seq(partition), closed_until }
    }

    /// Tells readers how far every partition is; they pull what they miss.
    pub async fn publish_marks(&self, bus: &Bus, closed_until: DateTime<Utc>) {
        let marks = MarksMessage {
            schema_version: SCHEMA_VERSION,
            log: LogName::Orders,
            lane: Lane::Live,
            bus_generation: bus.generation(),
            marks: Partition::all().map(|partition| self.mark(partition, closed_until)).collect(),
        };
        for group in PartitionGroup::all() {
            self.publish(bus, group, &serde_json::json!({ "marks": marks })).await;
        }
    }

    /// Sends one row as a batch of its own.
    pub async fn publish_row(&self, bus: &Bus, order: &Order) {
        let stretch = Stretch::of_rows(EpochStart { epoch: 1, first_seq: 1 }, vec![order.clone()]);
        let batch = BatchMessage::new(&Lane::Live, bus.generation(), stretch.into_iter().collect());
        self.publish(bus, order.stamp.partition.group(), &serde_json::json!({ "batch": batch })).await;
    }

    async fn publish(&self, bus: &Bus, group: PartitionGroup, message: &serde_json::Value) {
        bus.publish(LogName::Orders.as_str(), group, Bytes::from(message.to_string()))
            .await
            .expect("in process");
    }
}

#[async_trait::async_trait]
impl LogSource<Order> for Orders {
    async fn read_after(
        &self,
        partition: Partition,
        after: i64,
        limit: i64,
    ) -> Result<Page<Order>, PullError> {
        let head = self.mark(partition, DateTime::UNIX_EPOCH);
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = rows.get(&partition).map(Vec::as_slice).unwrap_or_default();
        let skip = usize::try_from(after).expect("not negative");
        let rows = rows.iter().skip(skip).take(usize::try_from(limit).expect("small")).cloned().collect();
        Ok(Page { rows, epochs: vec![EpochStart { epoch: 1, first_seq: 1 }], head })
    }
}
