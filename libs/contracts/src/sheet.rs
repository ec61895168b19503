//! Sheets that people send: CSV with named columns. Reads a whole sheet or none of it, and names line and column of
//! what is wrong.

use std::collections::BTreeSet;

/// Faults that one refusal names at most.
pub const FAULTS_MAX: usize = 20;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The header is line 1.
    pub line: i32,
    /// Empty where it is the line or the file.
    pub column: &'static str,
    pub reason: String,
}

/// Why a sheet was refused, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl std::error::Error for Faults {}

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, Fault { line, column, reason }) in self.0.iter().take(FAULTS_MAX).enumerate() {
            let and = if at > 0 { "; " } else { "" };
            match *column {
                "" => write!(f, "{and}line {line}: {reason}")?,
                column => write!(f, "{and}line {line}, {column}: {reason}")?,
            }
        }
        match self.0.len().saturating_sub(FAULTS_MAX) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// What a sheet has: its columns, in any order, and so many lines.
#[derive(Clone, Copy, Debug)]
pub struct Layout<const N: usize> {
    pub columns: [&'static str; N],
    pub lines_max: usize,
    /// What a line is, for people: "refund".
    pub line_is: &'static str,
}

impl<const N: usize> Layout<N> {
    /// Reads a sheet. `read` makes something of each line, from its number and its texts in the order of `columns`.
    ///
    /// # Errors
    /// [`Faults`]: everything that cannot be read, by line and column.
    pub fn read<T>(
        &self,
        text: &str,
        mut read: impl FnMut(i32, [&str; N]) -> Result<T, Vec<Fault>>,
    ) -> Result<Vec<T>, Faults> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text); // What spreadsheets put before UTF-8.
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let places = self.places_of(&mut reader).map_err(|fault| Faults(vec![fault]))?;
        let (mut lines, mut faults) = (Vec::new(), Faults::default());
        let of_line = |line, reason: String| Fault { line, column: "", reason };
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    let reason = "it has another number of fields".to_owned();
                    faults.0.push(of_line(line_of(error.position()), reason));
                    continue;
                }
            };
            let line = line_of(record.position());
            if lines.len() == self.lines_max {
                let reason = format!("a file has at most {} {}s", self.lines_max, self.line_is);
                faults.0.push(of_line(line, reason));
                break;
            }
            match read(line, places.map(|place| record.get(place).unwrap_or_default())) {
                Ok(one) => lines.push(one),
                Err(more) => faults.0.extend(more),
            }
        }
        if lines.is_empty() && faults.0.is_empty() {
            faults.0.push(of_line(1, format!("the file has no {}", self.line_is)));
        }
        if faults.0.is_empty() { Ok(lines) } else { Err(faults) }
    }

    /// Where each column stands.
    fn places_of(&self, reader: &mut csv::Reader<&[u8]>) -> Result<[usize; N], Fault> {
        let fault = |column, reason: String| Fault { line: 1, column, reason };
        let header = reader.headers().map_err(|_| fault("", "the header cannot be read".to_owned()))?;
        if let Some(unknown) = header.iter().find(|name| !self.columns.contains(name)) {
            let columns = self.columns.join(", ");
            return Err(fault("", format!("there is no column {unknown:?}; there are {columns}")));
        }
        if header.iter().collect::<BTreeSet<&str>>().len() < header.len() {
            return Err(fault("", "a column is there twice".to_owned()));
        }
        let mut places = [0; N];
        for (place, column) in places.iter_mut().zip(self.columns) {
            let found = header.iter().position(|name| name == column);
            *place = found.ok_or_else(|| fault(column, "the column is missing".to_owned()))?;
        }
        Ok(places)
    }
}

fn line_of(position: Option<&csv::Position>) -> i32 {
    position.and_then(|position| i32::try_from(position.line()).ok()).unwrap_or(i32::MAX)
}
