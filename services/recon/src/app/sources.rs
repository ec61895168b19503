//! The logs that recon reads: four all the time, payments and payouts once a day; and rows of a range for those comparisons that need rows.

use contracts::entry::Entry;
use contracts::item::Item;
use contracts::log::{LogRow, Seq};
use contracts::order::Order;
use contracts::payment::Payment;
use contracts::payout::Payout;
use contracts::voucher::Voucher;
use ids::Partition;
use seqlog::{LogSource, PULL_ROWS_MAX, PullError};
use std::sync::Arc;

/// Where the rows come from.
#[derive(Clone)]
pub struct Sources {
    pub payments: Arc<dyn LogSource<Payment>>,
    pub entries: Arc<dyn LogSource<Entry>>,
    pub orders: Arc<dyn LogSource<Order>>,
    pub items: Arc<dyn LogSource<Item>>,
    pub payouts: Arc<dyn LogSource<Payout>>,
    pub vouchers: Arc<dyn LogSource<Voucher>>,
}

/// What `of` makes of the rows from `first` to `last`, page by page.
///
/// # Errors
/// [`PullError`]: the source is away; the comparison is repeated later.
pub async fn read_range<R: LogRow, T>(
    source: &dyn LogSource<R>,
    partition: Partition,
    (first, last): (Seq, Seq),
    mut of: impl FnMut(&R, &mut Vec<T>),
) -> Result<Vec<T>, PullError> {
    let (mut after, mut made) = (first - 1, Vec::new());
    while after < last {
        let page = source.read_after(partition, after, PULL_ROWS_MAX.min(last - after)).await?;
        let rows = page.rows.iter().filter(|row| row.stamp().seq > after);
        let mut read = None;
        for row in rows.take_while(|row| row.stamp().seq <= last) {
            of(row, &mut made);
            read = Some(row.stamp().seq);
        }
        match read {
            Some(seq) => after = seq,
            None => break, // The rest is not there: what is missing will show as a difference.
        }
    }
    Ok(made)
}
