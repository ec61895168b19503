//! A fleet: one database, one cache, processes that list themselves, and processes that follow the list.

use cache::Cache;
use contracts::lane::Lane;
use peer::{Nodes, PeerUrl};
use pg::Db;
use refresh::{Election, PgLease};
use routes::{Listing, Own, Parts, Routes, Seal, Settings};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::TestDatabase;

/// How long a test waits for what must happen.
pub const BOUND: Duration = Duration::from_secs(60);

pub struct Fleet {
    pub db: Db,
    pub cache: Cache,
    pub settings: Settings,
    _database: TestDatabase,
}

/// A process that follows the list, and asks wallets.
pub struct Follower {
    pub routes: Routes,
    pub wallets: Nodes,
}

/// Of the key that all processes of a test share.
pub fn seal() -> Seal {
    Seal::new(b"a key that every process of the test shares").expect("a key")
}

/// Where a test's node listens; nobody does.
pub fn url(port: u16) -> PeerUrl {
    PeerUrl::try_from(format!("http://127.0.0.1:{port}")).expect("an address")
}

impl Fleet {
    /// On the Redis that tests share: the set's keys carry the database's mark.
    pub async fn open() -> Fleet {
        let url = testkit::redis_url().await;
        Fleet::on(Cache::connect(&url, &Lane::Live).await.expect("Redis")).await
    }

    pub async fn on(cache: Cache) -> Fleet {
        let database = testkit::postgres().await.fresh_database().await;
        let db = database.db(routes::SCHEMA, &Lane::Live, &[&routes::MIGRATOR]).await;
        let settings = Settings {
            renew_every: Duration::from_millis(100),
            expires_after: Duration::from_secs(60),
            look_every: Duration::from_millis(50),
        };
        Fleet { db, cache, settings, _database: database }
    }

    /// As before; who is silent for so long is taken off the list.
    pub fn expiring(mut self, expires_after: Duration) -> Fleet {
        self.settings.expires_after = expires_after;
        self
    }

    pub async fn follower(&self, node: &str) -> Follower {
        self.follower_with(node, self.cache.clone(), None).await
    }

    pub async fn follower_with(&self, node: &str, cache: Cache, disk: Option<PathBuf>) -> Follower {
        let (live, wallets) = Nodes::open(&[url(1)]);
        let (db, election, node) = (self.db.clone(), self.election(node), node.to_owned());
        let parts = Parts { db, cache, election, node, disk, seal: seal(), settings: self.settings };
        let routes = Routes::start(parts, vec![("wallet".to_owned(), live)]).await.expect("it starts");
        Follower { routes, wallets }
    }

    fn election(&self, node: &str) -> Arc<dyn Election> {
        Arc::new(PgLease::new(self.db.clone(), node))
    }

    /// A process with a wallet and a cashier.
    pub async fn list(&self, node: &str, port: u16) -> Listing {
        self.list_sealed(node, port, seal()).await
    }

    /// As if with another key.
    pub async fn list_sealed(&self, node: &str, port: u16, seal: Seal) -> Listing {
        let own = Own::new(node, url(port), &["wallet", "cashier"], seal);
        let control = routes::control(&self.db, &self.cache, self.election(node)).await.expect("a set");
        Listing::begin(self.db.clone(), own, self.settings, control)
    }

    pub async fn version(&self) -> i64 {
        let sql = self.db.sql("SELECT version FROM {s}.versions");
        sqlx::query_scalar(sql).fetch_one(self.db.pool()).await.expect("a version")
    }

    /// Grows when another publishes.
    pub async fn epoch(&self) -> u64 {
        let sql = self.db.sql("SELECT epoch FROM {s}.refresh_sets WHERE set_name = 'routes'");
        let epoch: i64 = sqlx::query_scalar(sql).fetch_one(self.db.pool()).await.expect("somebody publishes");
        u64::try_from(epoch).expect("epochs are positive")
    }

    /// The wallets on the list with their ports, by name.
    pub async fn wallets(&self) -> Vec<(String, u16)> {
        let (_, rows) = routes::list(&self.db).await.expect("the database answers");
        let wallets = rows.into_iter().filter(|((service, _), _)| service == "wallet");
        wallets.map(|((_, node), route)| (node, port_of(&route.url))).collect()
    }

    /// Since when a wallet is on the list, in milliseconds since 1970.
    pub async fn since(&self, node: &str) -> Option<i64> {
        let (_, rows) = routes::list(&self.db).await.expect("the database answers");
        let found = rows.into_iter().find(|((service, name), _)| service == "wallet" && name == node);
        found.map(|(_, route)| route.since_ms)
    }

    /// Waits until the table has these wallets.
    pub async fn until_listed(&self, wanted: &[(&str, u16)]) {
        let wanted: Vec<(String, u16)> =
            wanted.iter().map(|(node, port)| ((*node).to_owned(), *port)).collect();
        let began = Instant::now();
        loop {
            let found = self.wallets().await;
            if found == wanted {
                return;
            }
            assert!(began.elapsed() < BOUND, "{found:?} are listed, not {wanted:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Until when the last wallet is listed, in the database's milliseconds.
    pub async fn listed_until_ms(&self) -> i64 {
        let sql = "SELECT (extract(epoch FROM max(listed_until)) * 1000)::bigint FROM {s}.nodes";
        sqlx::query_scalar(self.db.sql(sql)).fetch_one(self.db.pool()).await.expect("somebody is listed")
    }
}

fn port_of(url: &PeerUrl) -> u16 {
    url.as_str().rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port")
}

impl Follower {
    /// Waits until it asks wallets at these ports, and no others.
    pub async fn until_asks(&self, ports: &[u16]) {
        let began = Instant::now();
        loop {
            let asked: Vec<u16> = self.wallets.list().iter().map(port_of).collect();
            if asked == ports {
                return;
            }
            let status = self.routes.status();
            assert!(began.elapsed() < BOUND, "{asked:?} are asked, not {ports:?}: {status:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
