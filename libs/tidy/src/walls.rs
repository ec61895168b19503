//! The walls between crates, read from their manifests: arrows point down only, and one crate per outside world.

use crate::{File, Finding};
use std::collections::BTreeMap;

/// Where a crate stands. What stands above may use what stands below, as [`Tier::may_use`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tier {
    Pure,
    Adapter,
    Kit,
    /// Proves the books from the tables.
    Books,
    Service,
    /// The one binary.
    Binary,
    /// Acts from outside.
    Loadtest,
    Chaos,
    Testkit,
    Tidy,
}

impl Tier {
    fn of(crate_folder: &str) -> Option<Tier> {
        Some(match crate_folder {
            "libs/money" | "libs/ids" | "libs/contracts" | "libs/bills" | "libs/exports"
            | "libs/matching" => Tier::Pure,
            "libs/seqlog" | "libs/bus" | "libs/pg" | "libs/cache" | "libs/edge" | "libs/telemetry"
            | "libs/peer" | "libs/trail" => Tier::Adapter,
            "libs/hotkey" | "libs/refresh" | "libs/guard" | "libs/lane" | "libs/routes" => Tier::Kit,
            "libs/books" => Tier::Books,
            "libs/testkit" => Tier::Testkit,
            "libs/tidy" => Tier::Tidy,
            "services/largesse" => Tier::Binary,
            "loadtest" => Tier::Loadtest,
            "chaos" => Tier::Chaos,
            other if other.starts_with("services/") => Tier::Service,
            // The benches of a library, in a workspace of their own: they stand outside, beside their anchors.
            other if other.starts_with("libs/") && other.ends_with("/benches") => Tier::Loadtest,
            _ => return None,
        })
    }

    fn may_use(self, below: Tier) -> bool {
        use Tier::{Adapter, Binary, Books, Chaos, Kit, Loadtest, Pure, Service, Testkit, Tidy};
        match self {
            Pure => matches!(below, Pure),
            Adapter | Testkit | Books => matches!(below, Pure | Adapter),
            Kit | Service | Loadtest => {
                matches!(below, Pure | Adapter | Kit) && !(self == Kit && below == Service)
            }
            Binary => matches!(below, Pure | Adapter | Kit | Books | Service | Loadtest),
            Chaos => matches!(below, Pure | Adapter | Kit | Books | Service | Loadtest | Testkit),
            Tidy => false,
        }
    }
}

/// Single doors in the walls, each with its reason.
const DOORS: [(&str, &str); 4] = [
    ("edge", "guard"),  // Overload is refused at the edge, before any work.
    ("peer", "guard"),  // Other processes are called through declared dependencies,
    ("cache", "guard"), // and so is Redis.
    ("edge", "lane"),   // The lane is set at the edge and nowhere else.
];

/// Packages that one crate alone may know. Tests and benches may anchor themselves to them.
const CONFINED: [(&str, &str); 7] = [
    ("lapin", "bus"),
    ("redis", "cache"),
    ("opentelemetry", "telemetry"),
    ("tracing-opentelemetry", "telemetry"),
    ("pglite-oxide", "pg"),
    ("hyper", "peer"),
    ("hyper-util", "peer"),
];

/// Packages that reach an outside world: no pure crate may use them.
const IMPURE: [&str; 9] =
    ["tokio", "sqlx", "axum", "reqwest", "tower", "tower-http", "metrics", "tracing", "futures"];

/// One crate's manifest, as far as the walls go.
#[derive(Debug)]
pub struct Crate {
    folder: String,
    name: String,
    uses: Vec<String>,
    uses_in_tests: Vec<String>,
}

/// Reads the manifests of the workspace's members.
///
/// # Errors
/// The manifest that cannot be read, and why.
pub fn crates(files: &[File]) -> Result<Vec<Crate>, String> {
    // A library's benches are a workspace of their own, so that no suite compiles their anchors.
    let is_member = |path: &str| path.ends_with("/Cargo.toml") && !path.ends_with("/benches/Cargo.toml");
    let manifests = files.iter().filter(|file| is_member(&file.path));
    manifests.map(|file| read(file).map_err(|reason| format!("{}: {reason}", file.path))).collect()
}

fn read(file: &File) -> Result<Crate, String> {
    let table: toml::Table = file.text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let name = table.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    let mut read = Crate {
        folder: file.path.trim_end_matches("/Cargo.toml").to_owned(),
        name: name.ok_or("no package name")?.to_owned(),
        uses: Vec::new(),
        uses_in_tests: Vec::new(),
    };
    collect(&table, &mut read);
    let targets = table.get("target").and_then(toml::Value::as_table);
    for target in targets.into_iter().flat_map(toml::Table::values).filter_map(toml::Value::as_table) {
        collect(target, &mut read);
    }
    Ok(read)
}

fn collect(table: &toml::Table, read: &mut Crate) {
    for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
        let list = if kind == "dev-dependencies" { &mut read.uses_in_tests } else { &mut read.uses };
        let entries = table.get(kind).and_then(toml::Value::as_table);
        for (name, entry) in entries.into_iter().flatten() {
            // A renamed package is known by its own name.
            let package = entry.get("package").and_then(toml::Value::as_str);
            list.push(package.unwrap_or(name).to_owned());
        }
    }
}

/// The folder's own name; benches are called after their library.
fn expected_name(folder: &str) -> String {
    let mut parts = folder.rsplit('/');
    match (parts.next(), parts.next()) {
        (Some("benches"), Some(library)) => format!("{library}-benches"),
        (Some(name), _) => name.to_owned(),
        (None, _) => String::new(),
    }
}

/// Dependencies that no wall allows.
pub fn broken_walls(crates: &[Crate]) -> Vec<Finding> {
    let mut found = Vec::new();
    let tiers: BTreeMap<&str, Tier> =
        crates.iter().filter_map(|one| Some((one.name.as_str(), Tier::of(&one.folder)?))).collect();
    for one in crates {
        let Some(tier) = Tier::of(&one.folder) else {
            found.push(Finding::new(&one.folder, "stands in no tier: give it one in libs/tidy/src/walls.rs"));
            continue;
        };
        if expected_name(&one.folder) != one.name {
            found.push(Finding::new(
                &one.folder,
                format!("its crate is called {}: one name for both", one.name),
            ));
        }
        for name in &one.uses {
            if let Some(&below) = tiers.get(name.as_str())
                && !tier.may_use(below)
                && !DOORS.contains(&(one.name.as_str(), name.as_str()))
            {
                found.push(Finding::new(&one.folder, format!("{tier:?} must not use {name} ({below:?})")));
            }
            if let Some(owner) = owner_of(name).filter(|owner| *owner != one.name) {
                found.push(Finding::new(&one.folder, format!("only {owner} may use {name}")));
            }
            if tier == Tier::Pure && IMPURE.contains(&name.as_str()) {
                found.push(Finding::new(&one.folder, format!("a pure crate must not use {name}")));
            }
        }
        for name in &one.uses_in_tests {
            if let Some(&below) = tiers.get(name.as_str())
                && !tier.may_use(below)
                && !matches!(below, Tier::Testkit | Tier::Books)
                && !(tier == Tier::Binary && below == Tier::Chaos)
            // Its processes are what chaos kills.
            {
                found.push(Finding::new(
                    &one.folder,
                    format!("not even its tests may use {name} ({below:?})"),
                ));
            }
        }
    }
    found
}

fn owner_of(package: &str) -> Option<&'static str> {
    let is = |confined: &str| {
        package == confined || (confined == "opentelemetry" && package.starts_with(confined))
    };
    CONFINED.iter().find(|(confined, _)| is(confined)).map(|(_, owner)| *owner)
}

#[cfg(test)]
mod tests {
    use super::{broken_walls, crates};
    use crate::File;

    /// A small workspace in which `folder` has the given tables.
    fn broken(folder: &str, tables: &str) -> Vec<String> {
        let name = folder.rsplit('/').next().unwrap_or_default();
        let others = ["libs/money", "libs/pg", "libs/guard", "libs/books", "libs/testkit", "services/wallet"];
        let mut files: Vec<File> = others
            .iter()
            .filter(|other| **other != folder)
            .map(|other| {
                let name = other.rsplit('/').next().unwrap_or_default();
                File::new(&format!("{other}/Cargo.toml"), &format!("[package]\nname = \"{name}\""))
            })
            .collect();
        let text = format!("[package]\nname = \"{name}\"\n{tables}");
        files.push(File::new(&format!("{folder}/Cargo.toml"), &text));
        let found = broken_walls(&crates(&files).expect("readable manifests"));
        found.into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn arrows_that_point_up_are_caught() {
        let bad = [
            ("libs/money", "pg"),
            ("libs/pg", "guard"),
            ("libs/guard", "wallet"),
            ("services/gift", "wallet"),
            ("services/gift", "books"),
            ("services/gift", "testkit"),
            ("loadtest", "wallet"),
            ("libs/tidy", "money"),
        ];
        for (folder, used) in bad {
            let found = broken(folder, &format!("[dependencies]\n{used}.workspace = true"));
            assert_eq!(found.len(), 1, "{folder} -> {used}: {found:?}");
        }
    }

    #[test]
    fn arrows_that_point_down_and_the_one_door_are_not() {
        let good = [
            ("libs/pg", "money"),
            ("libs/guard", "pg"),
            ("libs/edge", "guard"),
            ("services/gift", "guard"),
            ("services/largesse", "wallet"),
            ("services/largesse", "books"),
            ("chaos", "testkit"),
        ];
        for (folder, used) in good {
            let found = broken(folder, &format!("[dependencies]\n{used}.workspace = true"));
            assert_eq!(found, [""; 0], "{folder} -> {used}");
        }
    }

    #[test]
    fn tests_may_use_testkit_and_books_but_no_other_service() {
        assert_eq!(broken("services/gift", "[dev-dependencies]\ntestkit = {}\nbooks = {}"), [""; 0]);
        assert_eq!(broken("services/gift", "[dev-dependencies]\nwallet = {}").len(), 1);
    }

    #[test]
    fn a_confined_package_is_caught_even_renamed_or_for_one_target() {
        for tables in [
            "[dependencies]\nlapin = \"1\"",
            "[dependencies]\nrabbit = { package = \"lapin\", version = \"1\" }",
            "[target.'cfg(unix)'.dependencies]\nlapin = \"1\"",
            "[build-dependencies]\nlapin = \"1\"",
            "[dependencies]\nopentelemetry_sdk = \"1\"",
        ] {
            assert_eq!(broken("services/gift", tables).len(), 1, "{tables}");
        }
        assert_eq!(broken("libs/bus", "[dependencies]\nlapin = \"1\""), [""; 0]);
        assert_eq!(broken("libs/hotkey", "[dev-dependencies]\nredis = \"1\""), [""; 0]);
    }

    #[test]
    fn a_pure_crate_that_reaches_outside_is_caught() {
        assert_eq!(broken("libs/money", "[dependencies]\ntokio = \"1\"").len(), 1);
    }

    #[test]
    fn a_crate_without_a_tier_or_with_another_name_than_its_folder_is_caught() {
        assert_eq!(broken("libs/rockets", "").len(), 1);
        let file = File::new("libs/money/Cargo.toml", "[package]\nname = \"cash\"");
        assert_eq!(broken_walls(&crates(&[file]).expect("a readable manifest")).len(), 1);
    }
}
