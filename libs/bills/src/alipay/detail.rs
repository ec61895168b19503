//! The shape around the rows of both Alipay bills: preface, header, rows, tail.

use super::CURRENCY;
use crate::amount::{Style, minor, whole};
use crate::bill::Sink;
use crate::error::{BillError, Flaw, Place};
use crate::fields::{Row, cut};
use crate::header::Header;
use crate::lines::Lines;
use crate::{Limits, source::Digested};
use chrono::{Days, NaiveDate, NaiveTime};
use std::io::Read;
use std::ops::Range;

/// What a bill does with its rows and its tail.
pub(crate) trait Detail {
    fn row(&mut self, row: Row<'_>, sink: &mut Sink<'_>) -> Result<(), BillError>;

    /// One line of the tail that states sums.
    fn stated(&mut self, stated: &Stated) -> Result<(), BillError>;

    /// After the last line: whether everything that must be stated was.
    fn end(&self, place: Place, sink: &mut Sink<'_>) -> Result<(), BillError>;
}

/// `#交易合计：6笔，商家实收共0.06元，商家优惠共0.00元`: a label, a count, and sums by name.
#[derive(Debug)]
pub(crate) struct Stated {
    pub place: Place,
    pub label: String,
    pub rows: i64,
    /// Sums in minor units by what stands before 共; empty where nothing does.
    pub sums: Vec<(String, i64)>,
}

/// Where a bill is: before its header, among its rows, or behind them.
enum Part {
    Preface,
    Rows,
    Tail,
}

/// Finds the header behind the preface, whose account and days are noted.
pub(crate) fn read_header<R: Read>(
    lines: &mut Lines<R>,
    limits: &Limits,
    sink: &mut Sink<'_>,
    account: &mut String,
) -> Result<Header, BillError> {
    while let Some((line, text)) = lines.next()? {
        let Some(preface) = text.trim().strip_prefix('#') else {
            if text.trim().is_empty() {
                continue;
            }
            return Header::of(line, text.split(','), limits);
        };
        if let Some(found) = preface.strip_prefix("账号：") {
            account.push_str(found.trim_matches(['[', ']', ' ', '\t']));
            sink.account(account, Place::line(line))?;
        } else if preface.starts_with("起始日期：") {
            let (from, to) = days(preface)
                .ok_or_else(|| BillError::broken(Place::line(line), "起始日期", Flaw::NotATime, preface))?;
            sink.covers(from, to);
        }
    }
    Err(BillError::Truncated { place: Place::line(lines.line() + 1), awaited: "its header".into() })
}

/// Reads rows and tail.
pub(crate) fn read_rows<R: Read, D: Detail>(
    mut lines: Lines<R>,
    header: &Header,
    sink: &mut Sink<'_>,
    detail: &mut D,
) -> Result<Digested, BillError> {
    let mut ranges: Vec<Range<usize>> = Vec::with_capacity(header.len());
    let mut part = Part::Preface;
    while let Some((line, text)) = lines.next()? {
        let is_remark = text.starts_with('#');
        match part {
            Part::Preface | Part::Rows if !is_remark => {
                part = Part::Rows;
                if text.trim().is_empty() {
                    continue;
                }
                cut(&text, &mut ranges);
                header.check_width(line, ranges.len(), &text)?;
                detail.row(Row { line, text: &text, ranges: &ranges }, sink)?;
            }
            Part::Tail if !is_remark && !text.trim().is_empty() => {
                let place = Place::line(line);
                return Err(BillError::broken(place, "a row after the end", Flaw::Misplaced, &text));
            }
            Part::Preface | Part::Rows | Part::Tail => {
                part = Part::Tail;
                if let Some(stated) = stated(line, text.trim_start_matches('#'))? {
                    detail.stated(&stated)?;
                }
            }
        }
    }
    detail.end(Place::line(lines.line() + 1), sink)?;
    lines.finish()
}

/// Reads a line of sums; `None` for other remarks.
fn stated(line: u64, text: &str) -> Result<Option<Stated>, BillError> {
    let Some((label, rest)) = text.trim().split_once("合计：") else { return Ok(None) };
    let place = Place::line(line);
    let broken = |flaw| BillError::broken(place, format!("{label}合计"), flaw, text);
    let mut pieces = rest.split('，');
    let rows = pieces.next().and_then(|piece| piece.trim().strip_suffix('笔'));
    let rows = whole(rows.ok_or_else(|| broken(Flaw::Malformed))?.trim()).map_err(broken)?;
    let mut sums = Vec::new();
    for piece in pieces {
        let pair = piece.trim().strip_suffix('元').and_then(|piece| piece.split_once('共'));
        let (name, sum) = pair.ok_or_else(|| broken(Flaw::Malformed))?;
        sums.push((name.to_owned(), minor(sum.trim(), CURRENCY, Style::PLAIN).map_err(broken)?));
    }
    Ok(Some(Stated { place, label: label.to_owned(), rows, sums }))
}

/// `起始日期：[2019年01月01日 00:00:00]   终止日期：[2019年01月02日 00:00:00]`: the last day is the one before an
/// end at midnight.
fn days(text: &str) -> Option<(NaiveDate, NaiveDate)> {
    let mut brackets = text.split('[').skip(1).map(|rest| rest.split(']').next().unwrap_or(""));
    let mut next = || {
        let text = brackets.next()?.replace(['年', '月'], "-").replace('日', "");
        crate::time::moment(text.trim()).ok()
    };
    let (from, to) = (next()?, next()?);
    let at_midnight = to.time() == NaiveTime::MIN && to > from;
    let last = if at_midnight { to.date().checked_sub_days(Days::new(1))? } else { to.date() };
    Some((from.date(), last))
}
