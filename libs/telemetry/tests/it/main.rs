//! Invariant under test: what is switched on is seen from outside, and a wrong setting is named.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use telemetry::{LogFormat, Settings, TelemetryError, init, set_parent_from, traceparent};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A collector of one request: its first line and its whole text.
fn collector() -> (String, mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (seen, requests) = mpsc::sync_channel(64);
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = Vec::new();
            let mut part = [0_u8; 4096];
            while let Ok(len @ 1..) = stream.read(&mut part) {
                request.extend_from_slice(&part[..len]);
                if is_whole(&request) {
                    break;
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let text = String::from_utf8_lossy(&request);
            let line = text.lines().next().unwrap_or_default().to_owned();
            let _ = seen.send((line, request));
        }
    });
    (format!("http://{address}"), requests)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some(head) = request.windows(4).position(|part| part == b"\r\n\r\n") else { return false };
    let body_len = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|len| len.trim().parse::<usize>().ok())
        .unwrap_or_default();
    request.len() >= head + 4 + body_len
}

#[test]
fn wrong_settings_are_named() {
    let with = |change: fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        init(settings).err().expect("refused").to_string()
    };
    let filter = with(|settings| settings.log_filter = "info,=/=".to_owned());
    assert!(filter.contains("info,=/="), "{filter}");
    let endpoint = with(|settings| settings.otlp_endpoint = Some("https://ann:secret@host".to_owned()));
    assert!(endpoint.contains("http://") && !endpoint.contains("secret"), "{endpoint}");
    assert!(matches!("xml".parse::<LogFormat>(), Err(TelemetryError::BadLogFormat(text)) if text == "xml"));
}

/// One test, because a process has one recorder and one subscriber.
#[test]
fn metrics_are_rendered_and_a_callers_trace_goes_on_and_is_exported() {
    let (endpoint, requests) = collector();
    let settings = Settings { otlp_endpoint: Some(endpoint), ..Settings::default() };
    let guard = init(settings).expect("telemetry is on");
    assert!(matches!(init(Settings::default()), Err(TelemetryError::AlreadyInstalled)));

    metrics::counter!("largesse_test_total", "kind" => "a").increment(3);
    metrics::histogram!("largesse_test_seconds").record(0.003);
    metrics::histogram!("largesse_test_rows").record(100.0);
    let page = guard.render();
    assert!(page.contains("largesse_test_total{kind=\"a\"} 3"), "{page}");
    assert!(page.contains("largesse_test_seconds_bucket{le=\"0.005\"} 1"), "{page}");
    assert!(page.contains("largesse_test_seconds_bucket{le=\"0.0025\"} 0"), "{page}");
    assert!(page.contains("largesse_test_rows_bucket{le=\"128\"} 1"), "{page}");

    assert_eq!(traceparent(), None, "outside a span there is nothing to pass on");
    let span = tracing::debug_span!(target: "largesse::http", "http");
    set_parent_from(&span, &format!("00-{TRACE}-00f067aa0ba902b7-01"));
    span.in_scope(|| {
        let passed_on = traceparent().expect("the trace is kept");
        assert!(passed_on.starts_with(&format!("00-{TRACE}-")) && passed_on.ends_with("-01"), "{passed_on}");
        assert!(!passed_on.contains("00f067aa0ba902b7"), "this span is a new one: {passed_on}");
    });
    drop(span);
    drop(guard);
    let (line, body) = requests.recv_timeout(std::time::Duration::from_secs(10)).expect("spans arrive");
    assert_eq!(line, "POST /v1/traces HTTP/1.1");
    let trace: Vec<u8> =
        (0..16).map(|at| u8::from_str_radix(&TRACE[at * 2..at * 2 + 2], 16).expect("hex")).collect();
    assert!(body.windows(16).any(|part| part == trace), "the caller's trace id is in the export");
}

#[test]
fn without_an_exporter_what_no_log_takes_costs_a_comparison_and_no_span() {
    let quiet = Settings { log_filter: "warn".to_owned(), ..Settings::default() };
    let guard = init(quiet).expect("telemetry is on");
    assert_eq!(tracing::level_filters::LevelFilter::current(), tracing::level_filters::LevelFilter::WARN);
    let span = tracing::debug_span!(target: "largesse::http", "http");
    assert!(span.is_disabled(), "nobody takes this span");
    drop(guard);
}
