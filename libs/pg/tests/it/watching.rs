//! Invariant under test: whoever watches hears of every call of the database, and of a refusal as of an answer.

use contracts::calls::{CallWatch, Went};
use contracts::lane::Lane;
use pg::Db;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[derive(Default)]
struct Ear(Mutex<Vec<(Went, Duration)>>);

impl CallWatch for Ear {
    fn went(&self, went: Went, took: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((went, took));
    }
}

impl Ear {
    fn heard(&self) -> Vec<Went> {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.drain(..).map(|(went, _)| went).collect()
    }
}

#[tokio::test]
async fn each_statement_connection_and_transaction_is_told_once_with_how_it_went() {
    let database = testkit::postgres().await.fresh_database().await;
    let ear = Arc::new(Ear::default());
    let db = Db::new(database.pool().await, "things", &Lane::Live).watched_by(ear.clone());
    let one = "SELECT 1";
    sqlx::query(one).execute(db.pool()).await.expect("one");
    assert_eq!(sqlx::query_scalar::<_, i32>(one).fetch_one(db.pool()).await.expect("one"), 1);
    assert_eq!(sqlx::query(one).fetch_all(db.pool()).await.expect("one").len(), 1);
    assert!(sqlx::query("SELECT 1 WHERE false").fetch_optional(db.pool()).await.expect("none").is_none());
    drop(db.pool().acquire().await.expect("a connection"));
    db.begin().await.expect("a transaction").rollback().await.expect("rolled back");
    assert_eq!(ear.heard(), [Went::Well; 6]);

    let refused = sqlx::query("SELECT 1 / 0").execute(db.pool()).await;
    assert!(refused.is_err());
    assert_eq!(ear.heard(), [Went::Well], "it answered");

    let killed = sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())").execute(db.pool()).await;
    assert!(killed.is_err());
    assert_eq!(ear.heard(), [Went::Badly]);

    sqlx::query("SELECT pg_sleep(0.05)").execute(db.pool()).await.expect("slept");
    let (went, took) = ear.0.lock().unwrap_or_else(PoisonError::into_inner)[0];
    assert!(went == Went::Well && took >= Duration::from_millis(50), "{went:?} {took:?}");
}

#[tokio::test]
async fn a_busy_pool_says_nothing_of_the_database() {
    let database = testkit::postgres().await.fresh_database().await;
    let ear = Arc::new(Ear::default());
    let settings = pg::PoolSettings {
        connections_max: 1,
        acquire_timeout: Duration::from_millis(50),
        ..Default::default()
    };
    let pool = pg::connect(database.url(), settings).await.expect("the test database");
    let db = Db::new(pool, "things", &Lane::Live).watched_by(ear.clone());
    let held = db.pool().acquire().await.expect("the only one");
    assert!(sqlx::query("SELECT 1").execute(db.pool()).await.is_err());
    drop(held);
    assert_eq!(ear.heard(), [Went::Well], "only the connection that was had");
}
