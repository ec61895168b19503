//! What a writer and a reader say of themselves in numbers: handles made once, set once a turn.

use contracts::log::LogName;
use metrics::{Counter, Gauge, Histogram};
use std::time::Duration;

/// The numbers of one reader.
pub(crate) struct ReaderGauges {
    pub lag_rows: Gauge,
    pub lag: Gauge,
    pub stopped: Gauge,
    pub batch_rows: Histogram,
    pub commit: Histogram,
}

impl ReaderGauges {
    pub fn new(reader: &'static str) -> ReaderGauges {
        ReaderGauges {
            lag_rows: metrics::gauge!("largesse_reader_lag_rows", "reader" => reader),
            lag: metrics::gauge!("largesse_reader_lag_seconds", "reader" => reader),
            stopped: metrics::gauge!("largesse_reader_stopped_partitions", "reader" => reader),
            batch_rows: metrics::histogram!("largesse_reader_batch_rows", "reader" => reader),
            commit: metrics::histogram!("largesse_reader_commit_seconds", "reader" => reader),
        }
    }

    /// One batch was applied and is durable.
    pub fn applied(&self, rows: usize, took: Duration) {
        self.batch_rows.record(number(rows));
        self.commit.record(took.as_secs_f64());
    }
}

/// The numbers of one log's writer in this process. Writers of one log (the wallet's lanes) share them, so
/// gauges are raised and lowered by what changed.
pub(crate) struct WriterGauges {
    rows: Counter,
    owned: Gauge,
    deposed: Counter,
    relay_lag: Gauge,
    known: Known,
}

#[derive(Clone, Copy, Default)]
struct Known {
    owned: usize,
    relay_lag_rows: i64,
}

impl WriterGauges {
    pub fn new(log: LogName) -> WriterGauges {
        let log = log.as_str();
        WriterGauges {
            rows: metrics::counter!("largesse_log_rows_total", "log" => log),
            owned: metrics::gauge!("largesse_log_owned_partitions", "log" => log),
            deposed: metrics::counter!("largesse_log_deposed_total", "log" => log),
            relay_lag: metrics::gauge!("largesse_relay_lag_rows", "log" => log),
            known: Known::default(),
        }
    }

    /// Rows of one batch are durable.
    pub fn appended(&self, rows: usize) {
        self.rows.increment(u64::try_from(rows).unwrap_or(u64::MAX));
    }

    /// Partitions this writer held are another's now.
    pub fn deposed(&self, partitions: usize) {
        self.deposed.increment(u64::try_from(partitions).unwrap_or(u64::MAX));
    }

    /// Partitions held, and rows that the broker has not confirmed yet.
    pub fn holds(&mut self, owned: usize, relay_lag_rows: i64) {
        let known = std::mem::replace(&mut self.known, Known { owned, relay_lag_rows });
        raise(&self.owned, number(known.owned), number(owned));
        raise(&self.relay_lag, rows(known.relay_lag_rows), rows(relay_lag_rows));
    }
}

impl Drop for WriterGauges {
    fn drop(&mut self) {
        self.holds(0, 0); // Who is gone holds nothing.
    }
}

fn raise(gauge: &Gauge, from: f64, to: f64) {
    gauge.increment(to);
    gauge.decrement(from);
}

fn number(len: usize) -> f64 {
    f64::from(u32::try_from(len).unwrap_or(u32::MAX))
}

/// A count of rows as gauges take it.
pub(crate) fn rows(count: i64) -> f64 {
    f64::from(u32::try_from(count.max(0)).unwrap_or(u32::MAX))
}
