//! XML as steps with places: depth is capped, a DTD or entities of the document's own are refused, and the end
//! must be an end. Knows no schema.

use crate::error::{BillError, Flaw, Place};
use crate::source::{Digested, Source, whole};
use crate::{Format, Intake, Limits, Refusal};
use encoding_rs::{Encoding, UTF_8};
use memchr::memchr_iter;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::io::Read;

/// What every ISO 20022 namespace begins with.
const ISO_20022: &str = "urn:iso:std:iso:20022:tech:xsd:";

/// Bytes of a document's beginning in which its XML declaration stands.
const DECLARATION_BYTES: usize = 200;

pub(crate) enum Step<'a> {
    Open(BytesStart<'a>),
    /// An element's end, and its text if it had no elements.
    Close(String),
    End,
}

/// Walks a document element by element.
pub(crate) struct Walker<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    content: String,
    depth: usize,
    depth_max: usize,
    had_root: bool,
    /// Lines before a byte that was asked for before: rows are asked for in order.
    counted: (usize, u64),
}

impl<'a> Walker<'a> {
    pub fn new(text: &'a str, limits: &Limits) -> Walker<'a> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Walker {
            text,
            reader,
            content: String::new(),
            depth: 0,
            depth_max: limits.xml_depth_max,
            had_root: false,
            counted: (0, 1),
        }
    }

    /// Bytes before what comes next.
    pub fn offset(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX).min(self.text.len())
    }

    /// The line of a byte.
    pub fn line_of(&mut self, offset: usize) -> u64 {
        let (from, line) = if offset >= self.counted.0 { self.counted } else { (0, 1) };
        let passed = self.text.as_bytes().get(from..offset).unwrap_or(&[]);
        let line = line + u64::try_from(memchr_iter(b'\n', passed).count()).unwrap_or(u64::MAX);
        self.counted = (offset, line);
        line
    }

    /// The place of a byte: line, character within it, and the byte itself.
    pub fn place_of(&mut self, offset: usize) -> Place {
        let line = self.line_of(offset);
        let before = self.text.get(..offset).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = u64::try_from(before[start..].chars().count()).map_or(u64::MAX, |count| count + 1);
        Place { line, column, byte: u64::try_from(offset).ok() }
    }

    pub fn broken(&mut self, field: &'static str, flaw: Flaw, found: &str) -> BillError {
        let offset = self.offset();
        let place = self.place_of(offset);
        BillError::broken(place, field, flaw, found)
    }

    pub fn step(&mut self) -> Result<Step<'a>, BillError> {
        loop {
            let event = match self.reader.read_event() {
                Ok(event) => event,
                // The text ended within a tag or comment.
                Err(_) if self.offset() == self.text.len() => return Err(self.cut_short()),
                Err(error) => return Err(self.broken("the document", Flaw::Malformed, &error.to_string())),
            };
            match event {
                Event::Start(start) => return self.open(start),
                // Expanded into Start and End.
                Event::Empty(_) | Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Step::Close(std::mem::take(&mut self.content)));
                }
                Event::Text(text) => self.text(&text.xml10_content())?,
                Event::CData(text) => self.text(&text.xml10_content())?,
                Event::GeneralRef(name) => {
                    let character = match &*name {
                        "amp" => Some('&'),
                        "lt" => Some('<'),
                        "gt" => Some('>'),
                        "quot" => Some('"'),
                        "apos" => Some('\''),
                        _ => name.resolve_char_ref().ok().flatten(),
                    };
                    let Some(character) = character else { return Err(self.dtd()) };
                    self.content.push(character);
                }
                Event::DocType(_) => return Err(self.dtd()),
                Event::Eof if self.depth > 0 || !self.had_root => return Err(self.cut_short()),
                Event::Eof => return Ok(Step::End),
            }
        }
    }

    fn open(&mut self, start: BytesStart<'a>) -> Result<Step<'a>, BillError> {
        if self.depth == 0 && self.had_root {
            return Err(self.broken("a second document", Flaw::Misplaced, &start));
        }
        self.had_root = true;
        self.depth += 1;
        if self.depth > self.depth_max {
            let offset = self.offset();
            let at_most = u64::try_from(self.depth_max).unwrap_or(u64::MAX);
            return Err(BillError::TooMuch { place: self.place_of(offset), limit: "xml_depth_max", at_most });
        }
        self.content.clear();
        Ok(Step::Open(start))
    }

    fn text(&mut self, text: &str) -> Result<(), BillError> {
        if self.depth == 0 {
            let blank = text.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']).is_empty();
            return if blank { Ok(()) } else { Err(self.broken("text outside", Flaw::Misplaced, text)) };
        }
        self.content.push_str(text);
        Ok(())
    }

    fn cut_short(&mut self) -> BillError {
        let place = self.place_of(self.text.len());
        BillError::Truncated { place, awaited: "the document's end".into() }
    }

    fn dtd(&mut self) -> BillError {
        let offset = self.offset();
        Refusal::Dtd(self.place_of(offset)).into()
    }
}

/// What an XML document is, by its root's namespace.
pub(crate) fn detect(head: &str) -> Result<Format, Refusal> {
    let mut walker = Walker::new(head, &Limits::default());
    let root = match walker.step() {
        Ok(Step::Open(root)) => root,
        Err(BillError::Refused(refusal)) => return Err(refusal),
        Ok(Step::Close(_) | Step::End) | Err(_) => return Err(Refusal::unknown(head)),
    };
    let declared = match root.name().prefix() {
        Some(prefix) => format!("xmlns:{}", AsRef::<str>::as_ref(&prefix)),
        None => "xmlns".to_owned(),
    };
    let namespace = root.try_get_attribute(declared.as_str()).ok().flatten();
    let namespace = namespace.map(|attribute| attribute.value.into_owned()).unwrap_or_default();
    let Some(message) = namespace.trim().strip_prefix(ISO_20022) else { return Err(Refusal::unknown(head)) };
    let versions = ["02", "03", "04", "05", "06", "07", "08"];
    match message.strip_prefix("camt.053.001.") {
        Some(version) if versions.contains(&version) => Ok(Format::Camt053),
        _ => Err(Refusal::Iso20022(crate::error::clip(message))),
    }
}

/// Reads a document whole, as text, by the encoding that it declares.
pub(crate) fn document<R: Read>(bytes: R, intake: &Intake) -> Result<(String, Digested), BillError> {
    let mut source = Source::new(bytes, &intake.limits, &intake.expect);
    let bytes = whole(&mut source, &intake.limits)?;
    let read = source.finish()?;
    decode(bytes).map(|text| (text, read))
}

pub(crate) fn decode(bytes: Vec<u8>) -> Result<String, BillError> {
    let head = bytes.get(..DECLARATION_BYTES.min(bytes.len())).unwrap_or(&[]);
    let head = String::from_utf8_lossy(head);
    let declaration = head.split("?>").next().unwrap_or("");
    let declared = declaration.split_once("encoding=").and_then(|(_, rest)| rest.get(1..));
    let declared = declared.and_then(|rest| rest.split(['"', '\'']).next());
    let encoding = match declared {
        Some(label) => Encoding::for_label(label.as_bytes()).ok_or_else(|| not_text(label))?,
        None => UTF_8,
    };
    if encoding == UTF_8 {
        return String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let before = error.as_bytes().get(..at).unwrap_or(&[]);
            let line = u64::try_from(memchr_iter(b'\n', before).count()).map_or(u64::MAX, |lines| lines + 1);
            let place = Place { line, column: 0, byte: u64::try_from(at).ok() };
            BillError::broken(place, "the document", Flaw::NotText, "")
        });
    }
    let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes);
    text.map(std::borrow::Cow::into_owned).ok_or_else(|| not_text(encoding.name()))
}

fn not_text(encoding: &str) -> BillError {
    BillError::broken(Place::line(1), "the encoding", Flaw::NotText, encoding)
}
