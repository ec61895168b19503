//! Names that say nothing are not used for files or modules.

use crate::{File, Finding, code_only};

const BANNED: [&str; 12] = [
    "manager", "managers", "helper", "helpers", "util", "utils", "utility", "common", "misc", "mgr", "data",
    "info",
];

fn says_nothing(name: &str) -> bool {
    name.split(['_', '-']).any(|word| BANNED.contains(&word))
}

/// Rust files, their folders, and modules with a banned word in their name.
pub fn banned_names(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let folders = file.path.split('/').rev().skip(1);
        for name in folders.chain([file.stem()]).filter(|name| says_nothing(name)) {
            found
                .push(Finding::new(&file.path, format!("the name `{name}` says nothing: name what it owns")));
        }
        for name in modules_of(&file.text).into_iter().filter(|name| says_nothing(name)) {
            found.push(Finding::new(
                &file.path,
                format!("the module `{name}` says nothing: name what it owns"),
            ));
        }
    }
    found
}

fn modules_of(text: &str) -> Vec<String> {
    let code = code_only(text);
    let mut words = code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        if word == "mod" {
            found.extend(words.next().map(str::to_owned));
        }
    }
    found
}

/// `mod.rs` files: a dozen tabs of that name tell nobody anything.
pub fn mod_files(files: &[File]) -> Vec<Finding> {
    let named = files.iter().filter(|file| file.is_rust() && file.stem() == "mod");
    named.map(|file| Finding::new(&file.path, "name the file after its module instead")).collect()
}

#[cfg(test)]
mod tests {
    use super::{banned_names, mod_files};
    use crate::File;

    #[test]
    fn a_name_that_says_nothing_is_caught_in_files_folders_and_modules() {
        let path = "libs/a/src/order.rs";
        let bad = [
            File::new("libs/a/src/gift_manager.rs", ""),
            File::new("libs/utils/src/lib.rs", ""),
            File::new(path, "pub mod test_helpers { }"),
        ];
        for file in bad {
            assert_eq!(banned_names(std::slice::from_ref(&file)).len(), 1, "{file:?}");
        }
        let good = [File::new(path, "mod order; // mod common\n"), File::new("libs/a/src/informed.rs", "")];
        assert_eq!(banned_names(&good), []);
    }

    #[test]
    fn a_file_called_mod_is_caught() {
        assert_eq!(mod_files(&[File::new("libs/a/src/store/mod.rs", "")]).len(), 1);
        assert_eq!(mod_files(&[File::new("libs/a/src/modes.rs", "")]), []);
    }
}
