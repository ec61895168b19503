//! This process among the others: where it is found, and how it finds them.
//!
//! Owns what is read of `[routes]`. A process that is the only one, or has a database of its own, has no part in it.

use crate::cli::ServiceName;
use crate::config::Config;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::parts::start_failed;
use crate::peers::name_of;
use crate::secrets::Secrets;
use crate::waiting::Waiting;
use cache::Cache;
use contracts::lane::Lane;
use guard::deps::Strong;
use peer::{LiveNodes, PeerUrl};
use pg::{Db, PoolSettings};
use refresh::{Alone, Control, Election, PgLease};
use routes::{Listing, Own, Parts, Routes, Seal, Settings};
use sqlx::PgPool;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The folder below the data directory that keeps the last known list.
const FOLDER: &str = "sets";

/// Connections to a database that only keeps the list.
pub const LIST_CONNECTIONS_MAX: u32 = 2;

/// The longest that ending the list's tasks may take.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// The shortest time between two words of a process about itself, in milliseconds.
const RENEW_MS_MIN: u64 = 100;

/// Who reads what is published in this process's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CacheOf {
    /// Every process with the same Redis: one of them publishes.
    All,
    /// Itself alone, so it reads the list for itself, and does not take the place of one that others hear.
    Process,
}

/// What is configured of it, checked.
pub struct FleetPlace {
    node: String,
    /// Where others find this process; `None` where nobody can say.
    url: Option<PeerUrl>,
    database_url: String,
    cache: CacheOf,
    /// Of the key that signs tokens, which all processes share.
    seal: Seal,
    settings: Settings,
}

impl FleetPlace {
    /// Reads `[routes]` for a process that listens on `address`.
    ///
    /// # Errors
    /// [`Failure::Config`], naming the setting.
    pub fn of(config: &Config, secrets: &Secrets, address: SocketAddr) -> Result<FleetPlace, Failure> {
        let wrong = |name: &str, rule: &str| Failure::Config(format!("routes.{name} must be {rule}"));
        let routes = &config.routes;
        if routes.renew_ms < RENEW_MS_MIN {
            return Err(wrong("renew_ms", "at least 100"));
        }
        if routes.expire_ms < routes.renew_ms.saturating_mul(3) {
            return Err(wrong("expire_ms", "at least three times routes.renew_ms"));
        }
        let seal = Seal::new(secrets.token_key.as_bytes());
        Ok(FleetPlace {
            seal: seal.ok_or_else(|| Failure::Config("the token key cannot sign".to_owned()))?,
            node: config.node.clone(),
            url: advertised(&routes.advertise_url, address)?,
            database_url: routes.database_url.clone(),
            cache: if config.redis.url.is_empty() { CacheOf::Process } else { CacheOf::All },
            settings: Settings {
                renew_every: Duration::from_millis(routes.renew_ms),
                expires_after: Duration::from_millis(routes.expire_ms),
                ..Settings::default()
            },
        })
    }
}

/// Where others find a process that listens on `address`.
fn advertised(configured: &str, address: SocketAddr) -> Result<Option<PeerUrl>, Failure> {
    let text = match configured {
        "" if address.ip().is_unspecified() => return Ok(None),
        "" => format!("http://{address}"),
        url => url.to_owned(),
    };
    let url = PeerUrl::try_from(text);
    url.map(Some).map_err(|error| Failure::Config(format!("routes.advertise_url: {error}")))
}

/// This process's part in the list of nodes. Without one nothing runs and nothing is asked.
#[derive(Default)]
pub struct Fleet {
    joined: Option<Joined>,
    listing: Option<Listing>,
}

struct Joined {
    place: FleetPlace,
    db: Db,
    control: Control,
    /// Where this process asks nodes of others.
    routes: Option<Routes>,
}

impl Fleet {
    /// Follows the list, where this process asks others, and knows where to be listed.
    ///
    /// # Errors
    /// [`Failure`]: the list is in another database, which cannot be had; or the set cannot be begun.
    pub async fn join(
        place: FleetPlace,
        (pool, database, cache): (&PgPool, &Strong, &Cache),
        (directory, live): (&Directory, Vec<(String, LiveNodes)>),
        waiting: &Waiting,
    ) -> Result<Fleet, Failure> {
        let db = match place.database_url.as_str() {
            "" => {
                let own = Db::new(pool.clone(), routes::SCHEMA, &Lane::Live);
                own.watched_by(Arc::new(database.clone()))
            }
            url => Db::new(open_list(url, waiting).await?, routes::SCHEMA, &Lane::Live),
        };
        let failed = start_failed("the list of nodes");
        let election: Arc<dyn Election> = match place.cache {
            CacheOf::All => Arc::new(PgLease::new(db.clone(), &place.node)),
            CacheOf::Process => Arc::new(Alone::new(db.lane())),
        };
        let control = routes::control(&db, cache, Arc::clone(&election)).await.map_err(&failed)?;
        let mut following = None;
        if !live.is_empty() {
            let parts = Parts {
                db: db.clone(),
                cache: cache.clone(),
                election,
                node: place.node.clone(),
                seal: place.seal.clone(),
                disk: Some(directory.path().join(FOLDER)),
                settings: place.settings,
            };
            following = Some(Routes::start(parts, live).await.map_err(&failed)?);
        }
        Ok(Fleet { joined: Some(Joined { place, db, control, routes: following }), listing: None })
    }

    /// The set of the list, by hand.
    pub fn controls(&self) -> Vec<Control> {
        self.joined.iter().map(|joined| joined.control.clone()).collect()
    }

    /// Lets others find this process. Call it when requests are answered.
    pub fn list_self(&mut self, services: &[ServiceName]) {
        let Some(Joined { place, db, control, .. }) = &self.joined else { return };
        let Some(url) = &place.url else {
            tracing::warn!(
                "this process listens on every address and is not listed: name one in routes.advertise_url, \
                 or only processes whose [peers] name it will find it"
            );
            return;
        };
        // Pages are asked by people, who come by another way.
        let asked = services.iter().filter(|service| **service != ServiceName::Console);
        let names: Vec<&str> = asked.map(|service| name_of(*service)).collect();
        let own = Own::new(&place.node, url.clone(), &names, place.seal.clone());
        self.listing = Some(Listing::begin(db.clone(), own, place.settings, control.clone()));
    }

    /// Takes this process off the list, so that nobody new comes, and lets another publish it. Nodes that are known stay.
    pub async fn leave(self) {
        if let Some(listing) = self.listing {
            listing.leave().await;
        }
        let routes = self.joined.and_then(|joined| joined.routes);
        if let Some(routes) = routes
            && tokio::time::timeout(STOP_WITHIN, routes.stop()).await.is_err()
        {
            tracing::warn!("the list of nodes is let go of without a word; another publishes it in a moment");
        }
    }
}

async fn open_list(url: &str, waiting: &Waiting) -> Result<PgPool, Failure> {
    let settings = PoolSettings { connections_max: LIST_CONNECTIONS_MAX, ..PoolSettings::default() };
    let connect = async || pg::connect(url, settings).await.map_err(Into::into);
    waiting
        .until("the database of the list of nodes", "start it, or correct routes.database_url", connect)
        .await
}

#[cfg(test)]
mod tests {
    use super::{FleetPlace, advertised};
    use crate::config::Config;
    use crate::secrets::Secrets;

    #[test]
    fn a_process_is_found_where_it_listens_unless_that_is_everywhere() {
        let url = |configured, address: &str| {
            let url = advertised(configured, address.parse().expect("an address"));
            url.map(|url| url.map(|url| url.to_string())).map_err(|error| error.to_string())
        };
        assert_eq!(url("", "10.0.0.5:8080"), Ok(Some("http://10.0.0.5:8080".to_owned())));
        assert_eq!(url("", "[::1]:8080"), Ok(Some("http://[::1]:8080".to_owned())));
        assert_eq!(url("", "0.0.0.0:8080"), Ok(None));
        assert_eq!(url("", "[::]:8080"), Ok(None));
        assert_eq!(url("http://wallet-1:80", "0.0.0.0:8080"), Ok(Some("http://wallet-1:80".to_owned())));
        let refused = url("ftp://wallet-1", "10.0.0.5:8080").expect_err("no address of a process");
        assert!(refused.contains("routes.advertise_url"), "{refused}");
    }

    #[test]
    fn a_process_that_would_expire_between_two_words_is_refused() {
        let mut config = Config::load(None).expect("the defaults");
        let address = "127.0.0.1:1".parse().expect("an address");
        let folder = tempfile::tempdir().expect("a folder");
        let secrets = Secrets::open(folder.path()).expect("secrets");
        assert!(FleetPlace::of(&config, &secrets, address).is_ok(), "the shipped settings");
        config.routes.expire_ms = 2 * config.routes.renew_ms;
        let Err(refused) = FleetPlace::of(&config, &secrets, address) else { panic!("it would come and go") };
        assert!(refused.to_string().contains("routes.expire_ms"), "{refused}");
        config.routes.renew_ms = 0;
        let Err(refused) = FleetPlace::of(&config, &secrets, address) else { panic!("it would never rest") };
        assert!(refused.to_string().contains("routes.renew_ms"), "{refused}");
    }
}
