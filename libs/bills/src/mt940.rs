//! SWIFT MT940, customer statements: fields by tag, one row per `:61:` with the `:86:` behind it.
//! *Layout only*: no real file was at hand. Amounts have a decimal comma; a statement's years are 1980 to 2079.

mod statement;

use crate::bill::Sink;
use crate::error::{BillError, Flaw, Place};
use crate::lines::Lines;
use crate::source::Digested;
use statement::Statements;
use std::io::Read;

/// Lines of one field: `:86:` has 6 by the standard, banks write more.
const FIELD_LINES_MAX: usize = 64;

/// One field: its tag, its first line, and all its lines.
#[derive(Debug)]
pub(crate) struct Field {
    pub line: u64,
    pub tag: String,
    pub lines: Vec<String>,
}

impl Field {
    pub fn first(&self) -> &str {
        self.lines.first().map_or("", String::as_str)
    }

    /// A place within the first line, `at` characters behind the tag.
    pub fn place(&self, at: usize) -> Place {
        let column = u64::try_from(self.tag.chars().count() + 3 + at).unwrap_or(u64::MAX);
        Place { line: self.line, column, byte: None }
    }

    pub fn broken(&self, at: usize, name: &'static str, flaw: Flaw) -> BillError {
        BillError::broken(self.place(at), name, flaw, self.first())
    }
}

pub(crate) fn read<R: Read>(mut lines: Lines<R>, sink: &mut Sink<'_>) -> Result<Digested, BillError> {
    let mut statements = Statements::default();
    let mut field: Option<Field> = None;
    while let Some((line, text)) = lines.next()? {
        let text = text.trim_end();
        // Blocks 1 to 3 of a SWIFT message stand before block 4, which holds the statement.
        let (opens_block, text) = match text.strip_prefix("{1:").and_then(|_| text.split_once("{4:")) {
            Some((_, rest)) => (true, rest),
            None => (false, text),
        };
        if matches!(text, "-" | "-}") || text.starts_with("-}{5:") {
            statements.field(field.take(), sink)?;
            statements.end(Place::line(line), sink)?;
        } else if let Some((tag, rest)) = tagged(text) {
            statements.field(field.take(), sink)?;
            field = Some(Field { line, tag: tag.to_owned(), lines: vec![rest.to_owned()] });
        } else if let Some(field) = &mut field {
            if field.lines.len() >= FIELD_LINES_MAX {
                return Err(BillError::broken(Place::line(line), "the field", Flaw::Malformed, text));
            }
            field.lines.push(text.to_owned());
        } else if !opens_block && !text.is_empty() {
            return Err(BillError::broken(Place::line(line), "a line outside fields", Flaw::Misplaced, text));
        }
    }
    statements.field(field.take(), sink)?;
    let place = Place::line(lines.line() + 1);
    statements.end(place, sink)?;
    statements.finish(place)?;
    lines.finish()
}

/// `:61:…`: two digits and at most one letter.
fn tagged(text: &str) -> Option<(&str, &str)> {
    let (tag, rest) = text.strip_prefix(':')?.split_once(':')?;
    let is_tag = match tag.as_bytes() {
        [a, b] => a.is_ascii_digit() && b.is_ascii_digit(),
        [a, b, letter] => a.is_ascii_digit() && b.is_ascii_digit() && letter.is_ascii_uppercase(),
        _ => false,
    };
    (is_tag || tag == "NS").then_some((tag, rest))
}
