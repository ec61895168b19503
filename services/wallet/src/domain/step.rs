//! Decides one command against one account.
//!
//! The order of refusals is fixed, because they are pinned: gift's verdict, frozen, the day's limit, enough
//! coins. A command of a wrong shape is an error and leaves no entry.

use super::account::{Account, Rules};
use super::act;
use super::hold;
use super::refund::{self, Origin};
use contracts::entry::{Entry, EntryKind, Funds, FundsDelta, GiftSend, Outcome};
use contracts::log::Stamp;
use contracts::wallet::{Act, Command, WalletError};
use ids::{RequestId, Uuid, ViewerId, id_time};
use money::Coins;
use std::sync::Arc;

/// What a decision needs beside the account and the command.
#[derive(Clone, Copy, Debug)]
pub struct StepContext<'a> {
    /// The partition's now, its minute and its accounting day; not numbered yet.
    pub stamp: &'a Stamp,
    pub rules: &'a Rules,
    /// What the command refers to and memory lacks; `None` where there is no such thing.
    pub origin: Option<&'a Origin>,
}

impl StepContext<'_> {
    pub(super) fn now_ms(&self) -> i64 {
        self.stamp.decided_at.timestamp_millis()
    }
}

/// Decides one command. Changes nothing: the entry changes the account through [`super::apply`].
///
/// # Errors
/// [`WalletError::BadCommand`] for a shape that can never be right. Not pinned: nothing is written.
pub fn step(account: &Account, context: &StepContext<'_>, command: &Command) -> Result<Entry, WalletError> {
    check_id(context, command.request_id)?;
    let entry = Draft::new(account, context, command);
    match &command.act {
        Act::Recharge { paid_coins, promo_coins } => {
            let funds = Funds { paid_coins: *paid_coins, promo_coins: *promo_coins };
            act::credit(entry, EntryKind::Recharge, funds)
        }
        Act::Bonus { coins } => {
            act::credit(entry, EntryKind::Bonus, Funds { paid_coins: Coins::ZERO, promo_coins: *coins })
        }
        Act::Compensation { funds } => act::credit(entry, EntryKind::Compensation, *funds),
        Act::Debit { charge_coins, send, verdict } => act::debit(entry, *charge_coins, send, *verdict),
        Act::HoldPlace { coins, expires_at_ms } => hold::place(entry, *coins, *expires_at_ms),
        Act::HoldCapture { hold_id, charge_coins, send } => {
            hold::capture(entry, *hold_id, *charge_coins, send)
        }
        Act::HoldRelease { hold_id } => hold::release(entry, *hold_id),
        Act::Refund { order_id, amount } => refund::refund(entry, *order_id, *amount),
        Act::Withdraw { payment_id, coins } => refund::withdraw(entry, *payment_id, *coins),
        Act::Expire { coins } => act::expire(entry, *coins),
        Act::Freeze => Ok(entry.accept(EntryKind::Freeze, Change::default())),
        Act::Unfreeze => Ok(entry.accept(EntryKind::Unfreeze, Change::default())),
    }
}

/// An id's own time picks the day table and says for how long it is known: it must be near now.
fn check_id(context: &StepContext<'_>, request_id: RequestId) -> Result<(), WalletError> {
    let version = request_id.uuid().get_version_num();
    if version != usize::from(context.rules.id_version) {
        return Err(bad(format!("request ids here are UUIDs of version {}", context.rules.id_version)));
    }
    let age_ms = context.now_ms().saturating_sub(id_time(request_id.uuid()).unix_ms);
    if age_ms < -context.rules.id_ahead_max_ms {
        return Err(bad("the request id's time is too far in the future".to_owned()));
    }
    if age_ms > context.rules.id_age_max_ms {
        return Err(bad("the request id's time is too far in the past".to_owned()));
    }
    Ok(())
}

pub(super) fn bad(reason: String) -> WalletError {
    WalletError::BadCommand(reason)
}

/// What an accepted entry changes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Change {
    pub available: FundsDelta,
    pub held: FundsDelta,
    pub shortfall_coins: Coins,
}

/// An entry in the making.
pub(super) struct Draft<'a> {
    pub account: &'a Account,
    pub context: &'a StepContext<'a>,
    pub request_id: RequestId,
    pub account_id: ViewerId,
    body_hash: i64,
    origin_id: Option<Uuid>,
    expires_at_ms: Option<i64>,
    send: Option<Arc<GiftSend>>,
}

impl<'a> Draft<'a> {
    fn new(account: &'a Account, context: &'a StepContext<'a>, command: &Command) -> Draft<'a> {
        Draft::internal(account, context, (command.account_id, command.request_id, command.body_hash))
    }

    /// A draft of an entry that the wallet itself causes.
    pub fn internal(
        account: &'a Account,
        context: &'a StepContext<'a>,
        (account_id, request_id, body_hash): (ViewerId, RequestId, i64),
    ) -> Draft<'a> {
        Draft {
            account,
            context,
            request_id,
            account_id,
            body_hash,
            origin_id: None,
            expires_at_ms: None,
            send: None,
        }
    }

    pub fn of_origin(mut self, origin_id: Uuid) -> Draft<'a> {
        self.origin_id = Some(origin_id);
        self
    }

    pub fn until(mut self, expires_at_ms: i64) -> Draft<'a> {
        self.expires_at_ms = Some(expires_at_ms);
        self
    }

    pub fn sending(mut self, send: &Arc<GiftSend>) -> Draft<'a> {
        self.send = Some(Arc::clone(send));
        self
    }

    /// A refusal: pinned, and it moves nothing.
    pub fn refuse(self, kind: EntryKind, outcome: Outcome) -> Entry {
        let account = self.account;
        self.entry(kind, outcome, Change::default(), (account.available, account.held))
    }

    /// An acceptance, or the refusal [`Outcome::OverBalanceMax`] where a balance would leave its range.
    ///
    /// What is available and what is held must fit one fund together, so that a hold can always come back.
    pub fn accept(self, kind: EntryKind, change: Change) -> Entry {
        let available = super::funds::moved(self.account.available, change.available);
        let held = super::funds::moved(self.account.held, change.held);
        match (available, held) {
            (Ok(available), Ok(held)) if super::funds::plus(available, held).is_ok() => {
                self.entry(kind, Outcome::Accepted, change, (available, held))
            }
            _ => self.refuse(kind, Outcome::OverBalanceMax),
        }
    }

    fn entry(self, kind: EntryKind, outcome: Outcome, change: Change, after: (Funds, Funds)) -> Entry {
        Entry {
            stamp: self.context.stamp.clone(),
            request_id: self.request_id,
            account_id: self.account_id,
            previous_seq: self.account.as_of_seq,
            kind,
            outcome,
            available: change.available,
            held: change.held,
            after: after.0,
            held_after: after.1,
            shortfall_coins: change.shortfall_coins,
            origin_id: self.origin_id,
            expires_at_ms: self.expires_at_ms,
            send: self.send,
            body_hash: self.body_hash,
        }
    }
}
