//! What the big batch refuses, and that it ends when it does.

use crate::keyed_faults::{run, settings};
use crate::planted::{Dice, row};
use matching::Side;
use matching::keyed::{
    Each, KEY_BYTES_MAX, KeyedError, Kind, MEMORY_BYTES_MIN, Progress, Read, RowBuf, Rows, Settings,
    SourceError, compare,
};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

fn refused(left: impl Rows + Send, right: impl Rows + Send, settings: &Settings) -> KeyedError {
    let go_on = |_| ControlFlow::Continue(());
    compare(left, right, settings, &go_on, &mut |_| {}).expect_err("it is refused")
}

fn rows(len: usize) -> Vec<RowBuf> {
    let mut dice = Dice::new(1);
    (0..len).map(|number| row(number, &mut dice)).collect()
}

/// Gives so many good rows, then bad ones, or breaks.
struct Bad {
    good: u64,
    breaks: Option<&'static str>,
    row: RowBuf,
}

impl Rows for Bad {
    fn next_row(&mut self) -> Result<Option<Read<'_>>, SourceError> {
        if self.good > 0 {
            self.good -= 1;
            self.row.key = self.good.to_string().into_bytes();
            return Ok(Some(Read::Row(self.row.as_row())));
        }
        match self.breaks {
            Some(reason) => Err(reason.into()),
            None => Ok(Some(Read::Invalid("torn".to_owned()))),
        }
    }
}

#[test]
fn settings_that_cannot_be_kept_are_refused() {
    let nothing = || Each::new(Vec::new());
    let small = Settings { memory_bytes_max: MEMORY_BYTES_MIN - 1, ..settings() };
    assert!(matches!(refused(nothing(), nothing(), &small), KeyedError::Settings(_)));
    for threads in [0, 65] {
        let threads = Settings { threads, ..settings() };
        assert!(matches!(refused(nothing(), nothing(), &threads), KeyedError::Settings(_)));
    }
}

#[test]
fn a_row_that_cannot_be_kept_is_a_difference_with_its_number() {
    let mut left = rows(3);
    left[1].key = vec![b'k'; KEY_BYTES_MAX + 1];
    let (found, summary) = run(&left, &rows(3), &settings());
    let told: Vec<_> = found
        .iter()
        .map(|difference| (difference.kind, difference.invalid.as_ref().map(|invalid| invalid.number)))
        .collect();
    assert_eq!(told, [(Kind::InvalidLeft, Some(2)), (Kind::OnlyRight, None)]);
    assert_eq!((summary.left_rows, summary.matched), (3, 2));
}

#[test]
fn a_side_of_rows_that_cannot_be_read_is_given_up() {
    let settings = Settings { invalid_rows_max: 10, ..settings() };
    let bad = Bad { good: 5, breaks: None, row: RowBuf::default() };
    let error = refused(Each::new(rows(5)), bad, &settings);
    assert!(matches!(error, KeyedError::TooManyInvalid { side: Side::Right, max: 10 }), "{error}");
}

#[test]
fn a_side_that_breaks_ends_both_and_says_where() {
    for threads in [1, 2] {
        let breaks = Bad { good: 70_000, breaks: Some("the disk is gone"), row: RowBuf::default() };
        // The other side has no end of its own: only being told to stop ends it.
        let endless = Bad { good: u64::MAX, breaks: None, row: RowBuf::default() };
        let error = refused(breaks, endless, &Settings { threads, ..settings() });
        let KeyedError::Source { side: Side::Left, after_row: 70_000, source } = error else {
            panic!("{error}")
        };
        assert_eq!(source.to_string(), "the disk is gone");
    }
}

#[test]
fn the_spill_has_a_limit_and_a_folder_that_must_be_there() {
    let big = || Each::new(rows(300_000));
    let little = Settings { memory_bytes_max: 32 << 20, spill_bytes_max: 1 << 20, ..settings() };
    assert!(matches!(refused(big(), big(), &little), KeyedError::SpillTooLarge { .. }));
    let nowhere = Settings { memory_bytes_max: 32 << 20, ..Settings::new("/nowhere/at/all") };
    assert!(matches!(refused(big(), big(), &nowhere), KeyedError::Spill { .. }));
}

#[test]
fn nothing_is_left_in_the_spill_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { memory_bytes_max: 32 << 20, ..Settings::new(folder.path()) };
    let (_, summary) = run(&rows(300_000), &rows(300_000), &settings);
    assert!(summary.spilled_bytes > 0);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn one_key_with_more_rows_than_fit_is_an_error_and_no_hang() {
    let same = (0..200_000).map(|_| RowBuf { key: b"always the same".to_vec(), ..RowBuf::default() });
    let settings = Settings { memory_bytes_max: 32 << 20, threads: 2, ..settings() };
    let error = refused(Each::new(same), Each::new(Vec::new()), &settings);
    assert!(matches!(error, KeyedError::KeyTooHeavy { .. }), "{error}");
}

#[test]
fn a_mass_of_differences_streams_through() {
    let (found, summary) = run(&rows(20_000), &[], &settings());
    assert_eq!((found.len(), summary.kinds[&Kind::OnlyLeft]), (20_000, 20_000));
}

#[test]
fn the_watcher_sees_everything_and_may_stop_it() {
    let most = AtomicU64::new(0);
    let watch = |progress: Progress| {
        most.fetch_max(progress.rows_read + progress.partitions_merged, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    let sides = || (Each::new(rows(70_000)), Each::new(rows(70_000)));
    let (left, right) = sides();
    compare(left, right, &settings(), &watch, &mut |_| {}).expect("compared");
    assert_eq!(most.load(Ordering::Relaxed), 140_000 + Progress::PARTITIONS);
    let (left, right) = sides();
    let stop = |progress: Progress| {
        if progress.partitions_merged > 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let error = compare(left, right, &settings(), &stop, &mut |_| {}).expect_err("it is stopped");
    assert!(matches!(error, KeyedError::Stopped), "{error}");
}
