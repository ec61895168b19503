//! What may be proposed about a break, so that whoever offers it to people offers nothing that would be refused.

use super::act_on_break::Desk;
use crate::domain::action::{Action, ActionKind, Subject, VoucherLine, is_of_funds};
use crate::domain::controls::face_value;
use crate::domain::receivable::ReceivableEnd;
use crate::domain::write_off::{Difference, lines_of};
use crate::store::breaks::BreakView;
use chrono::DateTime;
use money::Coins;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The kinds of action that may be proposed about one break, and their limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MayPropose {
    pub actions: Vec<ActionKind>,
    /// The most coins that are written off at once.
    pub write_off_coins_max: i64,
    /// The most coins that one proposal grants.
    pub grant_coins_max: i64,
    /// The most days that are waited.
    pub wait_days_max: u16,
}

/// In the order in which they are offered.
const KINDS: [ActionKind; 7] = [
    ActionKind::SettleReceivable,
    ActionKind::RefundOrder,
    ActionKind::Resettle,
    ActionKind::GrantCoins,
    ActionKind::AdjustVoucher,
    ActionKind::WriteOff,
    ActionKind::Wait,
];

impl Desk {
    /// What may be proposed about a break, as far as its kind, its coins and the services here say.
    pub fn may_propose(&self, found: &BreakView) -> MayPropose {
        let is_offered = |kind: &ActionKind| !kind.is_command() || self.commands.offers(*kind);
        let fitting = KINDS.into_iter().filter(|kind| self.fits(*kind, found));
        MayPropose {
            actions: fitting.filter(is_offered).collect(),
            write_off_coins_max: self.limits.write_off_coins_max,
            grant_coins_max: self.limits.grant_coins_max,
            wait_days_max: self.limits.wait_days_max,
        }
    }

    /// Whether some action of a kind can be proposed: asked of the rules themselves, with what the break says.
    fn fits(&self, kind: ActionKind, found: &BreakView) -> bool {
        let subject =
            Subject { kind: found.kind, logs: &found.logs, coins: found.coins, order_id: found.order_id };
        let passes = |action: Action| action.check(subject, self.limits).is_ok();
        match kind {
            // Their parameters are people's to choose, within limits.
            ActionKind::GrantCoins | ActionKind::AdjustVoucher | ActionKind::Wait => {
                !(kind.is_command() && is_of_funds(&found.logs))
            }
            ActionKind::RefundOrder => found
                .order_id
                .is_some_and(|order_id| passes(Action::RefundOrder { order_id, viewer_id: None })),
            ActionKind::Resettle => {
                found.order_id.is_some_and(|order_id| passes(Action::Resettle { order_id, order_seq: None }))
            }
            ActionKind::SettleReceivable => {
                let end = ReceivableEnd::Paid;
                passes(Action::SettleReceivable { end, viewer_id: None, lines: Vec::new(), coins: None })
            }
            ActionKind::WriteOff => {
                let lines = self.write_off_lines(found);
                let is_posted = lines.is_some_and(|lines| lines.is_empty() || self.commands.offers(kind));
                let of_coins = |coins| passes(Action::WriteOff { coins, lines: Vec::new() });
                is_posted && Coins::try_new(found.coins).is_ok_and(of_coins)
            }
        }
    }

    /// The voucher that writes a break off, at the face value of its day; `None` where a write-off does not end it.
    pub(super) fn write_off_lines(&self, found: &BreakView) -> Option<Vec<VoucherLine>> {
        let of_minute = found.minute.and_then(|minute| DateTime::from_timestamp_secs(i64::from(minute) * 60));
        let day = found.day.unwrap_or_else(|| self.zone.day_of(of_minute.unwrap_or(found.detected_at)));
        lines_of(Difference {
            kind: found.kind,
            logs: &found.logs,
            coins: found.coins,
            evidence: &found.evidence,
            micros_per_coin: face_value(&self.face_values, day)?,
        })
    }
}
