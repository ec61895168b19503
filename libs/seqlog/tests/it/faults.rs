//! Invariant under test: lost, doubled, delayed and reordered messages, deposed writers, two instances of one
//! reader, and a crash at every step leave every row applied exactly once, in order.

use crate::echo::{Bench, Echoer, Fault, POISON, append, messages_of, partitions};
use crate::notes::{Note, Notes, note};
use bus::Message;
use contracts::log::{HeadMark, SCHEMA_VERSION};
use ids::Partition;
use proptest::prelude::*;
use seqlog::{Appender, Reader};

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    /// The current writer appends this many notes to each of some neighbouring partitions.
    Append {
        partitions: std::ops::Range<usize>,
        count: i64,
    },
    /// Another writer takes over; the old one wakes up later and tries.
    TakeOver,
    WakeDeposed,
    /// A message reaches a reader: any earlier one, so also late, twice, or never.
    Deliver {
        message: usize,
        reader: usize,
    },
    Turn {
        reader: usize,
    },
    /// The next application of a reader breaks there.
    Break {
        reader: usize,
        fault: Fault,
    },
    /// A reader dies and starts again from what is durable.
    Restart {
        reader: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_usize, 1..4_usize, 1..5_i64).prop_map(|(from, len, count)| Step::Append {
            partitions: from..(from + len).min(3),
            count,
        }),
        1 => Just(Step::TakeOver),
        1 => Just(Step::WakeDeposed),
        6 => (0..64_usize, 0..2_usize).prop_map(|(message, reader)| Step::Deliver { message, reader }),
        4 => (0..2_usize).prop_map(|reader| Step::Turn { reader }),
        1 => (0..2_usize, prop_oneof![
                Just(Fault::BeforeEffect), Just(Fault::NotYet), Just(Fault::AfterEffect), Just(Fault::AndWhenReloading)
            ])
            .prop_map(|(reader, fault)| Step::Break { reader, fault }),
        1 => (0..2_usize).prop_map(|reader| Step::Restart { reader }),
    ]
}

fn cases() -> u32 {
    if std::env::var_os("LARGESSE_TEST_LONG").is_some() { 2_000 } else { 40 }
}

#[test]
fn every_history_ends_with_each_row_applied_once_and_in_order() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let bench = runtime.block_on(Bench::open());
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    runner
        .run(&prop::collection::vec(step(), 1..60), |history| {
            runtime.block_on(live_through(&bench, history));
            Ok(())
        })
        .expect("every history ends well");
}

async fn live_through(bench: &Bench, history: Vec<Step>) {
    let mut writers: Vec<Appender<Notes>> = vec![bench.writer("w0").await];
    let mut readers = [bench.reader("r0").await, bench.reader("r1").await];
    let mut messages: Vec<Message> = Vec::new();
    for step in history {
        match step {
            Step::Append { partitions: range, count } => {
                let to =
                    |partition: &Partition| (0..count).map(|at| note(*partition, at)).collect::<Vec<_>>();
                let notes = partitions()[range].iter().flat_map(to).collect();
                let writer = writers.last_mut().expect("there is always a writer");
                messages.extend(append_noting_messages(bench, writer, notes).await);
            }
            Step::TakeOver => writers.push(bench.writer(&format!("w{}", writers.len())).await),
            Step::WakeDeposed if writers.len() > 1 => {
                let refused = append(bench, &mut writers[0], vec![note(partitions()[0], 1)]).await;
                assert!(refused.is_err(), "a deposed writer wrote");
            }
            Step::WakeDeposed => {}
            Step::Deliver { message, reader } => {
                if !messages.is_empty() {
                    assert_eq!(readers[reader].receive(messages[message % messages.len()].clone()), None);
                }
            }
            // A turn may fail: a planted fault, or the other instance was faster. It is simply repeated.
            Step::Turn { reader } => drop(readers[reader].turn().await),
            Step::Break { reader, fault } => readers[reader].handler_mut().fault = Some(fault),
            Step::Restart { reader } => readers[reader] = bench.reader(&format!("r{reader}")).await,
        }
    }
    let mut last = bench.reader("last").await; // Takes the echoes' partitions from whoever had them.
    let marks = writers.last().expect("there is always a writer");
    catch_up(&mut last, marks).await;
    bench.assert_echoes_equal_notes().await;
}

/// Appends, and returns the messages the relay would send for it.
async fn append_noting_messages(
    bench: &Bench,
    writer: &mut Appender<Notes>,
    notes: Vec<Note>,
) -> Vec<Message> {
    let mut tx = bench.notes_db.begin().await.expect("a transaction");
    writer.append(&mut tx, notes).await.expect("the newest writer holds every partition");
    let messages = messages_of(writer.planned()).into_iter().map(Message::from).collect();
    tx.commit().await.expect("the commit");
    writer.committed();
    messages
}

async fn catch_up(reader: &mut Reader<Echoer>, writer: &Appender<Notes>) {
    let marks: Vec<HeadMark> =
        writer.partitions().filter_map(|partition| writer.head(partition)).map(|head| head.mark()).collect();
    let message = serde_json::json!({"marks": {"schema_version": SCHEMA_VERSION,
        "log": "cashier.payments", "lane": "live", "bus_generation": 1, "marks": marks}});
    reader.receive(message.to_string().into());
    for _ in 0..200 {
        reader.turn().await.expect("nothing is planted any more");
        if reader.status().borrow().lag_rows == 0 {
            return;
        }
    }
    panic!("the reader did not catch up: {:?}", *reader.status().borrow());
}

#[tokio::test]
async fn a_row_that_cannot_be_applied_stops_its_partition_and_no_other() {
    let bench = Bench::open().await;
    let mut writer = bench.writer("ann").await;
    let (bad, good) = (partitions()[0], partitions()[1]);
    let notes = vec![note(bad, 1), note(bad, POISON), note(bad, 2), note(good, 7), note(good, 8)];
    append(&bench, &mut writer, notes).await.expect("ann holds the partitions");
    let mut reader = bench.reader("ben").await;
    let marks: Vec<HeadMark> = writer.partitions().filter_map(|p| writer.head(p)).map(|h| h.mark()).collect();
    let message = serde_json::json!({"marks": {"schema_version": SCHEMA_VERSION,
        "log": "cashier.payments", "lane": "live", "bus_generation": 1, "marks": marks}});
    reader.receive(message.to_string().into());
    for _ in 0..5 {
        reader.turn().await.expect("a poison row is no reason to fail the turn");
    }
    let status = reader.status().borrow().clone();
    assert_eq!(status.stopped.keys().copied().collect::<Vec<_>>(), [bad]);
    let sql = bench.echoes_db.sql("SELECT count(*) FROM {s}.echoes WHERE partition = $1");
    let echoed: i64 =
        sqlx::query_scalar(sql).bind(good.number()).fetch_one(bench.echoes_db.pool()).await.expect("a count");
    assert_eq!(echoed, 2, "the other partition went on");
    let sql = bench.echoes_db.sql("SELECT reason FROM {s}.reader_stops WHERE partition = $1");
    let reason: String =
        sqlx::query_scalar(sql).bind(bad.number()).fetch_one(bench.echoes_db.pool()).await.expect("a stop");
    assert_eq!(reason, "poison");
}

#[tokio::test]
async fn without_any_message_a_reader_finds_rows_by_asking() {
    let bench = Bench::open().await;
    let mut writer = bench.writer("ann").await;
    let notes = vec![note(partitions()[0], 1), note(partitions()[1], 2)];
    append(&bench, &mut writer, notes).await.expect("ann holds the partitions");
    let mut reader = bench.reader("ben").await;
    reader.turn().await.expect("nothing is known yet");
    reader.probe().await;
    reader.turn().await.expect("and now it is");
    bench.assert_echoes_equal_notes().await;
}

#[tokio::test]
async fn a_batch_that_lacks_something_is_begun_once_more_in_the_same_turn() {
    let bench = Bench::open().await;
    let mut writer = bench.writer("ann").await;
    append(&bench, &mut writer, vec![note(partitions()[0], 1)]).await.expect("ann holds the partitions");
    let mut reader = bench.reader("ben").await;
    reader.probe().await;
    reader.handler_mut().fault = Some(Fault::NotYet);
    reader.turn().await.expect("what it waited for came");
    bench.assert_echoes_equal_notes().await;
}

#[tokio::test]
async fn two_instances_of_one_reader_apply_each_row_once() {
    let bench = Bench::open().await;
    let mut writer = bench.writer("ann").await;
    let partition = partitions()[0];
    let (mut first, mut second) = (bench.summer().await, bench.summer().await);
    for round in 1..=20 {
        let notes = vec![note(partition, 1), note(partition, 1)];
        for message in append_noting_messages(&bench, &mut writer, notes).await {
            first.receive(message.clone());
            second.receive(message);
        }
        // The slower instance finds the offset moved, reloads, and says so once; then it goes on.
        let (one, other) = tokio::join!(first.turn(), second.turn());
        assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
        drop((first.turn().await, second.turn().await));
        assert_eq!(bench.sum(partition).await, round * 2);
    }
}

#[tokio::test]
async fn unreadable_and_foreign_messages_are_refused_with_the_reason() {
    let bench = Bench::open().await;
    let mut reader = bench.reader("ben").await;
    let refused = |reason: Option<String>| reason.expect("it is refused");
    assert!(refused(reader.receive(b"\xff not json".as_slice().into())).starts_with("not readable"));
    assert!(
        refused(reader.receive(br#"{"batch":{"stretches":[{"partition":99}]}}"#.as_slice().into()))
            .starts_with("not readable")
    );
    let unknown = br#"{"batch":{"schema_version":9,"news":true}}"#;
    assert_eq!(
        refused(reader.receive(unknown.as_slice().into())),
        format!("schema version 9; this reader knows {SCHEMA_VERSION}")
    );
    let mut writer = bench.writer("ann").await;
    append(&bench, &mut writer, vec![note(partitions()[0], 1)]).await.expect("ann holds the partition");
    let mut row = note(partitions()[0], 1);
    row.stamp.seq = 1;
    row.stamp.epoch = 1;
    let live = messages_of(&[(partitions()[0], vec![row])]).remove(0);
    let shadow = String::from_utf8(live).expect("json").replace("\"live\"", "{\"shadow\":\"run1\"}");
    assert_eq!(refused(reader.receive(shadow.into())), "a message of another lane");
    reader.turn().await.expect("nothing to do");
    let sql = bench.echoes_db.sql("SELECT count(*) FROM {s}.echoes");
    let echoed: i64 = sqlx::query_scalar(sql).fetch_one(bench.echoes_db.pool()).await.expect("a count");
    assert_eq!(echoed, 0, "a shadow run's rows reached the live books");
}
