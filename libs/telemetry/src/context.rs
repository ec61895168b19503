//! W3C trace context: from a header into a span, and from a span into a header.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// `00-<32 hex>-<16 hex>-<2 hex>`.
const TRACEPARENT_LEN: usize = 55;

/// The `traceparent` of the current span; `None` where no trace is being kept.
pub fn traceparent() -> Option<String> {
    let span = Span::current();
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let found = context.span().span_context().clone();
    found
        .is_valid()
        .then(|| format!("00-{}-{}-{:02x}", found.trace_id(), found.span_id(), found.trace_flags().to_u8()))
}

/// Ties the current span to the trace of a followed thing, so that who sees the one finds the other.
pub fn link_to(followed: &crate::Followed) {
    Span::current().add_link(followed.first_context());
}

/// Makes `span` a child of the span that `traceparent` names. A text that is no trace context changes
/// nothing: a broken header must not break a request.
pub fn set_parent_from(span: &Span, traceparent: &str) {
    if let Some(parent) = parse(traceparent) {
        // The error says that the span is already running or has no trace; both leave it as it is.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

pub(crate) fn parse(traceparent: &str) -> Option<SpanContext> {
    let canonical = traceparent.len() == TRACEPARENT_LEN
        && traceparent.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    if !canonical {
        return None;
    }
    let mut parts = traceparent.split('-');
    let (Some("00"), Some(trace), Some(span), Some(flags), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    if (trace.len(), span.len(), flags.len()) != (32, 16, 2) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use proptest::prelude::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_context_is_read_and_everything_near_it_is_not() {
        let context = parse(GOOD).expect("the example of the standard");
        assert!(context.is_sampled() && context.is_remote());
        for bad in [
            "",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b7-0--1",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[0-9a-f-]{0,60}|\\PC{0,60}") {
            let _ = parse(&text);
        }
    }
}
