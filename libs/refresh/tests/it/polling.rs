//! Invariant under test: versions never run back, readers never wait, a failing source takes nothing away.

use refresh::{LoadError, RefreshError, Snapshot, SnapshotSource, Versioned, poll};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Default)]
struct Shelf {
    version: AtomicI64,
    broken: AtomicBool,
    stuck: AtomicBool,
    loads: AtomicUsize,
}

#[async_trait::async_trait]
impl SnapshotSource<String> for Shelf {
    async fn load(&self, known_version: i64) -> Result<Option<Versioned<String>>, LoadError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        if self.stuck.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.broken.load(Ordering::SeqCst) {
            return Err(LoadError::new("the shelf fell over"));
        }
        let version = self.version.load(Ordering::SeqCst);
        Ok((version > known_version).then(|| Versioned { version, value: format!("price list {version}") }))
    }
}

fn empty() -> Snapshot<String> {
    Snapshot::new(Versioned { version: 0, value: String::new() })
}

#[test]
fn an_older_version_is_never_taken() {
    let snapshot = empty();
    assert!(snapshot.offer(Versioned { version: 2, value: "two".to_owned() }));
    assert!(!snapshot.offer(Versioned { version: 1, value: "one".to_owned() }));
    assert!(!snapshot.offer(Versioned { version: 2, value: "another two".to_owned() }));
    assert_eq!(snapshot.get().value, "two");
}

#[tokio::test]
async fn refresh_now_shows_what_the_source_had_when_asked() {
    let (snapshot, shelf) = (empty(), Arc::new(Shelf::default()));
    let polled = poll("prices", snapshot.clone(), shelf.clone(), HOUR, HOUR);
    for version in 1..=5 {
        shelf.version.store(version, Ordering::SeqCst);
        assert_eq!(polled.refresh_now().await, Ok(version));
        assert_eq!(snapshot.get().value, format!("price list {version}"));
    }
}

#[tokio::test]
async fn the_interval_alone_brings_a_change_to_readers() {
    let (snapshot, shelf) = (empty(), Arc::new(Shelf::default()));
    let _polled = poll("prices", snapshot.clone(), shelf.clone(), Duration::from_millis(5), HOUR);
    shelf.version.store(7, Ordering::SeqCst);
    let seen = async {
        while snapshot.version() != 7 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), seen).await.expect("the change arrives by itself");
}

#[tokio::test]
async fn a_broken_or_stuck_source_says_so_and_takes_nothing_away() {
    let (snapshot, shelf) = (empty(), Arc::new(Shelf::default()));
    let polled = poll("prices", snapshot.clone(), shelf.clone(), HOUR, Duration::from_millis(20));
    shelf.version.store(1, Ordering::SeqCst);
    assert_eq!(polled.refresh_now().await, Ok(1));
    shelf.broken.store(true, Ordering::SeqCst);
    let error = polled.refresh_now().await.expect_err("the source is broken");
    assert_eq!(error, RefreshError::Load(LoadError::new("the shelf fell over")));
    shelf.stuck.store(true, Ordering::SeqCst);
    assert!(matches!(polled.refresh_now().await, Err(RefreshError::Load(_))));
    assert_eq!(snapshot.get().value, "price list 1");
    shelf.broken.store(false, Ordering::SeqCst);
    shelf.stuck.store(false, Ordering::SeqCst);
    shelf.version.store(2, Ordering::SeqCst);
    assert_eq!(polled.refresh_now().await, Ok(2));
}

#[tokio::test]
async fn dropping_the_poll_ends_the_loads() {
    let (snapshot, shelf) = (empty(), Arc::new(Shelf::default()));
    let polled = poll("prices", snapshot, shelf.clone(), HOUR, HOUR);
    let _ = polled.refresh_now().await;
    drop(polled);
    let freed = async {
        while Arc::strong_count(&shelf) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), freed).await.expect("the task lets go of its source");
}
