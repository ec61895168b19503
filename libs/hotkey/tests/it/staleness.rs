//! A race between writers, flushes and lost connections on one side and readers of a cache on the other, and the
//! judge of what the readers saw.
//!
//! Writes of one key follow one another, and each is noted before it begins and when it was answered. A value
//! that a reader got is stale by the time between the answer to the next write and the beginning of the read.
//! Also used by the benches, where other caches run the same race.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A cache under test.
pub trait Subject: Clone + Send + Sync + 'static {
    /// The number a key holds; an error (no connection, too slow) proves nothing and is not judged.
    fn read(&self, key: &str) -> impl Future<Output = Result<Option<u64>, ()>> + Send;
}

/// Where writes go, past the cache under test.
pub trait Truth: Send + Sync + 'static {
    fn write(&self, key: &str, value: u64) -> impl Future<Output = ()> + Send;
    /// Removes every key.
    fn flush(&self) -> impl Future<Output = ()> + Send;
}

/// How long and with what.
pub struct Plan {
    pub keys: Vec<String>,
    pub readers: usize,
    pub rounds: usize,
    /// How long a round's writers write.
    pub storm: Duration,
    /// How long after a round's last write every key may still be read stale.
    pub settle: Duration,
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    pub reads: u64,
    pub writes: u64,
    pub flushes: u64,
    pub cuts: u64,
    /// The stalest value that was read while the race went on.
    pub stalest: Duration,
    /// Values that were never written, or not yet.
    pub from_nowhere: u64,
    /// Keys still stale when a round's time to settle was over.
    pub stuck: Vec<String>,
}

struct Event {
    value: Option<u64>,
    answered: Option<Instant>,
}

/// One key: whose turn it is to write, and what was written.
struct Track {
    key: String,
    turn: tokio::sync::Mutex<u64>,
    events: Mutex<Vec<Event>>,
}

impl Track {
    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, value: Option<u64>) {
        self.events().push(Event { value, answered: None });
    }

    fn answered(&self) {
        if let Some(last) = self.events().last_mut() {
            last.answered = Some(Instant::now());
        }
    }

    /// How stale a value was; `Err` if it cannot have been there.
    fn judge(&self, got: Option<u64>, began: Instant) -> Result<Duration, ()> {
        let events = self.events();
        let at = events.iter().rposition(|event| event.value == got).ok_or(())?;
        let replaced = events.get(at + 1).and_then(|event| event.answered);
        Ok(replaced.map_or(Duration::ZERO, |replaced| began.saturating_duration_since(replaced)))
    }

    fn last(&self) -> Option<u64> {
        self.events().last().and_then(|event| event.value)
    }
}

struct Race<S, T> {
    subject: S,
    truth: T,
    tracks: Vec<Track>,
    storming: AtomicBool,
    over: AtomicBool,
    reads: AtomicU64,
    writes: AtomicU64,
    from_nowhere: AtomicU64,
    stalest: Mutex<Duration>,
}

/// Runs the race. The cable, if there is one, is what the cache under test is connected through.
pub async fn race<S: Subject, T: Truth>(subject: S, truth: T, cable: Option<&Cable>, plan: &Plan) -> Outcome {
    let track = |key: &String| Track {
        key: key.clone(),
        turn: tokio::sync::Mutex::new(0),
        events: Mutex::new(vec![Event { value: None, answered: Some(Instant::now()) }]),
    };
    let race = Arc::new(Race {
        subject,
        truth,
        tracks: plan.keys.iter().map(track).collect(),
        storming: AtomicBool::new(false),
        over: AtomicBool::new(false),
        reads: AtomicU64::new(0),
        writes: AtomicU64::new(0),
        from_nowhere: AtomicU64::new(0),
        stalest: Mutex::default(),
    });
    let mut dice = StdRng::seed_from_u64(plan.seed);
    let mut outcome = Outcome::default();
    let readers: Vec<_> =
        (0..plan.readers).map(|_| tokio::spawn(keep_reading(Arc::clone(&race), dice.random()))).collect();
    for round in 0..plan.rounds {
        race.storming.store(true, Ordering::SeqCst);
        let writers: Vec<_> = (0..race.tracks.len())
            .map(|track| tokio::spawn(keep_writing(Arc::clone(&race), track, dice.random())))
            .collect();
        storm(&race, cable, &mut dice, plan.storm, &mut outcome).await;
        // The round's last blow is not left to chance: nothing that comes later may heal what it broke.
        match (round % 3, cable) {
            (0, Some(cable)) => {
                cable.set(Plugged::No);
                tokio::time::sleep(Duration::from_millis(30)).await;
                race.storming.store(false, Ordering::SeqCst);
                cable.set(Plugged::Yes);
                outcome.cuts += 1;
            }
            (1, _) => {
                flush(&race).await;
                outcome.flushes += 1;
            }
            _ => {}
        }
        race.storming.store(false, Ordering::SeqCst);
        for writer in writers {
            writer.await.expect("a writer does not fail");
        }
        settle(&race, plan.settle, round, &mut outcome.stuck).await;
    }
    race.over.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.expect("a reader does not fail");
    }
    outcome.reads = race.reads.load(Ordering::SeqCst);
    outcome.writes = race.writes.load(Ordering::SeqCst);
    outcome.from_nowhere = race.from_nowhere.load(Ordering::SeqCst);
    outcome.stalest = *race.stalest.lock().unwrap_or_else(PoisonError::into_inner);
    outcome
}

/// Flushes and cuts, now and then, while the writers write.
async fn storm<S: Subject, T: Truth>(
    race: &Race<S, T>,
    cable: Option<&Cable>,
    dice: &mut StdRng,
    lasts: Duration,
    outcome: &mut Outcome,
) {
    let ends = Instant::now() + lasts;
    while Instant::now() < ends {
        tokio::time::sleep(Duration::from_millis(dice.random_range(5..60))).await;
        match (dice.random_range(0..4), cable) {
            (0, _) => {
                flush(race).await;
                outcome.flushes += 1;
            }
            (1, Some(cable)) => {
                cable.set(Plugged::No);
                tokio::time::sleep(Duration::from_millis(dice.random_range(0..30))).await;
                cable.set(Plugged::Yes);
                outcome.cuts += 1;
            }
            _ => {}
        }
    }
}

async fn keep_writing<S: Subject, T: Truth>(race: Arc<Race<S, T>>, track: usize, seed: u64) {
    let (track, mut dice) = (&race.tracks[track], StdRng::seed_from_u64(seed));
    while race.storming.load(Ordering::SeqCst) {
        {
            let mut turn = track.turn.lock().await;
            *turn += 1;
            track.begin(Some(*turn));
            race.truth.write(&track.key, *turn).await;
            track.answered();
        }
        race.writes.fetch_add(1, Ordering::SeqCst);
        // Now close together, now with room for reads to be held.
        match dice.random_range(0..4) {
            0 => tokio::task::yield_now().await,
            _ => tokio::time::sleep(Duration::from_micros(dice.random_range(100..6_000))).await,
        }
    }
}

async fn flush<S: Subject, T: Truth>(race: &Race<S, T>) {
    let mut turns = Vec::new();
    for track in &race.tracks {
        turns.push(track.turn.lock().await);
    }
    race.tracks.iter().for_each(|track| track.begin(None));
    race.truth.flush().await;
    race.tracks.iter().for_each(Track::answered);
}

async fn keep_reading<S: Subject, T: Truth>(race: Arc<Race<S, T>>, seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    while !race.over.load(Ordering::SeqCst) {
        let track = &race.tracks[dice.random_range(0..race.tracks.len())];
        let began = Instant::now();
        match race.subject.read(&track.key).await {
            Ok(got) => {
                race.reads.fetch_add(1, Ordering::SeqCst);
                match track.judge(got, began) {
                    Ok(stale) => {
                        let mut stalest = race.stalest.lock().unwrap_or_else(PoisonError::into_inner);
                        *stalest = stale.max(*stalest);
                    }
                    Err(()) => drop(race.from_nowhere.fetch_add(1, Ordering::SeqCst)),
                }
            }
            Err(()) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
        if dice.random_range(0..64) == 0 {
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
    }
}

/// After the last write every key must come to be read as it is, and stay so.
async fn settle<S: Subject, T: Truth>(
    race: &Race<S, T>,
    within: Duration,
    round: usize,
    stuck: &mut Vec<String>,
) {
    let deadline = Instant::now() + within;
    for track in &race.tracks {
        let want = track.last();
        loop {
            let got = race.subject.read(&track.key).await;
            if got == Ok(want) {
                break;
            }
            if Instant::now() >= deadline {
                stuck.push(format!("round {round}: {} is {want:?} and was read as {got:?}", track.key));
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// A connection to Redis that says little: enough to write past any cache.
pub struct Wire {
    pub stream: tokio::sync::Mutex<BufReader<TcpStream>>,
    prefix: String,
}

impl Wire {
    /// `prefix` is what the names of keys begin with in the server.
    pub async fn connect(url: &str, prefix: &str) -> Wire {
        let stream = TcpStream::connect(address(url)).await.expect("the server is there");
        stream.set_nodelay(true).expect("a socket takes it");
        Wire { stream: tokio::sync::Mutex::new(BufReader::new(stream)), prefix: prefix.to_owned() }
    }

    pub async fn say(&self, command: &str) -> String {
        let mut stream = self.stream.lock().await;
        stream.get_mut().write_all(format!("{command}\r\n").as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_line(&mut answer).await.expect("answered");
        assert!(!answer.starts_with('-'), "{command}: {answer}");
        answer.trim_end().to_owned()
    }
}

impl Truth for Wire {
    async fn write(&self, key: &str, value: u64) {
        self.say(&format!("SET {}{key} {value}", self.prefix)).await;
    }

    async fn flush(&self) {
        self.say("FLUSHALL").await;
    }
}

fn address(url: &str) -> String {
    url.trim_start_matches("redis://").split('/').next().unwrap_or_default().to_owned()
}

/// What a cable does with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plugged {
    Yes,
    /// Connections end, and no new one is made.
    No,
    /// Nothing passes, and nobody is told.
    Frozen,
    /// What is said arrives; no answer comes back.
    Deaf,
}

/// A stand-in for the server that passes bytes on while it is plugged in.
pub struct Cable {
    pub url: String,
    plugged: watch::Sender<Plugged>,
}

impl Cable {
    pub async fn lay(url: &str) -> Cable {
        let real = address(url);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("redis://{}", listener.local_addr().expect("bound"));
        let (plugged, now) = watch::channel(Plugged::Yes);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(pass_on(near, real.clone(), now.clone()));
            }
        });
        Cable { url, plugged }
    }

    pub fn set(&self, plugged: Plugged) {
        self.plugged.send_replace(plugged);
    }
}

async fn pass_on(near: TcpStream, real: String, plugged: watch::Receiver<Plugged>) {
    if *plugged.borrow() == Plugged::No {
        return;
    }
    let Ok(far) = TcpStream::connect(real).await else { return };
    let (near, far) = (near.into_split(), far.into_split());
    let mut cut = plugged.clone();
    tokio::select! {
        () = one_way(near.0, far.1, plugged.clone(), &[Plugged::Frozen]) => {}
        () = one_way(far.0, near.1, plugged, &[Plugged::Frozen, Plugged::Deaf]) => {}
        _ = cut.wait_for(|plugged| *plugged == Plugged::No) => {}
    }
}

async fn one_way(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut plugged: watch::Receiver<Plugged>,
    held_up: &[Plugged],
) {
    let mut bytes = vec![0; 16 << 10];
    while let Ok(len @ 1..) = from.read(&mut bytes).await {
        let passes = plugged.wait_for(|plugged| !held_up.contains(plugged)).await.is_ok();
        if !passes || to.write_all(&bytes[..len]).await.is_err() {
            return;
        }
    }
}
