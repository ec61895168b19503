//! The cases every broker passes.

use bus::{Broker, Bus, BusError, InProcess, QUEUE_LEN_MAX, RabbitMq, Subscription};
use bytes::Bytes;
use contracts::lane::Lane;
use futures::future::try_join_all;
use ids::{GroupSet, PartitionGroup};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long a message may take in a test before it counts as lost.
pub const ARRIVAL_WAIT_MAX: Duration = Duration::from_secs(20);

/// Messages published at the same time.
const IN_FLIGHT_MAX: u32 = 256;

pub fn numbered(number: u32) -> Bytes {
    Bytes::from(number.to_string())
}

pub fn group(number: i16) -> PartitionGroup {
    PartitionGroup::try_from(number).expect("it exists")
}

pub fn bus_over(broker: impl Broker + 'static) -> Bus {
    Bus::new(Arc::new(broker), &Lane::Live, 1)
}

/// A reader of group 0, in its queue.
pub async fn join(bus: &Bus, topic: &str, reader: &str) -> Subscription {
    join_groups(bus, topic, reader, &[0]).await
}

pub async fn join_groups(bus: &Bus, topic: &str, reader: &str, groups: &[i16]) -> Subscription {
    let mut subscription = bus.subscribe(topic, reader);
    follow(&mut subscription, groups).await;
    subscription
}

pub async fn follow(subscription: &mut Subscription, groups: &[i16]) {
    subscription.follow(groups.iter().map(|number| group(*number)).collect::<GroupSet>());
    tokio::time::timeout(ARRIVAL_WAIT_MAX, subscription.joined()).await.expect("the queues are joined");
}

/// Publishes to group 0.
pub async fn publish(bus: &Bus, topic: &str, number: u32) -> Result<(), BusError> {
    bus.publish(topic, group(0), numbered(number)).await
}

pub async fn next(subscription: &mut Subscription) -> u32 {
    let message = tokio::time::timeout(ARRIVAL_WAIT_MAX, subscription.recv()).await;
    let message = message.expect("a message comes in time").expect("the broker is there");
    std::str::from_utf8(message.payload()).expect("text").parse().expect("a number")
}

pub async fn publish_all(bus: &Bus, topic: &str, count: u32) -> Result<(), BusError> {
    let mut from = 0;
    while from < count {
        let until = count.min(from + IN_FLIGHT_MAX);
        let mut confirms = Vec::new();
        for number in from..until {
            confirms.push(bus.send(topic, group(0), numbered(number)).await?);
        }
        try_join_all(confirms).await?;
        from = until;
    }
    Ok(())
}

/// A topic of its own for one test.
pub fn topic(name: &str) -> String {
    let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("the clock is past 1970").as_nanos();
    format!("test.{name}.{}.{nanos}", std::process::id())
}

async fn two_readers_each_get_every_message(bus: &Bus) {
    let topic = topic("two-readers");
    let mut ledger = join(bus, &topic, "ledger").await;
    let mut room = join(bus, &topic, "room").await;
    publish_all(bus, &topic, 500).await.expect("published");
    for reader in [&mut ledger, &mut room] {
        let mut seen = BTreeSet::new();
        while seen.len() < 500 {
            seen.insert(next(reader).await);
        }
        assert_eq!(seen, (0..500).collect::<BTreeSet<u32>>());
    }
}

async fn one_reader_gets_messages_in_their_order(bus: &Bus) {
    let topic = topic("order");
    let mut reader = join(bus, &topic, "reader").await;
    for number in 0..100 {
        publish(bus, &topic, number).await.expect("published");
    }
    publish_all(bus, &topic, 1_000).await.expect("published");
    for number in (0..100).chain(0..1_000) {
        assert_eq!(next(&mut reader).await, number);
    }
}

async fn topics_do_not_mix(bus: &Bus) {
    let (here, there) = (topic("here"), topic("there"));
    let mut reader = join(bus, &here, "reader").await;
    let _other = join(bus, &there, "reader").await;
    publish(bus, &there, 1).await.expect("published");
    publish(bus, &here, 2).await.expect("published");
    assert_eq!(next(&mut reader).await, 2);
}

/// Two nodes of one reader hear the groups each of them follows, and a group that moves is heard by its new node.
async fn two_nodes_of_one_reader_hear_their_own_groups(bus: &Bus) {
    let topic = topic("nodes");
    let mut first = join_groups(bus, &topic, "reader", &[0, 1]).await;
    let mut second = join_groups(bus, &topic, "reader", &[2, 3]).await;
    let send = async |group_number: i16, number: u32| {
        bus.publish(&topic, group(group_number), numbered(number)).await.expect("published");
    };
    for number in 0..40_u32 {
        send(i16::try_from(number % 4).expect("small"), number).await;
    }
    let mut heard = [BTreeSet::new(), BTreeSet::new()];
    for _ in 0..20 {
        heard[0].insert(next(&mut first).await % 4);
        heard[1].insert(next(&mut second).await % 4);
    }
    assert_eq!(heard, [BTreeSet::from([0, 1]), BTreeSet::from([2, 3])]);
    follow(&mut first, &[0]).await;
    follow(&mut second, &[1, 2, 3]).await;
    send(1, 41).await;
    while next(&mut second).await != 41 {}
    assert_eq!(first.try_recv(), None);
}

/// More than every queue on the way holds, while nobody reads: publishing never fails and never hangs, the
/// newest or the oldest are dropped, and what is published once the reader has caught up arrives.
async fn a_full_queue_drops_and_goes_on(bus: &Bus) {
    let topic = topic("full");
    let mut reader = join(bus, &topic, "reader").await;
    let count = u32::try_from(QUEUE_LEN_MAX * 2 + 2_000).expect("fits");
    publish_all(bus, &topic, count).await.expect("a full queue is no error");
    let mut kept = 0;
    let settled = Duration::from_secs(2);
    while let Ok(Some(_)) = tokio::time::timeout(settled, reader.recv()).await {
        kept += 1;
    }
    assert!(kept < count, "{kept} of {count}: nothing was dropped, so something has no bound");
    assert!(kept >= QUEUE_LEN_MAX.try_into().expect("fits"), "only {kept} of {count} were kept");
    publish(bus, &topic, 7).await.expect("published");
    assert_eq!(next(&mut reader).await, 7);
}

macro_rules! each_broker {
    ($($case:ident)*) => {
        mod in_process {
            $(#[tokio::test]
            async fn $case() {
                super::$case(&super::bus_over(super::InProcess::default())).await;
            })*
        }
        mod over_rabbitmq {
            $(#[tokio::test]
            async fn $case() {
                let url = testkit::amqp_url().await;
                super::$case(&super::bus_over(super::RabbitMq::connect(&url).await.expect("reached"))).await;
            })*
        }
    };
}

each_broker! {
    two_readers_each_get_every_message
    one_reader_gets_messages_in_their_order
    topics_do_not_mix
    two_nodes_of_one_reader_hear_their_own_groups
    a_full_queue_drops_and_goes_on
}

#[tokio::test]
async fn a_refused_message_is_kept_with_its_reason_in_the_process() {
    let broker = Arc::new(InProcess::default());
    let bus = Bus::new(broker.clone(), &Lane::Live, 1);
    let subscription = bus.subscribe("test.dead", "reader");
    subscription.refuse(numbered(7), "not readable".to_owned());
    for _ in 0..1_000 {
        if let [letter] = broker.dead_letters().as_slice() {
            assert_eq!((&letter.payload, letter.reason.as_str()), (&numbered(7), "not readable"));
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it was not kept");
}

/// Nobody waits for a reader that does not keep up: what does not fit is dropped, and its log is pulled instead.
#[tokio::test]
async fn a_full_queue_drops_what_is_new_and_keeps_its_order() {
    let bus = Bus::in_process(&Lane::Live);
    let topic = topic("full");
    let mut reader = join(&bus, &topic, "reader").await;
    let fits = u32::try_from(QUEUE_LEN_MAX).expect("a small number");
    for number in 0..fits + 100 {
        publish(&bus, &topic, number).await.expect("published");
    }
    for number in 0..fits {
        assert_eq!(next(&mut reader).await, number);
    }
    assert_eq!(reader.try_recv(), None, "the rest was dropped");
    publish(&bus, &topic, 7).await.expect("published");
    assert_eq!(next(&mut reader).await, 7, "and it goes on");
}
