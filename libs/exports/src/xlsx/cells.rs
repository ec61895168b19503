//! One cell's XML: its style, its type and its value.

use crate::amount::{decimal_text, fits_a_sheet_number, push_decimal};
use crate::csv_table::begins_formula;
use crate::table::instant_text;
use crate::{Cell, Kind, SCALE_MAX};
use chrono::NaiveDate;
use std::fmt::Write;

/// Styles of `xl/styles.xml`, by their place there. Place 0 is that of cells that say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Header,
    Text,
    /// Text that stays text even when somebody edits the cell.
    QuotedText,
    Count,
    Day,
    Link,
    AmountText,
    BoldText,
    BoldCount,
    BoldAmountText,
    Money(u8),
    BoldMoney(u8),
}

/// Styles before those of money.
pub(super) const FIXED_STYLES: u8 = 11;

impl Style {
    pub(super) fn place(self) -> u8 {
        match self {
            Style::Header => 1,
            Style::Text => 2,
            Style::QuotedText => 3,
            Style::Count => 4,
            Style::Day => 5,
            Style::Link => 6,
            Style::AmountText => 7,
            Style::BoldText => 8,
            Style::BoldCount => 9,
            Style::BoldAmountText => 10,
            Style::Money(scale) => FIXED_STYLES + scale.min(SCALE_MAX),
            Style::BoldMoney(scale) => FIXED_STYLES + SCALE_MAX + 1 + scale.min(SCALE_MAX),
        }
    }
}

/// Writes cells of one row after another into a text that is used again.
#[derive(Debug, Default)]
pub(super) struct RowText {
    pub(super) xml: String,
    amount: String,
    letters: Vec<String>,
    row: u32,
}

impl RowText {
    pub(super) fn new(columns: usize) -> RowText {
        RowText { letters: (0..columns).map(column_letters).collect(), ..RowText::default() }
    }

    pub(super) fn begin(&mut self, row: u32) {
        self.row = row;
        self.xml.clear();
        // Writing to a string cannot fail, here and below.
        let _ = write!(self.xml, "<row r=\"{row}\">");
    }

    pub(super) fn end(&mut self) {
        self.xml.push_str("</row>");
    }

    /// A cell of a table. Says whether an amount had to become text.
    pub(super) fn cell(&mut self, column: usize, kind: Kind, cell: &Cell<'_>) -> bool {
        match cell {
            Cell::Empty => {}
            Cell::Text(text) | Cell::Id(text) if text.is_empty() => {}
            Cell::Text(text) | Cell::Id(text) => {
                let style = if begins_formula(text) { Style::QuotedText } else { Style::Text };
                self.text(column, style, text);
            }
            Cell::Link(link) => self.link(column, link),
            Cell::Money(units) => {
                let scale = if let Kind::Money { scale } = kind { scale } else { 0 };
                return self.money(column, *units, scale, (Style::Money(scale), Style::AmountText));
            }
            Cell::Count(count) => {
                return self.money(column, i128::from(*count), 0, (Style::Count, Style::AmountText));
            }
            Cell::Day(day) => match day_number(*day) {
                Some(number) => self.number(column, Style::Day, &number.to_string()),
                None => self.text(column, Style::Text, &day.to_string()),
            },
            Cell::Instant(at) => self.text(column, Style::Text, &instant_text(*at)),
        }
        false
    }

    /// The sum of a column.
    pub(super) fn total(&mut self, column: usize, kind: Kind, units: i128) -> bool {
        match kind {
            Kind::Money { scale } => {
                self.money(column, units, scale, (Style::BoldMoney(scale), Style::BoldAmountText))
            }
            _ => self.money(column, units, 0, (Style::BoldCount, Style::BoldAmountText)),
        }
    }

    pub(super) fn text(&mut self, column: usize, style: Style, text: &str) {
        self.open(column, style, " t=\"inlineStr\"");
        self.xml.push_str("<is><t xml:space=\"preserve\">");
        push_escaped(&mut self.xml, text);
        self.xml.push_str("</t></is></c>");
    }

    fn money(&mut self, column: usize, units: i128, scale: u8, styles: (Style, Style)) -> bool {
        if !fits_a_sheet_number(units) {
            self.text(column, styles.1, &decimal_text(units, scale));
            return true;
        }
        self.amount.clear();
        push_decimal(&mut self.amount, units, scale);
        let amount = std::mem::take(&mut self.amount);
        self.number(column, styles.0, &amount);
        self.amount = amount;
        false
    }

    fn number(&mut self, column: usize, style: Style, digits: &str) {
        self.open(column, style, "");
        let _ = write!(self.xml, "<v>{digits}</v></c>");
    }

    /// The one formula that is ever written. The table's check has left nothing in a link that ends its quotation.
    fn link(&mut self, column: usize, link: &str) {
        self.open(column, Style::Link, " t=\"str\"");
        self.xml.push_str("<f>HYPERLINK(\"");
        push_escaped(&mut self.xml, link);
        self.xml.push_str("\")</f><v>");
        push_escaped(&mut self.xml, link);
        self.xml.push_str("</v></c>");
    }

    fn open(&mut self, column: usize, style: Style, kind: &str) {
        let letters = self.letters.get(column).map_or("", String::as_str);
        let _ = write!(self.xml, "<c r=\"{letters}{}\" s=\"{}\"{kind}>", self.row, style.place());
    }
}

/// The column's name: A to Z, then AA.
pub(super) fn column_letters(column: usize) -> String {
    const LETTERS: [char; 26] = [
        'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T',
        'U', 'V', 'W', 'X', 'Y', 'Z',
    ];
    let mut letters = Vec::new();
    let mut left = column + 1;
    while left > 0 {
        letters.push(LETTERS[(left - 1) % 26]);
        left = (left - 1) / 26;
    }
    letters.iter().rev().collect()
}

/// The day's number in a spreadsheet. `None` before March 1900, where the format counts a day that never was.
fn day_number(day: NaiveDate) -> Option<i64> {
    let zero = NaiveDate::from_ymd_opt(1899, 12, 30)?;
    let days = day.signed_duration_since(zero).num_days();
    (61..=2_958_465).contains(&days).then_some(days)
}

/// Appends text as XML can hold it. Characters that XML has no place for, and texts that look like their escape,
/// are written as the format's own escape `_xHHHH_`.
pub(super) fn push_escaped(xml: &mut String, text: &str) {
    for (at, character) in text.char_indices() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '_' if is_escape(&text.as_bytes()[at..]) => xml.push_str("_x005F_"),
            '\t' | '\n' => xml.push(character),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(xml, "_x{:04X}_", u32::from(character));
            }
            _ => xml.push(character),
        }
    }
}

/// Whether the bytes begin like `_x000D_`.
fn is_escape(bytes: &[u8]) -> bool {
    matches!(bytes, [b'_', b'x', digits @ .., ] if digits.len() >= 5
        && digits[..4].iter().all(u8::is_ascii_hexdigit) && digits[4] == b'_')
}
