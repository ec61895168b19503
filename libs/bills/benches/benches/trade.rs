//! A WeChat trade bill of a million rows, read by bills (amounts, sums and SHA-256 verified), beside the csv crate
//! reading the same bytes into string records. Both in turn, medians of the rounds.

use bills::wechat::write::{RefundIds, TradeRow, write};
use bills::{Bill, Intake};
use money::Micros;
use std::hint::black_box;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

const ROWS: u32 = 1_000_000;
const ROUNDS: usize = 9;
/// Every tenth row is a refund.
const REFUND_EVERY: u32 = 10;

fn row(number: u32) -> TradeRow {
    let at = chrono::DateTime::from_timestamp(1_780_000_000 + i64::from(number) / 12, 0).expect("in range");
    let is_refund = number % REFUND_EVERY == REFUND_EVERY - 1;
    let amount_minor = i64::from(number % 64_800) + 1;
    TradeRow {
        at: at.naive_utc(),
        merchant: "1230000109".to_owned(),
        channel_order: format!("420000{number:022}"),
        our_order: format!("019b{number:028x}"),
        refund: is_refund.then(|| RefundIds {
            channel_refund: format!("503000{number:022}"),
            our_refund: format!("019c{number:028x}"),
        }),
        amount_minor,
        fee: Micros::new(amount_minor * 6_000),
        goods: "直播金币 600".to_owned(),
    }
}

fn by_bills(bytes: &[u8]) -> Bill {
    let mut seen = 0_i64;
    let bill = Intake::default().read(Cursor::new(bytes), &mut |row| {
        seen += black_box(row).amount_minor;
        ControlFlow::Continue(())
    });
    black_box(seen);
    bill.expect("a good bill")
}

fn by_csv_reused(bytes: &[u8]) -> usize {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut record = csv::StringRecord::new();
    let mut fields = 0;
    while reader.read_record(&mut record).expect("UTF-8") {
        fields += black_box(&record).len();
    }
    fields
}

fn by_csv_records(bytes: &[u8]) -> usize {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    reader.records().map(|record| black_box(record.expect("UTF-8")).len()).sum()
}

fn timed<T>(act: impl FnOnce() -> T) -> Duration {
    let from = Instant::now();
    black_box(act());
    from.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() {
    let rows: Vec<TradeRow> = (0..ROWS).map(row).collect();
    let mut bytes = Vec::new();
    write(&mut bytes, &rows, &[]).expect("the rows fit the layout");
    drop(rows);
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        times[0].push(timed(|| assert_eq!(by_bills(&bytes).rows, u64::from(ROWS))));
        times[1].push(timed(|| by_csv_reused(&bytes)));
        times[2].push(timed(|| by_csv_records(&bytes)));
    }
    let [ours, reused, records] = times.map(median);
    println!("{} rows, {} bytes, medians of {ROUNDS} rounds", ROWS, bytes.len());
    let lines =
        [("bills", ours), ("csv, one StringRecord reused", reused), ("csv, a StringRecord each", records)];
    for (name, time) in lines {
        let rows_per_s = u128::from(ROWS) * 1_000_000 / time.as_micros();
        let percent = time.as_micros() * 100 / ours.as_micros();
        println!(
            "{name:30} {:>8} ms {rows_per_s:>9} rows/s; bills runs at {percent} % of its speed",
            time.as_millis()
        );
    }
}
