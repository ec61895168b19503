//! Invariant under test: a partition has one writer, its rows have no gap, and a deposed writer says so.

use crate::echo::{Bench, append, last_seq, partitions};
use crate::notes::{Note, note};
use chrono::Utc;
use contracts::log::{BatchMessage, LogRow};
use seqlog::{AppendError, LogMessage};
use std::time::Duration;

#[tokio::test]
async fn a_deposed_writer_that_wakes_up_can_write_nothing_and_says_so() {
    let bench = Bench::open().await;
    let first = partitions()[0];
    let mut old = bench.writer("old").await;
    append(&bench, &mut old, vec![note(first, 1)]).await.expect("old holds the partition");
    let mut new = bench.writer("new").await;
    let refused = append(&bench, &mut old, vec![note(first, 2)]).await;
    assert!(matches!(&refused, Err(AppendError::Deposed(lost)) if *lost == [first]), "{refused:?}");
    append(&bench, &mut new, vec![note(first, 3)]).await.expect("new holds the partition");
    assert_eq!(last_seq(&new, first), 2);
    let lost = old.save_marks().await.expect("the statement runs");
    assert_eq!(lost, partitions(), "saving marks finds out as well");
}

#[tokio::test]
async fn recovering_from_an_unknown_commit_learns_whether_it_happened() {
    let bench = Bench::open().await;
    let partition = partitions()[0];
    let mut writer = bench.writer("ann").await;
    for happened in [true, false] {
        let before = last_seq(&writer, partition);
        let mut tx = bench.notes_db.begin().await.expect("a transaction");
        writer.append(&mut tx, vec![note(partition, 5)]).await.expect("ann holds the partition");
        if happened {
            tx.commit().await.expect("the commit whose answer gets lost");
        } else {
            drop(tx);
        }
        let lost = writer.recover(&[partition]).await.expect("the database is there");
        assert!(lost.is_empty());
        assert_eq!(last_seq(&writer, partition), before + i64::from(happened));
        append(&bench, &mut writer, vec![note(partition, 6)]).await.expect("and writing goes on");
    }
}

#[tokio::test]
async fn a_partitions_time_never_runs_back() {
    let bench = Bench::open().await;
    let partition = partitions()[0];
    let mut writer = bench.writer("ann").await;
    let later = Utc::now() + chrono::Duration::minutes(10);
    let mut ahead = note(partition, 1);
    ahead.stamp.decided_at = later;
    append(&bench, &mut writer, vec![ahead]).await.expect("ann holds the partition");
    let until = later + chrono::Duration::minutes(1);
    writer.close(partition, until);
    writer.save_marks().await.expect("the marks are saved");
    let next = bench.writer("ben").await;
    let head = next.head(partition).expect("ben holds the partition");
    assert!(head.now(Utc::now()) >= until - chrono::Duration::microseconds(1), "{head:?}");
}

#[tokio::test]
async fn a_constraint_error_moves_no_head() {
    let bench = Bench::open().await;
    let partition = partitions()[0];
    let mut writer = bench.writer("ann").await;
    let refused = append(&bench, &mut writer, vec![note(partition, 1), note(partition, -1)]).await;
    assert!(matches!(&refused, Err(AppendError::Db(error)) if pg::is_constraint(error)), "{refused:?}");
    append(&bench, &mut writer, vec![note(partition, 2)]).await.expect("the head still stands");
    assert_eq!(last_seq(&writer, partition), 1);
}

#[tokio::test]
async fn a_writer_that_has_lost_count_is_stopped_and_marks_of_another_epoch_change_nothing() {
    let bench = Bench::open().await;
    let db = &bench.notes_db;
    let advance =
        "SELECT {s}.log_advance('{3,0,0,0,0,0,0,0}', '{7,0,0,0,0,0,0,0}', '{8}', '{3}', $1, '{9}', 1, 1)";
    let advanced = async |expected: i64| {
        sqlx::query_scalar::<_, Vec<i64>>(db.sql(advance)).bind(vec![expected]).fetch_one(db.pool()).await
    };
    assert_eq!(advanced(7).await.expect("it counts on")[0], 9);
    let stopped = advanced(6).await.expect_err("it is stopped").into_database_error();
    assert_eq!(stopped.expect("an answer of the server").code().as_deref(), Some("LG001"));
    let mark = "SELECT relayed[1] FROM {s}.log_mark('{3,0,0,0,0,0,0,0}', '{7,0,0,0,0,0,0,0}',
        array_fill(to_timestamp(0), '{8}'), array_fill(0::bigint, '{8}'), '{8}', $1, ARRAY[now()], '{9}', 1, 1)";
    for (epoch, relayed) in [(3_i64, 7_i64), (2, 0)] {
        let saved = sqlx::query_scalar::<_, i64>(db.sql(mark)).bind(vec![epoch]).fetch_one(db.pool()).await;
        assert_eq!(saved.expect("a mark"), relayed, "epoch {epoch}; never past the last row");
    }
}

/// What a queue of the test's groups hears until it has so many rows of the first partition.
async fn heard(bench: &Bench, queue: &mut bus::Subscription, rows: usize) -> Vec<BatchMessage<Note>> {
    let first = partitions()[0];
    let mut batches: Vec<BatchMessage<Note>> = Vec::new();
    let of_first = |batch: &BatchMessage<Note>| -> usize {
        batch.stretches.iter().filter(|s| s.partition == first).map(|s| s.rows.len()).sum()
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while batches.iter().map(of_first).sum::<usize>() < rows {
        assert!(tokio::time::Instant::now() < deadline, "{batches:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
        while let Some(payload) = queue.try_recv() {
            match LogMessage::<Note>::take(payload, bench.notes_db.lane()).expect("readable") {
                LogMessage::Batch(batch) => batches.push(batch),
                LogMessage::Marks(_) => {}
            }
        }
    }
    batches
}

#[tokio::test]
async fn batches_that_follow_closely_travel_together_and_those_of_two_epochs_apart() {
    let bench = Bench::open().await;
    let [first, second, _] = partitions()[..] else { panic!("three partitions") };
    let mut queue = bench.bus.subscribe(Note::LOG.as_str(), "watch");
    queue.follow(partitions().into_iter().map(|partition| partition.group()).collect());
    let mut ann = bench.writer("ann").await;
    for amount in 1..=40 {
        append(&bench, &mut ann, vec![note(first, amount), note(second, amount)]).await.expect("ann writes");
    }
    let batches = heard(&bench, &mut queue, 40).await;
    assert!(batches.len() <= 20, "{} messages of 40 batches", batches.len());
    for partition in [first, second] {
        let stretches: Vec<_> =
            batches.iter().flat_map(|batch| &batch.stretches).filter(|s| s.partition == partition).collect();
        let amounts = stretches.iter().flat_map(|stretch| &stretch.rows).map(|row| row.amount);
        assert!(amounts.eq(1..=40), "in order, once: {stretches:?}");
        let ends = stretches.iter().map(|stretch| (stretch.first_seq, stretch.last_seq));
        let rows = stretches.iter().map(|s| (s.rows[0].stamp.seq, s.rows[s.rows.len() - 1].stamp.seq));
        assert!(ends.eq(rows), "{stretches:?}");
    }
    for batch in &batches {
        let mut of_batch: Vec<_> = batch.stretches.iter().map(|stretch| stretch.partition).collect();
        of_batch.dedup();
        assert_eq!(of_batch.len(), batch.stretches.len(), "one stretch a partition: {batch:?}");
    }
    append(&bench, &mut ann, vec![note(first, 41)]).await.expect("ann writes");
    ann.recover(&[first]).await.expect("a new epoch");
    append(&bench, &mut ann, vec![note(first, 42)]).await.expect("ann writes");
    let later = heard(&bench, &mut queue, 2).await;
    let stretches = later.iter().flat_map(|batch| &batch.stretches).filter(|s| s.partition == first);
    assert!(stretches.clone().count() > 1, "{later:?}");
    for stretch in stretches {
        assert!(stretch.rows.iter().all(|row| row.stamp.epoch == stretch.epoch), "{stretch:?}");
    }
}
