//! The whole file, checked line by line before anything is sent, and again while it is sent.
//!
//! Owns what makes a file replayable: its order, its counts, its names, and that each `total_coin` is what the
//! server will charge. Memory is one entry per viewer and room.

use crate::catalogue::Catalogue;
use crate::error::{FieldProblem, ReplayError};
use crate::format::{
    AMOUNT_MINOR_MAX, CoinType, ComboEndLine, Event, FORMAT, GIFTS_MAX, GiftLine, Header, NAME_LEN_MAX,
    RECHARGES_MAX, ROOMS_MAX, RechargeLine, RoomLine, SOURCE_LEN_MAX, T_MS_MAX, TITLE_LEN_MAX, VERSION,
    VIEWERS_MAX, viewer_id,
};
use crate::line::{Fields, field_error};
use contracts::catalogue::QUANTITY_MAX;
use ids::ViewerId;
use money::COINS_MAX;
use std::collections::HashSet;

/// What a valid file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub rooms: u64,
    pub viewers: u64,
    pub recharges: u64,
    /// Gold gifts, the ones that charge.
    pub gifts: u64,
    pub free_gifts: u64,
    pub combo_ends: u64,
    /// Coins of all gold gifts, if every viewer can pay.
    pub charge_coins: i64,
    pub recharge_minor: i64,
    /// The latest `t_ms` of a gift.
    pub span_ms: i64,
}

/// Which part of the file a line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Rooms,
    Recharges,
    Gifts,
}

/// Checks events one after the other.
#[derive(Debug)]
pub(crate) struct Checker<'a> {
    catalogue: &'a Catalogue,
    header: &'a Header,
    part: Part,
    rooms: HashSet<String>,
    viewers: HashSet<ViewerId>,
    counts: Counts,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(catalogue: &'a Catalogue, header: &'a Header) -> Checker<'a> {
        Checker {
            catalogue,
            header,
            part: Part::Rooms,
            rooms: HashSet::new(),
            viewers: HashSet::new(),
            counts: Counts::default(),
        }
    }

    /// Checks one event.
    pub(crate) fn check(&mut self, line: u64, event: &Event) -> Result<(), ReplayError> {
        match event {
            Event::Room(room) => {
                self.enter(Part::Rooms, line, "room")?;
                if !self.rooms.insert(room.room.clone()) {
                    return Err(field_error(line, "room", FieldProblem::RoomTwice(room.room.clone())));
                }
                count(&mut self.counts.rooms, "rooms", self.header.rooms)
            }
            Event::Recharge(recharge) => {
                self.enter(Part::Recharges, line, "recharge")?;
                self.see_viewer(&recharge.viewer)?;
                add(&mut self.counts.recharge_minor, recharge.amount_minor, line, "amount_minor")?;
                count(&mut self.counts.recharges, "recharges", self.header.recharges)
            }
            Event::Gift(gift) => {
                self.enter(Part::Gifts, line, "gift")?;
                self.check_gift(line, gift)
            }
            Event::ComboEnd(combo) => {
                self.enter(Part::Gifts, line, "combo_end")?;
                self.check_room(line, &combo.room)?;
                if self.catalogue.find(combo.gift_id).is_none() {
                    return Err(field_error(line, "gift_id", FieldProblem::UnknownGift(combo.gift_id)));
                }
                self.counts.combo_ends += 1;
                // A summary follows a gift, so there can be no more of them.
                if self.counts.combo_ends > self.counts.gifts + self.counts.free_gifts {
                    return Err(ReplayError::OutOfOrder { line, kind: "combo_end" });
                }
                Ok(())
            }
        }
    }

    fn check_gift(&mut self, line: u64, gift: &GiftLine) -> Result<(), ReplayError> {
        self.check_room(line, &gift.room)?;
        self.see_viewer(&gift.viewer)?;
        self.counts.span_ms = self.counts.span_ms.max(gift.t_ms);
        let on_gift_id = |problem| field_error(line, "gift_id", problem);
        match gift.coin_type {
            CoinType::Silver => {
                self.catalogue.check_silver(gift.gift_id).map_err(on_gift_id)?;
                count(&mut self.counts.free_gifts, "free_gifts", self.header.free_gifts)
            }
            CoinType::Gold => {
                let server =
                    self.catalogue.gold_charge(gift.gift_id, gift.num).map_err(|problem| match problem {
                        FieldProblem::ChargeOverflow => field_error(line, "num", problem),
                        FieldProblem::GoldForFree => field_error(line, "coin_type", problem),
                        other => on_gift_id(other),
                    })?;
                if server != gift.total_coin {
                    let problem = FieldProblem::ChargeDiffers { stated: gift.total_coin, server };
                    return Err(field_error(line, "total_coin", problem));
                }
                add(&mut self.counts.charge_coins, server, line, "total_coin")?;
                count(&mut self.counts.gifts, "gifts", self.header.gifts)
            }
        }
    }

    fn check_room(&self, line: u64, room: &str) -> Result<(), ReplayError> {
        if self.rooms.contains(room) {
            Ok(())
        } else {
            Err(field_error(line, "room", FieldProblem::UnknownRoom(room.to_owned())))
        }
    }

    fn see_viewer(&mut self, viewer: &str) -> Result<(), ReplayError> {
        if self.viewers.insert(viewer_id(viewer)) {
            count(&mut self.counts.viewers, "viewers", self.header.viewers)?;
        }
        Ok(())
    }

    fn enter(&mut self, part: Part, line: u64, kind: &'static str) -> Result<(), ReplayError> {
        if part < self.part {
            return Err(ReplayError::OutOfOrder { line, kind });
        }
        self.part = part;
        Ok(())
    }

    /// After the last event: everything the header declares has come.
    pub(crate) fn finish(self) -> Result<Counts, ReplayError> {
        let (declared, found) = (self.header, self.counts);
        for (field, declared, found) in [
            ("rooms", declared.rooms, found.rooms),
            ("recharges", declared.recharges, found.recharges),
            ("gifts", declared.gifts, found.gifts),
            ("free_gifts", declared.free_gifts, found.free_gifts),
            ("viewers", declared.viewers, found.viewers),
        ] {
            if declared != found {
                return Err(ReplayError::Count { field, declared, found });
            }
        }
        Ok(found)
    }
}

/// Counts one more; more than declared ends the reading there, so no file is longer than its header says.
fn count(counter: &mut u64, field: &'static str, declared: u64) -> Result<(), ReplayError> {
    *counter += 1;
    if *counter > declared {
        return Err(ReplayError::Count { field, declared, found: *counter });
    }
    Ok(())
}

fn add(sum: &mut i64, amount: i64, line: u64, field: &str) -> Result<(), ReplayError> {
    *sum = sum
        .checked_add(amount)
        .filter(|sum| *sum <= COINS_MAX)
        .ok_or_else(|| field_error(line, field, FieldProblem::ChargeOverflow))?;
    Ok(())
}

/// Parses the header.
pub(crate) fn parse_header(line: u64, text: &str) -> Result<Header, ReplayError> {
    let mut fields = Fields::parse(line, text)?;
    let format = fields.text("format", NAME_LEN_MAX)?;
    if format != FORMAT {
        return Err(fields.error("format", FieldProblem::NotOneOf { found: format, allowed: FORMAT }));
    }
    let version = fields.integer("version", VERSION, VERSION)?;
    let source = fields.text("source", SOURCE_LEN_MAX)?;
    let mut number = |field, max| fields.integer(field, 0, max).map(i64::unsigned_abs);
    let gifts = number("gifts", GIFTS_MAX)?;
    let free_gifts = number("free_gifts", GIFTS_MAX)?;
    let rooms = number("rooms", ROOMS_MAX)?;
    let viewers = number("viewers", VIEWERS_MAX)?;
    let recharges = number("recharges", RECHARGES_MAX)?;
    fields.finish()?;
    Ok(Header { format, version, source, gifts, free_gifts, rooms, viewers, recharges })
}

/// Parses any line after the header.
pub(crate) fn parse_event(line: u64, text: &str) -> Result<Event, ReplayError> {
    let mut fields = Fields::parse(line, text)?;
    let kind = fields.text("kind", NAME_LEN_MAX)?;
    let event = match kind.as_str() {
        "room" => Event::Room(RoomLine {
            room: fields.text("room", NAME_LEN_MAX)?,
            streamer: fields.text("streamer", NAME_LEN_MAX)?,
            title: fields.text("title", TITLE_LEN_MAX)?,
        }),
        "recharge" => Event::Recharge(RechargeLine {
            t_ms: fields.integer("t_ms", 0, T_MS_MAX)?,
            viewer: fields.text("viewer", NAME_LEN_MAX)?,
            amount_minor: fields.integer("amount_minor", 1, AMOUNT_MINOR_MAX)?,
        }),
        "gift" => Event::Gift(GiftLine {
            t_ms: fields.integer("t_ms", 0, T_MS_MAX)?,
            viewer: fields.text("viewer", NAME_LEN_MAX)?,
            room: fields.text("room", NAME_LEN_MAX)?,
            gift_id: small(&mut fields, "gift_id", u32::MAX)?,
            num: small(&mut fields, "num", QUANTITY_MAX)?,
            coin_type: coin_type(&mut fields)?,
            total_coin: fields.integer("total_coin", 0, COINS_MAX)?,
            combo: fields.find_text("combo", NAME_LEN_MAX)?,
        }),
        "combo_end" => Event::ComboEnd(ComboEndLine {
            t_ms: fields.integer("t_ms", 0, T_MS_MAX)?,
            viewer: fields.text("viewer", NAME_LEN_MAX)?,
            room: fields.text("room", NAME_LEN_MAX)?,
            gift_id: small(&mut fields, "gift_id", u32::MAX)?,
            combo: fields.text("combo", NAME_LEN_MAX)?,
            num: small(&mut fields, "num", u32::MAX)?,
            total_coin: fields.integer("total_coin", 0, COINS_MAX)?,
        }),
        _ => {
            let problem = FieldProblem::NotOneOf { found: kind, allowed: "room, recharge, gift, combo_end" };
            return Err(fields.error("kind", problem));
        }
    };
    fields.finish()?;
    Ok(event)
}

fn small(fields: &mut Fields, field: &str, max: u32) -> Result<u32, ReplayError> {
    let integer = fields.integer(field, 1, i64::from(max))?;
    u32::try_from(integer).map_err(|_| {
        fields.error(
            field,
            FieldProblem::OutOfRange { found: i128::from(integer), min: 1, max: i64::from(max) },
        )
    })
}

fn coin_type(fields: &mut Fields) -> Result<CoinType, ReplayError> {
    let found = fields.text("coin_type", NAME_LEN_MAX)?;
    match found.as_str() {
        "gold" => Ok(CoinType::Gold),
        "silver" => Ok(CoinType::Silver),
        _ => Err(fields.error("coin_type", FieldProblem::NotOneOf { found, allowed: "gold, silver" })),
    }
}
