//! What every text file must say, and must not.

use crate::{File, Finding};

/// Rust files that do not open with what they own.
pub fn missing_openings(files: &[File]) -> Vec<Finding> {
    let silent = files.iter().filter(|file| file.is_rust() && !file.text.starts_with("//! "));
    silent
        .map(|file| Finding::new(&file.path, "open with `//!`: what it owns, what it must not do"))
        .collect()
}

/// Marks of unfinished work. An issue can be found again; a mark in a file cannot.
pub fn unfinished_marks(files: &[File]) -> Vec<Finding> {
    // Put together here, or this file would find itself.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["HA", "CK"]].map(|halves| halves.concat());
    lines_where(files, |line| {
        let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let mark = words.find(|word| marks.iter().any(|mark| mark == word))?;
        Some(format!("{mark}: finish it, or file an issue"))
    })
}

/// Paths that exist on somebody's machine only.
pub fn machine_paths(files: &[File]) -> Vec<Finding> {
    let paths = ["work", "root", "home", "Users"].map(|folder| format!("/{folder}/"));
    lines_where(files, |line| {
        let path =
            paths.iter().find(|path| line.match_indices(*path).any(|(at, _)| begins_path(&line[..at])))?;
        Some(format!("{path}… exists on one machine only"))
    })
}

/// Whether what stands before a slash leaves it the first of a path: `a/home/` and `example.org/home/` do not.
fn begins_path(before: &str) -> bool {
    !before
        .chars()
        .next_back()
        .is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '~'))
}

/// Spaces that nobody sees and every diff shows.
pub fn trailing_whitespace(files: &[File]) -> Vec<Finding> {
    lines_where(files, |line| {
        let trailing = line.ends_with([' ', '\t', '\r']);
        trailing.then(|| "ends with white space".to_owned())
    })
}

fn lines_where(files: &[File], rule: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in (1..).zip(file.text.split('\n')) {
            found.extend(rule(line).map(|what| Finding::new(format!("{}:{number}", file.path), what)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{machine_paths, missing_openings, trailing_whitespace, unfinished_marks};
    use crate::File;

    fn file(text: &str) -> [File; 1] {
        [File::new("libs/a/src/b.rs", text)]
    }

    #[test]
    fn a_rust_file_that_does_not_say_what_it_owns_is_caught() {
        assert_eq!(missing_openings(&file("use std::fmt;\n//! Late.\n")).len(), 1);
        assert_eq!(missing_openings(&file("// Not a doc comment.\n")).len(), 1);
        assert_eq!(missing_openings(&file("//! Owns b.\n")), []);
    }

    #[test]
    fn unfinished_marks_are_caught_with_their_line() {
        for mark in [["TO", "DO"], ["FIX", "ME"]].map(|halves| halves.concat()) {
            let found = unfinished_marks(&file(&format!("one\n// {mark}: later\n")));
            assert_eq!(found.len(), 1, "{mark}");
            assert_eq!(found[0].place, "libs/a/src/b.rs:2");
        }
        assert_eq!(unfinished_marks(&file("// todo!() is clippy's to catch, and TODOS a name")), []);
    }

    #[test]
    fn a_path_of_one_machine_is_caught_and_a_path_inside_something_is_not() {
        for folder in ["work", "root", "home"] {
            assert_eq!(machine_paths(&file(&format!("open(\"/{folder}/ann/x\")"))).len(), 1, "{folder}");
        }
        assert_eq!(machine_paths(&file("https://example.org/home/ and docs/work/x")), []);
    }

    #[test]
    fn trailing_whitespace_is_caught() {
        for line in ["a \nb", "a\t\nb", "a\r\nb", "last "] {
            assert_eq!(trailing_whitespace(&file(line)).len(), 1, "{line:?}");
        }
        assert_eq!(trailing_whitespace(&file("a\n\n  b\n")), []);
    }
}
