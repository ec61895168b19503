//! A file to replay: opened, then validated whole, then read a second time while it is sent.

use crate::catalogue::Catalogue;
use crate::error::ReplayError;
use crate::format::{Event, Header, Numbered};
use crate::line::field_error;
use crate::read::{FileSum, Lines};
use crate::recorder::{RECORDING_LEN_MAX, Recording};
use crate::validate::{Checker, Counts, parse_event, parse_header};
use contracts::catalogue::Gift;
use std::path::{Path, PathBuf};

/// A file that was opened and recognised, and not yet checked.
#[derive(Debug)]
pub struct Replay {
    path: PathBuf,
    header: Header,
    recording: Option<(Recording, FileSum)>,
}

/// A file every line of which was checked against a catalogue. Only this can be sent.
#[derive(Debug)]
pub struct ValidReplay {
    path: PathBuf,
    header: Header,
    counts: Counts,
    catalogue: Catalogue,
    recording: Option<(Recording, FileSum)>,
    sum: FileSum,
}

impl Replay {
    /// Opens a replay file (plain or gzip), or the XML of a recorder; what it is shows in its first bytes.
    ///
    /// # Errors
    /// [`ReplayError`] naming line and field where the file is neither, or its header is wrong.
    pub fn open(path: &Path) -> Result<Replay, ReplayError> {
        let mut lines = Lines::open(path)?;
        let first = lines.peek()?;
        let first = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
        if first.starts_with(b"<") {
            let xml = lines.read_all(RECORDING_LEN_MAX)?;
            let recording = Recording::parse(&xml)?;
            let (header, sum) = (recording.header.clone(), lines.sum());
            return Ok(Replay { path: path.to_owned(), header, recording: Some((recording, sum)) });
        }
        let Some((line, text)) = lines.next_line()? else { return Err(ReplayError::Empty) };
        let header = parse_header(line, text)?;
        Ok(Replay { path: path.to_owned(), header, recording: None })
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Gifts that must be in the catalogue before this can be sent: those of a recording. A replay file needs
    /// none, it speaks of gifts that exist.
    pub fn needed_gifts(&self) -> &[Gift] {
        self.recording.as_ref().map_or(&[], |(recording, _)| recording.gifts.as_slice())
    }

    /// Checks every line. Nothing is sent before this has passed. Reads the whole file: call it where blocking
    /// is allowed.
    ///
    /// # Errors
    /// The first thing wrong, with its line and field.
    pub fn validate(self, catalogue: &Catalogue) -> Result<ValidReplay, ReplayError> {
        let catalogue = catalogue
            .clone()
            .with(self.needed_gifts())
            .map_err(|problem| field_error(1, "giftname", problem))?;
        let reading = Reading { path: &self.path, header: &self.header, recording: self.recording.as_ref() };
        let (counts, sum) = reading.each(&catalogue, |_| Ok(()))?;
        let Replay { path, header, recording } = self;
        Ok(ValidReplay { path, header, counts, catalogue, recording, sum })
    }
}

impl ValidReplay {
    pub fn header(&self) -> &Header {
        &self.header
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    pub fn needed_gifts(&self) -> &[Gift] {
        self.recording.as_ref().map_or(&[], |(recording, _)| recording.gifts.as_slice())
    }

    /// The SHA-256 of the file.
    pub fn sum(&self) -> FileSum {
        self.sum
    }

    /// Reads the events in their order, each checked once more, until `each` fails or the file ends.
    ///
    /// # Errors
    /// What `each` returned; or what is wrong with the file if it changed since it was validated.
    pub fn each(&self, each: impl FnMut(Numbered) -> Result<(), ReplayError>) -> Result<(), ReplayError> {
        let reading = Reading { path: &self.path, header: &self.header, recording: self.recording.as_ref() };
        let (_, sum) = reading.each(&self.catalogue, each)?;
        if sum == self.sum { Ok(()) } else { Err(ReplayError::Changed) }
    }
}

/// One pass over the events, wherever they come from.
struct Reading<'a> {
    path: &'a Path,
    header: &'a Header,
    recording: Option<&'a (Recording, FileSum)>,
}

impl Reading<'_> {
    fn each(
        &self,
        catalogue: &Catalogue,
        mut each: impl FnMut(Numbered) -> Result<(), ReplayError>,
    ) -> Result<(Counts, FileSum), ReplayError> {
        let mut checker = Checker::new(catalogue, self.header);
        if let Some((recording, sum)) = self.recording {
            for numbered in &recording.events {
                checker.check(numbered.line, &numbered.event)?;
                each(numbered.clone())?;
            }
            return Ok((checker.finish()?, *sum));
        }
        let mut lines = Lines::open(self.path)?;
        let header = match lines.next_line()? {
            Some((line, text)) => parse_header(line, text)?,
            None => return Err(ReplayError::Empty),
        };
        if header != *self.header {
            return Err(ReplayError::Changed);
        }
        while let Some((line, text)) = lines.next_line()? {
            let event: Event = parse_event(line, text)?;
            checker.check(line, &event)?;
            each(Numbered { number: line, line, event })?;
        }
        Ok((checker.finish()?, lines.sum()))
    }
}
