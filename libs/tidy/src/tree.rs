//! The text files of the project, without what is built or recorded.

use std::path::{Path, PathBuf};

/// Folders that hold no source: built, versioned or recorded.
const SKIPPED_FOLDERS: [&str; 5] = ["target", ".git", "snapshots", "node_modules", "proptest-regressions"];
/// What is read as text, by ending; files without one are read by name.
const TEXT: [&str; 12] = ["rs", "toml", "md", "sql", "sh", "js", "mjs", "css", "html", "yml", "yaml", "conf"];
const NAMED: [&str; 2] = ["Makefile", "run"];

/// One file: its path from the root, and its text.
#[derive(Clone, Debug)]
pub struct File {
    pub path: String,
    pub text: String,
}

impl File {
    pub fn new(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The path without its folders and ending.
    pub fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.split('.').next().unwrap_or_default()
    }
}

/// The folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every text file below `root`, by path.
///
/// # Errors
/// Whatever reading a folder or a file says.
pub fn files(root: &Path) -> std::io::Result<Vec<File>> {
    let mut found = Vec::new();
    collect(root, "", &mut found)?;
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<File>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if entry.file_type()?.is_dir() {
            if !SKIPPED_FOLDERS.contains(&name.as_str()) {
                collect(&entry.path(), &path, found)?;
            }
        } else if is_text(&name) {
            let bytes = std::fs::read(entry.path())?;
            found.push(File { path, text: String::from_utf8_lossy(&bytes).into_owned() });
        }
    }
    Ok(())
}

fn is_text(name: &str) -> bool {
    match name.rsplit_once('.') {
        Some((_, ending)) => TEXT.contains(&ending),
        None => NAMED.contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::{File, files, is_text, root};

    #[test]
    fn the_walk_finds_sources_and_leaves_out_what_is_built() {
        let found = files(&root()).expect("the tree is readable");
        assert!(found.iter().any(|file| file.path == "libs/tidy/src/tree.rs"));
        assert!(found.iter().any(|file| file.path == "Makefile"));
        assert!(!found.iter().any(|file| file.path.starts_with("target/")));
    }

    #[test]
    fn pictures_and_lock_files_are_not_text() {
        assert!(is_text("lib.rs") && is_text("Makefile"));
        assert!(!is_text("room.png") && !is_text("Cargo.lock"));
        assert_eq!(File::new("libs/pg/src/db.rs", "").stem(), "db");
    }
}
