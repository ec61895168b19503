//! The embedded database is the same PostgreSQL: migrations, partitions, triggers, reopening.

mod plans;
mod reading;
mod watching;

use contracts::lane::{Lane, RunName};
use pg::{Db, Embedded, Migrator};
use sqlx::Row;
use std::sync::LazyLock;

static FILES: LazyLock<Migrator> =
    LazyLock::new(|| pg::migrator(&[(101, "things", include_str!("../migrations/0101_things.sql"))]));

async fn insert(db: &Db, id: &str) -> Result<(), sqlx::Error> {
    let id = uuid::Uuid::try_parse(id).expect("a UUID");
    sqlx::query(db.sql("INSERT INTO {s}.things (thing_id, made_on, amount) VALUES ($1, '2026-11-21', 1)"))
        .bind(id)
        .execute(db.pool())
        .await
        .map(drop)
}

const V7: &str = "0190b8a0-0000-7000-8000-000000000001";
const V8: &str = "0190b8a0-0000-8000-8000-000000000001";

#[tokio::test]
async fn the_embedded_database_migrates_reopens_and_keeps_what_was_committed() {
    let folder = tempfile::tempdir().expect("a folder");
    for round in 0..2_i64 {
        let embedded = Embedded::open(folder.path()).await.expect("the database opens");
        let db = Db::new(embedded.pool(), "things", &Lane::Live);
        pg::migrate(&db, &[&FILES]).await.expect("the schema migrates, again and again");
        let count: i64 = sqlx::query(db.sql("SELECT count(*) AS n FROM {s}.things"))
            .fetch_one(db.pool())
            .await
            .expect("a count")
            .get("n");
        assert_eq!(count, round);
        if round == 0 {
            insert(&db, V7).await.expect("a live id is taken");
        }
        assert!(insert(&db, V8).await.is_err(), "a shadow id reached a live table");
        embedded.close().await;
    }
}

#[tokio::test]
async fn a_shadow_runs_schema_takes_shadow_ids_and_leaves_the_live_one_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let embedded = Embedded::open(folder.path()).await.expect("the database opens");
    let run = RunName::try_from("run1".to_owned()).expect("a name");
    for lane in [Lane::Live, Lane::Shadow(run)] {
        let db = Db::new(embedded.pool(), "things", &lane);
        pg::migrate(&db, &[&FILES]).await.expect("the schema migrates");
        assert_eq!(insert(&db, V8).await.is_ok(), lane != Lane::Live, "{lane:?}");
    }
    embedded.close().await;
}

#[tokio::test]
async fn a_folder_in_use_is_refused_with_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let embedded = Embedded::open(folder.path()).await.expect("the database opens");
    let second = Embedded::open(folder.path()).await.err().expect("one process at a time");
    assert!(second.to_string().contains(&folder.path().display().to_string()), "{second}");
    embedded.close().await;
}

#[tokio::test]
async fn a_schema_that_lacks_a_migration_or_has_another_one_is_told_from_one_that_is_up_to_date() {
    let folder = tempfile::tempdir().expect("a folder");
    let embedded = Embedded::open(folder.path()).await.expect("the database opens");
    let db = Db::new(embedded.pool(), "things", &Lane::Live);
    let behind = pg::check_migrated(&db, &[&FILES]).await.expect_err("nothing is there yet");
    assert!(behind.to_string().contains("run `largesse migrate`"), "{behind}");
    pg::migrate(&db, &[&FILES]).await.expect("the schema migrates");
    pg::check_migrated(&db, &[&FILES]).await.expect("it is up to date");
    let changed = sqlx::query(db.sql("UPDATE {s}._sqlx_migrations SET checksum = '\\x00'"));
    changed.execute(db.pool()).await.expect("changed");
    let other = pg::check_migrated(&db, &[&FILES]).await.expect_err("another program's migration");
    assert!(matches!(other, pg::PgError::Differs { .. }), "{other}");
    embedded.close().await;
}
