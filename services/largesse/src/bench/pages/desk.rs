//! The pages of finance's desk, with what their scripts ask for on opening (`services/console/assets`): the same
//! addresses, the same limits.

use crate::failure::Failure;
use chrono::{Days, NaiveDate, Utc};
use sqlx::PgPool;

/// One page, or a route that people ask by hand.
pub struct Page {
    pub name: &'static str,
    /// Its own address; none for a route.
    pub html: Option<String>,
    pub asks: Vec<Ask>,
}

/// One request of a page's script.
pub struct Ask {
    pub path: String,
    pub then: Then,
}

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    Nothing,
    /// Nothing; and the page expects that it may not be there.
    MayMiss,
    /// These, all at once, where the first was there.
    Paths(Vec<String>),
}

fn ask(path: impl Into<String>) -> Ask {
    Ask { path: path.into(), then: Then::Nothing }
}

fn asks<const N: usize>(paths: [&str; N]) -> Vec<Ask> {
    paths.into_iter().map(ask).collect()
}

/// A page that stands at its name.
fn page(name: &'static str, asks: Vec<Ask>) -> Page {
    Page { name, html: Some(name.to_owned()), asks }
}

/// What the pages of one thing are opened with.
pub struct Subjects {
    today: NaiveDate,
    break_id: String,
    voucher_id: String,
    order_id: String,
    payment_id: String,
    batch_id: String,
    payee_id: String,
    run_ids: [String; 2],
}

/// Things that every part of their page has something to say of.
const FIND: &str = "
SELECT
    (SELECT break_id::text FROM recon.breaks WHERE state = 4 AND kind = 'amount_mismatch' ORDER BY break_no DESC LIMIT 1),
    (SELECT partition || '-' || seq FROM clearing.vouchers
     WHERE partition = 7 AND posted_day = $1 AND rule = 'wallet.spend' ORDER BY seq DESC LIMIT 1),
    (SELECT order_id::text FROM gift.orders ORDER BY seq DESC LIMIT 1),
    (SELECT payment_id::text FROM recon.payment_lines WHERE channel = 'one' AND paid_day = $1 LIMIT 1),
    (SELECT batch_id::text FROM settlement.payout_batches WHERE state = 4 ORDER BY batch_id DESC LIMIT 1),
    (SELECT payee_id::text FROM settlement.statements WHERE payee_kind = 1 AND day = $1 LIMIT 1),
    (SELECT max(run_id::text) FROM recon.recon_runs WHERE day = $1),
    (SELECT min(run_id::text) FROM recon.recon_runs WHERE day = $1)";

/// [`FIND`]'s row.
type Found = (
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

impl Subjects {
    /// Of a system that knows none of them.
    pub fn strangers() -> Subjects {
        let id = || "0192f0a0-ffff-7000-8000-000000000000".to_owned();
        Subjects {
            today: Utc::now().date_naive(),
            break_id: id(),
            voucher_id: "7-1".to_owned(),
            order_id: id(),
            payment_id: id(),
            batch_id: id(),
            payee_id: id(),
            run_ids: [id(), id()],
        }
    }

    /// Of a seeded system; what is not there is a stranger, and the page will say so.
    ///
    /// # Errors
    /// [`Failure::Sql`].
    pub async fn find(pool: &PgPool) -> Result<Subjects, Failure> {
        let none = Subjects::strangers();
        let found: Found = sqlx::query_as(FIND).bind(none.day_back(1)).fetch_one(pool).await?;
        let (break_id, voucher_id, order_id, payment_id, batch_id, payee_id, last_run, first_run) = found;
        let [last, first] = none.run_ids;
        Ok(Subjects {
            today: none.today,
            break_id: break_id.unwrap_or(none.break_id),
            voucher_id: voucher_id.unwrap_or(none.voucher_id),
            order_id: order_id.unwrap_or(none.order_id),
            payment_id: payment_id.unwrap_or(none.payment_id),
            batch_id: batch_id.unwrap_or(none.batch_id),
            payee_id: payee_id.unwrap_or(none.payee_id),
            run_ids: [last_run.unwrap_or(last), first_run.unwrap_or(first)],
        })
    }

    fn day_back(&self, days: u64) -> NaiveDate {
        self.today.checked_sub_days(Days::new(days)).unwrap_or(self.today)
    }
}

/// Every page of the desk, in the order of its menu.
pub fn pages(of: &Subjects) -> Vec<Page> {
    let mut pages = work(of);
    pages.extend(books(of));
    pages.extend(payees_and_control(of));
    pages
}

fn work(of: &Subjects) -> Vec<Page> {
    vec![
        // Those that are drawn on the server: no script asks for anything.
        page("/finance", asks([])),
        page("/finance/breaks", asks([])),
        page("/finance/breaks?severity=critical&kind=missing_voucher&overdue=true", asks([])),
        Page {
            name: "/finance/breaks/{break_id}",
            html: Some(format!("/finance/breaks/{}", of.break_id)),
            asks: asks([]),
        },
        page("/finance/approvals", asks([])),
        page("/finance/suspense", asks([])),
        page("/finance/refunds", asks([])),
    ]
}

fn books(of: &Subjects) -> Vec<Page> {
    let ever = |account: &str| format!("/finance/journal?account={account}&from=2020-01-01");
    let order = &of.order_id;
    let explained = format!("/v1/finance/explanations/{}", of.payment_id);
    vec![
        page("/finance/trial-balance", asks([])),
        page("/finance/journal", asks([])),
        Page { name: "/finance/journal?account=2206", html: Some(ever("2206")), asks: asks([]) },
        Page { name: "/finance/journal?account=1221", html: Some(ever("1221")), asks: asks([]) },
        Page {
            name: "/finance/journal/{voucher_id}",
            html: Some(format!("/finance/journal/{}", of.voucher_id)),
            asks: asks([]),
        },
        Page {
            name: "/finance/orders/{order_id}",
            html: Some(format!("/finance/orders/{order}")),
            asks: asks([]),
        },
        Page { name: "/v1/finance/explanations/{payment_id}", html: None, asks: asks([&explained]) },
        page("/finance/roll-forward", asks([])),
    ]
}

fn payees_and_control(of: &Subjects) -> Vec<Page> {
    let yesterday = of.day_back(1);
    let statement = format!("{}/{yesterday}", of.payee_id);
    let [last, first] = &of.run_ids;
    let diff = format!("/v1/finance/recon-runs/{first}/diff/{last}");
    let runs = Ask {
        path: format!("/v1/finance/recon-runs?day={yesterday}"),
        then: Then::Paths(if first == last { Vec::new() } else { vec![diff] }),
    };
    let run = Ask {
        path: format!("/v1/finance/recon-runs/{last}"),
        then: Then::Paths(vec![format!("/v1/finance/recon-runs/{last}/report")]),
    };
    vec![
        page("/finance/statements", asks([])),
        Page {
            name: "/finance/statements/{payee_id}/{day}",
            html: Some(format!("/finance/statements/{statement}")),
            asks: asks([]),
        },
        page("/finance/payouts", asks([])),
        Page {
            name: "/finance/payouts/{batch_id}",
            html: Some(format!("/finance/payouts/{}", of.batch_id)),
            asks: asks([]),
        },
        page("/finance/close", asks([])),
        page("/finance/runs", vec![runs, ask(format!("/v1/finance/bills?day={yesterday}"))]),
        Page { name: "/finance/runs/{run_id}", html: Some(format!("/finance/runs/{last}")), asks: vec![run] },
        page("/finance/rules", asks(["/v1/finance/matching-rules"])),
        page("/finance/audit", asks(["/v1/finance/audit/breaks?limit=100"])),
    ]
}
