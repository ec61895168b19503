//! Invariant under test: a cache that is missing or mute costs its caller a bounded time and a typed error.

use bytes::Bytes;
use cache::{Cache, CacheError, CacheSettings};
use contracts::class::{Classed, ErrorClass};
use contracts::lane::{Lane, RunName};
use guard::deps::{Registry, State};
use std::time::{Duration, Instant};
use uuid::Uuid;

#[tokio::test]
async fn a_mute_server_is_given_up_in_time() {
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("redis://{}", mute.local_addr().expect("bound"));
    let settings = CacheSettings { act_timeout: Duration::from_millis(50), ..CacheSettings::default() };
    let cache = Cache::connect_with(&url, &Lane::Live, settings).await.expect("the URL is fine");
    let started = Instant::now();
    let error = cache.get("anything").await.expect_err("nobody answers");
    assert_eq!((error.class(), error.slug()), (ErrorClass::Transient, "cache-unavailable"));
    assert!(cache.feed_subscribe(Uuid::now_v7()).await.is_err());
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_mute_server_is_soon_not_asked_and_is_found_again_when_it_speaks() {
    let cable = Cable::plug(&testkit::redis_url().await).await;
    let registry = Registry::default();
    let cache = cable.cache().await.behind(registry.weak(&cache::REDIS).expect("declared once"));
    let room = Uuid::now_v7();
    let mut feed = cache.feed_subscribe(room).await.expect("there");
    cache.set("key", b"value", Duration::from_secs(60)).await.expect("kept");
    cable.pull();
    let skipped = async {
        while registry.report()[0].refused == 0 {
            let error = cache.get("key").await.expect_err("nobody answers");
            assert_eq!((error.class(), error.slug()), (ErrorClass::Transient, "cache-unavailable"));
        }
    };
    tokio::time::timeout(Duration::from_secs(30), skipped).await.expect("acts are skipped");
    cache.feed_append(room, vec![Bytes::from_static(b"meanwhile")]).await.expect("feeds stay on this node");
    assert_eq!(feed.recv().await.expect("an event").payload, "meanwhile");
    cable.push();
    let found = async {
        while cache.get("key").await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found).await.expect("it is asked again");
    let closed = async {
        while registry.report()[0].state != State::Closed {
            let _ = cache.get("key").await; // A trial.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), closed).await.expect("trials succeed");
    assert_eq!(cache.get("key").await, Ok(Some(Bytes::from_static(b"value"))));
}

#[tokio::test]
async fn events_stay_on_their_node_while_the_server_is_away_and_travel_again_when_it_is_back() {
    let cable = Cable::plug(&testkit::redis_url().await).await;
    let (here, there) = (cable.cache().await, Cache::connect(&testkit::redis_url().await, &Lane::Live).await);
    let (there, room) = (there.expect("the URL is fine"), Uuid::now_v7());
    let (mut near, mut far) =
        (here.feed_subscribe(room).await.expect("there"), there.feed_subscribe(room).await.expect("there"));
    let one = |text: &'static str| vec![Bytes::from_static(text.as_bytes())];
    here.feed_append(room, one("before")).await.expect("appended");
    assert_eq!(near.recv().await.expect("an event").payload, "before");
    assert_eq!(far.recv().await.expect("an event").payload, "before");
    cable.pull();
    here.feed_append(room, one("meanwhile")).await.expect("kept here");
    let meanwhile = near.recv().await.expect("an event");
    assert_eq!(meanwhile.payload, "meanwhile");
    cable.push();
    let last = async {
        loop {
            here.feed_append(room, one("after")).await.expect("appended");
            if far.try_recv().expect("it goes on").is_some_and(|event| event.payload == "after") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), last).await.expect("events travel again");
    let next = near.recv().await.expect("an event");
    assert!(next.id > meanwhile.id && next.payload == "after", "{next:?}");
}

/// A stand-in for the server that passes bytes on, until it is pulled.
struct Cable {
    address: std::net::SocketAddr,
    plugged: tokio::sync::watch::Sender<bool>,
}

impl Cable {
    async fn plug(url: &str) -> Cable {
        let real = url.trim_start_matches("redis://").to_owned();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (plugged, is_plugged) = tokio::sync::watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (real, mut is_plugged) = (real.clone(), is_plugged.clone());
                tokio::spawn(async move {
                    if !*is_plugged.borrow() {
                        return;
                    }
                    let mut far = tokio::net::TcpStream::connect(real).await.expect("the real server");
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = is_plugged.wait_for(|is_plugged| !is_plugged) => {}
                    }
                });
            }
        });
        Cable { address, plugged }
    }

    async fn cache(&self) -> Cache {
        Cache::connect(&format!("redis://{}", self.address), &Lane::Live).await.expect("the URL is fine")
    }

    fn pull(&self) {
        self.plugged.send_replace(false);
    }

    fn push(&self) {
        self.plugged.send_replace(true);
    }
}

#[tokio::test]
async fn a_missing_server_is_no_reason_not_to_start_and_is_found_when_it_comes() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("bound").port()
    };
    let url = format!("redis://127.0.0.1:{port}");
    let cache = Cache::connect(&url, &Lane::Live).await.expect("a missing server is no bad URL");
    assert!(cache.ping().await.is_err());
    // The server comes: a stand-in that passes bytes on to the real one.
    let real = testkit::redis_url().await.trim_start_matches("redis://").to_owned();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("still free");
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let real = real.clone();
            tokio::spawn(async move {
                let mut far = tokio::net::TcpStream::connect(real).await.expect("the real server");
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    let found = async {
        while cache.ping().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found).await.expect("the cache heals by itself");
}

#[tokio::test]
async fn a_text_that_is_no_url_is_refused_without_repeating_its_password() {
    for url in ["", "http://127.0.0.1", "redis:///\u{0}", "ann:secret@host"] {
        let Err(error) = Cache::connect(url, &Lane::Live).await else { panic!("{url:?} was taken") };
        assert_eq!(error, CacheError::BadUrl);
        assert!(!error.to_string().contains("secret"));
    }
}

#[tokio::test]
async fn a_shadow_run_leaves_nothing_behind() {
    let run = RunName::try_from("brief".to_owned()).expect("a good name");
    let settings = CacheSettings { shadow_ttl_max: Duration::from_millis(30), ..CacheSettings::default() };
    let live = Cache::in_process(&Lane::Live);
    let shadow = {
        let url = testkit::redis_url().await;
        Cache::connect_with(&url, &Lane::Shadow(run), settings).await.expect("a Redis URL")
    };
    let key = Uuid::now_v7().to_string();
    let hour = Duration::from_secs(3600);
    shadow.set(&key, b"short", hour).await.expect("kept");
    live.set(&key, b"long", hour).await.expect("kept");
    let gone = async {
        while shadow.get(&key).await.expect("read").is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the run's own limit holds");
    assert!(live.get(&key).await.expect("read").is_some());
}

#[tokio::test]
async fn a_wrong_password_and_a_missing_one_are_refused_at_once_and_not_taken_for_a_server_that_is_away() {
    let own =
        tokio::task::spawn_blocking(|| testkit::Server::start(testkit::Kind::Redis, testkit::Fsync::Off));
    let own = own.await.expect("no panic").expect("a private server");
    let wrong = own.url().replace("redis://", "redis://ann:secret@");
    let told = async |url: &str| match Cache::connect(url, &Lane::Live).await {
        Err(error @ CacheError::Refused { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("let in"),
    };
    assert!(!told(&wrong).await.contains("secret"));
    let client = redis::Client::open(own.url()).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("there");
    let guarded: Result<(), _> =
        redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("word").query_async(&mut connection).await;
    guarded.expect("it has a password now");
    assert!(told(own.url()).await.contains("NOAUTH"));
    let right = own.url().replace("redis://", "redis://:word@");
    Cache::connect(&right, &Lane::Live).await.expect("let in").ping().await.expect("it answers");
}
