//! A cashier's log of every partition, in memory, that publishes what it gets.

use bus::Bus;
use bytes::Bytes;
use chrono::Utc;
use contracts::lane::Lane;
use contracts::log::{
    AccountingZone, BatchMessage, EpochStart, HeadMark, LogName, MarksMessage, Page, SCHEMA_VERSION, Stamp,
    Stretch,
};
use contracts::payment::{Payment, PaymentKind};
use ids::{Partition, PartitionGroup, PaymentId, ViewerId, partition_of};
use money::Coins;
use seqlog::{LogSource, PullError};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

const BEGIN: EpochStart = EpochStart { epoch: 1, first_seq: 1 };

#[derive(Default)]
pub struct EveryPayment {
    rows: Mutex<BTreeMap<Partition, Vec<Payment>>>,
}

impl EveryPayment {
    fn rows(&self) -> MutexGuard<'_, BTreeMap<Partition, Vec<Payment>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a recharge of one coin for each account, and publishes each.
    pub async fn recharge_all(&self, bus: &Bus, accounts: &[ViewerId]) {
        for account_id in accounts {
            let row = self.add(*account_id);
            let partition = row.stamp.partition;
            let stretch = Stretch::of_rows(BEGIN, vec![row]);
            let batch = BatchMessage::new(&Lane::Live, 1, stretch.into_iter().collect());
            publish(bus, partition.group(), &serde_json::json!({ "batch": batch })).await;
        }
    }

    fn add(&self, account_id: ViewerId) -> Payment {
        let partition = partition_of(account_id.uuid());
        let mut rows = self.rows();
        let rows = rows.entry(partition).or_default();
        let mut stamp = Stamp::original(partition, Utc::now(), AccountingZone::default());
        (stamp.seq, stamp.epoch) = (i64::try_from(rows.len()).expect("few") + 1, 1);
        let payment_id = PaymentId::now();
        let row = Payment {
            stamp,
            payment_id,
            kind: PaymentKind::Recharge,
            account_id,
            channel: "sandbox".to_owned(),
            channel_payment_id: payment_id.to_string(),
            refunds: None,
            amount_minor: 1,
            currency: "CNY".to_owned(),
            paid_coins: Coins::try_new(1).expect("one"),
            promo_coins: Coins::ZERO,
            paid_at: Utc::now(),
        };
        rows.push(row.clone());
        row
    }

    fn mark(&self, partition: Partition) -> HeadMark {
        let last_seq = self.rows().get(&partition).map_or(0, Vec::len);
        let last_seq = i64::try_from(last_seq).expect("few");
        HeadMark { partition, epoch: 1, last_seq, closed_until: Utc::now() }
    }

    /// Publishes every head.
    pub async fn announce(&self, bus: &Bus) {
        for group in PartitionGroup::all() {
            let marks = MarksMessage {
                schema_version: SCHEMA_VERSION,
                log: LogName::Payments,
                lane: Lane::Live,
                bus_generation: 1,
                marks: group.partitions().map(|partition| self.mark(partition)).collect(),
            };
            publish(bus, group, &serde_json::json!({ "marks": marks })).await;
        }
    }
}

async fn publish(bus: &Bus, group: PartitionGroup, message: &serde_json::Value) {
    let payload = Bytes::from(message.to_string());
    bus.publish(LogName::Payments.as_str(), group, payload).await.expect("the bus takes it");
}

#[async_trait::async_trait]
impl LogSource<Payment> for EveryPayment {
    async fn read_after(
        &self,
        partition: Partition,
        after: i64,
        limit: i64,
    ) -> Result<Page<Payment>, PullError> {
        let head = self.mark(partition);
        let (skip, take) = (usize::try_from(after).expect("few"), usize::try_from(limit).expect("few"));
        let rows = self.rows().get(&partition).into_iter().flatten().skip(skip).take(take).cloned().collect();
        Ok(Page { rows, epochs: vec![BEGIN], head })
    }
}
