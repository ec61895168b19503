//! Evidence of both sides, side by side, with what differs marked by a word and not by colour alone.

use super::Set;
use super::draw::{Table, yuan_of_micros, yuan_of_minor};
use crate::pages::frame::grouped;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// One side's evidence.
#[derive(Debug, Deserialize)]
pub(super) struct Side {
    log: String,
    /// What it said when the break was found.
    pub recorded: Option<Value>,
    /// Its row, as it is now.
    pub row: Option<Value>,
    unavailable: Option<String>,
}

/// Each log numbers and stamps its own rows: these differ where all is well.
const OWN: [&str; 7] =
    ["stamp.seq", "stamp.epoch", "stamp.decided_at", "stamp.origin_seq", "stamp.minute", "seq", "kind"];

/// The leaves of a JSON value, by their dotted names.
type Leaves = BTreeMap<String, Value>;

fn leaves(value: Option<&Value>) -> Leaves {
    let mut found = Leaves::new();
    if let Some(value) = value {
        gather(value, String::new(), &mut found);
    }
    found.remove(""); // A value that is nothing as a whole.
    found
}

fn gather(value: &Value, name: String, found: &mut Leaves) {
    let under = |part: &str| if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (part, member) in members {
                gather(member, under(part), found);
            }
        }
        Value::Array(members) if !members.is_empty() => {
            for (at, member) in members.iter().enumerate() {
                gather(member, under(&(at + 1).to_string()), found);
            }
        }
        Value::Object(_) | Value::Array(_) => {
            found.insert(name, Value::Null);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            found.insert(name, value.clone());
        }
    }
}

/// What to say of one field: nothing where both agree, or where each side has its own.
fn verdict(name: &str, before: Option<&Value>, after: Option<&Value>) -> &'static str {
    match (before, after) {
        _ if OWN.contains(&name) => "",
        (None, _) => "only after",
        (_, None) => "only before",
        (one, other) if one == other => "",
        _ => "differs",
    }
}

/// A field as people read it: thousands apart, and money in yuan, by the unit at the end of its name.
fn shown(name: &str, value: Option<&Value>) -> String {
    match value {
        None => "—".to_owned(),
        Some(Value::Null) => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => match value.as_i64() {
            Some(amount) if name.ends_with("_micro") => yuan_of_micros(amount),
            Some(amount) if name.ends_with("_minor") => yuan_of_minor(amount),
            Some(amount) if ["coins", "count", "quantity"].iter().any(|unit| name.ends_with(unit)) => {
                grouped(amount)
            }
            _ => value.to_string(),
        },
    }
}

fn line(name: &str, (before, after): (Option<&Value>, Option<&Value>), said: &str) -> Markup {
    let differs = said == "differs";
    html! {
        tr .differs[differs] {
            th .field-name scope="row" { (name) }
            td { (shown(name, before)) }
            td { (shown(name, after)) }
            // What only one log knows is no difference: their rows have different fields.
            td { @if differs { strong .mark.differs { (said) } } @else { span .muted { (said) } } }
        }
    }
}

/// Two sides of one thing, what differs first. `of` chooses what each side says.
pub(super) fn sides(
    (id, heading): (&str, &str),
    (before, after): (&Side, &Side),
    of: fn(&Side) -> Option<&Value>,
) -> Markup {
    let (mine, theirs) = (leaves(of(before)), leaves(of(after)));
    let are_both = !mine.is_empty() && !theirs.is_empty();
    let only_theirs = theirs.keys().filter(|name| !mine.contains_key(*name));
    let fields = mine.keys().chain(only_theirs).map(|name| {
        let pair = (mine.get(name), theirs.get(name));
        let said = if are_both { verdict(name, pair.0, pair.1) } else { "" };
        (said != "differs", line(name, pair, said))
    });
    let mut fields: Vec<(bool, Markup)> = fields.collect();
    fields.sort_by_key(|(is_alike, _)| *is_alike);
    let heads = (format!("{} (before)", before.log), format!("{} (after)", after.log));
    let columns =
        [("Field", Set::Text), (&*heads.0, Set::Text), (&*heads.1, Set::Text), ("Verdict", Set::Text)];
    let rows = fields.into_iter().map(|(_, line)| line).collect();
    let table = Table { id, caption: heading, columns: &columns, rows, empty: "Neither side says anything." };
    let silent = match (mine.is_empty(), theirs.is_empty()) {
        (true, false) => "The log before says nothing.",
        (false, true) => "The log after says nothing.",
        _ => "",
    };
    html! {
        section .card aria-labelledby={ (id) "-title" } #{ (id) "-card" } {
            h2 #{ (id) "-title" } { (heading) }
            (table.draw())
            @if !silent.is_empty() { p .muted { (silent) } }
        }
    }
}

/// Which logs cannot be read now, and why.
pub(super) fn away(sides: [&Side; 2]) -> Markup {
    html! {
        @for why in sides.into_iter().filter_map(|side| side.unavailable.as_ref()) {
            p .state.error role="status" { "Cannot be read now: " (why) "." }
        }
    }
}
