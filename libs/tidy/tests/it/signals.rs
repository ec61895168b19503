//! Invariant under test: whoever reads a dashboard, an alert or a runbook reads of things that exist.

use crate::{assert_none, tree};
use serde_json::Value as Json;
use serde_yaml::Value as Yaml;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tidy::{File, Finding, METRICS_PAGE, Metrics};

fn documented() -> Metrics {
    let files = tree();
    let page = files.iter().find(|file| file.path == METRICS_PAGE).expect("the page of metrics");
    tidy::documented_metrics(page)
}

#[test]
fn every_metric_is_explained_and_every_explained_metric_exists() {
    let (recorded, wrong) = tidy::recorded_metrics(&tree());
    assert!(recorded.len() > 30, "only {} metrics were found", recorded.len());
    assert_none(wrong);
    assert_none(tidy::undocumented(&recorded, &documented()));
}

fn dashboards() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(tidy::root().join("docs/grafana")).expect("the folder is there");
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths
}

/// Every query of a dashboard: the values of `expr`, wherever they stand.
fn queries(json: &Json, found: &mut Vec<String>) {
    match json {
        Json::Object(fields) => {
            for (name, value) in fields {
                match value.as_str().filter(|_| name == "expr" || name == "query") {
                    Some(query) => found.push(query.to_owned()),
                    None => queries(value, found),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

#[test]
fn dashboards_parse_and_ask_only_for_what_is_recorded() {
    let (documented, mut shown) = (documented(), BTreeSet::new());
    let paths = dashboards();
    assert_eq!(paths.len(), 4, "{paths:?}");
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("readable");
        let board: Json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        assert_eq!(board["uid"], format!("largesse-{name}"), "{path:?}");
        let mut asked = Vec::new();
        queries(&board["panels"], &mut asked);
        assert!(asked.len() >= 6, "{path:?} asks for little");
        for query in asked {
            assert_none(tidy::unknown_in_query(&query, &path.display().to_string(), &documented));
            shown.extend(documented.keys().filter(|name| query.contains(name.as_str())).cloned());
        }
    }
    // What is worth recording is worth seeing.
    let unseen: Vec<&String> = documented.keys().filter(|name| !shown.contains(*name)).collect();
    assert!(unseen.is_empty(), "on no dashboard: {unseen:?}");
}

/// The alerts of all files: name, expression, severity, summary and runbook.
fn alerts(files: &[File]) -> Vec<Yaml> {
    let rules = files.iter().filter(|file| file.path.starts_with("docs/alerts/"));
    rules
        .flat_map(|file| {
            let parsed: Yaml =
                serde_yaml::from_str(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.path));
            let groups = parsed["groups"].as_sequence().cloned().expect("groups of rules");
            groups.into_iter().flat_map(|group| group["rules"].as_sequence().cloned().expect("rules"))
        })
        .collect()
}

#[test]
fn every_alert_asks_for_what_exists_and_has_a_runbook_and_every_runbook_an_alert() {
    let (files, documented) = (tree(), documented());
    let mut pages = BTreeSet::new();
    for alert in alerts(&files) {
        let text = |value: &Yaml| value.as_str().map(str::to_owned).unwrap_or_else(|| panic!("{alert:?}"));
        let name = text(&alert["alert"]);
        assert_none(tidy::unknown_in_query(&text(&alert["expr"]), &name, &documented));
        let severity = text(&alert["labels"]["severity"]);
        assert!(["page", "ticket"].contains(&severity.as_str()), "{name}: {severity}");
        assert!(!text(&alert["annotations"]["summary"]).is_empty(), "{name}");
        let page = tidy::runbook_of(&name);
        assert_eq!(text(&alert["annotations"]["runbook"]), page, "{name}");
        assert!(pages.insert(page), "{name} stands there twice");
    }
    assert!(pages.len() >= 10, "only {} alerts", pages.len());
    let is_page = |file: &&File| file.path.starts_with("docs/runbooks/");
    let written: BTreeSet<String> = files.iter().filter(is_page).map(|file| file.path.clone()).collect();
    assert_eq!(pages, written, "alerts on the left, runbooks on the right");
    assert_none(files.iter().filter(is_page).flat_map(missing_parts).collect());
}

/// A runbook answers four questions.
fn missing_parts(page: &File) -> Vec<Finding> {
    let parts = ["## What it means", "## How bad", "## Look at", "## Do"];
    let missing = parts.into_iter().filter(|part| !page.text.contains(&format!("\n{part}\n")));
    missing
        .map(|part| Finding { place: page.path.clone(), what: format!("add the part \"{part}\"") })
        .collect()
}
