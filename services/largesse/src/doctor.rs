//! `largesse doctor`: what would hurt, said before it does. Looks and changes nothing.

use crate::check::Opened;
use crate::cli::DoctorArgs;
use crate::compose;
use crate::config::{Config, Profile};
use crate::failure::Failure;
use crate::parts::start_failed;
use crate::servers::Budget;
use chrono::NaiveDate;
use contracts::lane::Lane;
use pg::{Db, ServerFacts};
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

/// The oldest server our SQL runs on.
const VERSION_MIN: i32 = 150_000;

/// A clock further off than this shows in what people see; leases and epochs do not depend on it.
const SKEW_NOTED: Duration = Duration::from_secs(1);

/// A clock further off than this refuses the keys of clients whose clocks are right.
const SKEW_MAX: Duration = Duration::from_secs(30);

/// What production must say where it runs.
const MASTERS: [&str; 3] = ["postgres", "redis", "rabbitmq"];

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Fine,
    Warning,
    Refused,
}

impl Verdict {
    /// What must not be in production, and may be in development.
    fn in_production(profile: Profile) -> Verdict {
        match profile {
            Profile::Production => Verdict::Refused,
            Profile::Development => Verdict::Warning,
        }
    }

    fn mark(self) -> &'static str {
        match self {
            Verdict::Fine => "ok  ",
            Verdict::Warning => "warn",
            Verdict::Refused => "FAIL",
        }
    }
}

/// One thing looked at: the verdict, what it is, and what was found, with what to change where that is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    verdict: Verdict,
    what: String,
    found: String,
}

fn line(verdict: Verdict, what: impl Into<String>, found: impl Into<String>) -> Line {
    Line { verdict, what: what.into(), found: found.into() }
}

/// Prints a line per thing looked at; the code is 0 where nothing is refused.
///
/// # Errors
/// [`Failure`] where the database cannot be asked.
pub async fn run(args: DoctorArgs) -> Result<ExitCode, Failure> {
    let config = Config::load(args.config.as_deref())?;
    let mut place = args.place;
    if place.database.is_none() && !config.database.url.is_empty() {
        place.database = Some(config.database.url.clone());
    }
    let opened = Opened::open(&place).await?;
    let looked = look(&config, &opened).await;
    opened.close().await;
    let lines = looked?;
    for Line { verdict, what, found } in &lines {
        println!("{}  {what:<28} {found}", verdict.mark());
    }
    let worst = lines.iter().map(|line| line.verdict).max().unwrap_or(Verdict::Fine);
    Ok(if worst < Verdict::Refused { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn look(config: &Config, opened: &Opened) -> Result<Vec<Line>, Failure> {
    let facts = pg::server_facts(&opened.pool).await?;
    let mut lines = vec![version(&facts), clock(facts.clock_skew)];
    lines.extend(durability(&facts, config.profile));
    lines.push(connections(&facts, config));
    for (service, migrators) in compose::migrators() {
        let db = Db::new(opened.pool.clone(), service, &Lane::Live);
        let missing = pg::missing_migrations(&db, &migrators).await?;
        lines.push(schema(db.schema(), &missing));
    }
    if lines.iter().all(|line| line.verdict < Verdict::Refused) {
        lines.push(coin_worth(config, &opened.pool).await?); // Only tables that are there can be asked.
        lines.extend(listed_nodes(&opened.pool).await?);
    }
    lines.push(statements(&config.recon.expected_statements, &config.clearing.expected_statements));
    lines.extend(placement(&config.placement, config.profile));
    Ok(lines)
}

/// Where processes find each other beside what is configured: a line for each service.
async fn listed_nodes(pool: &sqlx::PgPool) -> Result<Vec<Line>, Failure> {
    let db = Db::new(pool.clone(), routes::SCHEMA, &Lane::Live);
    let (_, rows) = routes::list(&db).await.map_err(start_failed("doctor"))?;
    let mut by_service: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ((service, node), route) in rows {
        by_service.entry(service).or_default().push(format!("{node} at {}", route.url));
    }
    let said = |(service, nodes): (String, Vec<String>)| {
        line(Verdict::Fine, format!("listed nodes of {service}"), nodes.join(", "))
    };
    Ok(by_service.into_iter().map(said).collect())
}

/// Coins are priced by cashier, split by settlement and booked by clearing: each knows their worth.
async fn coin_worth(config: &Config, pool: &sqlx::PgPool) -> Result<Line, Failure> {
    const WORTH: &str = "SELECT valid_from, micros_per_coin FROM {s}.face_values WHERE currency = $1";
    let mut tables = Vec::new();
    for (service, currency) in
        [("cashier", &config.cashier.currency), ("settlement", &config.settlement.currency)]
    {
        let db = Db::new(pool.clone(), service, &Lane::Live);
        let rows = sqlx::query_as::<_, (NaiveDate, i64)>(db.sql(WORTH)).bind(currency).fetch_all(pool).await;
        let rows = rows.map_err(|error| Failure::Start { service: "doctor", source: Box::new(error) })?;
        tables.push((service, currency.as_str(), rows.into_iter().collect()));
    }
    let rows = config.clearing.face_values.iter().map(|row| (row.from_day, row.micros_per_coin.get()));
    tables.push(("clearing", config.clearing.currency.as_str(), rows.collect()));
    Ok(worth(&tables))
}

/// A service, its currency, and the worth of a coin from a day on.
type Worth<'a> = (&'a str, &'a str, BTreeMap<NaiveDate, i64>);

fn worth(tables: &[Worth<'_>]) -> Line {
    let what = "worth of a coin";
    let currencies: BTreeSet<&str> = tables.iter().map(|(_, currency, _)| *currency).collect();
    if currencies.len() > 1 {
        let said: Vec<String> =
            tables.iter().map(|(service, money, _)| format!("{service} {money}")).collect();
        return line(Verdict::Refused, what, format!("in several currencies: {}", said.join(", ")));
    }
    // Each table may begin on another day; from the last of these days on all must say the same.
    let Some(all_since) = tables.iter().filter_map(|(_, _, rows)| rows.keys().next()).max() else {
        return line(Verdict::Refused, what, "no table says it");
    };
    let mut days: BTreeSet<NaiveDate> = tables.iter().flat_map(|(_, _, rows)| rows.keys().copied()).collect();
    for day in days.split_off(all_since) {
        let on = |rows: &BTreeMap<NaiveDate, i64>| rows.range(..=day).next_back().map(|(_, micros)| *micros);
        let said: Vec<(&str, Option<i64>)> =
            tables.iter().map(|(service, _, rows)| (*service, on(rows))).collect();
        if said.iter().any(|(_, micros)| *micros != said[0].1) {
            let words: Vec<String> =
                said.iter().map(|(service, micros)| format!("{service} {micros:?}")).collect();
            let found = format!("differs on {day}, in millionths: {}; make them equal", words.join(", "));
            return line(Verdict::Refused, what, found);
        }
    }
    line(Verdict::Fine, what, format!("one for cashier, settlement and clearing, in {}", tables[0].1))
}

/// What recon tells to be missing must be what clearing waits for before it closes a day.
fn statements(told: &[String], waited_for: &[String]) -> Line {
    let named = |list: &[String]| list.iter().cloned().collect::<BTreeSet<_>>();
    let (told, waited_for) = (named(told), named(waited_for));
    if told == waited_for {
        return line(Verdict::Fine, "expected statements", format!("of {} accounts", told.len()));
    }
    let only_one: Vec<String> = told.symmetric_difference(&waited_for).cloned().collect();
    let found = format!(
        "{} in one of recon. and clearing.expected_statements: name the same in both",
        only_one.join(", ")
    );
    line(Verdict::Refused, "expected statements", found)
}

fn version(facts: &ServerFacts) -> Line {
    let number = facts.version_number;
    let found = format!("PostgreSQL {}.{}", number / 10_000, number % 10_000);
    if number < VERSION_MIN {
        return line(Verdict::Refused, "server version", format!("{found}; 15 or newer is needed"));
    }
    line(Verdict::Fine, "server version", found)
}

fn clock(skew: Duration) -> Line {
    let found = format!("{skew:?} from the server's");
    match skew {
        skew if skew > SKEW_MAX => {
            line(Verdict::Refused, "clock", format!("{found}; start a time service here"))
        }
        skew if skew > SKEW_NOTED => {
            line(Verdict::Warning, "clock", format!("{found}; start a time service here"))
        }
        _ => line(Verdict::Fine, "clock", found),
    }
}

fn durability(facts: &ServerFacts, profile: Profile) -> [Line; 4] {
    let must_be_on = |what: &str, value: &str, why: &str| match value {
        "off" => line(Verdict::in_production(profile), what, format!("off: {why}; set it to on")),
        value => line(Verdict::Fine, what, value),
    };
    let role = match facts.in_recovery {
        true => line(Verdict::Refused, "role", "a standby; [database] url must name the primary"),
        false => line(Verdict::Fine, "role", "primary"),
    };
    [
        role,
        must_be_on("fsync", &facts.fsync, "a power cut loses acknowledged gifts"),
        must_be_on("full_page_writes", &facts.full_page_writes, "a power cut tears pages"),
        must_be_on("synchronous_commit", &facts.synchronous_commit, "a crash loses acknowledged gifts"),
    ]
}

fn connections(facts: &ServerFacts, config: &Config) -> Line {
    let what = "connections";
    // The embedded database has one, and every part of the process takes turns.
    if facts.max_connections <= 1 || config.database.url.is_empty() {
        return line(Verdict::Fine, what, format!("{} in the server", facts.max_connections));
    }
    let budget = match Budget::of(config, &[]) {
        Ok(budget) => budget,
        Err(refused) => return line(Verdict::Refused, what, refused.to_string()),
    };
    match budget.check(facts) {
        Ok(()) => {
            let (others, max) = (config.database.others_connections, facts.max_connections);
            let found = format!("{} of {max} for {}; {others} left to others", budget.wanted, budget.who);
            line(Verdict::Fine, what, found)
        }
        Err(refused) => line(Verdict::Refused, what, refused.to_string()),
    }
}

fn schema(name: &str, missing: &[i64]) -> Line {
    if missing.is_empty() {
        return line(Verdict::Fine, format!("schema {name}"), "up to date");
    }
    let versions: Vec<String> = missing.iter().map(|version| format!("{version:04}")).collect();
    let found = format!("lacks {}; run `largesse migrate`", versions.join(", "));
    line(Verdict::Refused, format!("schema {name}"), found)
}

fn placement(hosts: &BTreeMap<String, String>, profile: Profile) -> Vec<Line> {
    let mut lines = Vec::new();
    let unsaid: Vec<&str> = MASTERS.into_iter().filter(|master| !hosts.contains_key(*master)).collect();
    if !unsaid.is_empty() && profile == Profile::Production {
        let found = format!("[placement] does not say where {} runs", unsaid.join(", "));
        lines.push(line(Verdict::Refused, "placement", found));
    }
    let mut on_host: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (master, host) in hosts {
        on_host.entry(host).or_default().insert(master);
    }
    for (host, masters) in on_host {
        let names: Vec<&str> = masters.into_iter().collect();
        let what = format!("host {host}");
        lines.push(match names.as_slice() {
            [one] => line(Verdict::Fine, what, *one),
            more => {
                let found = format!("{} fall together with it; move all but one", more.join(" and "));
                line(Verdict::in_production(profile), what, found)
            }
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{Verdict, Worth, clock, placement, schema, statements, worth};
    use crate::config::Profile;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn worst(hosts: &[(&str, &str)], profile: Profile) -> Option<Verdict> {
        let hosts: BTreeMap<String, String> =
            hosts.iter().map(|(master, host)| ((*master).to_owned(), (*host).to_owned())).collect();
        placement(&hosts, profile).into_iter().map(|line| line.verdict).max()
    }

    #[test]
    fn two_masters_on_one_host_are_refused_in_production_and_noted_in_development() {
        let together = [("postgres", "a"), ("redis", "b"), ("rabbitmq", "a")];
        assert_eq!(worst(&together, Profile::Production), Some(Verdict::Refused));
        assert_eq!(worst(&together, Profile::Development), Some(Verdict::Warning));
        let apart = [("postgres", "a"), ("redis", "b"), ("rabbitmq", "c")];
        assert_eq!(worst(&apart, Profile::Production), Some(Verdict::Fine));
    }

    #[test]
    fn production_must_say_where_its_masters_run() {
        assert_eq!(worst(&[("postgres", "a")], Profile::Production), Some(Verdict::Refused));
        assert_eq!(worst(&[], Profile::Development), None);
    }

    #[test]
    fn a_clock_that_is_far_off_and_a_schema_that_lacks_a_file_are_refused() {
        assert_eq!(clock(Duration::from_millis(10)).verdict, Verdict::Fine);
        assert_eq!(clock(Duration::from_secs(2)).verdict, Verdict::Warning);
        assert_eq!(clock(Duration::from_secs(600)).verdict, Verdict::Refused);
        assert_eq!(schema("wallet", &[]).verdict, Verdict::Fine);
        let lacking = schema("wallet", &[101]);
        assert_eq!(lacking.verdict, Verdict::Refused);
        assert!(lacking.found.contains("0101"), "{lacking:?}");
    }

    #[test]
    fn statements_that_only_one_service_expects_are_refused_by_name() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(statements(&list(&["icbc", "boc"]), &list(&["boc", "icbc"])).verdict, Verdict::Fine);
        let refused = statements(&list(&["icbc"]), &list(&["boc"]));
        assert_eq!(refused.verdict, Verdict::Refused);
        assert!(refused.found.contains("boc, icbc"), "{}", refused.found);
    }

    #[test]
    fn a_coin_must_be_worth_the_same_everywhere() {
        let day = |text: &str| text.parse().expect("a day");
        let table = |service: &'static str, rows: &[(&str, i64)]| -> Worth<'static> {
            (service, "CNY", rows.iter().map(|(from, micros)| (day(from), *micros)).collect())
        };
        let one = table("cashier", &[("2000-01-01", 5)]);
        let older = table("clearing", &[("1970-01-01", 5)]);
        assert_eq!(worth(&[one.clone(), older.clone()]).verdict, Verdict::Fine);
        let raised = table("settlement", &[("2000-01-01", 5), ("2026-01-01", 6)]);
        let differ = worth(&[one.clone(), raised.clone(), older.clone()]);
        assert_eq!(differ.verdict, Verdict::Refused);
        assert!(differ.found.contains("2026-01-01"), "{differ:?}");
        assert_eq!(worth(&[raised.clone(), raised]).verdict, Verdict::Fine);
        assert_eq!(worth(&[one.clone(), table("clearing", &[])]).verdict, Verdict::Refused, "one is empty");
        let (service, _, rows) = older;
        assert_eq!(worth(&[one, (service, "EUR", rows)]).verdict, Verdict::Refused, "two currencies");
    }
}
