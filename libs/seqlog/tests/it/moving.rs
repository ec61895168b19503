//! Invariant under test: while readers' nodes come, go and die under load, on a bus that doubles everything or loses
//! its queues, each row is applied once, in order.

use crate::echo::{Bench, Echoer, Following, append, partitions};
use crate::notes::{Echoes, Notes, note};
use bus::{Broker, Bus, BusError, Confirm, DeadLetter, InProcess, Joined, Place, RabbitMq};
use bytes::Bytes;
use contracts::lane::Lane;
use contracts::topology::Exchange;
use ids::PartitionGroup;
use lapin::options::QueueDeleteOptions;
use lapin::types::ShortString;
use lapin::{Connection, ConnectionProperties};
use seqlog::{
    Appender, AppenderSettings, Membership, NodeSettings, Reader, ReaderSettings, Relaying, TableSource,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// A broker that delivers everything twice.
struct Doubling<B>(B);

#[async_trait::async_trait]
impl<B: Broker> Broker for Doubling<B> {
    async fn send(
        &self,
        topic: &Exchange,
        group: PartitionGroup,
        payload: Bytes,
    ) -> Result<Confirm, BusError> {
        let first = self.0.send(topic, group, payload.clone()).await?;
        let second = self.0.send(topic, group, payload).await?;
        Ok(Box::pin(async move {
            first.await?;
            second.await
        }))
    }

    async fn join(&self, place: &Place, sink: mpsc::Sender<bus::Message>) -> Result<Joined, BusError> {
        self.0.join(place, sink).await
    }

    async fn refuse(&self, letter: DeadLetter) -> Result<(), BusError> {
        self.0.refuse(letter).await
    }
}

/// One node that echoes.
struct Node {
    membership: Membership,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Node {
    async fn start(bench: &Bench, name: &str) -> Node {
        let db = bench.echoes_db.clone();
        let settings = NodeSettings::even(name, Duration::from_millis(600));
        let membership = Membership::join(db.clone(), "wallet.entries", settings).await.expect("it joins");
        let writing = AppenderSettings { ownership: membership.ownership(), relaying: Relaying::Off };
        let echoes = Appender::new(db.clone(), Echoes, bench.bus.clone(), writing);
        let handler = Echoer { db: db.clone(), echoes, following: Following::Ownership, fault: None };
        let source = Arc::new(TableSource::new(bench.notes_db.clone(), Notes));
        let settings = ReaderSettings { gather: Duration::from_millis(2), ..ReaderSettings::default() };
        let reader =
            Reader::try_new(db, source, handler, settings, []).await.expect("the offsets are readable");
        let (stop, stopped) = watch::channel(false);
        let bus = bench.bus.clone();
        let task = tokio::spawn(async move {
            let mut handler = reader.run(bus, stopped).await;
            handler.echoes.release().await.expect("the marks are saved");
        });
        Node { membership, stop, task }
    }

    fn kill(self) {
        self.task.abort();
    }

    async fn leave(self) {
        let kept = self.membership.drain(Duration::from_secs(10)).await;
        assert!(kept.is_empty(), "{kept:?}");
        self.stop.send_replace(true);
        self.task.await.expect("it ends");
        self.membership.leave().await;
    }
}

/// Notes are written all the time, while nodes come and go; then every note must have its echo.
async fn live_through(bench: &Bench, mut trouble: impl AsyncFnMut(usize)) {
    let mut writer = bench.writer("writer").await;
    let mut nodes = vec![Node::start(bench, "a").await];
    for step in 0..100 {
        let notes = partitions().into_iter().map(|partition| note(partition, 1)).collect();
        append(bench, &mut writer, notes).await.expect("the writer holds its partitions");
        if step % 10 == 0 {
            writer.save_marks().await.expect("the database is there");
        }
        match step {
            10 => nodes.push(Node::start(bench, "b").await),
            30 => nodes.push(Node::start(bench, "c").await),
            50 => nodes.remove(0).kill(),
            70 => nodes.remove(0).leave().await,
            80 => nodes.push(Node::start(bench, "a").await),
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        trouble(step).await;
    }
    let began = Instant::now();
    loop {
        writer.save_marks().await.expect("the database is there");
        let echoed: i64 = sqlx::query_scalar(bench.echoes_db.sql("SELECT count(*) FROM {s}.echoes"))
            .fetch_one(bench.echoes_db.pool())
            .await
            .expect("a count");
        if echoed == 300 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{echoed} of 300 notes have their echo");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("everything was applied {:?} after the last row", began.elapsed());
    bench.assert_echoes_equal_notes().await;
    for node in nodes {
        node.kill();
    }
}

#[tokio::test]
async fn each_row_is_applied_once_while_ownership_moves_and_everything_comes_twice() {
    let bus = Bus::new(Arc::new(Doubling(InProcess::default())), &Lane::Live, 1);
    let bench = Bench::open_on(bus).await;
    live_through(&bench, async |_| {}).await;
}

#[tokio::test]
async fn each_row_is_applied_once_over_a_rabbitmq_that_doubles_and_loses_its_queues() {
    let url = testkit::amqp_url().await;
    let broker = RabbitMq::connect(&url).await.expect("reached");
    // A generation of its own: other tests use the same broker.
    let generation = std::process::id();
    let bench = Bench::open_on(Bus::new(Arc::new(Doubling(broker)), &Lane::Live, generation)).await;
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.expect("reached");
    let exchange = Exchange::new(&Lane::Live, "cashier.payments", generation);
    live_through(&bench, async |step| {
        if step % 20 == 15 {
            let channel = connection.create_channel().await.expect("a channel");
            for group in PartitionGroup::all() {
                let queue = ShortString::try_new(exchange.queue("echoes", group)).expect("short");
                let _ = channel.queue_delete(queue, QueueDeleteOptions::default()).await; // It may be gone.
            }
        }
    })
    .await;
}
