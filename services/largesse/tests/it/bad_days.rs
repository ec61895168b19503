//! What an SRE does to the stack on purpose: servers crash, lose everything, or run full; processes are killed;
//! clients repeat themselves.
//!
//! Invariant under test: no acknowledged gift is lost, none is charged twice, what could not be shown is refunded,
//! and the books close. `LARGESSE_TEST_LONG` asks for full lengths.

use crate::doubling::Doubling;
use crate::evening::{Evening, is_long};
use crate::shown::{Ranks, RoomFeed, busiest_room};
use crate::witness::Witness;
use chaos::{ChaosError, STACK, SmallDisk};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};
use testkit::Kind;

/// The size of the databases' disk; everything that is needed to start fits well.
const DISK_MIB: u32 = 1_024;

/// How long a server stays away.
fn away() -> Duration {
    Duration::from_secs(if is_long() { 60 } else { 2 })
}

/// The longest that commands may stand still while a server is away that they can do without: a client that waits for
/// its recharges begins with gifts when readers have found them without the broker.
const STILL_MAX: Duration = Duration::from_secs(30);

/// Commands are decided while a server that they can do without is away.
async fn goes_on(evening: &Evening, without: &str) {
    let before = evening.decided().await.expect("a count");
    let began = Instant::now();
    loop {
        tokio::time::sleep(away()).await;
        let decided = evening.decided().await.expect("a count") - before;
        if decided >= 100 {
            println!("{decided} commands were decided in {:?} without {without}", began.elapsed());
            return;
        }
        assert!(began.elapsed() < STILL_MAX, "only {decided} commands were decided without {without}");
    }
}

async fn rabbitmq_crashes_and_loses_every_queue(evening: &mut Evening) {
    evening
        .act(|cluster| {
            let server = cluster.server(Kind::RabbitMq)?;
            server.crash()?;
            Ok(server.lose_queues()?)
        })
        .await;
    goes_on(evening, "RabbitMQ").await;
    evening.act(|cluster| Ok(cluster.server(Kind::RabbitMq)?.start_again()?)).await;
}

async fn redis_crashes_and_forgets_everything(evening: &mut Evening) {
    evening.act(|cluster| Ok(cluster.server(Kind::Redis)?.crash()?)).await;
    goes_on(evening, "Redis").await;
    evening.act(|cluster| Ok(cluster.server(Kind::Redis)?.start_again()?)).await;
}

/// Ends whatever connection is at work, some of them in the middle of a COMMIT.
const CUT_BUSY: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
     WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()";

async fn connections_are_cut_at_work(evening: &mut Evening) {
    let mut connection = evening.connect().await.expect("the database");
    let (began, mut cut) = (Instant::now(), 0);
    while began.elapsed() < away() {
        let now: i64 = sqlx::query_scalar(CUT_BUSY).fetch_one(&mut connection).await.expect("a count");
        cut += now;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(cut > 0, "no connection was at work");
    println!(
        "{cut} connections were cut at work; the next command was decided {:?} later",
        evening.recovery().await
    );
}

async fn postgresql_crashes(evening: &mut Evening) {
    evening
        .act(|cluster| {
            let server = cluster.server(Kind::Postgres)?;
            server.crash()?;
            std::thread::sleep(Duration::from_secs(1));
            Ok(server.start_again()?)
        })
        .await;
    println!("the next command was decided {:?} after PostgreSQL was back", evening.recovery().await);
}

/// The longest pause between two kills, in milliseconds.
const PAUSE_MS_MAX: u64 = 1_400;

/// Chance that is the same again under the same seed, which it prints: `LARGESSE_TEST_SEED` asks for one.
fn chance() -> StdRng {
    let asked = std::env::var("LARGESSE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = asked.unwrap_or_else(rand::random);
    println!("LARGESSE_TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// Each process once, in a random order, at random moments.
async fn every_process_is_killed(evening: &mut Evening, chance: &mut StdRng) {
    let mut victims = STACK.map(|role| role.name);
    victims.shuffle(chance);
    for victim in victims {
        evening
            .act(move |cluster| {
                cluster.kill(victim)?;
                cluster.start_again(victim)
            })
            .await;
        tokio::time::sleep(Duration::from_millis(chance.random_range(0..PAUSE_MS_MAX))).await;
    }
    println!("the next command was decided {:?} after the last kill", evening.recovery().await);
}

/// Three clients send the same gifts under the same keys, messages come twice until the broker forgets its queues, and
/// everything fails that can.
#[tokio::test(flavor = "multi_thread")]
async fn an_evening_on_which_messages_come_twice_clients_repeat_themselves_and_everything_fails() {
    let mut evening = Evening::prepare(None).await;
    let doubling = Doubling::begin(&evening.amqp().await).await;
    evening.send(3).await;
    let doubled = doubling.doubled();
    assert!(doubled > 0, "nothing was delivered twice");
    rabbitmq_crashes_and_loses_every_queue(&mut evening).await;
    println!("{doubled} messages were delivered twice before it crashed, {} in all", doubling.doubled());
    redis_crashes_and_forgets_everything(&mut evening).await;
    connections_are_cut_at_work(&mut evening).await;
    postgresql_crashes(&mut evening).await;
    every_process_is_killed(&mut evening, &mut chance()).await;
    evening.end("messages came twice, everything failed, every request was sent three times").await;
}

/// How long what was away or forgotten may take to be used and shown again.
const RECOVERED_WITHIN: Duration = Duration::from_secs(60);

/// Until no process says any more that something is away.
async fn until_nothing_is_away(evening: &Evening) -> Duration {
    let began = Instant::now();
    for process in evening.cluster().processes() {
        loop {
            let answer = reqwest::get(format!("{}/readyz", process.url())).await.expect("an answer");
            let said: serde_json::Value = answer.json().await.expect("JSON");
            if said["ready"] == true && said["weakened"].as_array().is_none_or(Vec::is_empty) {
                break;
            }
            assert!(began.elapsed() < RECOVERED_WITHIN, "{}: {said}", process.role.name);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    began.elapsed()
}

const DELIVERED: &str = "SELECT count(*) FROM gift.orders WHERE kind = 1";
const SETTLED: &str = "SELECT count(DISTINCT order_id) FROM settlement.items WHERE kind = 1";
const SETTLED_TWICE: &str = "SELECT count(*) FROM (SELECT FROM settlement.items WHERE kind = 1 GROUP BY order_id HAVING count(*) > 1) twice";

/// Whatever was delivered settles, once. Call it when no more gifts come.
async fn everything_settles(evening: &Evening) {
    let began = Instant::now();
    loop {
        let (delivered, settled) = (evening.count(DELIVERED).await, evening.count(SETTLED).await);
        if delivered == settled {
            println!("{} delivered gifts are settled", delivered.expect("the database answers"));
            break;
        }
        assert!(began.elapsed() < RECOVERED_WITHIN, "{delivered:?} delivered, {settled:?} settled");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(evening.count(SETTLED_TWICE).await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_that_restarts_with_its_queues_under_load_keeps_what_they_hold_and_every_gift_settles() {
    let mut evening = Evening::prepare(None).await;
    let amqp = evening.amqp().await;
    let mut witness = Witness::begin(&amqp).await;
    evening.send(1).await;
    let sent = witness.sent().await;
    assert!(!sent.is_empty(), "nothing was sent");
    tokio::time::sleep(Duration::from_secs(1)).await; // One queue may have had it before the other.
    evening.act(|cluster| Ok(cluster.server(Kind::RabbitMq)?.crash()?)).await;
    goes_on(&evening, "RabbitMQ").await;
    evening.act(|cluster| Ok(cluster.server(Kind::RabbitMq)?.start_again()?)).await;
    println!("the next command was decided {:?} after RabbitMQ was back", evening.recovery().await);
    println!("every process used it again within {:?}", until_nothing_is_away(&evening).await);
    let count = sent.len();
    let lost = witness.not_kept(sent).await;
    assert!(lost.is_empty(), "{} of {count} messages were not kept", lost.len());
    println!("a queue that nobody read gave back all of {count} messages");
    evening.rest().await;
    everything_settles(&evening).await;
    evening.end("RabbitMQ was restarted with its queues").await;
}

async fn redis_forgets_everything(evening: &mut Evening) {
    evening
        .act(|cluster| {
            use std::io::{Read, Write};
            let address = cluster.server(Kind::Redis)?.url().trim_start_matches("redis://").to_owned();
            let failed = |error: std::io::Error| ChaosError::Disk(error.to_string());
            let mut stream = std::net::TcpStream::connect(address).map_err(failed)?;
            stream.write_all(b"FLUSHALL\r\n").map_err(failed)?;
            let mut said = [0; 5];
            stream.read_exact(&mut said).map_err(failed)?;
            assert_eq!(&said, b"+OK\r\n");
            Ok(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_that_forgets_everything_under_load_costs_no_coin_and_rooms_show_gifts_and_ranks_again() {
    let mut evening = Evening::begin(1).await;
    let mut connection = evening.connect().await.expect("the database");
    let room = busiest_room(&mut connection).await;
    let nodes = ["gift-1", "gift-2"].map(|name| evening.cluster().process(name).expect("a node").url());
    let mut feeds = Vec::new();
    for url in &nodes {
        feeds.push(RoomFeed::open(url, &room).await);
    }
    let opened = Instant::now();
    for feed in &feeds {
        feed.next_after(opened, RECOVERED_WITHIN).await;
    }
    let (before, _) = Ranks::in_table(&mut connection, &room, &Ranks::of(&nodes[0], &room).await).await;
    redis_forgets_everything(&mut evening).await;
    let forgot = Instant::now();
    println!("the next command was decided {:?} after Redis forgot", evening.recovery().await);
    for (url, feed) in nodes.iter().zip(&feeds) {
        let shown = feed.next_after(forgot, RECOVERED_WITHIN).await;
        loop {
            let now = Ranks::of(url, &room).await;
            if now.gift_count >= before && !now.ranks.is_empty() {
                break;
            }
            assert!(forgot.elapsed() < RECOVERED_WITHIN, "{before} gifts before, and now {now:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!("{url}: a gift was shown after {shown:?}, ranks were seen after {:?}", forgot.elapsed());
    }
    // What was shown first may have been on its way.
    let later = forgot + Duration::from_secs(1);
    for feed in &feeds {
        feed.next_after(later, RECOVERED_WITHIN).await;
    }
    evening.rest().await;
    everything_settles(&evening).await;
    // Ranks counted under load are a show; those counted at rest are the table's.
    redis_forgets_everything(&mut evening).await;
    let forgot = Instant::now();
    for url in &nodes {
        loop {
            let now = Ranks::of(url, &room).await;
            let table = Ranks::in_table(&mut connection, &room, &now).await;
            if !now.ranks.is_empty() && now.facts() == table {
                break;
            }
            assert!(forgot.elapsed() < RECOVERED_WITHIN, "{now:?}, and in the table {table:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    println!("forgotten at rest, ranks were the table's {:?} later", forgot.elapsed());
    evening.end("Redis forgot everything, twice").await;
}

/// One fault at a time, and for long.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes five minutes: a part of `make test-long`; the short evening kills every process once"]
async fn five_minutes_of_kills() {
    let mut evening = Evening::begin(1).await;
    let until = Instant::now() + Duration::from_secs(300);
    let mut chance = chance();
    while Instant::now() < until {
        every_process_is_killed(&mut evening, &mut chance).await;
    }
    evening.end("every process killed, for five minutes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_databases_disk_may_be_full() {
    let folder = tempfile::tempdir().expect("a folder");
    // Where nothing may be mounted this fails and says so: it has not shown anything.
    let disk =
        SmallDisk::mount(&folder.path().join("disk"), DISK_MIB).unwrap_or_else(|error| panic!("{error}"));
    open_to_all(folder.path());
    let mut evening = Evening::prepare(Some(disk.folder())).await;
    evening.send(1).await;
    let filler = disk.folder().join("filler");
    let before = evening.decided().await.expect("a count");
    writing_stops(&mut evening, &filler).await;
    std::fs::remove_file(&filler).expect("room again");
    evening
        .act(|cluster| {
            let server = cluster.server(Kind::Postgres)?;
            server.crash()?; // It may have ended by itself; a restart is what its keeper would do.
            Ok(server.start_again()?)
        })
        .await;
    println!("the next command was decided {:?} after PostgreSQL was back", evening.recovery().await);
    assert!(evening.decided().await.is_some_and(|now| now > before), "what was decided before is not there");
    evening.end("the databases' disk was full").await;
}

/// How long nothing may be decided until writing counts as stopped.
const STILL_FOR: Duration = Duration::from_secs(3);
/// How long a full disk may take to stop writing: files that are there are written to their ends.
const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// Keeps the disk full until no command is decided any more, although they go on coming.
async fn writing_stops(evening: &mut Evening, filler: &std::path::Path) {
    let began = Instant::now();
    let (mut last, mut since) = (None, Instant::now());
    while since.elapsed() < STILL_FOR {
        assert!(began.elapsed() < STOPS_WITHIN, "commands are decided on a full disk");
        // What files give back is taken at once.
        let filling = filler.to_owned();
        evening.act(move |_| fill(&filling)).await;
        // A database that does not answer has decided nothing that anybody could see.
        let now = evening.decided().await.or(last);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("nothing was decided any more {:?} after the disk was full", began.elapsed() - STILL_FOR);
    let written = write_a_lot(evening).await;
    println!("a writer of our own was told: {written}");
}

/// Writes more than any file has room for; what the database says.
async fn write_a_lot(evening: &Evening) -> String {
    let Some(mut connection) = evening.connect().await else {
        return "no connection: the database is away".to_owned();
    };
    let sql = "CREATE TABLE public.too_much AS SELECT md5(n::text) FROM generate_series(1, 400000) n";
    let written = sqlx::query(sql).execute(&mut connection).await;
    let refused = written.expect_err("a full disk took 25 MB").to_string();
    assert!(
        ["No space left", "closed", "terminating", "recovery", "EOF", "reset"]
            .iter()
            .any(|why| refused.contains(why)),
        "{refused}"
    );
    refused
}

fn open_to_all(folder: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("our own folder");
}

/// Writes until there is no room.
fn fill(path: &std::path::Path) -> Result<(), ChaosError> {
    use std::io::Write;
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(path);
    let mut file = opened.map_err(|error| ChaosError::Disk(error.to_string()))?;
    let zeros = vec![0_u8; 1 << 20];
    while file.write_all(&zeros).is_ok() {}
    while file.write_all(&zeros[..4_096]).is_ok() {} // What is left of the last megabyte.
    Ok(())
}
