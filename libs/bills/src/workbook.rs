//! Workbooks (XLSX), read cell by cell as the text that is stored: a number never becomes a floating-point one.
//! That is why no spreadsheet crate reads them: those give numbers as `f64`.

mod parts;

use crate::archive::{from_zip, member, open};
use crate::bill::Sink;
use crate::detect::refuse_personal_cells;
use crate::error::{BillError, Flaw, Place};
use crate::profile::{Cell, ColumnProfile, Mapper};
use crate::source::{Digested, Source, from_io, whole};
use crate::xml::{Step, Walker, decode};
use crate::{Intake, Limits};
use parts::{Kept, Sheets, column_of, shared_strings};
use std::borrow::Cow;
use std::io::{Read, Seek};
use zip::ZipArchive;

const STRINGS: &str = "xl/sharedStrings.xml";

/// A part of the workbook as text; `None` if it has no such part.
fn part<F: Read + Seek>(
    archive: &mut ZipArchive<F>,
    name: &str,
    limits: &Limits,
) -> Result<Option<String>, BillError> {
    let Some(index) = archive.index_for_name(name) else { return Ok(None) };
    let mut bytes = member(archive, index, limits)?;
    decode(whole(&mut bytes, limits)?).map(Some)
}

/// Personal exports are refused by what their texts say, before anything is asked of a profile.
pub(crate) fn refuse_personal<F: Read + Seek>(file: &mut F, limits: &Limits) -> Result<(), BillError> {
    let mut archive = open(&mut *file, limits)?;
    let strings = match part(&mut archive, STRINGS, limits)? {
        Some(text) => shared_strings(&text, limits)?,
        None => Vec::new(),
    };
    drop(archive);
    file.rewind().map_err(BillError::Io)?;
    Ok(refuse_personal_cells(strings.iter().map(String::as_str))?)
}

/// Reads a sheet by a profile. The digest is the file's own.
pub(crate) fn read<F: Read + Seek>(
    mut file: F,
    intake: &Intake,
    profile: &ColumnProfile,
    sink: &mut Sink<'_>,
) -> Result<Digested, BillError> {
    let limits = &intake.limits;
    let mut source = Source::new(&mut file, limits, &intake.expect);
    std::io::copy(&mut source, &mut std::io::sink()).map_err(|error| from_io(error, Place::default()))?;
    let digested = source.finish()?;
    file.rewind().map_err(BillError::Io)?;
    let mut archive = open(file, limits)?;
    let strings = match part(&mut archive, STRINGS, limits)? {
        Some(text) => shared_strings(&text, limits)?,
        None => Vec::new(),
    };
    let missing = |what: &str| BillError::broken(Place::default(), "the workbook", Flaw::Missing, what);
    let book = part(&mut archive, "xl/workbook.xml", limits)?.ok_or_else(|| missing("xl/workbook.xml"))?;
    let links = part(&mut archive, "xl/_rels/workbook.xml.rels", limits)?;
    let links = links.ok_or_else(|| missing("xl/_rels/workbook.xml.rels"))?;
    let sheet = Sheets::read(&book, &links, limits)?.find(profile.sheet.as_deref())?;
    let Some(index) = archive.index_for_name(&sheet) else { return Err(missing(&sheet)) };
    let mut bytes = member(&mut archive, index, limits).map_err(|error| match error {
        BillError::Io(error) => from_zip(error.into()),
        other => other,
    })?;
    let text = decode(whole(&mut bytes, limits)?)?;
    Rows { walker: Walker::new(&text, limits), strings: &strings, limits, width: 0 }.read(profile, sink)?;
    Ok(digested)
}

struct Rows<'t> {
    walker: Walker<'t>,
    strings: &'t [String],
    limits: &'t Limits,
    /// Cells of the widest row yet: a row's empty cells at its end are not stored.
    width: usize,
}

impl<'t> Rows<'t> {
    fn read(&mut self, profile: &ColumnProfile, sink: &mut Sink<'_>) -> Result<(), BillError> {
        let mut mapper = Mapper::new(profile, *self.limits);
        let mut row: Vec<Cell<'t>> = Vec::new();
        let mut line = 0_u64;
        let mut cell: Option<Kept> = None;
        let mut path: Vec<String> = Vec::new();
        loop {
            match self.walker.step()? {
                Step::Open(start) => {
                    let name: &str = start.local_name().into_inner();
                    match name {
                        "row" => {
                            line = parts::number(&start, "r").unwrap_or(line + 1);
                            row.clear();
                        }
                        "c" => cell = Some(Kept::open(&start)),
                        _ => {}
                    }
                    path.push(name.to_owned());
                }
                Step::Close(text) => match (path.pop().as_deref(), &mut cell) {
                    (Some("v" | "t"), Some(cell)) if !path.iter().any(|name| name == "rPh") => {
                        cell.text.push_str(&text);
                    }
                    (Some("c"), kept) => {
                        if let Some(kept) = kept.take() {
                            self.place(kept, line, &mut row)?;
                        }
                    }
                    (Some("row"), _) if !mapper.is_done() => self.lend(line, &mut row, &mut mapper, sink)?,
                    _ => {}
                },
                Step::End => return mapper.finish(),
            }
        }
    }

    fn place(&self, kept: Kept, line: u64, row: &mut Vec<Cell<'t>>) -> Result<(), BillError> {
        let index = match &kept.reference {
            Some(reference) => column_of(reference),
            None => Some(row.len()),
        };
        let index = index.filter(|index| *index >= row.len());
        let seen = kept.reference.clone().unwrap_or_default();
        let index =
            index.ok_or_else(|| BillError::broken(Place::line(line), "the cell", Flaw::Misplaced, &seen))?;
        if index >= self.limits.fields_max {
            let at_most = u64::try_from(self.limits.fields_max).unwrap_or(u64::MAX);
            return Err(BillError::TooMuch { place: Place::line(line), limit: "fields_max", at_most });
        }
        row.resize(index, Cell::text(Cow::Borrowed("")));
        let broken = |flaw| BillError::broken(Place::field(line, index), "the cell", flaw, &kept.text);
        row.push(kept.cell(self.strings).map_err(broken)?);
        Ok(())
    }

    fn lend(
        &mut self,
        line: u64,
        row: &mut Vec<Cell<'_>>,
        mapper: &mut Mapper<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), BillError> {
        let bytes: usize = row.iter().map(|cell| cell.text.len() + 1).sum();
        if bytes > self.limits.row_bytes_max {
            let at_most = u64::try_from(self.limits.row_bytes_max).unwrap_or(u64::MAX);
            return Err(BillError::TooMuch { place: Place::line(line), limit: "row_bytes_max", at_most });
        }
        self.width = self.width.max(row.len());
        row.resize(self.width, Cell::text(Cow::Borrowed("")));
        let raw = row.iter().map(|cell| &*cell.text).collect::<Vec<&str>>().join("\t");
        mapper.row(line, row, &raw, sink)
    }
}
