//! Invariant under test: the nodes of one log share its groups over one database, and a claim that is another's lets
//! nobody in.

use crate::echo::{Bench, append};
use crate::notes::{Notes, note};
use ids::{GroupSet, Partition};
use seqlog::{
    AppendError, Appender, AppenderSettings, JoinError, Membership, NodeSettings, Relaying, TakeOver,
};
use std::time::{Duration, Instant};

const LOG: &str = "cashier.payments";
const LEASE: Duration = Duration::from_millis(600);

async fn join(bench: &Bench, node: &str) -> Membership {
    let settings = NodeSettings::even(node, LEASE);
    Membership::join(bench.notes_db.clone(), LOG, settings).await.expect("it joins")
}

fn writer(bench: &Bench, of: &Membership) -> Appender<Notes> {
    let settings = AppenderSettings { ownership: of.ownership(), relaying: Relaying::Off };
    Appender::new(bench.notes_db.clone(), Notes, bench.bus.clone(), settings)
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(10), "it never came true that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

async fn until_held(writers: &mut [&mut Appender<Notes>], counts: &[usize]) {
    until("the shares are held", async || {
        for writer in writers.iter_mut() {
            writer.follow().await.expect("the database is there");
        }
        writers.iter().zip(counts).all(|(writer, count)| writer.partitions().count() == *count)
    })
    .await;
}

#[tokio::test]
async fn nodes_that_join_and_leave_share_the_partitions() {
    let bench = Bench::open().await;
    let ann = join(&bench, "ann").await;
    let mut anns = writer(&bench, &ann);
    until_held(&mut [&mut anns], &[64]).await;
    let ben = join(&bench, "ben").await;
    let mut bens = writer(&bench, &ben);
    until_held(&mut [&mut anns, &mut bens], &[32, 32]).await;
    let cem = join(&bench, "cem").await;
    let mut cems = writer(&bench, &cem);
    until_held(&mut [&mut anns, &mut bens, &mut cems], &[24, 24, 16]).await;
    assert_eq!(ann.ownership().holdings().list().len(), 24);
    cems.release().await.expect("the marks are saved");
    cem.leave().await;
    until_held(&mut [&mut anns, &mut bens], &[32, 32]).await;
}

#[tokio::test]
async fn a_dead_nodes_groups_are_taken_over_when_its_lease_is_over_and_not_before() {
    let bench = Bench::open().await;
    let ann = join(&bench, "ann").await;
    let mut anns = writer(&bench, &ann);
    until_held(&mut [&mut anns], &[64]).await;
    let ben = join(&bench, "ben").await;
    let mut bens = writer(&bench, &ben);
    until_held(&mut [&mut anns, &mut bens], &[32, 32]).await;
    let died = Instant::now();
    drop((ann, anns)); // As a crash: nothing is released.
    until_held(&mut [&mut bens], &[64]).await;
    println!("taken over {:?} after the death, with a lease of {LEASE:?}", died.elapsed());
    assert!(died.elapsed() >= LEASE / 2, "a lease was not respected");
}

#[tokio::test]
async fn a_drain_hands_over_at_once_and_without_a_taker_nothing_is_let_go() {
    let bench = Bench::open().await;
    let ann = join(&bench, "ann").await;
    let mut anns = writer(&bench, &ann);
    until_held(&mut [&mut anns], &[64]).await;
    assert_eq!(ann.drain(Duration::from_secs(5)).await, GroupSet::ALL, "nobody else is there");
    let ben = join(&bench, "ben").await;
    let mut bens = writer(&bench, &ben);
    let began = Instant::now();
    until_held(&mut [&mut anns, &mut bens], &[0, 64]).await;
    println!("handed over in {:?}", began.elapsed());
    assert_eq!(ann.drain(Duration::from_secs(5)).await, GroupSet::EMPTY);
}

#[tokio::test]
async fn a_node_that_slept_past_its_lease_writes_nothing_says_so_and_is_a_candidate_again() {
    let bench = Bench::open().await;
    let settings = NodeSettings::even("ann", Duration::from_secs(3_600)); // It looks every ten minutes.
    let ann = Membership::join(bench.notes_db.clone(), LOG, settings).await.expect("it joins");
    let mut anns = writer(&bench, &ann);
    until_held(&mut [&mut anns], &[64]).await;
    let end = bench.notes_db.sql("UPDATE {s}.log_nodes SET leased_until = now() - interval '1 s'");
    sqlx::query(end).execute(bench.notes_db.pool()).await.expect("the lease ends");
    let ben = join(&bench, "ben").await;
    let mut bens = writer(&bench, &ben);
    until_held(&mut [&mut bens], &[64]).await;
    let first = Partition::all().next().expect("there are partitions");
    let refused = append(&bench, &mut anns, vec![note(first, 1)]).await;
    assert!(matches!(&refused, Err(AppendError::Deposed(lost)) if *lost == [first]), "{refused:?}");
    anns.drop_partitions(&[first]);
    let again = anns.take_over(first).await.expect("the statement runs");
    assert_eq!(again, TakeOver::NotOurs, "it still believes in its claim, and the database does not");
    append(&bench, &mut bens, vec![note(first, 2)]).await.expect("ben holds it");
    // Its next look finds everything lost, and it joins in again.
    until("both hold their share", async || {
        ann.wake();
        anns.follow().await.expect("the database is there");
        bens.follow().await.expect("the database is there");
        (anns.partitions().count(), bens.partitions().count()) == (32, 32)
    })
    .await;
}

#[tokio::test]
async fn two_live_nodes_of_one_name_are_refused_and_a_dead_one_may_come_back_soon() {
    let bench = Bench::open().await;
    let ann = join(&bench, "ann").await;
    let settings = NodeSettings::even("ann", LEASE);
    let began = Instant::now();
    let twin = Membership::join(bench.notes_db.clone(), LOG, settings).await.expect_err("the name is taken");
    assert!(matches!(&twin, JoinError::NameTaken { node, .. } if node == "ann"), "{twin}");
    assert!(twin.to_string().contains("give this one another name"), "{twin}");
    println!("refused after {:?}", began.elapsed());
    drop(ann);
    let began = Instant::now();
    let again = join(&bench, "ann").await;
    assert!(began.elapsed() < LEASE, "the way back took {:?}", began.elapsed());
    println!("back after {:?}", began.elapsed());
    assert_eq!(again.ownership().share().claimed, GroupSet::ALL, "and has everything at once");
}

#[tokio::test]
async fn a_renewal_that_was_on_its_way_when_its_process_died_keeps_nobody_out() {
    let bench = Bench::open().await;
    drop(join(&bench, "ann").await);
    let arriving = async {
        tokio::time::sleep(LEASE / 6).await;
        let renew = "UPDATE {s}.log_nodes SET leased_until = leased_until + interval '50 ms'";
        sqlx::query(bench.notes_db.sql(renew)).execute(bench.notes_db.pool()).await.expect("it arrives");
    };
    let (ann, ()) = tokio::join!(join(&bench, "ann"), arriving);
    assert_eq!(ann.ownership().share().claimed, GroupSet::ALL, "it is back");
}
