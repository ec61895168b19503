//! Invariant under test: a handle for stale reads reads, and cannot write.

use contracts::lane::Lane;
use pg::{Access, Db, PoolSettings};

#[tokio::test]
async fn a_reading_handle_reads_and_the_server_refuses_its_writes() {
    let database = testkit::postgres().await.fresh_database().await;
    let pool = pg::connect(database.url(), PoolSettings::default()).await.expect("connected");
    let settings = PoolSettings { access: Access::ReadOnly, ..PoolSettings::default() };
    let reads = pg::connect(database.url(), settings).await.expect("connected");
    let db = Db::new(pool.clone(), "things", &Lane::Live).with_reads(Some(reads));
    for statement in
        ["CREATE SCHEMA {s}", "CREATE TABLE {s}.things (n bigint)", "INSERT INTO {s}.things VALUES (1)"]
    {
        sqlx::query(db.sql(statement)).execute(db.pool()).await.expect(statement);
    }
    let reading = db.reading();
    let rows: Vec<(i64,)> =
        reading.fetch_all_as(sqlx::query(reading.sql("SELECT n FROM {s}.things"))).await.expect("it reads");
    assert_eq!(rows, [(1,)]);
    let write = sqlx::query(reading.sql("INSERT INTO {s}.things VALUES (2) RETURNING n"));
    let refused = reading.fetch_all(write).await.expect_err("it cannot write");
    assert!(refused.to_string().contains("read-only"), "{refused}");
    let facts = pg::server_facts(&pool).await.expect("facts");
    assert!(facts.version_number >= 150_000 && facts.max_connections > 0, "{facts:?}");
    assert!(facts.check_budget("we", 1, 0).is_ok() && facts.check_budget("we", u32::MAX, 0).is_err());
}

#[tokio::test]
async fn a_slow_statement_is_counted_by_its_id_and_a_quick_one_is_not() {
    let database = testkit::postgres().await.fresh_database().await;
    let watching = telemetry::init(telemetry::Settings::default()).expect("telemetry is on");
    let settings =
        PoolSettings { slow_statement: std::time::Duration::from_millis(100), ..PoolSettings::default() };
    let pool = pg::connect(database.url(), settings).await.expect("connected");
    for statement in ["SELECT pg_sleep(0.15)", "SELECT 1"] {
        sqlx::query(statement).execute(&pool).await.expect(statement);
    }
    let page = watching.render();
    let counted = |statement| {
        let id = telemetry::statement_id(statement);
        page.contains(&format!("largesse_db_slow_statements_total{{statement=\"{id}\"}} 1"))
    };
    assert!(counted("SELECT pg_sleep(0.15)"), "{page}");
    assert!(!counted("SELECT 1"), "{page}");
}
