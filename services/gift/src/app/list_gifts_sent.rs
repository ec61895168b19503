//! Which orders a viewer's account paid for in a time: along the account's own chain of entries, newest first, so that
//! gift needs no index by viewer.

use super::refund_case_error::RefundCaseError;
use crate::domain::refund_case::Period;
use contracts::wallet::Wallet;
use ids::OrderId;

/// Orders one case may have.
pub const GIFTS_MAX: usize = 10_000;

/// Entries one question asks the wallet for.
const PAGE_LEN: u16 = 200;

/// Entries read to find the period; an account with more after it wants a look by a person.
const ENTRIES_READ_MAX: usize = 200_000;

/// Accepted gifts of the viewer decided within the period, oldest first.
///
/// # Errors
/// [`RefundCaseError::TooManyGifts`]; [`RefundCaseError::Wallet`].
pub async fn list_gifts_sent(wallet: &dyn Wallet, period: Period) -> Result<Vec<OrderId>, RefundCaseError> {
    let (mut orders, mut before, mut read) = (Vec::new(), None, 0_usize);
    'pages: loop {
        let page = wallet.list_entries(period.viewer_id, before, PAGE_LEN).await?;
        for entry in &page {
            let decided_at = entry.stamp.decided_at;
            if decided_at < period.from {
                break 'pages; // A partition's time never runs back, so nothing older is later.
            }
            if decided_at < period.to && entry.is_accepted() && entry.kind.is_spend() {
                orders.push(OrderId::from_uuid(entry.request_id.uuid()));
            }
        }
        read += page.len();
        if orders.len() > GIFTS_MAX || read > ENTRIES_READ_MAX {
            return Err(RefundCaseError::TooManyGifts(GIFTS_MAX));
        }
        match page.last() {
            Some(last) if page.len() == usize::from(PAGE_LEN) => before = Some(last.stamp.seq),
            Some(_) | None => break,
        }
    }
    orders.reverse();
    Ok(orders)
}
