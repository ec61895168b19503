//! What only a broker that can go away has to prove.

use crate::cable::Cable;
use crate::contract::{ARRIVAL_WAIT_MAX, next, numbered, topic};
use bus::{Broker, Bus, BusError, OPERATION_WAIT_MAX, RabbitMq};
use bytes::Bytes;
use contracts::lane::Lane;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

async fn publish_until_it_works(broker: &RabbitMq, topic: &str, number: u32) -> Vec<BusError> {
    let deadline = Instant::now() + ARRIVAL_WAIT_MAX;
    let mut failures = Vec::new();
    loop {
        match broker.publish(topic, numbered(number)).await {
            Ok(()) => return failures,
            Err(error) => failures.push(error),
        }
        assert!(Instant::now() < deadline, "publishing never worked again: {failures:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_broker_that_went_away_and_came_back_carries_messages_again() {
    let (cable, url) = Cable::lay(&testkit::amqp_url().await).await;
    let broker = RabbitMq::connect(&url).await.expect("reached");
    let topic = topic("cut");
    let mut reader = broker.subscribe(&topic, "reader").await.expect("joins");
    broker.publish(&topic, numbered(1)).await.expect("published");
    assert_eq!(next(&mut reader).await, 1);

    cable.cut();
    let began = Instant::now();
    for _ in 0..5 {
        let refused = broker.publish(&topic, numbered(2)).await.expect_err("nobody is there");
        assert!(matches!(refused, BusError::Unreachable(_) | BusError::NotConfirmed(_)), "{refused:?}");
    }
    assert!(began.elapsed() < OPERATION_WAIT_MAX, "five refusals took {:?}", began.elapsed());
    let refused = broker.subscribe(&topic, "another").await.err().expect("nobody is there");
    assert!(matches!(refused, BusError::Unreachable(_)), "{refused:?}");

    cable.mend().await;
    let failures = publish_until_it_works(&broker, &topic, 3).await;
    assert!(failures.iter().all(|error| matches!(error, BusError::Unreachable(_))), "{failures:?}");
    while next(&mut reader).await != 3 {} // Its subscription is the one from before the cut.
}

#[tokio::test]
async fn a_group_that_left_finds_what_came_meanwhile() {
    let broker = RabbitMq::connect(&testkit::amqp_url().await).await.expect("reached");
    let topic = topic("return");
    drop(broker.subscribe(&topic, "reader").await.expect("joins"));
    broker.publish(&topic, numbered(1)).await.expect("the queue is still there");
    let mut reader = broker.subscribe(&topic, "reader").await.expect("joins");
    broker.publish(&topic, numbered(2)).await.expect("published");
    while next(&mut reader).await != 2 {} // The first may have gone with the reader that left.
}

#[tokio::test]
async fn of_two_readers_of_a_group_the_second_takes_over_when_the_first_leaves() {
    let broker = RabbitMq::connect(&testkit::amqp_url().await).await.expect("reached");
    let topic = topic("takeover");
    let mut first = broker.subscribe(&topic, "reader").await.expect("joins");
    let mut second = broker.subscribe(&topic, "reader").await.expect("joins");
    for number in 0..20 {
        broker.publish(&topic, numbered(number)).await.expect("published");
        assert_eq!(next(&mut first).await, number);
        assert_eq!(second.try_recv(), None, "a second reader is active");
    }
    drop(first);
    broker.publish(&topic, numbered(20)).await.expect("published");
    while next(&mut second).await != 20 {}
}

#[tokio::test]
async fn a_message_for_nobody_is_not_confirmed() {
    let broker = RabbitMq::connect(&testkit::amqp_url().await).await.expect("reached");
    let refused = broker.publish(&topic("nobody"), numbered(1)).await;
    assert!(matches!(refused, Err(BusError::NotConfirmed(_))), "{refused:?}");
}

#[tokio::test]
async fn an_unreachable_broker_is_an_error_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let began = Instant::now();
    let url = format!("amqp://guest:secret@{address}/%2f");
    let refused = Bus::connect(&url, &Lane::Live, 1).await.err().expect("nobody listens");
    assert!(matches!(refused, BusError::Unreachable(_)), "{refused:?}");
    assert!(!refused.to_string().contains("secret"), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(1), "took {:?}", began.elapsed());
}

#[tokio::test]
async fn a_broker_that_accepts_and_says_nothing_is_an_error_within_the_bound() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("amqp://guest:guest@{}/%2f", listener.local_addr().expect("bound"));
    let began = Instant::now();
    let broker = RabbitMq::try_new(&url).expect("a good URL");
    let refused = broker.publish("silence", Bytes::new()).await.expect_err("nobody answers");
    assert!(matches!(refused, BusError::Unreachable(_)), "{refused:?}");
    assert!(began.elapsed() < OPERATION_WAIT_MAX + Duration::from_secs(1), "took {:?}", began.elapsed());
    // Once the broker is known to be away, nobody waits for it again within the backoff.
    let again = Instant::now();
    broker.publish("silence", Bytes::new()).await.expect_err("nobody answers");
    assert!(again.elapsed() < Duration::from_millis(90), "took {:?}", again.elapsed());
}

#[tokio::test]
async fn a_wrong_url_and_a_name_too_long_are_refused_by_name() {
    let wrong = RabbitMq::try_new("http://guest:secret@127.0.0.1/").err().expect("not AMQP");
    assert!(matches!(wrong, BusError::BadUrl(_)), "{wrong:?}");
    assert!(!wrong.to_string().contains("secret"), "{wrong}");
    let broker = RabbitMq::try_new("amqp://127.0.0.1:1/%2f").expect("a good URL");
    let long = broker.publish(&"x".repeat(256), Bytes::new()).await;
    assert!(matches!(long, Err(BusError::BadName(256))), "{long:?}");
}
