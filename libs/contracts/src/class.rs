//! The class of an error: the edge turns it into an HTTP status, a queue action and a log level, once.

/// What an error means for whoever called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The request is wrong and will stay wrong: tell the caller, do not retry.
    Rejected,
    /// Not who they say, or not allowed.
    Denied,
    /// No such thing.
    NotFound,
    /// The request contradicts what is already recorded.
    Conflict,
    /// Try again later, with the same key.
    Transient,
    /// It may or may not have happened: ask again with the same key to learn.
    Unknown,
    /// Ours: a human must look.
    Bug,
}

/// An error that knows its class and its stable name.
pub trait Classed: std::error::Error {
    fn class(&self) -> ErrorClass;
    /// The stable slug of the problem, in kebab case (`not-enough-coins`). Part of the API.
    fn slug(&self) -> &'static str;
}
