//! How an accepted gift ends: the whole decision as one table.

use contracts::show::Shown;

/// What the keeper knows of the node that took an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// Its lease runs: a report will come.
    Alive,
    /// Its lease runs, and yet no report came long past the deadline.
    Silent,
    /// Its lease has ended: it shows nothing any more.
    Dead,
}

/// Where the order stands against gift's delivery deadline, counted from the debit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    Ahead,
    Passed,
}

/// Whether the keeper has durably decided to show the order itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    No,
    Decided,
}

/// What to do with an undecided order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Wait,
    /// It was shown: delivered.
    Deliver,
    /// It was not and will not be: refunding.
    Refund,
    /// Record the decision to show it late, then show it.
    ShowLate,
}

/// Decides one order. Once `Late::Decided` is durable only a failed showing past the deadline can still end
/// in a refund: nobody else shows it, and nobody may both see it and be refunded.
pub fn decide(report: Option<Shown>, node: NodeState, deadline: Deadline, late: Late) -> Step {
    match (report, late, deadline, node) {
        (Some(Shown::Shown), Late::No | Late::Decided, Deadline::Ahead | Deadline::Passed, _) => {
            Step::Deliver
        }
        (Some(Shown::Failed), Late::No, Deadline::Ahead | Deadline::Passed, _) => Step::Refund,
        (Some(Shown::Failed), Late::Decided, Deadline::Passed, _) => Step::Refund,
        (Some(Shown::Failed), Late::Decided, Deadline::Ahead, _) => Step::ShowLate,
        (None, Late::Decided, Deadline::Ahead | Deadline::Passed, _) => Step::ShowLate,
        (None, Late::No, Deadline::Ahead | Deadline::Passed, NodeState::Alive) => Step::Wait,
        (None, Late::No, Deadline::Ahead | Deadline::Passed, NodeState::Silent) => Step::Refund,
        (None, Late::No, Deadline::Ahead, NodeState::Dead) => Step::ShowLate,
        (None, Late::No, Deadline::Passed, NodeState::Dead) => Step::Refund,
    }
}
