//! Following one thing through every service: the 16 bytes of its id are the id of its trace.
//!
//! Nothing is stored or carried for it. Whoever knows the id knows the trace, decides alike whether it is
//! kept, and can name the spans of others: a span's id follows from the row it stands for. With traces off,
//! or an id that is not sampled, all of it costs one load and one comparison.

use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, Span, SpanData, SpanEvents, SpanExporter, SpanLinks, SpanProcessor,
};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

/// Where spans go, and which ids are kept. Set once, with an endpoint.
static FOLLOWING: OnceLock<Following> = OnceLock::new();

struct Following {
    spans: Arc<BatchSpanProcessor>,
    /// Ids whose last 56 bits are below are kept.
    below: u64,
}

/// The random end of an id that decides whether it is kept: the last seven bytes, as W3C's trace context says.
const RANDOM_BITS: u32 = 56;

/// Links one span keeps; the rest is left out.
const LINKS_MAX: usize = 32;

/// One id whose trace is kept.
#[derive(Clone, Copy, Debug)]
pub struct Followed {
    trace: TraceId,
    /// The span that others of the trace hang under.
    first: SpanId,
}

/// The name of one span within the trace of an id: the same for whoever derives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanKey(u64);

impl SpanKey {
    /// The span of one row, or of one act upon it. FNV-1a, because its value must never depend on who computes it.
    pub fn of(what: &str, partition: i64, seq: i64) -> SpanKey {
        let numbers = partition.to_le_bytes().into_iter().chain(seq.to_le_bytes());
        let hash = what.bytes().chain(numbers).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        SpanKey(hash.max(1)) // Zero is no span.
    }
}

/// Where a span hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// Nowhere: it is the first of its trace.
    None,
    /// Under the first span of its trace.
    First,
    Span(SpanKey),
}

/// One finished act upon a followed thing.
#[derive(Clone, Debug)]
pub struct Act<'a> {
    /// Who did it; the span's scope.
    pub service: &'static str,
    pub name: Cow<'static, str>,
    /// The span's own name in the trace; `None` for the first span.
    pub key: Option<SpanKey>,
    pub parent: Parent,
    pub began: SystemTime,
    pub ended: SystemTime,
    /// Whether it went well.
    pub failed: Option<&'static str>,
    /// Each a `traceparent` of another trace that belongs to it, such as the batch it travelled in.
    pub links: &'a [String],
    pub numbers: &'a [(&'static str, i64)],
}

/// Whether anything is followed at all.
pub fn is_following() -> bool {
    FOLLOWING.get().is_some_and(|following| following.below > 0)
}

/// The trace of an id; `None` where traces are off or this one is not kept.
pub fn follow(id: [u8; 16]) -> Option<Followed> {
    let following = FOLLOWING.get()?;
    let trace = TraceId::from_bytes(id);
    if trace == TraceId::INVALID || random_end(id) >= following.below {
        return None;
    }
    let mut end = [0; 8];
    end.copy_from_slice(&id[8..]); // Never zero in a UUID: its variant stands there.
    Some(Followed { trace, first: SpanId::from_bytes(end) })
}

/// The trace of a batch in which something is followed, by what numbers the batch.
pub fn follow_batch(log: &str, partition: i64, seq: i64, epoch: i64) -> Option<Followed> {
    let (high, low) = (SpanKey::of(log, partition, seq), SpanKey::of(log, epoch, partition));
    let id = (u128::from(high.0) << 64) | u128::from(low.0);
    is_following().then(|| Followed { trace: TraceId::from(id), first: SpanId::from(high.0) })
}

/// The trace a `traceparent` names, if its sender keeps it and this process keeps any.
pub fn follow_sender(traceparent: &str) -> Option<Followed> {
    let sender = crate::context::parse(traceparent).filter(|sender| is_following() && sender.is_sampled())?;
    Some(Followed { trace: sender.trace_id(), first: sender.span_id() })
}

impl Followed {
    /// Records one finished act. Never waits: what the exporter's queue does not take is lost.
    pub fn record(&self, act: Act<'_>) {
        let Some(following) = FOLLOWING.get() else { return };
        let span = act.key.map_or(self.first, |key| SpanId::from(key.0));
        let parent_span_id = match act.parent {
            Parent::None => SpanId::INVALID,
            Parent::First => self.first,
            Parent::Span(key) => SpanId::from(key.0),
        };
        let mut links = SpanLinks::default();
        let linked = act.links.iter().take(LINKS_MAX).filter_map(|to| crate::context::parse(to));
        links.links.extend(linked.map(|to| Link::new(to, Vec::new(), 0)));
        let attributes = act.numbers.iter().map(|(name, value)| KeyValue::new(*name, *value)).collect();
        following.spans.on_end(SpanData {
            span_context: self.context_of(span),
            parent_span_id,
            parent_span_is_remote: parent_span_id != SpanId::INVALID,
            span_kind: SpanKind::Internal,
            name: act.name,
            start_time: act.began.min(act.ended),
            end_time: act.ended,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status: act.failed.map_or(Status::Unset, Status::error),
            instrumentation_scope: InstrumentationScope::builder(act.service).build(),
        });
    }

    /// The `traceparent` of this trace's first span.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.first)
    }

    pub(crate) fn first_context(&self) -> SpanContext {
        self.context_of(self.first)
    }

    fn context_of(&self, span: SpanId) -> SpanContext {
        SpanContext::new(self.trace, span, TraceFlags::SAMPLED, true, TraceState::NONE)
    }
}

fn random_end(id: [u8; 16]) -> u64 {
    let mut end = [0; 8];
    end[1..].copy_from_slice(&id[9..]);
    u64::from_be_bytes(end)
}

/// Ids below are kept: the share of all ids in parts per million.
pub(crate) fn threshold(sample_ppm: u32) -> u64 {
    let share = u128::from(sample_ppm.min(1_000_000)) << RANDOM_BITS;
    u64::try_from(share / 1_000_000).unwrap_or(u64::MAX)
}

/// A processor that the provider and the followers share.
#[derive(Debug)]
pub(crate) struct Shared(Arc<BatchSpanProcessor>);

impl Shared {
    /// Starts exporting, and following what `sample_ppm` keeps.
    pub fn start(exporter: impl SpanExporter + 'static, resource: &Resource, sample_ppm: u32) -> Shared {
        let mut spans = BatchSpanProcessor::builder(exporter).build();
        spans.set_resource(resource);
        let spans = Arc::new(spans);
        // A second `init` of a process is refused later, so the first one's processor may stay.
        let _ = FOLLOWING.set(Following { spans: Arc::clone(&spans), below: threshold(sample_ppm) });
        Shared(spans)
    }
}

impl SpanProcessor for Shared {
    fn on_start(&self, _span: &mut Span, _context: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::{SpanKey, random_end, threshold};

    #[test]
    fn the_share_of_ids_kept_is_the_share_asked_for() {
        assert_eq!(threshold(0), 0);
        assert_eq!(threshold(1_000_000), 1 << 56);
        assert_eq!(threshold(10_000), (1_u64 << 56) / 100);
        // The version and variant bits of a UUID stand before the end that decides.
        assert_eq!(random_end([0xff; 16]), (1 << 56) - 1);
        assert_eq!(
            random_end([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 1]),
            1
        );
    }

    #[test]
    fn a_rows_span_has_one_name_and_its_neighbours_have_others() {
        let row = SpanKey::of("gift.orders", 7, 12);
        assert_eq!(row, SpanKey(0xcd00_fbae_1f9d_6679), "part of the wire: {row:x?}");
        for other in [
            SpanKey::of("gift.orders", 12, 7),
            SpanKey::of("gift.orders", 7, 13),
            SpanKey::of("wallet.entries", 7, 12),
        ] {
            assert_ne!(row, other);
        }
    }
}
