//! What is measured, shown and alerted on: the code, `docs/metrics.md`, dashboards, alerts and runbooks must
//! speak of the same things.

use crate::{File, Finding};
use std::collections::{BTreeMap, BTreeSet};

/// The page that says what every metric means.
pub const METRICS_PAGE: &str = "docs/metrics.md";

/// What a gauge's or a histogram's name may end with: its unit, or the thing it counts.
const UNITS: [&str; 13] = [
    "seconds",
    "rows",
    "partitions",
    "groups",
    "breaks",
    "connections",
    "orders",
    "commands",
    "requests",
    "levels",
    "breakers",
    "keys",
    "bytes",
];

/// One metric: its kind and its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    pub kind: String,
    pub labels: BTreeSet<String>,
    /// Where it was found.
    pub place: String,
}

/// Metrics by name.
pub type Metrics = BTreeMap<String, Metric>;

/// Every metric the product's code records, and what is wrong with their names.
pub fn recorded_metrics(files: &[File]) -> (Metrics, Vec<Finding>) {
    let (mut metrics, mut found) = (Metrics::new(), Vec::new());
    let shipped =
        |file: &&File| file.is_rust() && file.path.contains("/src/") && !file.path.starts_with("libs/tidy/");
    for file in files.iter().filter(shipped) {
        for kind in ["counter", "gauge", "histogram"] {
            let call = format!("metrics::{kind}!(");
            for (at, _) in file.text.match_indices(&call) {
                let arguments = arguments(&file.text[at + call.len()..]);
                let Some(name) = literal(arguments) else {
                    found.push(Finding::new(&file.path, format!("write the name of a {kind} as a literal")));
                    continue;
                };
                found.extend(wrong_name(name, kind).map(|what| Finding::new(&file.path, what)));
                let labels = labels(arguments);
                let metric = Metric { kind: kind.to_owned(), labels, place: file.path.clone() };
                let known = metrics.entry(name.to_owned()).or_insert_with(|| metric.clone());
                if (&known.kind, &known.labels) != (&metric.kind, &metric.labels) {
                    let other = &known.place;
                    found.push(Finding::new(
                        &file.path,
                        format!("{name} has another kind or labels in {other}"),
                    ));
                }
            }
        }
    }
    (metrics, found)
}

fn wrong_name(name: &str, kind: &str) -> Option<String> {
    let plain = name.starts_with("largesse_") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let unit = name.rsplit('_').next().unwrap_or_default();
    let ends_well = if kind == "counter" { unit == "total" } else { UNITS.contains(&unit) };
    let has_parts = name.split('_').count() >= 4 || unit == "total";
    (!plain || !ends_well || !has_parts)
        .then(|| format!("{name}: a {kind} is named largesse_<part>_<what>_<unit>"))
}

/// The text up to the parenthesis that closes a call.
fn arguments(text: &str) -> &str {
    let mut depth = 1_u32;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..at];
        }
    }
    text
}

/// The first argument, if it is a string.
fn literal(arguments: &str) -> Option<&str> {
    arguments.trim_start().strip_prefix('"')?.split('"').next()
}

fn labels(arguments: &str) -> BTreeSet<String> {
    let before = arguments.match_indices("=>").map(|(at, _)| arguments[..at].trim_end());
    before.filter_map(|before| before.strip_suffix('"')?.rsplit('"').next()).map(str::to_owned).collect()
}

/// The metrics that the page explains: rows of its tables.
pub fn documented_metrics(page: &File) -> Metrics {
    let rows = page.text.lines().filter(|line| line.starts_with("| `largesse_"));
    rows.filter_map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let name = cells.next()?.trim_matches('`').to_owned();
        let kind = cells.next()?.to_owned();
        let labels = cells.next()?.split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        let meaning = cells.next().filter(|meaning| !meaning.is_empty())?;
        let place = format!("{}: {meaning}", page.path);
        Some((name, Metric { kind, labels, place }))
    })
    .collect()
}

/// Where the code and the page differ.
pub fn undocumented(recorded: &Metrics, documented: &Metrics) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, metric) in recorded {
        match documented.get(name) {
            None => found.push(Finding::new(&metric.place, format!("{name} is not in {METRICS_PAGE}"))),
            Some(page) if (&page.kind, &page.labels) != (&metric.kind, &metric.labels) => {
                let (kind, labels) = (&metric.kind, &metric.labels);
                found.push(Finding::new(METRICS_PAGE, format!("{name} is a {kind} with labels {labels:?}")));
            }
            Some(_) => {}
        }
    }
    let stale = documented.keys().filter(|name| !recorded.contains_key(*name));
    found.extend(stale.map(|name| Finding::new(METRICS_PAGE, format!("nothing records {name}"))));
    found
}

/// Names in a query that no page explains.
pub fn unknown_in_query(query: &str, place: &str, documented: &Metrics) -> Vec<Finding> {
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let names = words.filter(|word| word.starts_with("largesse_"));
    let unknown = names.filter(|name| {
        let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        let is_histogram = of_histogram
            .and_then(|name| documented.get(name))
            .is_some_and(|metric| metric.kind == "histogram");
        let is_plain = documented.get(*name).is_some_and(|metric| metric.kind != "histogram");
        !is_histogram && !is_plain
    });
    unknown.map(|name| Finding::new(place, format!("{name} is not in {METRICS_PAGE}"))).collect()
}

/// The page of an alert: `ReaderStopped` is explained in `reader-stopped.md`.
pub fn runbook_of(alert: &str) -> String {
    let mut name = String::new();
    for c in alert.chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    format!("docs/runbooks/{name}.md")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> [File; 1] {
        [File::new("libs/a/src/b.rs", text)]
    }

    const GOOD: &str = r#"metrics::counter!("largesse_a_b_total", "x" => y(1), "z" => "w").increment(1);"#;

    #[test]
    fn a_metric_is_read_with_its_kind_and_labels() {
        let (metrics, found) = recorded_metrics(&code(GOOD));
        assert_eq!(found, []);
        let metric = &metrics["largesse_a_b_total"];
        assert_eq!(metric.kind, "counter");
        assert_eq!(metric.labels, ["x", "z"].map(str::to_owned).into());
    }

    #[test]
    fn a_name_without_a_unit_or_that_is_no_literal_is_caught() {
        for bad in [
            r#"metrics::counter!("largesse_a_b").increment(1)"#,
            r#"metrics::gauge!("largesse_a_b_total").set(1)"#,
            r#"metrics::histogram!("a_b_seconds").record(1)"#,
            r#"metrics::gauge!(name).set(1)"#,
        ] {
            assert_eq!(recorded_metrics(&code(bad)).1.len(), 1, "{bad}");
        }
        let twice = format!("{GOOD} metrics::counter!(\"largesse_a_b_total\").increment(1);");
        assert_eq!(recorded_metrics(&code(&twice)).1.len(), 1);
    }

    #[test]
    fn the_page_and_the_code_must_say_the_same() {
        let recorded = recorded_metrics(&code(GOOD)).0;
        let page = |row: &str| documented_metrics(&File::new(METRICS_PAGE, row));
        let differ = |row: &str| undocumented(&recorded, &page(row)).len();
        assert_eq!(differ("| `largesse_a_b_total` | counter | `x`, `z` | What it means. |"), 0);
        assert_eq!(differ("| `largesse_a_b_total` | counter | `x` | What it means. |"), 1);
        assert_eq!(differ("| `largesse_a_b_total` | gauge | `x`, `z` | What it means. |"), 1);
        assert_eq!(differ("| `largesse_a_b_total` | counter | `x`, `z` | |"), 1, "no meaning");
        assert_eq!(differ("| `largesse_other_total` | counter | | What it means. |"), 2);
    }

    #[test]
    fn a_query_may_name_only_what_the_page_explains() {
        let rows = "| `largesse_a_b_total` | counter | | Means. |\n| `largesse_a_c_seconds` | histogram | | Means. |";
        let page = documented_metrics(&File::new(METRICS_PAGE, rows));
        let unknown = |query: &str| unknown_in_query(query, "here", &page).len();
        assert_eq!(unknown("rate(largesse_a_b_total{x=\"y\"}[5m]) / largesse_a_c_seconds_bucket"), 0);
        assert_eq!(unknown("largesse_a_c_seconds"), 1, "a histogram has no value of its own");
        assert_eq!(unknown("largesse_a_b_total_sum + largesse_nothing"), 2);
    }

    #[test]
    fn an_alerts_runbook_has_its_name() {
        assert_eq!(runbook_of("ReaderStopped"), "docs/runbooks/reader-stopped.md");
    }
}
