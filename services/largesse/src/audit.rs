//! `largesse audit`: whether the trails of breaks, refunds, periods and payouts are whole.

use crate::ask::Question;
use crate::check::proofs;
use crate::cli::breaks::TrailName;
use crate::cli::{AuditCommand, VerifyArgs};
use crate::failure::Failure;
use contracts::lane::Lane;
use edge::Role;
use pg::Db;
use serde::Serialize;
use sqlx::PgPool;
use std::process::ExitCode;
use trail::{Anchor, FaultKind, Verified};

/// One trail and what was found in it.
#[derive(Serialize)]
struct Found {
    trail: &'static str,
    #[serde(flatten)]
    verified: Verified,
}

/// All of them.
#[derive(Serialize)]
struct Trails {
    trails: Vec<Found>,
}

/// Verifies, and prints what was found; the code is 0 only if every trail is whole.
pub async fn run(AuditCommand::Verify(args): AuditCommand) -> Result<ExitCode, Failure> {
    let names: Vec<TrailName> = match args.trail {
        Some(one) => vec![one],
        None => TrailName::ALL.to_vec(),
    };
    let pool = match &args.database {
        Some(url) => Some(pg::connect(url, proofs()).await?),
        None => None,
    };
    let mut trails = Vec::new();
    for name in names {
        let anchors: Vec<Anchor> =
            args.anchors.iter().filter(|one| one.trail == name).map(|one| one.anchor).collect();
        let verified = match &pool {
            Some(pool) => verify_tables(pool, name, anchors).await?,
            None => ask(&args, name, &anchors).await?,
        };
        trails.push(Found { trail: name.as_str(), verified });
    }
    if let Some(pool) = pool {
        pool.close().await;
    }
    let is_whole = trails.iter().all(|found| found.verified.is_whole());
    if args.json {
        println!("{}", serde_json::to_string_pretty(&Trails { trails }).unwrap_or_default()); // Plain values always print.
    } else {
        trails.iter().for_each(|found| print!("{}", text(found)));
    }
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn verify_tables(pool: &PgPool, name: TrailName, anchors: Vec<Anchor>) -> Result<Verified, Failure> {
    let db = |schema| Db::new(pool.clone(), schema, &Lane::Live);
    Ok(match name {
        TrailName::Breaks => trail::verify_with(&db("recon"), &recon::UNEXPLAINED, anchors).await?,
        TrailName::Refunds => trail::verify_with(&db("gift"), gift::UNEXPLAINED, anchors).await?,
        TrailName::Periods => trail::verify_with(&db("clearing"), clearing::UNEXPLAINED, anchors).await?,
        TrailName::Payouts => trail::verify_with(&db("settlement"), settlement::UNEXPLAINED, anchors).await?,
    })
}

/// Asks a process: it takes one anchor at a time, so each asks again.
async fn ask(args: &VerifyArgs, name: TrailName, anchors: &[Anchor]) -> Result<Verified, Failure> {
    let who = (Role::Auditor, ids::named_id("auditor", "audit verify"));
    let path = format!("/v1/finance/audit/{}", name.as_str());
    let question = Question::open((&args.url, &path), &args.data_dir, who)?;
    let mut verified: Verified = question.get("/verification").await?;
    for anchor in anchors {
        if verified.fault.is_some() {
            break;
        }
        verified = question.get(&format!("/verification?anchor={anchor}")).await?;
    }
    Ok(verified)
}

fn text(Found { trail, verified }: &Found) -> String {
    let end = verified.head.as_deref().unwrap_or("-");
    let mut text = format!("{trail}: {} rows looked at, ends at {trail}={end}\n", verified.rows);
    if let Some(fault) = &verified.fault {
        text.push_str(&format!("The trail is NOT whole: row {} {}.\n", fault.seq, meaning(fault.kind)));
    }
    for subject in &verified.unexplained {
        text.push_str(&format!("{subject} stands otherwise than its steps in the trail say.\n"));
    }
    if verified.is_whole() {
        text.push_str("The trail is whole, and everything stands as it says.\n");
    }
    text
}

fn meaning(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Gap => "is missing, and later rows are there",
        FaultKind::WrongPrevious => {
            "does not follow the row before it: it was put in or moved, or that one was written anew"
        }
        FaultKind::RewrittenBody => "says something else than when it was written",
        FaultKind::WrongHash => "has another hash than when it was written",
        FaultKind::CutTail => "and all behind it are missing: the end was cut off",
        FaultKind::BehindHead => "is behind the trail's end: it was added past the program",
        FaultKind::WrongHead => "is the last, and not the one that the trail's head knows",
        FaultKind::WrongAnchor => "is not the one that the anchor knows: it was written anew",
        FaultKind::HeadMissing => "is where the trail ends as far as anybody can say: its head was deleted",
    }
}
