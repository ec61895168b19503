//! How old what is open is: the ages that the API counts by, sums over its groups, and the way to the breaks.

use super::charts::Bar;
use super::draw::address;
use crate::pages::frame::grouped;
use serde::Deserialize;

/// What is not closed, in groups of breaks that are alike.
#[derive(Debug, Deserialize)]
pub(super) struct Ages {
    pub groups: Vec<AgeGroup>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AgeGroup {
    pub kind: String,
    pub severity: String,
    pub age: String,
    pub count: i64,
    pub overdue_count: i64,
    pub coins: i64,
}

/// An age as the API names it, in words, and from how many days on a break has it.
pub(super) struct Age {
    pub name: &'static str,
    pub words: &'static str,
    from_days: Option<&'static str>,
}

/// The youngest first.
pub(super) const AGES: [Age; 5] = [
    Age { name: "0-1", words: "0–1", from_days: None },
    Age { name: "2-3", words: "2–3", from_days: Some("2") },
    Age { name: "4-7", words: "4–7", from_days: Some("4") },
    Age { name: "8-30", words: "8–30", from_days: Some("8") },
    Age { name: "over-30", words: "over 30", from_days: Some("31") },
];

impl Age {
    /// The inbox of what is at least so old, of one kind where it is named.
    pub fn inbox(&self, kind: Option<&str>) -> String {
        inbox(&[("kind", kind), ("age", self.from_days)])
    }
}

/// The inbox with these filters, those of them that are given.
pub(super) fn inbox(filters: &[(&str, Option<&str>)]) -> String {
    address("/finance/breaks", filters)
}

/// The sum of a figure over the groups that fit.
pub(super) fn sum<'g>(
    groups: impl IntoIterator<Item = &'g AgeGroup>,
    fits: impl Fn(&AgeGroup) -> bool,
    figure: impl Fn(&AgeGroup) -> i64,
) -> i64 {
    let fitting = groups.into_iter().filter(|group| fits(group));
    fitting.fold(0, |sum: i64, group| sum.saturating_add(figure(group)))
}

/// A bar for each age.
pub(super) fn bars_by_age(groups: &[AgeGroup], figure: impl Fn(&AgeGroup) -> i64) -> Vec<Bar> {
    let bars = AGES.iter().map(|age| {
        let value = sum(groups, |group| group.age == age.name, &figure);
        Bar {
            label: format!("{} d", age.words),
            value,
            text: grouped(value),
            class: "",
            href: age.inbox(None),
        }
    });
    bars.collect()
}
