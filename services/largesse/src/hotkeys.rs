//! `largesse hotkeys`: what a process of ours reads most, and what it serves from memory, now.

use crate::ask::ask_as_sre;
use crate::cli::HotkeysArgs;
use crate::failure::Failure;
use axum::routing::get;
use axum::{Json, Router};
use edge::InternalOrSre;
use hotkey::{HotRow, HotTable};
use std::fmt::Write as _;
use std::process::ExitCode;

/// Where a process says what is hot.
pub const HOTKEYS_PATH: &str = "/internal/hotkeys";

const COLUMNS: usize = 7;

/// Says what is hot, to other processes and to SREs: one table for each shelf of the cache, and none where nothing is
/// read through hot keys.
pub fn routes(gift: Option<gift::HotKeys>) -> Router {
    let tables = move || gift.as_ref().map(gift::HotKeys::tables).unwrap_or_default();
    Router::new().route(HOTKEYS_PATH, get(async move |_who: InternalOrSre| Json(tables())))
}

/// Prints the tables of a running process.
///
/// # Errors
/// [`Failure`] where the process cannot be asked.
pub async fn run(args: HotkeysArgs) -> Result<ExitCode, Failure> {
    let tables: Vec<HotTable> = ask_as_sre(&args.url, HOTKEYS_PATH, &args.data_dir, "hotkeys").await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&tables).unwrap_or_default()); // Plain values always print.
    } else {
        print!("{}", text_of(&tables));
    }
    Ok(ExitCode::SUCCESS)
}

fn text_of(tables: &[HotTable]) -> String {
    if tables.is_empty() {
        return "Nothing is read through hot keys here: ask a process that runs gift.\n".to_owned();
    }
    let mut text = String::new();
    for table in tables {
        let hot = table.rows.iter().filter(|row| row.hot).count();
        let _ = writeln!(
            text,
            "{}: {hot} of at most {} keys hot (from {} reads/s on), {} of at most {} bytes held, node {}",
            table.shelf.name(),
            table.keys_max,
            table.hot_per_s,
            table.held_bytes,
            table.bytes_max,
            table.node,
        ); // A string takes everything.
        text.push_str(&rows_of(&table.rows));
    }
    text
}

fn rows_of(rows: &[HotRow]) -> String {
    let head = ["key", "state", "here/s", "all/s", "hot for", "from memory", "held bytes"];
    let mut lines = vec![head.map(str::to_owned)];
    for row in rows {
        let or_none = |number: Option<String>| number.unwrap_or_else(|| "-".to_owned());
        lines.push([
            row.key.clone(),
            state_of(row),
            row.rates.here_per_s.to_string(),
            row.rates.everywhere_per_s.to_string(),
            or_none(row.hot_for_ms.map(|ms| format!("{} s", ms / 1_000))),
            row.hits.to_string(),
            or_none(row.held_bytes.map(|bytes| bytes.to_string())),
        ]);
    }
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
    });
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> =
            line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
    }
    text
}

fn state_of(row: &HotRow) -> String {
    let state = if row.hot { "hot" } else { "warm" };
    match row.by_hand {
        Some(hotkey::ByHand::Pinned) => format!("{state}, pinned"),
        Some(hotkey::ByHand::Denied) => format!("{state}, denied"),
        Some(hotkey::ByHand::Watched) => format!("{state}, watched"),
        None => state.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::text_of;
    use hotkey::HotTable;
    use serde_json::json;

    fn table(rows: &serde_json::Value) -> HotTable {
        let table = json!({"node": "018f0000-0000-7000-8000-000000000001", "shelf": "rank", "hot_per_s": 500,
            "keys_max": 1000, "bytes_max": 16_777_216, "held_bytes": 1_320, "rows": rows});
        serde_json::from_value(table).expect("what the route sends")
    }

    #[test]
    fn a_table_shows_what_is_hot_for_how_long_and_what_only_warms_up() {
        let rows = json!([
            {"key": "a room", "hot": true, "by_hand": "pinned", "here_per_s": 812, "everywhere_per_s": 4_100,
             "hot_for_ms": 12_900, "hits": 9_311, "held_bytes": 1_320},
            {"key": "b", "hot": false, "by_hand": null, "here_per_s": 7, "everywhere_per_s": 7,
             "hot_for_ms": null, "hits": 0, "held_bytes": null}]);
        let expected = "\
rank: 1 of at most 1000 keys hot (from 500 reads/s on), 1320 of at most 16777216 bytes held, node \
018f0000-0000-7000-8000-000000000001
  key     state        here/s  all/s  hot for  from memory  held bytes
  a room  hot, pinned  812     4100   12 s     9311         1320
  b       warm         7       7      -        0            -
";
        assert_eq!(text_of(&[table(&rows)]), expected);
    }

    #[test]
    fn a_process_without_gift_says_so() {
        assert!(text_of(&[]).contains("ask a process that runs gift"));
    }
}
