//! `largesse break`: work on what reconciliation found, at a running process.

use crate::ask::Question;
use crate::cli::breaks::EndName;
use crate::cli::{ActionName, BreakCommand, DeskArgs, ListArgs, OneBreak, ProposeArgs};
use crate::failure::Failure;
use crate::token::subject;
use contracts::entry::Funds;
use edge::Role;
use ids::ViewerId;
use money::Coins;
use recon::{Action, BreakDetail, BreakView, Deed, ProposalView, ReceivableEnd, SideView};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt::Write;
use std::process::ExitCode;

/// Where a process takes work on breaks.
const BREAKS_PATH: &str = "/v1/finance/breaks";

/// A page of breaks.
#[derive(Debug, Serialize, Deserialize)]
struct Page {
    breaks: Vec<BreakView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_before: Option<i64>,
    not_closed_count: i64,
}

/// Asks a running process, and prints what it says.
///
/// # Errors
/// [`Failure`] where the process cannot be asked, and [`Failure::Answered`] with its reason where it refuses.
pub async fn run(command: BreakCommand) -> Result<ExitCode, Failure> {
    match command {
        BreakCommand::List(args) => list(&args).await?,
        BreakCommand::Show { one } => {
            let detail = detail(&one).await?;
            show(&one.desk, &detail, detail_text);
        }
        BreakCommand::Assign { one, to } => {
            act(
                &one,
                Role::FinanceMaker,
                "assignments",
                json!({ "assignee_id": subject(Role::FinanceMaker, &to) }),
            )
            .await?;
        }
        BreakCommand::Comment { one, text } => {
            act(&one, Role::FinanceMaker, "comments", json!({ "text": text })).await?;
        }
        BreakCommand::Propose(args) => propose(args).await?,
        BreakCommand::Approve { one, digest } => {
            let body = json!({ "proposal_id": proposal_of(&one, &digest).await?, "digest": digest });
            act(&one, Role::FinanceChecker, "approvals", body).await?;
        }
        BreakCommand::Reject { one, digest, reason } => {
            let proposal_id = proposal_of(&one, &digest).await?;
            let body = json!({ "proposal_id": proposal_id, "digest": digest, "reason": reason });
            act(&one, Role::FinanceChecker, "rejections", body).await?;
        }
        BreakCommand::Reopen { one, reason } => {
            act(&one, Role::FinanceMaker, "reopenings", json!({ "reason": reason })).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn question(desk: &DeskArgs, role: Role) -> Result<Question, Failure> {
    Question::open((&desk.url, BREAKS_PATH), &desk.data_dir, (role, subject(role, &desk.sub)))
}

async fn list(args: &ListArgs) -> Result<(), Failure> {
    let mut path = format!("?limit={}", args.limit);
    let wanted = [("state", &args.state), ("kind", &args.kind), ("severity", &args.severity)];
    for (name, value) in wanted.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        if !value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            let detail = format!("{value:?} is no {name}: lower-case letters and underscores");
            return Err(Failure::Answered { slug: "malformed".to_owned(), detail });
        }
        path.push_str(&format!("&{name}={value}"));
    }
    if args.overdue {
        path.push_str("&overdue=true");
    }
    if let Some(before) = args.before {
        path.push_str(&format!("&before={before}"));
    }
    let page: Page = question(&args.desk, Role::Auditor)?.get(&path).await?;
    show(&args.desk, &page, page_text);
    Ok(())
}

async fn detail(one: &OneBreak) -> Result<BreakDetail, Failure> {
    question(&one.desk, Role::Auditor)?.get(&format!("/{}", one.break_id)).await
}

/// The undecided proposal that has a digest.
async fn proposal_of(one: &OneBreak, digest: &str) -> Result<ids::Uuid, Failure> {
    let detail = detail(one).await?;
    let is_it = |it: &&ProposalView| it.decision.is_none() && it.digest == digest;
    detail.proposals.iter().find(is_it).map(|it| it.proposal_id).ok_or_else(|| Failure::Answered {
        slug: "no-such-proposal".to_owned(),
        detail: "No undecided proposal of this break has this digest.".to_owned(),
    })
}

async fn act(one: &OneBreak, role: Role, act: &str, body: serde_json::Value) -> Result<(), Failure> {
    let path = format!("/{}/{act}", one.break_id);
    let deed: Deed = question(&one.desk, role)?.post_once(&path, &body).await?;
    show(&one.desk, &deed, deed_text);
    Ok(())
}

async fn propose(args: ProposeArgs) -> Result<(), Failure> {
    let coins = |coins: i64| {
        Coins::try_new(coins).map_err(|error| Failure::Answered {
            slug: "coins-out-of-range".to_owned(),
            detail: error.to_string(),
        })
    };
    let of_order = async || {
        detail(&args.one).await?.found.order_id.ok_or_else(|| Failure::Answered {
            slug: "order-is-not-the-breaks".to_owned(),
            detail: "This break is not about one order.".to_owned(),
        })
    };
    let action = match args.action {
        ActionName::GrantCoins => Action::GrantCoins {
            viewer_id: ViewerId::from_uuid(subject(Role::Viewer, args.viewer.as_deref().unwrap_or_default())),
            funds: Funds { paid_coins: coins(args.paid_coins)?, promo_coins: coins(args.promo_coins)? },
        },
        ActionName::RefundOrder => Action::RefundOrder { order_id: of_order().await?, viewer_id: None },
        ActionName::Resettle => Action::Resettle { order_id: of_order().await?, order_seq: None },
        ActionName::AdjustVoucher => {
            Action::AdjustVoucher { lines: args.line.iter().map(|line| line.0.clone()).collect() }
        }
        ActionName::SettleReceivable => Action::SettleReceivable {
            end: args.end.map_or(ReceivableEnd::Paid, EndName::end),
            viewer_id: None,
            lines: Vec::new(),
            coins: None,
        },
        ActionName::WriteOff => {
            Action::WriteOff { coins: coins(args.coins.unwrap_or_default())?, lines: Vec::new() }
        }
        ActionName::Wait => Action::Wait { days: args.days.unwrap_or_default() },
    };
    let body = json!({ "action": action, "reason": args.reason });
    act(&args.one, Role::FinanceMaker, "proposals", body).await
}

fn show<T: Serialize>(desk: &DeskArgs, value: &T, text: impl Fn(&T) -> String) {
    if desk.json {
        println!("{}", serde_json::to_string_pretty(value).unwrap_or_default()); // Plain values always print.
    } else {
        print!("{}", text(value));
    }
}

/// Writing into a text cannot fail.
macro_rules! line {
    ($text:expr, $($rest:tt)*) => { let _ = writeln!($text, $($rest)*); };
}

fn minute(at: chrono::DateTime<chrono::Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

fn page_text(page: &Page) -> String {
    let mut text = String::new();
    line!(
        text,
        "{:<36} {:<18} {:<9} {:<8} {:>12}  {:<16} order",
        "break",
        "kind",
        "state",
        "severity",
        "coins",
        "due (UTC)"
    );
    for found in &page.breaks {
        let due = found.due_at.map(minute).unwrap_or_default();
        let order = found.order_id.map(|order| order.to_string()).unwrap_or_default();
        line!(
            text,
            "{} {:<18} {:<9} {:<8} {:>12}  {due:<16} {order}",
            found.break_id,
            found.kind.as_str(),
            found.state.as_str(),
            found.severity.as_str(),
            found.coins
        );
    }
    if let Some(before) = page.next_before {
        line!(text, "more: --before {before}");
    }
    line!(text, "{} breaks are not closed", page.not_closed_count);
    text
}

fn deed_text(deed: &Deed) -> String {
    let found = &deed.found;
    let mut text =
        format!("{} is {} (row {} of the trail)\n", found.break_id, found.state.as_str(), deed.audit_seq);
    if let (Some(proposal_id), Some(digest)) = (deed.proposal_id, &deed.digest) {
        line!(text, "proposal {proposal_id}, digest {digest}");
    }
    text
}

fn side_text(text: &mut String, side: &SideView) {
    let said =
        |value: &Option<serde_json::Value>| value.as_ref().map_or("nothing".to_owned(), ToString::to_string);
    line!(text, "{:<18} said {}", side.log, said(&side.recorded));
    let now = side.unavailable.as_ref().map(|why| format!("cannot be read: {why}"));
    line!(text, "{:<18} now  {}", "", now.unwrap_or_else(|| said(&side.row)));
}

fn detail_text(detail: &BreakDetail) -> String {
    let found = &detail.found;
    let mut text = String::new();
    let rows = [
        ("break", found.break_id.to_string()),
        ("kind", found.kind.as_str().to_owned()),
        ("state", found.state.as_str().to_owned()),
        ("severity", found.severity.as_str().to_owned()),
        ("coins", found.coins.to_string()),
        ("detected", minute(found.detected_at)),
        ("due", found.due_at.map(minute).unwrap_or_default()),
        ("order", found.order_id.map(|order| order.to_string()).unwrap_or_default()),
        ("assigned to", found.assignee_id.map(|id| id.to_string()).unwrap_or_default()),
        ("waits until", found.waits_until.map(minute).unwrap_or_default()),
        ("first break", found.reopens_id.map(|id| id.to_string()).unwrap_or_default()),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        line!(text, "{name:<18} {value}");
    }
    side_text(&mut text, &detail.before);
    side_text(&mut text, &detail.after);
    for proposal in &detail.proposals {
        let action = json!(proposal.action);
        line!(text, "\nproposal {} by {}: {action}", proposal.proposal_id, proposal.maker_id);
        line!(text, "  because {}\n  digest {}", proposal.reason, proposal.digest);
        if let Some(decision) = proposal.decision {
            let by = proposal.checker_id.map(|id| id.to_string()).or_else(|| proposal.rule.clone());
            line!(text, "  {} by {}", json!(decision).as_str().unwrap_or_default(), by.unwrap_or_default());
        }
        if let Some(effect) = &proposal.effect {
            let outcome = json!(effect.outcome);
            line!(text, "  {} after {} attempts", outcome.as_str().unwrap_or_default(), effect.attempts);
            if let Some(error) = &effect.last_error {
                line!(text, "  {error}");
            }
        }
    }
    for comment in &detail.comments {
        line!(text, "\n{} {}: {}", minute(comment.said_at), comment.author_id, comment.text);
    }
    line!(text, "");
    for step in detail.history.iter().rev() {
        line!(text, "{:>8} {} {:<10} {}", step.seq, minute(step.at), step.act, step.actor);
    }
    text
}
