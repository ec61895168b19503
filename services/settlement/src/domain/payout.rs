//! A payout's way: batches, their lines, and which step follows which. A step that was taken is the same again.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::payout::PayeeClass;
use ids::{PayoutBatchId, PayoutLineId, Uuid};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use utoipa::ToSchema;

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchState {
    Built,
    Approved,
    /// Its file was handed out.
    Submitted,
    /// Every line is paid or rejected.
    Confirmed,
    /// Its requests are open again.
    Discarded,
}

/// A step of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchStep {
    Approve,
    Submit,
    Confirm,
    Discard,
}

impl BatchState {
    pub const ALL: [BatchState; 5] = [
        BatchState::Built,
        BatchState::Approved,
        BatchState::Submitted,
        BatchState::Confirmed,
        BatchState::Discarded,
    ];

    /// The number in the column `state`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            BatchState::Built => 1,
            BatchState::Approved => 2,
            BatchState::Submitted => 3,
            BatchState::Confirmed => 4,
            BatchState::Discarded => 5,
        }
    }

    pub fn of_code(code: i16) -> Option<BatchState> {
        BatchState::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The state after a step; the same one where the step was taken before; `None` where it cannot be taken.
    pub const fn after(self, step: BatchStep) -> Option<BatchState> {
        use BatchState as S;
        use BatchStep as T;
        match (self, step) {
            (S::Built | S::Approved, T::Approve) => Some(S::Approved),
            (S::Approved | S::Submitted, T::Submit) => Some(S::Submitted),
            (S::Submitted | S::Confirmed, T::Confirm) => Some(S::Confirmed),
            (S::Built | S::Approved | S::Discarded, T::Discard) => Some(S::Discarded),
            // The file is out: asking again gives the same file, and approving it again changes nothing.
            (S::Confirmed, T::Submit) => Some(S::Confirmed),
            (S::Submitted, T::Approve) => Some(S::Submitted),
            (S::Confirmed, T::Approve) => Some(S::Confirmed),
            (S::Built, T::Submit | T::Confirm)
            | (S::Approved, T::Confirm)
            | (S::Submitted | S::Confirmed, T::Discard)
            | (S::Discarded, T::Approve | T::Submit | T::Confirm) => None,
        }
    }
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    Built,
    Submitted,
    Paid,
    Rejected,
    Discarded,
}

/// What the bank said of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Paid,
    Rejected,
}

impl LineState {
    pub const ALL: [LineState; 5] =
        [LineState::Built, LineState::Submitted, LineState::Paid, LineState::Rejected, LineState::Discarded];

    /// The number in the column `state`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            LineState::Built => 1,
            LineState::Submitted => 2,
            LineState::Paid => 3,
            LineState::Rejected => 4,
            LineState::Discarded => 5,
        }
    }

    pub fn of_code(code: i16) -> Option<LineState> {
        LineState::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The state after the bank's word; the same one where it said so before; `None` where that cannot be.
    pub const fn after(self, outcome: Outcome) -> Option<LineState> {
        match (self, outcome) {
            (LineState::Submitted | LineState::Paid, Outcome::Paid) => Some(LineState::Paid),
            (LineState::Submitted | LineState::Rejected, Outcome::Rejected) => Some(LineState::Rejected),
            (LineState::Built | LineState::Rejected | LineState::Discarded, Outcome::Paid)
            | (LineState::Built | LineState::Paid | LineState::Discarded, Outcome::Rejected) => None,
        }
    }
}

/// A batch without its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Batch {
    pub batch_id: PayoutBatchId,
    pub state: BatchState,
    /// The accounting day it was built on; the rules of that day withhold.
    pub day: NaiveDate,
    /// ISO 4217.
    pub currency: String,
    pub line_count: i32,
    pub gross_minor: i64,
    pub tax_minor: i64,
    pub net_minor: i64,
    /// SHA-256 over the lines, in hex.
    pub lines_hash: String,
    pub built_by: String,
    pub built_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_by: Option<String>,
}

/// One payee's line of a batch: everything that a bank's format needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Line {
    pub line: i32,
    /// What the bank is to give back with its word: the end-to-end id.
    pub line_id: PayoutLineId,
    pub state: LineState,
    pub payee: PayeeClass,
    pub payee_id: Uuid,
    pub gross_minor: i64,
    pub tax_minor: i64,
    /// What the bank is to pay.
    pub net_minor: i64,
    /// The rule that withheld.
    pub rule_id: i32,
    pub holder: String,
    pub account_no: String,
    pub bank_code: String,
    /// Why the bank sent it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A batch as it goes to the bank: what a writer of some format gets, and nothing that changes later but states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PayoutFile {
    pub batch: Batch,
    /// By their numbers.
    pub lines: Vec<Line>,
}

/// The hash of lines in their order: of every field that the bank acts on.
pub fn hash_lines<'a>(lines: impl Iterator<Item = &'a Line>) -> String {
    let mut hasher = Sha256::new();
    for line in lines {
        let (line_id, net) = (line.line_id, line.net_minor);
        // Fields are told apart by a byte that no text of ours holds.
        let text = format!(
            "{}\u{1f}{line_id}\u{1f}{}\u{1f}{}\u{1f}{net}\u{1f}{}\u{1f}{}\u{1f}{}\n",
            line.line, line.gross_minor, line.tax_minor, line.holder, line.account_no, line.bank_code
        );
        hasher.update(text.as_bytes());
    }
    let mut hex = String::new();
    for byte in hasher.finalize() {
        let _ = write!(hex, "{byte:02x}"); // A string takes everything.
    }
    hex
}

impl PayoutFile {
    /// The file as CSV: the same bytes for the same batch, whatever became of its lines.
    pub fn csv(&self) -> String {
        let mut text =
            String::from("line,line_id,payee,payee_id,holder,account_no,bank_code,currency,net_minor\n");
        for line in &self.lines {
            let payee = match line.payee {
                PayeeClass::Streamer => "streamer",
                PayeeClass::Agency => "agency",
            };
            let cells = [
                line.line.to_string(),
                line.line_id.to_string(),
                payee.to_owned(),
                line.payee_id.to_string(),
                line.holder.clone(),
                line.account_no.clone(),
                line.bank_code.clone(),
                self.batch.currency.clone(),
                line.net_minor.to_string(),
            ];
            text.push_str(&cells.map(|cell| quoted(&cell)).join(","));
            text.push('\n');
        }
        text
    }
}

/// Whether a spreadsheet would run a cell of this text. Nobody's name or account begins like that, and a file for a
/// bank must not change a letter, so such text is refused where it comes in.
pub fn would_run(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@']) || text.chars().any(char::is_control)
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_out_is_never_taken_back_and_nothing_skips_approval() {
        let steps = [BatchStep::Approve, BatchStep::Submit, BatchStep::Confirm, BatchStep::Discard];
        for state in BatchState::ALL {
            for step in steps {
                let Some(after) = state.after(step) else { continue };
                assert_eq!(after.after(step), Some(after), "{step:?} of {state:?} twice");
                assert!(after.code() >= state.code(), "{step:?} of {state:?} goes back");
            }
        }
        assert_eq!(BatchState::Built.after(BatchStep::Submit), None);
        assert_eq!(BatchState::Submitted.after(BatchStep::Discard), None);
        assert_eq!(LineState::Paid.after(Outcome::Rejected), None);
        assert_eq!(LineState::Rejected.after(Outcome::Paid), None);
    }

    #[test]
    fn cells_are_quoted_and_what_a_spreadsheet_would_run_is_seen() {
        assert_eq!(["=1+1", "@x", "a\u{1f}b", "Ann", "A-1"].map(would_run), [true, true, true, false, false]);
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
