//! The pages of finance's desk, and with what each is opened.

use crate::failure::Failure;
use chrono::{Days, NaiveDate, Utc};
use sqlx::PgPool;

/// One page, or a route that people ask by hand.
pub struct Page {
    pub name: &'static str,
    /// Its address.
    pub path: String,
}

impl Page {
    fn new(name: &'static str, path: String) -> Page {
        Page { name, path }
    }

    /// A page that stands at its name.
    fn at(name: &'static str) -> Page {
        Page { name, path: name.to_owned() }
    }
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
    run_id: String,
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
    (SELECT max(run_id::text) FROM recon.recon_runs WHERE day = $1)";

/// [`FIND`]'s row.
type Found = (
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
            run_id: id(),
        }
    }

    /// Of a seeded system; what is not there is a stranger, and the page will say so.
    ///
    /// # Errors
    /// [`Failure::Sql`].
    pub async fn find(pool: &PgPool) -> Result<Subjects, Failure> {
        let none = Subjects::strangers();
        let found: Found = sqlx::query_as(FIND).bind(none.day_back(1)).fetch_one(pool).await?;
        let (break_id, voucher_id, order_id, payment_id, batch_id, payee_id, run_id) = found;
        Ok(Subjects {
            today: none.today,
            break_id: break_id.unwrap_or(none.break_id),
            voucher_id: voucher_id.unwrap_or(none.voucher_id),
            order_id: order_id.unwrap_or(none.order_id),
            payment_id: payment_id.unwrap_or(none.payment_id),
            batch_id: batch_id.unwrap_or(none.batch_id),
            payee_id: payee_id.unwrap_or(none.payee_id),
            run_id: run_id.unwrap_or(none.run_id),
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
        Page::at("/finance"),
        Page::at("/finance/breaks"),
        Page::at("/finance/breaks?severity=critical&kind=missing_voucher&overdue=true"),
        Page::new("/finance/breaks/{break_id}", format!("/finance/breaks/{}", of.break_id)),
        Page::at("/finance/approvals"),
        Page::at("/finance/suspense"),
        Page::at("/finance/refunds"),
    ]
}

fn books(of: &Subjects) -> Vec<Page> {
    let ever = |account: &str| format!("/finance/journal?account={account}&from=2020-01-01");
    let explained = format!("/v1/finance/explanations/{}", of.payment_id);
    vec![
        Page::at("/finance/trial-balance"),
        Page::at("/finance/journal"),
        Page::new("/finance/journal?account=2206", ever("2206")),
        Page::new("/finance/journal?account=1221", ever("1221")),
        Page::new("/finance/journal/{voucher_id}", format!("/finance/journal/{}", of.voucher_id)),
        Page::new("/finance/orders/{order_id}", format!("/finance/orders/{}", of.order_id)),
        Page::new("/v1/finance/explanations/{payment_id}", explained),
        Page::at("/finance/roll-forward"),
        Page::at("/finance/settlements"),
    ]
}

fn payees_and_control(of: &Subjects) -> Vec<Page> {
    let statement = format!("/finance/statements/{}/{}", of.payee_id, of.day_back(1));
    vec![
        Page::at("/finance/statements"),
        Page::new("/finance/statements/{payee_id}/{day}", statement),
        Page::at("/finance/payouts"),
        Page::new("/finance/payouts/{batch_id}", format!("/finance/payouts/{}", of.batch_id)),
        Page::at("/finance/close"),
        Page::at("/finance/runs"),
        Page::new("/finance/runs/{run_id}", format!("/finance/runs/{}", of.run_id)),
        Page::at("/finance/rules"),
        Page::at("/finance/audit"),
    ]
}
