//! Charts as pictures that also are text: each has its figures beside it, and the same in a table. Lengths are
//! integers too.

use super::Set;
use super::part::inner_table;
use maud::{Markup, html};

const WIDTH: i64 = 360;
const BAR_HEIGHT: i64 = 30;
const LABEL_WIDTH: i64 = 86;
const FIGURE_WIDTH: i64 = 74;

/// A bar: `value` makes its length, `text` is what people read.
pub(super) struct Bar {
    pub label: String,
    pub value: i64,
    pub text: String,
    /// How it is coloured, where not as any bar.
    pub class: &'static str,
    pub href: String,
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

#[cfg(test)]
mod tests {
    use super::{Bar, bars, length_of};

    #[test]
    fn a_bar_is_as_long_as_its_share_and_never_vanishes() {
        let lengths = [0, -4, 1, 5_000, 10_000].map(|value| length_of(value, 10_000, 200));
        assert_eq!(lengths, [0, 0, 1, 100, 200]);
        assert_eq!(length_of(i64::MAX, i64::MAX, 200), 200);
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
