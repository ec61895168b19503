//! What a viewer owes, as the wallet's own row says it, and the voucher that ends it.

use super::desk_error::DeskError;
use super::order_rows::find_row;
use super::sources::Sources;
use crate::domain::action::Action;
use crate::domain::controls::{FaceValue, face_value};
use crate::domain::receivable::{ReceivableEnd, Withdrawn, lines_of};
use crate::store::breaks::BreakView;
use contracts::entry::Entry;
use money::Coins;

/// The action whole: whose debt it is, the voucher, and the coins to give back after a won dispute. Read again from the
/// wallet's row, and not from the break, because money follows.
///
/// # Errors
/// [`DeskError::OrderDiffers`] where the row is not there or says otherwise; the log is away.
pub async fn settling(
    sources: &Sources,
    found: &BreakView,
    (end, face_values): (ReceivableEnd, &[FaceValue]),
) -> Result<Action, DeskError> {
    let differs = DeskError::OrderDiffers("the wallet's row does not say that anything is owed");
    let Some(seq) = found.evidence.get("seq").and_then(serde_json::Value::as_i64) else {
        return Err(differs);
    };
    let row: Option<Entry> = find_row(&*sources.entries, found.partition, seq).await?;
    let row = row.filter(|row| row.is_accepted() && row.shortfall_coins.get() == found.coins);
    let Some(row) = row else { return Err(differs) };
    let taken = row.available.paid_coins.saturating_add(row.held.paid_coins).saturating_neg();
    let taken = Coins::try_new(taken).map_err(|_| DeskError::OrderDiffers("its coins went the wrong way"))?;
    let of = Withdrawn { taken, shortfall: row.shortfall_coins };
    let micros_per_coin = face_value(face_values, row.stamp.day);
    let lines = micros_per_coin.and_then(|micros| lines_of(end, of, micros));
    let lines = lines.ok_or(DeskError::OrderDiffers("what it is worth does not fit"))?;
    let is_back = end == ReceivableEnd::DisputeWon && !taken.is_zero();
    Ok(Action::SettleReceivable {
        end,
        viewer_id: Some(row.account_id),
        lines,
        coins: is_back.then_some(taken),
    })
}
