//! The report as plain aligned lines.

use super::{Report, yuan};
use crate::progress::grouped;
use std::fmt::Write;

pub(super) fn lines(report: &Report) -> String {
    let mut out = String::new();
    let mut section = |title: &str, rows: Vec<(String, String)>| {
        let name_len = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        let figure_len = rows.iter().map(|(_, figure)| figure.chars().count()).max().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "\n{title}");
        for (name, figure) in rows {
            let _ = writeln!(out, "  {name:<name_len$}  {figure:>figure_len$}");
        }
    };
    let row = |name: &str, number: u64| (name.to_owned(), grouped(number));
    let money = |name: &str, micros: i64| (name.to_owned(), yuan(micros));
    section(
        &report.source,
        vec![
            row("gifts", report.gifts),
            row("coins", u64::try_from(report.coins).unwrap_or_default()),
            row("gifts/s", report.gifts_per_s),
            row("seconds", report.elapsed_ms / 1_000),
            row("refused, out of coins", report.refused),
            row("free gifts", report.free_gifts),
            row("taken before a restart", report.replayed),
            row("requests sent again", report.retries),
        ],
    );
    section(
        "Books",
        vec![
            row("orders", report.orders),
            row("items", report.items),
            row("vouchers", report.vouchers),
            row("breaks", report.breaks),
            ("trial balance".to_owned(), report.trial_balance.to_string()),
        ],
    );
    let flow = &report.flow;
    section(
        "Flow",
        vec![
            money("recharged", flow.recharged_micros),
            money("spent", flow.spent_micros),
            money("refunded", flow.refunded_micros),
            money("payable to streamers", flow.streamer_payable_micros),
            money("payable to agencies", flow.agency_payable_micros),
            money("tax", flow.tax_payable_micros),
            money("platform", flow.platform_revenue_micros),
        ],
    );
    let rooms = report.top_rooms.iter().map(|room| {
        let gifts = format!("{} gifts, {} coins", grouped(room.gifts), grouped(room.coins.unsigned_abs()));
        (room.title.clone(), gifts)
    });
    section("Busiest rooms", rooms.collect());
    let mark = |passed| if passed { "ok  " } else { "FAIL" };
    let invariants = report.check.invariants.iter();
    section(
        "Check",
        invariants.map(|one| (format!("{} {}", mark(one.passed), one.name), one.figure.clone())).collect(),
    );
    let verdict = if report.check.passed { "The books close." } else { "The books do NOT close." };
    let _ = writeln!(out, "\n{verdict}");
    out
}
