//! Charts as pictures that also are text: each has its figures beside it, and bars the same in a table.
//!
//! Places and lengths are integers too, in units of the picture or hundredths of them.

use super::Set;
use super::part::inner_table;
use maud::{Markup, html};

const WIDTH: i64 = 360;
const BAR_HEIGHT: i64 = 30;
const LABEL_WIDTH: i64 = 86;
const FIGURE_WIDTH: i64 = 74;

const COLUMNS_HEIGHT: i64 = 150;
/// Where columns stand: below it is room for their names.
const FLOOR: i64 = COLUMNS_HEIGHT - 22;
/// The widest step from column to column, in hundredths.
const STEP_MAX: i64 = 4_800;
/// About so many columns are named.
const NAMES: usize = 7;

/// A bar: `value` makes its length, `text` is what people read.
pub(super) struct Bar {
    pub label: String,
    pub value: i64,
    pub text: String,
    /// How it is coloured, where not as any bar.
    pub class: &'static str,
    pub href: String,
}

/// A column of [`columns`]; `name` stands below it.
pub(super) struct Column {
    pub label: String,
    pub name: String,
    pub value: i64,
    pub text: String,
}

/// How long a bar is: at least one unit where there is anything at all.
fn length_of(value: i64, most: i64, room: i64) -> i64 {
    if value <= 0 || most <= 0 {
        return 0;
    }
    let length = i128::from(value) * i128::from(room) / i128::from(most);
    i64::try_from(length).unwrap_or(room).max(1)
}

/// What a chart of bars shows: as long as it is the same, nobody needs another.
pub(super) fn stamp_of(bars: &[Bar]) -> String {
    let texts: Vec<_> = bars.iter().map(|bar| bar.text.as_str()).collect();
    texts.join(" ")
}

/// Bars from left to right, each leading to what it counts.
pub(super) fn bars(caption: &str, [name_head, value_head]: [&str; 2], list: &[Bar]) -> Markup {
    let most = list.iter().map(|bar| bar.value).max().unwrap_or_default();
    let height = BAR_HEIGHT * i64::try_from(list.len().max(1)).unwrap_or(1);
    let rows: Vec<_> = list
        .iter()
        .map(|bar| html! { tr { th scope="row" { (bar.label) } td .number { (bar.text) } } })
        .collect();
    html! {
        figure .chart {
            svg .bars viewBox={ "0 0 " (WIDTH) " " (height) } role="img" {
                title { (caption) }
                @for (place, one) in (0..).zip(list) { (bar(place, one, most)) }
            }
            details .as-table {
                summary { "As a table" }
                (inner_table(caption, &[(name_head, Set::Text), (value_head, Set::Number)], &rows))
            }
        }
    }
}

fn bar(place: i64, bar: &Bar, most: i64) -> Markup {
    let middle = place * BAR_HEIGHT + BAR_HEIGHT / 2;
    let length = length_of(bar.value, most, WIDTH - LABEL_WIDTH - FIGURE_WIDTH);
    html! {
        a href=(bar.href) {
            text .chart-label x=(LABEL_WIDTH - 8) y=(middle + 4) text-anchor="end" { (bar.label) }
            rect class={ "bar " (bar.class) } x=(LABEL_WIDTH) y=(middle - 9) width=(length) height="18" rx="3" {}
            text .chart-figure x=(LABEL_WIDTH + length + 6) y=(middle + 4) { (bar.text) }
        }
    }
}

/// Hundredths of a unit.
fn units(hundredths: i64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Columns from left to right, from zero up. Their figures stand in a table near by.
pub(super) fn columns(caption: &str, list: &[Column]) -> Markup {
    let most = list.iter().map(|column| column.value).max().unwrap_or_default();
    let count = i64::try_from(list.len().max(1)).unwrap_or(1);
    let step = STEP_MAX.min(WIDTH * 100 / count);
    let every = list.len().div_ceil(NAMES).max(1);
    html! {
        figure .chart.wide {
            svg .columns viewBox={ "0 0 " (WIDTH) " " (COLUMNS_HEIGHT) } role="img" {
                title { (caption) }
                @for ((place, from), column) in (0_usize..).zip((0..).map(|place| place * step)).zip(list) {
                    @let tall = length_of(column.value, most, FLOOR - 6);
                    rect .bar x=(units(from + step * 15 / 100)) y=(FLOOR - tall) width=(units(step * 70 / 100))
                        height=(tall) rx="2" { title { (column.label) ": " (column.text) } }
                    @if place.is_multiple_of(every) {
                        text .chart-label.small x=(units(from + step / 2)) y=(COLUMNS_HEIGHT - 6)
                            text-anchor="middle" { (column.name) }
                    }
                }
                line .axis x1="0" x2=(WIDTH) y1=(FLOOR) y2=(FLOOR) {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bar, bars, length_of, units};

    #[test]
    fn a_bar_is_as_long_as_its_share_and_never_vanishes() {
        let lengths = [0, -4, 1, 5_000, 10_000].map(|value| length_of(value, 10_000, 200));
        assert_eq!(lengths, [0, 0, 1, 100, 200]);
        assert_eq!(length_of(i64::MAX, i64::MAX, 200), 200);
        assert_eq!([5, 150, 4_800].map(units), ["0.05", "1.50", "48.00"]);
    }

    #[test]
    fn what_a_chart_shows_stands_in_its_table_and_stays_text() {
        let href = "/finance/breaks?kind=a&age=2".to_owned();
        let bar = Bar { label: "<b>".to_owned(), value: 3, text: "3".to_owned(), class: "bar-low", href };
        let chart = bars("Of <kinds>", ["Kind", "Breaks"], &[bar]).into_string();
        assert!(
            chart.contains("<tr><th scope=\"row\">&lt;b&gt;</th><td class=\"number\">3</td></tr>"),
            "{chart}"
        );
        assert!(chart.contains("href=\"/finance/breaks?kind=a&amp;age=2\""), "{chart}");
        assert!(chart.contains("class=\"bar bar-low\"") && !chart.contains("<b>"), "{chart}");
    }
}
