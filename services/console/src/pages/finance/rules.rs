//! Versions of the matching rules, what one would have done on a past day, and the next one's proposal.

use super::approvals::{Act, Against, Ways, decision};
use super::asked::{given, parsed, wrong};
use super::draw::{Look, Table, facts, state_badge, words};
use super::part::{Part, unavailable};
use super::{About, Content, Page, Set, drawn, field, may_read, refusal};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use edge::{Problem, Query};
use http::StatusCode;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

const PATH: &str = "/finance/rules";

/// What rules are of, and how that is called.
const SCOPES: [(&str, &str); 3] =
    [("channel", "Channels' bills"), ("bank", "Banks' statements"), ("funds", "Channels' fund bills")];

/// What the address asks for: nothing, or a dry run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    scope: String,
    version: String,
    day: String,
}

/// A version to be tried, and on which day.
struct Trial {
    version: i32,
    on: OnDay,
}

#[derive(Debug, Serialize)]
struct OnDay {
    day: NaiveDate,
    scope: &'static str,
}

#[derive(Debug, Deserialize)]
struct Rules {
    rules: Vec<Version>,
}

#[derive(Debug, Deserialize)]
struct Version {
    scope: String,
    version: i64,
    rules: Value,
    state: String,
    maker_id: Option<String>,
    reason: String,
    proposed_at: DateTime<Utc>,
    checker_id: Option<String>,
    decided_at: Option<DateTime<Utc>>,
}

/// What a version would have done, beside the one in force.
#[derive(Debug, Deserialize)]
struct DryRun {
    old_version: i64,
    new_version: i64,
    counts: BTreeMap<String, u64>,
    changes: Vec<OfChannel>,
}

#[derive(Debug, Deserialize)]
struct OfChannel {
    channel: String,
    change: Change,
}

/// One line whose fate changed.
#[derive(Debug, Deserialize)]
struct Change {
    side: String,
    id: String,
    kind: String,
    before: Fate,
    after: Fate,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fate {
    Matched { pass: String, variance_minor: i64 },
    Ambiguous { pass: String },
    Unmatched,
}

impl Fate {
    fn said(&self) -> String {
        match self {
            Fate::Matched { pass, variance_minor: 0 } => format!("matched by {pass}"),
            Fate::Matched { pass, variance_minor } => format!("matched by {pass}, off by {variance_minor}"),
            Fate::Ambiguous { pass } => format!("ambiguous in {pass}"),
            Fate::Unmatched => "unmatched".to_owned(),
        }
    }
}

impl Asked {
    fn trial(&self, yesterday: NaiveDate) -> Result<Option<Trial>, Refused> {
        let version = parsed(&self.version, "A version is a number.")?;
        let day = parsed(&self.day, "The day is a date, such as 2026-11-20.")?.unwrap_or(yesterday);
        let asked = given(&self.scope).unwrap_or(SCOPES[0].0);
        let known = SCOPES.iter().find(|(scope, _)| *scope == asked);
        let (scope, _) = known
            .ok_or_else(|| wrong("Rules are of channels' bills, of banks' statements or of fund bills."))?;
        Ok(version.map(|version| Trial { version, on: OnDay { day, scope } }))
    }
}

/// `/finance/rules`.
pub(super) async fn page(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    asked: Result<Query<Asked>, Problem>,
) -> Page {
    let about = About {
        title: "Matching rules",
        lede: "In which order rows are matched, and what a version would have done on a past day.",
        script: "rules",
        under: PATH,
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let look = Look::of(&session, deps.zone);
    let today = deps.zone.day_of(look.now);
    let yesterday = today.checked_sub_signed(TimeDelta::days(1)).unwrap_or(today);
    let trial = asked.map_err(Refused::from).and_then(|Query(asked)| asked.trial(yesterday));
    let content = content(&api, &trial, (&look, yesterday)).await;
    drawn(&deps, &session, &about, &content)
}

async fn content(
    api: &Api,
    trial: &Result<Option<Trial>, Refused>,
    (look, yesterday): (&Look, NaiveDate),
) -> Content {
    let tried = async {
        let trial = trial.as_ref().ok()?.as_ref()?;
        let path = format!("/v1/finance/matching-rules/{}/dry-run", trial.version);
        Some((trial, api.read_long::<DryRun>(&path, &trial.on).await))
    };
    let (rules, tried) = tokio::join!(api.get::<Rules>("/v1/finance/matching-rules"), tried);
    let failed = tried.as_ref().and_then(|(_, tried)| tried.as_ref().err());
    let failed = trial.as_ref().err().or(failed).or(rules.as_ref().err());
    let status = failed.map_or(StatusCode::OK, |refused| refused.status);
    let day = tried.as_ref().map_or(yesterday, |(trial, _)| trial.on.day);
    let markup = html! {
        @if let Err(refused) = trial { section .card { (refusal(refused)) } }
        @if let Some((trial, tried)) = &tried { (dry_card(trial, tried)) }
        (Part { id: "rules", heading: "Versions", stamp: None }.draw(&rules, |list| html! {
            div #rules { @for version in &list.rules { (one(version, day, look)) } }
            (super::draw::note("rules", if list.rules.is_empty() { "There is no version." } else { "" }))
        }))
        @if let (true, Ok(list)) = (look.is_maker(), &rules) { (propose(&list.rules)) }
    };
    Content { status, markup }
}

/// One version: its passes in their order, who made it, and a way to try it. It keeps nothing, so whoever reads may.
fn one(of: &Version, day: NaiveDate, look: &Look) -> Markup {
    let by = |at: DateTime<Utc>, id: &Option<String>| html! { (look.time(at)) " by " (look.person(id.as_deref())) };
    let passes = of.rules.get("passes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = passes.iter().filter_map(|pass| pass.get("name")?.as_str()).collect();
    let pairs = [
        ("Why", Some(html! { (of.reason) })),
        ("Passes", Some(html! { (names.join(", then ")) })),
        ("Proposed", of.maker_id.as_ref().map(|_| by(of.proposed_at, &of.maker_id))),
        ("Decided", of.decided_at.filter(|_| of.checker_id.is_some()).map(|at| by(at, &of.checker_id))),
    ];
    let decide = |verb: &str| {
        Act::plain(format!("/v1/finance/matching-rules/{}/{verb}?scope={}", of.version, of.scope))
    };
    html! {
        article .proposal {
            h3 { (words(&of.scope)) ", version " (of.version) " " (state_badge(&of.state)) }
            (facts(&pairs))
            details { summary { "As JSON" } code .json { (format!("{:#}", of.rules)) } }
            form .filters method="get" action={ (PATH) "#dry-card" } {
                input type="hidden" name="scope" value=(of.scope);
                input type="hidden" name="version" value=(of.version);
                (field("Against", &html! { input type="date" name="day" value=(day) required; }))
                div .filter-actions { button .quiet type="submit" { "Dry run" } }
            }
            @if let ("proposed", Some(maker)) = (of.state.as_str(), &of.maker_id) {
                (decision(
                    &Ways { approve: decide("approve"), against: Some(Against::Plain("Refuse", decide("reject"))) },
                    maker,
                    (look.decides_money(), look),
                ))
            }
        }
    }
}

fn dry_card(trial: &Trial, tried: &Result<DryRun, Refused>) -> Markup {
    html! {
        section .card aria-labelledby="dry-title" #dry-card {
            h2 #dry-title { "Dry run of version " (trial.version) " against " (trial.on.day) }
            @match tried {
                Ok(found) => div #dry { (dry(found)) },
                Err(refused) => (unavailable("dry", refused)),
            }
        }
    }
}

fn dry(found: &DryRun) -> Markup {
    let columns = [
        ("Channel", Set::Text),
        ("Side", Set::Text),
        ("Row", Set::Text),
        ("Change", Set::Text),
        ("Before", Set::Text),
        ("After", Set::Text),
    ];
    let rows = found.changes.iter().map(|OfChannel { channel, change }| {
        html! { tr {
            th scope="row" { (channel) }
            td { @if change.side == "left" { "ours" } @else { "theirs" } }
            td .id { (change.id) }
            td { (words(&change.kind)) }
            td { (change.before.said()) }
            td { (change.after.said()) }
        } }
    });
    let table = Table {
        id: "changes",
        caption: "Rows whose fate changes",
        columns: &columns,
        rows: rows.collect(),
        empty: "It does the same as the version in force.",
    };
    let counts = found.counts.iter().map(|(kind, count)| {
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        (words(kind), html! { (grouped(count)) })
    });
    let counts: Vec<(String, Markup)> = counts.collect();
    let pairs: Vec<(&str, Option<Markup>)> =
        counts.iter().map(|(kind, count)| (kind.as_str(), Some(count.clone()))).collect();
    html! {
        p .muted { "Version " (found.new_version) " beside version " (found.old_version) ", which is in force." }
        @if !pairs.is_empty() { h3 { "Counts" } (facts(&pairs)) }
        (table.draw())
    }
}

/// The newest version of a scope with the next number: what a proposal begins with.
fn next_of(scope: &str, versions: &[Version]) -> String {
    let newest = versions.iter().filter(|of| of.scope == scope).max_by_key(|of| of.version);
    let Some(newest) = newest else { return String::new() };
    let mut rules = newest.rules.clone();
    if let Some(members) = rules.as_object_mut() {
        members.insert("version".to_owned(), (newest.version.saturating_add(1)).into());
    }
    format!("{rules:#}")
}

fn propose(versions: &[Version]) -> Markup {
    let begin = SCOPES.map(|(scope, label)| (scope, label, next_of(scope, versions)));
    html! {
        section .card aria-labelledby="propose-title" #propose-card {
            h2 #propose-title { "Propose the next version" }
            p .muted { "It takes no effect until another person approves it. Try it against a past day first." }
            form #propose-form {
                (field("Rules of", &html! {
                    select name="scope" #scope {
                        @for (scope, label, next) in &begin { option value=(scope) data-next=(next) { (label) } }
                    }
                }))
                (field("The rules, as JSON", &html! {
                    textarea name="rules" #rules-text rows="16" spellcheck="false" autocomplete="off" required {
                        (begin[0].2)
                    }
                }))
                (field("Reason", &html! { textarea name="reason" rows="2" maxlength="4000" required {} }))
                button .primary type="submit" { "Propose" }
                p .error role="alert" {}
            }
        }
    }
}
