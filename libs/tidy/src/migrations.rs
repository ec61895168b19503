//! Every file of `migrations/` is part of the program.

use crate::{File, Finding};

/// Migrations that no Rust file includes: they would never run.
pub fn unused_migrations(files: &[File]) -> Vec<Finding> {
    let sources: Vec<&File> = files.iter().filter(|file| file.is_rust()).collect();
    let is_used = |migration: &File| {
        let included = format!("/{}\"", migration.path);
        sources.iter().any(|source| source.path.contains("/src/") && source.text.contains(&included))
    };
    let migrations =
        files.iter().filter(|file| file.path.starts_with("migrations/") && file.path.ends_with(".sql"));
    migrations
        .filter(|file| !is_used(file))
        .map(|file| Finding::new(&file.path, "is in no service's MIGRATOR, so it never runs"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::unused_migrations;
    use crate::File;

    #[test]
    fn a_migration_that_never_runs_is_caught() {
        let files = [
            File::new("migrations/wallet/0101_init.sql", ""),
            File::new("migrations/wallet/0102_more.sql", ""),
            File::new(
                "services/wallet/src/lib.rs",
                r#"include_str!("../../../migrations/wallet/0101_init.sql")"#,
            ),
            File::new(
                "libs/books/tests/it/by_hand.rs",
                r#"include_str!("../migrations/wallet/0102_more.sql")"#,
            ),
        ];
        let found = unused_migrations(&files);
        assert_eq!(
            found.iter().map(|it| it.place.as_str()).collect::<Vec<_>>(),
            ["migrations/wallet/0102_more.sql"]
        );
    }
}
