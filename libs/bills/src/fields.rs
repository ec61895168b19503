//! Rows of the channels' own text tables, cut into fields. Neither WeChat nor Alipay quotes a field, so RFC 4180
//! does not apply: a quotation mark is a character like any other.

use std::ops::Range;

/// Cuts a WeChat row: every field begins with a backtick, so that a comma within a field does not end it.
/// `None` if the row does not begin with one.
pub(crate) fn cut_backticked(line: &str, into: &mut Vec<Range<usize>>) -> Option<()> {
    into.clear();
    let bytes = line.as_bytes();
    (bytes.first() == Some(&b'`')).then_some(())?;
    let mut from = 1;
    for at in memchr::memchr_iter(b'`', bytes).skip(1) {
        // `at` is at least 1, and the byte before it decides: a lone backtick is part of the text.
        if bytes[at - 1] == b',' && at > from {
            into.push(from..at - 1);
            from = at + 1;
        }
    }
    into.push(from..line.len());
    Some(())
}

/// Cuts a row at every comma.
pub(crate) fn cut(line: &str, into: &mut Vec<Range<usize>>) {
    into.clear();
    let mut from = 0;
    for at in memchr::memchr_iter(b',', line.as_bytes()) {
        into.push(from..at);
        from = at + 1;
    }
    into.push(from..line.len());
}

/// One row with its fields and what an error about it needs.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub line: u64,
    pub text: &'a str,
    pub ranges: &'a [Range<usize>],
}

impl<'a> Row<'a> {
    /// A field; empty for a column that the table does not have.
    pub fn field(&self, index: Option<usize>) -> &'a str {
        let range = index.and_then(|index| self.ranges.get(index));
        range.and_then(|range| self.text.get(range.clone())).unwrap_or("")
    }
}
