//! `largesse audit`: whether the trail of breaks is whole.

use crate::ask::Question;
use crate::check::proofs;
use crate::cli::{AuditCommand, VerifyArgs};
use crate::failure::Failure;
use contracts::lane::Lane;
use edge::Role;
use pg::Db;
use recon::{FaultKind, Verified};
use std::process::ExitCode;

/// Verifies, and prints what was found; the code is 0 only if the trail is whole.
pub async fn run(AuditCommand::Verify(args): AuditCommand) -> Result<ExitCode, Failure> {
    let verified = match &args.database {
        Some(url) => verify_tables(url, &args).await?,
        None => ask(&args).await?,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&verified).unwrap_or_default()); // Plain values always print.
    } else {
        print!("{}", text(&verified));
    }
    Ok(if verified.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn verify_tables(url: &str, args: &VerifyArgs) -> Result<Verified, Failure> {
    let pool = pg::connect(url, proofs()).await?;
    let db = Db::new(pool.clone(), "recon", &Lane::Live);
    let verified = recon::verify_trail(&db, args.anchor.into_iter().collect()).await;
    pool.close().await;
    Ok(verified?)
}

async fn ask(args: &VerifyArgs) -> Result<Verified, Failure> {
    let who = (Role::Auditor, ids::named_id("auditor", "audit verify"));
    let question = Question::open((&args.url, "/v1/finance/audit"), &args.data_dir, who)?;
    let against = args.anchor.map(|anchor| format!("?anchor={anchor}")).unwrap_or_default();
    question.get(&format!("/verification{against}")).await
}

fn text(verified: &Verified) -> String {
    let end = verified.head.as_deref().unwrap_or("-");
    let looked = format!("rows looked at  {}\nends at         {end}\n", verified.rows);
    let mut text = looked;
    if let Some(fault) = &verified.fault {
        text.push_str(&format!("The trail is NOT whole: row {} {}.\n", fault.seq, meaning(fault.kind)));
    }
    for break_id in &verified.unexplained {
        text.push_str(&format!("Break {break_id} stands otherwise than its steps in the trail say.\n"));
    }
    if verified.is_whole() {
        text.push_str("The trail is whole, and every break stands as it says.\n");
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
