//! What travels on a log's topic, and how a reader takes it in.

use bus::Message;
use contracts::lane::Lane;
use contracts::log::{BatchMessage, LogRow, MarksMessage, SCHEMA_VERSION};
use serde::{Deserialize, Serialize};

/// What travels on a log's topic. Part of the wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", bound(deserialize = "R: serde::de::DeserializeOwned"))]
pub enum LogMessage<R> {
    Batch(BatchMessage<R>),
    Marks(MarksMessage),
}

/// The part of a message that every version has.
#[derive(Deserialize)]
struct Versioned {
    schema_version: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Envelope {
    Batch(Versioned),
    Marks(Versioned),
}

impl<R: LogRow> LogMessage<R> {
    /// Reads a message of `lane` from the bus; readers in one process parse it once between them.
    ///
    /// # Errors
    /// The reason, in words, why this reader can never take it.
    pub fn take(message: Message, lane: &Lane) -> Result<LogMessage<R>, String> {
        message.read_once(|payload| LogMessage::read(payload, lane))
    }

    /// Reads a message of `lane`.
    ///
    /// # Errors
    /// The reason, in words, why this reader can never take it.
    pub fn read(payload: &[u8], lane: &Lane) -> Result<LogMessage<R>, String> {
        let message: LogMessage<R> =
            serde_json::from_slice(payload).map_err(|error| unread(payload, &error))?;
        let (log, of, version) = match &message {
            LogMessage::Batch(batch) => (batch.log, &batch.lane, batch.schema_version),
            LogMessage::Marks(marks) => (marks.log, &marks.lane, marks.schema_version),
        };
        if version != SCHEMA_VERSION {
            return Err(unknown(version));
        }
        if of != lane {
            return Err("a message of another lane".to_owned());
        }
        if log != R::LOG {
            return Err(format!("a message of {log}, where {} was expected", R::LOG));
        }
        Ok(message)
    }
}

/// Why a message could not be parsed: another version says so in the part that every version has.
fn unread(payload: &[u8], error: &serde_json::Error) -> String {
    match serde_json::from_slice::<Envelope>(payload) {
        Ok(Envelope::Batch(of) | Envelope::Marks(of)) if of.schema_version != SCHEMA_VERSION => {
            unknown(of.schema_version)
        }
        Ok(_) | Err(_) => format!("not readable: {error}"),
    }
}

fn unknown(version: u16) -> String {
    format!("schema version {version}; this reader knows {SCHEMA_VERSION}")
}
