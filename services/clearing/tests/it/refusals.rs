//! Invariant under test: nothing unbalanced, unruled or locked out gets into the books.

use crate::database::{Bench, balances};
use crate::ledger::{day_one, entry, payment, stamp};
use chrono::{Days, NaiveDate};
use clearing::PeriodState;
use contracts::entry::EntryKind;
use contracts::payment::PaymentKind;

async fn insert_voucher(bench: &Bench, debits: &[i64], credits: &[i64]) -> Result<(), String> {
    let accounts: Vec<&str> = ["1122", "2207", "6601"].into_iter().take(debits.len()).collect();
    let period = bench.db.sql("INSERT INTO {s}.periods (day) VALUES ('2026-03-01') ON CONFLICT DO NOTHING");
    sqlx::query(period).execute(bench.db.pool()).await.expect("a period");
    let insert = bench.db.sql(
        "INSERT INTO {s}.vouchers (partition, seq, epoch, decided_at, minute, day, origin_seq, rule, source,
            from_seq, to_seq, posted_day, row_count, coins, accounts, debits, credits)
         VALUES (0, 1, 1, now(), 0, '2026-03-01', 1, 'by.hand', 'cashier.payments', 1, 1, '2026-03-01', 1, 0,
            $1, $2, $3)",
    );
    let inserted =
        sqlx::query(insert).bind(accounts).bind(debits).bind(credits).execute(bench.db.pool()).await;
    inserted.map(drop).map_err(|error| {
        let database = error.into_database_error().expect("a database error");
        database.constraint().unwrap_or_default().to_owned()
    })
}

#[tokio::test]
async fn a_voucher_that_does_not_sum_to_zero_cannot_be_stored() {
    let bench = Bench::open().await;
    let refused = Err("vouchers_sum_to_zero".to_owned());
    assert_eq!(insert_voucher(&bench, &[5, 0], &[0, 4]).await, refused, "one micro is missing");
    assert_eq!(insert_voucher(&bench, &[5, 0], &[5, 0]).await, refused, "both sides in one line");
    assert_eq!(insert_voucher(&bench, &[-5, 0], &[0, -5]).await, refused, "below zero");
    assert_eq!(insert_voucher(&bench, &[], &[]).await, refused, "nothing at all");
    assert_eq!(insert_voucher(&bench, &[5, 0, 0], &[0, 5]).await, refused, "a line without its side");
    assert_eq!(insert_voucher(&bench, &[9, 0, 0], &[0, 4, 5]).await, Ok(()));
}

#[tokio::test]
async fn a_row_that_cannot_be_posted_stops_its_partition_and_no_other() {
    let bench = Bench::open().await;
    let running = bench.start("a").await;
    let mut foreign = payment(stamp(3, 0), PaymentKind::Recharge, 100);
    foreign.currency = "USD".to_owned();
    bench.payments.push(foreign);
    bench.payments.push(payment(stamp(3, 0), PaymentKind::Recharge, 100));
    bench.payments.push(payment(stamp(4, 0), PaymentKind::Recharge, 100));
    bench.entries.push(entry(stamp(3, 0), EntryKind::HoldPlace, 7, 0)); // Coins out of nowhere.
    bench.until_applied(1).await;
    let stopped = || async {
        let stops = running.status().into_iter().flat_map(|(_, status)| status.stopped);
        let reasons: Vec<String> = stops.map(|(_, reason)| reason).collect();
        reasons == ["the currency is USD, the books are in CNY", "coins move the wrong way for this kind"]
    };
    bench.until("both bad rows are named", stopped).await;
    assert_eq!(balances(&running).await.get("1122"), Some(&100_000_000));
    running.shutdown().await;
}

#[tokio::test]
async fn late_rows_of_a_locked_day_stand_in_the_first_open_day() {
    let bench = Bench::open().await;
    let running = bench.start("a").await;
    let day = |ahead| day_one().checked_add_days(Days::new(ahead)).expect("a day");
    bench.set_day(day(0), PeriodState::Closed).await;
    bench.set_day(day(1), PeriodState::SoftLocked).await;
    bench.payments.push(payment(stamp(0, 0), PaymentKind::Recharge, 1));
    bench.payments.push(payment(stamp(0, 1), PaymentKind::Recharge, 10));
    bench.payments.push(payment(stamp(0, 2), PaymentKind::Recharge, 100));
    bench.until_applied(3).await;
    let sql = bench.db.sql("SELECT day, posted_day FROM {s}.vouchers ORDER BY day");
    let days: Vec<(NaiveDate, NaiveDate)> =
        sqlx::query_as(sql).fetch_all(bench.db.pool()).await.expect("reads");
    assert_eq!(days, [(day(0), day(2)), (day(1), day(2)), (day(2), day(2))]);
    let debit_of = async |until| {
        let trial_balance = running.trial_balance(Some(until)).await.expect("reads");
        trial_balance.total_debit_micro.get() / 1_000_000
    };
    assert_eq!([debit_of(day(0)).await, debit_of(day(1)).await, debit_of(day(2)).await], [0, 0, 111]);
    running.shutdown().await;
}
