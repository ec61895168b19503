//! Invariant under test: a chart and rules that do not fit together are refused by name.

use clearing::{BadPolicy, Config, ConfigError};
use std::io::Write;

fn refusal(file: &str, content: &str) -> ConfigError {
    let mut place = tempfile::NamedTempFile::new().expect("a file");
    place.write_all(content.as_bytes()).expect("writes");
    let mut config = Config::try_default().expect("the shipped defaults are valid");
    match file {
        "chart" => config.chart_file = Some(place.path().to_owned()),
        _ => config.rules_file = Some(place.path().to_owned()),
    }
    config.policy().expect_err("must be refused")
}

const RULES: &str = include_str!("../../rules.default.toml");
const CHART: &str = include_str!("../../chart.default.toml");

#[test]
fn the_shipped_files_fit_together() {
    let policy = Config::try_default().expect("valid").policy().expect("fits");
    assert_eq!(policy.rules.rules().len(), 15);
}

#[test]
fn a_rule_that_names_an_unknown_account_is_refused() {
    let refused = refusal("rules", &RULES.replace("\"1122\"", "\"1123\""));
    assert!(
        matches!(&refused, ConfigError::Policy(BadPolicy::UnknownAccount { account, .. }) if account == "1123")
    );
}

#[test]
fn a_name_used_twice_is_refused() {
    let refused = refusal("rules", &RULES.replace("wallet.refund", "wallet.spend"));
    assert!(matches!(refused, ConfigError::Policy(BadPolicy::DoubleRule(name)) if name == "wallet.spend"));
    let refused = refusal("chart", &CHART.replace("\"2242\"", "\"2206\""));
    assert!(matches!(refused, ConfigError::Policy(BadPolicy::DoubleAccount(code)) if code == "2206"));
}

#[test]
fn a_kind_without_a_rule_is_refused() {
    let refused = refusal("rules", &RULES.replace("\"bonus\", ", ""));
    assert!(matches!(refused, ConfigError::Policy(BadPolicy::MissingKind(_))), "{refused:?}");
}

#[test]
fn a_kind_with_two_rules_is_refused() {
    let refused = refusal("rules", &RULES.replace("[\"expire\"]", "[\"expire\", \"bonus\"]"));
    assert!(matches!(refused, ConfigError::Policy(BadPolicy::DoubleKind { .. })), "{refused:?}");
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    let refused = refusal("chart", &CHART.replace("name =", "nmae ="));
    assert!(refused.to_string().contains("nmae"), "{refused}");
}
