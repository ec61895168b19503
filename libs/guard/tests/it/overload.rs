//! Invariant under test: the limit finds what the node can do, wherever it starts and whatever changes.

use crate::simulation::{Chance, MS, Node, Request, SECOND, Tally};
use guard::{AdaptiveLimit, Ask, Cohort, Kind, Outcome, Priority, Settings};
use std::time::Duration;

const WORK: u64 = 20 * MS;
const WORKERS: usize = 64;
/// Requests a second that the workers can do.
const CAPACITY: u64 = 3_200;

/// A limit that wants no wait at all: the work here gains nothing from being done together.
const SETTINGS: Settings = Settings {
    limit_min: 8,
    limit_start: 64,
    limit_max: 4_096,
    wait_allowed: Duration::ZERO,
    window: Duration::from_millis(50),
};

fn limit() -> AdaptiveLimit {
    AdaptiveLimit::try_new(SETTINGS).expect("good settings")
}

/// Work of one length; paying requests take `paying_per_second` of all.
fn mixed(paying_per_second: u64, per_second: u64) -> impl FnMut(&mut Chance) -> Request {
    move |chance| {
        let class =
            if chance.below(per_second) < paying_per_second { Priority::Paying } else { Priority::Browsing };
        let ask = Ask::new(class).of(Cohort::of(chance.below(10_000).into(), 0));
        Request { ask, work_ns: WORK, outcome: Outcome::Served }
    }
}

fn plain(work_ns: u64) -> impl FnMut(&mut Chance) -> Request {
    move |_| Request { ask: Ask::new(Priority::Paying), work_ns, outcome: Outcome::Served }
}

fn all(node: &mut Node) -> Tally {
    node.take_tallies().values().fold(Tally::default(), |sum, one| Tally {
        offered: sum.offered + one.offered,
        served: sum.served + one.served,
        in_time: sum.in_time + one.in_time,
    })
}

#[test]
fn at_up_to_three_times_capacity_payers_hardly_notice_and_nothing_is_wasted() {
    for seed in [1, 7, 42, 1_000] {
        let mut node = Node::new(Some(limit()), WORKERS).seeded(seed);
        node.in_time_ns = WORK + WORK / 5;
        node.run(CAPACITY / 2, 2 * SECOND, mixed(CAPACITY / 4, CAPACITY / 2));
        node.take_tallies();
        for tenths in [10, 15, 20, 25, 30] {
            let offered = CAPACITY * tenths / 10;
            node.run(offered, 500 * MS, mixed(CAPACITY / 2, offered));
            node.take_tallies();
            node.run(offered, 4 * SECOND, mixed(CAPACITY / 2, offered));
            let tallies = node.take_tallies();
            let (paying, browsing) = (tallies[&Priority::Paying], tallies[&Priority::Browsing]);
            let limit = node.limit.as_ref().map(AdaptiveLimit::limit);
            println!("seed {seed}, {tenths}/10 of capacity: {paying:?} {browsing:?} {limit:?}");
            assert!(paying.in_time * 100 >= paying.offered * 99, "seed {seed}, {tenths}/10: {paying:?}");
            let goodput = paying.in_time + browsing.in_time;
            assert!(goodput * 10 >= CAPACITY * 4 * 9, "seed {seed}, {tenths}/10: {goodput}");
        }
    }
}

#[test]
fn without_a_limit_the_same_load_is_served_too_late() {
    let mut node = Node::new(None, WORKERS);
    node.in_time_ns = WORK + WORK / 5;
    node.run(CAPACITY * 2, 4 * SECOND, mixed(CAPACITY / 2, CAPACITY * 2));
    let paying = node.take_tallies()[&Priority::Paying];
    assert!(paying.in_time * 2 < paying.offered, "the simulation has no queue: {paying:?}");
}

#[test]
fn the_limit_is_found_within_half_a_second_of_a_step() {
    let mut node = Node::new(Some(limit()), WORKERS);
    node.in_time_ns = WORK + WORK / 5;
    node.run(CAPACITY / 2, 3 * SECOND, plain(WORK));
    node.run(CAPACITY * 3, 500 * MS, plain(WORK));
    node.take_tallies();
    node.run(CAPACITY * 3, 3 * SECOND, plain(WORK));
    let after = all(&mut node);
    assert!(after.in_time * 10 >= after.served * 9, "{after:?}");
    assert!(after.in_time * 10 >= CAPACITY * 3 * 9, "{after:?}");
}

#[test]
fn a_limit_that_starts_too_low_grows_to_what_the_node_can_do() {
    let settings = Settings { limit_start: 8, ..SETTINGS };
    let mut node = Node::new(Some(AdaptiveLimit::try_new(settings).expect("good settings")), 1_024);
    node.run(40_000, 4 * SECOND, plain(WORK));
    node.take_tallies();
    node.run(40_000, SECOND, plain(WORK));
    let after = all(&mut node);
    assert!(after.served * 100 >= after.offered * 97, "{after:?}");
}

#[test]
fn a_limit_that_starts_in_an_overload_finds_the_queue_it_has_never_been_without() {
    let settings = Settings { limit_start: 512, ..SETTINGS };
    let mut node = Node::new(Some(AdaptiveLimit::try_new(settings).expect("good settings")), WORKERS);
    node.in_time_ns = WORK + WORK / 4;
    node.run(CAPACITY * 2, 20 * SECOND, plain(WORK));
    node.take_tallies();
    node.run(CAPACITY * 2, 4 * SECOND, plain(WORK));
    let after = all(&mut node);
    assert!(after.in_time * 10 >= after.served * 8, "{after:?}");
    assert!(after.served * 10 >= CAPACITY * 4 * 9, "{after:?}");
}

#[test]
fn work_that_becomes_slower_by_itself_is_no_queue_and_costs_no_throughput() {
    let mut node = Node::new(Some(limit()), 100_000);
    node.run(1_000, 3 * SECOND, plain(WORK));
    node.run(1_000, 10 * SECOND, plain(5 * WORK));
    node.take_tallies();
    node.run(1_000, 4 * SECOND, plain(5 * WORK));
    let after = all(&mut node);
    assert!(after.served * 100 >= after.offered * 98, "{after:?}");
}

#[test]
fn work_that_becomes_fewer_hands_is_a_queue_and_the_limit_follows_down_and_up() {
    let mut node = Node::new(Some(limit()), WORKERS);
    node.run(CAPACITY, 3 * SECOND, plain(WORK));
    node.set_workers(WORKERS / 4);
    node.run(CAPACITY, 3 * SECOND, plain(WORK));
    let low = node.limit.as_ref().expect("it has one").limit();
    assert!((12..=24).contains(&low), "{low}");
    node.set_workers(WORKERS);
    node.run(CAPACITY, 3 * SECOND, plain(WORK));
    let high = node.limit.as_ref().expect("it has one").limit();
    assert!((56..=80).contains(&high), "{high}");
}

#[test]
fn a_dear_route_beside_a_cheap_one_is_not_taken_for_a_queue() {
    let mut node = Node::new(Some(limit()), 100_000);
    let mix = |dear_percent: u64| {
        move |chance: &mut Chance| {
            let is_dear = chance.below(100) < dear_percent;
            let (kind, work_ns) = if is_dear { (Kind(1), 100 * MS) } else { (Kind(0), MS) };
            Request { ask: Ask::new(Priority::Paying).kind(kind), work_ns, outcome: Outcome::Served }
        }
    };
    node.run(2_000, 3 * SECOND, mix(1));
    node.run(2_000, 2 * SECOND, mix(50));
    node.take_tallies();
    node.run(2_000, 2 * SECOND, mix(50));
    let after = all(&mut node);
    assert!(after.served * 100 >= after.offered * 97, "{after:?}");
}

#[test]
fn work_of_very_different_lengths_in_one_kind_is_served_while_there_are_hands() {
    let mut node = Node::new(Some(limit()), 100_000);
    let heavy = |chance: &mut Chance| {
        // Most take 1 ms, one in fifty 200 ms.
        let work_ns = if chance.below(50) == 0 { 200 * MS } else { MS };
        Request { ask: Ask::new(Priority::Paying), work_ns, outcome: Outcome::Served }
    };
    node.run(4_000, 4 * SECOND, heavy);
    node.take_tallies();
    node.run(4_000, 20 * SECOND, heavy);
    let after = all(&mut node);
    assert!(after.served * 100 >= after.offered * 98, "{after:?}");
}

#[test]
fn steady_timeouts_bring_the_limit_down_and_never_up() {
    let mut node = Node::new(Some(limit()), 100_000);
    node.run(1_000, SECOND, plain(WORK));
    let hang = |_: &mut Chance| Request {
        ask: Ask::new(Priority::Paying),
        work_ns: SECOND,
        outcome: Outcome::TimedOut,
    };
    node.run(1_000, 10 * SECOND, hang);
    let limit = node.limit.as_ref().expect("it has one");
    assert!(limit.limit() <= 2 * SETTINGS.limit_min, "{}", limit.limit());
    node.run(1_000, 10 * SECOND, plain(WORK));
    node.take_tallies();
    node.run(1_000, SECOND, plain(WORK));
    let after = all(&mut node);
    assert!(after.served * 100 >= after.offered * 95, "it does not come back: {after:?}");
}

#[test]
fn a_quiet_node_keeps_its_limit() {
    let mut node = Node::new(Some(limit()), WORKERS);
    node.run(50, 60 * SECOND, plain(WORK));
    let tally = all(&mut node);
    assert!(tally.served + 4 >= tally.offered, "{tally:?}");
    assert!(node.limit.as_ref().expect("it has one").limit() >= 64);
}

#[test]
fn the_ceiling_holds_from_the_start_and_when_it_is_changed() {
    let limit = AdaptiveLimit::up_to(100, Duration::from_millis(1));
    let mut node = Node::new(Some(limit.clone()), 100_000);
    node.run(20_000, 4 * SECOND, plain(WORK));
    assert_eq!(limit.limit(), 100);
    limit.set_limit_max(40);
    assert_eq!(limit.limit(), 40);
    node.run(20_000, SECOND, plain(WORK));
    assert_eq!(limit.limit(), 40);
    limit.set_limit_max(200);
    node.run(20_000, 4 * SECOND, plain(WORK));
    assert_eq!(limit.limit(), 200);
}

#[test]
fn settings_out_of_order_are_refused_by_name() {
    let refused = |settings: Settings| AdaptiveLimit::try_new(settings).err().map(|error| error.to_string());
    let good = Settings::default();
    assert_eq!(refused(good), None);
    for wrong in [
        Settings { limit_min: 0, ..good },
        Settings { limit_start: 5_000, ..good },
        Settings { limit_max: 200_000, ..good },
        Settings { window: Duration::ZERO, ..good },
        Settings { wait_allowed: Duration::from_secs(11), ..good },
    ] {
        assert!(refused(wrong).is_some(), "{wrong:?}");
    }
}
