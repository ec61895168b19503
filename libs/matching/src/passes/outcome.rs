//! What a run answers: data that can be stored, read back and compared.

use crate::Side;
use serde::{Deserialize, Serialize};

/// Every line's end. Lists are sorted, so that the same lines and rules give the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub rules: String,
    pub version: u32,
    pub matches: Vec<Match>,
    pub ambiguous: Vec<Ambiguity>,
    /// Sums that a person may look at. Their lines are unmatched.
    pub suggestions: Vec<Suggestion>,
    /// Searches that a limit ended, so that the absence of a suggestion says nothing.
    pub cut_searches: Vec<CutSearch>,
    pub unmatched_left: Vec<String>,
    pub unmatched_right: Vec<String>,
}

/// Lines that belong together, by their ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    pub pass: String,
    /// Of the rules.
    pub version: u32,
    pub left: Vec<String>,
    pub right: Vec<String>,
    /// `None`: the amounts are equal.
    pub variance: Option<Variance>,
}

/// By how much a match's amounts differ, and what allowed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variance {
    pub tolerance: String,
    /// Right minus left, never 0, in minor units.
    pub variance_minor: i64,
}

/// Lines of which a pass cannot say which belong together. None of them is taken, then or later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ambiguity {
    pub pass: String,
    pub reason: Reason,
    pub left: Vec<String>,
    pub right: Vec<String>,
}

/// Why lines are ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// More than one match is possible.
    SeveralCandidates,
    /// One reference says that they belong together, another names a line elsewhere.
    Contested,
}

/// Some unmatched lines that sum to an unmatched one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    pub pass: String,
    pub version: u32,
    pub left: Vec<String>,
    pub right: Vec<String>,
    pub certainty: Certainty,
}

/// How much a suggestion is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// No other sum within the limits fits.
    OnlyOne,
    /// Others fit as well.
    Several,
    /// The search was ended by its limit of steps.
    SearchCut,
}

/// A line whose sums were not all tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutSearch {
    pub pass: String,
    pub side: Side,
    pub id: String,
    pub reason: CutReason,
}

/// Which limit ended a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutReason {
    TooManyCandidates,
    StepsUsedUp,
}

impl Outcome {
    pub(super) fn new(rules: &str, version: u32) -> Outcome {
        Outcome { rules: rules.to_owned(), version, ..Outcome::default() }
    }
}
