//! Every house rule over the whole tree. That each rule catches a bad sample is proven beside the rule.

mod signals;

use std::fmt::Write;
use tidy::{File, Finding, Ratchet};

fn tree() -> Vec<File> {
    let files = tidy::files(&tidy::root()).expect("the tree is readable");
    assert!(files.len() > 50, "the walk found only {} files", files.len());
    files
}

/// Fails with every finding, not just the first.
#[track_caller]
fn assert_none(mut found: Vec<Finding>) {
    found.sort();
    let mut list = String::new();
    for finding in &found {
        let _ = writeln!(list, "  {finding}");
    }
    assert!(found.is_empty(), "{} findings:\n{list}", found.len());
}

#[test]
fn the_walls_between_crates_stand() {
    let crates = tidy::crates(&tree()).expect("readable manifests");
    assert_none(tidy::broken_walls(&crates));
}

#[test]
fn the_rooms_of_services_are_kept() {
    assert_none(tidy::broken_rooms(&tree()));
}

#[test]
fn files_and_functions_grow_past_no_limit() {
    let list =
        std::fs::read_to_string(tidy::root().join("libs/tidy/ratchet.toml")).expect("the list is there");
    let ratchet = Ratchet::parse(&list).expect("the list is readable");
    assert_none(ratchet.check(&tree()));
}

#[test]
fn every_rust_file_opens_with_what_it_owns() {
    assert_none(tidy::missing_openings(&tree()));
}

#[test]
fn names_of_files_and_modules_say_something() {
    assert_none(tidy::banned_names(&tree()));
    assert_none(tidy::mod_files(&tree()));
}

#[test]
fn no_file_carries_a_mark_of_unfinished_work() {
    assert_none(tidy::unfinished_marks(&tree()));
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    assert_none(tidy::machine_paths(&tree()));
}

#[test]
fn no_line_ends_with_white_space() {
    assert_none(tidy::trailing_whitespace(&tree()));
}

#[test]
fn every_migration_is_part_of_a_service() {
    assert_none(tidy::unused_migrations(&tree()));
}
