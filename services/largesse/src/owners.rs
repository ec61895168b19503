//! What recon may have done by the services that own the data: the wallet's grants and refunds, settlement's items,
//! clearing's vouchers. In this process or in others; what is not reached is refused by name.

use chrono::NaiveDate;
use contracts::digest::body_hash;
use contracts::entry::{Entry, Funds};
use contracts::log::{AccountingZone, LogName};
use contracts::owner::{
    Adjust, AdjustPurpose, Adjusted, Adjusts, ClosedDay, OwnerError, Resettle, Resettled, Resettles,
    SettleChannel,
};
use contracts::voucher::Posting;
use contracts::wallet::{Act, Command, RefundAmount, Wallet, WalletError};
use ids::{RequestId, ViewerId, id_time};
use money::{Coins, Micros};
use recon::{Action, ActionKind, Agreed, BreakKind, CommandError, Commands};
use serde_json::{Value, json};
use std::sync::Arc;

/// The owning services, as far as this process reaches them.
pub struct OwnerCommands {
    pub wallet: Option<Arc<dyn Wallet>>,
    pub settlement: Option<Arc<dyn Resettles>>,
    pub clearing: Option<Arc<dyn Adjusts>>,
    /// Whose days an adjusting voucher belongs to.
    pub zone: AccountingZone,
}

/// An action as its owner is asked for it.
enum Asked {
    Wallet(Arc<dyn Wallet>, ViewerId, Act),
    Settlement(Arc<dyn Resettles>, Resettle),
    Clearing(Arc<dyn Adjusts>, Vec<Posting>),
    /// A voucher, and then coins for the viewer.
    Both {
        clearing: Arc<dyn Adjusts>,
        lines: Vec<Posting>,
        wallet: Arc<dyn Wallet>,
        of: (ViewerId, Act),
    },
}

impl OwnerCommands {
    fn asked(&self, request_id: RequestId, action: &Action) -> Result<Asked, CommandError> {
        let missing = || CommandError::NotOffered(action.kind());
        let refused = |why: &str| CommandError::Refused(why.to_owned());
        let wallet = || self.wallet.clone().ok_or_else(missing);
        match action {
            Action::GrantCoins { viewer_id, funds } => {
                Ok(Asked::Wallet(wallet()?, *viewer_id, Act::Compensation { funds: *funds }))
            }
            // The very request that gift sends for the order, so it happens once, whoever asks for it.
            Action::RefundOrder { order_id, viewer_id } => {
                let viewer_id =
                    viewer_id.ok_or_else(|| refused("the proposal does not say whose order it is"))?;
                let act = Act::Refund { order_id: *order_id, amount: RefundAmount::AllLeft };
                Ok(Asked::Wallet(wallet()?, viewer_id, act))
            }
            Action::Resettle { order_id, order_seq } => {
                let order_seq =
                    order_seq.ok_or_else(|| refused("the proposal does not name the order's row"))?;
                let settlement = self.settlement.clone().ok_or_else(missing)?;
                Ok(Asked::Settlement(settlement, Resettle { request_id, order_id: *order_id, order_seq }))
            }
            Action::AdjustVoucher { lines } | Action::WriteOff { lines, .. } => {
                let clearing = self.clearing.clone().ok_or_else(missing)?;
                Ok(Asked::Clearing(clearing, lines.iter().map(posting_of).collect()))
            }
            Action::SettleReceivable { viewer_id, lines, coins, .. } => {
                let clearing = self.clearing.clone().ok_or_else(missing)?;
                let lines: Vec<Posting> = lines.iter().map(posting_of).collect();
                let Some(coins) = coins else { return Ok(Asked::Clearing(clearing, lines)) };
                let viewer_id =
                    viewer_id.ok_or_else(|| refused("the proposal does not say whose debt it is"))?;
                let funds = Funds { paid_coins: *coins, promo_coins: Coins::ZERO };
                let of = (viewer_id, Act::Compensation { funds });
                Ok(Asked::Both { clearing, lines, wallet: wallet()?, of })
            }
            Action::Wait { .. } => Err(missing()),
        }
    }

    /// The voucher that two people agreed on. Its day is that of the approval, which the request's id carries.
    fn adjust(
        &self,
        request_id: RequestId,
        (agreed, purpose): (&Agreed, AdjustPurpose),
        lines: Vec<Posting>,
    ) -> Result<Adjust, CommandError> {
        let by_rule =
            || CommandError::Refused("a voucher is adjusted by two people and by no rule".to_owned());
        let approved_at = chrono::DateTime::from_timestamp_millis(id_time(request_id.uuid()).unix_ms);
        Ok(Adjust {
            request_id,
            break_id: agreed.break_id,
            purpose,
            day: self.zone.day_of(approved_at.unwrap_or_default()),
            maker_id: agreed.maker_id,
            checker_id: agreed.checker_id.ok_or_else(by_rule)?,
            reason: agreed.reason.clone(),
            lines,
        })
    }
}

fn posting_of(line: &recon::VoucherLine) -> Posting {
    Posting {
        account: line.account.clone(),
        debit: Micros::new(line.debit_micro),
        credit: Micros::new(line.credit_micro),
    }
}

/// Gives coins, once under the id.
async fn give(
    wallet: &Arc<dyn Wallet>,
    request_id: RequestId,
    (account_id, act): (ViewerId, Act),
) -> Result<Value, CommandError> {
    let command = Command { request_id, account_id, body_hash: body_hash(&act), act };
    let entry = wallet.submit(command).await.map_err(wallet_failed)?.entry;
    if !entry.is_accepted() {
        return Err(CommandError::Refused(entry.outcome.slug().to_owned()));
    }
    Ok(entry_proof(&entry))
}

/// A break about vouchers is a fault of the books; any other says that what they stand for differs. Writing off what
/// two of our own logs differ in takes it off their clearing account, which then is zero again: a repair.
fn purpose_of(kind: BreakKind, action: ActionKind) -> AdjustPurpose {
    let of_vouchers = matches!(
        kind,
        BreakKind::MissingVoucher
            | BreakKind::ExtraVoucher
            | BreakKind::VoucherMismatch
            | BreakKind::VoucherOverlap
    );
    let is_inside = action == ActionKind::WriteOff && !kind.is_of_money_outside();
    if of_vouchers || is_inside { AdjustPurpose::Repair } else { AdjustPurpose::Difference }
}

/// The entry as a proof: where it is, and what it moved.
fn entry_proof(entry: &Entry) -> Value {
    json!({
        "log": LogName::Entries.as_str(), "partition": entry.stamp.partition, "seq": entry.stamp.seq,
        "request_id": entry.request_id, "account_id": entry.account_id, "kind": entry.kind,
        "moved": entry.available, "decided_at": entry.stamp.decided_at,
    })
}

fn item_proof(done: &Resettled) -> Value {
    json!({
        "log": LogName::Items.as_str(), "partition": done.partition, "seq": done.item_seq,
        "request_id": done.request_id, "order_id": done.order_id,
    })
}

fn voucher_proof(done: &Adjusted) -> Value {
    json!({
        "log": LogName::Vouchers.as_str(), "partition": done.partition, "seq": done.voucher_seq,
        "request_id": done.request_id, "posted_day": done.posted_day,
    })
}

fn wallet_failed(error: WalletError) -> CommandError {
    match error {
        WalletError::RequestReused | WalletError::BadCommand(_) => CommandError::Refused(error.to_string()),
        WalletError::OutcomeUnknown
        | WalletError::ShardMoved
        | WalletError::Overloaded
        | WalletError::Unavailable(_) => CommandError::NoAnswer(error.to_string()),
    }
}

fn owner_failed(error: OwnerError) -> CommandError {
    match error {
        OwnerError::Refused { .. } => CommandError::Refused(error.to_string()),
        OwnerError::NoAnswer(why) => CommandError::NoAnswer(why),
    }
}

#[async_trait::async_trait]
impl Commands for OwnerCommands {
    fn offers(&self, kind: ActionKind) -> bool {
        match kind {
            ActionKind::GrantCoins | ActionKind::RefundOrder => self.wallet.is_some(),
            ActionKind::Resettle => self.settlement.is_some(),
            ActionKind::AdjustVoucher | ActionKind::WriteOff => self.clearing.is_some(),
            // A won dispute gives coins back, too.
            ActionKind::SettleReceivable => self.clearing.is_some() && self.wallet.is_some(),
            ActionKind::Wait => false,
        }
    }

    async fn run(
        &self,
        request_id: RequestId,
        action: &Action,
        agreed: &Agreed,
    ) -> Result<Value, CommandError> {
        match self.asked(request_id, action)? {
            Asked::Wallet(wallet, account_id, act) => give(&wallet, request_id, (account_id, act)).await,
            Asked::Settlement(settlement, ask) => {
                settlement.resettle(ask).await.map(|done| item_proof(&done)).map_err(owner_failed)
            }
            Asked::Clearing(clearing, lines) => {
                let ask = self.adjust(request_id, (agreed, purpose_of(agreed.kind, action.kind())), lines)?;
                clearing.adjust(ask).await.map(|done| voucher_proof(&done)).map_err(owner_failed)
            }
            // The voucher first: it is refused where the chart lacks an account, and nobody has coins then.
            Asked::Both { clearing, lines, wallet, of } => {
                let ask = self.adjust(request_id, (agreed, purpose_of(agreed.kind, action.kind())), lines)?;
                let voucher = clearing.adjust(ask).await.map_err(owner_failed)?;
                let entry = give(&wallet, request_id, of).await?;
                Ok(json!({ "voucher": voucher_proof(&voucher), "entry": entry }))
            }
        }
    }

    async fn settle_channel(&self, ask: SettleChannel) -> Result<Adjusted, CommandError> {
        let clearing = self.clearing.as_ref().ok_or(CommandError::NotOffered(ActionKind::AdjustVoucher))?;
        clearing.settle_channel(ask).await.map_err(owner_failed)
    }

    async fn look_at_closed_day(&self, before: NaiveDate) -> Result<Option<ClosedDay>, CommandError> {
        let clearing = self.clearing.as_ref().ok_or(CommandError::NotOffered(ActionKind::AdjustVoucher))?;
        clearing.look_at_closed_day(before).await.map_err(owner_failed)
    }

    async fn list_changed_balances(&self, before: NaiveDate) -> Result<Vec<NaiveDate>, CommandError> {
        let clearing = self.clearing.as_ref().ok_or(CommandError::NotOffered(ActionKind::AdjustVoucher))?;
        clearing.list_changed_balances(before).await.map_err(owner_failed)
    }

    async fn find_proof(
        &self,
        request_id: RequestId,
        action: &Action,
    ) -> Result<Option<Value>, CommandError> {
        match self.asked(request_id, action)? {
            Asked::Wallet(wallet, account_id, _) => {
                let entry = wallet.find_entry(account_id, request_id).await.map_err(wallet_failed)?;
                Ok(entry.filter(Entry::is_accepted).map(|entry| entry_proof(&entry)))
            }
            Asked::Settlement(settlement, _) => {
                let done = settlement.find_resettled(request_id).await.map_err(owner_failed)?;
                Ok(done.map(|done| item_proof(&done)))
            }
            Asked::Clearing(clearing, _) => {
                let done = clearing.find_adjusted(request_id).await.map_err(owner_failed)?;
                Ok(done.map(|done| voucher_proof(&done)))
            }
            Asked::Both { clearing, wallet, of: (account_id, _), .. } => {
                let voucher = clearing.find_adjusted(request_id).await.map_err(owner_failed)?;
                let entry = wallet.find_entry(account_id, request_id).await.map_err(wallet_failed)?;
                let both = voucher.zip(entry.filter(Entry::is_accepted));
                Ok(both.map(|(voucher, entry)| {
                    json!({ "voucher": voucher_proof(&voucher), "entry": entry_proof(&entry) })
                }))
            }
        }
    }
}
