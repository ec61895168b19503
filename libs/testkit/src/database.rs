//! One fresh database per test, on the shared private server.

use contracts::lane::Lane;
use pg::{Db, Migrator, PoolSettings};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};
use tokio::sync::OnceCell;

/// The server that tests share.
#[derive(Clone, Debug)]
pub struct Postgres {
    url: String,
}

impl Postgres {
    pub(crate) fn at(url: String) -> Postgres {
        Postgres { url }
    }

    /// The superuser's URL to the maintenance database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Creates an empty database with a name of its own, dropped with the value.
    ///
    /// # Panics
    /// When the server refuses: no test can go on then.
    pub async fn fresh_database(&self) -> TestDatabase {
        let name = format!("test_{}", uuid::Uuid::now_v7().simple());
        let made = run_sql(&self.url, format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        made.unwrap_or_else(|error| panic!("no fresh database: {error}"));
        let url = match self.url.rsplit_once('/') {
            Some((server, _)) => format!("{server}/{name}"),
            None => panic!("{} is not a database URL", self.url),
        };
        TestDatabase { url, name, server: self.clone(), pool: OnceCell::new() }
    }
}

/// A database of one test.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    name: String,
    server: Postgres,
    pool: OnceCell<PgPool>,
}

impl TestDatabase {
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// A pool that all handles of this database share.
    ///
    /// # Panics
    /// When the database cannot be reached.
    pub async fn pool(&self) -> PgPool {
        let open = || async {
            let opened = pg::connect(&self.url, PoolSettings::default()).await;
            opened.unwrap_or_else(|error| panic!("{} cannot be opened: {error}", self.url))
        };
        self.pool.get_or_init(open).await.clone()
    }

    /// The tables of `service` in `lane`, brought up to date.
    ///
    /// # Panics
    /// When a migration fails.
    pub async fn db(&self, service: &str, lane: &Lane, migrators: &[&Migrator]) -> Db {
        let db = Db::new(self.pool().await, service, lane);
        let migrated = pg::migrate(&db, migrators).await;
        migrated.unwrap_or_else(|error| panic!("{} cannot be migrated: {error:?}", db.schema()));
        db
    }
}

impl Drop for TestDatabase {
    /// Drops the database, so that suites of thousands of histories do not fill the disk. A failure has no
    /// consequence: the server's folder is removed anyway.
    fn drop(&mut self) {
        let (url, name) = (self.server.url.clone(), self.name.clone());
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                let _ = runtime.block_on(run_sql(&url, format!("DROP DATABASE {name} WITH (FORCE)")));
            }
        });
        let _ = dropped.join();
    }
}

/// Runs one statement on a connection of its own.
async fn run_sql(url: &str, statement: String) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await?;
    connection.close().await
}
