//! Invariant under test: each payment moves coins once, in the transaction that moves the read offset.

use crate::bank::{Bank, account_of, coins, config, debit, outcome, wait_until};
use bytes::Bytes;
use chrono::Utc;
use contracts::entry::Outcome;
use contracts::lane::Lane;
use contracts::log::{AccountingZone, BatchMessage, EpochStart, HeadMark, LogName, Page, Stamp, Stretch};
use contracts::payment::{Payment, PaymentKind};
use ids::{Partition, PaymentId, ViewerId, partition_of};
use seqlog::{LogSource, PullError};
use std::sync::{Arc, Mutex};

/// A cashier's log of one partition, in memory.
#[derive(Default)]
struct Cashier {
    rows: Mutex<Vec<Payment>>,
}

impl Cashier {
    fn add(
        &self,
        account_id: ViewerId,
        kind: PaymentKind,
        paid: i64,
        refunds: Option<PaymentId>,
    ) -> PaymentId {
        let mut rows = self.rows.lock().expect("not poisoned");
        let mut stamp =
            Stamp::original(partition_of(account_id.uuid()), Utc::now(), AccountingZone::default());
        stamp.seq = i64::try_from(rows.len()).expect("few") + 1;
        stamp.epoch = 1;
        let payment_id = PaymentId::now();
        rows.push(Payment {
            stamp,
            payment_id,
            kind,
            account_id,
            channel: "sandbox".to_owned(),
            channel_payment_id: payment_id.to_string(),
            refunds,
            amount_minor: paid,
            currency: "CNY".to_owned(),
            paid_coins: coins(paid),
            promo_coins: coins(if kind == PaymentKind::Recharge { 5 } else { 0 }),
            paid_at: Utc::now(),
        });
        payment_id
    }

    /// The rows from `first` on as one message, as they travel.
    fn message(&self, first: usize) -> Bytes {
        let rows = self.rows.lock().expect("not poisoned")[first..].to_vec();
        let stretch = Stretch::of_rows(EpochStart { epoch: 1, first_seq: 1 }, rows).expect("a row");
        let batch = BatchMessage::new(&Lane::Live, 1, vec![stretch]);
        Bytes::from(serde_json::to_vec(&serde_json::json!({ "batch": batch })).expect("plain"))
    }
}

#[async_trait::async_trait]
impl LogSource<Payment> for Cashier {
    async fn read_after(
        &self,
        partition: Partition,
        after: i64,
        limit: i64,
    ) -> Result<Page<Payment>, PullError> {
        let (skip, take) = (usize::try_from(after).expect("few"), usize::try_from(limit).expect("few"));
        let rows = self.rows.lock().expect("not poisoned");
        let own = rows.iter().filter(|row| row.stamp.partition == partition);
        let rows = own.skip(skip).take(take).cloned().collect();
        let head = HeadMark { partition, epoch: 1, last_seq: 0, closed_until: Utc::now() };
        Ok(Page { rows, epochs: vec![EpochStart { epoch: 1, first_seq: 1 }], head })
    }
}

fn five() -> Partition {
    Partition::try_new(5).expect("it exists")
}

async fn publish(bank: &Bank, message: Bytes) {
    bank.bus.publish(LogName::Payments.as_str(), five().group(), message).await.expect("the bus takes it");
}

#[tokio::test]
async fn payments_move_coins_once_however_they_arrive() {
    let cashier = Arc::new(Cashier::default());
    let mut bank = Bank::open_reading(config(), Some(cashier.clone())).await;
    let ann = account_of(five());
    let recharge = cashier.add(ann, PaymentKind::Recharge, 100, None);
    let first = cashier.message(0);
    publish(&bank, first.clone()).await;
    wait_until("the recharge arrived", async || bank.balance(ann).await == (100, 5)).await;

    // Doubled, then a gap: row 2 is pulled, row 3 came by message.
    publish(&bank, first).await;
    assert_eq!(outcome(bank.submit(ann, debit(65)).await), Outcome::Accepted);
    cashier.add(ann, PaymentKind::Recharge, 10, None);
    cashier.add(ann, PaymentKind::ChannelRefund, 100, Some(recharge));
    publish(&bank, cashier.message(2)).await;
    wait_until("both arrived", async || bank.balance(ann).await == (0, 5)).await;

    let shortfall: i64 = sqlx::query_scalar(bank.db.sql("SELECT max(shortfall_coins) FROM {s}.entries"))
        .fetch_one(bank.db.pool())
        .await
        .expect("a shortfall");
    assert_eq!(shortfall, 50, "of 100 asked back, 50 paid coins were left");
    bank.assert_books_balance().await;

    // After a crash the offset and the entries agree, and the same messages do nothing.
    bank.crash();
    bank.start(Some(cashier.clone())).await;
    bank.wait_open().await;
    publish(&bank, cashier.message(0)).await;
    let again = cashier.add(ann, PaymentKind::ChannelRefund, 1, Some(recharge));
    publish(&bank, cashier.message(3)).await;
    wait_until("the over-refund was decided", async || {
        let entry = contracts::wallet::Wallet::find_entry(&bank.wallet(), ann, again.wallet_request()).await;
        entry.is_ok_and(|entry| entry.is_some_and(|entry| entry.outcome == Outcome::OverRefund))
    })
    .await;
    assert_eq!(bank.balance(ann).await, (0, 5));
    let offset: i64 = sqlx::query_scalar(bank.db.sql("SELECT seq FROM {s}.read_offsets WHERE partition = 5"))
        .fetch_one(bank.db.pool())
        .await
        .expect("an offset");
    assert_eq!(offset, 4);
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn a_payment_that_can_never_be_applied_stops_its_partition_after_the_good_ones() {
    let cashier = Arc::new(Cashier::default());
    let bank = Bank::open_reading(config(), Some(cashier.clone())).await;
    let ann = account_of(five());
    cashier.add(ann, PaymentKind::Recharge, 100, None);
    cashier.add(ann, PaymentKind::ChannelRefund, 0, None); // A withdrawal of nothing is no command.
    cashier.add(ann, PaymentKind::Recharge, 7, None);
    publish(&bank, cashier.message(0)).await;
    let stopped =
        "SELECT count(*) FROM {s}.reader_stops WHERE reader = 'wallet' AND partition = 5 AND seq = 2";
    wait_until("the partition stopped at row 2", async || {
        let count: i64 =
            sqlx::query_scalar(bank.db.sql(stopped)).fetch_one(bank.db.pool()).await.expect("a count");
        count == 1
    })
    .await;
    assert_eq!(bank.balance(ann).await, (100, 5));
    bank.assert_books_balance().await;
}
