//! Exact amounts as pages set them: what is below the minor unit is there, and quieter.

use super::draw::yuan_of_micros;
use maud::{Markup, html};

/// Millionths of a minor unit as yuan.
pub(super) fn micros(micros: i64) -> Markup {
    let text = yuan_of_micros(micros);
    // Two decimals always follow the point.
    let below = text.find('.').map_or(text.len(), |point| point.saturating_add(3));
    let (whole, rest) = text.split_at_checked(below).unwrap_or((&text, ""));
    html! {
        span class=[(micros < 0).then_some("below-zero")] { (whole) @if !rest.is_empty() { span .below-minor { (rest) } } }
    }
}

/// A cell of them.
pub(super) fn micros_cell(amount: i64) -> Markup {
    html! { td .number { (micros(amount)) } }
}

/// Parts of a million as percent, with two decimals that are cut off and never rounded up.
pub(super) fn percent(ppm: i64) -> String {
    let hundredths = ppm.unsigned_abs() / 100;
    let sign = if ppm < 0 && hundredths > 0 { "−" } else { "" };
    format!("{sign}{}.{:02} %", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::{micros, percent};

    #[test]
    fn what_is_below_the_minor_unit_is_set_apart_and_kept() {
        let texts = [0, -123_456_789_012, 9_007_199_254_740_993].map(|amount| micros(amount).into_string());
        let expected = [
            "<span>¥0.00</span>",
            "<span class=\"below-zero\">−¥1,234.56<span class=\"below-minor\">789012</span></span>",
            "<span>¥90,071,992.54<span class=\"below-minor\">740993</span></span>",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn almost_all_is_not_all() {
        assert_eq!(
            [999_999, 1_000_000, 0, 999_927].map(percent),
            ["99.99 %", "100.00 %", "0.00 %", "99.99 %"]
        );
    }
}
