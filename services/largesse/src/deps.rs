//! `largesse deps`: what a process of ours calls, whether it can do without, and how that is now.
//!
//! Owns the declarations: the page `docs/dependencies.md` and this command print them, so neither can say something
//! else than the code does.

use crate::ask::ask_as_sre;
use crate::cli::DepsArgs;
use crate::failure::Failure;
use axum::routing::get;
use axum::{Json, Router};
use edge::{InternalOrSre, Readiness};
use guard::deps::{
    BreakerSettings, Declaration, DependencyReport, Need, Registry, Strong, Weak, markdown_table, text_table,
};
use std::process::ExitCode;
use std::time::Duration;

/// Where a process says how its dependencies are.
pub const DEPENDENCIES_PATH: &str = "/internal/dependencies";

/// Dependencies that are asked once a second or two: two failures in a row are enough.
const WATCHED: BreakerSettings = BreakerSettings {
    window: Duration::from_secs(10),
    calls_min: 2,
    failed_percent: 50,
    slow: Duration::from_secs(5),
    slow_percent: 80,
    open_for: Duration::from_millis(800),
    trials: 1,
};

/// Longer than a statement waits for a free connection: a busy pool is no failure of the database.
static DATABASE: Declaration = Declaration {
    name: "database",
    purpose: "keeps every log and every balance",
    need: Need::Strong,
    timeout: Duration::from_secs(15),
    in_flight_max: 4,
    breaker: WATCHED,
};

static BROKER: Declaration = Declaration {
    name: "broker",
    purpose: "carries rows to their readers, to spare the database",
    need: Need::Weak { fallback: "readers pull rows from the tables, later than messages would come" },
    timeout: Duration::from_secs(10),
    in_flight_max: 4,
    breaker: WATCHED,
};

static CACHE: Declaration = Declaration {
    name: "cache",
    purpose: "carries effects and ranks between nodes",
    need: Need::Weak { fallback: "effects stay on their own node, ranks are counted again afterwards" },
    timeout: Duration::from_secs(2),
    in_flight_max: 4,
    breaker: WATCHED,
};

/// What every process declares at its start. The others it declares as it comes to know their nodes.
const OWN: [&Declaration; 4] = [&DATABASE, &BROKER, &CACHE, &cache::REDIS];

/// Every dependency there is.
pub fn declarations() -> impl Iterator<Item = &'static Declaration> {
    OWN.into_iter().chain(peer::declared::declarations())
}

/// The dependencies of one process, to be called through.
pub struct Dependencies {
    registry: Registry,
    pub database: Strong,
    pub broker: Weak,
    /// Whether the cache is there, asked now and then.
    pub cache: Weak,
    /// What services ask of it.
    pub redis: Weak,
}

impl Dependencies {
    /// Declares them all.
    ///
    /// # Errors
    /// [`Failure::Config`] if a declaration makes no sense.
    pub fn declare() -> Result<Dependencies, Failure> {
        let registry = Registry::default();
        let wrong = |error: guard::deps::DeclareError| Failure::Config(error.to_string());
        Ok(Dependencies {
            database: registry.strong(&DATABASE).map_err(wrong)?,
            broker: registry.weak(&BROKER).map_err(wrong)?,
            cache: registry.weak(&CACHE).map_err(wrong)?,
            redis: registry.weak(&cache::REDIS).map_err(wrong)?,
            registry,
        })
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A strong one that fails makes this process unready.
    pub fn report(&self, readiness: &Readiness) {
        let registry = self.registry.clone();
        readiness.check("dependencies", move || registry.strong_answer());
    }

    /// Says how they are, to other processes and to SREs.
    pub fn routes(&self) -> Router {
        let registry = self.registry.clone();
        Router::new().route(DEPENDENCIES_PATH, get(async move |_who: InternalOrSre| Json(registry.report())))
    }
}

/// Prints what is declared, or with a URL how it is there now; exits with 1 if something is away there.
///
/// # Errors
/// [`Failure`] where the process cannot be asked.
pub async fn run(args: DepsArgs) -> Result<ExitCode, Failure> {
    let Some(url) = args.url else {
        print!("{}", markdown_table(declarations()));
        return Ok(ExitCode::SUCCESS);
    };
    let reports: Vec<DependencyReport> = ask_as_sre(&url, DEPENDENCIES_PATH, &args.data_dir, "deps").await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&reports).unwrap_or_default()); // Plain values always print.
    } else {
        print!("{}", text_table(&reports));
    }
    let is_whole = reports.iter().all(|report| report.state == guard::deps::State::Closed);
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::{Dependencies, OWN, declarations};
    use guard::deps::{Need, Registry, markdown_table};
    use std::path::Path;

    #[test]
    fn the_page_of_dependencies_says_what_the_code_declares() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/dependencies.md");
        let text = std::fs::read_to_string(page).expect("the page is there");
        let table = markdown_table(declarations());
        assert!(text.contains(&table), "docs/dependencies.md should have this table:\n{table}");
    }

    #[test]
    fn every_declaration_makes_sense_and_is_used() {
        let dependencies = Dependencies::declare().expect("good declarations");
        let names: Vec<String> =
            dependencies.registry().report().into_iter().map(|report| report.name).collect();
        assert_eq!(names, OWN.map(|declaration| declaration.name));
        let registry = Registry::default();
        for declared in declarations() {
            let is_good = match declared.need {
                Need::Strong => registry.strong(declared).map(drop),
                Need::Weak { .. } => registry.weak(declared).map(drop),
            };
            assert_eq!(is_good, Ok(()));
        }
    }
}
