//! Saved column profiles: which column of any other CSV or XLSX is what. Data, validated, with a version.

mod dates;
mod mapper;

use crate::BillError;
use crate::bill::Sink;
use crate::source::Digested;
use crate::table::Table;
use crate::time::offset_seconds;
use crate::{Currency, Intake, RowKind};
use encoding_rs::{Encoding, GBK, UTF_8};
pub(crate) use mapper::{Cell, CellKind, Mapper};
use serde::{Deserialize, Serialize};
use std::io::Read;

/// The version of profiles that this code reads. A profile of another version is refused.
pub const PROFILE_VERSION: u32 = 1;

/// Characters of a profile's words and names.
const WORD_CHARS_MAX: usize = 200;

/// Words that may be mapped to kinds.
const KINDS_MAX: usize = 500;

/// Which column is what. Serialises to TOML or JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnProfile {
    pub version: u32,
    pub name: String,
    #[serde(default)]
    pub encoding: TableEncoding,
    #[serde(default = "comma")]
    pub delimiter: char,
    /// The sheet of a workbook; its first one without a name.
    #[serde(default)]
    pub sheet: Option<String>,
    /// Rows before the header that are not looked at. The header is the first row behind them that has all
    /// named columns.
    #[serde(default)]
    pub skip_rows: u64,
    pub columns: Columns,
    pub dates: DateStyle,
    #[serde(default)]
    pub decimals: Decimals,
    /// The currency of every row, for files without a column of it.
    #[serde(default)]
    pub currency: Option<String>,
    /// The account of every row, for files without a column of it.
    #[serde(default)]
    pub account: Option<String>,
    /// What the words of the kind's column mean; other words stay what they are.
    #[serde(default)]
    pub kinds: Vec<KindWord>,
    /// A row whose first field begins so ends the table; what follows is not read.
    #[serde(default)]
    pub footer: Option<String>,
}

fn comma() -> char {
    ','
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TableEncoding {
    #[default]
    Utf8,
    Gbk,
}

impl TableEncoding {
    pub(crate) fn encoding(self) -> &'static Encoding {
        match self {
            TableEncoding::Utf8 => UTF_8,
            TableEncoding::Gbk => GBK,
        }
    }
}

/// Names of columns, as the header writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    pub at: String,
    pub channel_ref: String,
    pub amount: AmountColumns,
    #[serde(default)]
    pub our_ref: Option<String>,
    #[serde(default)]
    pub about_ref: Option<String>,
    #[serde(default)]
    pub kind: Option<String>,
    #[serde(default)]
    pub status: Option<String>,
    /// What the channel keeps, positive where we pay it.
    #[serde(default)]
    pub fee: Option<String>,
    #[serde(default)]
    pub currency: Option<String>,
    #[serde(default)]
    pub account: Option<String>,
    /// The balance behind the row; each row's is verified against its neighbour's.
    #[serde(default)]
    pub balance: Option<String>,
}

/// Where amounts stand, and which sign means what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AmountColumns {
    /// One column, positive where money comes to us.
    InPositive { column: String },
    /// One column, positive where money leaves us.
    OutPositive { column: String },
    /// Two columns, one of them empty or zero in each row, neither below zero.
    InAndOut { money_in: String, money_out: String },
}

/// How times are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DateStyle {
    /// By the letters of `strftime`: `%Y-%m-%d %H:%M:%S`, or `%d/%m/%Y` for a day without a time. Cells of a
    /// workbook that are numbers are days since 1899-12-30, whatever stands here.
    pub format: String,
    /// What the times are ahead of UTC: `+08:00`.
    pub offset: String,
}

/// How amounts are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decimals {
    pub point: char,
    /// What may stand between thousands.
    #[serde(default)]
    pub grouping: Option<char>,
    /// Characters that are taken off before: signs of currencies, spaces.
    #[serde(default)]
    pub strip: String,
}

impl Default for Decimals {
    fn default() -> Decimals {
        Decimals { point: '.', grouping: None, strip: String::new() }
    }
}

/// A word of the file and what it means: payment, refund, fee, payout, dispute or transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindWord {
    pub word: String,
    pub kind: String,
}

pub(crate) fn kind_named(name: &str) -> Option<RowKind> {
    let kinds = [
        RowKind::Payment,
        RowKind::Refund,
        RowKind::Fee,
        RowKind::Payout,
        RowKind::Dispute,
        RowKind::Transfer,
    ];
    kinds.into_iter().find(|kind| kind.name() == name)
}

impl ColumnProfile {
    /// Whether the profile can be used at all, whatever the file.
    ///
    /// # Errors
    /// [`BillError::Profile`] with the first reason found.
    pub fn check(&self) -> Result<(), BillError> {
        match self.fault() {
            Some(reason) => Err(BillError::Profile { name: crate::error::clip(&self.name), reason }),
            None => Ok(()),
        }
    }

    fn fault(&self) -> Option<String> {
        if self.version != PROFILE_VERSION {
            return Some(format!("its version is {}, and {PROFILE_VERSION} is read", self.version));
        }
        // Below the letters: in GBK, the second byte of a character may be any letter, `|` or `~`.
        if !(self.delimiter == '\t' || matches!(self.delimiter, ',' | ';') || self.delimiter == '|')
            || (self.delimiter == '|' && self.encoding == TableEncoding::Gbk)
        {
            return Some(format!("its delimiter cannot be {:?}", self.delimiter));
        }
        if offset_seconds(&self.dates.offset).is_none() {
            return Some(format!("its offset cannot be {:?}", self.dates.offset));
        }
        if let Some(reason) = dates::fault(&self.dates.format) {
            return Some(reason);
        }
        let Decimals { point, grouping, .. } = &self.decimals;
        if !matches!(point, '.' | ',') || grouping.is_some_and(|mark| mark == *point || !mark.is_ascii()) {
            return Some(
                "its decimal point must be '.' or ',', and its grouping another character".to_owned(),
            );
        }
        if grouping.is_some_and(|mark| mark.is_ascii_alphanumeric() || mark == '-' || mark == '+') {
            return Some("its grouping cannot be a digit, letter or sign".to_owned());
        }
        let stripped = &self.decimals.strip;
        if stripped.contains(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | ',')) {
            return Some("what is stripped cannot be a digit, sign or point".to_owned());
        }
        match (&self.currency, &self.columns.currency) {
            (Some(code), None) if Currency::find(code).is_some() => {}
            (Some(code), None) => return Some(format!("{code:?} is not a currency of ISO 4217")),
            (None, Some(_)) => {}
            (Some(_), Some(_)) => {
                return Some("it has both a currency and a column of currencies".to_owned());
            }
            (None, None) => return Some("it has neither a currency nor a column of currencies".to_owned()),
        }
        self.words_fault()
    }

    fn words_fault(&self) -> Option<String> {
        if self.kinds.len() > KINDS_MAX {
            return Some(format!("it maps more than {KINDS_MAX} words"));
        }
        if let Some(word) = self.kinds.iter().find(|word| kind_named(&word.kind).is_none()) {
            return Some(format!("{:?} is no kind of row", word.kind));
        }
        if !self.kinds.is_empty() && self.columns.kind.is_none() {
            return Some("it maps words to kinds and names no column of them".to_owned());
        }
        let bad = |word: &&String| word.trim().is_empty() || word.chars().count() > WORD_CHARS_MAX;
        let bad_word = self.column_names().find(bad).or_else(|| self.footer.iter().find(bad));
        bad_word.map(|word| format!("a name is empty or longer than {WORD_CHARS_MAX} characters: {word:?}"))
    }

    /// Every column that the profile names.
    pub(crate) fn column_names(&self) -> impl Iterator<Item = &String> {
        let columns = &self.columns;
        let amounts = match &columns.amount {
            AmountColumns::InPositive { column } | AmountColumns::OutPositive { column } => {
                [Some(column), None]
            }
            AmountColumns::InAndOut { money_in, money_out } => [Some(money_in), Some(money_out)],
        };
        let optional = [
            columns.our_ref.as_ref(),
            columns.about_ref.as_ref(),
            columns.kind.as_ref(),
            columns.status.as_ref(),
            columns.fee.as_ref(),
            columns.currency.as_ref(),
            columns.account.as_ref(),
            columns.balance.as_ref(),
        ];
        [Some(&columns.at), Some(&columns.channel_ref)].into_iter().chain(amounts).chain(optional).flatten()
    }
}

/// Reads a CSV by a profile.
pub(crate) fn read_csv<R: Read>(
    bytes: R,
    intake: &Intake,
    profile: &ColumnProfile,
    sink: &mut Sink<'_>,
) -> Result<Digested, BillError> {
    // The profile was checked: its delimiter is one byte.
    let delimiter = u8::try_from(profile.delimiter).unwrap_or(b',');
    let mut table = Table::new(bytes, intake, delimiter, profile.encoding.encoding());
    let mut mapper = Mapper::new(profile, intake.limits);
    while let Some(line) = table.next()? {
        if mapper.is_done() {
            continue; // Behind the footer; read on for the digest.
        }
        let fields = table.fields()?;
        let raw = table.raw(&fields);
        let cells: Vec<Cell<'_>> = fields.into_iter().map(Cell::text).collect();
        mapper.row(line, &cells, &raw, sink)?;
    }
    mapper.finish()?;
    table.finish()
}
