//! The whole configuration: commented defaults of each part, then a file, then the environment.

use crate::cli::UpArgs;
use crate::failure::Failure;
use contracts::log::AccountingZone;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use guard::{Quotas, Rate, Scope};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// The binary's own defaults; each service ships its own beside them.
const DEFAULTS: &str = include_str!("../largesse.default.toml");

/// Viewers and rooms that sent or received lately and are counted: 26 bytes each.
const QUOTA_KEYS_MAX: usize = 100_000;

/// Environment variables that begin so are settings; secrets and test servers are not.
const ENV_PREFIX: &str = "LARGESSE_";
const NOT_SETTINGS: [&str; 3] = ["secret_", "test_", "bench_"];

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub node: String,
    pub profile: Profile,
    pub accounting_zone_minutes: AccountingZone,
    pub http: Http,
    pub database: Database,
    pub redis: Server,
    pub amqp: Server,
    pub telemetry: Telemetry,
    /// The host of each master, by what it is a master of.
    pub placement: BTreeMap<String, String>,
    /// What all processes at the server of `database.url` may open, by service.
    pub connections: BTreeMap<String, Connections>,
    pub start: Start,
    pub quotas: QuotaRates,
    pub peers: peer::Config,
    pub routes: Routes,
    pub wallet: wallet::Config,
    pub gift: gift::Config,
    pub cashier: cashier::Config,
    pub settlement: settlement::Config,
    pub clearing: clearing::Config,
    pub recon: recon::Config,
}

/// What kind of installation this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    Development,
    Production,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub listen: SocketAddr,
    pub in_flight_max: usize,
    pub drain_notice_ms: u64,
}

/// Gifts in a second, and how many of them at once; see `largesse.default.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaRates {
    pub viewer_per_s: u32,
    pub viewer_burst: u32,
    pub room_per_s: u32,
    pub room_burst: u32,
    pub tenant_per_s: u32,
    pub tenant_burst: u32,
}

impl QuotaRates {
    /// The quotas of a node that begins with these rates.
    ///
    /// # Errors
    /// [`Failure::Config`] names what cannot be counted.
    pub fn open(self) -> Result<Quotas, Failure> {
        let quotas = Quotas::new(QUOTA_KEYS_MAX);
        for (scope, per_s, burst) in [
            (Scope::Viewer, self.viewer_per_s, self.viewer_burst),
            (Scope::Room, self.room_per_s, self.room_burst),
            (Scope::Tenant, self.tenant_per_s, self.tenant_burst),
        ] {
            let rate = (per_s > 0).then(|| Rate::try_new(per_s, Duration::from_secs(1), burst)).transpose();
            let name = scope.as_str();
            let wrong = |error| Failure::Config(format!("quotas.{name}_per_s, quotas.{name}_burst: {error}"));
            quotas.set(scope, rate.map_err(wrong)?);
        }
        Ok(quotas)
    }
}

/// Where others find this process, and where that is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Routes {
    pub advertise_url: String,
    pub database_url: String,
    pub renew_ms: u64,
    pub expire_ms: u64,
}

/// How a process starts.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    pub wait_max_s: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url: String,
    pub connections_max: u32,
    pub slow_statement_ms: u64,
    pub others_connections: u32,
    pub read_url: String,
    pub read_connections_max: u32,
}

/// How many processes there are of a service, and how many connections each may open.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connections {
    pub processes: u32,
    pub each: u32,
}

/// A server named by URL; empty means the in-process default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub url: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    pub log: String,
    pub format: LogFormat,
    pub otlp_endpoint: String,
    pub trace_sample_ppm: u32,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

impl Config {
    /// Defaults, then `file`, then the environment.
    ///
    /// # Errors
    /// [`Failure::Config`], naming the key and where it came from.
    pub fn load(file: Option<&Path>) -> Result<Config, Failure> {
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        for (section, text) in [
            ("wallet", wallet::DEFAULTS),
            ("gift", gift::DEFAULTS),
            ("cashier", cashier::DEFAULT_TOML),
            ("settlement", settlement::DEFAULT_TOML),
            ("clearing", clearing::DEFAULTS),
            ("recon", recon::DEFAULTS),
            ("peers", peer::DEFAULTS),
        ] {
            let table: toml::Table =
                toml::from_str(text).map_err(|error| Failure::Config(error.to_string()))?;
            figment = figment.merge(Serialized::default(section, table));
        }
        if let Some(file) = file {
            if !file.is_file() {
                return Err(Failure::Config(format!("there is no file {}", file.display())));
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        let is_setting = |key: &figment::value::UncasedStr| {
            let key = key.as_str().to_ascii_lowercase();
            !NOT_SETTINGS.iter().any(|prefix| key.starts_with(prefix))
        };
        figment
            .merge(Env::prefixed(ENV_PREFIX).filter(is_setting).split("__"))
            .extract()
            .map_err(|error| Failure::Config(explained(&error)))
    }

    /// What the command line said wins over everything.
    pub fn with_args(mut self, args: &UpArgs) -> Config {
        if let Some(listen) = args.listen {
            self.http.listen = listen;
        }
        for (given, url) in [
            (&args.place.database, &mut self.database.url),
            (&args.redis, &mut self.redis.url),
            (&args.amqp, &mut self.amqp.url),
        ] {
            if let Some(given) = given {
                url.clone_from(given);
            }
        }
        self
    }
}

/// What is wrong, and how a text is given to the environment that looks like a number.
fn explained(error: &figment::Error) -> String {
    let is_text =
        matches!(&error.kind, figment::error::Kind::InvalidType(_, wanted) if wanted.contains("string"));
    let is_of_env = error.metadata.as_ref().is_some_and(|place| place.name.contains("environment"));
    let hint = if is_text && is_of_env {
        "; text that is all digits is given in quotes: NAME='\"123\"'"
    } else {
        ""
    };
    format!("{error}{hint}")
}

#[cfg(test)]
mod tests {
    use super::Config;
    use guard::Scope;

    #[test]
    fn the_shipped_defaults_are_a_whole_configuration() {
        let config = Config::load(None).expect("the defaults load");
        assert_eq!(config.http.listen.port(), 8080);
    }

    #[test]
    fn nobody_meets_the_shipped_quotas_and_one_that_cannot_be_counted_is_refused_by_its_name() {
        let mut config = Config::load(None).expect("the defaults load");
        let quotas = config.quotas.open().expect("they can be counted");
        for _ in 0..10_000 {
            assert_eq!(quotas.try_take(&[(Scope::Viewer, 1), (Scope::Room, 2)], 1), Ok(()));
        }
        (config.quotas.room_per_s, config.quotas.room_burst) = (5, 0);
        let Err(refused) = config.quotas.open() else { panic!("a room that may have none at once") };
        assert!(refused.to_string().contains("quotas.room_burst"), "{refused}");
    }

    #[test]
    fn an_unknown_key_is_refused_by_its_name() {
        let file = tempfile::NamedTempFile::with_suffix(".toml").expect("a file");
        std::fs::write(file.path(), "[wallet]\nlane_cuont = 3\n").expect("written");
        let refused = Config::load(Some(file.path())).expect_err("an unknown key");
        assert!(refused.to_string().contains("lane_cuont"), "{refused}");
    }
}
