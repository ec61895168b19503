//! Invariant under test: whatever the bus does to messages, a cursor hands out each row once, in order.

use crate::notes::{Note, note};
use contracts::log::{EpochStart, HeadMark, LogRow, Page, Seq, Stretch};
use ids::Partition;
use proptest::prelude::*;
use seqlog::{Cursor, Offer};

fn partition() -> Partition {
    Partition::try_new(7).expect("7 is a partition")
}

fn row(seq: Seq, epoch: i64) -> Note {
    let mut row = note(partition(), seq);
    row.stamp_mut().seq = seq;
    row.stamp_mut().epoch = epoch;
    row
}

fn stretch(epoch_start: EpochStart, rows: Vec<Note>) -> Stretch<Note> {
    Stretch::of_rows(epoch_start, rows).expect("a row at least")
}

fn mark(epoch: i64, last_seq: Seq) -> HeadMark {
    HeadMark { partition: partition(), epoch, last_seq, closed_until: chrono::DateTime::UNIX_EPOCH }
}

/// What the bus does to one message.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Lost,
    Once,
    Twice,
    Late,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![Just(Fate::Lost), Just(Fate::Once), Just(Fate::Twice), Just(Fate::Late)]
}

proptest! {
    #[test]
    fn every_row_is_handed_out_once_and_in_order(
        sizes in prop::collection::vec((1_usize..6, fate(), prop::bool::ANY), 1..40),
        take in 1_usize..7,
    ) {
        // The source: batches in a row; a new epoch now and then.
        let (mut batches, mut seq, mut start) = (Vec::new(), 0, EpochStart { epoch: 1, first_seq: 1 });
        for (len, fate, new_epoch) in &sizes {
            if *new_epoch && seq > 0 {
                start = EpochStart { epoch: start.epoch + 1, first_seq: seq + 1 };
            }
            let rows: Vec<Note> = (0..*len).map(|_| { seq += 1; row(seq, start.epoch) }).collect();
            batches.push((start, rows, *fate));
        }
        let table: Vec<Note> = batches.iter().flat_map(|(_, rows, _)| rows.clone()).collect();
        let epochs: Vec<EpochStart> = batches.iter().map(|(start, ..)| *start).collect();

        let mut cursor = Cursor::new(0, 0);
        let mut applied: Vec<Seq> = Vec::new();
        let mut late = Vec::new();
        let mut apply = |cursor: &mut Cursor<Note>| {
            let rows = cursor.take(take);
            if let Some(last) = rows.last() {
                cursor.applied(last.stamp().epoch, last.stamp().seq);
            }
            applied.extend(rows.iter().map(|row| row.stamp().seq));
        };
        for (start, rows, fate) in batches {
            let batch = stretch(start, rows);
            match fate {
                Fate::Lost => {}
                Fate::Once => { cursor.offer(batch); }
                Fate::Twice => { cursor.offer(batch.clone()); cursor.offer(batch); }
                Fate::Late => late.push(batch),
            }
            apply(&mut cursor);
        }
        for batch in late.into_iter().rev() {
            cursor.offer(batch);
            apply(&mut cursor);
        }
        cursor.offer_mark(mark(start.epoch, seq));
        for _ in 0..1_000 {
            if let Some(after) = cursor.wants_pull_after() {
                let rows = table.iter().filter(|row| row.stamp().seq > after).take(3).cloned().collect();
                cursor.offer_page(Page { rows, epochs: epochs.clone(), head: mark(start.epoch, seq) });
            }
            apply(&mut cursor);
        }
        prop_assert_eq!(applied, (1..=seq).collect::<Vec<_>>());
        prop_assert_eq!(cursor.closed().map(|head| head.last_seq), Some(seq));
    }
}

#[test]
fn rows_of_a_deposed_writers_other_history_are_dropped() {
    let mut cursor = Cursor::new(1, 2);
    let newer = EpochStart { epoch: 2, first_seq: 4 };
    assert_eq!(cursor.offer(stretch(newer, vec![row(4, 2)])), Offer::Gap);
    let stale = EpochStart { epoch: 1, first_seq: 1 };
    assert_eq!(cursor.offer(stretch(stale, vec![row(4, 1), row(5, 1)])), Offer::Stale);
    // Row 3 of the old epoch is before the fork, so it belongs to both histories.
    assert_eq!(cursor.offer(stretch(stale, vec![row(3, 1)])), Offer::Taken);
    let epochs: Vec<i64> = cursor.take(10).iter().map(|row| row.stamp().epoch).collect();
    assert_eq!(epochs, [1, 2]);
}

#[test]
fn a_reader_past_a_newer_epochs_first_row_stops_as_forked() {
    let mut cursor: Cursor<Note> = Cursor::new(1, 5);
    let newer = EpochStart { epoch: 2, first_seq: 5 };
    assert_eq!(cursor.offer(stretch(newer, vec![row(5, 2), row(6, 2)])), Offer::Forked);
    assert_eq!(cursor.forked_at(), Some(newer));
    assert!(cursor.take(10).is_empty());
    assert_eq!(cursor.wants_pull_after(), None);
}
