//! What only a broker that can go away has to prove.

use crate::cable::Cable;
use crate::contract::{ARRIVAL_WAIT_MAX, bus_over, group, join, next, numbered, publish, publish_all, topic};
use bus::{Bus, BusError, OPERATION_WAIT_MAX, RabbitMq};
use bytes::Bytes;
use contracts::calls::{CallWatch, Went};
use contracts::lane::Lane;
use contracts::topology::{Exchange, QUEUE_HEADER, REASON_HEADER};
use lapin::options::{BasicGetOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, ShortString};
use lapin::{Connection, ConnectionProperties};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

async fn publish_until_it_works(bus: &Bus, topic: &str, number: u32) -> Vec<BusError> {
    let deadline = Instant::now() + ARRIVAL_WAIT_MAX;
    let mut failures = Vec::new();
    loop {
        match publish(bus, topic, number).await {
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
    let bus = bus_over(RabbitMq::connect(&url).await.expect("reached"));
    let topic = topic("cut");
    let mut reader = join(&bus, &topic, "reader").await;
    publish(&bus, &topic, 1).await.expect("published");
    assert_eq!(next(&mut reader).await, 1);

    cable.cut();
    let began = Instant::now();
    for _ in 0..5 {
        let refused = publish(&bus, &topic, 2).await.expect_err("nobody is there");
        assert!(matches!(refused, BusError::Unreachable(_) | BusError::NotConfirmed(_)), "{refused:?}");
    }
    assert!(began.elapsed() < OPERATION_WAIT_MAX, "five refusals took {:?}", began.elapsed());
    let began = Instant::now();
    let _another = bus.subscribe(&topic, "another"); // It hears nothing for now, and waits for nothing.
    assert!(began.elapsed() < Duration::from_millis(100), "took {:?}", began.elapsed());

    cable.mend().await;
    let failures = publish_until_it_works(&bus, &topic, 3).await;
    assert!(failures.iter().all(|error| matches!(error, BusError::Unreachable(_))), "{failures:?}");
    while next(&mut reader).await != 3 {} // Its subscription is the one from before the cut.
}

#[tokio::test]
async fn a_reader_that_left_finds_what_came_meanwhile() {
    let bus = bus_over(RabbitMq::connect(&testkit::amqp_url().await).await.expect("reached"));
    let topic = topic("return");
    drop(join(&bus, &topic, "reader").await);
    publish(&bus, &topic, 1).await.expect("the queue is still there");
    let mut reader = join(&bus, &topic, "reader").await;
    publish(&bus, &topic, 2).await.expect("published");
    while next(&mut reader).await != 2 {} // The first may have gone with the reader that left.
}

#[tokio::test]
async fn of_two_instances_of_a_reader_the_second_takes_over_when_the_first_leaves() {
    let bus = bus_over(RabbitMq::connect(&testkit::amqp_url().await).await.expect("reached"));
    let topic = topic("takeover");
    let mut first = join(&bus, &topic, "reader").await;
    let mut second = join(&bus, &topic, "reader").await;
    for number in 0..20 {
        publish(&bus, &topic, number).await.expect("published");
        assert_eq!(next(&mut first).await, number);
        assert_eq!(second.try_recv(), None, "a second reader is active");
    }
    drop(first);
    publish(&bus, &topic, 20).await.expect("published");
    while next(&mut second).await != 20 {}
}

#[tokio::test]
async fn a_message_for_nobody_is_not_confirmed() {
    let bus = bus_over(RabbitMq::connect(&testkit::amqp_url().await).await.expect("reached"));
    let refused = publish(&bus, &topic("nobody"), 1).await;
    assert!(matches!(refused, Err(BusError::NoQueue)), "{refused:?}");
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
    let bus = bus_over(RabbitMq::try_new(&url).expect("a good URL"));
    let refused = bus.publish("silence", group(0), Bytes::new()).await.expect_err("nobody answers");
    assert!(matches!(refused, BusError::Unreachable(_)), "{refused:?}");
    assert!(began.elapsed() < OPERATION_WAIT_MAX + Duration::from_secs(1), "took {:?}", began.elapsed());
    // Once the broker is known to be away, nobody waits for it again within the backoff.
    let again = Instant::now();
    bus.publish("silence", group(0), Bytes::new()).await.expect_err("nobody answers");
    assert!(again.elapsed() < Duration::from_millis(90), "took {:?}", again.elapsed());
}

#[tokio::test]
async fn a_wrong_url_and_a_name_too_long_are_refused_by_name() {
    let wrong = RabbitMq::try_new("http://guest:secret@127.0.0.1/").err().expect("not AMQP");
    assert!(matches!(wrong, BusError::BadUrl(_)), "{wrong:?}");
    assert!(!wrong.to_string().contains("secret"), "{wrong}");
    let bus = bus_over(RabbitMq::try_new("amqp://127.0.0.1:1/%2f").expect("a good URL"));
    let long = bus.publish(&"x".repeat(256), group(0), Bytes::new()).await;
    assert!(matches!(long, Err(BusError::BadName(259))), "{long:?}");
}

async fn connection() -> Connection {
    let url = testkit::amqp_url().await;
    Connection::connect(&url, ConnectionProperties::default()).await.expect("reached")
}

#[tokio::test]
async fn a_refused_message_is_in_the_dead_letter_queue_with_its_reason() {
    let bus = bus_over(RabbitMq::connect(&testkit::amqp_url().await).await.expect("reached"));
    let topic = topic("dead");
    let subscription = join(&bus, &topic, "reader").await;
    let reason = "schema version 9; this reader knows 1";
    subscription.refuse(numbered(7), reason.to_owned());
    let connection = connection().await;
    let queue = Exchange::new(&Lane::Live, &topic, 1).dead_letters();
    let deadline = Instant::now() + ARRIVAL_WAIT_MAX;
    let letter = loop {
        assert!(Instant::now() < deadline, "it was not kept");
        // Asking for a queue that is not declared yet closes the channel.
        let channel = connection.create_channel().await.expect("a channel");
        let name = ShortString::try_new(queue.as_str()).expect("short");
        if let Ok(Some(letter)) = channel.basic_get(name, BasicGetOptions::default()).await {
            break letter.delivery;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(letter.data, b"7");
    let headers = letter.properties.headers().clone().expect("it has headers");
    let header = |name: &str| headers.inner().get(name).cloned();
    assert_eq!(header(REASON_HEADER), Some(AMQPValue::LongString(reason.into())));
    assert_eq!(header(QUEUE_HEADER), Some(AMQPValue::LongString(format!("{topic}.g1.reader").into())));
}

#[tokio::test]
async fn a_queue_that_is_deleted_under_load_comes_back_by_itself() {
    let bus = bus_over(RabbitMq::connect(&testkit::amqp_url().await).await.expect("reached"));
    let topic = topic("deleted");
    let mut reader = join(&bus, &topic, "reader").await;
    publish_all(&bus, &topic, 50).await.expect("published");
    let queue = Exchange::new(&Lane::Live, &topic, 1).queue("reader", group(0));
    let name = ShortString::try_new(queue.as_str()).expect("short");
    let channel = connection().await.create_channel().await.expect("a channel");
    channel.queue_delete(name, QueueDeleteOptions::default()).await.expect("deleted");
    publish_until_it_works(&bus, &topic, 77).await; // Unroutable until the reader has joined again.
    while next(&mut reader).await != 77 {}
}

/// Counts what it hears: well, badly.
#[derive(Default)]
struct Ear([std::sync::atomic::AtomicU32; 2]);

impl CallWatch for Ear {
    fn went(&self, went: Went, _took: Duration) {
        let at = usize::from(went == Went::Badly);
        self.0[at].fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Ear {
    fn heard(&self) -> [u32; 2] {
        [&self.0[0], &self.0[1]].map(|count| count.load(std::sync::atomic::Ordering::SeqCst))
    }
}

#[tokio::test]
async fn whoever_watches_hears_of_every_message_and_badly_only_while_the_broker_is_away() {
    let (cable, url) = Cable::lay(&testkit::amqp_url().await).await;
    let ear = Arc::new(Ear::default());
    let bus = bus_over(RabbitMq::connect(&url).await.expect("reached")).watched_by(ear.clone());
    let (topic, unheard) = (topic("watched"), topic("unheard"));
    let _reader = join(&bus, &topic, "reader").await;
    for number in 0..3 {
        publish(&bus, &topic, number).await.expect("published");
    }
    assert_eq!(ear.heard(), [3, 0]);
    assert!(publish(&bus, &unheard, 1).await.is_err());
    assert_eq!(ear.heard(), [4, 0], "nobody has a queue for it, and the broker said so");
    cable.cut();
    for number in 0..2 {
        assert!(publish(&bus, &topic, number).await.is_err());
    }
    assert_eq!(ear.heard(), [4, 2]);
}
