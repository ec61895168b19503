//! Each test has a database of its own, and it is gone after.

use contracts::lane::Lane;
use pg::Migrator;
use sqlx::migrate::{Migration, MigrationType};
use sqlx::{Connection, PgConnection};
use std::borrow::Cow;

#[tokio::test]
async fn what_one_database_holds_another_does_not_see() {
    let server = testkit::postgres().await;
    let (one, other) = (server.fresh_database().await, server.fresh_database().await);
    assert_ne!(one.name(), other.name());
    sqlx::query("CREATE TABLE gifts (gift_id int)")
        .execute(&one.pool().await)
        .await
        .expect("one takes a table");
    let seen: Option<String> = sqlx::query_scalar("SELECT to_regclass('gifts')::text")
        .fetch_one(&other.pool().await)
        .await
        .expect("the other answers");
    assert_eq!(seen, None);
}

#[tokio::test]
async fn a_dropped_database_is_gone_even_with_an_open_pool() {
    let server = testkit::postgres().await;
    let database = server.fresh_database().await;
    let name = database.name().to_owned();
    let pool = database.pool().await;
    assert_eq!(count_named(server.url(), &name).await, 1);
    drop(database);
    assert_eq!(count_named(server.url(), &name).await, 0);
    pool.close().await;
}

#[tokio::test]
async fn a_handle_comes_migrated_in_the_schema_of_its_lane() {
    let migration = Migration::new(
        1,
        Cow::Borrowed("one table"),
        MigrationType::Simple,
        sqlx::SqlStr::from_static("CREATE TABLE gifts (gift_id int)"),
        false,
    );
    let migrator = Migrator::with_migrations(vec![migration]);
    let database = testkit::postgres().await.fresh_database().await;
    let db = database.db("gift", &Lane::Live, &[&migrator]).await;
    let count: i64 = sqlx::query_scalar(db.sql("SELECT count(*) FROM {s}.gifts"))
        .fetch_one(db.pool())
        .await
        .expect("the table is there");
    assert_eq!((db.schema(), count), ("gift", 0));
}

async fn count_named(url: &str, name: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.expect("the server answers");
    sqlx::query_scalar("SELECT count(*) FROM pg_database WHERE datname = $1")
        .bind(name)
        .fetch_one(&mut connection)
        .await
        .expect("a count")
}
