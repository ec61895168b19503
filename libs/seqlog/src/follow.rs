//! The trace of one gift: what appending, publishing and reading a row add to the trace of what it is about.
//!
//! A row says what it is about (`LogRow::followed`), and that id names the trace, so no row and no message
//! carries anything for it. A row's span hangs under the span of the row it derives from. A batch carries many
//! gifts: its message has a trace of its own, and the spans of its rows link to that.

use crate::handler::Slice;
use contracts::log::{BatchMessage, LogName, LogRow, Seq, Stretch};
use ids::Partition;
use std::time::SystemTime;
use telemetry::{Act, Followed, Parent, SpanKey};

/// What is done to rows.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Append,
    Publish { batch: Followed },
    Read { reader: &'static str },
}

/// Rows of a batch are durable: each became so between its decision and now.
pub(crate) fn appended<R: LogRow>(rows: &[R]) {
    if telemetry::is_following() {
        let ended = SystemTime::now();
        for (row, followed) in followed(rows) {
            record(row, followed, Deed::Append, (row.stamp().decided_at.into(), ended));
        }
    }
}

/// When reading of a batch begins; `None` where nothing is followed.
pub(crate) fn began() -> Option<SystemTime> {
    telemetry::is_following().then(SystemTime::now)
}

/// A reader has applied slices, and that is durable.
pub(crate) fn applied<R: LogRow>(reader: &'static str, slices: &[Slice<R>], began: Option<SystemTime>) {
    let Some(began) = began else { return };
    let ended = SystemTime::now();
    for (row, followed) in slices.iter().flat_map(|slice| followed(&slice.rows)) {
        record(row, followed, Deed::Read { reader }, (began, ended));
    }
}

/// The publishing of one batch in which something is followed: a trace of its own.
pub(crate) struct Publishing {
    batch: Followed,
    began: SystemTime,
}

impl Publishing {
    /// Begins; `None` where no row of the batch is followed.
    pub fn begin<R: LogRow>(stretches: &[Stretch<R>]) -> Option<Publishing> {
        if !telemetry::is_following() {
            return None;
        }
        stretches.iter().flat_map(|stretch| followed(&stretch.rows)).next()?;
        let first = stretches.first()?;
        let (partition, log) = (i64::from(first.partition), R::LOG.as_str());
        let batch = telemetry::follow_batch(log, partition, first.first_seq, first.epoch)?;
        Some(Publishing { batch, began: SystemTime::now() })
    }

    /// What the message carries, so that readers can hang their part under it.
    pub fn traceparent(&self) -> String {
        self.batch.traceparent()
    }

    /// The broker has confirmed the batch.
    pub fn confirmed<R: LogRow>(self, stretches: &[Stretch<R>]) {
        let times = (self.began, SystemTime::now());
        let mut gifts = Vec::new();
        for (row, followed) in stretches.iter().flat_map(|stretch| followed(&stretch.rows)) {
            gifts.push(followed.traceparent());
            record(row, followed, Deed::Publish { batch: self.batch }, times);
        }
        let count = stretches.iter().map(|stretch| stretch.rows.len()).sum::<usize>();
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.batch.record(Act {
            service: R::LOG.service(),
            name: format!("publish a batch of {}", R::LOG).into(),
            key: None,
            parent: Parent::None,
            began: times.0,
            ended: times.1,
            failed: None,
            links: &gifts,
            numbers: &[("rows", count)],
        });
    }
}

/// A batch that its sender follows has reached a reader.
pub(crate) fn received<R: LogRow>(reader: &'static str, message: &BatchMessage<R>) {
    let sender = message.traceparent.as_deref().and_then(telemetry::follow_sender);
    let Some((batch, first)) = sender.zip(message.stretches.first()) else { return };
    let (now, first_seq) = (SystemTime::now(), first.first_seq);
    batch.record(Act {
        service: service_of(reader),
        name: format!("receive a batch of {}", R::LOG).into(),
        key: Some(SpanKey::of(&format!("receive {reader}"), 0, first_seq)),
        parent: Parent::First,
        began: now,
        ended: now,
        failed: None,
        links: &[],
        numbers: &[("first_seq", first_seq)],
    });
}

/// Readers are named `<service>.<what>`.
fn service_of(reader: &'static str) -> &'static str {
    reader.split('.').next().unwrap_or(reader)
}

fn followed<R: LogRow>(rows: &[R]) -> impl Iterator<Item = (&R, Followed)> {
    rows.iter().filter_map(|row| Some((row, telemetry::follow(row.followed()?.into_bytes())?)))
}

fn record<R: LogRow>(row: &R, followed: Followed, deed: Deed, (began, ended): (SystemTime, SystemTime)) {
    let stamp = row.stamp();
    let log = R::LOG;
    let of_row = key("append", log.as_str(), stamp.partition, stamp.seq);
    let (service, name, span, parent, link) = match deed {
        Deed::Append => (log.service(), format!("append {log}"), of_row, parent_of(log, stamp), None),
        Deed::Publish { batch } => {
            let span = key("publish", log.as_str(), stamp.partition, stamp.seq);
            (log.service(), format!("publish {log}"), span, Parent::Span(of_row), Some(batch.traceparent()))
        }
        Deed::Read { reader } => {
            let span = key("read", &format!("{log} {reader}"), stamp.partition, stamp.seq);
            (service_of(reader), format!("read {log}"), span, Parent::Span(of_row), None)
        }
    };
    let numbers = [("partition", i64::from(stamp.partition)), ("seq", stamp.seq), ("epoch", stamp.epoch)];
    followed.record(Act {
        service,
        name: name.into(),
        key: Some(span),
        parent,
        began,
        ended,
        failed: None,
        links: link.as_slice(),
        numbers: &numbers,
    });
}

fn key(deed: &str, what: &str, partition: Partition, seq: Seq) -> SpanKey {
    SpanKey::of(&format!("{deed} {what}"), i64::from(partition), seq)
}

/// The row it derives from stands in partition n of the log before; what derives from none, under the request.
fn parent_of(log: LogName, stamp: &contracts::log::Stamp) -> Parent {
    let before = match log {
        LogName::Payments | LogName::Entries | LogName::Payouts | LogName::Vouchers => None,
        LogName::Orders => Some(LogName::Entries),
        LogName::Items => Some(LogName::Orders),
    };
    match before {
        Some(before) if stamp.origin_seq > 0 => {
            Parent::Span(key("append", before.as_str(), stamp.partition, stamp.origin_seq))
        }
        Some(_) | None => Parent::First,
    }
}
