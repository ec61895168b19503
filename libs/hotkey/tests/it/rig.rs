//! What the tests share: caches on both stores, and waiting for a condition with a long bound.

use cache::{Cache, CacheSettings};
use contracts::lane::Lane;
use hotkey::{HotSettings, HotTable};
use std::future::Future;
use std::time::Duration;
use uuid::Uuid;

/// Longer than any starved machine needs.
pub const BOUND: Duration = Duration::from_secs(30);

pub const MINUTE: Duration = Duration::from_secs(60);

/// A name that no other test uses: the Redis is shared.
pub fn fresh(name: &str) -> String {
    format!("{name}-{}", Uuid::now_v7())
}

/// A cache in Redis that is patient: a busy machine is no failure here.
pub async fn in_redis(url: &str) -> Cache {
    let settings = CacheSettings { act_timeout: Duration::from_secs(5), ..CacheSettings::default() };
    Cache::connect_with(url, &Lane::Live, settings).await.expect("a Redis URL")
}

pub fn in_process() -> Cache {
    Cache::in_process(&Lane::Live)
}

/// Marks that a slow machine reaches too.
pub fn eager() -> HotSettings {
    HotSettings { hot_per_s: 20, ..HotSettings::default() }
}

/// Does `act` until `done` says so.
pub async fn until<T, F: Future<Output = T>>(what: &str, act: impl Fn() -> F, done: impl Fn(&T) -> bool) {
    let trying = async {
        while !done(&act().await) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(BOUND, trying).await.unwrap_or_else(|_| panic!("in time: {what}"));
}

pub fn is_hot(table: &HotTable, key: &str) -> bool {
    table.rows.iter().any(|row| row.key == key && row.hot)
}

pub fn is_held(table: &HotTable, key: &str) -> bool {
    table.rows.iter().any(|row| row.key == key && row.held_bytes.is_some())
}

/// Every test of the list against the store in this process and against Redis.
#[macro_export]
macro_rules! against_both_stores {
    ($($test:ident)*) => {
        mod in_process {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::rig::in_process()).await;
            })*
        }

        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::rig::in_redis(&testkit::redis_url().await).await).await;
            })*
        }
    };
}
