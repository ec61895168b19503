//! Slow statements: counted by a stable id, and told about in one line per statement and fold.
//!
//! The database driver says each slow statement as an event. Here an event only becomes a number; the lines are
//! written by the thread that folds metrics, so a flood of slow statements cannot become a flood of lines.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The target under which the driver speaks of statements.
const TARGET: &str = "sqlx::query";

/// Different statements remembered between two folds; what is beyond is counted and not told about.
const STATEMENTS_MAX: usize = 64;

/// What was slow since the last fold, by statement.
#[derive(Clone, Default)]
pub(crate) struct SlowStatements(Arc<Mutex<BTreeMap<String, Slow>>>);

#[derive(Clone, Debug, Default, PartialEq)]
struct Slow {
    text: String,
    count: u64,
    longest_s: f64,
}

/// Whether an event speaks of a slow statement: those that are not slow are said below this level.
pub(crate) fn is_slow_statement(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TARGET && *metadata.level() == Level::WARN
}

/// The stable id of a statement: FNV-1a of its words, so that its layout may change and its id does not.
pub fn statement_id(text: &str) -> String {
    let words = text.split_whitespace().flat_map(|word| word.bytes().chain([b' ']));
    let hash = words.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

impl SlowStatements {
    fn add(&self, text: &str, took_s: f64) {
        let id = statement_id(text);
        metrics::counter!("largesse_db_slow_statements_total", "statement" => id.clone()).increment(1);
        let mut statements = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if statements.len() < STATEMENTS_MAX || statements.contains_key(&id) {
            let slow = statements.entry(id).or_default();
            if slow.count == 0 {
                slow.text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            slow.count += 1;
            slow.longest_s = slow.longest_s.max(took_s);
        }
    }

    /// Tells what was slow since the last time.
    pub fn tell(&self) {
        let statements = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (statement, Slow { text, count, longest_s }) in statements {
            tracing::warn!(target: "largesse::slow", statement, count, longest_s, text, "a statement was slow");
        }
    }
}

impl<S: Subscriber> Layer<S> for SlowStatements {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let text = if said.text.trim().is_empty() { &said.summary } else { &said.text };
        self.add(text, said.took_s);
    }
}

/// What the driver says of one statement.
#[derive(Default)]
struct Said {
    summary: String,
    text: String,
    took_s: f64,
}

impl Visit for Said {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.took_s = value;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.clone_into(&mut self.text),
            _ => {}
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn Debug) {}
}

#[cfg(test)]
mod tests {
    use super::{SlowStatements, is_slow_statement, statement_id};
    use tracing_subscriber::Layer;
    use tracing_subscriber::filter::filter_fn;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn an_id_depends_on_the_words_and_not_on_the_layout() {
        assert_eq!(statement_id("SELECT 1\n  FROM x"), statement_id("  SELECT 1 FROM x\n"));
        assert_ne!(statement_id("SELECT 1"), statement_id("SELECT 2"));
        assert_eq!(statement_id("SELECT 1").len(), 16);
    }

    #[test]
    fn slow_statements_are_gathered_and_quick_ones_are_not() {
        let slow = SlowStatements::default();
        let layer = slow.clone().with_filter(filter_fn(is_slow_statement));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for took_s in [0.7, 1.2] {
                tracing::warn!(target: "sqlx::query", summary = "SELECT a …",
                    db.statement = "\n\nSELECT a\nFROM b\n", elapsed_secs = took_s, "slow");
            }
            tracing::debug!(target: "sqlx::query", summary = "SELECT quick", elapsed_secs = 0.1);
            tracing::warn!(target: "other", summary = "SELECT other", elapsed_secs = 9.0);
        });
        let gathered = slow.0.lock().expect("nobody panicked").clone();
        assert_eq!(gathered.len(), 1, "{gathered:?}");
        let one = &gathered[&statement_id("SELECT a FROM b")];
        assert_eq!((one.count, one.text.as_str()), (2, "SELECT a FROM b"));
        assert!((1.19..1.21).contains(&one.longest_s), "{one:?}");
    }
}
