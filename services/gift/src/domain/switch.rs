//! What can be switched while gifts are sent, and what a node does where nobody has.

use contracts::class::{Classed, ErrorClass};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The highest limit that can be set by hand.
const LIMIT_MAX: i64 = 1_000_000;

/// Everything that can be switched. A closed list: a name that is stored and not known here is a later program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SwitchName {
    /// Whether blind boxes are sold: 1 or 0. What was accepted before stays accepted.
    BlindBoxes,
    /// Viewers of one room's events on one node. Who watches already goes on.
    RoomSubscribersMax,
}

/// Why a value was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} takes 0 to {max}, not {value}", .name.as_str())]
pub struct BadSwitch {
    pub name: SwitchName,
    pub value: i64,
    max: i64,
}

impl Classed for BadSwitch {
    fn class(&self) -> ErrorClass {
        ErrorClass::Rejected
    }

    fn slug(&self) -> &'static str {
        "bad-switch"
    }
}

impl SwitchName {
    pub const ALL: [SwitchName; 2] = [SwitchName::BlindBoxes, SwitchName::RoomSubscribersMax];

    pub const fn as_str(self) -> &'static str {
        match self {
            SwitchName::BlindBoxes => "blind_boxes",
            SwitchName::RoomSubscribersMax => "room_subscribers_max",
        }
    }

    /// # Errors
    /// [`BadSwitch`].
    pub fn check(self, value: i64) -> Result<(), BadSwitch> {
        let max = match self {
            SwitchName::BlindBoxes => 1,
            SwitchName::RoomSubscribersMax => LIMIT_MAX,
        };
        if (0..=max).contains(&value) { Ok(()) } else { Err(BadSwitch { name: self, value, max }) }
    }
}

/// What was set by hand; `None` is left to the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByHand {
    pub blind_boxes: Option<bool>,
    pub room_subscribers_max: Option<usize>,
}

impl ByHand {
    /// Takes one value in.
    ///
    /// # Errors
    /// [`BadSwitch`]; nothing is taken in then.
    pub fn set(&mut self, name: SwitchName, value: i64) -> Result<(), BadSwitch> {
        name.check(value)?;
        match name {
            SwitchName::BlindBoxes => self.blind_boxes = Some(value == 1),
            SwitchName::RoomSubscribersMax => {
                self.room_subscribers_max = Some(usize::try_from(value).unwrap_or(usize::MAX)); // Just checked.
            }
        }
        Ok(())
    }
}
