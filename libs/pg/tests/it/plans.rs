//! Invariants under test: a plan made while a table was new does not read all of it once it has grown; an index
//! that suffices is read alone; no plan is compiled.

use pg::{Plans, PoolSettings};
use sqlx::{Executor, Row};

const PREPARE: &str = "PREPARE find (text[], smallint[]) AS
    SELECT t.note FROM unnest($1, $2) AS w (id, kind) JOIN things t ON t.id = w.id AND t.kind = w.kind";
const FIND: &str = "EXECUTE find ('{payment-1,payment-2}', '{1,1}')";

fn grow(to: u32) -> String {
    format!(
        "INSERT INTO things SELECT 'payment-' || n, 1, repeat('x', 200) FROM generate_series(1, {to}) n
         ON CONFLICT DO NOTHING"
    )
}

async fn explained(plans: Plans) -> String {
    let database = testkit::postgres().await.fresh_database().await;
    let settings = PoolSettings { plans, connections_max: 1, ..PoolSettings::default() };
    let pool = pg::connect(database.url(), settings).await.expect("connected");
    let run =
        async |text: String| pool.fetch_all(sqlx::raw_sql(sqlx::AssertSqlSafe(text))).await.expect("it runs");
    run("CREATE TABLE things (id text, kind smallint, note text, PRIMARY KEY (id, kind))
         WITH (autovacuum_enabled = off)"
        .to_owned())
    .await;
    run(grow(20)).await;
    run(PREPARE.to_owned()).await;
    for _ in 0..7 {
        run(FIND.to_owned()).await; // From the sixth time on the plan is kept.
    }
    run(grow(20_000)).await;
    let lines = run(format!("EXPLAIN {FIND}")).await;
    lines.iter().map(|line| line.get::<String, _>(0) + "\n").collect()
}

#[tokio::test]
async fn a_services_statement_goes_by_the_index_from_the_first_row_on() {
    let by_index = explained(Plans::ByIndex).await;
    assert!(by_index.contains("Index") && !by_index.contains("Seq Scan"), "{by_index}");
    let any = explained(Plans::Any).await;
    assert!(any.contains("Seq Scan"), "the setting is not what makes the difference any more:\n{any}");
}

#[tokio::test]
async fn an_index_that_has_every_column_is_read_alone_however_wide_it_is() {
    let database = testkit::postgres().await.fresh_database().await;
    let settings = PoolSettings { connections_max: 1, ..PoolSettings::default() };
    let pool = pg::connect(database.url(), settings).await.expect("connected");
    let make = "CREATE TABLE found (no bigint PRIMARY KEY, kind text, state smallint, coins bigint, evidence text);
        INSERT INTO found SELECT n, 'difference-of-a-kind-with-a-long-name-' || n % 7, 1 + n % 2, n, repeat('x', 20) FROM generate_series(1, 20000) n;
        CREATE INDEX found_open ON found (no) WHERE state = 1;
        CREATE INDEX found_open_by_kind ON found (kind) INCLUDE (state, coins) WHERE state = 1";
    pool.execute(make).await.expect("it is there");
    pool.execute("VACUUM ANALYZE found").await.expect("it is looked at");
    let counted = "EXPLAIN SELECT kind, coins % 3, count(*) FROM found WHERE state = 1 GROUP BY 1, 2";
    let explained = async || {
        let lines = pool.fetch_all(counted).await.expect("it runs");
        lines.iter().map(|line| line.get::<String, _>(0) + "\n").collect::<String>()
    };
    let plan = explained().await;
    assert!(plan.contains("Index Only Scan using found_open_by_kind"), "{plan}");
    pool.execute("SET random_page_cost = 4").await.expect("it is set");
    let plan = explained().await;
    assert!(
        !plan.contains("Index Only Scan"),
        "the setting is not what makes the difference any more:\n{plan}"
    );
}

#[tokio::test]
async fn no_plan_is_compiled_however_much_it_seems_to_cost() {
    let database = testkit::postgres().await.fresh_database().await;
    for plans in [Plans::ByIndex, Plans::Any] {
        let settings = PoolSettings { plans, connections_max: 1, ..PoolSettings::default() };
        let pool = pg::connect(database.url(), settings).await.expect("connected");
        let scan =
            "EXPLAIN (ANALYZE, FORMAT TEXT) SELECT sum(n), count(DISTINCT n) FROM generate_series(1, 10) n
            CROSS JOIN (SELECT relname FROM pg_class ORDER BY random()) c";
        pool.execute("SET jit_above_cost = 0").await.expect("it is set");
        let lines = pool.fetch_all(scan).await.expect("it runs");
        let plan: String = lines.iter().map(|line| line.get::<String, _>(0) + "\n").collect();
        assert!(!plan.contains("JIT"), "{plan}");
    }
}
