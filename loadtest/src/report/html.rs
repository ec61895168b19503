//! The report as one page: no script, no file beside it, light and dark, wide and narrow.

use super::charts::{self, Page};
use super::{Report, ReportError, yuan};
use crate::progress::grouped;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = "
:root{color-scheme:light dark;--paper:#fbfaf8;--card:#fff;--ink:#1d1b22;--muted:#66616f;--grid:#dedae3;
--main:#b8336a;--second:#5b6ee1;--third:#c98a1b;--fourth:#2f8f83;--good:#1f7a4d;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--paper:#15131a;--card:#1e1b25;--ink:#ece8f2;--muted:#a49db2;
--grid:#3a3544;--main:#ee6c9f;--second:#8f9dff;--third:#e8b04b;--fourth:#5cc4b6;--good:#5fd39a;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.45 system-ui,sans-serif}
main{max-width:820px;margin:0 auto;padding:24px 16px 48px}
h1{font-size:1.6rem;margin:0}h2{font-size:1.05rem;margin:0 0 12px}
.source{color:var(--muted);margin:4px 0 20px}
.verdict{font-weight:600;padding:10px 14px;border-radius:10px;border:1px solid;margin:0 0 16px}
.good{color:var(--good)}.bad{color:var(--bad)}
section{background:var(--card);border:1px solid var(--grid);border-radius:12px;padding:16px;margin:0 0 16px}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(140px,1fr));gap:12px 16px;margin:0}
.figures dt{color:var(--muted);font-size:.85rem}
.figures dd{margin:0;font-size:1.2rem;font-weight:600;font-variant-numeric:tabular-nums}
svg{display:block;width:100%;height:auto}
.phone{display:none}
@media (max-width:600px){.wide{display:none}.phone{display:block}section{padding:14px 12px}
tr{display:grid;grid-template-columns:1.6em 1fr}td:last-child{grid-column:2;border:0;padding-top:0}}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:6px 8px 6px 0;border-top:1px solid var(--grid);vertical-align:top}
td:last-child{overflow-wrap:anywhere;color:var(--muted);font-variant-numeric:tabular-nums}
";

pub(super) fn page(report: &Report) -> Result<String, ReportError> {
    let over_time = |page| charts::gifts_over_time(&report.gifts_over_time, page);
    let rooms = |page| charts::top_rooms(&report.top_rooms, page);
    let flow = |page| charts::flow(&report.flow, page);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Largesse: report of a run" }
                style { (PreEscaped(STYLE)) }
            }
            body { main {
                h1 { "Report of a run" }
                p.source { (report.source) }
                (verdict(report))
                (figures(report))
                (chart("Gifts over time", "gifts taken, by the time of the recording", &over_time)?)
                (chart("Busiest rooms", "gifts taken by each of the busiest rooms", &rooms)?)
                (chart("From recharge to payable", &flow_label(report), &flow)?)
                (invariants(report))
            } }
        }
    };
    Ok(page.into_string())
}

fn verdict(report: &Report) -> Markup {
    html! {
        @if report.check.passed {
            p.verdict.good { "The books close: all " (report.check.invariants.len()) " invariants hold." }
        } @else {
            p.verdict.bad { "The books do not close." }
        }
    }
}

fn figures(report: &Report) -> Markup {
    let figures = [
        ("gifts", grouped(report.gifts)),
        ("coins", grouped(report.coins.unsigned_abs())),
        ("gifts per second", grouped(report.gifts_per_s)),
        ("orders", grouped(report.orders)),
        ("items", grouped(report.items)),
        ("vouchers", grouped(report.vouchers)),
        ("breaks", grouped(report.breaks)),
        ("trial balance", report.trial_balance.to_string()),
        ("refused, out of coins", grouped(report.refused)),
        ("free gifts", grouped(report.free_gifts)),
        ("refunded", yuan(report.flow.refunded_micros)),
        ("taken before a restart", grouped(report.replayed)),
    ];
    html! {
        section { dl.figures {
            @for (name, figure) in &figures { div { dt { (name) } dd { (figure) } } }
        } }
    }
}

fn flow_label(report: &Report) -> String {
    let flow = &report.flow;
    format!(
        "recharged {}, of it payable to streamers {}, to agencies {}, tax {}, platform {}",
        yuan(flow.recharged_micros),
        yuan(flow.streamer_payable_micros),
        yuan(flow.agency_payable_micros),
        yuan(flow.tax_payable_micros),
        yuan(flow.platform_revenue_micros)
    )
}

fn chart(
    title: &str,
    label: &str,
    draw: &dyn Fn(Page) -> Result<String, ReportError>,
) -> Result<Markup, ReportError> {
    let (wide, phone) = (draw(Page::Wide)?, draw(Page::Phone)?);
    Ok(html! {
        section {
            h2 { (title) }
            div.wide role="img" aria-label=(label) { (PreEscaped(wide)) }
            div.phone role="img" aria-label=(label) { (PreEscaped(phone)) }
        }
    })
}

fn invariants(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Check" }
            table {
                @for one in &report.check.invariants {
                    tr {
                        td { @if one.passed { span.good { "✓" } } @else { span.bad { "✗ fails" } } }
                        td { (one.name) }
                        td { (one.figure) }
                    }
                }
            }
        }
    }
}
