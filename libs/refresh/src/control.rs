//! A set by hand: who runs what, and what people ask for.
//!
//! Owns the check of what is asked against what is announced. Publishes nothing: an order is kept with the election,
//! and whoever is elected obeys it.

use crate::blobs::{BEAT, BlobError, Blobs, Call, ROSTER};
use crate::content::from_json;
use crate::election::{Election, ElectionError, Order};
use crate::set_name::SetName;
use crate::wire::{Announcement, Beat, Roster, short};
use cache::Cache;
use contracts::class::{Classed, ErrorClass};
use std::sync::Arc;

/// Why what a person asked for was not kept.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Election(#[from] ElectionError),
    #[error("there is no former version to go back to")]
    NothingBefore,
    #[error("no version has been announced yet")]
    NothingAnnounced,
    #[error("version {version} is not kept; those that can be pinned are {kept:?}")]
    NotKept { version: i64, kept: Vec<i64> },
    #[error("version {version} is not held back, so there is nothing to approve; held back is {held_back:?}")]
    NotHeldBack { version: i64, held_back: Option<i64> },
    #[error("what is announced cannot be read: {0}")]
    Unheard(String),
}

impl Classed for AskError {
    fn class(&self) -> ErrorClass {
        match self {
            AskError::Election(ElectionError::Db(_)) | AskError::Unheard(_) => ErrorClass::Transient,
            AskError::Election(ElectionError::NoProducer)
            | AskError::NothingBefore
            | AskError::NothingAnnounced
            | AskError::NotKept { .. }
            | AskError::NotHeldBack { .. } => ErrorClass::Conflict,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            AskError::Election(ElectionError::Db(_)) => "database-unavailable",
            AskError::Election(ElectionError::NoProducer) => "no-producer",
            AskError::NothingBefore => "no-former-version",
            AskError::NothingAnnounced => "nothing-announced",
            AskError::NotKept { .. } => "version-not-kept",
            AskError::NotHeldBack { .. } => "version-not-held-back",
            AskError::Unheard(_) => "cache-unavailable",
        }
    }
}

/// One set by hand. It may stand beside any node, also one that neither publishes nor serves the set.
#[derive(Clone)]
pub struct Control {
    election: Arc<dyn Election>,
    blobs: Blobs,
}

impl Control {
    /// `cache` is of the election's lane.
    pub fn new(set: SetName, election: Arc<dyn Election>, cache: Cache) -> Control {
        Control { election, blobs: Blobs::new(cache, set) }
    }

    pub fn set(&self) -> &SetName {
        self.blobs.set_name()
    }

    /// Tells the elected producer, wherever it is, that it should look. Losing it costs a wait.
    pub async fn changed(&self) {
        if let Err(error) = self.blobs.call(Call::Changed).await {
            tracing::debug!(set = %self.set(), %error, "the producer will find the change by itself");
        }
    }

    /// Who runs which version, as the elected producer has last heard it. `None` before it ever spoke.
    ///
    /// # Errors
    /// [`AskError::Unheard`]: the cache does not answer, or holds a roster of another form.
    pub async fn roster(&self) -> Result<Option<Roster>, AskError> {
        self.blobs.get_named(ROSTER).await.map_err(|error| AskError::Unheard(short(error)))
    }

    /// Pins a version, takes the pin away, or approves a version that changes more than the rules allow; `by` is kept
    /// beside it. A version that is not kept any more is not pinned, and the producer's status says so.
    ///
    /// # Errors
    /// [`AskError`]; nothing is asked then.
    pub async fn ask(&self, order: Order, by: &str) -> Result<(), AskError> {
        self.election.ask(self.set(), order, by).await?;
        self.changed().await;
        Ok(())
    }

    /// The same, for people: what names a version that could not be obeyed now is refused, and says which could.
    ///
    /// # Errors
    /// [`AskError`]; nothing is asked then.
    pub async fn ask_checked(&self, order: Order, by: &str) -> Result<(), AskError> {
        match order {
            Order::Unpin => {}
            Order::Pin(version) => {
                let kept = self.announced().await?.ok_or(AskError::NothingAnnounced)?.versions();
                if !kept.contains(&version) {
                    return Err(AskError::NotKept { version, kept });
                }
            }
            Order::Approve(version) => {
                let announced = self.announced().await?.ok_or(AskError::NothingAnnounced)?;
                let held_back = announced.held_back.map(|held| held.version);
                if held_back != Some(version) {
                    return Err(AskError::NotHeldBack { version, held_back });
                }
            }
        }
        self.ask(order, by).await
    }

    /// Pins the version before the one that is announced now, and gives its number.
    ///
    /// # Errors
    /// [`AskError`]; nothing is asked then.
    pub async fn roll_back(&self, by: &str) -> Result<i64, AskError> {
        let announced = self.announced().await?.ok_or(AskError::NothingBefore)?;
        let former = announced.history.iter().rev().find(|former| former.version < announced.stable.version);
        let version = former.ok_or(AskError::NothingBefore)?.version;
        self.ask(Order::Pin(version), by).await?;
        Ok(version)
    }

    async fn announced(&self) -> Result<Option<Announcement>, AskError> {
        let unheard = |error: BlobError| AskError::Unheard(short(error));
        let Some(beat) = self.blobs.get_named::<Beat>(BEAT).await.map_err(unheard)? else { return Ok(None) };
        let blob = self.blobs.get(beat.announcement).await.map_err(unheard)?;
        from_json(&blob).map(Some).map_err(|error| AskError::Unheard(short(error)))
    }
}

/// Who runs which version, where nothing is asked for.
///
/// # Errors
/// As [`Control::roster`].
pub async fn roster(cache: &Cache, set: &SetName) -> Result<Option<Roster>, AskError> {
    let blobs = Blobs::new(cache.clone(), set.clone());
    blobs.get_named(ROSTER).await.map_err(|error| AskError::Unheard(short(error)))
}
