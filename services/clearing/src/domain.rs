//! The pure part: the chart, the rules, and what a row of a log moves. No clock, no I/O.

pub mod chart;
pub mod checklist;
pub mod draft;
pub mod face_value;
pub mod movement;
pub mod period;
pub mod policy;
pub mod rules;
pub mod span;
