//! Exact amounts as pages set them: what is below the minor unit is there, and quieter.

use super::draw::{yuan_of_micros, yuan_of_minor};
use crate::pages::frame::grouped;
use maud::{Markup, html};

/// Currencies whose smallest unit is the whole one.
const WITHOUT_DECIMALS: [&str; 4] = ["JPY", "KRW", "VND", "CLP"];

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

/// Minor units of a currency; other currencies than yuan are named.
pub(super) fn minor(minor: i64, currency: &str) -> String {
    match currency {
        "CNY" => yuan_of_minor(minor),
        whole if WITHOUT_DECIMALS.contains(&whole) => format!("{whole} {}", grouped(minor)),
        other => format!("{other} {}", yuan_of_minor(minor).replacen('¥', "", 1)),
    }
}

/// Parts of a million as percent, with two decimals that are cut off and never rounded up.
pub(super) fn percent(ppm: i64) -> String {
    let hundredths = ppm.unsigned_abs() / 100;
    let sign = if ppm < 0 && hundredths > 0 { "−" } else { "" };
    format!("{sign}{}.{:02} %", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::{micros, minor, percent};

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
    fn a_currency_keeps_its_decimals_and_its_name() {
        let texts = [minor(-1_234, "CNY"), minor(1_234, "JPY"), minor(-123_456, "USD")];
        assert_eq!(texts, ["−¥12.34", "JPY 1,234", "USD −1,234.56"]);
    }

    #[test]
    fn almost_all_is_not_all() {
        assert_eq!(
            [999_999, 1_000_000, 0, 999_927].map(percent),
            ["99.99 %", "100.00 %", "0.00 %", "99.99 %"]
        );
    }
}
