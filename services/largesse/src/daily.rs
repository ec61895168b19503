//! `largesse bill` and `largesse recon`: files of channels, daily runs and matching rules, at a running process.

use crate::ask::Question;
use crate::cli::DeskArgs;
use crate::cli::daily::{BillCommand, FileArgs, OneVersion, ReconCommand, RulesCommand};
use crate::failure::Failure;
use crate::finance::{read_setting, table};
use crate::token::subject;
use chrono::NaiveDate;
use edge::Role;
use ids::Uuid;
use recon::{RunDetail, RunState};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use url::form_urlencoded::Serializer;

/// How often a run is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// How wide a progress bar is, in characters.
const BAR_WIDTH: i64 = 40;

const BILLS: &str = "/v1/finance/bills";
const RUNS: &str = "/v1/finance/recon-runs";
const RULES: &str = "/v1/finance/matching-rules";

const BILL_COLUMNS: [&str; 8] =
    ["bill_id", "channel", "scope", "format", "period_from", "period_to", "rows", "state"];
const RUN_COLUMNS: [&str; 7] = ["run_id", "day", "state", "step", "rows_done", "report_sha256", "last_error"];

const SETTLEMENT_COLUMNS: [&str; 11] = [
    "settlement_no",
    "channel",
    "about",
    "day",
    "payments",
    "gross_minor",
    "fee_minor",
    "net_minor",
    "currency",
    "voucher_id",
    "last_error",
];

fn question(desk: &DeskArgs, path: &str, role: Role) -> Result<Question, Failure> {
    Question::open((&desk.url, path), &desk.data_dir, (role, subject(role, &desk.sub)))
}

/// Prints an answer as JSON, or the rows of one of its lists (of itself, without one) as a table.
fn show(desk: &DeskArgs, answer: &Value, list: &str, columns: &[&str]) {
    if desk.json {
        println!("{}", serde_json::to_string_pretty(answer).unwrap_or_default()); // Plain values always print.
        return;
    }
    match answer.get(list).and_then(Value::as_array) {
        Some(rows) => print!("{}", table(rows, columns)),
        None => print!("{}", table(std::slice::from_ref(answer), columns)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|source| Failure::File { path: path.to_owned(), source })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|source| Failure::File { path: path.to_owned(), source })
}

fn malformed(path: &Path, reason: impl std::fmt::Display) -> Failure {
    let detail = format!("{} cannot be read: {reason}", path.display());
    Failure::Answered { slug: "malformed".to_owned(), detail }
}

/// `largesse bill`.
///
/// # Errors
/// [`Failure`] where the process cannot be asked, and [`Failure::Answered`] with its reason where it refuses.
pub async fn bill(command: BillCommand) -> Result<ExitCode, Failure> {
    match command {
        BillCommand::Import(args) => hand_in(&args, "", Role::FinanceMaker).await?,
        BillCommand::Verify(args) => hand_in(&args, "/verify", Role::Auditor).await?,
        BillCommand::List { day, before, desk } => {
            let query = query(&[
                ("day", day.map(|day| day.to_string())),
                ("before", before.map(|id| id.to_string())),
            ]);
            let page: Value = question(&desk, BILLS, Role::Auditor)?.get(&query).await?;
            show(&desk, &page, "bills", &BILL_COLUMNS);
        }
        BillCommand::Sandbox { day, out, faults, desk } => {
            let faults: Value = match &faults {
                Some(path) => serde_json::from_slice(&read(path)?).map_err(|error| malformed(path, error))?,
                None => json!([]),
            };
            let asked = json!({ "day": day, "faults": faults });
            let asking = question(&desk, "/v1/sandbox/bills", Role::Auditor)?;
            let file = asking.post_for_text("", &asked).await?;
            write(&out, file.as_bytes())?;
        }
        BillCommand::Profiles { desk } => {
            let list: Value = question(&desk, "/v1/finance/bill-profiles", Role::Auditor)?.get("").await?;
            show(&desk, &list, "profiles", &["name", "version", "created_by", "created_at"]);
        }
        BillCommand::SaveProfile { file, desk } => {
            let profile = read_setting(&file)?;
            let saving = question(&desk, "/v1/finance/bill-profiles", Role::FinanceMaker)?;
            let saved: Value = saving.post("", &profile).await?;
            show(&desk, &saved, "", &["name", "version", "created_by", "created_at"]);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A query of those parts that are there.
fn query(parts: &[(&str, Option<String>)]) -> String {
    let mut query = Serializer::new(String::new());
    for (name, value) in parts {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    if query.is_empty() { query } else { format!("?{query}") }
}

async fn hand_in(args: &FileArgs, path: &str, role: Role) -> Result<(), Failure> {
    let query = query(&[
        ("channel", Some(args.channel.clone())),
        ("format", args.format.clone()),
        ("profile", args.profile.clone()),
        ("scope", args.scope.map(|scope| scope.as_str().to_owned())),
        ("sha1", args.sha1.clone()),
        ("sha256", args.sha256.clone()),
        ("rows", args.rows.map(|rows| rows.to_string())),
    ]);
    let file = read(&args.file)?;
    let answer: Value = question(&args.desk, BILLS, role)?.post_file(&format!("{path}{query}"), file).await?;
    show(&args.desk, &answer, "", &BILL_COLUMNS);
    Ok(())
}

/// `largesse recon`.
///
/// # Errors
/// [`Failure`] where the process cannot be asked, and [`Failure::Answered`] with its reason where it refuses.
pub async fn recon(command: ReconCommand) -> Result<ExitCode, Failure> {
    match command {
        ReconCommand::Run { day, no_wait, desk } => {
            let run = ask_for(&desk, day).await?;
            if no_wait {
                let found: Value = question(&desk, RUNS, Role::Auditor)?.get(&format!("/{run}")).await?;
                show(&desk, &found, "", &RUN_COLUMNS);
                return Ok(ExitCode::SUCCESS);
            }
            let done = wait_for(&desk, run).await?;
            say(&desk, &done);
            Ok(exit_of(&done))
        }
        ReconCommand::Rerun { run, desk } => rerun(&desk, run).await,
        ReconCommand::List { day, desk } => {
            let query = query(&[("day", day.map(|day| day.to_string()))]);
            let page: Value = question(&desk, RUNS, Role::Auditor)?.get(&query).await?;
            show(&desk, &page, "runs", &RUN_COLUMNS);
            Ok(ExitCode::SUCCESS)
        }
        ReconCommand::Report { run, out, desk } => {
            let text = question(&desk, RUNS, Role::Auditor)?.get_text(&format!("/{run}/report")).await?;
            match out {
                Some(out) => write(&out, text.as_bytes())?,
                None => print!("{text}"),
            }
            Ok(ExitCode::SUCCESS)
        }
        ReconCommand::Diff { a, b, desk } => diff(&desk, a, b).await,
        ReconCommand::Explain { id, desk } => {
            let id = id.replace(['?', '#'], "").replace('/', "%2F"); // A payout's movement is named LINE/paid.
            let asking = question(&desk, "/v1/finance/explanations", Role::Auditor)?;
            let found: Value = asking.get(&format!("/{id}")).await?;
            explain(&desk, &found);
            Ok(ExitCode::SUCCESS)
        }
        ReconCommand::Today { day, desk } => {
            let asking = question(&desk, "/v1/finance/today", Role::Auditor)?;
            let today: Value = asking.get(&format!("?day={day}")).await?;
            show(&desk, &today, "files", &["channel", "scope", "expected", "arrived", "state"]);
            if !desk.json {
                let figures = [
                    "match_rate_count_ppm",
                    "match_rate_amount_ppm",
                    "open_breaks",
                    "overdue_breaks",
                    "cash_at_risk_minor",
                    "at_risk_coins",
                ];
                print!("{}", table(std::slice::from_ref(&today), &figures));
            }
            Ok(ExitCode::SUCCESS)
        }
        ReconCommand::Settlements { day, channel, waiting, before, desk } => {
            let query = query(&[
                ("day", day.map(|day| day.to_string())),
                ("channel", channel),
                ("waiting", waiting.then(|| "true".to_owned())),
                ("before", before.map(|before| before.to_string())),
            ]);
            let asking = question(&desk, "/v1/finance/channel-settlements", Role::Auditor)?;
            show(&desk, &asking.get(&query).await?, "settlements", &SETTLEMENT_COLUMNS);
            Ok(ExitCode::SUCCESS)
        }
        ReconCommand::Rules(command) => rules(command).await,
    }
}

async fn ask_for(desk: &DeskArgs, day: NaiveDate) -> Result<Uuid, Failure> {
    let run_id = Uuid::now_v7();
    let asking = question(desk, RUNS, Role::FinanceMaker)?;
    let _: Value = asking.post("", &json!({ "run_id": run_id, "day": day })).await?;
    Ok(run_id)
}

/// Waits until a run has ended, and shows how far it is where somebody looks.
async fn wait_for(desk: &DeskArgs, run: Uuid) -> Result<RunDetail, Failure> {
    let is_watched = std::io::stderr().is_terminal();
    loop {
        // A token lasts a minute, and a run may last longer: each look has its own.
        let detail: RunDetail = question(desk, RUNS, Role::Auditor)?.get(&format!("/{run}")).await?;
        let is_over = matches!(detail.run.state, RunState::Done | RunState::Failed);
        if is_watched {
            let end = if is_over { "\n" } else { "" };
            eprint!("\r{}{end}", bar(&detail));
            let _ = std::io::stderr().flush(); // Nobody is told less for it.
        }
        if is_over {
            return Ok(detail);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn bar(detail: &RunDetail) -> String {
    let run = &detail.run;
    let full = run.steps_done.saturating_mul(BAR_WIDTH) / run.steps_total.max(1);
    let part = |sign: &str, len: i64| sign.repeat(usize::try_from(len).unwrap_or_default());
    let (done, open) = (part("#", full), part(".", BAR_WIDTH - full));
    format!(
        "[{done}{open}] {}/{} steps, {} rows, {:<24}",
        run.steps_done, run.steps_total, run.rows_done, run.step
    )
}

fn exit_of(detail: &RunDetail) -> ExitCode {
    if detail.run.state == RunState::Done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn as_json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default() // Plain values always are JSON.
}

fn say(desk: &DeskArgs, detail: &RunDetail) {
    let value = as_json(detail);
    show(desk, &value, "", &RUN_COLUMNS);
    if desk.json {
        return;
    }
    let columns = [
        "channel",
        "scope",
        "has_file",
        "ours_count",
        "theirs_count",
        "matched_count",
        "matched_minor",
        "ambiguous_groups",
        "unmatched_ours",
        "unmatched_theirs",
    ];
    let channels = value.get("channels").and_then(Value::as_array).cloned().unwrap_or_default();
    print!("{}", table(&channels, &columns));
    println!("{} differences; `largesse recon report {}` names them", detail.differences, detail.run.run_id);
}

async fn rerun(desk: &DeskArgs, run: Uuid) -> Result<ExitCode, Failure> {
    let before: RunDetail = question(desk, RUNS, Role::Auditor)?.get(&format!("/{run}")).await?;
    let again = ask_for(desk, before.run.day).await?;
    let after = wait_for(desk, again).await?;
    let is_done = after.run.state == RunState::Done;
    let is_same = is_done && before.run.report_sha256 == after.run.report_sha256;
    if desk.json {
        let mut answer = as_json(&after);
        answer["report_is_the_same"] = json!(is_done.then_some(is_same));
        println!("{}", serde_json::to_string_pretty(&answer).unwrap_or_default()); // Plain values always print.
        return Ok(exit_of(&after));
    }
    say(desk, &after);
    if !is_done {
        return Ok(exit_of(&after));
    }
    if is_same {
        println!("The report is the same, byte by byte.");
    } else {
        println!("The report differs: largesse recon diff {run} {again}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn diff(desk: &DeskArgs, a: Uuid, b: Uuid) -> Result<ExitCode, Failure> {
    let found: recon::ReportDiff =
        question(desk, RUNS, Role::Auditor)?.get(&format!("/{a}/diff/{b}")).await?;
    if desk.json {
        println!("{}", serde_json::to_string_pretty(&found).unwrap_or_default()); // Plain values always print.
    } else {
        for (sign, lines) in [("-", &found.only_in_a), ("+", &found.only_in_b)] {
            for line in lines {
                println!("{sign} {line}");
            }
        }
        if found.is_equal {
            println!("The reports are the same, byte by byte.");
        }
    }
    Ok(if found.is_equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn explain(desk: &DeskArgs, found: &Value) {
    if desk.json {
        println!("{}", serde_json::to_string_pretty(found).unwrap_or_default()); // Plain values always print.
        return;
    }
    println!("{}", found["why"].as_str().unwrap_or_default());
    let rows = |name: &str| found.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let parts: [(&str, &[&str]); 4] = [
        ("ours", &["payment_id", "paid_day", "channel", "channel_payment_id", "amount_minor", "currency"]),
        ("theirs", &["row_id", "line", "day", "kind", "channel_ref", "our_ref", "amount_minor", "currency"]),
        ("matches", &["match_id", "scope", "day", "pass", "rules_version", "variance_minor"]),
        ("breaks", &["break_id", "kind", "state", "severity", "coins"]),
    ];
    for (name, columns) in parts {
        let rows = rows(name);
        if !rows.is_empty() {
            println!("\n{name}");
            print!("{}", table(&rows, columns));
        }
    }
    if let Some(detail) = found.get("detail") {
        for side in ["before", "after"] {
            println!("{side}: {}", detail[side]);
        }
    }
}

async fn rules(command: RulesCommand) -> Result<ExitCode, Failure> {
    const COLUMNS: [&str; 6] = ["scope", "version", "state", "maker_id", "checker_id", "reason"];
    match command {
        RulesCommand::List { desk } => {
            let list: Value = question(&desk, RULES, Role::Auditor)?.get("").await?;
            show(&desk, &list, "rules", &COLUMNS);
        }
        RulesCommand::Propose { file, scope, reason, desk } => {
            let rules: Value =
                serde_json::from_slice(&read(&file)?).map_err(|error| malformed(&file, error))?;
            let body = json!({ "scope": scope.as_str(), "rules": rules, "reason": reason });
            let proposed: Value = question(&desk, RULES, Role::FinanceMaker)?.post("", &body).await?;
            show(&desk, &proposed, "", &COLUMNS);
        }
        RulesCommand::DryRun { one, day } => {
            let OneVersion { version, scope, desk } = one;
            let path = format!("/{version}/dry-run?day={day}&scope={}", scope.as_str());
            let tried: Value = question(&desk, RULES, Role::Auditor)?.post(&path, &json!({})).await?;
            show(&desk, &tried, "", &["day", "old_version", "new_version", "counts"]);
        }
        RulesCommand::Approve { one } => decide(one, "approve", &COLUMNS).await?,
        RulesCommand::Reject { one } => decide(one, "reject", &COLUMNS).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn decide(one: OneVersion, decision: &str, columns: &[&str]) -> Result<(), Failure> {
    let OneVersion { version, scope, desk } = one;
    let path = format!("/{version}/{decision}?scope={}", scope.as_str());
    let decided: Value = question(&desk, RULES, Role::FinanceChecker)?.post(&path, &json!({})).await?;
    show(&desk, &decided, "", columns);
    Ok(())
}
