//! Rules are data with a version; rules that are wrong do not run.

use matching::passes::{
    Act, Direction, Field, LAG_DAYS_MAX, LINES_MAX, PASSES_MAX, Pass, Rules, RulesError, Shape, Tolerance,
    ToleranceCause, Walls,
};
use std::collections::BTreeMap;

/// As an operator would store them. The words are a promise: stored rules must still be read after a release.
pub const STORED: &str = r#"{
  "name": "channel-trades", "version": 3, "walls": "outside",
  "tolerances": { "channel-fee": { "cause": "fee", "currency": "CNY", "least_minor": -5, "most_minor": 0 } },
  "passes": [
    { "name": "exact", "act": { "exact": { "by": ["reference"] } } },
    { "name": "second", "act": { "fallback_key": { "by": ["second_reference"] } } },
    { "name": "late", "act": { "date_lag": { "by": ["reference"], "min_days": 1, "max_days": 3, "direction": "right_later" } } },
    { "name": "split", "act": { "batch_sum": { "by": "reference", "shape": "one_to_many", "max_lines": 50, "max_days": 3 } } },
    { "name": "merged", "act": { "batch_sum": { "by": "batch", "shape": "many_to_one", "max_lines": 5000, "max_days": 3 } } },
    { "name": "fee", "act": { "fallback_key": { "by": ["reference"], "tolerance": "channel-fee" } } },
    { "name": "maybe", "act": { "subset_sum_suggest": { "shape": "many_to_one", "max_items": 4, "max_candidates": 40, "max_steps": 100000, "max_days": 2 } } }
  ]
}"#;

pub fn stored() -> Rules {
    serde_json::from_str(STORED).expect("stored rules are read")
}

fn with(act: Act) -> Rules {
    Rules { passes: vec![Pass { name: "it".to_owned(), act }], ..stored() }
}

fn refused(rules: Rules) -> RulesError {
    rules.check().expect_err("it must not run")
}

#[test]
fn stored_rules_are_read_checked_and_written_again() {
    let rules = stored();
    let again: Rules = serde_json::from_str(&serde_json::to_string(&rules).expect("written")).expect("read");
    assert_eq!(again, rules);
    assert_eq!(rules.lines_max, LINES_MAX);
    rules.check().expect("they can run");
    let unknown = STORED.replace("\"max_days\": 2", "\"max_days\": 2, \"fuzzy\": 1");
    serde_json::from_str::<Rules>(&unknown).expect_err("a word that nobody knows is not passed over");
    let float = STORED.replace("\"least_minor\": -5", "\"least_minor\": -5.0");
    serde_json::from_str::<Rules>(&float).expect_err("an amount is an integer");
}

#[test]
fn inside_our_walls_nothing_is_tolerated() {
    let declared = Rules { walls: Walls::Inside, ..stored() };
    assert_eq!(refused(declared), RulesError::ToleranceInside { tolerance: "channel-fee".to_owned() });
    let named = Rules { walls: Walls::Inside, tolerances: BTreeMap::new(), ..stored() };
    assert_eq!(refused(named), RulesError::ToleranceInside { tolerance: "channel-fee".to_owned() });
    let mut strict = Rules { walls: Walls::Inside, tolerances: BTreeMap::new(), ..stored() };
    strict.passes.retain(|pass| pass.name != "fee");
    strict.check().expect("without it they can run");
}

#[test]
fn rules_that_are_wrong_do_not_run() {
    let it = || "it".to_owned();
    assert_eq!(refused(Rules { version: 0, ..stored() }), RulesError::VersionZero);
    assert_eq!(refused(Rules { passes: Vec::new(), ..stored() }), RulesError::Passes { passes: 0 });
    assert_eq!(refused(Rules { lines_max: LINES_MAX + 1, ..stored() }), RulesError::Lines);
    let mut twice = stored();
    twice.passes[1].name = "exact".to_owned();
    assert_eq!(refused(twice), RulesError::PassName { name: "exact".to_owned() });
    let many = stored().passes.into_iter().cycle().take(PASSES_MAX + 1).collect();
    assert_eq!(refused(Rules { passes: many, ..stored() }), RulesError::Passes { passes: PASSES_MAX + 1 });
    for by in [vec![], vec![Field::Account], vec![Field::Batch, Field::Account]] {
        assert_eq!(refused(with(Act::Exact { by })), RulesError::NoIdentity { pass: it() });
    }
    let by = vec![Field::Reference];
    let tolerance = Some("nobody".to_owned());
    let unknown = RulesError::UnknownTolerance { pass: it(), tolerance: "nobody".to_owned() };
    assert_eq!(refused(with(Act::FallbackKey { by: by.clone(), tolerance })), unknown);
    let lag = |min_days, max_days, direction| {
        with(Act::DateLag { by: by.clone(), min_days, max_days, direction, tolerance: None })
    };
    assert_eq!(refused(lag(3, 2, Direction::LeftLater)), RulesError::Days { pass: it() });
    assert_eq!(refused(lag(0, LAG_DAYS_MAX + 1, Direction::LeftLater)), RulesError::Days { pass: it() });
    assert_eq!(refused(lag(1, 2, Direction::Either)), RulesError::EitherWithMin { pass: it() });
    let batch = |by, max_lines| {
        with(Act::BatchSum { by, shape: Shape::OneToMany, max_lines, max_days: 1, tolerance: None })
    };
    assert_eq!(refused(batch(Field::Account, 5)), RulesError::NoIdentity { pass: it() });
    assert_eq!(refused(batch(Field::Batch, 0)), RulesError::Limit { pass: it() });
    let subset = |max_items, max_candidates, max_steps| {
        let (shape, within) = (Shape::OneToMany, None);
        with(Act::SubsetSumSuggest { shape, within, max_items, max_candidates, max_steps, max_days: 1 })
    };
    for wrong in
        [subset(1, 10, 10), subset(13, 10, 10), subset(3, 0, 10), subset(3, 257, 10), subset(3, 10, 0)]
    {
        assert_eq!(refused(wrong), RulesError::Limit { pass: it() });
    }
    let mut early = stored();
    early.passes.rotate_right(1);
    assert_eq!(refused(early), RulesError::SuggestionNotLast { pass: "exact".to_owned() });
    for (least_minor, most_minor) in [(1, 2), (-2, -1), (0, 0)] {
        let cause = ToleranceCause::Rounding;
        let odd = Tolerance { cause, currency: "CNY".to_owned(), least_minor, most_minor };
        let rules = Rules { tolerances: [("odd".to_owned(), odd)].into(), ..stored() };
        assert_eq!(refused(rules), RulesError::EmptyTolerance { tolerance: "odd".to_owned() });
    }
}
