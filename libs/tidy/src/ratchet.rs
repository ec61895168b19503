//! Sizes that may only fall: today's exceptions are listed with their size, and nothing grows past it.

use crate::{File, Finding, functions_of};
use std::collections::BTreeMap;

pub const FILE_LINES_MAX: usize = 600;
pub const FUNCTION_LINES_MAX: usize = 70;
/// Files whose size counts: what people read and change.
const SIZED: [&str; 6] = [".rs", ".sql", ".js", ".mjs", ".css", ".sh"];

/// Sizes in lines by place; for functions the place is `path::name`.
pub type Sizes = BTreeMap<String, usize>;

/// The checked-in exceptions.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ratchet {
    pub files: Sizes,
    pub functions: Sizes,
}

impl Ratchet {
    /// Reads the list of exceptions.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Ratchet, String> {
        let table: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
        let unknown = table.keys().find(|key| !matches!(key.as_str(), "files" | "functions"));
        if let Some(key) = unknown {
            return Err(format!("unknown key {key}"));
        }
        Ok(Ratchet { files: sizes(&table, "files")?, functions: sizes(&table, "functions")? })
    }

    /// Compares the tree with the limits and the exceptions.
    pub fn check(&self, files: &[File]) -> Vec<Finding> {
        let (file_sizes, function_sizes) = measure(files);
        let mut found = compare("files", &file_sizes, &self.files, FILE_LINES_MAX);
        found.extend(compare("functions", &function_sizes, &self.functions, FUNCTION_LINES_MAX));
        found
    }
}

fn sizes(table: &toml::Table, key: &str) -> Result<Sizes, String> {
    let Some(entries) = table.get(key) else { return Ok(Sizes::new()) };
    let entries = entries.as_table().ok_or(format!("{key} is not a table"))?;
    let size = |value: &toml::Value| value.as_integer().and_then(|lines| usize::try_from(lines).ok());
    let read = entries.iter().map(|(place, value)| {
        size(value).map(|lines| (place.clone(), lines)).ok_or(format!("{place} has no size in lines"))
    });
    read.collect()
}

/// Functions of one name in one file count as the longest of them.
fn measure(files: &[File]) -> (Sizes, Sizes) {
    let (mut by_file, mut by_function) = (Sizes::new(), Sizes::new());
    for file in files.iter().filter(|file| SIZED.iter().any(|ending| file.path.ends_with(ending))) {
        by_file.insert(file.path.clone(), file.text.lines().count());
        if !file.is_rust() {
            continue;
        }
        for (name, lines) in functions_of(&file.text) {
            let longest = by_function.entry(format!("{}::{name}", file.path)).or_default();
            *longest = lines.max(*longest);
        }
    }
    (by_file, by_function)
}

fn compare(table: &str, sizes: &Sizes, exceptions: &Sizes, lines_max: usize) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, &lines) in sizes {
        let what = match exceptions.get(place) {
            None if lines > lines_max => format!("{lines} lines, more than {lines_max}: split it"),
            Some(&before) if lines > before => format!("grew from {before} to {lines} lines: split it"),
            Some(&before) if lines < before && lines > lines_max => {
                format!("shrank from {before} to {lines} lines: lower its entry in [{table}] of ratchet.toml")
            }
            Some(_) if lines <= lines_max => format!("fits in {lines_max} lines: remove it from [{table}]"),
            _ => continue,
        };
        found.push(Finding::new(place, what));
    }
    for place in exceptions.keys().filter(|place| !sizes.contains_key(*place)) {
        found.push(Finding::new(place, format!("is gone: remove it from [{table}] of ratchet.toml")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{FILE_LINES_MAX, FUNCTION_LINES_MAX, Ratchet};
    use crate::File;

    fn file_of(lines: usize) -> File {
        File::new("libs/a/src/b.rs", &"//\n".repeat(lines))
    }

    fn function_of(lines: usize) -> File {
        let body = "    act();\n".repeat(lines - 2);
        File::new("libs/a/src/b.rs", &format!("fn act() {{\n{body}}}\n"))
    }

    fn with(entry: &str) -> Ratchet {
        Ratchet::parse(entry).expect("a readable list")
    }

    #[test]
    fn a_file_or_function_past_its_limit_is_caught_and_one_at_the_limit_is_not() {
        let none = Ratchet::default();
        assert_eq!(none.check(&[file_of(FILE_LINES_MAX)]), []);
        assert_eq!(none.check(&[file_of(FILE_LINES_MAX + 1)]).len(), 1);
        assert_eq!(none.check(&[function_of(FUNCTION_LINES_MAX)]), []);
        assert_eq!(none.check(&[function_of(FUNCTION_LINES_MAX + 1)]).len(), 1);
    }

    #[test]
    fn an_exception_may_stay_but_neither_grow_nor_be_left_too_high() {
        let ratchet = with("[files]\n\"libs/a/src/b.rs\" = 700");
        assert_eq!(ratchet.check(&[file_of(700)]), []);
        for (lines, word) in [(701, "grew"), (699, "lower"), (600, "remove")] {
            let found = ratchet.check(&[file_of(lines)]);
            assert!(found.len() == 1 && found[0].what.contains(word), "{lines}: {found:?}");
        }
        assert!(ratchet.check(&[])[0].what.contains("gone"));
    }

    #[test]
    fn a_function_exception_is_named_by_path_and_name() {
        let ratchet = with("[functions]\n\"libs/a/src/b.rs::act\" = 80");
        assert_eq!(ratchet.check(&[function_of(80)]), []);
        assert_eq!(ratchet.check(&[function_of(81)]).len(), 1);
    }

    #[test]
    fn a_list_with_an_unknown_key_or_without_a_size_is_refused() {
        assert!(Ratchet::parse("[file]\n").is_err());
        assert!(Ratchet::parse("[files]\n\"a.rs\" = \"many\"").is_err());
    }
}
