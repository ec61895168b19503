//! Each pass by small examples: what it takes, what it tells as ambiguous, what it leaves.

use crate::passes_rules::stored;
use matching::Side;
use matching::passes::{
    Certainty, ChangeKind, CutReason, InputError, Line, Outcome, Reason, Rules, RunError, compare_outcomes,
    dry_run, run,
};

/// `id amount day reference second batch`, with `-` for none.
fn lines(text: &str) -> Vec<Line> {
    let some = |text: &str| Some(text.to_owned()).filter(|text| text != "-");
    let line = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        Line {
            id: words[0].to_owned(),
            amount_minor: words[1].parse().expect("an amount"),
            currency: "CNY".to_owned(),
            day: words[2].parse().expect("a day"),
            reference: some(words[3]),
            second_reference: some(words[4]),
            batch: some(words[5]),
            account: None,
        }
    };
    text.split(';').filter(|line| !line.trim().is_empty()).map(line).collect()
}

fn outcome(left: &str, right: &str) -> Outcome {
    run(&stored().check().expect("they can run"), &lines(left), &lines(right)).expect("matched")
}

/// Matches as `pass left+left=right variance`.
fn told(outcome: &Outcome) -> Vec<String> {
    let matched = outcome.matches.iter().map(|matched| {
        assert_eq!(matched.version, 3);
        let variance = matched.variance.as_ref().map(|variance| format!(" {}", variance.variance_minor));
        let (left, right) = (matched.left.join("+"), matched.right.join("+"));
        format!("{} {left}={right}{}", matched.pass, variance.unwrap_or_default())
    });
    matched.collect()
}

fn ambiguous(outcome: &Outcome) -> Vec<(Reason, String)> {
    let told = |ambiguity: &matching::passes::Ambiguity| {
        (ambiguity.reason, format!("{}?{}", ambiguity.left.join("+"), ambiguity.right.join("+")))
    };
    outcome.ambiguous.iter().map(told).collect()
}

#[test]
fn passes_run_in_their_order_and_each_takes_what_is_certain() {
    let outcome = outcome(
        "a 100 1 A sa -; b 200 1 B sb -; c 300 1 C - -; d 100 1 D - -; e 10 1 - - day1; f 20 2 - - day1; g 50 1 G - -",
        "1 100 1 A - -; 2 200 1 - sb -; 3 300 3 C - -; 4 60 1 D - -; 5 40 2 D - -; 6 30 2 - - day1; 7 47 1 G - -",
    );
    let expected = ["exact a=1", "second b=2", "late c=3", "split d=4+5", "merged e+f=6", "fee g=7 -3"];
    assert_eq!(told(&outcome), expected);
    assert!(outcome.ambiguous.is_empty() && outcome.unmatched_left.is_empty());
    assert_eq!(outcome.matches[5].variance.as_ref().map(|v| v.tolerance.as_str()), Some("channel-fee"));
}

#[test]
fn copies_are_ambiguous_and_no_later_pass_takes_them() {
    let outcome = outcome("a 100 1 A sa -", "1 100 1 A sa -; 2 100 1 A sa -");
    assert!(told(&outcome).is_empty());
    assert_eq!(ambiguous(&outcome), [(Reason::SeveralCandidates, "a?1+2".to_owned())]);
    assert!(outcome.unmatched_left.is_empty() && outcome.unmatched_right.is_empty());
}

#[test]
fn lags_that_chain_are_ambiguous_and_lags_that_do_not_are_taken() {
    // Days 1 and 2 both reach 3; day 10 reaches only 12.
    let outcome = outcome("a 100 1 A - -; b 100 2 A - -; c 100 10 A - -", "1 100 3 A - -; 2 100 12 A - -");
    assert_eq!(told(&outcome), ["late c=2"]);
    assert_eq!(ambiguous(&outcome), [(Reason::SeveralCandidates, "a+b?1".to_owned())]);
}

#[test]
fn swapped_references_of_equal_amounts_are_contested_and_not_taken() {
    let outcome = outcome("a 100 1 A sa -; b 100 1 B sb -", "1 100 1 B sa -; 2 100 1 A sb -");
    assert!(told(&outcome).is_empty());
    let contested = |text: &str| (Reason::Contested, text.to_owned());
    assert_eq!(ambiguous(&outcome), [contested("a?2"), contested("b?1")]);
    // A second reference that nobody else has is another way to write it, and contests nothing.
    assert_eq!(told(&super::passes_steps::outcome("a 100 1 A sa -", "1 100 1 A bill-77 -")), ["exact a=1"]);
}

#[test]
fn a_tolerance_never_takes_a_part_or_a_copy_for_the_whole() {
    let outcome = outcome("a 100 1 A - -", "1 98 1 A - -; 2 1 1 A - -");
    assert!(told(&outcome).is_empty(), "{outcome:?}");
    assert_eq!(ambiguous(&outcome), [(Reason::SeveralCandidates, "a?1+2".to_owned())]);
    let too_far = super::passes_steps::outcome("a 100 1 A - -", "1 94 1 A - -");
    assert_eq!((told(&too_far).len(), too_far.unmatched_left.len()), (0, 1));
    let wrong_way = super::passes_steps::outcome("a 100 1 A - -", "1 101 1 A - -");
    assert!(told(&wrong_way).is_empty());
}

#[test]
fn a_sum_with_a_missing_part_or_two_equal_totals_is_not_taken() {
    let missing = outcome("e 10 1 - - d; f 20 1 - - d", "6 35 1 - - d");
    assert_eq!((told(&missing).len(), missing.unmatched_right.len()), (0, 1));
    let two = outcome("e 10 1 - - d; f 20 1 - - d", "6 30 1 - - d; 7 30 1 - - d");
    assert_eq!(ambiguous(&two), [(Reason::SeveralCandidates, "e+f?6+7".to_owned())]);
    let far = outcome("e 10 1 - - d; f 20 9 - - d", "6 30 1 - - d");
    assert!(told(&far).is_empty() && far.ambiguous.is_empty());
}

#[test]
fn sums_of_subsets_are_suggested_and_their_lines_stay_unmatched() {
    let one = outcome("a 31 1 - - -; b 17 1 - - -; c 5 1 - - -; d 90 1 - - -", "1 53 1 - - -");
    assert!(told(&one).is_empty());
    let suggestion = &one.suggestions[0];
    assert_eq!((suggestion.left.join("+"), suggestion.certainty), ("a+b+c".to_owned(), Certainty::OnlyOne));
    assert_eq!((one.unmatched_left.len(), one.unmatched_right.len()), (4, 1));
    let several = outcome("a 30 1 - - -; b 20 1 - - -; c 20 1 - - -", "1 50 1 - - -");
    assert_eq!(several.suggestions[0].certainty, Certainty::Several);
}

#[test]
fn a_search_that_a_limit_ends_says_so() {
    let text: Vec<String> = (0..45).map(|n| format!("l{n} {} 1 - - -", 1_000 + 2 * n)).collect();
    let crowded = outcome(&text.join(";"), "1 3001 1 - - -");
    assert_eq!(crowded.cut_searches[0].reason, CutReason::TooManyCandidates);
    let text: Vec<String> = (0..40).map(|n| format!("l{n} {} 1 - - -", 1_000 + 2 * n)).collect();
    // Even numbers never sum to an odd one: only the limit of steps ends it.
    let endless = outcome(&text.join(";"), "1 4101 1 - - -; 2 4103 1 - - -");
    assert!(endless.suggestions.is_empty());
    let reasons: Vec<CutReason> = endless.cut_searches.iter().map(|cut| cut.reason).collect();
    assert!(reasons.ends_with(&[CutReason::StepsUsedUp]), "{reasons:?}");
}

#[test]
fn a_changed_rule_says_what_it_would_have_done() {
    let old = stored().check().expect("they can run");
    let mut wider = Rules { version: 4, ..stored() };
    wider.passes.retain(|pass| pass.name != "second");
    if let Some(fee) = wider.tolerances.get_mut("channel-fee") {
        fee.least_minor = -10;
    }
    let new = wider.check().expect("they can run");
    let left = lines("a 100 1 A - -; b 200 1 B sb -; c 300 1 C - -");
    let right = lines("1 92 1 A - -; 2 200 1 - sb -; 3 300 1 C - -");
    let dry = dry_run(&old, &new, &left, &right).expect("compared");
    let changes: Vec<_> =
        dry.comparison.changes.iter().map(|change| (change.kind, change.side, change.id.as_str())).collect();
    let expected = [
        (ChangeKind::NewlyMatched, Side::Left, "a"),
        (ChangeKind::NoLongerMatched, Side::Left, "b"),
        (ChangeKind::NewlyMatched, Side::Right, "1"),
        (ChangeKind::NoLongerMatched, Side::Right, "2"),
    ];
    assert_eq!(changes, expected);
    assert_eq!((dry.comparison.old_version, dry.comparison.new_version), (3, 4));
    let other = run(&old, &left[1..], &right).expect("matched");
    let refused = compare_outcomes(&dry.old, &other).expect_err("they are of other lines");
    assert_eq!((refused.side, refused.id.as_str()), (Side::Left, "a"));
}

#[test]
fn too_many_lines_and_ids_that_come_twice_are_refused() {
    let rules = Rules { lines_max: 2, ..stored() }.check().expect("they can run");
    let three = lines("a 1 1 - - -; b 1 1 - - -; c 1 1 - - -");
    let refused = run(&rules, &[], &three).expect_err("too many");
    assert_eq!(refused, RunError::Input(InputError::TooManyLines { side: Side::Right, lines: 3, max: 2 }));
    let twice = lines("a 1 1 - - -; a 2 1 - - -");
    let refused = run(&rules, &twice, &[]).expect_err("an id twice");
    assert_eq!(refused, RunError::Input(InputError::IdTwice { side: Side::Left, id: "a".to_owned() }));
}

#[test]
fn amounts_at_the_ends_of_their_type_neither_wrap_nor_panic() {
    let (most, least) = (i64::MAX, i64::MIN);
    let outcome = outcome(
        &format!("a {most} 1 - - d; b {most} 1 - - d; c {least} 1 C - -; e {least} 1 - - -; f -1 1 - - -"),
        &format!("1 -2 1 - - d; 2 {most} 1 C - -; 3 {least} 1 - - -"),
    );
    assert!(told(&outcome).is_empty(), "{outcome:?}");
    assert_eq!(outcome.unmatched_left.len() + outcome.unmatched_right.len(), 8);
}
