//! One line's JSON: a flat object whose every field is asked for by name and type.
//!
//! Hand-made where serde's derive would not do, because an error must name the field: wrong types, floats for
//! integers, doubled and unknown fields, nested values. Must not know what the fields mean.

use crate::error::{FieldProblem, ReplayError};
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The most fields a line may have; ours have at most nine.
const FIELDS_MAX: usize = 32;
/// How much of a hostile field name an error repeats, in characters.
const FIELD_NAME_SHOWN_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    Integer(i128),
    Other(&'static str),
}

/// The fields of one line, not yet asked for.
#[derive(Debug)]
pub(crate) struct Fields {
    line: u64,
    fields: Vec<(String, Value)>,
}

impl Fields {
    /// Parses one line.
    pub(crate) fn parse(line: u64, text: &str) -> Result<Fields, ReplayError> {
        let mut json = serde_json::Deserializer::from_str(text);
        let problem = |error: serde_json::Error| ReplayError::Json { line, problem: without_place(&error) };
        let fields = json.deserialize_map(FlatVisitor).map_err(problem)?;
        json.end().map_err(problem)?;
        for (at, (name, _)) in fields.iter().enumerate() {
            if fields.iter().take(at).any(|(earlier, _)| earlier == name) {
                return Err(field_error(line, name, FieldProblem::Twice));
            }
        }
        Ok(Fields { line, fields })
    }

    pub(crate) fn error(&self, field: &str, problem: FieldProblem) -> ReplayError {
        field_error(self.line, field, problem)
    }

    fn find(&mut self, field: &str) -> Option<Value> {
        let at = self.fields.iter().position(|(name, _)| name == field)?;
        Some(self.fields.swap_remove(at).1)
    }

    fn take(&mut self, field: &str) -> Result<Value, ReplayError> {
        self.find(field).ok_or_else(|| self.error(field, FieldProblem::Missing))
    }

    /// Takes an integer from `min` to `max`, both allowed.
    pub(crate) fn integer(&mut self, field: &str, min: i64, max: i64) -> Result<i64, ReplayError> {
        match self.take(field)? {
            Value::Integer(found) => i64::try_from(found)
                .ok()
                .filter(|integer| (min..=max).contains(integer))
                .ok_or_else(|| self.error(field, FieldProblem::OutOfRange { found, min, max })),
            Value::Text(_) => Err(self.error(field, FieldProblem::NotInteger("text"))),
            Value::Other(kind) => Err(self.error(field, FieldProblem::NotInteger(kind))),
        }
    }

    /// Takes text of 1 to `max` characters without control characters.
    pub(crate) fn text(&mut self, field: &str, max: usize) -> Result<String, ReplayError> {
        let value = self.take(field)?;
        self.check_text(field, value, max)
    }

    /// The same for a field that may be absent.
    pub(crate) fn find_text(&mut self, field: &str, max: usize) -> Result<Option<String>, ReplayError> {
        match self.find(field) {
            Some(value) => self.check_text(field, value, max).map(Some),
            None => Ok(None),
        }
    }

    fn check_text(&self, field: &str, value: Value, max: usize) -> Result<String, ReplayError> {
        match value {
            Value::Text(text) => {
                check_text(&text, max).map(|()| text).map_err(|problem| self.error(field, problem))
            }
            Value::Integer(_) => Err(self.error(field, FieldProblem::NotText("an integer"))),
            Value::Other(kind) => Err(self.error(field, FieldProblem::NotText(kind))),
        }
    }

    /// Refuses what nobody asked for.
    pub(crate) fn finish(self) -> Result<(), ReplayError> {
        match self.fields.first() {
            Some((name, _)) => Err(self.error(name, FieldProblem::Unknown)),
            None => Ok(()),
        }
    }
}

/// Checks a name or title.
pub(crate) fn check_text(text: &str, max: usize) -> Result<(), FieldProblem> {
    if text.is_empty() || text.chars().count() > max {
        return Err(FieldProblem::TextLength { max });
    }
    if text.chars().any(char::is_control) {
        return Err(FieldProblem::ControlCharacter);
    }
    Ok(())
}

pub(crate) fn field_error(line: u64, field: &str, problem: FieldProblem) -> ReplayError {
    // A hostile name is printed to a terminal: shorten it and take its control characters out.
    let shown = field.chars().filter(|c| !c.is_control()).take(FIELD_NAME_SHOWN_MAX).collect();
    ReplayError::Field { line, field: shown, problem }
}

/// The message without "at line 1 column 7": the line it counts is not the file's.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => format!("{} at column {}", text.get(..at).unwrap_or_default(), error.column()),
        None => text,
    }
}

struct FlatVisitor;

impl<'de> Visitor<'de> for FlatVisitor {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::with_capacity(9);
        while let Some(name) = map.next_key::<String>()? {
            if fields.len() == FIELDS_MAX {
                return Err(A::Error::custom("too many fields"));
            }
            fields.push((name, map.next_value::<Value>()?));
        }
        Ok(fields)
    }
}

struct ValueVisitor;

impl<'de> serde::Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other("a boolean"))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Value, E> {
        Ok(Value::Integer(i128::from(integer)))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Value, E> {
        Ok(Value::Integer(i128::from(integer)))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other("a float, or an integer that does not fit"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other("an object"))
    }
}
