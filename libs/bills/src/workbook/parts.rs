//! The parts of a workbook around a sheet's rows: shared texts, the list of sheets, cells as they are stored.

use crate::Limits;
use crate::error::{BillError, Flaw, Place};
use crate::profile::{Cell, CellKind};
use crate::xml::{Step, Walker};
use quick_xml::events::BytesStart;
use std::borrow::Cow;

/// An attribute by its local name, entities resolved.
fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = start.attributes().filter_map(Result::ok).find(|found| {
        let local: &str = found.key.local_name().into_inner();
        local == name
    })?;
    found.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok().map(Cow::into_owned)
}

pub(super) fn number(start: &BytesStart<'_>, name: &str) -> Option<u64> {
    attribute(start, name)?.parse().ok()
}

/// The texts that cells share, in their order. Phonetic readings are not part of them.
pub(super) fn shared_strings(text: &str, limits: &Limits) -> Result<Vec<String>, BillError> {
    let mut walker = Walker::new(text, limits);
    let mut strings = Vec::new();
    let mut current = String::new();
    let mut path: Vec<String> = Vec::new();
    loop {
        match walker.step()? {
            Step::Open(start) => path.push(start.local_name().into_inner().to_owned()),
            Step::Close(text) => match path.pop().as_deref() {
                Some("t") if !path.iter().any(|name| name == "rPh") => current.push_str(&text),
                Some("si") => strings.push(std::mem::take(&mut current)),
                _ => {}
            },
            Step::End => return Ok(strings),
        }
    }
}

/// The sheets of a workbook: name and part.
pub(super) struct Sheets {
    sheets: Vec<(String, String)>,
}

impl Sheets {
    pub fn read(book: &str, links: &str, limits: &Limits) -> Result<Sheets, BillError> {
        let mut targets = Vec::new();
        let mut walker = Walker::new(links, limits);
        loop {
            match walker.step()? {
                Step::Open(start) => {
                    if let (Some(id), Some(target)) = (attribute(&start, "Id"), attribute(&start, "Target")) {
                        targets.push((id, target));
                    }
                }
                Step::Close(_) => {}
                Step::End => break,
            }
        }
        let mut sheets = Vec::new();
        let mut walker = Walker::new(book, limits);
        loop {
            match walker.step()? {
                Step::Open(start) if start.local_name().into_inner() == "sheet" => {
                    let (name, id) = (attribute(&start, "name"), attribute(&start, "id"));
                    let target = targets.iter().find(|(known, _)| Some(known) == id.as_ref());
                    if let (Some(name), Some((_, target))) = (name, target) {
                        let path = target.strip_prefix('/').map_or(format!("xl/{target}"), str::to_owned);
                        sheets.push((name, path));
                    }
                }
                // Days since 1904 would shift every date by four years.
                Step::Open(start)
                    if matches!(attribute(&start, "date1904").as_deref(), Some("1" | "true")) =>
                {
                    return Err(BillError::broken(Place::default(), "date1904", Flaw::Contradiction, "1"));
                }
                Step::Open(_) | Step::Close(_) => {}
                Step::End => return Ok(Sheets { sheets }),
            }
        }
    }

    /// The part of the sheet of that name, or of the first one.
    pub fn find(&self, name: Option<&str>) -> Result<String, BillError> {
        let mut sheets = self.sheets.iter();
        let found = sheets.find(|(known, _)| name.is_none_or(|name| name == known));
        found.map(|(_, path)| path.clone()).ok_or_else(|| {
            BillError::broken(Place::default(), "the sheet", Flaw::Missing, name.unwrap_or("(first)"))
        })
    }
}

/// A cell as it is stored.
pub(super) struct Kept {
    pub reference: Option<String>,
    pub text: String,
    stored_as: String,
}

impl Kept {
    pub fn open(start: &BytesStart<'_>) -> Kept {
        Kept {
            reference: attribute(start, "r"),
            text: String::new(),
            stored_as: attribute(start, "t").unwrap_or_default(),
        }
    }

    /// What the cell says. An error value of a formula is no value.
    pub fn cell<'s>(&self, strings: &'s [String]) -> Result<Cell<'s>, Flaw> {
        let kind = match self.stored_as.as_str() {
            "s" => {
                let index: usize = self.text.trim().parse().map_err(|_| Flaw::NotANumber)?;
                let text = strings.get(index).ok_or(Flaw::Missing)?;
                return Ok(Cell::text(Cow::Borrowed(text)));
            }
            "e" => return Err(Flaw::Malformed),
            "str" | "inlineStr" | "d" | "b" => CellKind::Text,
            _ => CellKind::Number,
        };
        let kind = if self.text.is_empty() { CellKind::Text } else { kind };
        Ok(Cell { text: Cow::Owned(self.text.clone()), kind })
    }
}

/// `B3` is column 1; at most three letters.
pub(super) fn column_of(reference: &str) -> Option<usize> {
    let letters: Vec<u8> = reference.bytes().take_while(u8::is_ascii_uppercase).collect();
    if letters.is_empty() || letters.len() > 3 {
        return None;
    }
    let number = letters.iter().fold(0, |sum, letter| sum * 26 + usize::from(letter - b'A') + 1);
    number.checked_sub(1)
}
