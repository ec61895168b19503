//! Who is asking: four classes, 128 cohorts in each, and the level at which requests are cut.
//!
//! Pure. Owns the order in which requests are given up; must not know how many fit.

/// Whose request this is, from the one that is refused last to the one that is refused first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Somebody is paying: gifts and recharges.
    Paying,
    /// Another system reports a fact: channel callbacks, pulls between services.
    System,
    /// Somebody is looking.
    Browsing,
    /// Nobody is waiting: exports, reports.
    Background,
}

impl Priority {
    pub const ALL: [Priority; 4] =
        [Priority::Paying, Priority::System, Priority::Browsing, Priority::Background];

    /// The name on metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Priority::Paying => "paying",
            Priority::System => "system",
            Priority::Browsing => "browsing",
            Priority::Background => "background",
        }
    }

    pub(crate) const fn index(self) -> u16 {
        match self {
            Priority::Paying => 0,
            Priority::System => 1,
            Priority::Browsing => 2,
            Priority::Background => 3,
        }
    }
}

/// Cohorts in one class.
pub const COHORTS: u16 = 128;

/// Levels of all classes together: [`CutLevel`] runs from 0 (nobody) to this (everybody).
pub const LEVELS: u16 = 4 * COHORTS;

/// A stable share of all users: in an overload whole cohorts are served and whole cohorts are not, so that some
/// people see everything work, instead of everybody seeing every other request fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cohort(u16);

impl Cohort {
    /// The cohort of one user. Everybody who computes it for the same `turn` finds the same, on every node; a new
    /// turn (an hour, say) deals the cohorts anew, so that nobody is always the last.
    pub const fn of(user: u128, turn: u64) -> Cohort {
        let [low, high] = halves(user);
        Cohort::spread(mixed(mixed(low ^ turn.rotate_left(32)) ^ high))
    }

    /// The cohort of somebody nobody knows: any number that differs from request to request.
    pub const fn spread(number: u64) -> Cohort {
        let bytes = mixed(number).to_le_bytes();
        Cohort(u16::from_le_bytes([bytes[0], 0]) % COHORTS)
    }

    /// From 0, refused last in its class, to 127.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// In the middle of its class: whoever has no users has no cohorts.
impl Default for Cohort {
    fn default() -> Cohort {
        Cohort(COHORTS / 2)
    }
}

pub(crate) const fn halves(user: u128) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = user.to_le_bytes();
    [u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p])]
}

/// Spreads the bits of a number over all of it: two odd multiplications with shifts between them. Not a secret:
/// somebody who picks a user id for its cohort gains one hour.
pub(crate) const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 29)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    number ^ (number >> 32)
}

/// A kind of work, such as one route: response times are compared within a kind only. A number below
/// [`KINDS`](crate::KINDS) that the caller gives out; further ones share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Kind(pub u8);

/// One request, as far as admission is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub class: Priority,
    pub cohort: Cohort,
    pub kind: Kind,
}

impl Ask {
    /// A request of a class, of nobody in particular.
    pub fn new(class: Priority) -> Ask {
        Ask { class, cohort: Cohort::default(), kind: Kind::default() }
    }

    /// The same, of this cohort.
    #[must_use]
    pub fn of(self, cohort: Cohort) -> Ask {
        Ask { cohort, ..self }
    }

    /// The same, for this kind of work.
    #[must_use]
    pub fn kind(self, kind: Kind) -> Ask {
        Ask { kind, ..self }
    }

    /// Its place in the order of giving up: 0 is given up last.
    pub const fn level(self) -> u16 {
        self.class.index() * COHORTS + self.cohort.0
    }
}

impl From<Priority> for Ask {
    fn from(class: Priority) -> Ask {
        Ask::new(class)
    }
}

/// Requests at this level and above are refused before they start. Told upstream, so that they are not even sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CutLevel(u16);

/// The response header that tells the cut level upstream; absent while nobody is cut.
pub const CUT_LEVEL_HEADER: &str = "x-cut-level";

impl CutLevel {
    /// Nobody is cut.
    pub const OPEN: CutLevel = CutLevel(LEVELS);

    /// The level, at most [`LEVELS`].
    pub const fn at(level: u16) -> CutLevel {
        CutLevel(if level < LEVELS { level } else { LEVELS })
    }

    pub const fn admits(self, ask: Ask) -> bool {
        ask.level() < self.0
    }

    pub const fn number(self) -> u16 {
        self.0
    }
}

impl std::str::FromStr for CutLevel {
    type Err = std::num::ParseIntError;

    /// Reads the header. A level past the last one means that nobody is cut.
    fn from_str(text: &str) -> Result<CutLevel, Self::Err> {
        text.trim().parse().map(CutLevel::at)
    }
}

impl std::fmt::Display for CutLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
