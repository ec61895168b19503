//! What adapters say of their calls of an outside world, to whoever keeps count of them.

use std::time::Duration;

/// How one call went, as far as the world that was called is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Went {
    /// It answered, even if what it said is no.
    Well,
    /// It gave no answer, or one that says that it does not work.
    Badly,
}

/// Hears of every call; must not wait.
pub trait CallWatch: Send + Sync {
    fn went(&self, went: Went, took: Duration);
}
