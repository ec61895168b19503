//! The contract of admission: an ask goes in, a permit or a refusal with its reason comes out, at once.

use crate::priority::{Ask, CutLevel, Kind, Priority};
use contracts::class::{Classed, ErrorClass};
use std::sync::Arc;
use std::time::Duration;

/// Who decides what may start.
pub trait Admission: Send + Sync {
    /// Admits a request or refuses it, at once.
    ///
    /// # Errors
    /// [`Refusal`]: do no work for this request.
    fn try_admit(&self, ask: Ask) -> Result<Permit, Refusal>;

    /// The level from which on requests are refused, for whoever sends them.
    fn cut_level(&self) -> CutLevel {
        CutLevel::OPEN
    }
}

/// How a request that was admitted ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered; its time says how busy the node is.
    Served,
    /// Something behind it took too long: a sign of overload, and its time is not a measure of the work.
    TimedOut,
    /// Something behind it had no room for it: the same sign.
    Dropped,
    /// Whoever asked went away, or nobody said how it ended: the same sign.
    Abandoned,
    /// Says nothing about the node, such as a panic or a refusal by another rule.
    Ignored,
}

/// What a permit remembers of its request, for whoever gets the place back.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    pub since_ns: u64,
    pub moment: Moment,
    pub kind: Kind,
}

/// How full it was when a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Calm,
    /// Nearly every place was taken: the time of such a request shows what a full limit means.
    Crowded,
}

/// Whoever hands out places and gets each back exactly once.
pub trait Places: Send + Sync {
    fn give_back(&self, ticket: Ticket, outcome: Outcome);
}

/// The right to be in flight. [`Permit::finish`] says how it went; a dropped permit counts as abandoned. Either way
/// the place is free again. Making and dropping one allocates nothing.
#[must_use = "dropping a permit gives the place back at once"]
pub struct Permit {
    held: Option<(Arc<dyn Places>, Ticket)>,
}

impl Permit {
    /// The right to one of these places.
    #[inline]
    pub fn of(places: Arc<dyn Places>, ticket: Ticket) -> Permit {
        Permit { held: Some((places, ticket)) }
    }

    /// A permit that holds no place.
    #[inline]
    pub fn free() -> Permit {
        Permit { held: None }
    }

    /// Gives the place back and says how it went.
    #[inline]
    pub fn finish(mut self, outcome: Outcome) {
        if let Some((places, ticket)) = self.held.take() {
            places.give_back(ticket, outcome);
        }
    }
}

impl Permit {
    /// When its request came; 0 where nobody looked.
    #[cfg(feature = "tower")]
    #[inline]
    pub(crate) fn came_ns(&self) -> u64 {
        self.held.as_ref().map_or(0, |(_, ticket)| ticket.since_ns)
    }

    /// What it remembers; whoever takes it must give the place back.
    pub(crate) fn into_ticket(mut self) -> Option<Ticket> {
        self.held.take().map(|(_, ticket)| ticket)
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if let Some((places, ticket)) = self.held.take() {
            places.give_back(ticket, Outcome::Abandoned);
        }
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Permit")
    }
}

/// Why a request may not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The node has as much in flight as it takes.
    Overloaded,
    /// The request's level is cut: there is more work than fits, and others go first.
    Shed,
    /// This viewer has used up what one viewer may do.
    ViewerQuota,
    /// This room has used up what one room may do.
    RoomQuota,
    /// This tenant has used up what it may do.
    TenantQuota,
}

impl Reason {
    pub const ALL: [Reason; 5] =
        [Reason::Overloaded, Reason::Shed, Reason::ViewerQuota, Reason::RoomQuota, Reason::TenantQuota];

    /// The stable slug.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Overloaded => "overloaded",
            Reason::Shed => "shed",
            Reason::ViewerQuota => "viewer-quota",
            Reason::RoomQuota => "room-quota",
            Reason::TenantQuota => "tenant-quota",
        }
    }

    /// Whether whoever asks is over their own limit (429), and not the node over its (503).
    pub const fn is_quota(self) -> bool {
        match self {
            Reason::ViewerQuota | Reason::RoomQuota | Reason::TenantQuota => true,
            Reason::Overloaded | Reason::Shed => false,
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Reason::Overloaded => "there is more work than this node takes",
            Reason::Shed => "there is more work than this node takes, and more urgent requests go first",
            Reason::ViewerQuota => "this viewer has sent more than one viewer may for now",
            Reason::RoomQuota => "this room has received more than one room may for now",
            Reason::TenantQuota => "this tenant has sent more than it may for now",
        }
    }
}

/// Why a request may not start, and when to come back. Nothing of it has happened; the same request may come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", reason.sentence())]
pub struct Refusal {
    pub reason: Reason,
    /// When to come back.
    pub retry_after: Duration,
}

impl Refusal {
    /// The node has as much in flight as it takes: a place comes free soon, so soon is when to come back, the less
    /// urgent the later.
    pub const fn overloaded(class: Priority) -> Refusal {
        Refusal { reason: Reason::Overloaded, retry_after: patience(class) }
    }

    /// When to come back in whole seconds, rounded up, at least one: what `Retry-After` can say.
    pub fn retry_after_s(&self) -> u64 {
        (self.retry_after.as_secs() + u64::from(self.retry_after.subsec_nanos() > 0)).max(1)
    }

    /// The request's level is cut.
    pub const fn shed(class: Priority) -> Refusal {
        Refusal { reason: Reason::Shed, retry_after: patience(class) }
    }
}

const fn patience(class: Priority) -> Duration {
    Duration::from_secs(match class {
        Priority::Paying | Priority::System => 1,
        Priority::Browsing => 3,
        Priority::Background => 30,
    })
}

impl Classed for Refusal {
    fn class(&self) -> ErrorClass {
        ErrorClass::Transient
    }

    fn slug(&self) -> &'static str {
        self.reason.as_str()
    }
}
