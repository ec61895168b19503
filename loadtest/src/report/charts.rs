//! The report's charts as SVG text. All coordinates are whole pixels.
//!
//! Colours are stand-ins that become CSS variables in the page, so one drawing serves light and dark.

use super::{Flow, ReportError, yuan};
use crate::progress::grouped;
use crate::send::{RoomTotal, TimeBucket};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const INK: RGBColor = RGBColor(1, 1, 1);
const MUTED: RGBColor = RGBColor(2, 2, 2);
const GRID: RGBColor = RGBColor(3, 3, 3);
const MAIN: RGBColor = RGBColor(4, 4, 4);
const SECOND: RGBColor = RGBColor(5, 5, 5);
const THIRD: RGBColor = RGBColor(6, 6, 6);
const FOURTH: RGBColor = RGBColor(7, 7, 7);
const STAND_INS: [(&str, &str); 7] = [
    ("#010101", "var(--ink)"),
    ("#020202", "var(--muted)"),
    ("#030303", "var(--grid)"),
    ("#040404", "var(--main)"),
    ("#050505", "var(--second)"),
    ("#060606", "var(--third)"),
    ("#070707", "var(--fourth)"),
];
const FONT: &str = "system-ui, sans-serif";
const BAND_LEN: i32 = 14;

/// How wide the page is that a chart is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Wide,
    Phone,
}

impl Page {
    const fn width(self) -> i32 {
        match self {
            Page::Wide => 760,
            Page::Phone => 360,
        }
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

fn svg(page: Page, height: i32, draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String, ReportError> {
    let size = (page.width().unsigned_abs(), height.unsigned_abs());
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        let chart_error = |error: DrawingAreaErrorKind<std::io::Error>| ReportError::Chart(error.to_string());
        draw(&area).map_err(chart_error)?;
        area.present().map_err(chart_error)?;
    }
    Ok(STAND_INS.iter().fold(text, |text, (stand_in, variable)| text.replace(stand_in, variable)))
}

fn write(area: &Area<'_>, text: &str, (x, y): (i32, i32), (color, at): (RGBColor, HPos)) -> Drawn {
    // plotters writes 1/1.24 of the size it is given.
    let style = TextStyle::from((FONT, 15).into_font()).color(&color).pos(Pos::new(at, VPos::Center));
    area.draw_text(text, &style, (x, y))
}

fn bar(area: &Area<'_>, corners: [(i32, i32); 2], color: RGBColor) -> Drawn {
    area.draw(&Rectangle::new(corners, color.filled()))
}

/// `part` of `whole`, on a scale of `len` pixels.
fn scale(part: u64, whole: u64, len: i32) -> i32 {
    let len = u128::from(len.unsigned_abs());
    i32::try_from(u128::from(part) * len / u128::from(whole.max(1))).unwrap_or(i32::MAX)
}

/// Gifts of each stretch of the recorded time.
pub(super) fn gifts_over_time(buckets: &[TimeBucket], page: Page) -> Result<String, ReportError> {
    let height = 240;
    svg(page, height, |area| {
        let (left, right, top, bottom) = (52, page.width() - 8, 14, height - 26);
        let most = buckets.iter().map(|bucket| bucket.gifts).max().unwrap_or_default();
        let step = round_step(most);
        let ceiling = most.div_ceil(step).max(1) * step;
        let y_of = |gifts| bottom - scale(gifts, ceiling, bottom - top);
        for at in 0..=ceiling / step {
            let y = y_of(at * step);
            area.draw(&PathElement::new(vec![(left, y), (right, y)], GRID))?;
            write(area, &grouped(at * step), (left - 6, y), (MUTED, HPos::Right))?;
        }
        let count = u64::try_from(buckets.len()).unwrap_or_default();
        let x_of = |at| left + scale(at, count, right - left);
        for (at, bucket) in (0_u64..).zip(buckets) {
            let gap = i32::from(x_of(at + 1) - x_of(at) > 3);
            bar(area, [(x_of(at), y_of(bucket.gifts)), (x_of(at + 1) - gap, bottom)], MAIN)?;
        }
        let labels = if page == Page::Wide { 6 } else { 3 };
        for label in 0..labels {
            let at = count * label / labels;
            let Some(bucket) = usize::try_from(at).ok().and_then(|at| buckets.get(at)) else { continue };
            write(area, &clock(bucket.from_ms), (x_of(at), bottom + 14), (MUTED, HPos::Left))?;
        }
        Ok(())
    })
}

/// Steps of 1, 2 or 5 that make about four lines.
fn round_step(most: u64) -> u64 {
    let mut step = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            if most <= step.saturating_mul(factor * 4) {
                return step * factor;
            }
        }
        step = step.saturating_mul(10);
    }
}

/// Milliseconds since the start as hours and minutes, or seconds where that is all there is.
fn clock(ms: i64) -> String {
    let seconds = ms / 1_000;
    if seconds > 0 && seconds < 60 {
        return format!("{seconds} s");
    }
    format!("{}:{:02} h", seconds / 3_600, seconds / 60 % 60)
}

/// The busiest rooms.
pub(super) fn top_rooms(rooms: &[RoomTotal], page: Page) -> Result<String, ReportError> {
    let row_len = 30;
    let height = row_len * i32::try_from(rooms.len().max(1)).unwrap_or(1) + 8;
    svg(page, height, |area| {
        let left = if page == Page::Wide { 170 } else { 120 };
        let right = page.width() - if page == Page::Wide { 230 } else { 64 };
        let most = rooms.iter().map(|room| room.gifts).max().unwrap_or_default();
        for (at, room) in (0_i32..).zip(rooms) {
            let middle = at * row_len + row_len / 2 + 4;
            let end = left + scale(room.gifts, most, right - left);
            let title: String = room.title.chars().take(if page == Page::Wide { 22 } else { 16 }).collect();
            write(area, &title, (left - 8, middle), (INK, HPos::Right))?;
            bar(area, [(left, middle - 9), (end.max(left + 1), middle + 9)], MAIN)?;
            let figure = match page {
                Page::Wide => {
                    format!("{} gifts, {} coins", grouped(room.gifts), grouped(room.coins.unsigned_abs()))
                }
                Page::Phone => grouped(room.gifts),
            };
            write(area, &figure, (end + 8, middle), (MUTED, HPos::Left))?;
        }
        Ok(())
    })
}

/// A band of the flow: what it is called, how much it is, and its colour.
type Band = (&'static str, i64, RGBColor);

/// From recharge to payable: three columns of bands, joined by how the money went.
pub(super) fn flow(flow: &Flow, page: Page) -> Result<String, ReportError> {
    let kept = flow.spent_micros.saturating_sub(flow.refunded_micros);
    let left_over = flow.recharged_micros.saturating_sub(kept);
    let wallets: [Band; 2] = [("left in wallets", left_over, MUTED), ("spent on gifts", kept, MAIN)];
    let payable: [Band; 4] = [
        ("streamers", flow.streamer_payable_micros, MAIN),
        ("agencies", flow.agency_payable_micros, SECOND),
        ("tax", flow.tax_payable_micros, THIRD),
        ("platform", flow.platform_revenue_micros, FOURTH),
    ];
    let height = if page == Page::Wide { 300 } else { 340 };
    svg(page, height, |area| {
        let (top, gap) = (40, 34);
        let len = height - top - 4 * gap - 16;
        let whole = [flow.recharged_micros, kept, payable.iter().map(|band| band.1).sum()];
        let whole = whole.into_iter().max().unwrap_or_default().max(1).unsigned_abs();
        let tall = |micros: i64| scale(micros.max(0).unsigned_abs(), whole, len).max(i32::from(micros > 0));
        let columns = match page {
            Page::Wide => [4, 270, 540],
            Page::Phone => [4, 122, 236],
        };
        let label = |name: &str, micros: i64, (x, y): (i32, i32)| {
            write(area, name, (x, y - 22), (INK, HPos::Left))?;
            write(area, &yuan(micros), (x, y - 7), (MUTED, HPos::Left))
        };
        let [first, second, third] = columns;
        bar(area, [(first, top), (first + BAND_LEN, top + tall(flow.recharged_micros))], MAIN)?;
        label("recharged", flow.recharged_micros, (first, top))?;
        join_column(area, (first, top), (second, top), (&wallets, gap, &tall))?;
        // What is left goes nowhere; what was spent goes on from its own band.
        let spent_top = top + tall(left_over) + gap;
        for (x, top, bands) in [(second, top, wallets.as_slice()), (third, spent_top, payable.as_slice())] {
            let mut y = top;
            for (name, micros, color) in bands.iter().copied() {
                bar(area, [(x, y), (x + BAND_LEN, y + tall(micros))], color)?;
                label(name, micros, (x, y))?;
                y += tall(micros) + gap;
            }
        }
        join_column(area, (second, spent_top), (third, spent_top), (&payable, gap, &tall))
    })
}

/// Draws the ribbons from one undivided band to the bands of the next column.
fn join_column(
    area: &Area<'_>,
    (from_x, from_y): (i32, i32),
    (to_x, to_y): (i32, i32),
    (bands, gap, tall): (&[Band], i32, &dyn Fn(i64) -> i32),
) -> Drawn {
    let (mut out, mut into) = (from_y, to_y);
    for (_, micros, color) in bands.iter().copied() {
        let tall = tall(micros);
        let corners = vec![
            (from_x + BAND_LEN, out),
            (to_x, into),
            (to_x, into + tall),
            (from_x + BAND_LEN, out + tall),
        ];
        if tall > 0 {
            area.draw(&Polygon::new(corners, color.mix(0.25).filled()))?;
        }
        out += tall;
        into += tall + gap;
    }
    Ok(())
}
