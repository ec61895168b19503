//! The servers that one process uses: what it cannot do without it waits for, what it can do without it begins without.
//!
//! Owns the budget of database connections. Must not decide what is served.

use crate::cli::ServiceName;
use crate::config::Config;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::fleet::LIST_CONNECTIONS_MAX;
use crate::peers::name_of;
use crate::waiting::{Reason, Waiting, in_one_line, may_come};
use bus::{Bus, RabbitMq};
use cache::Cache;
use contracts::lane::Lane;
use pg::{Access, Embedded, PoolSettings};
use sqlx::PgPool;
use std::sync::Arc;
use std::time::Duration;

const CORRECT_AMQP: &str = "start it, or correct amqp.url";
const CORRECT_REDIS: &str = "start it, or correct redis.url";
const CORRECT_DATABASE: &str = "start it, or correct database.url";
const CORRECT_READS: &str = "start it, or correct database.read_url";

/// The broker. One that is away is no reason not to start: readers pull, and join their queues when it is back.
///
/// # Errors
/// [`Failure::Refused`]: it will not come by itself.
pub async fn open_bus(config: &Config, lane: &Lane) -> Result<Bus, Failure> {
    if config.amqp.url.is_empty() {
        return Ok(Bus::in_process(lane));
    }
    let refused = |source: Reason| Failure::Refused { what: "the broker", change: CORRECT_AMQP, source };
    let broker = RabbitMq::try_new(&config.amqp.url).map_err(|error| refused(error.into()))?;
    let bus = Bus::new(Arc::new(broker), lane, 1);
    if let Err(error) = bus.check().await {
        let reason: Reason = error.into();
        if !may_come(&*reason) {
            return Err(refused(reason));
        }
        let reason = in_one_line(&*reason);
        tracing::warn!(reason, "the broker does not answer yet; going on without it");
    }
    Ok(bus)
}

/// The cache. One that is away is no reason not to start: effects stay on their node, and ranks are made again.
///
/// # Errors
/// [`Failure::Refused`]: it will not come by itself.
pub async fn open_cache(config: &Config, lane: &Lane) -> Result<Cache, Failure> {
    if config.redis.url.is_empty() {
        return Ok(Cache::in_process(lane));
    }
    let refused = |error: cache::CacheError| Failure::Refused {
        what: "the cache",
        change: CORRECT_REDIS,
        source: error.into(),
    };
    Cache::connect(&config.redis.url, lane).await.map_err(refused)
}

/// The pool, the pool of stale reads where there is one, and the embedded database where that is used. A real
/// server is refused when it has fewer connections to give than all processes may take.
///
/// # Errors
/// [`Failure`], with what to change.
pub async fn open_database(
    config: &Config,
    services: &[ServiceName],
    directory: &Directory,
    waiting: &Waiting,
) -> Result<(PgPool, Option<PgPool>, Option<Embedded>), Failure> {
    let database = &config.database;
    if database.url.is_empty() {
        let embedded = Embedded::open(&directory.database()).await?;
        return Ok((embedded.pool(), None, Some(embedded)));
    }
    for (name, url) in [("url", &database.url), ("read_url", &database.read_url)] {
        if !url.is_empty() && !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            let reason = format!("database.{name} is not a database URL: it must begin with postgres://");
            return Err(Failure::Config(reason));
        }
    }
    let budget = Budget::of(config, services)?;
    let settings = PoolSettings {
        connections_max: database.connections_max,
        slow_statement: Duration::from_millis(database.slow_statement_ms),
        ..PoolSettings::default()
    };
    let connect = async || pg::connect(&database.url, settings).await.map_err(Into::into);
    let pool = waiting.until("the database", CORRECT_DATABASE, connect).await?;
    budget.check(&pg::server_facts(&pool).await?)?;
    if database.read_url.is_empty() {
        return Ok((pool, None, None));
    }
    let settings =
        PoolSettings { connections_max: database.read_connections_max, access: Access::ReadOnly, ..settings };
    let connect = async || pg::connect(&database.read_url, settings).await.map_err(Into::into);
    let reads = waiting.until("the database of reads", CORRECT_READS, connect).await?;
    if pg::server_of(&database.read_url)? != pg::server_of(&database.url)? {
        let wanted = wanted_at(config, &database.read_url)?;
        let facts = pg::server_facts(&reads).await?;
        facts.check_budget("this process", wanted, database.others_connections)?;
    }
    Ok((pool, Some(reads), None))
}

/// Connections that this process may open at the server of `url`, over all of its pools.
///
/// # Errors
/// [`Failure::Database`]: a URL is wrong.
pub fn wanted_at(config: &Config, url: &str) -> Result<u32, Failure> {
    let server = pg::server_of(url)?;
    let pools = [
        (&config.database.url, config.database.connections_max),
        (&config.database.read_url, config.database.read_connections_max),
        (&config.routes.database_url, LIST_CONNECTIONS_MAX),
    ];
    let mut wanted = 0_u32;
    for (url, connections_max) in pools.into_iter().filter(|(url, _)| !url.is_empty()) {
        if pg::server_of(url)? == server {
            wanted = wanted.saturating_add(connections_max);
        }
    }
    Ok(wanted)
}

/// Who may open how many connections at the server of `database.url`.
pub struct Budget {
    /// Who that is, in words.
    pub who: String,
    pub wanted: u32,
    others: u32,
}

impl Budget {
    /// What `[connections]` declares of all processes; where it declares nothing, this process alone.
    ///
    /// # Errors
    /// [`Failure::Config`]: this process is not among the declared ones, or opens more than is declared of it.
    pub fn of(config: &Config, services: &[ServiceName]) -> Result<Budget, Failure> {
        let (own, others) = (wanted_at(config, &config.database.url)?, config.database.others_connections);
        if config.connections.is_empty() {
            return Ok(Budget { who: "this process".to_owned(), wanted: own, others });
        }
        let declared = services.iter().find_map(|service| {
            let name = name_of(*service);
            config.connections.get(name).map(|of| (name, of.each))
        });
        match declared {
            // `doctor` is nobody of the fleet.
            None if services.is_empty() => {}
            None => {
                let names: Vec<&str> = services.iter().map(|service| name_of(*service)).collect();
                let reason = format!("connections has no entry for {}: add one", names.join(" or "));
                return Err(Failure::Config(reason));
            }
            Some((name, each)) if own > each => {
                return Err(Failure::Config(format!(
                    "connections.{name}.each is {each} and this process may open {own}: raise it, or lower \
                     database.connections_max or database.read_connections_max"
                )));
            }
            Some(_) => {}
        }
        let said = |(name, of): (&String, &crate::config::Connections)| {
            format!("{name} {} × {}", of.processes, of.each)
        };
        let said: Vec<String> = config.connections.iter().map(said).collect();
        let all = config.connections.values().map(|of| of.processes.saturating_mul(of.each));
        let wanted = all.fold(0, u32::saturating_add);
        Ok(Budget { who: format!("all processes ({})", said.join(", ")), wanted, others })
    }

    /// Whether the server has as many.
    ///
    /// # Errors
    /// [`pg::TooFewConnections`], with what to change.
    pub fn check(&self, facts: &pg::ServerFacts) -> Result<(), pg::TooFewConnections> {
        facts.check_budget(&self.who, self.wanted, self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, wanted_at};
    use crate::cli::ServiceName;
    use crate::config::{Config, Connections};

    const PRIMARY: &str = "postgres://app@db-1/largesse";

    fn config() -> Config {
        let mut config = Config::load(None).expect("the defaults load");
        config.database.url = PRIMARY.to_owned();
        (config.database.connections_max, config.database.read_connections_max) = (16, 4);
        config
    }

    #[test]
    fn every_pool_of_a_process_counts_at_the_server_that_it_is_for() {
        let mut config = config();
        assert_eq!(wanted_at(&config, PRIMARY).expect("a URL"), 16);
        config.database.read_url = "postgres://reader:word@db-1:5432/largesse".to_owned();
        config.routes.database_url = "postgres://app@db-1/routes".to_owned();
        assert_eq!(wanted_at(&config, PRIMARY).expect("a URL"), 22, "one server by other names");
        config.database.read_url = "postgres://reader@db-2/largesse".to_owned();
        assert_eq!(wanted_at(&config, PRIMARY).expect("a URL"), 18);
        assert_eq!(wanted_at(&config, "postgres://db-2").expect("a URL"), 4);
    }

    #[test]
    fn all_declared_processes_count_and_one_that_is_not_declared_or_takes_more_is_refused() {
        let mut config = config();
        for (name, processes, each) in [("gift", 2, 16), ("wallet", 3, 20)] {
            config.connections.insert(name.to_owned(), Connections { processes, each });
        }
        let budget = Budget::of(&config, &[ServiceName::Gift, ServiceName::Console]).expect("it fits");
        assert_eq!(budget.wanted, 92);
        assert!(budget.who.contains("gift 2 × 16, wallet 3 × 20"), "{}", budget.who);
        let refused = Budget::of(&config, &[ServiceName::Recon]).err().expect("it is not declared");
        assert!(refused.to_string().contains("no entry for recon"), "{refused}");
        config.database.connections_max = 17;
        let refused = Budget::of(&config, &[ServiceName::Gift]).err().expect("one too many");
        assert!(refused.to_string().contains("connections.gift.each is 16"), "{refused}");
        assert!(Budget::of(&config, &[ServiceName::Wallet]).is_ok());
    }
}
