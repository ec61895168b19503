//! Switches and limits that an SRE sets while gifts are sent. Every node has them in memory: a send reads no database.

use crate::app::published::{Place, PublishError, Published};
use crate::domain::switch::{BadSwitch, ByHand, SwitchName};
use crate::store::switches;
use contracts::class::{Classed, ErrorClass};
use ids::Uuid;
use pg::Db;
use refresh::{DataSet, LoadError, RowTable, Rows, Rules, SnapshotSource, Table, Versioned};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The set's name: gift publishes it, and any service may read it.
pub const SWITCHES_SET: &str = "gift-switches";

/// The one table of the set.
const SWITCHES: &str = "switches";

/// One version of what was set by hand.
#[derive(Clone, Debug, Default)]
pub struct SwitchesView {
    rows: Table<String, i64>,
    pub by_hand: ByHand,
}

impl DataSet for SwitchesView {
    fn table_mut(&mut self, name: &str) -> Option<&mut dyn RowTable> {
        (name == SWITCHES).then_some(&mut self.rows)
    }

    fn finish(&mut self) -> Result<(), String> {
        let mut by_hand = ByHand::default();
        for name in SwitchName::ALL {
            if let Some(value) = self.rows.get(&name.as_str().to_owned()) {
                by_hand.set(name, **value).map_err(|error| error.to_string())?;
            }
        }
        self.by_hand = by_hand;
        Ok(())
    }
}

/// What a node does where nobody has set anything by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configured {
    pub blind_boxes: bool,
    pub room_subscribers_max: usize,
}

/// One switch as it stands on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SwitchState {
    pub name: SwitchName,
    /// What counts here: 0 and 1 are off and on, a limit is its number.
    pub value: u64,
    /// Whether somebody set it; else it is as this node's configuration says.
    pub by_hand: bool,
}

/// Why a switch was not set.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    #[error(transparent)]
    Bad(#[from] BadSwitch),
    #[error("the database failed")]
    Db(#[from] sqlx::Error),
    #[error(transparent)]
    Set(#[from] PublishError),
}

impl Classed for SwitchError {
    fn class(&self) -> ErrorClass {
        match self {
            SwitchError::Bad(error) => error.class(),
            SwitchError::Db(_) => ErrorClass::Transient,
            SwitchError::Set(error) => error.class(),
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            SwitchError::Bad(error) => error.slug(),
            SwitchError::Db(_) => "database-unavailable",
            SwitchError::Set(error) => error.slug(),
        }
    }
}

struct SwitchSource {
    db: Db,
}

#[async_trait::async_trait]
impl SnapshotSource<Rows> for SwitchSource {
    async fn load(&self, known_version: i64) -> Result<Option<Versioned<Rows>>, LoadError> {
        if switches::read_version(&self.db).await.map_err(LoadError::new)? <= known_version {
            return Ok(None);
        }
        let (version, values) = switches::list(&self.db).await.map_err(LoadError::new)?;
        let mut rows = Rows::new();
        rows.table(SWITCHES)?;
        for (name, value) in values {
            rows.put(SWITCHES, &name, &value)?;
        }
        Ok(Some(Versioned { version, value: rows }))
    }
}

/// The switches of this node.
pub struct Switches {
    db: Db,
    set: Published<SwitchesView>,
    configured: Configured,
}

impl Switches {
    /// Takes part in publishing the switches, and serves them.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn begin(place: &Place<'_>, configured: Configured) -> Result<Switches, PublishError> {
        let source = Arc::new(SwitchSource { db: place.db.clone() });
        let set = Published::begin(place, SWITCHES_SET, source, Rules::none()).await?;
        Ok(Switches { db: place.db.clone(), set, configured })
    }

    /// Whether blind boxes are sold now.
    pub fn sells_blind_boxes(&self) -> bool {
        self.set.view().value.by_hand.blind_boxes.unwrap_or(self.configured.blind_boxes)
    }

    /// How many may watch one room on this node now.
    pub fn room_subscribers_max(&self) -> usize {
        self.set.view().value.by_hand.room_subscribers_max.unwrap_or(self.configured.room_subscribers_max)
    }

    /// Every switch as it stands on this node.
    pub fn list(&self) -> Vec<SwitchState> {
        let by_hand = self.set.view().value.by_hand;
        let state = |name| {
            let (value, by_hand) = match name {
                SwitchName::BlindBoxes => {
                    let on = by_hand.blind_boxes.unwrap_or(self.configured.blind_boxes);
                    (u64::from(on), by_hand.blind_boxes.is_some())
                }
                SwitchName::RoomSubscribersMax => {
                    let max = by_hand.room_subscribers_max.unwrap_or(self.configured.room_subscribers_max);
                    (u64::try_from(max).unwrap_or(u64::MAX), by_hand.room_subscribers_max.is_some())
                }
            };
            SwitchState { name, value, by_hand }
        };
        SwitchName::ALL.map(state).to_vec()
    }

    /// Sets a switch on every node, or with `None` leaves it to their configuration again; this node does so when this
    /// returns.
    ///
    /// # Errors
    /// [`SwitchError`]; nothing is stored except in `NotRefreshed`.
    pub async fn set(&self, name: SwitchName, value: Option<i64>, by: Uuid) -> Result<(), SwitchError> {
        if let Some(value) = value {
            name.check(value)?;
        }
        let mut tx = self.db.begin().await?;
        let version = switches::next_version_in_tx(&mut tx, &self.db).await?;
        switches::set_in_tx(&mut tx, &self.db, (name, value), by).await?;
        tx.commit().await?;
        tracing::info!(switch = name.as_str(), value, %by, "a switch is set by hand");
        Ok(self.set.see(version).await?)
    }

    /// The set by hand.
    pub fn control(&self) -> refresh::Control {
        self.set.control()
    }
}
