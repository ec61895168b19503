//! What an export says of itself: what it was made of, and what was written.

/// Where an export comes from. Goes into the workbook's parameters sheet and the Parquet file's metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What it is, for people: `Journal of 2026-11`.
    pub title: String,
    /// The run that made it; the same run gives the same bytes.
    pub run_id: String,
    /// What it was made of: a name and its hash or version (`chart`, `sha256:…`).
    pub made_of: Vec<(String, String)>,
}

impl About {
    /// Every line, in order.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = [("title", self.title.as_str()), ("run id", self.run_id.as_str())];
        own.into_iter().chain(self.made_of.iter().map(|(name, hash)| (name.as_str(), hash.as_str())))
    }
}

/// What a finished table holds, for a control that does not read the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub rows: u64,
    /// One per column: the exact sum of a totalled column in its own units, `None` for the others.
    pub totals: Vec<Option<i128>>,
    /// Amounts that a spreadsheet's number cannot hold and that are text there. Zero for the other formats.
    pub amounts_as_text: u64,
}
