//! The cases every broker passes.

use bus::{Broker, BusError, InProcess, QUEUE_LEN_MAX, RabbitMq, Subscription};
use bytes::Bytes;
use futures::future::try_join_all;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a message may take in a test before it counts as lost.
pub const ARRIVAL_WAIT_MAX: Duration = Duration::from_secs(20);

/// Messages published at the same time.
const IN_FLIGHT_MAX: u32 = 256;

pub fn numbered(number: u32) -> Bytes {
    Bytes::from(number.to_string())
}

pub async fn next(subscription: &mut Subscription) -> u32 {
    let message = tokio::time::timeout(ARRIVAL_WAIT_MAX, subscription.recv()).await;
    let message = message.expect("a message comes in time").expect("the broker is there");
    std::str::from_utf8(&message).expect("text").parse().expect("a number")
}

pub async fn publish_all(broker: &dyn Broker, topic: &str, count: u32) -> Result<(), BusError> {
    let mut from = 0;
    while from < count {
        let until = count.min(from + IN_FLIGHT_MAX);
        try_join_all((from..until).map(|number| broker.publish(topic, numbered(number)))).await?;
        from = until;
    }
    Ok(())
}

/// A topic of its own for one test.
pub fn topic(name: &str) -> String {
    let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("the clock is past 1970").as_nanos();
    format!("test.{name}.{}.{nanos}", std::process::id())
}

async fn two_groups_each_get_every_message(broker: &dyn Broker) {
    let topic = topic("two-groups");
    let mut ledger = broker.subscribe(&topic, "ledger").await.expect("joins");
    let mut room = broker.subscribe(&topic, "room").await.expect("joins");
    publish_all(broker, &topic, 500).await.expect("published");
    for reader in [&mut ledger, &mut room] {
        let mut seen = BTreeSet::new();
        while seen.len() < 500 {
            seen.insert(next(reader).await);
        }
        assert_eq!(seen, (0..500).collect::<BTreeSet<u32>>());
    }
}

async fn one_group_gets_messages_in_their_order(broker: &dyn Broker) {
    let topic = topic("order");
    let mut reader = broker.subscribe(&topic, "reader").await.expect("joins");
    for number in 0..100 {
        broker.publish(&topic, numbered(number)).await.expect("published");
    }
    publish_all(broker, &topic, 1_000).await.expect("published");
    for number in (0..100).chain(0..1_000) {
        assert_eq!(next(&mut reader).await, number);
    }
}

async fn topics_do_not_mix(broker: &dyn Broker) {
    let (here, there) = (topic("here"), topic("there"));
    let mut reader = broker.subscribe(&here, "reader").await.expect("joins");
    let _other = broker.subscribe(&there, "reader").await.expect("joins");
    broker.publish(&there, numbered(1)).await.expect("published");
    broker.publish(&here, numbered(2)).await.expect("published");
    assert_eq!(next(&mut reader).await, 2);
}

/// More than every queue on the way holds, while nobody reads: publishing never fails and never hangs, the
/// newest or the oldest are dropped, and what is published once the reader has caught up arrives.
async fn a_full_queue_drops_and_goes_on(broker: &dyn Broker) {
    let topic = topic("full");
    let mut reader = broker.subscribe(&topic, "reader").await.expect("joins");
    let count = u32::try_from(QUEUE_LEN_MAX * 2 + 2_000).expect("fits");
    publish_all(broker, &topic, count).await.expect("a full queue is no error");
    let mut kept = 0;
    let settled = Duration::from_secs(2);
    while let Ok(Some(_)) = tokio::time::timeout(settled, reader.recv()).await {
        kept += 1;
    }
    assert!(kept < count, "{kept} of {count}: nothing was dropped, so something has no bound");
    assert!(kept >= QUEUE_LEN_MAX.try_into().expect("fits"), "only {kept} of {count} were kept");
    broker.publish(&topic, numbered(7)).await.expect("published");
    assert_eq!(next(&mut reader).await, 7);
}

macro_rules! each_broker {
    ($($case:ident)*) => {
        mod in_process {
            $(#[tokio::test]
            async fn $case() {
                super::$case(&super::InProcess::default()).await;
            })*
        }
        mod over_rabbitmq {
            $(#[tokio::test]
            async fn $case() {
                let url = testkit::amqp_url().await;
                super::$case(&super::RabbitMq::connect(&url).await.expect("reached")).await;
            })*
        }
    };
}

each_broker! {
    two_groups_each_get_every_message
    one_group_gets_messages_in_their_order
    topics_do_not_mix
    a_full_queue_drops_and_goes_on
}
