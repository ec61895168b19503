//! `largesse refresh`: who runs which version of the slow-changing tables, and what people ask for.
//!
//! Owns the routes of a process and the command that asks them. Decides nothing: an order is kept with the set, and
//! whichever node publishes the set obeys it.

use crate::ask::Question;
use crate::cli::{ProcessArgs, RefreshCommand, SetArgs};
use crate::failure::Failure;
use crate::token::subject;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use edge::{InternalOrSre, Json, Path, Problem, Role, Sre};
use refresh::{Control, NodeReport, Order, Roster, SetName, Verdict};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;

/// Where a process says what it knows of the sets.
const SETS_PATH: &str = "/internal/refresh";

/// One set as a process knows it.
#[derive(Debug, Serialize, Deserialize)]
struct SetReport {
    set: SetName,
    /// Missing before a producer ever spoke, and where it cannot be read.
    roster: Option<Roster>,
    /// Why the roster cannot be read.
    problem: Option<String>,
}

/// What is asked of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
enum Asking {
    Pin { version: i64 },
    Unpin,
    RollBack,
    Approve { version: i64 },
}

/// What was asked of a set, and is kept now.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    set: SetName,
    order: Asking,
    /// The version that is pinned or approved from now on; missing where none is.
    version: Option<i64>,
}

type Controls = Arc<[Control]>;

/// Says who runs what, and takes orders of SREs.
pub fn router(controls: Vec<Control>) -> Router {
    Router::new()
        .route(SETS_PATH, get(list_sets))
        .route(&format!("{SETS_PATH}/{{set}}"), get(get_set))
        .route(&format!("{SETS_PATH}/{{set}}/orders"), post(ask_set))
        .with_state(Controls::from(controls))
}

async fn list_sets(State(controls): State<Controls>, _who: InternalOrSre) -> Json<Vec<SetReport>> {
    let mut reports = Vec::new();
    for control in controls.iter() {
        reports.push(report(control).await);
    }
    Json(reports)
}

async fn get_set(
    State(controls): State<Controls>,
    _who: InternalOrSre,
    Path(set): Path<String>,
) -> Result<Json<SetReport>, Problem> {
    Ok(Json(report(find(&controls, &set)?).await))
}

async fn ask_set(
    State(controls): State<Controls>,
    Sre { sub }: Sre,
    Path(set): Path<String>,
    Json(asking): Json<Asking>,
) -> Result<Json<Asked>, Problem> {
    let control = find(&controls, &set)?;
    let by = sub.to_string();
    let version = match asking {
        Asking::Pin { version } => {
            control.ask_checked(Order::Pin(version), &by).await?;
            Some(version)
        }
        Asking::Unpin => {
            control.ask_checked(Order::Unpin, &by).await?;
            None
        }
        Asking::RollBack => Some(control.roll_back(&by).await?),
        Asking::Approve { version } => {
            control.ask_checked(Order::Approve(version), &by).await?;
            Some(version)
        }
    };
    tracing::info!(set, by, ?asking, version, "a set is steered by hand");
    Ok(Json(Asked { set: control.set().clone(), order: asking, version }))
}

fn find<'a>(controls: &'a Controls, set: &str) -> Result<&'a Control, Problem> {
    controls.iter().find(|control| control.set().as_str() == set).ok_or_else(|| {
        let known: Vec<&str> = controls.iter().map(|control| control.set().as_str()).collect();
        let detail = format!("There is no set {set:?} here; there are {}.", known.join(", "));
        Problem::not_found("no-such-set", detail)
    })
}

async fn report(control: &Control) -> SetReport {
    let set = control.set().clone();
    match control.roster().await {
        Ok(roster) => SetReport { set, roster, problem: None },
        Err(error) => SetReport { set, roster: None, problem: Some(error.to_string()) },
    }
}

/// Asks a running process, and prints what it says.
///
/// # Errors
/// [`Failure`] where the process cannot be asked, and [`Failure::Answered`] with its reason where it refuses.
pub async fn run(command: RefreshCommand) -> Result<ExitCode, Failure> {
    match command {
        RefreshCommand::List { process } => {
            let reports: Vec<SetReport> = question(&process)?.get("").await?;
            show(process.json, &reports, |reports| set_table(reports));
        }
        RefreshCommand::Roster { one } => {
            let report: SetReport = question(&one.process)?.get(&format!("/{}", one.set)).await?;
            show(one.process.json, &report, roster_text);
        }
        RefreshCommand::Pin { one, version } => ask(&one, Asking::Pin { version }).await?,
        RefreshCommand::Unpin { one } => ask(&one, Asking::Unpin).await?,
        RefreshCommand::RollBack { one } => ask(&one, Asking::RollBack).await?,
        RefreshCommand::Approve { one, version } => ask(&one, Asking::Approve { version }).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn ask(one: &SetArgs, asking: Asking) -> Result<(), Failure> {
    let question = question(&one.process)?;
    let asked: Asked = question.post(&format!("/{}/orders", one.set), &asking).await?;
    show(one.process.json, &asked, asked_text);
    Ok(())
}

fn show<T: Serialize>(json: bool, value: &T, text: impl Fn(&T) -> String) {
    if json {
        println!("{}", serde_json::to_string_pretty(value).unwrap_or_default()); // Plain values always print.
    } else {
        print!("{}", text(value));
    }
}

fn question(process: &ProcessArgs) -> Result<Question, Failure> {
    let who = (Role::Sre, subject(Role::Sre, &process.sub));
    Question::open((&process.url, SETS_PATH), &process.data_dir, who)
}

fn version_text(version: Option<i64>) -> String {
    version.map_or_else(|| "-".to_owned(), |version| version.to_string())
}

/// Writing into a text cannot fail.
macro_rules! line {
    ($text:expr, $($rest:tt)*) => { let _ = writeln!($text, $($rest)*); };
}

fn set_table(reports: &[SetReport]) -> String {
    let mut text = String::new();
    line!(
        text,
        "{:<20} {:>9} {:>9} {:>9} {:>9}  {:<20} nodes",
        "set",
        "version",
        "canary",
        "pinned",
        "held",
        "publisher"
    );
    for SetReport { set, roster, problem } in reports {
        let Some(roster) = roster else {
            line!(text, "{set:<20} {}", problem.as_deref().unwrap_or("nobody has published it yet"));
            continue;
        };
        let counts: Vec<String> = roster
            .nodes_by_version()
            .iter()
            .map(|(version, nodes)| format!("{nodes} run {version}"))
            .collect();
        line!(
            text,
            "{:<20} {:>9} {:>9} {:>9} {:>9}  {:<20} {}",
            set.as_str(),
            version_text(roster.stable.map(|stable| stable.version)),
            version_text(roster.canary.as_ref().map(|canary| canary.target.version)),
            version_text(roster.pinned),
            version_text(roster.held_back.as_ref().map(|held| held.version)),
            roster.producer,
            counts.join(", ")
        );
    }
    text
}

fn roster_text(report: &SetReport) -> String {
    let mut text = set_table(std::slice::from_ref(report));
    let Some(roster) = &report.roster else { return text };
    let kept: Vec<String> = roster.history.iter().map(|former| former.version.to_string()).collect();
    line!(
        text,
        "versions kept before it: {}",
        if kept.is_empty() { "none".to_owned() } else { kept.join(", ") }
    );
    if let Some(held) = &roster.held_back {
        line!(text, "version {} is held back: {}", held.version, held.reason);
    }
    line!(text, "\n{:<24} {:>9} {:>9}  state", "node", "version", "age s");
    for NodeReport { node, version, verdict, age_ms, .. } in roster.nodes.values() {
        let age = age_ms.map_or_else(|| "-".to_owned(), |age| (age / 1_000).to_string());
        line!(text, "{node:<24} {version:>9} {age:>9}  {}", verdict_text(verdict));
    }
    text
}

fn verdict_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Acknowledged => "runs what it should".to_owned(),
        Verdict::Refused { version, reason, .. } => format!("refuses version {version}: {reason}"),
        Verdict::Lacking { version, reason, .. } => format!("cannot get version {version}: {reason}"),
        Verdict::Unannounced => "has heard nothing yet".to_owned(),
    }
}

fn asked_text(asked: &Asked) -> String {
    let Asked { set, order, version } = asked;
    let version = version_text(*version);
    let kept = match order {
        Asking::Pin { .. } | Asking::RollBack => format!("version {version} is pinned"),
        Asking::Unpin => "nothing is pinned any more".to_owned(),
        Asking::Approve { .. } => format!("version {version} is approved"),
    };
    format!("{set}: {kept}; `largesse refresh roster --set {set}` says who follows\n")
}
