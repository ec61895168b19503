//! Sending a gift: one call of the wallet, one message to the room, nothing else.
//!
//! Touches no database. The charge is the server's; the request carries no price. What could not be
//! finished (the client went away, the wallet's outcome is unknown) is left to the orphans' task, so an
//! accepted gift always gets its report.

use crate::app::follow_gift::Following;
use crate::app::shelf::{Shelf, ShelfView};
use crate::app::show::{ByWhom, ShowQueue, Showing};
use crate::app::stage::Stage;
use crate::app::switches::Switches;
use crate::domain::blind_box::{DrawSeed, draw};
use crate::domain::check::{CheckError, check_quantity};
use crate::domain::combo::{ComboKey, Combos};
use crate::jobs::lease::Identity;
use crate::jobs::orphans::{Orphan, Orphans};
use crate::readers::routed_reports::RoutedReports;
use chrono::Utc;
use contracts::catalogue::{Gift, GiftId, GiftKind, Room, RoomState, Shelf as ShelfState, charge_coins};
use contracts::class::{Classed, ErrorClass};
use contracts::digest::body_hash;
use contracts::entry::{Combo, Funds, GiftSend, Outcome, Reveal};
use contracts::wallet::{Act, Answer, Command, Replay, Verdict, Wallet, WalletError};
use edge::{KeyAge, KeyAgeError, TenantViewer};
use guard::{Quotas, Refusal, Scope};
use ids::{OrderId, RoomId, SendKey, ViewerId};
use money::Coins;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What a client sends. There is no price in it: the server alone computes charges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendBody {
    pub room_id: RoomId,
    pub gift_id: GiftId,
    /// 1 to 9,999.
    pub quantity: u32,
}

/// What an accepted send is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Sent {
    /// Missing for a free gift: it is shown and is no order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    pub charge_coins: Coins,
    /// `accepted`, or `free`.
    pub outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// Coins left after this gift.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<Funds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub combo: Option<Combo>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reveals: Vec<Reveal>,
}

/// Why a gift was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    Key(#[from] KeyAgeError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error("there is no gift {0} in the catalogue")]
    NoSuchGift(GiftId),
    #[error("there is no room {0}")]
    NoSuchRoom(RoomId),
    /// Decided, and the same for ever under this key.
    #[error("{}", refusal_text(*.outcome))]
    Refused { outcome: Outcome, order_id: OrderId, available: Funds },
    #[error("the room takes no gifts now")]
    RoomClosed,
    #[error("the gift is not on the shelf now")]
    GiftOffShelf,
    #[error(transparent)]
    Wallet(#[from] WalletError),
    #[error("this node has more gifts to show than it takes; try again")]
    Overloaded,
    /// The viewer or the room has used up what it may have. Nothing has happened.
    #[error(transparent)]
    OverQuota(#[from] Refusal),
    /// For long now nobody has kept the orders of this partition: its report would not arrive in time.
    #[error("nobody keeps this viewer's orders now; try again")]
    KeptNowhere,
}

fn refusal_text(outcome: Outcome) -> String {
    match outcome {
        Outcome::NotEnoughCoins => "there are not enough coins for this gift",
        Outcome::Frozen => "the account is frozen",
        Outcome::OverDayLimit => "this gift would go over the day's limit",
        Outcome::RoomClosed => "the room takes no gifts now",
        Outcome::GiftOffShelf => "the gift is not on the shelf now",
        Outcome::Accepted
        | Outcome::NoSuchOrigin
        | Outcome::OverRefund
        | Outcome::HoldEnded
        | Outcome::OverBalanceMax => "the wallet refused the gift",
    }
    .to_owned()
}

impl Classed for SendError {
    fn class(&self) -> ErrorClass {
        match self {
            SendError::Key(error) => error.class(),
            SendError::Check(error) => error.class(),
            SendError::NoSuchGift(_) | SendError::NoSuchRoom(_) => ErrorClass::NotFound,
            SendError::Refused { .. } | SendError::RoomClosed | SendError::GiftOffShelf => {
                ErrorClass::Rejected
            }
            SendError::Wallet(error) => error.class(),
            SendError::OverQuota(refusal) => refusal.class(),
            SendError::Overloaded | SendError::KeptNowhere => ErrorClass::Transient,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            SendError::Key(error) => error.slug(),
            SendError::Check(error) => error.slug(),
            SendError::NoSuchGift(_) => "no-such-gift",
            SendError::NoSuchRoom(_) => "no-such-room",
            SendError::Refused { outcome, .. } => outcome.slug(),
            SendError::RoomClosed => Outcome::RoomClosed.slug(),
            SendError::GiftOffShelf => Outcome::GiftOffShelf.slug(),
            SendError::Wallet(error) => error.slug(),
            SendError::OverQuota(refusal) => refusal.slug(),
            SendError::Overloaded => "overloaded",
            SendError::KeptNowhere => "kept-nowhere",
        }
    }
}

/// What sending needs, shared by all requests of a node.
pub struct Sender {
    pub shelf: Arc<Shelf>,
    pub switches: Arc<Switches>,
    pub wallet: Arc<dyn Wallet>,
    pub combos: Arc<Combos>,
    pub identity: Arc<Identity>,
    pub show: ShowQueue,
    pub stage: Arc<Stage>,
    pub orphans: Arc<Orphans>,
    pub reports: Arc<RoutedReports>,
    pub quotas: Arc<Quotas>,
    pub seed: DrawSeed,
    pub key_age: KeyAge,
    pub id_version: u8,
}

struct Chosen {
    gift: Arc<Gift>,
    room: Arc<Room>,
    catalogue_version: i64,
}

impl Sender {
    fn take_from_quotas(&self, from: TenantViewer, room_id: RoomId) -> Result<(), Refusal> {
        let viewer = (Scope::Viewer, from.viewer_id.uuid().as_u128());
        let room = (Scope::Room, room_id.uuid().as_u128());
        match from.tenant {
            Some(tenant) => self.quotas.try_take(&[viewer, room, (Scope::Tenant, tenant.as_u128())], 1),
            None => self.quotas.try_take(&[viewer, room], 1),
        }
    }

    /// Sends a gift, once per key.
    ///
    /// # Errors
    /// [`SendError`]. After `OutcomeUnknown`, ask again with the same key to learn what happened.
    pub async fn send(&self, from: TenantViewer, key: SendKey, body: SendBody) -> Result<Sent, SendError> {
        let (viewer_id, now) = (from.viewer_id, Utc::now());
        self.key_age.check(key, now)?;
        check_quantity(body.quantity)?;
        let chosen = choose(&self.shelf.view().value, &body)?;
        self.take_from_quotas(from, body.room_id)?;
        let key = SendKey::from_uuid(ids::with_version(key.uuid(), self.id_version));
        let order_id = OrderId::of(viewer_id, key);
        if chosen.gift.kind == GiftKind::Free {
            return self.send_free(viewer_id, order_id, &body, &chosen).await;
        }
        let too_large = |_| CheckError::ChargeTooLarge { gift_id: body.gift_id, quantity: body.quantity };
        let charge_coins = charge_coins(&chosen.gift, body.quantity).map_err(too_large)?;
        if !self.show.has_room() {
            return Err(SendError::Overloaded);
        }
        if self.reports.is_out_of_reach(order_id.partition()) {
            return Err(SendError::KeptNowhere);
        }
        let combo_key = ComboKey { viewer_id, room_id: body.room_id, gift_id: body.gift_id };
        let combo = self.combos.count(combo_key, body.quantity, now.timestamp_millis());
        let send = GiftSend {
            room_id: body.room_id,
            streamer_id: chosen.room.streamer_id,
            gift_id: body.gift_id,
            quantity: body.quantity,
            unit_price_coins: chosen.gift.price_coins,
            catalogue_version: chosen.catalogue_version,
            combo,
            reveals: draw(&self.seed, order_id, &chosen.gift, body.quantity),
            node: self.identity.node().to_string(),
        };
        let verdict = verdict_on(&chosen, self.switches.sells_blind_boxes());
        let act = Act::Debit { charge_coins, send: Arc::new(send), verdict };
        let request_id = order_id.debit_request();
        let command = Command { request_id, account_id: viewer_id, body_hash: body_hash(&body), act };
        let orphan = Orphan { order_id, viewer_id, node: self.identity.node() };
        let unfinished = self.orphans.watch(orphan);
        let following = Following::begin(order_id);
        let answered = self.wallet.submit(command).await;
        if let Some(following) = following {
            following.end(&answered);
        }
        let counts = matches!(&answered, Ok(answer) if answer.replay != Replay::Replayed && answer.entry.is_accepted());
        if let (Some(combo), false) = (combo, counts) {
            self.combos.uncount(combo_key, combo, body.quantity);
        }
        let answer = match answered {
            Ok(answer) => answer,
            Err(error @ (WalletError::OutcomeUnknown | WalletError::Unavailable(_))) => {
                return Err(error.into()); // It may have been accepted: `unfinished` stays and finds out.
            }
            Err(error) => {
                unfinished.finish();
                return Err(error.into());
            }
        };
        if answer.replay == Replay::Doubted && answer.entry.is_accepted() {
            return told(order_id, answer); // `unfinished` stays: the orphans' task finds out whether it was shown.
        }
        if answer.replay == Replay::First && answer.entry.is_accepted() {
            // Waits only while the queue to the room is full; a cancelled request leaves an orphan.
            if let Some(showing) = Showing::of_entry(&answer.entry, ByWhom::Node) {
                self.show.hand_over(showing).await;
            }
        }
        unfinished.finish();
        told(order_id, answer)
    }

    /// Shows a free gift, once per key while the cache remembers it; a repeat is told the same.
    async fn send_free(
        &self,
        viewer_id: ViewerId,
        order_id: OrderId,
        body: &SendBody,
        chosen: &Chosen,
    ) -> Result<Sent, SendError> {
        match verdict_on(chosen, self.switches.sells_blind_boxes()) {
            Verdict::Allow => {}
            Verdict::RoomClosed => return Err(SendError::RoomClosed),
            Verdict::GiftOffShelf => return Err(SendError::GiftOffShelf),
        }
        let showing = Showing::free(order_id, viewer_id, body.room_id, body.gift_id, body.quantity);
        let place = self.show.try_reserve().map_err(|_| SendError::Overloaded)?;
        if self.stage.is_first(order_id).await {
            place.send(showing);
        }
        Ok(Sent {
            order_id: None,
            charge_coins: Coins::ZERO,
            outcome: "free",
            replay: None,
            available: None,
            combo: None,
            reveals: Vec::new(),
        })
    }
}

fn choose(view: &ShelfView, body: &SendBody) -> Result<Chosen, SendError> {
    let gift = view.gifts.get(&body.gift_id).ok_or(SendError::NoSuchGift(body.gift_id))?;
    let room = view.rooms.get(&body.room_id).ok_or(SendError::NoSuchRoom(body.room_id))?;
    Ok(Chosen { gift: Arc::clone(gift), room: Arc::clone(room), catalogue_version: view.catalogue_version })
}

/// Travels with the debit: a repeat of what was accepted is accepted, whatever has been switched since.
fn verdict_on(chosen: &Chosen, sells_blind_boxes: bool) -> Verdict {
    let is_sold = sells_blind_boxes || chosen.gift.kind != GiftKind::BlindBox;
    let shelf = if is_sold { chosen.gift.shelf } else { ShelfState::Off };
    match (chosen.room.state, shelf) {
        (RoomState::Closed, ShelfState::On | ShelfState::Off) => Verdict::RoomClosed,
        (RoomState::Live, ShelfState::Off) => Verdict::GiftOffShelf,
        (RoomState::Live, ShelfState::On) => Verdict::Allow,
    }
}

/// The answer, from the durable entry alone: a repeat tells the same.
fn told(order_id: OrderId, answer: Answer) -> Result<Sent, SendError> {
    let Answer { entry, replay } = answer;
    if !entry.is_accepted() {
        return Err(SendError::Refused { outcome: entry.outcome, order_id, available: entry.after });
    }
    let spent = entry.spent();
    let (combo, reveals) = entry.send.map(|send| (send.combo, send.reveals.clone())).unwrap_or_default();
    Ok(Sent {
        order_id: Some(order_id),
        charge_coins: spent.paid_coins.checked_add(spent.promo_coins).unwrap_or_default(),
        outcome: Outcome::Accepted.slug(),
        replay: Some(replay),
        available: Some(entry.after),
        combo,
        reveals,
    })
}
